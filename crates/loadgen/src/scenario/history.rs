//! `history`: what it costs the fan-out that streams keep events: hubs side by side, one of which keeps nothing, a second of each in turn.
//!
//! All have the same audience and the same rate. A turn's CPU per delivery is divided by that of the hub without history in the same round,
//! so that a machine that gets busy in between spoils one round and not the figure, which is the median.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Channels, Desk, SeatPlan, drain, entry_for, label, linger, paced, us_each};
use crate::fleet::{Fleet, Wish};
use crate::outcome::{Outcome, median};
use crate::target::{Target, TargetArgs};
use crate::workdir::WorkDir;

const PUBLISHERS: usize = 4;
/// A rule that keeps nothing, of any stream.
const OFF: &str = "[[channels]]\npattern = \"*\"\nhistory = { size = 0, age = \"10m\", durable = false }\n";

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Subscribers of the one channel, at each hub
    #[arg(long, default_value_t = 4_000)]
    connections: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Messages per second in a turn
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// Turns of each hub
    #[arg(long, default_value_t = 10)]
    turns: usize,
    /// A `websocket-server` of before there was history
    #[arg(long)]
    before: Option<PathBuf>,
    /// Where configurations go
    #[arg(long, default_value = ".")]
    data_below: PathBuf,
}

/// One hub with its audience.
struct Hub {
    name: &'static str,
    target: Target,
    fleet: Fleet,
    desk: Desk,
    us: Vec<f64>,
    _directory: WorkDir,
}

impl Hub {
    fn start(name: &'static str, wish: Wish, args: &HistoryArgs, target_args: &TargetArgs) -> Result<Self> {
        let directory = WorkDir::below(&args.data_below)?;
        let mut target_args = target_args.clone();
        let environment = match name {
            "off" => Some(directory.config(OFF)?),
            "before" => {
                target_args.server_binary.clone_from(&args.before);
                None
            }
            _ => None,
        };
        let target = Target::start_with(&target_args, environment)?;
        let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
        let entry = entry_for(&target_args, &target, wish);
        let mut fleet = Fleet::new(target.address, entry, plan.seats(0..args.connections), 0)?;
        fleet.connect_all()?;
        let desk = Desk::open(&mut fleet, &target_args, &target, PUBLISHERS, args.payload)?;
        Ok(Self { name, target, fleet, desk, us: Vec::new(), _directory: directory })
    }

    /// Publishes for a second; the CPU per delivery in µs.
    fn turn(&mut self, args: &HistoryArgs) -> Result<f64> {
        let Self { target, fleet, desk, .. } = self;
        // What came meanwhile, as pings.
        fleet.turn(Some(Duration::ZERO))?;
        let cpu = target.cpu()?;
        paced(fleet, Duration::from_secs(1) / args.rate.max(1), args.rate, |fleet| {
            desk.settle(fleet);
            desk.publish_to_all(fleet, "bench")
        })?;
        drain(fleet)?;
        Ok(us_each(target.cpu()? - cpu, u64::from(args.rate) * args.connections as u64))
    }
}

/// Runs it.
pub(crate) fn run(args: &HistoryArgs, target_args: &TargetArgs) -> Result<Outcome> {
    if args.turns == 0 {
        bail!("--turns is at least 1");
    }
    let mut hubs = vec![
        Hub::start("off", Wish::Plain, args, target_args)?,
        Hub::start("on", Wish::Plain, args, target_args)?,
        Hub::start("recoverable", Wish::Recoverable, args, target_args)?,
    ];
    if args.before.is_some() {
        hubs.push(Hub::start("before", Wish::Plain, args, target_args)?);
    }
    let count = hubs.len();
    for round in 0..=args.turns {
        // Nobody is always first, and the first round only warms up.
        for at in 0..count {
            let hub = &mut hubs[(at + round) % count];
            let us = hub.turn(args)?;
            if round > 0 {
                hub.us.push(us);
            }
        }
    }
    let mut outcome = Outcome::new("history", &label(target_args));
    let mut faults = crate::ledger::Faults::default();
    let mut out_of_order = 0;
    for hub in &mut hubs {
        linger(&mut hub.fleet, Duration::from_millis(200))?;
        faults.merge(hub.fleet.ledger.faults());
        out_of_order += hub.fleet.recoveries().out_of_order;
        outcome.add(&format!("{}_cpu_per_delivery_us", hub.name), median(hub.us.clone()));
    }
    let pairs = [("on", "off"), ("recoverable", "off"), ("on", "before")];
    for (over, under) in pairs {
        let of = |name: &str| hubs.iter().find(|hub| hub.name == name).map(|hub| &hub.us);
        let (Some(over_us), Some(under_us)) = (of(over), of(under)) else { continue };
        let ratios: Vec<f64> = over_us.iter().zip(under_us).map(|(over, under)| over / under).collect();
        outcome.add(&format!("{over}_to_{under}"), median(ratios.clone()));
        outcome.add(&format!("{over}_to_{under}_min"), ratios.iter().copied().fold(f64::MAX, f64::min));
        outcome.add(&format!("{over}_to_{under}_max"), ratios.iter().copied().fold(0.0, f64::max));
    }
    outcome.add("out_of_order", out_of_order as f64);
    outcome.add_faults(faults);
    Ok(outcome)
}
