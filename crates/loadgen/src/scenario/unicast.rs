//! `unicast`: many channels of one subscriber each; what a publish costs when hardly anybody hears it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Channels, Desk, SeatPlan, drain, entry, label, linger, us_each};
use crate::fleet::Fleet;
use crate::outcome::Outcome;
use crate::sys;
use crate::target::{Target, TargetArgs};

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UnicastArgs {
    /// Channels, with one subscriber each
    #[arg(long, default_value_t = 1_000)]
    channels: usize,
    /// Keep-alive connections that publish, one request under way on each
    #[arg(long, default_value_t = 32)]
    publishers: usize,
    /// Events per request, posted to `/broadcast/batch`; 1 posts to `/broadcast`
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Seconds that are measured
    #[arg(long, default_value_t = 8)]
    seconds: u32,
    /// Seconds of the same before them
    #[arg(long, default_value_t = 2)]
    warmup: u32,
}

/// Publishes for a while with every connection busy; says how many events that were.
fn keep_busy(
    fleet: &mut Fleet,
    desk: &mut Desk,
    plan: &SeatPlan,
    args: &UnicastArgs,
    time: Duration,
) -> Result<u64> {
    let started = Instant::now();
    let (mut next, mut published) = (0, 0);
    while started.elapsed() < time {
        desk.settle(fleet);
        while desk.has_idle() {
            let numbers = (0..args.batch).map(|at| (next + at) % args.channels);
            desk.publish_to_each(fleet, plan, numbers, args.batch > 1)?;
            next = (next + args.batch) % args.channels;
            published += args.batch as u64;
        }
        fleet.turn(Some(Duration::from_millis(50)))?;
    }
    let closing = Instant::now();
    while !desk.all_idle(args.publishers) && closing.elapsed() < super::DRAIN {
        fleet.turn(Some(Duration::from_millis(50)))?;
        desk.settle(fleet);
    }
    drain(fleet)?;
    Ok(published)
}

/// Runs it.
pub(crate) fn run(args: &UnicastArgs, target_args: &TargetArgs) -> Result<Outcome> {
    let target = Target::start(target_args)?;
    let plan = SeatPlan { channels: Channels::Each, jwt_secret: target_args.jwt_secret.clone() };
    let mut fleet = Fleet::new(target.address, entry(target_args, &target), plan.seats(0..args.channels), 0)?;
    fleet.connect_all()?;
    let mut desk = Desk::open(&mut fleet, target_args, &target, args.publishers, args.payload)?;
    keep_busy(&mut fleet, &mut desk, &plan, args, Duration::from_secs(args.warmup.into()))?;
    fleet.ledger.forget_latency();

    let (server, client) = (target.cpu()?, sys::process_cpu(std::process::id())?);
    let started = Instant::now();
    let published = keep_busy(&mut fleet, &mut desk, &plan, args, Duration::from_secs(args.seconds.into()))?;
    let (server, elapsed) = (target.cpu()? - server, started.elapsed());
    let client = sys::process_cpu(std::process::id())? - client;
    linger(&mut fleet, Duration::from_millis(200))?;

    let name = if args.batch > 1 { "unicast-batch" } else { "unicast" };
    let mut outcome = Outcome::new(name, &label(target_args));
    outcome.add("cpu_per_publish_us", us_each(server, published));
    outcome.add("client_cpu_per_publish_us", us_each(client, published));
    outcome.add("publishes_per_s", published as f64 / elapsed.as_secs_f64());
    outcome.add_latency("", fleet.ledger.latency_us());
    outcome.add_faults(fleet.ledger.faults());
    Ok(outcome)
}
