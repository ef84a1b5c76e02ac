//! `million`: as many WebSocket connections as the machine holds, each a signed-in user's, each subscribed to one channel, over many nodes;
//! then broadcasts that have to reach every one of them, while every node answers `/health`.
//!
//! A process may have only so many files open, so there are many nodes, and as many client processes ([`crowd`]), each with the connections of
//! one node. With Redis one publication to one node reaches all; without it each node gets it by itself. The kernel's limits are looked at
//! here and set by `scripts/million`.

pub(crate) mod crowd;
mod machine;
mod nodes;
mod picture;
mod probe;

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use self::crowd::{Report, Share, Word};
use self::machine::Memory;
use self::nodes::{Crowds, Nodes};
use self::probe::Probe;
use super::label;
use crate::event;
use crate::outcome::Outcome;
use crate::redis::Fsync;
use crate::sys;
use crate::target::TargetArgs;

const CHANNEL: &str = "everyone";
/// How often memory is read.
const SAMPLE: Duration = Duration::from_millis(500);
/// Memory that has to stay free: with less no more connections are made.
const RESERVE: u64 = 1_200 << 20;
/// How long all connections may take, and one broadcast.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(240);
const BROADCAST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the clients are left alone after the last broadcast: what comes twice comes then.
const LINGER: Duration = Duration::from_secs(2);

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MillionArgs {
    /// Connections
    #[arg(long, default_value_t = 1_000_000)]
    connections: usize,
    /// Connections of a node and of a client process
    #[arg(long, default_value_t = 19_000)]
    per_node: usize,
    /// Nodes without Redis; each broadcast is posted to each of them
    #[arg(long)]
    no_redis: bool,
    /// The Redis to start
    #[arg(long, default_value = "redis-server")]
    redis_server: PathBuf,
    /// When Redis syncs its file
    #[arg(long, value_enum, default_value = "always")]
    fsync: Fsync,
    /// Where Redis' data goes
    #[arg(long, default_value = ".")]
    data_below: PathBuf,
    /// Broadcasts, one after the other
    #[arg(long, default_value_t = 5)]
    broadcasts: u32,
    /// Bytes of an event's `data`
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Client processes that connect at once
    #[arg(long, default_value_t = 16)]
    at_once: usize,
    /// Connections under way at once in each of them
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// The nodes' PING_INTERVAL: 40,000 pings a second, as with theirs of 25s, would take most of a core here
    #[arg(long, default_value = "2m")]
    ping_interval: String,
    /// Seconds without broadcasts once all are connected
    #[arg(long, default_value_t = 5)]
    quiet: u64,
    /// Nice value of the nodes' threads that write to sockets: with more nodes than cores, so that those that answer HTTP get their turn
    #[arg(long, default_value_t = 19)]
    shard_nice: i32,
    /// Nice value of the client processes
    #[arg(long, default_value_t = 19)]
    client_nice: i32,
    /// File for the picture (SVG)
    #[arg(long)]
    picture: Option<PathBuf>,
    /// File for all that the picture is drawn of (JSON)
    #[arg(long)]
    series: Option<PathBuf>,
    /// Go on although limits of the kernel are too low
    #[arg(long)]
    despite_limits: bool,
}

/// A moment of the run.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    seconds: f64,
    open: usize,
    used_mib: f64,
}

/// What a broadcast came to.
#[derive(Debug, Clone, Default, Serialize)]
struct Broadcast {
    /// When it was posted, in seconds of the run.
    at: f64,
    /// Until the hub answered, the first client had it, and the last one.
    answered_s: f64,
    first_s: f64,
    last_s: f64,
    count: u64,
    /// Arrivals in each tenth of a second.
    slots: Vec<u64>,
}

/// All that was seen.
#[derive(Debug, Default, Serialize)]
struct Series {
    asked: usize,
    samples: Vec<Sample>,
    broadcasts: Vec<Broadcast>,
    /// When `/health` was asked, and ms until the answer.
    health: Vec<(f64, f64)>,
    /// Name and MiB.
    parts: Vec<(String, f64)>,
}

/// The run as it goes.
struct Run<'a> {
    args: &'a MillionArgs,
    began: Instant,
    began_ns: u64,
    before: Memory,
    nodes: Nodes,
    crowds: Crowds,
    words: Receiver<(usize, Word)>,
    open: Vec<usize>,
    settled: usize,
    trouble: Option<String>,
    series: Series,
    lowest: u64,
    sampled: Instant,
}

impl Run<'_> {
    fn connections(&self) -> usize {
        self.open.iter().sum()
    }

    /// Reads memory if it is time to.
    fn sample(&mut self) -> Result<()> {
        if self.sampled.elapsed() < SAMPLE {
            return Ok(());
        }
        self.sampled = Instant::now();
        let now = Memory::now()?;
        self.lowest = self.lowest.min(now.available);
        self.series.samples.push(Sample {
            seconds: self.began.elapsed().as_secs_f64(),
            open: self.connections(),
            used_mib: mib(self.before.available.saturating_sub(now.available)),
        });
        if now.available < RESERVE && self.settled < self.crowds.len() {
            self.trouble.get_or_insert_with(|| "less than 1.2 GiB of memory was free".to_owned());
            self.crowds.halt();
        }
        Ok(())
    }

    /// Hears what client processes say, for at most a moment.
    fn hear(&mut self, mut on: impl FnMut(&mut Self, usize, Word) -> Result<()>) -> Result<()> {
        match self.words.recv_timeout(Duration::from_millis(50)) {
            Ok((at, word)) => on(self, at, word)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("all client processes have ended"),
        }
        self.sample()
    }

    /// Connects all, some client processes at a time.
    fn connect(&mut self) -> Result<Duration> {
        let started = Instant::now();
        let mut next = 0;
        while self.settled < self.crowds.len() {
            while next < self.crowds.len() && next - self.settled < self.args.at_once.max(1) {
                self.crowds.begin(next)?;
                next += 1;
            }
            self.hear(|run, at, word| {
                match word {
                    Word::Open(open) => run.open[at] = open,
                    Word::Settled { open, trouble } => {
                        run.open[at] = open;
                        run.settled += 1;
                        run.trouble = run.trouble.take().or(trouble);
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if started.elapsed() > CONNECT_TIMEOUT {
                self.trouble.get_or_insert_with(|| format!("not all were connected in {CONNECT_TIMEOUT:?}"));
                self.crowds.halt();
                if started.elapsed() > CONNECT_TIMEOUT + BROADCAST_TIMEOUT {
                    bail!("client processes do not settle");
                }
            }
            if self.trouble.is_some() && next < self.crowds.len() {
                // What stops one stops all: go on with those that are there.
                self.settled += self.crowds.len() - next;
                next = self.crowds.len();
            }
        }
        Ok(started.elapsed())
    }

    /// Lets time go by.
    fn wait(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.hear(|_, _, _| Ok(()))?;
        }
        Ok(())
    }

    /// Publishes to all and waits until all have it.
    fn broadcast(&mut self, seq: u32) -> Result<()> {
        let started = Instant::now();
        let at = self.began.elapsed().as_secs_f64();
        let mut body = Vec::new();
        event::write_publication(&mut body, CHANNEL, seq, sys::monotonic_ns(), self.args.payload);
        let to_all = self.args.no_redis;
        self.nodes.publish(&body, seq as usize, to_all)?;
        let answered_s = started.elapsed().as_secs_f64();
        let mut done = 0;
        let due = self.open.iter().filter(|open| **open > 0).count();
        while done < due && started.elapsed() < BROADCAST_TIMEOUT {
            self.hear(|_, _, word| {
                done += usize::from(matches!(word, Word::Done(number) if number == seq));
                Ok(())
            })?;
        }
        self.series.broadcasts.push(Broadcast { at, answered_s, ..Broadcast::default() });
        Ok(())
    }

    /// The account of all client processes.
    fn account(&mut self) -> Result<Report> {
        let published = self.args.broadcasts;
        let asked = self.crowds.ask_for_reports(published)?;
        let mut all = Report::default();
        let (mut heard, started) = (0, Instant::now());
        while heard < asked {
            if started.elapsed() > BROADCAST_TIMEOUT {
                bail!("{} client processes give no account", asked - heard);
            }
            self.hear(|run, _, word| {
                let Word::Report(report) = word else { return Ok(()) };
                heard += 1;
                all.faults.merge(report.faults);
                all.closed += report.closed;
                all.trouble = all.trouble.take().or(report.trouble);
                for arrivals in report.arrivals {
                    let Some(to) = run.series.broadcasts.get_mut(arrivals.seq as usize) else { continue };
                    let (first, last) = (arrivals.first_us as f64 / 1e6, arrivals.last_us as f64 / 1e6);
                    to.first_s = if to.count == 0 { first } else { to.first_s.min(first) };
                    to.last_s = to.last_s.max(last);
                    to.count += arrivals.count;
                    for (slot, count) in arrivals.slots {
                        if to.slots.len() <= slot {
                            to.slots.resize(slot + 1, 0);
                        }
                        to.slots[slot] += count;
                    }
                }
                Ok(())
            })?;
        }
        Ok(all)
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Runs it.
pub(crate) fn run(args: &MillionArgs, target_args: &TargetArgs) -> Result<Outcome> {
    let limits = machine::short_limits(args.connections, args.per_node);
    for limit in &limits {
        eprintln!("loadgen: {} is {}, and this run needs {}", limit.name, limit.is, limit.needs);
    }
    if !limits.is_empty() && !args.despite_limits {
        bail!("limits of the kernel are too low; scripts/million sets them for the time of the run");
    }
    let secret = target_args.jwt_secret.clone().context("million needs a --jwt-secret of 32 bytes")?;
    let before = Memory::now()?;
    let slabs_before = machine::slabs();
    let (began, began_ns) = (Instant::now(), sys::monotonic_ns());
    let counts = nodes::shares(args.connections, args.per_node);
    let nodes = Nodes::start(args, target_args, counts.len())?;
    let started_s = began.elapsed().as_secs_f64();
    let with_nodes = Memory::now()?;
    let nodes_pss = machine::pss(nodes.pids());
    let mut shares = Vec::new();
    let mut first = 0;
    for (&server, count) in nodes.addresses.iter().zip(counts) {
        let (channel, secret) = (CHANNEL.to_owned(), secret.clone());
        let (in_flight, nice) = (args.in_flight, args.client_nice);
        shares.push(Share { server, first, count, channel, secret, in_flight, nice });
        first += count;
    }
    let (crowds, words) = Crowds::new(shares);
    let probe = Probe::start(nodes.addresses.clone());
    let mut run = Run {
        args,
        began,
        began_ns,
        before,
        open: vec![0; crowds.len()],
        nodes,
        crowds,
        words,
        settled: 0,
        trouble: None,
        series: Series { asked: args.connections, ..Series::default() },
        lowest: before.available,
        sampled: Instant::now(),
    };

    let cpu_at_first = run.nodes.cpu()?;
    let connected = run.connect()?;
    let connect_cpu = run.nodes.cpu()?.since(cpu_at_first);
    let clients_cpu = run.crowds.cpu()?;
    let connected_ns = sys::monotonic_ns();
    let quiet_cpu = run.nodes.cpu()?;
    run.wait(Duration::from_secs(args.quiet))?;
    let quiet_cpu = run.nodes.cpu()?.since(quiet_cpu);
    let held = Memory::now()?;
    let slabs = machine::slabs();
    let parts = [
        ("nodes", machine::pss(run.nodes.pids())),
        ("clients", machine::pss(run.crowds.pids())),
        ("redis", machine::pss(run.nodes.redis_pid())),
        ("this process", machine::pss([std::process::id()])),
    ];
    let broadcasts_ns = sys::monotonic_ns();
    let (cpu, client_cpu) = (run.nodes.cpu()?, run.crowds.cpu()?);
    for seq in 0..args.broadcasts {
        run.broadcast(seq)?;
        run.wait(Duration::from_secs(1))?;
    }
    let broadcast_cpu = run.nodes.cpu()?.since(cpu);
    let client_cpu = run.crowds.cpu()?.saturating_sub(client_cpu);
    let over_ns = sys::monotonic_ns();
    run.wait(LINGER)?;
    let answers = probe.finish()?;
    let account = run.account()?;
    // All at once: one after the other, each would see to the end of the others' connections.
    for pid in run.nodes.pids().chain(run.crowds.pids()) {
        let _ = sys::kill(pid);
    }

    let mut outcome = Outcome::new("million", &label(target_args));
    let connections = run.connections();
    let each = |bytes: u64| bytes as f64 / connections.max(1) as f64;
    outcome.add("connections", connections as f64);
    outcome.add("connections_asked", args.connections as f64);
    outcome.add("nodes", run.nodes.addresses.len() as f64);
    outcome.add("start_of_nodes_s", started_s);
    outcome.add("connect_s", connected.as_secs_f64());
    outcome.add("connect_nodes_cpu_us", super::us_each(connect_cpu.nodes, connections as u64));
    outcome.add("connect_redis_cpu_us", super::us_each(connect_cpu.redis, connections as u64));
    outcome.add("connect_clients_cpu_us", super::us_each(clients_cpu, connections as u64));
    outcome.add("quiet_nodes_cores", quiet_cpu.nodes.as_secs_f64() / args.quiet.max(1) as f64);
    outcome.add("quiet_redis_cores", quiet_cpu.redis.as_secs_f64() / args.quiet.max(1) as f64);

    let total = before.available.saturating_sub(held.available);
    let in_processes: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    outcome.add("memory_gib", total as f64 / f64::from(1 << 30));
    outcome.add("memory_most_gib", before.available.saturating_sub(run.lowest) as f64 / f64::from(1 << 30));
    outcome.add("memory_per_connection_bytes", each(total));
    for (name, bytes) in parts {
        run.series.parts.push((name.to_owned(), mib(bytes)));
        outcome.add(&format!("memory_{}_mib", name.replace(' ', "_")), mib(bytes));
    }
    let hidden = machine::hidden(&slabs_before, &slabs, 2 * connections as u64);
    outcome.add("memory_strict_gib", (total + hidden) as f64 / f64::from(1 << 30));
    let kernel = total.saturating_sub(in_processes);
    run.series.parts.push(("kernel".to_owned(), mib(kernel)));
    run.series
        .parts
        .push(("kernel, counted as available: sockets' inodes and names".to_owned(), mib(hidden)));
    outcome.add("memory_kernel_mib", mib(kernel));
    outcome.add("memory_kernel_hidden_mib", mib(hidden));
    outcome.add("memory_kernel_slab_mib", mib(held.slab.saturating_sub(before.slab)));
    outcome.add("memory_kernel_page_tables_mib", mib(held.page_tables.saturating_sub(before.page_tables)));
    outcome.add("memory_kernel_stacks_mib", mib(held.kernel_stack.saturating_sub(before.kernel_stack)));
    outcome.add("memory_kernel_percpu_mib", mib(held.percpu.saturating_sub(before.percpu)));
    outcome.add("memory_before_connections_mib", mib(before.available.saturating_sub(with_nodes.available)));
    outcome.add("node_before_kib", nodes_pss as f64 / 1_024.0 / run.nodes.addresses.len().max(1) as f64);
    outcome.add("node_per_connection_bytes", each(parts[0].1.saturating_sub(nodes_pss)));
    outcome.add("client_per_connection_bytes", each(parts[1].1));
    outcome.add("kernel_per_connection_bytes", each(kernel));
    let mut grown: Vec<(u64, &String)> = slabs
        .iter()
        .map(|(name, bytes)| {
            (bytes.saturating_sub(slabs_before.get(name).copied().unwrap_or_default()), name)
        })
        .collect();
    grown.sort_unstable();
    for (bytes, name) in grown.iter().rev().take(12) {
        outcome.add(&format!("slab_{name}_bytes_per_connection"), each(*bytes));
    }

    let lasts: Vec<f64> = run.series.broadcasts.iter().map(|broadcast| broadcast.last_s).collect();
    let deliveries = connections as u64 * u64::from(args.broadcasts);
    outcome.add("broadcast_last_s", crate::outcome::median(lasts.clone()));
    outcome.add("broadcast_last_worst_s", lasts.iter().copied().fold(0.0, f64::max));
    outcome.add("broadcast_nodes_cpu_us", super::us_each(broadcast_cpu.nodes, deliveries));
    outcome.add(
        "broadcast_redis_cpu_ms",
        broadcast_cpu.redis.as_secs_f64() * 1e3 / f64::from(args.broadcasts.max(1)),
    );
    outcome.add("broadcast_clients_cpu_us", super::us_each(client_cpu, deliveries));
    for (number, broadcast) in run.series.broadcasts.iter().enumerate() {
        outcome.add(&format!("broadcast_{number}_last_s"), broadcast.last_s);
        outcome.add(&format!("broadcast_{number}_answered_s"), broadcast.answered_s);
        outcome.add(&format!("broadcast_{number}_reached"), broadcast.count as f64);
    }

    let phases = [
        ("connecting", 0, connected_ns),
        ("quiet", connected_ns, broadcasts_ns),
        ("broadcast", broadcasts_ns, over_ns),
    ];
    for (name, from, to) in phases {
        let mut took: Vec<f64> = answers
            .iter()
            .filter(|answer| (from..to).contains(&answer.asked_ns))
            .map(|answer| answer.took.as_secs_f64() * 1e3)
            .collect();
        took.sort_by(f64::total_cmp);
        let Some(&most) = took.last() else { continue };
        outcome.add(&format!("health_{name}_p50_ms"), took[took.len() / 2]);
        outcome.add(&format!("health_{name}_p99_ms"), took[(took.len() * 99 / 100).min(took.len() - 1)]);
        outcome.add(&format!("health_{name}_most_ms"), most);
        outcome.add(&format!("health_{name}_asked"), took.len() as f64);
        outcome
            .add(&format!("health_{name}_over_100_ms"), took.iter().filter(|ms| **ms > 100.0).count() as f64);
    }
    outcome.add("health_not_200", answers.iter().filter(|answer| answer.status != 200).count() as f64);
    outcome.add("closed", account.closed as f64);
    outcome.add_faults(account.faults);

    run.series.health = answers
        .iter()
        .map(|answer| {
            let at = answer.asked_ns.saturating_sub(run.began_ns) as f64 / 1e9;
            (at, answer.took.as_secs_f64() * 1e3)
        })
        .collect();
    if let Some(path) = &args.series {
        let text = serde_json::to_string(&run.series)?;
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &args.picture {
        fs::write(path, picture::draw(&run.series)).with_context(|| format!("writing {}", path.display()))?;
    }
    for trouble in [run.trouble, account.trouble].into_iter().flatten() {
        eprintln!("loadgen: what stopped it: {trouble}");
    }
    Ok(outcome)
}
