//! A whole hub in one thread, driven at random from a seed, against a model of what has to arrive where.
//!
//! `FANFARE_SEED=n` repeats one run, `FANFARE_SEEDS=n` runs so many.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::world::World;

/// How many seeds run by default.
const SEEDS: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_connection_gets_what_it_should_once_and_in_order() {
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_SEEDS").unwrap_or(SEEDS),
    };
    let mut events = 0;
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok(got) => events += got,
            Err(panic) => {
                eprintln!("FANFARE_SEED={seed} repeats this");
                resume_unwind(panic);
            }
        }
    }
    assert!(events > 0, "events were delivered");
}

/// Runs one seed; returns how many events clients got.
fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    // Above 64 followers of one stream a shard delivers in passes, below in gathers: both have to be seen.
    let crowd = if world.random.percent(50) { 100 + world.random.below(150) } else { world.random.below(20) };
    for _ in 0..crowd {
        world.connect();
    }
    // A pass goes on as long as nothing else is published; so in some runs almost nothing else is.
    world.to_everyone = [0, 50, 99][world.random.below(3)];
    // The most that one call writes: small, so that deliveries are interrupted anywhere.
    let budget = [2, 10, 60][world.random.below(3)];
    for round in 0..6 {
        for _ in 0..120 {
            act(&mut world, budget);
        }
        world.settle();
        if round % 2 == 1 {
            widen(&mut world);
        }
    }
    world.drain();
    world.end();
    world.clients.iter().map(|client| client.got.len()).sum()
}

fn act(world: &mut World, budget: usize) {
    let what = world.random.below(100);
    let shard = world.random.below(world.shards.len());
    match what {
        0..28 => {
            let budget = 1 + world.random.below(budget);
            world.step(shard, budget);
        }
        28..36 => world.take_inbox(shard),
        36..60 => world.publish(),
        60..65 => world.connect(),
        65..67 => {
            let ms = if world.random.percent(10) { 20_000 } else { 500 };
            world.pass_time(ms);
        }
        67..69 => {
            let any = world.random.below(world.clients.len().max(1));
            if any < world.clients.len() {
                world.writable(any);
            }
        }
        _ => {
            if let Some(index) = world.any_open() {
                act_of_client(world, index, what);
            }
        }
    }
}

fn act_of_client(world: &mut World, index: usize, what: usize) {
    match what {
        69..80 => world.subscribe(index),
        80..86 => world.unsubscribe(index),
        86..90 => {
            let room = world.random.below(3000);
            let client = &mut world.clients[index];
            client.pipe.borrow_mut().room = Some(room);
            client.was_narrow = true;
        }
        90..92 => {
            world.clients[index].pipe.borrow_mut().room = None;
            world.writable(index);
        }
        92 => world.break_off(index),
        93 => world.say_close(index),
        94 => world.clients[index].is_silent = true,
        95 => world.refresh(index),
        96 => {
            world.clients[index].sent_much = true;
            for _ in 0..45 {
                world.say(index, r#"{"type":"ping"}"#);
            }
        }
        97 => world.clients[index].pipe.borrow_mut().interruptions = 2,
        _ => {
            world.say(index, "{");
        }
    }
}

/// All that still blocks takes bytes again.
fn widen(world: &mut World) {
    for client in &world.clients {
        client.pipe.borrow_mut().room = None;
    }
    world.settle();
}
