//! The processes of `million`: Redis, the nodes, and the client processes with what they say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::MillionArgs;
use super::crowd::{Share, Word};
use crate::http::{self, Endpoint};
use crate::redis::Redis;
use crate::sys;
use crate::target::{Target, TargetArgs};

/// The key that publishes: one node's address is as far as another machine.
const KEY: &str = "million-runs-publish";
/// Longer than any interval of pings that makes sense.
const LONG: &str = "1h";
/// How long a node may take to answer a publication.
const PATIENCE: Duration = Duration::from_secs(60);
/// A thread that only waits for lines of a process needs no more.
const SMALL_STACK: usize = 64 * 1024;

/// How many connections each node gets: as evenly as it goes.
pub(super) fn shares(connections: usize, per_node: usize) -> Vec<usize> {
    let nodes = connections.div_ceil(per_node.max(1)).max(1);
    (0..nodes).map(|at| connections / nodes + usize::from(at < connections % nodes)).collect()
}

/// CPU time by the end of something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cpu {
    pub(super) nodes: Duration,
    pub(super) redis: Duration,
}

impl Cpu {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_sub(earlier.nodes),
            redis: self.redis.saturating_sub(earlier.redis),
        }
    }
}

/// The nodes and their Redis.
pub(super) struct Nodes {
    pub(super) addresses: Vec<SocketAddr>,
    targets: Vec<Target>,
    redis: Option<Redis>,
}

/// A loopback address of its own for each node: a connection is known by both addresses and both ports, and one address has 65,535 ports.
fn address_of(at: usize) -> Result<SocketAddr> {
    let ip = Ipv4Addr::new(127, 10, u8::try_from(at / 200)?, u8::try_from(1 + at % 200)?);
    Ok(TcpListener::bind((ip, 0))?.local_addr()?)
}

/// Lets the threads that write to sockets yield to those that answer HTTP. With many more nodes than cores a broadcast wakes all of these
/// threads at once, and whoever wakes behind them would wait for a turn of each.
fn let_others_first(pid: u32, nice: i32) {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let id = thread.file_name().to_string_lossy().parse();
        if let (true, Ok(id)) = (name.starts_with("shard-"), id) {
            // Refused only where the thread has ended.
            let _ = sys::be_nice(id, nice);
        }
    }
}

impl Nodes {
    /// Starts them, each with one shard and one worker: there are many more of them than cores.
    pub(super) fn start(args: &MillionArgs, target_args: &TargetArgs, count: usize) -> Result<Self> {
        let redis = if args.no_redis {
            None
        } else {
            Some(Redis::start(&args.redis_server, args.fsync, &args.data_below)?)
        };
        let mut nodes = Self { addresses: Vec::new(), targets: Vec::new(), redis };
        for at in 0..count {
            let address = address_of(at)?;
            let mut environment: Vec<(String, String)> = [
                ("SHARDS", "1"),
                ("WORKERS", "1"),
                ("RUST_LOG", "warn"),
                ("WS_AUTH", "required"),
                ("FANFARE_API_KEYS", KEY),
                ("PING_TIMEOUT", LONG),
                // Two threads and their helpers allocate; an arena for each would be kept for ever.
                ("MALLOC_ARENA_MAX", "1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
            environment.push(("PING_INTERVAL".to_owned(), args.ping_interval.clone()));
            if let Some(redis) = &nodes.redis {
                environment.extend(redis.environment(&format!("node-{at}")));
            }
            // What stands in the environment of this program wins.
            environment.retain(|(name, _)| std::env::var_os(name).is_none());
            let target = Target::start_at(target_args, address, environment)
                .with_context(|| format!("node {at} of {count}"))?;
            let_others_first(target.pid, args.shard_nice);
            nodes.addresses.push(address);
            nodes.targets.push(target);
        }
        if nodes.redis.is_some() {
            nodes.wait_until_they_know_each_other()?;
        }
        Ok(nodes)
    }

    /// Waits until the first node counts all of them.
    fn wait_until_they_know_each_other(&self) -> Result<()> {
        let started = std::time::Instant::now();
        let Some(&first) = self.addresses.first() else { return Ok(()) };
        loop {
            let text = http::get(first, "/health")?;
            let health: serde_json::Value = serde_json::from_str(&text)?;
            if health["nodes"].as_u64() == Some(self.addresses.len() as u64) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("{} nodes were started, and /health says {text}", self.addresses.len());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Publishes on one node, or on all.
    pub(super) fn publish(&self, body: &[u8], number: usize, to_all: bool) -> Result<()> {
        let chosen = number % self.addresses.len().max(1);
        let mut waiting = Vec::new();
        for &address in
            self.addresses.iter().enumerate().filter(|(at, _)| to_all || *at == chosen).map(|(_, a)| a)
        {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let endpoint = Endpoint { host: address.to_string(), api_key: Some(KEY.to_owned()) };
            let mut request = Vec::new();
            endpoint.write_post(&mut request, "/broadcast", body);
            stream.write_all(&request)?;
            waiting.push(stream);
        }
        for mut stream in waiting {
            let mut bytes = Vec::new();
            let mut part = [0; 4_096];
            loop {
                let read = stream.read(&mut part)?;
                bytes.extend_from_slice(&part[..read]);
                match http::next_answer(&bytes)? {
                    Some(answer) if answer.status == 200 => break,
                    Some(answer) => {
                        bail!("publish answered {}: {}", answer.status, String::from_utf8_lossy(answer.body))
                    }
                    None if read == 0 => bail!("a node ended a connection without an answer"),
                    None => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.targets.iter().map(|target| target.pid)
    }

    pub(super) fn redis_pid(&self) -> Option<u32> {
        self.redis.as_ref().map(Redis::pid)
    }

    pub(super) fn cpu(&self) -> Result<Cpu> {
        let nodes = self.targets.iter().map(Target::cpu).sum::<Result<Duration>>()?;
        let redis = self.redis.as_ref().map(Redis::cpu).transpose()?.unwrap_or_default();
        Ok(Cpu { nodes, redis })
    }
}

#[derive(Debug)]
struct Crowd {
    share: Share,
    process: Option<(Child, ChildStdin)>,
}

/// The client processes. Dropping them ends all connections at once.
pub(super) struct Crowds {
    crowds: Vec<Crowd>,
    words: Sender<(usize, Word)>,
}

impl Crowds {
    /// None runs yet; what they will say comes out of the other end.
    pub(super) fn new(shares: Vec<Share>) -> (Self, Receiver<(usize, Word)>) {
        let (words, heard) = channel();
        let crowds = shares.into_iter().map(|share| Crowd { share, process: None }).collect();
        (Self { crowds, words }, heard)
    }

    pub(super) fn len(&self) -> usize {
        self.crowds.len()
    }

    /// Starts one of them; it connects at once.
    pub(super) fn begin(&mut self, at: usize) -> Result<()> {
        let crowd = &mut self.crowds[at];
        let mut child = Command::new(std::env::current_exe()?)
            .args(["crowd", &serde_json::to_string(&crowd.share)?])
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a client process")?;
        let orders = child.stdin.take().context("the client process has no input")?;
        let said = child.stdout.take().context("the client process has no output")?;
        crowd.process = Some((child, orders));
        let words = self.words.clone();
        // Ends with the process.
        std::thread::Builder::new().stack_size(SMALL_STACK).spawn(move || {
            for line in BufReader::with_capacity(4_096, said).lines().map_while(Result::ok) {
                let Ok(word) = serde_json::from_str(&line) else { continue };
                if words.send((at, word)).is_err() {
                    break;
                }
            }
        })?;
        Ok(())
    }

    /// Lets those that run dial no further.
    pub(super) fn halt(&mut self) {
        for (_, orders) in self.crowds.iter_mut().filter_map(|crowd| crowd.process.as_mut()) {
            let _ = writeln!(orders, "halt");
        }
    }

    /// Asks those that run for their accounts; how many there will be.
    pub(super) fn ask_for_reports(&mut self, published: u32) -> Result<usize> {
        let mut asked = 0;
        for (_, orders) in self.crowds.iter_mut().filter_map(|crowd| crowd.process.as_mut()) {
            writeln!(orders, "report {published}").context("a client process has ended")?;
            asked += 1;
        }
        Ok(asked)
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.crowds.iter().filter_map(|crowd| crowd.process.as_ref()).map(|(child, _)| child.id())
    }

    pub(super) fn cpu(&self) -> Result<Duration> {
        self.pids()
            .map(sys::process_cpu)
            .sum::<std::io::Result<Duration>>()
            .context("a client process has ended")
    }
}

impl Drop for Crowds {
    fn drop(&mut self) {
        for (child, _) in self.crowds.iter_mut().filter_map(|crowd| crowd.process.as_mut()) {
            let _ = child.kill();
        }
        for (child, _) in self.crowds.iter_mut().filter_map(|crowd| crowd.process.as_mut()) {
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_evenly_and_none_is_forgotten() {
        assert_eq!(shares(10, 4), [4, 3, 3]);
        assert_eq!(shares(1_000_000, 19_000).len(), 53);
        assert_eq!(shares(1_000_000, 19_000).iter().sum::<usize>(), 1_000_000);
        assert_eq!(shares(0, 19_000), [0]);
    }
}
