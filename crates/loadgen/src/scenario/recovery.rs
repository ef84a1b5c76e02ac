//! `recovery`: many clients come back in one moment, each with a position behind which it missed hundreds of events.
//!
//! The time runs from the first `subscribe` to the last client's last event: all have finished their handshakes before. The events
//! are published while nobody is connected, so every one of them comes from history.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Channels, DRAIN, Desk, SeatPlan, entry_for, label, linger, us_each};
use crate::fleet::{Fleet, Wish};
use crate::outcome::{Outcome, median};
use crate::sys;
use crate::target::{Target, TargetArgs};

/// Publishing connections; batches go out one after the other, so that their order is known.
const PUBLISHERS: usize = 1;
/// Events per request.
const BATCH: usize = 100;
/// How often the server's memory is looked at during the replay.
const SAMPLE: Duration = Duration::from_millis(50);

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RecoveryArgs {
    /// Clients that come back
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Events that each has missed
    #[arg(long, default_value_t = 500)]
    missed: usize,
    /// Bytes of the event's `data`; with 200 a frame has 267 for a plain client, and some 360 with its place
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// How often they go and come back
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// What one return came to.
struct Round {
    elapsed: Duration,
    server: Duration,
    client: Duration,
    growth: f64,
    frame_bytes: f64,
}

/// Lets all go, publishes, and measures the return.
fn come_back(fleet: &mut Fleet, desk: &mut Desk, target: &Target, args: &RecoveryArgs) -> Result<Round> {
    fleet.hang_up_all();
    for start in (0..args.missed).step_by(BATCH) {
        desk.publish_batch_to_all(fleet, "bench", BATCH.min(args.missed - start))?;
        desk.wait_until_idle(fleet, PUBLISHERS)?;
    }
    fleet.connect_and_hold()?;
    linger(fleet, Duration::from_millis(300))?;
    let before = target.pss()? as f64;
    let bytes = fleet.recoveries().event_bytes;
    let due = fleet.ledger.deliveries() + (args.connections * args.missed) as u64;
    let (server, client) = (target.cpu()?, sys::process_cpu(std::process::id())?);
    let started = Instant::now();
    let (mut peak, mut sampled) = (before, started);
    fleet.let_in();
    while fleet.ledger.deliveries() < due && started.elapsed() < DRAIN {
        fleet.turn(Some(Duration::from_millis(20)))?;
        if sampled.elapsed() > SAMPLE {
            peak = peak.max(target.pss()? as f64);
            sampled = Instant::now();
        }
    }
    let elapsed = started.elapsed();
    let (server, client) = (target.cpu()? - server, sys::process_cpu(std::process::id())? - client);
    peak = peak.max(target.pss()? as f64);
    linger(fleet, Duration::from_millis(300))?;
    let events = (args.connections * args.missed).max(1) as f64;
    let frame_bytes = (fleet.recoveries().event_bytes - bytes) as f64 / events;
    Ok(Round { elapsed, server, client, growth: peak - before, frame_bytes })
}

/// Runs it.
pub(crate) fn run(args: &RecoveryArgs, target_args: &TargetArgs) -> Result<Outcome> {
    if args.rounds == 0 {
        bail!("--rounds is at least 1");
    }
    let target = Target::start(target_args)?;
    let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
    let entry = entry_for(target_args, &target, Wish::Recoverable);
    let mut fleet = Fleet::new(target.address, entry, plan.seats(0..args.connections), 0)?;
    fleet.connect_all()?;
    let mut desk = Desk::open(&mut fleet, target_args, &target, PUBLISHERS, args.payload)?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        rounds.push(come_back(&mut fleet, &mut desk, &target, args)?);
    }

    let mut outcome = Outcome::new("recovery", &label(target_args));
    let events = (args.connections * args.missed) as u64;
    let middle = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let per_s: Vec<f64> = rounds.iter().map(|round| events as f64 / round.elapsed.as_secs_f64()).collect();
    outcome.add("replayed_per_s", median(per_s.clone()));
    outcome.add("replayed_per_s_min", per_s.iter().copied().fold(f64::MAX, f64::min));
    outcome.add("replayed_per_s_max", per_s.iter().copied().fold(0.0, f64::max));
    outcome.add("elapsed_ms", middle(|round| round.elapsed.as_secs_f64() * 1e3));
    let server = Duration::from_secs_f64(middle(|round| round.server.as_secs_f64()));
    outcome.add("cpu_per_event_us", us_each(server, events));
    outcome.add("replayed_per_cpu_s", events as f64 / server.as_secs_f64().max(1e-9));
    let client = Duration::from_secs_f64(middle(|round| round.client.as_secs_f64()));
    outcome.add("client_cpu_per_event_us", us_each(client, events));
    outcome.add("memory_growth_mib", middle(|round| round.growth) / f64::from(1 << 20));
    outcome.add("frame_bytes", middle(|round| round.frame_bytes));
    let recoveries = fleet.recoveries();
    outcome.add("gaps", recoveries.gaps as f64);
    outcome.add("out_of_order", recoveries.out_of_order as f64);
    outcome.add_faults(fleet.ledger.faults());
    Ok(outcome)
}
