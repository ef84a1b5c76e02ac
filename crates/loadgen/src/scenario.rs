//! The scenarios, each in a file of its own, and what they share: who sits where, who may publish next, how time is kept.

pub(crate) mod batching;
pub(crate) mod churn;
pub(crate) mod cluster;
pub(crate) mod connects;
pub(crate) mod durable;
pub(crate) mod fanout;
pub(crate) mod fanout_max;
pub(crate) mod floor;
pub(crate) mod history;
pub(crate) mod idle;
pub(crate) mod jobs;
pub(crate) mod million;
pub(crate) mod notifications;
pub(crate) mod recovery;
pub(crate) mod storm;
pub(crate) mod unicast;
pub(crate) mod worlds;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::event;
use crate::fleet::{Entry, Fleet, Seat, Transport, Wish};
use crate::http::Endpoint;
use crate::jwt;
use crate::sys;
use crate::target::{Target, TargetArgs};

/// How long the last deliveries may take once everything is published.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);

/// How receivers are spread over channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Channels {
    /// All on one.
    One,
    /// Each on its own.
    Each,
}

/// What a seat's number makes of it, the same in every process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SeatPlan {
    pub(crate) channels: Channels,
    pub(crate) jwt_secret: Option<String>,
}

impl SeatPlan {
    /// The seats of a range of numbers.
    pub(crate) fn seats(&self, range: std::ops::Range<usize>) -> Vec<Seat> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        range
            .map(|number| Seat {
                channel: self.channel(number),
                token: self
                    .jwt_secret
                    .as_ref()
                    .map(|secret| jwt::mint(secret, &format!("user-{number}"), now + 3_600)),
            })
            .collect()
    }

    /// The channel of a seat.
    pub(crate) fn channel(&self, number: usize) -> String {
        match self.channels {
            Channels::One => "bench".to_owned(),
            Channels::Each => format!("c{number}"),
        }
    }
}

/// How receivers of this target enter.
pub(crate) fn entry(args: &TargetArgs, target: &Target) -> Entry {
    entry_for(args, target, Wish::Plain)
}

/// How receivers with a wish enter; Socket.IO knows but one.
pub(crate) fn entry_for(args: &TargetArgs, target: &Target, wish: Wish) -> Entry {
    let host = target.address.to_string();
    match &args.namespace {
        Some(name) => Entry::Namespace { host, name: name.clone(), transport: args.transport },
        None => Entry::Subscribe { path: args.path.clone(), host, wish },
    }
}

/// The name of a scenario in reports, where clients of Socket.IO may play it as well.
pub(crate) fn named(args: &TargetArgs, scenario: &str) -> String {
    match (&args.namespace, args.transport) {
        (None, _) => scenario.to_owned(),
        (Some(_), Transport::Websocket) => format!("socketio-{scenario}"),
        (Some(_), Transport::Polling) => format!("socketio-polling-{scenario}"),
    }
}

/// Members that address everyone of a fleet whose seats are all on one channel: that, or the namespace.
fn everyone(namespace: &Option<String>, channel: &str) -> String {
    match namespace {
        Some(name) => format!("\"namespace\":\"{name}\""),
        None => format!("\"channel\":\"{channel}\""),
    }
}

/// The name of the target in reports.
pub(crate) fn label(args: &TargetArgs) -> String {
    args.label.clone().unwrap_or_else(|| args.target.name().to_owned())
}

/// The publishing connections and which of them have no request under way.
#[derive(Debug)]
pub(crate) struct Desk {
    endpoint: Endpoint,
    idle: Vec<usize>,
    body: Vec<u8>,
    data_bytes: usize,
    namespace: Option<String>,
}

impl Desk {
    /// Opens `count` connections.
    pub(crate) fn open(
        fleet: &mut Fleet,
        args: &TargetArgs,
        target: &Target,
        count: usize,
        data_bytes: usize,
    ) -> Result<Self> {
        if data_bytes < event::MIN_DATA {
            bail!("the payload needs at least {} bytes for its number and time", event::MIN_DATA);
        }
        fleet.add_publishers(count);
        let endpoint = Endpoint { host: target.address.to_string(), api_key: args.api_key.clone() };
        let (idle, namespace) = ((0..count).rev().collect(), args.namespace.clone());
        Ok(Self { endpoint, idle, body: Vec::new(), data_bytes, namespace })
    }

    /// Takes note of answers; those publishers are idle again.
    pub(crate) fn settle(&mut self, fleet: &mut Fleet) {
        fleet.take_answers(&mut self.idle);
    }

    /// Whether a publisher is idle.
    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Whether every request has been answered.
    pub(crate) fn all_idle(&self, publishers: usize) -> bool {
        self.idle.len() == publishers
    }

    /// Publishes one message to everyone on `channel`, with whichever publisher is idle; waits for one if none is.
    pub(crate) fn publish_to_all(&mut self, fleet: &mut Fleet, channel: &str) -> Result<()> {
        let address = everyone(&self.namespace, channel);
        self.publish_at(fleet, &address)
    }

    /// The same with these members as the address, which everyone of the fleet is behind.
    pub(crate) fn publish_at(&mut self, fleet: &mut Fleet, address: &str) -> Result<()> {
        self.wait_for_one(fleet)?;
        let Some(publisher) = self.idle.pop() else { return Ok(()) };
        let seq = fleet.ledger.publish_to_all();
        if let Some(order) = fleet.order() {
            order.post(seq, publisher);
        }
        self.body.clear();
        event::write_addressed(&mut self.body, address, seq, sys::monotonic_ns(), self.data_bytes);
        fleet.post(publisher, &self.endpoint, "/broadcast", &self.body)
    }

    /// Publishes one message to each of these addresses in one request; behind each are the next `size` connections.
    pub(crate) fn publish_at_each(
        &mut self,
        fleet: &mut Fleet,
        addresses: &[String],
        size: usize,
    ) -> Result<()> {
        self.wait_for_one(fleet)?;
        let Some(publisher) = self.idle.pop() else { return Ok(()) };
        let now_ns = sys::monotonic_ns();
        self.body.clear();
        for (at, address) in addresses.iter().enumerate() {
            self.body.push(if at == 0 { b'[' } else { b',' });
            let seq = fleet.ledger.publish_to_some(at * size..(at + 1) * size);
            event::write_addressed(&mut self.body, address, seq, now_ns, self.data_bytes);
        }
        self.body.push(b']');
        fleet.post(publisher, &self.endpoint, "/broadcast/batch", &self.body)
    }

    /// Waits until a publisher is idle.
    fn wait_for_one(&mut self, fleet: &mut Fleet) -> Result<()> {
        while self.idle.is_empty() {
            fleet.turn(Some(Duration::from_millis(100)))?;
            self.settle(fleet);
        }
        Ok(())
    }

    /// Publishes `count` messages to everyone on `channel` in one request.
    pub(crate) fn publish_batch_to_all(
        &mut self,
        fleet: &mut Fleet,
        channel: &str,
        count: usize,
    ) -> Result<()> {
        let Some(publisher) = self.idle.pop() else { return Ok(()) };
        self.body.clear();
        for at in 0..count {
            self.body.push(if at == 0 { b'[' } else { b',' });
            let seq = fleet.ledger.publish_to_all();
            event::write_publication(&mut self.body, channel, seq, sys::monotonic_ns(), self.data_bytes);
        }
        self.body.push(b']');
        fleet.post(publisher, &self.endpoint, "/broadcast/batch", &self.body)
    }

    /// Waits until every request has been answered, at most [`DRAIN`].
    pub(crate) fn wait_until_idle(&mut self, fleet: &mut Fleet, publishers: usize) -> Result<()> {
        let started = Instant::now();
        while !self.all_idle(publishers) {
            if started.elapsed() > DRAIN {
                bail!("a publish request was not answered within {DRAIN:?}");
            }
            fleet.turn(Some(Duration::from_millis(20)))?;
            self.settle(fleet);
        }
        Ok(())
    }

    /// Publishes `count` messages in one request, each to the next connection after `first` (which has channel `c<number>`).
    pub(crate) fn publish_to_each(
        &mut self,
        fleet: &mut Fleet,
        plan: &SeatPlan,
        numbers: impl ExactSizeIterator<Item = usize>,
        batch: bool,
    ) -> Result<()> {
        let Some(publisher) = self.idle.pop() else { return Ok(()) };
        let now_ns = sys::monotonic_ns();
        self.body.clear();
        if batch {
            self.body.push(b'[');
        }
        for (at, number) in numbers.enumerate() {
            if at > 0 {
                self.body.push(b',');
            }
            let seq = fleet.ledger.publish_to_one(number);
            event::write_publication(&mut self.body, &plan.channel(number), seq, now_ns, self.data_bytes);
        }
        if batch {
            self.body.push(b']');
        }
        fleet.post(
            publisher,
            &self.endpoint,
            if batch { "/broadcast/batch" } else { "/broadcast" },
            &self.body,
        )
    }
}

/// Calls `publish` every `interval`, `rounds` times, and handles what arrives in between and until the last interval is over.
pub(crate) fn paced(
    fleet: &mut Fleet,
    interval: Duration,
    rounds: u32,
    mut publish: impl FnMut(&mut Fleet) -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    for round in 0..=rounds {
        let due = started + interval * round;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            fleet.turn(Some(left))?;
        }
        if round < rounds {
            publish(fleet)?;
        }
    }
    Ok(())
}

/// Waits until everything published has arrived, at most [`DRAIN`]; what is missing then the ledger calls lost.
pub(crate) fn drain(fleet: &mut Fleet) -> Result<()> {
    let due = fleet.ledger.expected();
    let started = Instant::now();
    while fleet.ledger.deliveries() < due && started.elapsed() < DRAIN {
        fleet.turn(Some(Duration::from_millis(50)))?;
    }
    Ok(())
}

/// Handles what arrives for a while; doubles that come late are seen here.
pub(crate) fn linger(fleet: &mut Fleet, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        fleet.turn(Some(left))?;
    }
    Ok(())
}

/// µs of CPU for each of `count`.
pub(crate) fn us_each(cpu: Duration, count: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / (count.max(1) as f64)
}
