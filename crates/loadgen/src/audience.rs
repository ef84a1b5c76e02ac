//! Receivers in as many processes as the limit of open files asks for: the first part in this one, the rest in children of the same
//! program, which are told by lines on their standard input what to do and answer in lines of JSON.
//!
//! Every message carries its time on the clock all processes share, so a child needs to know nothing of what is published.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::fleet::{Entry, Fleet};
use crate::ledger::Faults;
use crate::scenario::{self, SeatPlan};
use crate::sys;

/// Files a process needs besides its receivers.
const SPARE_FILES: usize = 200;

/// What a child is to connect.
#[derive(Debug, Serialize, Deserialize)]
struct Share {
    server: SocketAddr,
    entry: Entry,
    plan: SeatPlan,
    first: usize,
    count: usize,
}

/// A child's verdict: faults, and its latencies as pairs of µs and count.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    faults: Faults,
    latency_us: Vec<(u64, u64)>,
}

/// The verdict of all processes together.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) faults: Faults,
    pub(crate) latency_us: Histogram<u64>,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    count: usize,
}

impl Worker {
    fn start(share: &Share) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["worker", &serde_json::to_string(share)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a client process")?;
        let orders = child.stdin.take().context("the client process has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the client process has no output")?);
        Ok(Self { child, orders, answers, count: share.count })
    }

    fn ask(&mut self, order: &str) -> Result<String> {
        writeln!(self.orders, "{order}")?;
        self.hear()
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("a client process ended");
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All receivers of a scenario.
#[derive(Debug)]
pub(crate) struct Audience {
    /// Those of this process; publishers are here too.
    pub(crate) fleet: Fleet,
    workers: Vec<Worker>,
    here: usize,
}

impl Audience {
    /// Connects `count` receivers and waits until all are subscribed.
    pub(crate) fn connect(
        server: SocketAddr,
        entry: Entry,
        plan: &SeatPlan,
        count: usize,
        per_process: Option<usize>,
    ) -> Result<Self> {
        let files = usize::try_from(sys::raise_open_files()?).unwrap_or(usize::MAX);
        let most = per_process.unwrap_or(files.saturating_sub(SPARE_FILES)).max(1);
        let here = count.min(most);
        let mut workers = Vec::new();
        for first in (here..count).step_by(most) {
            let count = most.min(count - first);
            let mut worker =
                Worker::start(&Share { server, entry: entry.clone(), plan: plan.clone(), first, count })?;
            let answer = worker.hear()?;
            if answer != "ready" {
                bail!("a client process could not connect: {answer}");
            }
            workers.push(worker);
        }
        let mut fleet = Fleet::new(server, entry, plan.seats(0..here), 0)?;
        fleet.connect_all()?;
        Ok(Self { fleet, workers, here })
    }

    /// Receivers of this process.
    pub(crate) fn here(&self) -> usize {
        self.here
    }

    /// Processes with receivers.
    pub(crate) fn processes(&self) -> usize {
        1 + self.workers.len()
    }

    /// Waits until everything published has arrived everywhere, within the bound of [`scenario::drain`].
    pub(crate) fn drain(&mut self) -> Result<()> {
        scenario::drain(&mut self.fleet)?;
        let published = u64::from(self.fleet.ledger.published());
        let started = Instant::now();
        for worker in &mut self.workers {
            let due = published * worker.count as u64;
            while worker.ask("count")?.parse::<u64>()? < due && started.elapsed() < scenario::DRAIN {
                self.fleet.turn(Some(Duration::from_millis(20)))?;
            }
        }
        Ok(())
    }

    /// Starts the latencies anew.
    pub(crate) fn forget_latency(&mut self) -> Result<()> {
        self.fleet.ledger.forget_latency();
        self.workers.iter_mut().try_for_each(|worker| worker.ask("forget").map(drop))
    }

    /// Ends all connections.
    pub(crate) fn hang_up(&mut self) {
        self.fleet.hang_up_all();
        self.workers.clear();
    }

    /// The verdict of all processes, which end.
    pub(crate) fn finish(mut self) -> Result<Verdict> {
        let mut faults = self.fleet.ledger.faults();
        let mut latency_us = self.fleet.ledger.latency_us().clone();
        for worker in &mut self.workers {
            let report: Report =
                serde_json::from_str(&worker.ask(&format!("end {}", self.fleet.ledger.published()))?)?;
            faults.merge(report.faults);
            for (us, count) in report.latency_us {
                latency_us.saturating_record_n(us, count);
            }
        }
        Ok(Verdict { faults, latency_us })
    }
}

/// The life of a child: connect, then obey lines until they end.
pub(crate) fn work(share: &str) -> Result<()> {
    let share: Share = serde_json::from_str(share)?;
    sys::raise_open_files()?;
    let seats = share.plan.seats(share.first..share.first + share.count);
    let mut fleet = Fleet::new(share.server, share.entry, seats, share.first)?;
    if let Err(error) = fleet.connect_all() {
        println!("{error:#}");
        return Ok(());
    }
    println!("ready");
    // Owned by this process; it ends with its standard input, or with the process after `end`.
    let (send, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    loop {
        fleet.turn(Some(Duration::from_millis(20)))?;
        let order = match orders.try_recv() {
            Ok(order) => order,
            Err(mpsc::TryRecvError::Empty) => continue,
            Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
        };
        match order.split_once(' ') {
            Some(("end", published)) => {
                for _ in 0..published.parse::<u32>()? {
                    fleet.ledger.publish_to_all();
                }
                let latency = fleet.ledger.latency_us();
                let latency_us = latency
                    .iter_recorded()
                    .map(|step| (step.value_iterated_to(), step.count_at_value()))
                    .collect();
                println!("{}", serde_json::to_string(&Report { faults: fleet.ledger.faults(), latency_us })?);
                return Ok(());
            }
            _ if order == "forget" => {
                fleet.ledger.forget_latency();
                println!("done");
            }
            _ => println!("{}", fleet.ledger.deliveries()),
        }
    }
}
