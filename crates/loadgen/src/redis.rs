//! A Redis of the run's own: Debian's `redis-server` on a free loopback port, with its data in a directory that goes with it.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::sys;
use crate::target::free_address;
use crate::workdir::WorkDir;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// When it syncs its append-only file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fsync {
    /// Before each answer: what durable streams need.
    Always,
    /// Once a second.
    Everysec,
    /// There is no such file: everything is in memory.
    Never,
}

/// It. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    program: PathBuf,
    fsync: Fsync,
    directory: WorkDir,
    child: Child,
}

impl Redis {
    /// Starts it with data below `data_below`, and waits until it listens.
    pub(crate) fn start(program: &Path, fsync: Fsync, data_below: &Path) -> Result<Self> {
        let address = free_address()?;
        let directory = WorkDir::below(data_below)?;
        let child = spawn(program, address, fsync, &directory)?;
        let mut redis = Self { address, program: program.to_owned(), fsync, directory, child };
        redis.wait_until_ready()?;
        Ok(redis)
    }

    /// The environment of a node that uses it.
    pub(crate) fn environment(&self, node: &str) -> Vec<(String, String)> {
        vec![
            ("REDIS_URL".to_owned(), format!("redis://{}/0", self.address)),
            ("NODE_NAME".to_owned(), node.to_owned()),
        ]
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        sys::process_cpu(self.pid()).context("reading Redis' CPU clock")
    }

    /// Ends it at once, as a crash does; its files stay.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on its files.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.program, self.address, self.fsync, &self.directory)?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it was ready: {status}", self.program.display());
            }
            if started.elapsed() > START_TIMEOUT {
                bail!("Redis does not listen on {} after {START_TIMEOUT:?}", self.address);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, address: SocketAddr, fsync: Fsync, directory: &WorkDir) -> Result<Child> {
    let mut command = Command::new(program);
    command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
    command
        .args(["--save", "", "--daemonize", "no", "--maxclients", "4096"])
        .arg("--dir")
        .arg(directory.path());
    match fsync {
        Fsync::Always => command.args(["--appendonly", "yes", "--appendfsync", "always"]),
        Fsync::Everysec => command.args(["--appendonly", "yes", "--appendfsync", "everysec"]),
        Fsync::Never => command.args(["--appendonly", "no"]),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("starting {} (Debian: redis-server)", program.display()))
}
