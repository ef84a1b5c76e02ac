//! The real binary as a child process: started on a free port, watched, ended.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::{self, Answer};
use crate::wait::{PATIENCE, holds_within, left};

/// How long a server may take from its start to its address: a debug build on a busy machine.
const START: Duration = Duration::from_secs(30);

/// What stands in front of the address in the line that says that the server is ready.
const READY: &str = "listening on http";

/// A server about to be started.
///
/// It gets none of the test's own environment but `PATH` and `HOME`, so that a developer's settings decide nothing,
/// and `HOST=127.0.0.1`, `PORT=0`, which [`Launch::env`] may replace.
///
/// ```no_run
/// # let program = "target/debug/websocket-server";
/// let server = test_kit::Launch::new(program).env("JWT_SECRET", "a-secret-of-32-bytes-for-the-test").start();
/// let mut client = test_kit::Client::welcomed(&server.ws());
/// ```
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
}

impl Launch {
    /// A launch of `program`: in the server's own tests `env!("CARGO_BIN_EXE_websocket-server")`.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Self {
        let mut environment = BTreeMap::new();
        for name in ["PATH", "HOME"] {
            if let Some(value) = env::var_os(name) {
                environment.insert(name.into(), value);
            }
        }
        let launch = Self { program: program.as_ref().to_owned(), arguments: Vec::new(), environment };
        launch.env("HOST", "127.0.0.1").env("PORT", "0").env("RUST_BACKTRACE", "1")
    }

    /// A launch of another crate's binary, which stands beside the tests' own: `cargo test --workspace` builds all.
    ///
    /// # Panics
    /// When it was not built.
    #[must_use]
    #[track_caller]
    pub fn of(name: &str) -> Self {
        let test = env::current_exe().expect("the path of this test");
        // target/debug/deps/it-0123 → target/debug/name
        let program = test.parent().and_then(Path::parent).map(|target| target.join(name));
        let program = program.filter(|program| program.exists());
        Self::new(program.unwrap_or_else(|| panic!("{name} is not built: cargo build -p {name}")))
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(&self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{} can't be started: {error}", self.program.display()),
        }
    }

    /// Starts the server and waits until it has told its address.
    ///
    /// # Panics
    /// When it ends before that or takes longer than 30 s; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start(&self) -> Server {
        let mut child = self.spawn();
        let (tell, told) = mpsc::channel();
        let log = Log::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let log = log.clone();
            readers.push(thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Some(address) = address_in(&line) {
                        let _asked_no_more = tell.send(address);
                    }
                    log.add("stdout", &line);
                }
            }));
        }
        if let Some(stderr) = child.stderr.take() {
            let log = log.clone();
            readers.push(thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.add("stderr", &line);
                }
            }));
        }
        let (address, tls) = match told.recv_timeout(START) {
            Ok(address) => address,
            Err(_) => {
                let _ = child.kill();
                let status = child.wait();
                for reader in readers {
                    let _ = reader.join();
                }
                panic!("the server told no address ({status:?}):\n{}", log.text());
            }
        };
        Server { child, address, tls, log, readers, status: None }
    }

    /// Runs the program to its end: for `--help`, `--check` and settings that stop the start.
    ///
    /// # Panics
    /// When it still runs after 30 s.
    #[must_use]
    #[track_caller]
    pub fn run(&self) -> Finished {
        let mut child = self.spawn();
        let stdout = child.stdout.take().map(read_all);
        let stderr = child.stderr.take().map(read_all);
        let ended = holds_within(START, || !matches!(child.try_wait(), Ok(None)));
        if !ended {
            let _ = child.kill();
        }
        let status = child.wait().expect("the state of a child process");
        let text =
            |reader: Option<JoinHandle<String>>| reader.and_then(|it| it.join().ok()).unwrap_or_default();
        let finished = Finished { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        assert!(ended, "the program did not end by itself: {finished:?}");
        finished
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The address in a ready line, and whether it is TLS.
fn address_in(line: &str) -> Option<(SocketAddr, bool)> {
    let rest = line.split_once(READY)?.1;
    let tls = rest.starts_with('s');
    let rest = rest.strip_prefix('s').unwrap_or(rest).strip_prefix("://")?;
    let end = rest.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(rest.len());
    rest[..end].parse().ok().map(|address| (address, tls))
}

/// What a program left that ran to its end.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Everything that it printed.
    pub stdout: String,
    /// Everything that it logged.
    pub stderr: String,
}

/// The lines of both streams in the order in which they came.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Log {
    fn add(&self, stream: &'static str, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((stream, line.to_owned()));
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// A running server; dropping it kills it. When the test fails, its log is printed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    tls: bool,
    log: Log,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

impl Server {
    /// Starts `program` with the settings that every test has.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    #[track_caller]
    pub fn start(program: impl AsRef<Path>) -> Self {
        Launch::new(program).start()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` (or `https`), without a slash at the end.
    #[must_use]
    pub fn http(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// `ws://127.0.0.1:PORT/ws` (or `wss`).
    #[must_use]
    pub fn ws(&self) -> String {
        self.ws_at("/ws")
    }

    /// The address of a WebSocket at another path (or with a query).
    #[must_use]
    pub fn ws_at(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.tls { "wss" } else { "ws" }, self.address)
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `GET path`.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        http::get(self.address, path, &[])
    }

    /// `POST path` with a JSON body.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        http::post_json(self.address, path, &[], body)
    }

    /// `POST /broadcast`; the JSON of the answer.
    ///
    /// # Panics
    /// When the answer is not 200.
    #[track_caller]
    pub fn broadcast(&self, publication: &Value) -> Value {
        let answer = self.post("/broadcast", publication);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// `GET /stats`.
    ///
    /// # Panics
    /// When no JSON comes.
    #[must_use]
    #[track_caller]
    pub fn stats(&self) -> Value {
        self.get("/stats").json()
    }

    /// Waits until `/stats` tells so many connections.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    #[track_caller]
    pub fn wait_for_connections(&self, total: u64) {
        let mut seen = Value::Null;
        let reached = holds_within(PATIENCE, || {
            seen = self.stats();
            seen["total"] == total
        });
        assert!(reached, "waited for {total} connections, but there are {seen}");
    }

    /// The value of a metric: the sum over its series whose label text contains every part of `labels`
    /// (such as `reason="origin"`); `None` where there is no such series.
    ///
    /// # Panics
    /// When `/metrics` does not answer.
    #[must_use]
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let text = self.get("/metrics").text();
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (known, set) = series.split_once('{').unwrap_or((series, ""));
            let wanted = known == name && labels.iter().all(|label| set.contains(label));
            if wanted { value.parse::<f64>().ok() } else { None }
        });
        values.reduce(|sum, value| sum + value)
    }

    /// What the process has allocated and touched (anonymous memory), in bytes. Its program's own pages are left out: they are shared
    /// with whatever other test runs the same program, and would seem to grow when that one ends.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    #[track_caller]
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap_or_default();
        let kibibytes = line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a size in kB");
        kibibytes * 1024
    }

    /// How many file descriptors the process has open.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    #[track_caller]
    pub fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.pid());
        fs::read_dir(&path).unwrap_or_else(|error| panic!("{path}: {error}")).count()
    }

    /// Everything that it has printed and logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until its log has a line that contains `part`, and returns the line.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    #[track_caller]
    pub fn wait_for_log(&self, part: &str) -> String {
        let mut found = None;
        let came = holds_within(PATIENCE, || {
            found = self.log().lines().find(|line| line.contains(part)).map(str::to_owned);
            found.is_some()
        });
        assert!(came, "no line with {part:?} in the log:\n{}", self.log());
        found.unwrap_or_default()
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// When the process is gone.
    #[track_caller]
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Panics
    /// When the process is gone.
    #[track_caller]
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends SIGHUP: the configuration is to be read again.
    ///
    /// # Panics
    /// When the process is gone.
    #[track_caller]
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        if let Err(error) = kill_process(pid, signal) {
            panic!("the server took no {signal:?}: {error}\n{}", self.log());
        }
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.status.is_none() && matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end of the process; its exit code, or `None` where a signal ended it.
    ///
    /// # Panics
    /// When it still runs after `patience`.
    #[track_caller]
    pub fn wait_within(&mut self, patience: Duration) -> Option<i32> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.status.or_else(|| self.child.try_wait().ok().flatten()) {
                self.status = Some(status);
                for reader in self.readers.drain(..) {
                    let _ = reader.join();
                }
                return status.code();
            }
            assert!(Instant::now() < end, "the server still runs after {patience:?}");
            thread::sleep(left(end).min(Duration::from_millis(5)));
        }
    }

    /// As [`Server::wait_within`], with 40 s: more than the longest drain.
    ///
    /// # Panics
    /// When it still runs then.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        self.wait_within(Duration::from_secs(40))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        if thread::panicking() {
            eprintln!("--- the server's log\n{}--- end of the log", self.log());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_ready_line() {
        let plain =
            address_in("listening on http://127.0.0.1:8080").map(|(address, tls)| (address.port(), tls));
        assert_eq!(plain, Some((8080, false)));
        let tls =
            address_in("listening on https://127.0.0.1:8443/").map(|(address, tls)| (address.port(), tls));
        assert_eq!(tls, Some((8443, true)));
        assert_eq!(address_in("listening on nothing"), None);
    }
}
