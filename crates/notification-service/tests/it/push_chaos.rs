//! Push with a Firebase that answers at random, users who read at random, and a process that is killed at random: every
//! push arrives, or is taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use test_kit::firebase::{Call, Reply};
use test_kit::wait::holds_within;

use crate::harness::{ENGINES, Engine};
use crate::phones::{DELAY, Phones, pushing, tag};

/// Numbers that look like chance and are the same in each run (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn reply(chance: &mut Chance) -> Reply {
    match chance.below(10) {
        0 => Reply::TakenUnheard,
        1 => Reply::Nonsense,
        2 => Reply::Unavailable(None),
        3 => Reply::TooMany(Some(5)),
        4 => Reply::Unauthorized,
        _ => Reply::Taken,
    }
}

/// Longer than the tables are left alone.
const STEP: Duration = Duration::from_millis(300);

/// Longer than a call that is under way takes here.
const CALL: Duration = Duration::from_secs(3);

const USERS: u64 = 5;

fn tokens(user: u64) -> [String; 2] {
    [format!("{user}-phone"), format!("{user}-browser")]
}

/// Whether Firebase took a message.
fn is_taken(call: &Call) -> bool {
    matches!(call.reply, Reply::Taken | Reply::TakenUnheard)
}

fn takes_back(body: &Value, tag: &str) -> bool {
    let tags = body["message"]["data"]["tags"].as_str().unwrap_or("[]");
    serde_json::from_str::<Vec<String>>(tags).is_ok_and(|tags| tags.iter().any(|one| one == tag))
}

fn every_push_arrives_or_is_taken_back(engine: Engine, seed: u64) {
    let mut chance = Chance(seed);
    let mut phones = Phones::with(engine);
    for user in 0..USERS {
        let [phone, browser] = tokens(user);
        phones.phone(user, &phone);
        assert_eq!(phones.register(user, &browser, "web").status, 201);
        for token in [phone, browser] {
            let replies: Vec<Reply> = (0..12).map(|_| reply(&mut chance)).collect();
            phones.firebase.script(&token, replies);
        }
    }
    // Whose each is, and whether it was read.
    let mut made: BTreeMap<i64, (u64, bool)> = BTreeMap::new();
    for _ in 0..90 {
        match chance.below(12) {
            0..=4 => {
                let user = chance.below(USERS);
                made.insert(phones.at().notify(user, "Hello"), (user, false));
            }
            5..=6 => {
                let nth = chance.below(made.len().max(1) as u64);
                if let Some((id, (user, is_read))) = made.iter_mut().nth(usize::try_from(nth).expect("small"))
                {
                    phones.mark_read(*user, *id);
                    *is_read = true;
                }
            }
            7 if chance.below(3) == 0 => {
                phones.instance.take().expect("an instance").kill();
                // What it sent last has come, before the next begins.
                phones.firebase.stop();
                phones.firebase.resume();
                phones.instance = Some(phones.world.start(pushing(&phones.firebase)));
            }
            _ => phones.pass(Duration::from_secs(chance.below(30))),
        }
    }
    phones.pass(DELAY);
    for _ in 0..200 {
        if !holds_within(CALL, || phones.rests_but_due()) {
            // A claim of a process that was killed ends with its lease.
            phones.pass(Duration::from_secs(80));
            continue;
        }
        let before = phones.firebase.calls().len();
        // Whoever waits for his next try needs the clock, and what is due needs a moment.
        if holds_within(STEP, || phones.waiting() == 0) {
            break;
        }
        if phones.firebase.calls().len() == before {
            phones.pass(Duration::from_secs(61));
        }
    }
    assert_eq!(phones.waiting(), 0, "seed {seed}");
    assert_eq!(phones.firebase.faults(), Vec::<String>::new());
    let calls = phones.firebase.calls();
    for (id, (user, is_read)) in made {
        let name = format!("n{id}");
        for token in tokens(user) {
            let last = calls
                .iter()
                .rposition(|call| call.token == token && is_taken(call) && tag(&call.body) == name);
            match (last, is_read) {
                (None, is_read) => assert!(is_read, "seed {seed}: {name} never came to {token}"),
                (Some(_), false) => {}
                (Some(last), true) => {
                    let is_back = calls[last..]
                        .iter()
                        .any(|call| call.token == token && is_taken(call) && takes_back(&call.body, &name));
                    assert!(is_back, "seed {seed}: {name} is still on {token}");
                }
            }
        }
    }
}

#[test]
fn every_push_arrives_or_is_taken_back_whatever_breaks() {
    for (n, engine) in ENGINES.into_iter().cycle().take(4).enumerate() {
        every_push_arrives_or_is_taken_back(engine, 9 + n as u64);
    }
}
