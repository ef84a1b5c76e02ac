//! `worlds`: what a delivery costs the hub in each world of clients, beside the same delivery on `/ws`.
//!
//! Each world has a hub and an audience of its own, of the same size and with the same events; they take turns, and a turn's CPU per
//! delivery is divided by that of `/ws` in the same round, so that a machine that gets busy in between spoils one round and not the
//! figure, which is the median. Not in it: batches ([`super::batching`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Desk, drain, fanout_max, label, linger, paced, us_each};
use crate::fleet::{Entry, Fleet, Seat, Wish};
use crate::http;
use crate::jwt;
use crate::ledger::Faults;
use crate::outcome::{Outcome, median};
use crate::target::{Target, TargetArgs};
use crate::workdir::WorkDir;

/// Publishing connections; more than messages are outstanding in a closed loop.
const PUBLISHERS: usize = 32;
/// Publications that a hub takes in one request (contract: channels, HTTP).
const MOST_USERS: usize = 1_000;
/// How long after the last handshake the hub may need to count its audience.
const SETTLE: Duration = Duration::from_secs(10);
/// How long a token is good; a run takes minutes.
const TOKEN_S: u64 = 7_200;
/// The secret of every hub here, where none is given: they are all configured alike.
const SECRET: &str = "a-secret-for-measuring-of-32-bytes";
/// Where all connections are one user's they are more than a user has by default.
const CONFIG: &str = "[[endpoints]]\nname = \"tasks\"\nconnections_per_user = 0\n";
const SENT: [&str; 2] = ["fanfare_sent_bytes_total", "fanfare_writes_total"];
/// A shard tells its counters when its turn is over, a moment after the last write.
const TOLD: Duration = Duration::from_millis(20);

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WorldsArgs {
    /// Connections of each world
    #[arg(long, default_value_t = 2_000)]
    connections: usize,
    /// Connections of each user, where there are many users; a divisor of the connections
    #[arg(long, default_value_t = 10)]
    per_user: usize,
    /// Bytes of the event's `data`; with 200 a frame of `/ws` has 267
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Messages per second, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "10,100")]
    rates: Vec<u32>,
    /// Messages outstanding in a closed loop, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    outstanding: Vec<usize>,
    /// Turns of each world and measurement
    #[arg(long, default_value_t = 6)]
    turns: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 1_000)]
    turn_ms: u64,
    /// Where configurations go
    #[arg(long, default_value = ".")]
    data_below: PathBuf,
}

/// Whose the connections of a world are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Nobodys,
    OneUsers,
    ManyUsers,
}

/// How a message is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    /// These members.
    Fixed(&'static str),
    /// All users of the audience in one publication.
    Together,
    /// Each user in a publication of its own, all of them in one request.
    Each,
}

/// A world as it is measured.
struct World {
    path: &'static str,
    wish: Wish,
    whose: Whose,
    /// Names of figures, and what they measure.
    lanes: &'static [(&'static str, Address)],
}

const WORLDS: &[World] = &[
    World {
        path: "/ws",
        wish: Wish::Plain,
        whose: Whose::Nobodys,
        lanes: &[("ws", Address::Fixed("\"channel\":\"bench\""))],
    },
    World {
        path: "/ws",
        wish: Wish::Recoverable,
        whose: Whose::Nobodys,
        lanes: &[("recoverable", Address::Fixed("\"channel\":\"bench\""))],
    },
    World {
        path: "/",
        wish: Wish::Queue,
        whose: Whose::Nobodys,
        lanes: &[("dashboard", Address::Fixed("\"queue_id\":\"bench\""))],
    },
    World {
        path: "/ws/receipts",
        wish: Wish::Nothing,
        whose: Whose::Nobodys,
        lanes: &[("receipts", Address::Fixed("\"channel\":\"receipts\""))],
    },
    World {
        path: "/ws/notifications/",
        wish: Wish::Welcome,
        whose: Whose::OneUsers,
        lanes: &[("tasks", Address::Fixed("\"user_id\":\"user-0\""))],
    },
    World {
        path: "/ws",
        wish: Wish::Plain,
        whose: Whose::ManyUsers,
        lanes: &[("ws_together", Address::Together), ("ws_each", Address::Each)],
    },
    World {
        path: "/ws/notifications/",
        wish: Wish::Welcome,
        whose: Whose::ManyUsers,
        lanes: &[("tasks_together", Address::Together), ("tasks_each", Address::Each)],
    },
];

/// Which figures are divided by which.
const RATIOS: &[(&str, &str)] = &[
    ("dashboard", "ws"),
    ("dashboard", "recoverable"),
    ("recoverable", "ws"),
    ("receipts", "ws"),
    ("tasks", "ws"),
    ("tasks_together", "ws_together"),
    ("tasks_together", "ws"),
    ("tasks_each", "ws_each"),
];

/// How fast messages come.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// So many a second.
    Rate(u32),
    /// The next when one of so many has reached all.
    Outstanding(usize),
}

impl Load {
    fn name(self) -> String {
        match self {
            Self::Rate(rate) => format!("rate{rate}"),
            Self::Outstanding(count) => format!("max{count}"),
        }
    }
}

/// One way of addressing an audience.
struct Lane {
    name: &'static str,
    addresses: Vec<String>,
    /// Connections behind each address.
    size: usize,
    /// CPU per delivery in µs, by load.
    us: BTreeMap<String, Vec<f64>>,
    /// Events that went out in one write, by load: where a busy hub writes several at once, a delivery costs less.
    per_write: BTreeMap<String, Vec<f64>>,
    frame_bytes: f64,
}

impl Lane {
    fn new(name: &'static str, address: Address, args: &WorldsArgs) -> Self {
        let users = 0..args.connections / args.per_user;
        let (addresses, size) = match address {
            Address::Fixed(members) => (vec![members.to_owned()], args.connections),
            Address::Together => {
                let ids: Vec<String> = users.map(|user| format!("\"user-{user}\"")).collect();
                (vec![format!("\"user_ids\":[{}]", ids.join(","))], args.connections)
            }
            Address::Each => {
                (users.map(|user| format!("\"user_id\":\"user-{user}\"")).collect(), args.per_user)
            }
        };
        Self { name, addresses, size, us: BTreeMap::new(), per_write: BTreeMap::new(), frame_bytes: f64::NAN }
    }

    /// Publishes once to all; says how many messages that were.
    fn publish(&self, fleet: &mut Fleet, desk: &mut Desk) -> Result<usize> {
        match &self.addresses[..] {
            [address] => desk.publish_at(fleet, address)?,
            addresses => desk.publish_at_each(fleet, addresses, self.size)?,
        }
        Ok(self.addresses.len())
    }
}

/// One hub with its audience.
struct Hub {
    target: Target,
    fleet: Fleet,
    desk: Desk,
    lanes: Vec<Lane>,
}

impl Hub {
    fn start(
        world: &World,
        args: &WorldsArgs,
        target_args: &TargetArgs,
        directory: &WorkDir,
    ) -> Result<Self> {
        let secret = target_args.jwt_secret.as_deref().unwrap_or(SECRET);
        let target_args = TargetArgs { jwt_secret: Some(secret.to_owned()), ..target_args.clone() };
        let target = Target::start_with(&target_args, [directory.config(CONFIG)?])?;
        let entry = Entry::Subscribe {
            path: world.path.to_owned(),
            host: target.address.to_string(),
            wish: world.wish,
        };
        let mut fleet = Fleet::new(target.address, entry, seats(world.whose, args, secret), 0)?;
        fleet.connect_all().with_context(|| format!("{} of the hub", world.path))?;
        if world.wish == Wish::Nothing {
            wait_for_audience(&target, &mut fleet, args.connections)?;
        }
        let desk = Desk::open(&mut fleet, &target_args, &target, PUBLISHERS, args.payload)?;
        let lanes = world.lanes.iter().map(|&(name, address)| Lane::new(name, address, args)).collect();
        Ok(Self { target, fleet, desk, lanes })
    }

    /// Publishes for a while on each lane, and takes note of the CPU per delivery.
    fn turn(&mut self, load: Load, args: &WorldsArgs) -> Result<()> {
        let Self { target, fleet, desk, lanes } = self;
        let time = Duration::from_millis(args.turn_ms);
        for lane in lanes {
            // What came meanwhile, as pings.
            fleet.turn(Some(Duration::ZERO))?;
            let [_, written] = target.metrics(SENT)?;
            let before = fleet.ledger.deliveries();
            let cpu = target.cpu()?;
            match load {
                Load::Rate(rate) => {
                    let interval = Duration::from_secs(1) / rate.max(1);
                    let rounds = u32::try_from(time.as_nanos() / interval.as_nanos().max(1))?.max(1);
                    paced(fleet, interval, rounds, |fleet| {
                        desk.settle(fleet);
                        lane.publish(fleet, desk).map(drop)
                    })?;
                }
                Load::Outstanding(count) => {
                    let publish = |fleet: &mut Fleet, desk: &mut Desk| lane.publish(fleet, desk);
                    fanout_max::closed_loop(fleet, desk, count * lane.addresses.len(), time, publish)?;
                }
            }
            drain(fleet)?;
            let cpu = target.cpu()? - cpu;
            let delivered = fleet.ledger.deliveries() - before;
            desk.wait_until_idle(fleet, PUBLISHERS)?;
            linger(fleet, TOLD)?;
            let writes = target.metrics(SENT)?[1] - written;
            lane.us.entry(load.name()).or_default().push(us_each(cpu, delivered));
            lane.per_write.entry(load.name()).or_default().push(delivered as f64 / writes.max(1.0));
        }
        Ok(())
    }

    /// Publishes once on each lane, to know the bytes that a delivery has on the wire.
    fn weigh(&mut self) -> Result<()> {
        let Self { target, fleet, desk, lanes } = self;
        for lane in lanes {
            linger(fleet, TOLD)?;
            let [before, _] = target.metrics(SENT)?;
            let delivered = fleet.ledger.deliveries();
            lane.publish(fleet, desk)?;
            drain(fleet)?;
            desk.wait_until_idle(fleet, PUBLISHERS)?;
            linger(fleet, TOLD)?;
            let [after, _] = target.metrics(SENT)?;
            let delivered = fleet.ledger.deliveries() - delivered;
            lane.frame_bytes = (after - before) / (delivered as f64).max(1.0);
        }
        Ok(())
    }
}

/// The seats of an audience.
fn seats(whose: Whose, args: &WorldsArgs, secret: &str) -> Vec<Seat> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let token = |user: usize| jwt::mint(secret, &format!("user-{user}"), now + TOKEN_S);
    let tokens: Vec<Option<String>> = match whose {
        Whose::Nobodys => vec![None],
        Whose::OneUsers => vec![Some(token(0))],
        Whose::ManyUsers => (0..args.connections / args.per_user).map(|user| Some(token(user))).collect(),
    };
    let behind_each = args.connections / tokens.len();
    (0..args.connections)
        .map(|seat| Seat { channel: "bench".to_owned(), token: tokens[seat / behind_each].clone() })
        .collect()
}

/// Waits until the hub counts all connections as followers of the channel of receipts, for nothing tells the clients.
fn wait_for_audience(target: &Target, fleet: &mut Fleet, connections: usize) -> Result<()> {
    let started = Instant::now();
    loop {
        let stats: Value = serde_json::from_str(&http::get(target.address, "/stats")?)?;
        let followers = stats["by_channel"]["receipts"].as_u64().unwrap_or(0);
        if followers >= connections as u64 {
            return Ok(());
        }
        if started.elapsed() > SETTLE {
            bail!("{followers} of {connections} connections follow the receipts after {SETTLE:?}");
        }
        fleet.turn(Some(Duration::from_millis(20)))?;
    }
}

/// Runs it.
pub(crate) fn run(args: &WorldsArgs, target_args: &TargetArgs) -> Result<Outcome> {
    if args.turns == 0 {
        bail!("--turns is at least 1");
    }
    if args.per_user == 0 || args.connections == 0 || !args.connections.is_multiple_of(args.per_user) {
        bail!("--per-user divides --connections");
    }
    if args.connections / args.per_user > MOST_USERS {
        bail!("at most {MOST_USERS} users: more --per-user, or fewer --connections");
    }
    if args.outstanding.iter().any(|count| !(1..=PUBLISHERS).contains(count)) {
        bail!("--outstanding is from 1 to {PUBLISHERS}");
    }
    let directory = WorkDir::below(&args.data_below)?;
    let mut hubs = Vec::new();
    for world in WORLDS {
        hubs.push(Hub::start(world, args, target_args, &directory)?);
    }
    hubs.iter_mut().try_for_each(Hub::weigh)?;
    let rates = args.rates.iter().map(|&rate| Load::Rate(rate));
    let loads: Vec<Load> =
        rates.chain(args.outstanding.iter().map(|&count| Load::Outstanding(count))).collect();
    let count = hubs.len();
    for round in 0..=args.turns {
        for &load in &loads {
            // Nobody is always first, and the first round only warms up.
            for at in 0..count {
                hubs[(at + round) % count].turn(load, args)?;
            }
        }
    }
    let mut outcome = Outcome::new("worlds", &label(target_args));
    let mut faults = Faults::default();
    let mut out_of_order = 0;
    for hub in &mut hubs {
        linger(&mut hub.fleet, Duration::from_millis(200))?;
        faults.merge(hub.fleet.ledger.faults());
        faults.lost += hub.fleet.failures();
        out_of_order += hub.fleet.recoveries().out_of_order;
    }
    let lanes: Vec<&Lane> = hubs.iter().flat_map(|hub| &hub.lanes).collect();
    add_figures(&mut outcome, &lanes);
    outcome.add("out_of_order", out_of_order as f64);
    outcome.add_faults(faults);
    Ok(outcome)
}

/// Medians of each lane, and of its ratios to others round by round.
fn add_figures(outcome: &mut Outcome, lanes: &[&Lane]) {
    for lane in lanes {
        outcome.add(&format!("{}_frame_bytes", lane.name), lane.frame_bytes);
        for (load, us) in &lane.us {
            outcome.add(&format!("{}_{load}_cpu_per_delivery_us", lane.name), median(us[1..].to_vec()));
        }
        for (load, events) in &lane.per_write {
            outcome.add(&format!("{}_{load}_events_per_write", lane.name), median(events[1..].to_vec()));
        }
    }
    let find = |name: &str| lanes.iter().find(|lane| lane.name == name);
    for (over, under) in RATIOS {
        let (Some(over_lane), Some(under_lane)) = (find(over), find(under)) else { continue };
        for (load, us) in &over_lane.us {
            let Some(base) = under_lane.us.get(load) else { continue };
            let ratios: Vec<f64> = us.iter().zip(base).skip(1).map(|(us, base)| us / base).collect();
            let name = format!("{over}_to_{under}_{load}");
            outcome.add(&format!("{name}_min"), ratios.iter().copied().fold(f64::MAX, f64::min));
            outcome.add(&format!("{name}_max"), ratios.iter().copied().fold(0.0, f64::max));
            outcome.add(&name, median(ratios.clone()));
            // The same for each write: what is left of a ratio when one hub merged more than the other.
            let (Some(over), Some(under)) = (over_lane.per_write.get(load), under_lane.per_write.get(load))
            else {
                continue;
            };
            let merged = over.iter().zip(under).skip(1).map(|(over, under)| over / under);
            let per_write = ratios.iter().zip(merged).map(|(ratio, merged)| ratio * merged).collect();
            outcome.add(&format!("{name}_per_write"), median(per_write));
        }
    }
}

#[cfg(test)]
mod tests;
