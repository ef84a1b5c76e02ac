//! The load generator and side-by-side benchmarks of Fanfare.
//!
//! `loadgen SCENARIO --target SERVER` starts the server, measures it from outside and ends it; `loadgen report` turns many runs into
//! the table of `docs/performance.md`. One thread with one epoll plays all clients ([`fleet`]), so that the machine's other core is
//! the server's. Not here: which scenarios run in which order, that is `scripts/bench`.

mod audience;
mod comeback;
mod courier;
mod event;
mod fleet;
mod frame;
mod http;
mod jwt;
mod ledger;
mod memory;
mod order;
mod outcome;
mod plot;
mod redis;
mod report;
mod scenario;
mod sys;
mod target;
mod up;
mod workdir;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use crate::fleet::Transport;
use crate::scenario::{
    batching, churn, cluster, connects, durable, fanout, fanout_max, floor, history, idle, jobs, million,
    notifications, recovery, storm, unicast, worlds,
};
use crate::target::{Kind, TargetArgs};

/// Measures a notification hub from outside: CPU per delivery, latency, memory, and that nothing is lost or doubled.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
    #[command(flatten)]
    target: TargetArgs,
    /// Print one line of JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Bare writes of one frame to N sockets, without any server: the physical limit
    Floor(floor::FloorArgs),
    /// Memory per connection that is only there
    Idle(idle::IdleArgs),
    /// One channel, a fixed rate: CPU per delivery and latency
    Fanout(fanout::FanoutArgs),
    /// One channel, closed loop: deliveries per second
    FanoutMax(fanout_max::FanoutMaxArgs),
    /// Many channels of one subscriber: CPU per publish
    Unicast(unicast::UnicastArgs),
    /// Connections that come and go
    Churn(churn::ChurnArgs),
    /// Connections that come as fast as they are served: how many a second
    Connects(connects::ConnectsArgs),
    /// Jobs through `fanfare up`: from a job's change to a browser
    Jobs(jobs::JobsArgs),
    /// Notifications through `fanfare up`: from a call to a bell, many at once, lists of a full inbox
    Notifications(notifications::NotificationsArgs),
    /// Clients that come back in one moment: events replayed per second
    Recovery(recovery::RecoveryArgs),
    /// Publications to a stream on disk beside those to one in memory
    Durable(durable::DurableArgs),
    /// What keeping events costs the fan-out, beside a hub that keeps none
    History(history::HistoryArgs),
    /// A hub that is killed or drained, and all its clients coming back
    Storm(storm::StormArgs),
    /// The other worlds beside `/ws`: CPU per delivery as a ratio
    Worlds(worlds::WorldsArgs),
    /// Dashboards that ask for batches beside others: writes per client
    Batching(batching::BatchingArgs),
    /// Two nodes on one Redis beside one node: deliveries, latency, Redis away, a node killed
    Cluster(cluster::ClusterArgs),
    /// A million signed-in connections over many nodes, and broadcasts that reach every one
    Million(million::MillionArgs),
    /// Draw what `storm --timeline` wrote
    Plot(plot::PlotArgs),
    /// Turn lines of JSON into a Markdown table of medians and ratios
    Report(report::ReportArgs),
    /// The writing process of `floor`
    #[command(hide = true)]
    FloorWriter(floor::WriterArgs),
    /// A client process of `million`
    #[command(hide = true)]
    Crowd {
        /// What it is to connect
        share: String,
    },
    /// A further client process
    #[command(hide = true)]
    Worker {
        /// What it is to connect
        share: String,
    },
}

impl Scenario {
    /// Whether clients of Socket.IO can play it.
    fn knows_namespaces(&self) -> bool {
        match self {
            Self::Fanout(_) | Self::FanoutMax(_) | Self::Connects(_) => true,
            Self::Idle(args) => !args.recoverable,
            _ => false,
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    sys::raise_open_files()?;
    let target = &arguments.target;
    if target.namespace.is_some() && !arguments.scenario.knows_namespaces() {
        bail!("--namespace is for fanout, fanout-max, idle and connects");
    }
    if target.namespace.is_none()
        && (target.target == Kind::Socketio || target.transport == Transport::Polling)
    {
        bail!("--target socketio and --transport polling need a --namespace");
    }
    let outcome = match &arguments.scenario {
        Scenario::Floor(args) => floor::run(args)?,
        Scenario::Idle(args) => idle::run(args, target)?,
        Scenario::Fanout(args) => fanout::run(args, target)?,
        Scenario::FanoutMax(args) => fanout_max::run(args, target)?,
        Scenario::Unicast(args) => unicast::run(args, target)?,
        Scenario::Churn(args) => churn::run(args, target)?,
        Scenario::Connects(args) => connects::run(args, target)?,
        Scenario::Jobs(args) => jobs::run(args)?,
        Scenario::Notifications(args) => notifications::run(args)?,
        Scenario::Recovery(args) => recovery::run(args, target)?,
        Scenario::Durable(args) => durable::run(args, target)?,
        Scenario::History(args) => history::run(args, target)?,
        Scenario::Storm(args) => storm::run(args, target)?,
        Scenario::Worlds(args) => worlds::run(args, target)?,
        Scenario::Batching(args) => batching::run(args, target)?,
        Scenario::Cluster(args) => cluster::run(args, target)?,
        Scenario::Million(args) => million::run(args, target)?,
        Scenario::Crowd { share } => return million::crowd::work(share),
        Scenario::Plot(args) => return plot::run(args),
        Scenario::Report(args) => return report::run(args),
        Scenario::FloorWriter(args) => return floor::write_rounds(args),
        Scenario::Worker { share } => return audience::work(share),
    };
    outcome.print(arguments.json)?;
    Ok(())
}
