//! Google's own in-memory Pub/Sub (Go's `pstest`) on a free port, for tests of what pulls and publishes.
//!
//! The program is `crates/test-kit/pstest`, built by `go build` below the target directory when a test first needs it;
//! `PUBSUB_FAKE` may name a ready one. What it holds is in memory: it forgets all when it ends. It ends with the test's
//! process, since it reads its standard input.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;
use std::{env, fs};

/// The program, built once in each test process.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(program);

/// A running fake; dropping it ends it.
#[derive(Debug)]
pub struct PubSub {
    address: SocketAddr,
    child: Mutex<Option<Child>>,
    arguments: Vec<String>,
}

impl PubSub {
    /// Starts one.
    ///
    /// # Panics
    /// When it can't be built (Go 1.24 or newer is needed) or does not start.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further arguments, such as `-stream-timeout=1s`.
    ///
    /// # Panics
    /// As [`PubSub::start`].
    #[must_use]
    #[track_caller]
    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        // It keeps its address while it is away.
        let (child, address) = spawn(&crate::free_address().to_string(), &arguments);
        Self { address, child: Mutex::new(Some(child)), arguments }
    }

    /// Where it listens, for `PUBSUB_EMULATOR_HOST`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it. It forgets topics, subscriptions and messages.
    pub fn kill(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            let _gone_already = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again at the same address, empty.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn resume(&self) {
        let (child, _) = spawn(&self.address.to_string(), &self.arguments);
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }
}

impl Drop for PubSub {
    fn drop(&mut self) {
        self.kill();
    }
}

#[track_caller]
fn spawn(listen: &str, arguments: &[String]) -> (Child, SocketAddr) {
    let mut command = Command::new(&*PROGRAM);
    command.args(["-listen", listen]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", PROGRAM.display()));
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ends_with_the_program = BufReader::new(stdout).read_line(&mut line);
    }
    let address = line.trim().rsplit(' ').next().and_then(|address| address.parse().ok());
    (child, address.unwrap_or_else(|| panic!("the fake Pub/Sub told no address: {line:?}")))
}

fn program() -> PathBuf {
    if let Some(ready) = env::var_os("PUBSUB_FAKE") {
        return ready.into();
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("pstest");
    let test = env::current_exe().expect("the path of this test");
    // target/debug/deps/it-0123 → target
    let target = test.ancestors().nth(3).expect("the target directory").join("pstest");
    let built = target.join("pstest");
    let changed =
        |path: &Path| fs::metadata(path).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let sources = ["main.go", "go.mod", "go.sum"].map(|name| changed(&source.join(name)));
    if sources.iter().all(|source| *source < changed(&built)) {
        return built;
    }
    fs::create_dir_all(&target).expect("a directory for the fake Pub/Sub");
    // Under a name of its own first: another test process may be building, or running, the same.
    let fresh = target.join(format!("pstest-{}", std::process::id()));
    let mut build = Command::new("go");
    build.current_dir(&source).args(["build", "-buildvcs=false", "-o"]).arg(&fresh).arg(".");
    let output =
        build.output().unwrap_or_else(|error| panic!("go (1.24 or newer, for the fake Pub/Sub): {error}"));
    assert!(
        output.status.success(),
        "go build in {}: {}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&fresh, &built).expect("the fake Pub/Sub's name");
    built
}
