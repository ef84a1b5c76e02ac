//! Sockets of namespaces over several hubs on one broker, which forgets, and nodes that are cut off and die, driven at
//! random from a seed, judged by the model of `sockets`.
//!
//! A checker holds: who comes back by its pid on any node and has that again got what was for it since its offset, once, in
//! order; who is let in anew is told so, and gets what comes from there on; a pid is open on one node at a time; who stays
//! while its node is cut off gets all or is closed with a code to come back. `FANFARE_SEED=n` repeats one run,
//! `FANFARE_SIMULATION_SEEDS=n` runs so many.

mod acts;
mod settling;
mod steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::world::World;
use crate::random::Random;

/// How many seeds run by default.
const SEEDS: u64 = 30;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn a_socket_that_comes_back_on_any_node_has_had_everything_once_and_in_order() {
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
    /// Let in where they were before.
    recovered: usize,
    /// Let in anew, with a pid that they showed.
    lost: usize,
    /// Closed with a code to come back.
    closed: usize,
    /// Ended since another one went on from them.
    taken_over: usize,
    /// Publications that sockets had.
    had: usize,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.recovered += other.recovered;
        self.lost += other.lost;
        self.closed += other.closed;
        self.taken_over += other.taken_over;
        self.had += other.had;
    }

    fn is_telling(&self) -> bool {
        [self.recovered, self.lost, self.closed, self.had].into_iter().all(|sum| sum > 0)
    }
}

fn run(seed: u64) -> Sums {
    let mut world = World::new(seed);
    let acts = acts(&mut world.random);
    for _ in 0..3 {
        for _ in 0..400 {
            act(&mut world, &acts);
        }
        world.settle();
        world.everybody_returns();
    }
    Sums {
        recovered: world.clients.iter().map(|client| client.recovered).sum(),
        lost: world.clients.iter().map(|client| client.lost).sum(),
        closed: world.closed,
        taken_over: world.taken_over,
        had: world.clients.iter().map(|client| client.session.had.len()).sum(),
    }
}

/// What happens, and how often of about a thousand times; a seed has some of it more often, and some less.
const ACTS: [(Act, usize); 25] = [
    (Act::Step, 150),
    (Act::Inbox, 90),
    (Act::Publish, 120),
    (Act::Serve, 130),
    (Act::Tell, 130),
    (Act::Reply, 80),
    (Act::Connect, 70),
    (Act::Arrive, 70),
    (Act::Read, 110),
    (Act::Cut, 20),
    (Act::Desert, 12),
    (Act::EndGhost, 8),
    (Act::Ask, 40),
    (Act::Narrow, 8),
    (Act::Widen, 14),
    (Act::Pass, 16),
    (Act::PassLong, 4),
    (Act::PassVeryLong, 1),
    (Act::CutNode, 5),
    (Act::ConnectNode, 16),
    (Act::Stop, 1),
    (Act::Start, 6),
    (Act::Kill, 1),
    (Act::Add, 1),
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
    Desert,
    EndGhost,
    Ask,
    Narrow,
    Widen,
    Pass,
    PassLong,
    PassVeryLong,
    CutNode,
    ConnectNode,
    Stop,
    Start,
    Kill,
    Add,
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
        Act::Desert => world.desert(index),
        Act::EndGhost => world.end_ghost(),
        Act::Ask => world.ask(index),
        Act::Narrow => world.narrow(index),
        Act::Widen => world.widen(index),
        Act::Pass => world.pass_time(200),
        Act::PassLong => world.pass_time(3_000),
        Act::PassVeryLong => world.pass_time(25_000),
        Act::CutNode => world.cut_node(node),
        Act::ConnectNode => world.connect_node(node),
        Act::Stop => world.stop_server(),
        Act::Start => world.start_server(),
        Act::Kill if world.nodes.len() > 1 => world.kill_node(node),
        Act::Add if world.nodes.len() < 4 => world.add_node(),
        Act::Kill | Act::Add => {}
        Act::Forget => world.forget(),
    }
}
