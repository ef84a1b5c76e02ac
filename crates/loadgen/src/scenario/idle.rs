//! `idle`: what a connection costs that is only there. The server's PSS before and after N connections, each subscribed to one channel.

use std::time::Duration;

use anyhow::Result;

use super::{Channels, SeatPlan, entry_for, label, named};
use crate::audience::Audience;
use crate::fleet::Wish;
use crate::outcome::Outcome;
use crate::target::{Target, TargetArgs};

const LONGEST: Duration = Duration::from_secs(15);

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct IdleArgs {
    /// Connections
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Give each connection a channel of its own
    #[arg(long)]
    own_channels: bool,
    /// Let each ask for recovery
    #[arg(long)]
    pub(crate) recoverable: bool,
    /// Receivers per client process; default: what the limit of open files allows
    #[arg(long)]
    per_process: Option<usize>,
}

/// Runs it.
pub(crate) fn run(args: &IdleArgs, target_args: &TargetArgs) -> Result<Outcome> {
    let target = Target::start(target_args)?;
    let channels = if args.own_channels { Channels::Each } else { Channels::One };
    let plan = SeatPlan { channels, jwt_secret: target_args.jwt_secret.clone() };
    let wish = if args.recoverable { Wish::Recoverable } else { Wish::Plain };
    let pause = || {
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    };
    let before = target.settled_pss(LONGEST, pause)?;
    let anonymous_before = target.anonymous()?;
    let mut audience = Audience::connect(
        target.address,
        entry_for(target_args, &target, wish),
        &plan,
        args.connections,
        args.per_process,
    )?;
    let with = target.settled_pss(LONGEST, || audience.fleet.turn(Some(Duration::from_millis(50))))?;
    let anonymous = target.anonymous()? as f64 - anonymous_before as f64;
    let cpu = target.cpu()?;
    super::linger(&mut audience.fleet, Duration::from_secs(2))?;
    let cpu = target.cpu()? - cpu;
    let failures = audience.fleet.failures();
    let processes = audience.processes();
    audience.hang_up();
    let after = target.settled_pss(LONGEST, pause)?;

    let name = named(target_args, if args.recoverable { "idle-recoverable" } else { "idle" });
    let mut outcome = Outcome::new(&name, &label(target_args));
    let grown = with as f64 - before as f64;
    outcome.add("bytes_per_connection", grown / args.connections.max(1) as f64);
    outcome.add("anonymous_bytes_per_connection", anonymous / args.connections.max(1) as f64);
    outcome.add("pss_before_kib", before as f64 / 1_024.0);
    outcome.add("pss_with_kib", with as f64 / 1_024.0);
    outcome.add("pss_after_kib", after as f64 / 1_024.0);
    outcome.add("cpu_ms_per_s", cpu.as_secs_f64() * 1_000.0 / 2.0);
    outcome.add("connections", args.connections as f64);
    outcome.add("client_processes", processes as f64);
    outcome.add("lost", failures as f64);
    Ok(outcome)
}
