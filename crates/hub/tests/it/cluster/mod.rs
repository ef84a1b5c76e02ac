//! Several hubs on one broker, which keeps the promises of `hub::broker` and no more, driven at random from a seed.
//!
//! A checker holds: what each client saw in each stream is what the broker placed, once, in order, without a gap that was not
//! told; an offset in an epoch is one event on all nodes; what was answered reaches all who stay or come back, and what was
//! refused nobody; a key gives its first id on every node; a token works once. `FANFARE_SEED=n` repeats one run,
//! `FANFARE_SIMULATION_SEEDS=n` runs so many.

pub(crate) mod broker;
mod client;
mod model;
pub(crate) mod node;
mod notes;
mod publishers;
mod settling;
mod steps;
pub(crate) mod store;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::world::World;
use crate::random::Random;

/// How many seeds run by default.
const SEEDS: u64 = 45;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn nodes_of_a_cluster_are_one_hub_whatever_breaks() {
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let is_long = seeds.end - seeds.start >= 10;
    let mut sums = Sums::default();
    for seed in seeds {
        let one = catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("FANFARE_SEED={seed} repeats this");
            resume_unwind(panic);
        });
        sums.add(&one);
    }
    assert!(!is_long || sums.is_telling(), "the runs show something: {sums:?}");
    eprintln!("{sums:?}");
}

/// What the runs had in them.
#[derive(Debug, Default)]
struct Sums {
    placed: usize,
    refused: usize,
    repeated: usize,
    recovered: usize,
    lost: usize,
    resumed: usize,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.placed += other.placed;
        self.refused += other.refused;
        self.repeated += other.repeated;
        self.recovered += other.recovered;
        self.lost += other.lost;
        self.resumed += other.resumed;
    }

    fn is_telling(&self) -> bool {
        [self.placed, self.refused, self.repeated, self.recovered, self.lost, self.resumed]
            .into_iter()
            .all(|sum| sum > 0)
    }
}

fn run(seed: u64) -> Sums {
    let mut world = World::new(seed);
    for _ in 0..3 + world.random.below(8) {
        world.invite();
    }
    let acts = acts(&mut world.random);
    for _ in 0..3 {
        for _ in 0..400 {
            act(&mut world, &acts);
        }
        world.settle();
    }
    world.empty();
    Sums {
        placed: world.publishers.placed,
        refused: world.publishers.refused,
        repeated: world.publishers.repeated,
        recovered: world.clients.iter().map(|client| client.recoveries.0).sum(),
        lost: world.clients.iter().map(|client| client.recoveries.1).sum(),
        resumed: world.resumed(),
    }
}

/// What happens, and how often of about a thousand times; a seed has some of it more often, and some less.
const ACTS: [(Act, usize); 26] = [
    (Act::Step, 150),
    (Act::Inbox, 90),
    (Act::Publish, 130),
    (Act::Serve, 120),
    (Act::Tell, 120),
    (Act::Reply, 60),
    (Act::Connect, 60),
    (Act::Arrive, 60),
    (Act::Read, 110),
    (Act::Cut, 20),
    (Act::Subscribe, 20),
    (Act::Unsubscribe, 8),
    (Act::Page, 4),
    (Act::Repeat, 20),
    (Act::Narrow, 6),
    (Act::Widen, 10),
    (Act::Pass, 15),
    (Act::PassLong, 3),
    (Act::PassVeryLong, 1),
    (Act::CutNode, 6),
    (Act::ConnectNode, 16),
    (Act::Stop, 1),
    (Act::Start, 6),
    (Act::Fill, 2),
    (Act::Kill, 1),
    (Act::Forget, 4),
];

#[derive(Debug, Clone, Copy)]
enum Act {
    Step,
    Inbox,
    Publish,
    Serve,
    Tell,
    Reply,
    Connect,
    Arrive,
    Read,
    Cut,
    Subscribe,
    Unsubscribe,
    Page,
    Repeat,
    Narrow,
    Widen,
    Pass,
    PassLong,
    PassVeryLong,
    CutNode,
    ConnectNode,
    Stop,
    Start,
    Fill,
    Kill,
    Forget,
}

/// The acts of a seed, each as often as it is to happen.
fn acts(random: &mut Random) -> Vec<Act> {
    let weight = |&(act, weight): &(Act, usize)| vec![act; 1 + weight * [1, 4, 4, 12][random.below(4)] / 4];
    ACTS.iter().flat_map(weight).collect()
}

fn act(world: &mut World, acts: &[Act]) {
    let node = world.random.below(world.nodes.len());
    let shard = world.random.below(world.nodes[node].shards.len());
    let index = world.random.below(world.clients.len());
    let some = 1 + world.random.below(4);
    match *world.random.pick(acts) {
        Act::Step => {
            let now = world.nodes[node].now;
            world.nodes[node].shards[shard].step(some, now);
        }
        Act::Inbox => {
            let now = world.nodes[node].now;
            world.nodes[node].shards[shard].take_inbox(now);
        }
        Act::Publish => world.publish(),
        Act::Serve => (0..some).for_each(|_| world.serve(node)),
        Act::Tell => (0..some).for_each(|_| world.tell(node)),
        Act::Reply => (0..some).for_each(|_| world.reply(node)),
        Act::Connect => world.connect(index),
        Act::Arrive => world.arrive(),
        Act::Read => world.read(index),
        Act::Cut => world.cut(index),
        Act::Subscribe => world.subscribe(index),
        Act::Unsubscribe => world.unsubscribe(index),
        Act::Page => world.page(index),
        Act::Repeat => world.repeat(),
        Act::Narrow if world.is_narrow => {
            let room = world.random.below(3000);
            world.widen(index, Some(room));
        }
        Act::Narrow | Act::Widen => world.widen(index, None),
        Act::Pass => world.pass_time(200),
        Act::PassLong => world.pass_time(3_000),
        Act::PassVeryLong => world.pass_time(25_000),
        Act::CutNode => world.cut_node(node),
        Act::ConnectNode => world.connect_node(node),
        Act::Stop => world.stop_server(),
        Act::Start => world.start_server(),
        Act::Fill => world.server.is_full = !world.server.is_full && world.random.percent(30),
        Act::Kill if world.nodes.len() > 1 && world.random.percent(60) => world.kill_node(node),
        Act::Kill if world.nodes.len() < 4 => world.add_node(),
        Act::Kill => {}
        Act::Forget => {
            let names = world.server.store.names();
            if !names.is_empty() {
                let name = world.random.pick(&names).clone();
                world.forget(&name);
            }
        }
    }
}
