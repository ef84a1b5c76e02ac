//! Dashboards that come back by the id of the connection that they had, driven at random from a seed, and step by step.
//!
//! A checker holds: what a client should have had reaches it at least once over all its connections, in the hub's order in
//! each stream of a connection, unless it was told that something is lost; nobody gets what is not for it; batches keep all
//! of that; and when everybody has gone nothing is left. `FANFARE_SEED=n` repeats one run,
//! `FANFARE_SIMULATION_SEEDS=n` runs so many.

mod acts;
mod batches;
mod client;
mod desk;
mod steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::world::World;
use crate::recovery::store::Luck;

/// How many seeds run by default.
const SEEDS: u64 = 100;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn who_comes_back_by_its_connections_id_misses_nothing_whatever_breaks() {
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("FANFARE_SEED={seed} repeats this");
            resume_unwind(panic);
        });
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..2 + world.random.below(5) {
        world.invite();
    }
    for _ in 0..4 {
        for _ in 0..150 {
            act(&mut world);
            world.compare();
        }
        world.settle();
    }
    world.end();
}

fn act(world: &mut World) {
    let what = world.random.below(1000);
    let shard = world.random.below(world.shards.len());
    let index = world.random.below(world.clients.len());
    match what {
        0..190 => {
            let budget = 1 + world.random.below(6);
            world.shards[shard].step(budget, world.now);
        }
        190..280 => world.shards[shard].take_inbox(world.now),
        280..470 => world.publish(),
        470..520 => world.begin_commit(),
        520..580 => {
            let luck = match world.random.below(10) {
                0 => Luck::Full,
                1 => Luck::Failed,
                _ => Luck::Written,
            };
            world.end_commit(luck);
        }
        580..690 if world.clients[index].link.is_none() => world.connect(index),
        580..690 => world.read(index),
        690..730 => world.subscribe(index),
        730..755 => world.unsubscribe(index),
        755..785 => drop(world.answer_late(index)),
        785..800 => world.say_ping(index),
        800..825 => world.cut(index),
        825..840 => world.vanish(index),
        840..850 => world.leave(index),
        850..860 => world.duplicate(index),
        860..885 => world.narrow(index),
        885..920 => world.widen(index),
        920..950 => {
            let ms = 1 + world.random.next() % 120;
            world.wait(ms);
        }
        950..968 => world.pass_time(500),
        968..971 => world.pass_time(12_000),
        971 => world.pass_time(130_000),
        972..978 => world.crash(),
        978..985 => world.change_window(index),
        985..988 => world.forge_pong(index),
        _ => {}
    }
}
