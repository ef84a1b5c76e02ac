//! `cluster`: two nodes on one Redis beside one node without Redis. What does the second node cost in deliveries and latency ([`speed`]), and
//! what is lost when Redis is away for a while or a node is killed ([`outage`])?
//!
//! Redis is a process of the run. Beside nodes whose Redis syncs its append-only file before each answer stands one node whose streams are
//! durable, which syncs its own file before each answer; beside nodes whose Redis does not, one whose streams are in memory. All share the
//! machine with the clients, so two nodes have no more cores than one.

mod outage;
mod speed;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::{Channels, SeatPlan, entry_for, label};
use crate::fleet::{Fleet, Wish};
use crate::ledger::Faults;
use crate::outcome::Outcome;
use crate::redis::{Fsync, Redis};
use crate::target::{Target, TargetArgs};
use crate::workdir::WorkDir;

/// Of the node alone beside a Redis that syncs before it answers: what is published is synced before it is answered, too.
const DURABLE: &str =
    "[[channels]]\npattern = \"*\"\nhistory = { size = 1000, age = \"10m\", durable = true }\n";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Deliveries per second, and CPU for each.
    Deliveries,
    /// From a publication on one node to a client of the other.
    Latency,
    /// Redis killed under load, and started again.
    RedisDown,
    /// A node killed under load.
    NodeKill,
}

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ClusterArgs {
    /// What to measure
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "deliveries,latency,redis-down,node-kill"
    )]
    parts: Vec<Part>,
    /// Subscribers, half on each node, in each part
    #[arg(long, default_value_t = 4_000)]
    connections: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Turns of one node and of two; one more before them warms up
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 2_000)]
    turn_ms: u64,
    /// Messages outstanding in the closed loop, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    outstanding: Vec<usize>,
    /// Messages per second where latency is measured
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Seconds for which Redis is away
    #[arg(long, default_value_t = 30)]
    down: u64,
    /// The Redis to start
    #[arg(long, default_value = "redis-server")]
    redis_server: PathBuf,
    /// When Redis syncs its file: speed is measured with each of them, outages with the first
    #[arg(long, value_enum, value_delimiter = ',', default_value = "always,everysec")]
    fsync: Vec<Fsync>,
    /// Where Redis' data goes: a directory on the disk that is to be measured
    #[arg(long, default_value = ".")]
    data_below: PathBuf,
}

/// Two nodes on one Redis, and their clients.
struct Pair {
    redis: Redis,
    nodes: [Target; 2],
    fleet: Fleet,
}

impl Pair {
    /// Starts all; `place` may put the clients elsewhere than on both nodes in turn before they connect.
    fn start(
        args: &ClusterArgs,
        target_args: &TargetArgs,
        fsync: Fsync,
        (connections, wish): (usize, Wish),
        place: impl FnOnce(&mut Fleet),
    ) -> Result<Self> {
        let redis = Redis::start(&args.redis_server, fsync, &args.data_below)?;
        let first = Target::start_with(target_args, redis.environment("first"))?;
        let second = Target::start_with(target_args, redis.environment("second"))?;
        let mut fleet = fleet(target_args, &first, connections, wish)?;
        fleet.add_server(second.address);
        place(&mut fleet);
        fleet.connect_all()?;
        Ok(Self { redis, nodes: [first, second], fleet })
    }
}

/// One node without Redis, and its clients. What it takes is synced before it is answered where Redis does that as well.
struct Alone {
    node: Target,
    fleet: Fleet,
    _directory: Option<WorkDir>,
}

impl Alone {
    fn start(args: &ClusterArgs, target_args: &TargetArgs, fsync: Fsync, connections: usize) -> Result<Self> {
        let directory = match fsync {
            Fsync::Always => Some(WorkDir::below(&args.data_below)?),
            Fsync::Everysec | Fsync::Never => None,
        };
        let environment = match &directory {
            Some(directory) => vec![directory.config(DURABLE)?, directory.data()],
            None => Vec::new(),
        };
        let node = Target::start_with(target_args, environment)?;
        let mut fleet = fleet(target_args, &node, connections, Wish::Plain)?;
        fleet.connect_all()?;
        Ok(Self { node, fleet, _directory: directory })
    }
}

/// Clients of a node that are not connected yet.
fn fleet(target_args: &TargetArgs, target: &Target, connections: usize, wish: Wish) -> Result<Fleet> {
    let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
    Fleet::new(target.address, entry_for(target_args, target, wish), plan.seats(0..connections), 0)
}

/// What the parts have in common.
#[derive(Debug, Default)]
struct Account {
    faults: Faults,
    gaps: u64,
    out_of_order: u64,
    publish_wrong: u64,
}

impl Account {
    /// Adds what the clients of a part saw.
    fn add(&mut self, fleet: &Fleet) {
        self.faults.merge(fleet.ledger.faults());
        self.gaps += fleet.recoveries().gaps;
        self.out_of_order += fleet.recoveries().out_of_order;
    }
}

/// Runs it.
pub(crate) fn run(args: &ClusterArgs, target_args: &TargetArgs) -> Result<Outcome> {
    if args.turns == 0 || args.connections < 2 || args.fsync.is_empty() {
        bail!("--turns is at least 1, --connections 2, and --fsync names one");
    }
    let mut outcome = Outcome::new("cluster", &label(target_args));
    let mut account = Account::default();
    for part in &args.parts {
        match part {
            Part::Deliveries => {
                for fsync in &args.fsync {
                    speed::deliveries(args, target_args, *fsync, &mut outcome, &mut account)?;
                }
            }
            Part::Latency => {
                for fsync in &args.fsync {
                    speed::latency(args, target_args, *fsync, &mut outcome, &mut account)?;
                }
            }
            Part::RedisDown => outage::redis_down(args, target_args, &mut outcome, &mut account)?,
            Part::NodeKill => outage::node_kill(args, target_args, &mut outcome, &mut account)?,
        }
    }
    outcome.add_faults(account.faults);
    outcome.add("gaps", account.gaps as f64);
    outcome.add("out_of_order", account.out_of_order as f64);
    outcome.add("publish_wrong", account.publish_wrong as f64);
    Ok(outcome)
}
