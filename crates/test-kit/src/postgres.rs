//! A Postgres server of Debian's on a free port, for tests that must hold on the real thing.
//!
//! It ends with the process that started it, however that ends: a thread of its own starts it, and the kernel signals
//! it when that thread is gone. Its files are in a directory below the system's temporary one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::holds_within;

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The superuser, who needs no password on loopback.
const USER: &str = "fanfare";

/// Numbers the directories and databases of this process.
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// One server for all tests of a process that do not hurt it; each takes a [`Postgres::database`] of its own.
static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// A running Postgres.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    child: Mutex<Option<Child>>,
}

impl Postgres {
    /// The one that the tests of this process share.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    #[must_use]
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// Starts one of its own, for a test that kills it.
    ///
    /// # Panics
    /// When Postgres is not installed (`apt-get install postgresql`), or does not start.
    #[must_use]
    pub fn start() -> Self {
        let programs = programs();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("fanfare-postgres-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _nothing_there = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("a directory for the database");
        if is_root() {
            // Postgres refuses to run as root.
            run(Command::new("chown").arg("postgres:").arg(&directory));
        }
        let data = directory.join("data");
        let mut initdb = as_postgres(&programs.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync"]);
        run(initdb.args(["--locale=C.UTF-8"]));
        let port = crate::free_port();
        let server = Self { programs, directory, port, child: Mutex::new(None) };
        server.resume();
        server
    }

    /// The URL of a new, empty database.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name}");
        let made = self.psql("postgres", &sql);
        assert!(made.is_ok(), "{sql}: {made:?}");
        format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs statements in a database that [`Postgres::database`] made; the answer is bare lines with `|` between columns.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn query(&self, url: &str, sql: &str) -> Result<String, String> {
        self.psql(url.rsplit('/').next().unwrap_or_default(), sql)
    }

    /// Ends it at once with all of its processes, as a crash of their machine would.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child.take() {
            let end = |pid: u32, signal| {
                if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                    let _gone_already = kill_process(pid, signal);
                }
            };
            // Those that it started would end by themselves, but may answer a question before they see that it is gone.
            end(child.id(), Signal::STOP);
            let others = children(child.id());
            end(child.id(), Signal::KILL);
            for other in others {
                end(other, Signal::KILL);
            }
            let _ = child.wait();
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
            self.psql("postgres", "SELECT 1").is_ok()
        });
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        assert!(ready, "Postgres did not start:\n{log}");
    }

    fn spawn(&self) -> Child {
        let _gone = fs::remove_file(self.directory.join("data/postmaster.pid"));
        let log = self.directory.join("log");
        let log = fs::OpenOptions::new().append(true).create(true).open(log).expect("a log");
        let mut command = as_postgres(&self.programs.join("postgres"));
        command.arg("-D").arg(self.directory.join("data")).args(["-h", "127.0.0.1", "-p"]);
        command.arg(self.port.to_string()).arg("-k").arg(&self.directory);
        // Tests kill processes, not machines: the kernel still writes what it was given.
        command.args(["-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=16MB"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        let (tell, told) = mpsc::channel();
        // The kernel signals the child when the thread that started it ends, so this one never does.
        thread::spawn(move || {
            let _asked_no_more = tell.send(command.spawn());
            loop {
                thread::park();
            }
        });
        told.recv().expect("the thread's answer").expect("postgres starts")
    }

    fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            USER,
            "-d",
            database,
        ]);
        psql.env("PGCONNECT_TIMEOUT", "5").arg("-p").arg(self.port.to_string()).arg("-c").arg(sql);
        let output = psql.output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// The processes that this one has started.
fn children(of: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("the processes").filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        // proc_pid_stat(5): the name is in brackets, then come the state and the parent.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        parent.is_some_and(|parent| parent.parse() == Ok(of))
    })
    .collect()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
                // SIGINT is Postgres' fast shutdown.
                let _gone_already = kill_process(pid, Signal::INT);
            }
            let _ = child.wait();
        }
        let _left_behind = fs::remove_dir_all(&self.directory);
    }
}

/// Where Debian keeps the newest version's programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|bin| bin.join("postgres").exists() && bin.join("initdb").exists());
    found.sort();
    found.pop().expect("Postgres is missing (apt-get install postgresql)")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command as the user `postgres` where the tests run as root, ended with the thread that starts it.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg(program).env("LC_ALL", "C.UTF-8").current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
