//! Debian's Redis on a free port, for tests that must hold on the real thing: one server, its replica, three sentinels, a
//! cluster of three.
//!
//! Each ends with the process that started it, however that ends: a thread of its own starts it, and the kernel signals it when
//! that thread is gone. Its files are in a directory below the system's temporary one.
//!
//! Deliberately not here: a client. Tests ask by `redis-cli`, so that what they find is what an operator would.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::directory::Directory;
use crate::wait::holds_within;

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    directory: Directory,
    options: Vec<String>,
    password: Option<String>,
    is_sentinel: bool,
    child: Mutex<Option<Child>>,
}

/// A Redis about to be started.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    options: Vec<String>,
    password: Option<String>,
    files: Vec<(&'static str, String)>,
    is_sentinel: bool,
}

impl RedisOptions {
    /// Keeps nothing on disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Syncs each write to an append-only file.
    #[must_use]
    pub fn durable(self) -> Self {
        self.option("appendonly", "yes").option("appendfsync", "always")
    }

    /// Wants a password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.option("requirepass", password)
    }

    /// Has an option of `redis.conf`.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push(format!("--{name}"));
        self.options.extend(value.split(' ').map(str::to_owned));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When Redis is not installed (`apt-get install redis-server`), or does not start.
    #[must_use]
    pub fn start(self) -> Redis {
        let directory = Directory::new();
        for (name, text) in &self.files {
            directory.write(name, text);
        }
        let server = Redis {
            port: crate::free_port(),
            directory,
            options: self.options,
            password: self.password,
            is_sentinel: self.is_sentinel,
            child: Mutex::new(None),
        };
        server.resume();
        server
    }
}

impl Redis {
    /// One that keeps nothing on disk.
    ///
    /// # Panics
    /// As [`RedisOptions::start`].
    #[must_use]
    pub fn start() -> Self {
        RedisOptions::new().start()
    }

    /// One that syncs each write.
    ///
    /// # Panics
    /// As [`RedisOptions::start`].
    #[must_use]
    pub fn durable() -> Self {
        RedisOptions::new().durable().start()
    }

    /// A replica of this one, once it has all that this one has.
    ///
    /// # Panics
    /// As [`RedisOptions::start`].
    #[must_use]
    pub fn replica(&self) -> Self {
        let replica = RedisOptions::new()
            .option("replicaof", &format!("127.0.0.1 {}", self.port))
            .option("repl-diskless-sync-delay", "0")
            .start();
        let linked = || replica.ask(&["INFO", "replication"]).contains("master_link_status:up");
        assert!(holds_within(START, linked), "the replica did not follow");
        replica
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its URL, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What `redis-cli` answers.
    ///
    /// # Panics
    /// When it can't be run.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--no-auth-warning"]);
        if let Some(password) = &self.password {
            cli.args(["-a", password]);
        }
        let output = cli.args(words).output().expect("redis-cli (apt-get install redis-tools)");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child.take() {
            let _gone_already = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it where it stands: it keeps its connections and answers nobody.
    pub fn hold(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()));
        kill_process(pid.expect("a running Redis"), signal).expect("a signal");
    }

    /// Removes its files; it must not run.
    ///
    /// # Panics
    /// When they can't be removed.
    pub fn forget(&self) {
        for entry in fs::read_dir(self.directory.path()).expect("its directory").flatten() {
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }

    /// Starts it again on the same port and files.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn resume(&self) {
        let ready = holds_within(START, || {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            if !child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
                *child = Some(self.spawn());
            }
            drop(child);
            self.ask(&["PING"]) == "PONG"
        });
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        assert!(ready, "Redis did not start:\n{log}");
    }

    fn spawn(&self) -> Child {
        let directory = self.directory.path();
        let log = fs::OpenOptions::new().append(true).create(true).open(directory.join("log"));
        let log = log.expect("a log");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server"]);
        if self.is_sentinel {
            command.args(["sentinel.conf", "--sentinel"]);
        } else {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(directory);
        command.args(&self.options).current_dir(directory);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        let (tell, told) = mpsc::channel();
        // The kernel signals the child when the thread that started it ends, so this one never does.
        thread::spawn(move || {
            let _asked_no_more = tell.send(command.spawn());
            loop {
                thread::park();
            }
        });
        told.recv().expect("the thread's answer").expect("redis-server (apt-get install redis-server)")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three sentinels that watch a master under the name `fanfare`, and take it for dead after a second.
///
/// # Panics
/// When they don't start, or don't see each other.
#[must_use]
pub fn sentinels(master: &Redis) -> Vec<Redis> {
    let text = format!(
        "sentinel monitor fanfare 127.0.0.1 {} 2\nsentinel down-after-milliseconds fanfare 1000\nsentinel failover-timeout fanfare 3000\n",
        master.port
    );
    let start = || {
        let files = vec![("sentinel.conf", text.clone())];
        RedisOptions { files, is_sentinel: true, ..RedisOptions::new() }.start()
    };
    let sentinels: Vec<Redis> = (0..3).map(|_| start()).collect();
    let see = |sentinel: &Redis| {
        let told = sentinel.ask(&["SENTINEL", "MASTER", "fanfare"]);
        let mut lines = told.lines();
        let value = |lines: &mut std::str::Lines<'_>, name: &str| {
            lines.find(|line| *line == name).and_then(|_| lines.next()).map(str::to_owned)
        };
        value(&mut lines.clone(), "num-other-sentinels").as_deref() == Some("2")
            && value(&mut lines, "num-slaves").as_deref() == Some("1")
    };
    assert!(holds_within(START, || sentinels.iter().all(see)), "the sentinels did not find each other");
    sentinels
}

/// A cluster of three masters without replicas, all slots given.
///
/// # Panics
/// When it does not come up.
#[must_use]
pub fn cluster() -> Vec<Redis> {
    let start = || {
        // The cluster's own port would be 10,000 higher, which may not be free.
        RedisOptions::new()
            .option("cluster-enabled", "yes")
            .option("cluster-node-timeout", "2000")
            .option("cluster-port", &crate::free_port().to_string())
            .start()
    };
    let nodes: Vec<Redis> = (0..3).map(|_| start()).collect();
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]);
    create.args(nodes.iter().map(|node| node.address().to_string()));
    let output = create.arg("--cluster-yes").output().expect("redis-cli");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let stands = |node: &Redis| node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
    assert!(holds_within(START, || nodes.iter().all(stands)), "the cluster did not come up");
    nodes
}
