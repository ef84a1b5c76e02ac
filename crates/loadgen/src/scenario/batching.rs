//! `batching`: dashboards that ask for batches beside dashboards that do not: how often the hub writes to a client, by the hub's own metrics.
//!
//! Two hubs with the same audience and the same events take turns. The windows of all clients end together, so a turn's first and last one
//! may be cut; turns are long against a window.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Desk, drain, label, linger, paced, us_each};
use crate::fleet::{Entry, Fleet, Seat, Wish};
use crate::ledger::Faults;
use crate::outcome::{Outcome, median};
use crate::target::{Target, TargetArgs};
use crate::workdir::WorkDir;

const PUBLISHERS: usize = 8;
const METRICS: [&str; 4] = [
    "fanfare_writes_total",
    "fanfare_deliveries_total",
    "fanfare_batches_total",
    "fanfare_batched_events_total",
];
/// The longest window that the hub takes, in milliseconds (`hub::MAX_WINDOW`).
const MOST_WINDOW: u32 = 10_000;

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BatchingArgs {
    /// Dashboards, at each hub
    #[arg(long, default_value_t = 500)]
    connections: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Events per second to all
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// The window that clients ask for, in milliseconds
    #[arg(long, default_value_t = 100)]
    window_ms: u32,
    /// Turns of each
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 5_000)]
    turn_ms: u64,
    /// Where configurations go
    #[arg(long, default_value = ".")]
    data_below: PathBuf,
}

/// What one turn came to.
struct Turn {
    cpu_us: f64,
    writes_per_client_s: f64,
    events_per_write: f64,
    events_per_batch: f64,
    batched_share: f64,
    counted_share: f64,
}

/// One hub with its audience.
struct Hub {
    name: &'static str,
    target: Target,
    fleet: Fleet,
    desk: Desk,
    turns: Vec<Turn>,
}

impl Hub {
    fn start(
        name: &'static str,
        path: String,
        args: &BatchingArgs,
        target_args: &TargetArgs,
        directory: &WorkDir,
    ) -> Result<Self> {
        let target = Target::start_with(target_args, [directory.config("")?])?;
        let entry = Entry::Subscribe { path, host: target.address.to_string(), wish: Wish::Queue };
        let seats = vec![Seat { channel: "bench".to_owned(), token: None }; args.connections];
        let mut fleet = Fleet::new(target.address, entry, seats, 0)?;
        fleet.connect_all()?;
        let desk = Desk::open(&mut fleet, target_args, &target, PUBLISHERS, args.payload)?;
        Ok(Self { name, target, fleet, desk, turns: Vec::new() })
    }

    /// Publishes for a while.
    fn turn(&mut self, args: &BatchingArgs) -> Result<Turn> {
        let Self { target, fleet, desk, .. } = self;
        let interval = Duration::from_secs(1) / args.rate.max(1);
        let rounds = u32::try_from(u64::from(args.rate) * args.turn_ms / 1_000)?.max(1);
        let before = target.metrics(METRICS)?;
        let delivered = fleet.ledger.deliveries();
        let (cpu, started) = (target.cpu()?, Instant::now());
        paced(fleet, interval, rounds, |fleet| {
            desk.settle(fleet);
            desk.publish_at(fleet, "\"queue_id\":\"bench\"")
        })?;
        let elapsed = started.elapsed();
        drain(fleet)?;
        let cpu = target.cpu()? - cpu;
        desk.wait_until_idle(fleet, PUBLISHERS)?;
        // A shard tells its counters when its turn is over, a moment after the last write.
        linger(fleet, Duration::from_millis(100))?;
        let after = target.metrics(METRICS)?;
        let [writes, counted, batches, batched] = std::array::from_fn(|at| after[at] - before[at]);
        let arrived = fleet.ledger.deliveries() - delivered;
        let events = (arrived as f64).max(1.0);
        Ok(Turn {
            cpu_us: us_each(cpu, arrived),
            writes_per_client_s: writes / args.connections.max(1) as f64 / elapsed.as_secs_f64(),
            events_per_write: events / writes.max(1.0),
            events_per_batch: batched / batches.max(1.0),
            batched_share: batched / events,
            counted_share: counted / events,
        })
    }
}

/// Runs it.
pub(crate) fn run(args: &BatchingArgs, target_args: &TargetArgs) -> Result<Outcome> {
    if args.turns == 0 {
        bail!("--turns is at least 1");
    }
    if !(1..=MOST_WINDOW).contains(&args.window_ms) {
        bail!("--window-ms is from 1 to {MOST_WINDOW}");
    }
    let directory = WorkDir::below(&args.data_below)?;
    let path = format!("/?batch={}", args.window_ms);
    let mut hubs = [
        Hub::start("single", "/".to_owned(), args, target_args, &directory)?,
        Hub::start("batched", path, args, target_args, &directory)?,
    ];
    for round in 0..=args.turns {
        for at in 0..hubs.len() {
            // Nobody is always first, and the first round only warms up.
            let hub = &mut hubs[(at + round) % 2];
            let turn = hub.turn(args)?;
            if round == 0 {
                hub.fleet.ledger.forget_latency();
            } else {
                hub.turns.push(turn);
            }
        }
    }
    let mut outcome = Outcome::new("batching", &label(target_args));
    let mut faults = Faults::default();
    for hub in &mut hubs {
        linger(&mut hub.fleet, Duration::from_millis(200))?;
        faults.merge(hub.fleet.ledger.faults());
        faults.lost += hub.fleet.failures();
        let mut add = |figure: &str, of: fn(&Turn) -> f64| {
            outcome.add(&format!("{}_{figure}", hub.name), median(hub.turns.iter().map(of).collect()));
        };
        add("cpu_per_delivery_us", |turn| turn.cpu_us);
        add("writes_per_client_s", |turn| turn.writes_per_client_s);
        add("events_per_write", |turn| turn.events_per_write);
        add("events_per_batch", |turn| turn.events_per_batch);
        add("batched_share", |turn| turn.batched_share);
        add("counted_share", |turn| turn.counted_share);
        outcome.add_latency(&format!("{}_", hub.name), hub.fleet.ledger.latency_us());
    }
    let [single, batched] = &hubs;
    let ratio = |of: fn(&Turn) -> f64| {
        let pairs = single.turns.iter().zip(&batched.turns);
        median(pairs.map(|(single, batched)| of(single) / of(batched)).collect())
    };
    outcome.add("writes_single_to_batched", ratio(|turn| turn.writes_per_client_s));
    outcome.add("cpu_single_to_batched", ratio(|turn| turn.cpu_us));
    // What falls into one window at this rate.
    outcome.add("events_in_a_window", f64::from(args.rate) * f64::from(args.window_ms) / 1e3);
    outcome.add_faults(faults);
    Ok(outcome)
}
