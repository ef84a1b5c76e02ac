//! `durable`: publications to a stream on disk beside publications to a stream in memory, of one hub, in turns.
//!
//! Every connection has one request under way, so the answers' pace is the publishers' pace. Both streams have one subscriber, who
//! counts what comes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Channels, Desk, SeatPlan, drain, entry, label, linger, us_each};
use crate::fleet::Fleet;
use crate::outcome::{Outcome, median};
use crate::target::{Target, TargetArgs};
use crate::workdir::WorkDir;

/// The stream of the first seat is on disk, that of the second is not.
const CONFIG: &str =
    "[[channels]]\npattern = \"c0\"\nhistory = { size = 1000, age = \"10m\", durable = true }\n";
const STREAMS: [(usize, &str); 2] = [(0, "durable"), (1, "memory")];
const COMMITS: [&str; 3] =
    ["fanfare_commit_seconds_sum", "fanfare_commit_seconds_count", "fanfare_commit_publications_sum"];

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DurableArgs {
    /// Keep-alive connections that publish, one request under way on each
    #[arg(long, default_value_t = 64)]
    publishers: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Turns of each stream
    #[arg(long, default_value_t = 6)]
    turns: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 2_000)]
    turn_ms: u64,
    /// Where the hub's data goes: a directory on the disk that is to be measured
    #[arg(long, default_value = ".")]
    data_below: PathBuf,
}

/// What one turn came to.
struct Turn {
    per_s: f64,
    cpu_us: f64,
    commits: [f64; 3],
}

/// Publishes to one seat's stream for a while with every connection busy, to the last answer.
fn turn(
    fleet: &mut Fleet,
    desk: &mut Desk,
    plan: &SeatPlan,
    args: &DurableArgs,
    target: &Target,
    seat: usize,
) -> Result<Turn> {
    let before = target.metrics(COMMITS)?;
    let (cpu, started) = (target.cpu()?, Instant::now());
    let mut published = 0;
    while started.elapsed() < Duration::from_millis(args.turn_ms) {
        desk.settle(fleet);
        while desk.has_idle() {
            desk.publish_to_each(fleet, plan, std::iter::once(seat), false)?;
            published += 1;
        }
        fleet.turn(Some(Duration::from_millis(50)))?;
    }
    desk.wait_until_idle(fleet, args.publishers)?;
    let (elapsed, cpu) = (started.elapsed(), target.cpu()? - cpu);
    drain(fleet)?;
    let after = target.metrics(COMMITS)?;
    let commits = std::array::from_fn(|at| after[at] - before[at]);
    Ok(Turn { per_s: published as f64 / elapsed.as_secs_f64(), cpu_us: us_each(cpu, published), commits })
}

/// Runs it.
pub(crate) fn run(args: &DurableArgs, target_args: &TargetArgs) -> Result<Outcome> {
    if args.turns == 0 {
        bail!("--turns is at least 1");
    }
    let directory = WorkDir::below(&args.data_below)?;
    let target = Target::start_with(target_args, [directory.config(CONFIG)?, directory.data()])?;
    let plan = SeatPlan { channels: Channels::Each, jwt_secret: target_args.jwt_secret.clone() };
    let seats = plan.seats(0..STREAMS.len());
    let mut fleet = Fleet::new(target.address, entry(target_args, &target), seats, 0)?;
    fleet.connect_all()?;
    let mut desk = Desk::open(&mut fleet, target_args, &target, args.publishers, args.payload)?;
    let mut turns: [Vec<Turn>; 2] = Default::default();
    // The first turn of each only warms up.
    for round in 0..=args.turns {
        for (seat, _) in STREAMS {
            let turn = turn(&mut fleet, &mut desk, &plan, args, &target, seat)?;
            if round > 0 {
                turns[seat].push(turn);
            }
        }
    }
    linger(&mut fleet, Duration::from_millis(200))?;

    let mut outcome = Outcome::new("durable", &label(target_args));
    for (seat, name) in STREAMS {
        let figure = |figure: fn(&Turn) -> f64| median(turns[seat].iter().map(figure).collect());
        outcome.add(&format!("{name}_publishes_per_s"), figure(|turn| turn.per_s));
        outcome.add(&format!("{name}_cpu_per_publish_us"), figure(|turn| turn.cpu_us));
    }
    let ratios: Vec<f64> =
        turns[0].iter().zip(&turns[1]).map(|(durable, memory)| durable.per_s / memory.per_s).collect();
    outcome.add("ratio", median(ratios.clone()));
    outcome.add("ratio_min", ratios.iter().copied().fold(f64::MAX, f64::min));
    outcome.add("ratio_max", ratios.iter().copied().fold(0.0, f64::max));
    let [seconds, commits, publications] =
        std::array::from_fn(|at| turns[0].iter().map(|turn| turn.commits[at]).sum::<f64>());
    outcome.add("commit_ms", seconds * 1e3 / commits.max(1.0));
    outcome.add("publications_per_commit", publications / commits.max(1.0));
    outcome.add_faults(fleet.ledger.faults());
    Ok(outcome)
}
