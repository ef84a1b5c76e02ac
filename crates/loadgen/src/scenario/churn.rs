//! `churn`: connections that come and go at a rate: does the server keep up, and does its memory come back?

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use super::{Channels, SeatPlan, entry, label};
use crate::fleet::Fleet;
use crate::outcome::Outcome;
use crate::target::{Target, TargetArgs};

const LONGEST: Duration = Duration::from_secs(15);
/// A connection that is not subscribed by then counts as an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ChurnArgs {
    /// Connections per second
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seconds
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Milliseconds a connection stays after it is subscribed
    #[arg(long, default_value_t = 200)]
    hold_ms: u64,
}

/// Runs it.
pub(crate) fn run(args: &ChurnArgs, target_args: &TargetArgs) -> Result<Outcome> {
    let target = Target::start(target_args)?;
    let total = args.rate as usize * args.seconds as usize;
    let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
    let before = target.settled_pss(LONGEST, || {
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    })?;
    let mut fleet = Fleet::new(target.address, entry(target_args, &target), plan.seats(0..total), 0)?;
    let interval = Duration::from_secs(1) / args.rate.max(1);
    let hold = Duration::from_millis(args.hold_ms);
    let mut entering: VecDeque<(usize, Instant)> = VecDeque::new();
    let mut staying: VecDeque<(usize, Instant)> = VecDeque::new();
    let mut entry_us = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let (mut errors, mut peak, mut next) = (0u64, before, 0);
    let cpu = target.cpu()?;
    let started = Instant::now();
    let mut sampled = started;
    while next < total || !entering.is_empty() || !staying.is_empty() {
        let now = Instant::now();
        while next < total && now >= started + interval * u32::try_from(next).unwrap_or(u32::MAX) {
            match fleet.connect(next) {
                Ok(()) => entering.push_back((next, Instant::now())),
                Err(_) => errors += 1,
            }
            next += 1;
        }
        fleet.turn(Some(Duration::from_millis(1)))?;
        let now = Instant::now();
        entering.retain(|&(seat, since)| {
            if fleet.is_open(seat) {
                entry_us.saturating_record(u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX));
                staying.push_back((seat, now));
                return false;
            }
            let failed = fleet.is_closed(seat) || now - since > PATIENCE;
            errors += u64::from(failed);
            !failed
        });
        while staying.front().is_some_and(|&(_, since)| now - since >= hold) {
            if let Some((seat, _)) = staying.pop_front() {
                errors += u64::from(fleet.is_closed(seat));
                fleet.hang_up(seat);
            }
        }
        if now - sampled > Duration::from_millis(100) {
            peak = peak.max(target.pss()?);
            sampled = now;
        }
    }
    let (elapsed, cpu) = (started.elapsed(), target.cpu()? - cpu);
    fleet.hang_up_all();
    let after = target.settled_pss(LONGEST, || {
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    })?;

    let mut outcome = Outcome::new("churn", &label(target_args));
    outcome.add("pss_before_kib", before as f64 / 1_024.0);
    outcome.add("pss_peak_kib", peak as f64 / 1_024.0);
    outcome.add("pss_after_kib", after as f64 / 1_024.0);
    outcome.add("cpu_per_connection_us", super::us_each(cpu, total as u64));
    outcome.add("connections_per_s", total as f64 / elapsed.as_secs_f64());
    outcome.add_latency("subscribe_", &entry_us);
    outcome.add("lost", errors as f64);
    Ok(outcome)
}
