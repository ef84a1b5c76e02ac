//! `connects`: how many connections a second a server takes, each from TCP to the answer that it is in: the handshake, and what the world of
//! clients wants besides.
//!
//! All clients of a turn come as fast as they are served, a bounded number of them under way at once ([`crate::fleet`]). They go before
//! the next turn, and the server gets the time to be done with that. Not in it: clients that come at a rate ([`super::churn`]).

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Channels, SeatPlan, entry, label, linger, named, us_each};
use crate::fleet::Fleet;
use crate::outcome::{Outcome, median};
use crate::sys;
use crate::target::{Target, TargetArgs};

/// How long the server may need to be done with those who went.
const LONGEST: Duration = Duration::from_secs(20);
/// It is done when it used less than a hundredth of this, twice in a row.
const QUIET: Duration = Duration::from_millis(200);

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConnectsArgs {
    /// Connections of a turn
    #[arg(long, default_value_t = 3_000)]
    connections: usize,
    /// Turns that are measured, after one that is not
    #[arg(long, default_value_t = 5)]
    turns: usize,
}

/// What one turn came to.
struct Turn {
    per_s: f64,
    server_us: f64,
    client_us: f64,
}

/// Runs it.
pub(crate) fn run(args: &ConnectsArgs, target_args: &TargetArgs) -> Result<Outcome> {
    if args.turns == 0 || args.connections == 0 {
        bail!("--turns and --connections are at least 1");
    }
    let target = Target::start(target_args)?;
    let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
    let seats = plan.seats(0..args.connections);
    let mut fleet = Fleet::new(target.address, entry(target_args, &target), seats, 0)?;
    let mut turns = Vec::new();
    for round in 0..=args.turns {
        let (server, client) = (target.cpu()?, sys::process_cpu(std::process::id())?);
        let started = Instant::now();
        fleet.connect_all()?;
        let elapsed = started.elapsed();
        let (server, client) = (target.cpu()? - server, sys::process_cpu(std::process::id())? - client);
        let count = args.connections as u64;
        if round > 0 {
            turns.push(Turn {
                per_s: count as f64 / elapsed.as_secs_f64(),
                server_us: us_each(server, count),
                client_us: us_each(client, count),
            });
        }
        linger(&mut fleet, QUIET)?;
        if fleet.open() < args.connections {
            bail!("{} of {} are still there: {}", fleet.open(), args.connections, fleet.trouble());
        }
        fleet.hang_up_all();
        wait_until_quiet(&target)?;
    }
    let mut outcome = Outcome::new(&named(target_args, "connects"), &label(target_args));
    let middle = |figure: fn(&Turn) -> f64| median(turns.iter().map(figure).collect());
    outcome.add("connects_per_s", middle(|turn| turn.per_s));
    outcome.add("connects_per_s_min", turns.iter().map(|turn| turn.per_s).fold(f64::MAX, f64::min));
    outcome.add("connects_per_s_max", turns.iter().map(|turn| turn.per_s).fold(0.0, f64::max));
    outcome.add("cpu_per_connect_us", middle(|turn| turn.server_us));
    outcome.add("client_cpu_per_connect_us", middle(|turn| turn.client_us));
    outcome.add("lost", fleet.failures() as f64);
    Ok(outcome)
}

/// Waits until the server has nothing to do.
fn wait_until_quiet(target: &Target) -> Result<()> {
    let started = Instant::now();
    let mut quiet = 0;
    while quiet < 2 {
        if started.elapsed() > LONGEST {
            bail!("the server is not done with those who went after {LONGEST:?}");
        }
        let before = target.cpu()?;
        std::thread::sleep(QUIET);
        quiet = if target.cpu()? - before < QUIET / 100 { quiet + 1 } else { 0 };
    }
    Ok(())
}
