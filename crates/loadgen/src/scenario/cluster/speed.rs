//! One node and two with the same clients, in turns: deliveries per second in a closed loop with CPU for each, and latency at a fixed rate.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Account, Alone, ClusterArgs, Pair};
use crate::fleet::{Fleet, Wish};
use crate::outcome::{Outcome, median};
use crate::redis::Fsync;
use crate::scenario::fanout_max::closed_loop;
use crate::scenario::{Desk, drain, linger, paced, us_each};
use crate::target::{Target, TargetArgs};

/// The channel of all seats.
const CHANNEL: &str = "bench";
/// Publishing connections at a fixed rate: one request is under way, the others are for a server that answers late.
const PUBLISHERS: usize = 4;

/// What the figures of a way to sync begin with.
const fn prefix(fsync: Fsync) -> &'static str {
    match fsync {
        Fsync::Always => "synced_",
        Fsync::Everysec => "everysec_",
        Fsync::Never => "memory_",
    }
}

/// What a turn came to.
#[derive(Debug, Clone, Copy)]
struct Turn {
    per_s: f64,
    nodes_us: f64,
    redis_us: f64,
    per_write: f64,
}

/// What a turn reads before and behind it: CPU of the nodes and of Redis, and writes of events to sockets.
type Meters = (Duration, Duration, f64);

fn writes(node: &Target) -> Result<f64> {
    let [writes] = node.metrics(["fanfare_writes_total"])?;
    Ok(writes)
}

/// A closed loop for the time of a turn.
fn turn(
    fleet: &mut Fleet,
    desk: &mut Desk,
    outstanding: usize,
    args: &ClusterArgs,
    meters: impl Fn() -> Result<Meters>,
) -> Result<Turn> {
    // What came meanwhile, as pings.
    fleet.turn(Some(Duration::ZERO))?;
    let ((nodes, redis, written), delivered, started) =
        (meters()?, fleet.ledger.deliveries(), Instant::now());
    closed_loop(fleet, desk, outstanding, Duration::from_millis(args.turn_ms), |fleet, desk| {
        desk.publish_to_all(fleet, CHANNEL).map(|()| 1)
    })?;
    drain(fleet)?;
    let (elapsed, (nodes_after, redis_after, written_after)) = (started.elapsed(), meters()?);
    let deliveries = fleet.ledger.deliveries() - delivered;
    Ok(Turn {
        per_s: deliveries as f64 / elapsed.as_secs_f64(),
        nodes_us: us_each(nodes_after - nodes, deliveries),
        redis_us: us_each(redis_after - redis, deliveries),
        per_write: deliveries as f64 / (written_after - written).max(1.0),
    })
}

/// Deliveries per second and CPU for each, with one node and with two.
pub(super) fn deliveries(
    args: &ClusterArgs,
    target_args: &TargetArgs,
    fsync: Fsync,
    outcome: &mut Outcome,
    account: &mut Account,
) -> Result<()> {
    let most = args.outstanding.iter().copied().max().unwrap_or(1);
    let mut alone = Alone::start(args, target_args, fsync, args.connections)?;
    let mut one_desk = Desk::open(&mut alone.fleet, target_args, &alone.node, most, args.payload)?;
    let mut pair = Pair::start(args, target_args, fsync, (args.connections, Wish::Plain), |_| ())?;
    let mut pair_desk = Desk::open(&mut pair.fleet, target_args, &pair.nodes[0], most, args.payload)?;
    for &outstanding in &args.outstanding {
        let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
        for round in 0..=args.turns {
            let Alone { node, fleet, .. } = &mut alone;
            let single = turn(fleet, &mut one_desk, outstanding, args, || {
                Ok((node.cpu()?, Duration::ZERO, writes(node)?))
            })?;
            let Pair { redis, nodes, fleet } = &mut pair;
            let double = turn(fleet, &mut pair_desk, outstanding, args, || {
                let [first, second] = &*nodes;
                Ok((first.cpu()? + second.cpu()?, redis.cpu()?, writes(first)? + writes(second)?))
            })?;
            // The first round only warms up.
            if round > 0 {
                of_one.push(single);
                of_two.push(double);
            }
        }
        let mut add = |figure: &str, values: Vec<f64>| {
            outcome.add(&format!("{}max{outstanding}_{figure}", prefix(fsync)), median(values));
        };
        add("one_deliveries_per_s", of_one.iter().map(|turn| turn.per_s).collect());
        add("two_deliveries_per_s", of_two.iter().map(|turn| turn.per_s).collect());
        add("two_to_one", of_two.iter().zip(&of_one).map(|(two, one)| two.per_s / one.per_s).collect());
        add("one_cpu_per_delivery_us", of_one.iter().map(|turn| turn.nodes_us).collect());
        add("two_cpu_per_delivery_us", of_two.iter().map(|turn| turn.nodes_us).collect());
        add("redis_cpu_per_delivery_us", of_two.iter().map(|turn| turn.redis_us).collect());
        add("one_deliveries_per_write", of_one.iter().map(|turn| turn.per_write).collect());
        add("two_deliveries_per_write", of_two.iter().map(|turn| turn.per_write).collect());
        let publication = |turn: &Turn| turn.redis_us * args.connections as f64;
        add("redis_cpu_per_publication_us", of_two.iter().map(publication).collect());
    }
    for fleet in [&mut alone.fleet, &mut pair.fleet] {
        linger(fleet, Duration::from_millis(200))?;
        account.add(fleet);
    }
    Ok(())
}

/// From the publish call to the client's read: one node, and across two; a large audience, and a client alone.
pub(super) fn latency(
    args: &ClusterArgs,
    target_args: &TargetArgs,
    fsync: Fsync,
    outcome: &mut Outcome,
    account: &mut Account,
) -> Result<()> {
    for (name, connections, rate) in [("all", args.connections / 2, args.rate), ("alone", 1, args.rate * 10)]
    {
        let name = format!("{}{name}", prefix(fsync));
        let Alone { node, fleet: mut one, _directory } = Alone::start(args, target_args, fsync, connections)?;
        let mut one_desk = Desk::open(&mut one, target_args, &node, PUBLISHERS, args.payload)?;
        // All listen to the second node, and all is published on the first.
        let place = |fleet: &mut Fleet| fleet.settle_on(1, 0);
        let mut pair = Pair::start(args, target_args, fsync, (connections, Wish::Plain), place)?;
        let mut pair_desk =
            Desk::open(&mut pair.fleet, target_args, &pair.nodes[0], PUBLISHERS, args.payload)?;
        let count = u32::try_from(u64::from(rate) * args.turn_ms / 1_000)?.max(1);
        let interval = Duration::from_secs(1) / rate.max(1);
        for round in 0..=args.turns {
            for (fleet, desk) in [(&mut one, &mut one_desk), (&mut pair.fleet, &mut pair_desk)] {
                fleet.turn(Some(Duration::ZERO))?;
                paced(fleet, interval, count, |fleet| {
                    desk.settle(fleet);
                    desk.publish_to_all(fleet, CHANNEL)
                })?;
                drain(fleet)?;
                if round == 0 {
                    fleet.ledger.forget_latency();
                }
            }
        }
        outcome.add_latency(&format!("{name}_one_"), one.ledger.latency_us());
        outcome.add_latency(&format!("{name}_across_"), pair.fleet.ledger.latency_us());
        let quantile = |fleet: &Fleet, at| fleet.ledger.latency_us().value_at_quantile(at).max(1) as f64;
        for (figure, at) in [("p50", 0.5), ("p99", 0.99)] {
            let ratio = quantile(&pair.fleet, at) / quantile(&one, at);
            outcome.add(&format!("{name}_across_to_one_{figure}"), ratio);
        }
        for fleet in [&mut one, &mut pair.fleet] {
            linger(fleet, Duration::from_millis(200))?;
            account.add(fleet);
        }
    }
    Ok(())
}
