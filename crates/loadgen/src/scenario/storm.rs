//! `storm`: a hub with thousands of clients that want to miss nothing is killed, or drained, and started again. What does it cost the new
//! process until all are served: connected, with what they missed, and an event that was published after that?
//!
//! Two publishers go on all the while: one to the channel that all follow, a few events a second; one to a channel that nobody follows, so
//! that many calls meet the hub in every state. Clients come back as [`crate::comeback`] says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use super::{Channels, SeatPlan, drain, entry_for, label, linger, us_each};
use crate::comeback::{self, Chances, Manner};
use crate::courier::Courier;
use crate::event;
use crate::fleet::{Fleet, Wish};
use crate::memory::Return;
use crate::outcome::Outcome;
use crate::plot::Timeline;
use crate::sys;
use crate::target::{Target, TargetArgs};
use crate::workdir::WorkDir;

/// All streams are on disk, so that positions and tokens outlive the process.
const CONFIG: &str =
    "[[channels]]\npattern = \"*\"\nhistory = { size = 1000, age = \"10m\", durable = true }\n";
/// Bytes of an event's data.
const DATA: usize = 200;
/// How often the publishers publish: to all, and to nobody.
const TO_ALL: Duration = Duration::from_millis(500);
const TO_NOBODY: Duration = Duration::from_millis(20);
/// How long the hub and its clients are left alone before the end, and how long all may take to be back.
const BEFORE: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(120);

/// How the hub ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum End {
    /// SIGKILL; the new process starts at once.
    Kill,
    /// SIGTERM; the new process starts when the old one has ended.
    Drain,
}

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StormArgs {
    /// Clients that follow one channel and come back
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// How the hub ends
    #[arg(long, value_enum, default_value = "kill")]
    end: End,
    /// When clients come back
    #[arg(long, value_enum, default_value = "sdk")]
    manner: Manner,
    /// Subscribe with positions instead of resuming by token
    #[arg(long)]
    subscribe: bool,
    /// Where the hub's data goes
    #[arg(long, default_value = ".")]
    data_below: PathBuf,
    /// File for the times of all attempts, which `loadgen plot` draws
    #[arg(long)]
    timeline: Option<PathBuf>,
}

/// The publishers, and when each is due.
struct Publishers {
    to_all: Courier,
    to_nobody: Courier,
    next: [Instant; 2],
    number: u32,
}

impl Publishers {
    fn start(target: &Target) -> Self {
        let now = Instant::now();
        Self {
            to_all: Courier::start(target.address, "all"),
            to_nobody: Courier::start(target.address, "nobody"),
            next: [now; 2],
            number: 0,
        }
    }

    /// Hands over what is due.
    fn go_on(&mut self, fleet: &mut Fleet) {
        let now = Instant::now();
        if now >= self.next[0] {
            self.next[0] = now + TO_ALL;
            self.publish_to_all(fleet);
        }
        if now >= self.next[1] {
            self.next[1] = now + TO_NOBODY;
            let mut body = Vec::new();
            event::write_publication(&mut body, "nobody", self.number, sys::monotonic_ns(), DATA);
            self.number += u32::from(self.to_nobody.send(body));
        }
    }

    fn publish_to_all(&mut self, fleet: &mut Fleet) {
        let mut body = Vec::new();
        let number = fleet.ledger.published();
        event::write_publication(&mut body, "bench", number, sys::monotonic_ns(), DATA);
        if self.to_all.send(body) {
            fleet.ledger.publish_to_all();
        }
    }
}

/// Clients on their way back.
pub(super) struct Returning {
    manner: Manner,
    pub(super) began: Instant,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    failures: Vec<u32>,
    chances: Chances,
    losses: Vec<crate::fleet::Loss>,
    attempts: Vec<Duration>,
}

impl Returning {
    pub(super) fn new(connections: usize, manner: Manner) -> Self {
        Self {
            manner,
            began: Instant::now(),
            due: BinaryHeap::new(),
            failures: vec![0; connections],
            // Any number will do; the runs are to be alike.
            chances: Chances(0x5eed),
            losses: Vec::new(),
            attempts: Vec::new(),
        }
    }

    /// Notes who was lost, and dials for those whose time has come.
    pub(super) fn go_on(&mut self, fleet: &mut Fleet) -> Result<()> {
        fleet.take_losses(&mut self.losses);
        let now = Instant::now();
        for loss in self.losses.drain(..) {
            let failures = &mut self.failures[loss.seat];
            *failures += 1;
            let delay = comeback::delay(self.manner, *failures, loss.told, self.chances.next());
            self.due.push(Reverse((now + delay, loss.seat)));
        }
        while let Some(&Reverse((due, seat))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            self.attempts.push(self.began.elapsed());
            fleet.connect(seat)?;
        }
        Ok(())
    }
}

/// Ends the hub and sees to it that it runs again; knows what a drain took.
struct Restart {
    cpu_before: Duration,
    drain_cpu: Duration,
    drained: Option<Duration>,
    is_back: bool,
}

impl Restart {
    fn begin(target: &mut Target, end: End) -> Result<Self> {
        let cpu_before = target.cpu()?;
        let mut restart = Self { cpu_before, drain_cpu: Duration::ZERO, drained: None, is_back: false };
        match end {
            End::Kill => {
                target.kill()?;
                target.start_again()?;
                restart.is_back = true;
            }
            End::Drain => target.terminate()?,
        }
        Ok(restart)
    }

    fn go_on(&mut self, target: &mut Target, began: Instant) -> Result<()> {
        if self.is_back {
            return Ok(());
        }
        if let Ok(cpu) = target.cpu() {
            self.drain_cpu = self.drain_cpu.max(cpu.saturating_sub(self.cpu_before));
        }
        if target.has_ended()? {
            self.drained = Some(began.elapsed());
            target.start_again()?;
            self.is_back = true;
        }
        Ok(())
    }
}

/// Runs it.
pub(crate) fn run(args: &StormArgs, target_args: &TargetArgs) -> Result<Outcome> {
    let directory = WorkDir::below(&args.data_below)?;
    let mut target = Target::start_with(target_args, [directory.config(CONFIG)?, directory.data()])?;
    let plan = SeatPlan { channels: Channels::One, jwt_secret: target_args.jwt_secret.clone() };
    let entry = entry_for(target_args, &target, Wish::Recoverable);
    let mut fleet = Fleet::new(target.address, entry, plan.seats(0..args.connections), 0)?;
    fleet.connect_all()?;
    fleet.come_back_by(if args.subscribe { Return::Subscribe } else { Return::Resume });
    let mut publishers = Publishers::start(&target);
    let before = Instant::now();
    while before.elapsed() < BEFORE {
        publishers.go_on(&mut fleet);
        fleet.turn(Some(Duration::from_millis(5)))?;
    }

    let mut returning = Returning::new(args.connections, args.manner);
    let began = returning.began;
    let mut restart = Restart::begin(&mut target, args.end)?;
    let mut served = Timeline::new(&format!("{:?}, {:?}", args.end, args.manner));
    let mut longest_turn = Duration::ZERO;
    let mut back = None;
    let mut turned = Instant::now();
    loop {
        restart.go_on(&mut target, began)?;
        returning.go_on(&mut fleet)?;
        publishers.go_on(&mut fleet);
        fleet.turn(Some(Duration::from_millis(2)))?;
        longest_turn = longest_turn.max(turned.elapsed());
        turned = Instant::now();
        if back.is_none() && restart.is_back && fleet.open() == args.connections {
            back = Some(began.elapsed());
            break;
        }
        if began.elapsed() > LONGEST {
            bail!("{} of {} are back after {LONGEST:?}: {}", fleet.open(), args.connections, fleet.trouble());
        }
    }
    let back = back.context("all are back")?;
    // The event that shows that all are served; what was missed comes before it.
    publishers.publish_to_all(&mut fleet);
    let waited = Instant::now();
    while !publishers.to_all.is_done() && waited.elapsed() < LONGEST {
        fleet.turn(Some(Duration::from_millis(5)))?;
    }
    drain(&mut fleet)?;
    let (all_served, cpu) = (began.elapsed(), target.cpu()?);
    linger(&mut fleet, Duration::from_millis(500))?;
    let pss = target.pss()?;
    let Publishers { to_all, to_nobody, .. } = publishers;
    let (to_all, to_nobody) = (to_all.finish()?, to_nobody.finish()?);
    served.add(&returning.attempts);
    if let Some(path) = &args.timeline {
        fs::write(path, serde_json::to_string(&served)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }

    let mut outcome = Outcome::new(name_of(args), &label(target_args));
    outcome.add("cpu_s", cpu.as_secs_f64());
    outcome.add("cpu_per_client_us", us_each(cpu, args.connections as u64));
    outcome.add("all_back_s", back.as_secs_f64());
    outcome.add("all_served_s", all_served.as_secs_f64());
    outcome.add("drain_cpu_s", restart.drain_cpu.as_secs_f64());
    outcome.add("drain_s", restart.drained.unwrap_or_default().as_secs_f64());
    outcome.add("pss_mib", pss as f64 / f64::from(1 << 20));
    outcome.add("attempts", returning.attempts.len() as f64);
    outcome.add("attempts_in_100_ms_most", served.peak() as f64);
    outcome.add("client_longest_turn_ms", longest_turn.as_secs_f64() * 1e3);
    let logs = [&to_all, &to_nobody];
    let sum = |of: fn(&crate::courier::Log) -> u64| logs.iter().map(|log| of(log)).sum::<u64>() as f64;
    outcome.add("publish_200", sum(|log| log.accepted));
    outcome.add("publish_503_retry_after", sum(|log| log.told_to_wait));
    outcome.add("publish_refused", sum(|log| log.refused));
    outcome.add("publish_cut", sum(|log| log.cut));
    outcome.add("publish_wrong", sum(|log| log.wrong));
    outcome.add("publish_longest_s", to_all.longest.max(to_nobody.longest).as_secs_f64());
    for wrong in logs.iter().filter_map(|log| log.first_wrong.as_ref()) {
        eprintln!("loadgen: a publisher was answered: {wrong}");
    }
    let recoveries = fleet.recoveries();
    outcome.add("resumed", recoveries.resumed as f64);
    outcome.add("tokens_refused", recoveries.tokens_refused as f64);
    outcome.add("gaps", recoveries.gaps as f64);
    outcome.add("out_of_order", recoveries.out_of_order as f64);
    outcome.add_faults(fleet.ledger.faults());
    Ok(outcome)
}

fn name_of(args: &StormArgs) -> &'static str {
    match (args.end, args.manner, args.subscribe) {
        (End::Kill, Manner::Sdk, false) => "storm",
        (End::Kill, Manner::Sdk, true) => "storm-subscribe",
        (End::Kill, Manner::Naive, _) => "storm-naive",
        (End::Drain, Manner::Sdk, _) => "storm-drain",
        (End::Drain, Manner::Naive, _) => "storm-drain-naive",
    }
}
