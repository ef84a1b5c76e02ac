//! `fanout-max`: one channel, many subscribers, as fast as it goes: a publisher posts its next message when the last has reached everyone.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Channels, DRAIN, Desk, SeatPlan, drain, entry, label, linger, named, us_each};
use crate::fleet::Fleet;
use crate::outcome::Outcome;
use crate::sys;
use crate::target::{Target, TargetArgs};

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FanoutMaxArgs {
    /// Subscribers of the one channel
    #[arg(long, default_value_t = 5_000)]
    connections: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Messages outstanding, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    outstanding: Vec<usize>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 8)]
    seconds: u32,
    /// Seconds of the same before each
    #[arg(long, default_value_t = 2)]
    warmup: u32,
}

/// Keeps `outstanding` messages under way for a while: a message is finished when all have it and its request is answered.
/// `publish` makes one request and says how many messages are in it.
pub(super) fn closed_loop(
    fleet: &mut Fleet,
    desk: &mut Desk,
    outstanding: usize,
    time: Duration,
    mut publish: impl FnMut(&mut Fleet, &mut Desk) -> Result<usize>,
) -> Result<()> {
    let (started, mut moved) = (Instant::now(), Instant::now());
    let mut finished = Vec::new();
    let mut under_way = 0;
    fleet.ledger.take_finished(&mut finished);
    while started.elapsed() < time {
        finished.clear();
        fleet.ledger.take_finished(&mut finished);
        if !finished.is_empty() {
            moved = Instant::now();
        }
        under_way -= finished.len().min(under_way);
        desk.settle(fleet);
        while under_way < outstanding && desk.has_idle() {
            under_way += publish(fleet, desk)?;
        }
        if moved.elapsed() > DRAIN {
            bail!("no message has reached everyone for {DRAIN:?}: {}", fleet.trouble());
        }
        fleet.turn(Some(Duration::from_millis(50)))?;
    }
    Ok(())
}

/// Runs it.
pub(crate) fn run(args: &FanoutMaxArgs, target_args: &TargetArgs) -> Result<Outcome> {
    let target = Target::start(target_args)?;
    let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
    let channel = plan.channel(0);
    let mut fleet =
        Fleet::new(target.address, entry(target_args, &target), plan.seats(0..args.connections), 0)?;
    fleet.connect_all()?;
    let most = args.outstanding.iter().copied().max().unwrap_or(1);
    let mut desk = Desk::open(&mut fleet, target_args, &target, most, args.payload)?;

    let publish = |fleet: &mut Fleet, desk: &mut Desk| desk.publish_to_all(fleet, &channel).map(|()| 1);
    let mut outcome = Outcome::new(&named(target_args, "fanout-max"), &label(target_args));
    for &outstanding in &args.outstanding {
        let (warmup, time) =
            (Duration::from_secs(args.warmup.into()), Duration::from_secs(args.seconds.into()));
        closed_loop(&mut fleet, &mut desk, outstanding, warmup, publish)?;
        drain(&mut fleet)?;
        fleet.ledger.forget_latency();
        let delivered = fleet.ledger.deliveries();
        let (server, client) = (target.cpu()?, sys::process_cpu(std::process::id())?);
        let started = Instant::now();
        closed_loop(&mut fleet, &mut desk, outstanding, time, publish)?;
        drain(&mut fleet)?;
        let (server, elapsed) = (target.cpu()? - server, started.elapsed());
        let client = sys::process_cpu(std::process::id())? - client;
        let deliveries = fleet.ledger.deliveries() - delivered;
        let name = |figure: &str| format!("max{outstanding}_{figure}");
        outcome.add(&name("deliveries_per_s"), deliveries as f64 / elapsed.as_secs_f64());
        outcome.add(&name("cpu_per_delivery_us"), us_each(server, deliveries));
        outcome.add(&name("client_cpu_per_delivery_us"), us_each(client, deliveries));
        outcome.add_latency(&name(""), fleet.ledger.latency_us());
    }
    linger(&mut fleet, Duration::from_millis(200))?;
    if let Some(order) = fleet.order() {
        outcome.add("out_of_order", order.faults() as f64);
    }
    outcome.add_faults(fleet.ledger.faults());
    Ok(outcome)
}
