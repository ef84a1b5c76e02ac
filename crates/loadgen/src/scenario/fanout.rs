//! `fanout`: one channel, many subscribers, a fixed rate: CPU per delivery, latency, nothing lost.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Channels, Desk, SeatPlan, drain, entry, label, linger, named, paced, us_each};
use crate::audience::Audience;
use crate::outcome::Outcome;
use crate::sys;
use crate::target::{Target, TargetArgs};

/// Publishing connections: one request is under way at this rate, the others are for a server that answers late.
const PUBLISHERS: usize = 4;

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FanoutArgs {
    /// Subscribers of the one channel
    #[arg(long, default_value_t = 5_000)]
    connections: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Messages per second
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Seconds at the same rate before them
    #[arg(long, default_value_t = 2)]
    warmup: u32,
    /// Receivers per client process; default: what the limit of open files allows
    #[arg(long)]
    per_process: Option<usize>,
}

/// Runs it.
pub(crate) fn run(args: &FanoutArgs, target_args: &TargetArgs) -> Result<Outcome> {
    let target = Target::start(target_args)?;
    let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
    let channel = plan.channel(0);
    let mut audience = Audience::connect(
        target.address,
        entry(target_args, &target),
        &plan,
        args.connections,
        args.per_process,
    )?;
    let mut desk = Desk::open(&mut audience.fleet, target_args, &target, PUBLISHERS, args.payload)?;
    let interval = Duration::from_secs(1) / args.rate.max(1);
    let mut publish = |fleet: &mut crate::fleet::Fleet| {
        desk.settle(fleet);
        desk.publish_to_all(fleet, &channel)
    };

    paced(&mut audience.fleet, interval, args.rate * args.warmup, &mut publish)?;
    audience.drain()?;
    linger(&mut audience.fleet, Duration::from_millis(300))?;
    audience.forget_latency()?;
    let (server, client) = (target.cpu()?, sys::process_cpu(std::process::id())?);
    let started = Instant::now();
    let rounds = args.rate * args.seconds;
    paced(&mut audience.fleet, interval, rounds, &mut publish)?;
    drain(&mut audience.fleet)?;
    let local = sys::process_cpu(std::process::id())? - client;
    audience.drain()?;
    let server = target.cpu()? - server;
    let elapsed = started.elapsed();
    linger(&mut audience.fleet, Duration::from_millis(200))?;

    let mut outcome = Outcome::new(&named(target_args, "fanout"), &label(target_args));
    let deliveries = u64::from(rounds) * args.connections as u64;
    let here = u64::from(rounds) * audience.here() as u64;
    outcome.add("cpu_per_delivery_us", us_each(server, deliveries));
    outcome.add("client_cpu_per_delivery_us", us_each(local, here));
    outcome.add("deliveries_per_s", deliveries as f64 / elapsed.as_secs_f64());
    outcome.add("pss_kib", target.pss()? as f64 / 1_024.0);
    if let Some(order) = audience.fleet.order() {
        outcome.add("out_of_order", order.faults() as f64);
    }
    let verdict = audience.finish()?;
    outcome.add_latency("", &verdict.latency_us);
    outcome.add_faults(verdict.faults);
    Ok(outcome)
}
