//! Everything at once, by chance: callers, a payment service that misbehaves, instances that die. In the end every job is
//! where its money is. A failure prints the seed of what was chosen; when the threads get their turns, no seed tells.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use test_kit::wait::holds_within;
use test_kit::{eventually, http};

use crate::harness::{Background, Caller, Engine, Limits, SOON, World, draft, in_millis, token};
use crate::payment::Mode;

const OPERATIONS: [&str; 5] = ["hold", "release", "refund", "void", "worker"];
const MODES: [Mode; 6] =
    [Mode::Answer, Mode::AnswerLost, Mode::AnswerBroken, Mode::Slow, Mode::Busy, Mode::Hang];
const ROUNDS: usize = 5;
const CALLERS: usize = 6;
const CALLS: usize = 5;

/// A sequence of numbers that a seed decides (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below a bound")
    }
}

/// One call of somebody to some job; whether it is answered is not the point.
fn call(chance: &mut Chance, address: SocketAddr, jobs: usize) {
    let job_id = 1 + chance.below(jobs);
    let worker = Caller::Worker(20 + i64::try_from(chance.below(3)).expect("few"));
    let employer = Caller::Employer(1);
    let (caller, path, body) = match chance.below(7) {
        0 | 1 => {
            let mut body = draft();
            if chance.below(3) == 0 {
                let millis = i64::try_from(200 + chance.below(3_000)).expect("few");
                body["deadline"] = Value::String(in_millis(millis));
            }
            (employer, "/jobs".to_owned(), body.to_string())
        }
        2 | 3 => (worker, format!("/jobs/{job_id}/accept"), String::new()),
        4 | 5 => (employer, format!("/jobs/{job_id}/complete"), String::new()),
        _ => (employer, format!("/jobs/{job_id}/cancel"), String::new()),
    };
    let token = format!("Bearer {}", token(caller));
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    if let Ok(answer) = http::try_request(address, None, "POST", &path, &headers, Some(body.as_bytes())) {
        // A deadline may be over before it is read.
        let too_late = answer.status == 422 && body.contains("deadline");
        let is_allowed = too_late || [200, 201, 404, 409, 503].contains(&answer.status);
        assert!(is_allowed, "{path}: {}", answer.text());
    }
}

fn job_and_money_agree_whatever_happens(engine: Engine) {
    let seed = store::now_micros().unsigned_abs();
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let mut world = World::new(engine);
    let start = |world: &mut World| world.start_with(Background::Running, Limits::Short);
    let mut instances = vec![start(&mut world), start(&mut world)];
    for _ in 0..ROUNDS {
        for operation in OPERATIONS {
            let mode = if chance.below(2) == 0 { Mode::Answer } else { MODES[chance.below(MODES.len())] };
            world.payments.set(operation, mode);
        }
        let is_down = chance.below(4) == 0;
        if is_down {
            world.payments.down();
        }
        let callers: Vec<_> = (0..CALLERS)
            .map(|n| {
                let address = instances[n % instances.len()].address;
                let mut chance = Chance(seed ^ u64::try_from(chance.below(1 << 30)).expect("a number"));
                thread::spawn(move || (0..CALLS).for_each(|_| call(&mut chance, address, 20)))
            })
            .collect();
        if chance.below(2) == 0 {
            let heard = world.payments.calls();
            // Somewhere in the middle, or when all is done.
            let _either = holds_within(Duration::from_secs(2), || world.payments.calls() > heard + 5);
            instances.remove(chance.below(2)).kill();
            instances.push(start(&mut world));
        }
        for caller in callers {
            caller.join().expect("only answers that are allowed");
        }
        if is_down {
            world.payments.up();
        }
        if chance.below(2) == 0 {
            world.payments.deliver_late();
        }
    }
    for operation in OPERATIONS {
        world.payments.set(operation, Mode::Answer);
    }
    // No deadline passes while all is compared.
    let open = "SELECT COUNT(*) FROM jobs WHERE deadline IS NOT NULL AND status IN ('open', 'accepted')";
    eventually(SOON, || world.number(open) == 0);
    world.settled();
    world.payments.deliver_late();
    world.is_consistent();
    for (job_id, _) in world.payments.all() {
        let told = world.event_types(job_id);
        let told: Vec<&str> = told.iter().map(|word| word.trim_start_matches("job_")).collect();
        let orders: [&[&str]; 6] = [
            &[],
            &["created"],
            &["created", "accepted"],
            &["created", "refunded"],
            &["created", "accepted", "completed"],
            &["created", "accepted", "refunded"],
        ];
        assert!(orders.contains(&told.as_slice()), "job {job_id}: {told:?}");
    }
}

#[test]
fn job_and_money_agree_whatever_happens_on_sqlite() {
    job_and_money_agree_whatever_happens(Engine::Sqlite);
}

#[test]
fn job_and_money_agree_whatever_happens_on_postgres() {
    job_and_money_agree_whatever_happens(Engine::Postgres);
}
