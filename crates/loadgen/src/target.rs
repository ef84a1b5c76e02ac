//! The server under test: found or started, asked whether it is ready, and read from outside (CPU, memory).

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::fleet::Transport;
use crate::http;
use crate::sys;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The servers this program knows how to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// This repository's `websocket-server`.
    Fanfare,
    /// The actix-ws reference of this crate.
    Reference,
    /// npm `ws` on Node.
    Ws,
    /// Bun, uWebSockets inside.
    Bun,
    /// npm `socket.io` on Node; with `--namespace`, since it speaks nothing else.
    Socketio,
    /// A server that already runs, or one of your own: `--url` with `--pid`, or `--spawn`.
    Url,
}

impl Kind {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fanfare => "fanfare",
            Self::Reference => "reference",
            Self::Ws => "ws",
            Self::Bun => "bun",
            Self::Socketio => "socketio",
            Self::Url => "url",
        }
    }
}

/// What the command line says about the server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TargetArgs {
    /// The server to measure
    #[arg(long, value_enum, default_value = "fanfare", global = true)]
    pub(crate) target: Kind,
    /// Its name in reports, where it is not the target's own
    #[arg(long, global = true)]
    pub(crate) label: Option<String>,
    /// Address of a running server, `127.0.0.1:8080` (target `url`)
    #[arg(long, global = true)]
    pub(crate) url: Option<SocketAddr>,
    /// Process id of the running server at `--url`
    #[arg(long, global = true)]
    pub(crate) pid: Option<u32>,
    /// Command that starts a server on `$PORT` of `$HOST` (target `url`); split at spaces, no shell
    #[arg(long, global = true)]
    pub(crate) spawn: Option<String>,
    /// The `websocket-server` to start for target `fanfare`; default: the one beside this program
    #[arg(long, global = true)]
    pub(crate) server_binary: Option<PathBuf>,
    /// Directory with `ws.mjs`, `bun.mjs` and their `node_modules`
    #[arg(long, default_value = "bench", global = true)]
    pub(crate) bench_dir: PathBuf,
    /// The program of target `socketio`
    #[arg(long, default_value = "web/bench/socketio.mjs", global = true)]
    pub(crate) socketio_program: PathBuf,
    /// File for the started server's output; default: none is kept
    #[arg(long, global = true)]
    pub(crate) server_log: Option<PathBuf>,
    /// WebSocket path
    #[arg(long, default_value = "/ws", global = true)]
    pub(crate) path: String,
    /// Speak Socket.IO to this namespace, such as `/notifications`, in place of `--path`; servers want `--jwt-secret` with it
    #[arg(long, global = true)]
    pub(crate) namespace: Option<String>,
    /// What Socket.IO goes over
    #[arg(long, value_enum, default_value = "websocket", global = true)]
    pub(crate) transport: Transport,
    /// Key for publishing, sent as `Authorization: Bearer`
    #[arg(long, global = true)]
    pub(crate) api_key: Option<String>,
    /// HS256 secret: given to the server as `JWT_SECRET`, and every connection gets a token of a user of its own
    #[arg(long, global = true)]
    pub(crate) jwt_secret: Option<String>,
}

/// A server that answers. Dropping it ends a process that was started here.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    child: Option<Child>,
    /// How it was started; none where it was not started here.
    command: Option<Command>,
}

impl Target {
    /// Starts the server the arguments name, or finds the one that runs.
    pub(crate) fn start(args: &TargetArgs) -> Result<Self> {
        Self::start_with(args, [])
    }

    /// Starts it with further variables in its environment, which a server that already runs has or has not.
    pub(crate) fn start_with(
        args: &TargetArgs,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        if let Some(address) = args.url {
            let pid = args.pid.context("--url needs --pid, to read CPU and memory of the server")?;
            return Ok(Self { address, pid, child: None, command: None });
        }
        Self::start_at(args, free_address()?, environment)
    }

    /// Starts it on this address, which has to be free.
    pub(crate) fn start_at(
        args: &TargetArgs,
        address: SocketAddr,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let (program, arguments) = command_of(args)?;
        let mut command = Command::new(&program);
        command
            .args(&arguments)
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string());
        command.envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(secret) = &args.jwt_secret {
            command.env("JWT_SECRET", secret);
        }
        if let Some(path) = &args.server_log {
            let open = fs::File::options().create(true).append(true).open(path);
            let file = open.with_context(|| format!("creating {}", path.display()))?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let mut target = Self { address, pid: child.id(), child: Some(child), command: Some(command) };
        target.wait_until_ready()?;
        Ok(target)
    }

    /// Ends the process at once, as a crash or a lack of memory does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("only a server that was started here can be killed")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks the process to drain and end.
    pub(crate) fn terminate(&self) -> Result<()> {
        sys::terminate(self.pid).context("asking the server to end")
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        let child = self.child.as_mut().context("only a server that was started here can be waited for")?;
        Ok(child.try_wait()?.is_some())
    }

    /// Starts it again as before, once it has ended, and does not wait until it is ready.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        let command =
            self.command.as_mut().context("only a server that was started here can be restarted")?;
        let child = command.spawn().context("starting the server again")?;
        self.pid = child.id();
        self.child = Some(child);
        Ok(())
    }

    /// Takes a child of this program as the server (`floor`).
    pub(crate) fn adopt(address: SocketAddr, child: Child) -> Self {
        Self { address, pid: child.id(), child: Some(child), command: None }
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(child) = self.child.as_mut()
                && let Some(status) = child.try_wait()?
            {
                bail!("the server ended before it was ready: {status} (see --server-log)");
            }
            if TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
            if started.elapsed() > START_TIMEOUT {
                bail!("nothing listens on {} after {START_TIMEOUT:?}", self.address);
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        sys::process_cpu(self.pid).context("reading the server's CPU clock")
    }

    /// What the server's metrics of these names say; those without labels, 0 where there is none.
    pub(crate) fn metrics<const N: usize>(&self, names: [&str; N]) -> Result<[f64; N]> {
        let text = http::get(self.address, "/metrics")?;
        let values: BTreeMap<&str, f64> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        Ok(names.map(|name| values.get(name).copied().unwrap_or_default()))
    }

    /// Proportional set size in bytes.
    pub(crate) fn pss(&self) -> Result<u64> {
        rollup(self.pid, "Pss:")
    }

    /// What of it is no file's, in bytes: programs that run from the same file do not move it.
    pub(crate) fn anonymous(&self) -> Result<u64> {
        rollup(self.pid, "Pss_Anon:")
    }

    /// The proportional set size once it stands still: five readings in a row within 32 KiB or 0.1 %, or the last after `longest`.
    pub(crate) fn settled_pss(
        &self,
        longest: Duration,
        mut meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<u64> {
        let started = Instant::now();
        let mut kept: Vec<u64> = Vec::new();
        loop {
            let until = Instant::now() + Duration::from_millis(250);
            while Instant::now() < until {
                meanwhile()?;
            }
            let now = self.pss()?;
            kept.push(now);
            let last = kept.len().saturating_sub(5);
            let (low, high) =
                kept[last..].iter().fold((u64::MAX, 0), |(low, high), &pss| (low.min(pss), high.max(pss)));
            let still = high - low <= (32 * 1024).max(now / 1_000);
            if (kept.len() >= 5 && still) || started.elapsed() > longest {
                return Ok(now);
            }
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(child) = self.child.as_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A line of the process' sums over all its mappings, in bytes.
fn rollup(pid: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.with_context(|| format!("smaps_rollup has no line {name}"))? * 1_024)
}

/// A loopback address with a port that is free now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn command_of(args: &TargetArgs) -> Result<(PathBuf, Vec<String>)> {
    let script = |name: &str| args.bench_dir.join(name).to_string_lossy().into_owned();
    Ok(match args.target {
        Kind::Fanfare => match &args.server_binary {
            Some(path) => (path.clone(), Vec::new()),
            None => (sibling("websocket-server")?, Vec::new()),
        },
        Kind::Reference => (sibling("reference")?, Vec::new()),
        Kind::Ws => ("node".into(), vec![script("ws.mjs")]),
        Kind::Bun => (bun(&args.bench_dir)?, vec![script("bun.mjs")]),
        Kind::Socketio => ("node".into(), vec![args.socketio_program.to_string_lossy().into_owned()]),
        Kind::Url => {
            let text = args.spawn.as_deref().context("target url needs --url with --pid, or --spawn")?;
            let mut words = text.split_whitespace().map(str::to_owned);
            (words.next().context("--spawn is empty")?.into(), words.collect())
        }
    })
}

fn sibling(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is not built: cargo build --release", path.display());
    }
    Ok(path)
}

/// Bun's own binary: in its platform package, or where its install script has moved it.
fn bun(bench_dir: &Path) -> Result<PathBuf> {
    let platform = if cfg!(target_arch = "aarch64") { "bun-linux-aarch64" } else { "bun-linux-x64" };
    let modules = bench_dir.join("node_modules");
    [modules.join("@oven").join(platform).join("bin/bun"), modules.join("bun/bin/bun.exe")]
        .into_iter()
        .find(|path| path.exists())
        .with_context(|| format!("no Bun below {}: npm ci in {}", modules.display(), bench_dir.display()))
}
