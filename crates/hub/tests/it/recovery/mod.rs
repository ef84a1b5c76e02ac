//! Hubs that crash and begin again over one store, with clients that recover, driven at random from a seed.
//!
//! A checker holds: what each client saw in each stream is what was released, once, in order, without a gap that was not
//! told; an offset in an epoch is one event for ever; what was answered is there after any crash, and what was refused is
//! seen by nobody. `FANFARE_SEED=n` repeats one run, `FANFARE_SIMULATION_SEEDS=n` runs so many.

mod client;
mod model;
mod publishers;
mod reader;
pub(crate) mod store;
mod streams;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::store::Luck;
use self::world::World;

/// How many seeds run by default.
const SEEDS: u64 = 150;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn nothing_is_lost_or_doubled_whatever_breaks() {
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let mut moved = 0;
    let is_long = seeds.end - seeds.start >= 10;
    for seed in seeds {
        moved += catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("FANFARE_SEED={seed} repeats this");
            resume_unwind(panic);
        });
    }
    assert!(moved > 0 || !is_long, "groups on disk are moved");
}

/// Returns how many entries were written again, to make room on disk.
fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    let crowd = if world.random.percent(8) { 90 } else { 3 + world.random.below(6) };
    for _ in 0..crowd {
        world.invite();
    }
    for _ in 0..4 {
        for _ in 0..150 {
            act(&mut world);
            world.compare();
        }
        world.settle();
    }
    world.store.moved
}

fn act(world: &mut World) {
    let what = world.random.below(1000);
    let shard = world.random.below(world.shards.len());
    let index = world.random.below(world.clients.len());
    match what {
        0..200 => {
            let budget = 1 + world.random.below(6);
            world.shards[shard].step(budget, world.now);
        }
        200..300 => world.shards[shard].take_inbox(world.now),
        300..500 => world.publish(),
        500..560 => world.begin_commit(),
        560..640 => {
            let luck = match world.random.below(10) {
                0 => Luck::Full,
                1 => Luck::Failed,
                _ => Luck::Written,
            };
            world.end_commit(luck);
        }
        640..720 if world.clients[index].link.is_none() => world.connect(index),
        640..720 => world.read(index),
        720..780 => world.read(index),
        780..800 => world.cut(index),
        800..810 => world.vanish(index),
        810..840 => world.subscribe(index),
        840..855 => world.unsubscribe(index),
        855..865 => world.page(index),
        865..885 => world.repeat(),
        885..895 => world.repeat_answered(),
        895..920 if world.is_narrow => world.narrow(index),
        920..950 => world.widen(index),
        950..970 => world.pass_time(500, 0),
        970..974 => world.pass_time(500, 25_000),
        974..977 => world.pass_time(500, -25_000),
        977 => world.pass_time(500, 700_000),
        980..986 => world.crash(),
        986..995 => world.read_thieves(),
        995..1000 => {
            let most = 1 + world.random.below(20);
            world.read_feed(most);
        }
        _ => {}
    }
}
