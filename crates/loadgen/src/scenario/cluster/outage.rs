//! What two nodes on one Redis lose when Redis is killed and comes back later, and when one of the nodes is killed: clients that want to miss
//! nothing count offsets, publishers repeat each event with its key until it is taken.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Account, ClusterArgs, Pair};
use crate::comeback::Manner;
use crate::courier::{Courier, Log};
use crate::event;
use crate::fleet::{Fleet, Wish};
use crate::http;
use crate::memory::Return;
use crate::outcome::Outcome;
use crate::scenario::storm::Returning;
use crate::scenario::{drain, linger};
use crate::sys;
use crate::target::{Target, TargetArgs};

const CHANNEL: &str = "bench";
/// How often each publisher publishes to all.
const PACE: Duration = Duration::from_millis(250);
/// How long all is left alone before the outage and behind it.
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(3);
/// How long anything may take to be as before.
const LONGEST: Duration = Duration::from_secs(60);

/// Publishers, one for each of some nodes.
struct Publishers {
    couriers: Vec<Courier>,
    next: Instant,
    payload: usize,
}

impl Publishers {
    fn start(nodes: &[Target], names: &[&str], payload: usize) -> Self {
        let couriers =
            nodes.iter().zip(names).map(|(node, name)| Courier::start(node.address, name)).collect();
        Self { couriers, next: Instant::now(), payload }
    }

    /// Hands over what is due, and handles what has arrived.
    fn go_on(&mut self, fleet: &mut Fleet) -> Result<()> {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + PACE;
            self.publish(fleet);
        }
        fleet.turn(Some(Duration::from_millis(2)))
    }

    fn publish(&mut self, fleet: &mut Fleet) {
        for courier in &mut self.couriers {
            let (mut body, number) = (Vec::new(), fleet.ledger.published());
            event::write_publication(&mut body, CHANNEL, number, sys::monotonic_ns(), self.payload);
            if courier.send(body) {
                fleet.ledger.publish_to_all();
            }
        }
    }

    fn go_on_for(&mut self, fleet: &mut Fleet, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.go_on(fleet)?;
        }
        Ok(())
    }

    /// Waits until everything that was handed over is taken.
    fn wait(&self, fleet: &mut Fleet) -> Result<()> {
        let started = Instant::now();
        while !self.couriers.iter().all(Courier::is_done) {
            if started.elapsed() > LONGEST {
                bail!("a publication was not taken within {LONGEST:?}");
            }
            fleet.turn(Some(Duration::from_millis(2)))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Log>> {
        self.couriers.into_iter().map(Courier::finish).collect()
    }
}

/// What publishers were answered.
fn tell(outcome: &mut Outcome, account: &mut Account, name: &str, logs: &[Log]) {
    let sum = |of: fn(&Log) -> u64| logs.iter().map(of).sum::<u64>();
    outcome.add(&format!("{name}_publish_200"), sum(|log| log.accepted) as f64);
    outcome.add(&format!("{name}_publish_503_retry_after"), sum(|log| log.told_to_wait) as f64);
    outcome.add(&format!("{name}_publish_cut"), sum(|log| log.cut + log.refused) as f64);
    let longest = logs.iter().map(|log| log.longest).max().unwrap_or_default();
    outcome.add(&format!("{name}_publish_longest_s"), longest.as_secs_f64());
    account.publish_wrong += sum(|log| log.wrong);
    for wrong in logs.iter().filter_map(|log| log.first_wrong.as_ref()) {
        eprintln!("loadgen: a publisher was answered: {wrong}");
    }
}

/// Nodes whose `/health` has this status.
fn nodes_that_are(nodes: &[Target], status: &str) -> usize {
    let is = |node: &&Target| {
        let health = http::get(node.address, "/health").ok();
        let health = health.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        health.is_some_and(|health| health["status"] == status)
    };
    nodes.iter().filter(is).count()
}

/// Redis is killed under load and is back after a while, with its files.
pub(super) fn redis_down(
    args: &ClusterArgs,
    target_args: &TargetArgs,
    outcome: &mut Outcome,
    account: &mut Account,
) -> Result<()> {
    let mut pair =
        Pair::start(args, target_args, args.fsync[0], (args.connections, Wish::Recoverable), |_| ())?;
    let Pair { redis, nodes, fleet } = &mut pair;
    let mut publishers = Publishers::start(nodes, &["down-first", "down-second"], args.payload);
    publishers.go_on_for(fleet, BEFORE)?;
    redis.kill()?;
    let down = Duration::from_secs(args.down);
    publishers.go_on_for(fleet, down.mul_f64(0.9))?;
    let degraded = nodes_that_are(nodes, "degraded");
    publishers.go_on_for(fleet, down.mul_f64(0.1))?;
    redis.start_again()?;
    let back = Instant::now();
    let mut healthy = None;
    publishers.wait(fleet)?;
    drain(fleet)?;
    let all_there = back.elapsed();
    while healthy.is_none() && back.elapsed() < LONGEST {
        publishers.go_on(fleet)?;
        healthy = (nodes_that_are(nodes, "healthy") == nodes.len()).then(|| back.elapsed());
    }
    publishers.go_on_for(fleet, AFTER)?;
    publishers.wait(fleet)?;
    drain(fleet)?;
    linger(fleet, Duration::from_millis(500))?;
    outcome.add("down_s", down.as_secs_f64());
    outcome.add("down_degraded_nodes", degraded as f64);
    outcome.add("down_all_delivered_after_s", all_there.as_secs_f64());
    outcome.add("down_healthy_after_s", healthy.unwrap_or(LONGEST).as_secs_f64());
    outcome.add("down_disconnected", fleet.failures() as f64);
    let faults = fleet.ledger.faults();
    outcome.add("down_lost", faults.lost as f64);
    outcome.add("down_doubled", faults.doubled as f64);
    outcome.add("down_gaps", fleet.recoveries().gaps as f64);
    tell(outcome, account, "down", &publishers.finish()?);
    account.add(fleet);
    Ok(())
}

/// A node is killed under load; its clients come back on the other, as the SDK does it.
pub(super) fn node_kill(
    args: &ClusterArgs,
    target_args: &TargetArgs,
    outcome: &mut Outcome,
    account: &mut Account,
) -> Result<()> {
    let mut pair =
        Pair::start(args, target_args, args.fsync[0], (args.connections, Wish::Recoverable), |_| ())?;
    let Pair { nodes, fleet, .. } = &mut pair;
    fleet.come_back_by(Return::Resume);
    // Who publishes on the node that dies would have to look for another: that is the publisher's matter.
    let mut publishers = Publishers::start(&nodes[1..], &["kill"], args.payload);
    publishers.go_on_for(fleet, BEFORE)?;
    let mut returning = Returning::new(args.connections, Manner::Sdk);
    nodes[0].kill()?;
    let killed = Instant::now();
    fleet.settle_on(1, 1);
    let mut lost_all_s = None;
    let back = loop {
        returning.go_on(fleet)?;
        publishers.go_on(fleet)?;
        // All of that node's have to have noticed, before all can be back.
        if lost_all_s.is_none() && fleet.failures() >= (args.connections / 2) as u64 {
            lost_all_s = Some(killed.elapsed());
        }
        if lost_all_s.is_some() && fleet.open() == args.connections {
            break killed.elapsed();
        }
        if killed.elapsed() > LONGEST {
            bail!("{} of {} are back after {LONGEST:?}: {}", fleet.open(), args.connections, fleet.trouble());
        }
    };
    publishers.publish(fleet);
    publishers.wait(fleet)?;
    drain(fleet)?;
    let served = killed.elapsed();
    publishers.go_on_for(fleet, AFTER)?;
    publishers.wait(fleet)?;
    drain(fleet)?;
    linger(fleet, Duration::from_millis(500))?;
    outcome.add("kill_all_back_s", back.as_secs_f64());
    outcome.add("kill_all_served_s", served.as_secs_f64());
    let recoveries = fleet.recoveries();
    outcome.add("kill_resumed", recoveries.resumed as f64);
    outcome.add("kill_tokens_refused", recoveries.tokens_refused as f64);
    outcome.add("kill_gaps", recoveries.gaps as f64);
    let faults = fleet.ledger.faults();
    outcome.add("kill_lost", faults.lost as f64);
    outcome.add("kill_doubled", faults.doubled as f64);
    tell(outcome, account, "kill", &publishers.finish()?);
    account.add(fleet);
    Ok(())
}
