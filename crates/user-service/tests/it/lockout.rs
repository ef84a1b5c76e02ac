use std::thread;

use serde_json::json;
use test_kit::http;

use crate::harness::{Database, PASSWORD, World, on_both, refused};

const HASHES: &str = "fanfare_password_hashes_total";

#[test]
fn ten_wrong_passwords_lock_an_address_whether_or_not_it_exists() {
    on_both(|world| {
        let other = world.beside();
        world.register("anna@example.com");
        for address in ["Anna@example.com", "nobody@example.com"] {
            for n in 0..10 {
                let instance = if n % 2 == 0 { &world } else { &other };
                refused(&instance.try_login(address, "wrong password"), 401, "invalid_credentials");
            }
            let hashes = world.metric(HASHES);
            for password in ["wrong password", PASSWORD] {
                let locked = world.try_login(&address.to_lowercase(), password);
                refused(&locked, 429, "too_many_attempts");
                let after: u64 = locked.header("retry-after").expect("a time").parse().expect("seconds");
                assert!((800..=900).contains(&after), "{after}");
            }
            assert_eq!(world.metric(HASHES), hashes, "a locked address costs no hash");
            refused(&other.try_login(address, PASSWORD), 429, "too_many_attempts");
        }
        assert_eq!(world.event_types(), ["user_registered"]);
        world.register("ben@example.com");
        world.login("ben@example.com");
    });
}

#[test]
fn a_lock_ends_with_its_window() {
    let world = World::start(Database::Sqlite);
    world.register("anna@example.com");
    for _ in 0..10 {
        refused(&world.try_login("anna@example.com", "wrong password"), 401, "invalid_credentials");
    }
    refused(&world.try_login("anna@example.com", PASSWORD), 429, "too_many_attempts");
    world.tamper("UPDATE sign_in_failures SET times = '1,2,3,4,5,6,7,8,9,10'");
    world.login("anna@example.com");
}

#[test]
fn a_success_clears_what_was_wrong_before() {
    on_both(|world| {
        world.register("anna@example.com");
        for _ in 0..2 {
            for _ in 0..9 {
                refused(&world.try_login("anna@example.com", "wrong password"), 401, "invalid_credentials");
            }
            world.login("anna@example.com");
        }
    });
}

#[test]
fn an_unknown_address_costs_as_much_as_a_known_one() {
    let world = World::start(Database::Sqlite);
    world.register("anna@example.com");
    let before = world.metric(HASHES);
    refused(&world.try_login("anna@example.com", "wrong password"), 401, "invalid_credentials");
    assert_eq!(world.metric(HASHES), before + 1);
    refused(&world.try_login("nobody@example.com", "wrong password"), 401, "invalid_credentials");
    assert_eq!(world.metric(HASHES), before + 2);
}

#[test]
fn guesses_at_once_learn_no_more_than_those_in_turn() {
    on_both(|world| {
        world.register("anna@example.com");
        let statuses: Vec<u16> = thread::scope(|scope| {
            let calls: Vec<_> = (0..24)
                .map(|_| scope.spawn(|| world.try_login("anna@example.com", "wrong password").status))
                .collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        let of = |status| statuses.iter().filter(|it| **it == status).count();
        assert_eq!((of(401), of(429)), (10, 14), "{statuses:?}");
    });
}

#[test]
fn calls_of_this_machine_are_not_limited() {
    let world = World::with(Database::Sqlite, |settings| {
        settings.login_rate_limit = std::num::NonZeroU32::new(1);
    });
    for _ in 0..5 {
        let answer = http::post_json(world.address, "/auth/login", &[], &json!({"email": 7}));
        refused(&answer, 422, "invalid");
    }
    assert_eq!(world.metric("fanfare_sign_ins_total{outcome=\"limited\"}"), 0);
}
