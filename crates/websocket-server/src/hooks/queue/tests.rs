//! Order, shares, bounds and ends, without a clock.

use std::time::Duration;

use super::*;

const BOUNDS: Bounds = Bounds { waiting: 1_000, waiting_per_connection: 100, bytes: 1 << 20, calls: 8 };

fn id(number: u128) -> ConnectionId {
    ConnectionId::from_random(number)
}

fn entry(connection: u128, service: usize, item: u32) -> Entry<u32> {
    let deadline = Instant::now() + Duration::from_secs(60);
    Entry { connection: id(connection), service, weight: 10, deadline, outlives: false, item }
}

fn push(queue: &mut Queue<u32>, connection: u128, service: usize, item: u32) {
    queue.push(entry(connection, service, item)).expect("room");
}

fn next(queue: &mut Queue<u32>) -> Option<u32> {
    queue.next().map(|entry| entry.item)
}

#[test]
fn events_of_one_connection_are_handed_out_one_after_the_other() {
    let mut queue = Queue::new(2, 2, BOUNDS);
    for item in 0..10 {
        push(&mut queue, 1, item as usize % 2, item);
    }
    for item in 0..10 {
        assert_eq!(next(&mut queue), Some(item));
        assert_eq!(next(&mut queue), None, "the first is not done");
        queue.done(id(1));
    }
    assert!(queue.is_idle());
    assert!(queue.lanes.is_empty());
}

#[test]
fn connections_do_not_wait_for_each_other_and_take_turns() {
    let mut queue = Queue::new(1, 1, BOUNDS);
    for item in 0..5 {
        push(&mut queue, 1, 0, item);
    }
    push(&mut queue, 2, 0, 100);
    assert_eq!((next(&mut queue), next(&mut queue), next(&mut queue)), (Some(0), Some(100), None));
    push(&mut queue, 3, 0, 200);
    queue.done(id(1));
    assert_eq!((next(&mut queue), next(&mut queue)), (Some(200), Some(1)));
}

#[test]
fn a_slow_service_takes_no_place_of_another() {
    let mut queue = Queue::new(2, 2, Bounds { calls: 4, waiting: 20, ..BOUNDS });
    for connection in 0..12 {
        push(&mut queue, connection, 0, 0);
        if connection < 2 {
            assert_eq!(next(&mut queue), Some(0));
        }
    }
    assert_eq!(next(&mut queue), None, "half of the calls are its");
    let (full, _) = queue.push(entry(99, 0, 0)).expect_err("half of the places are its");
    assert_eq!(full, Full::Service);
    push(&mut queue, 100, 1, 7);
    assert_eq!(next(&mut queue), Some(7));
}

#[test]
fn a_connection_has_a_bound_of_its_own_in_events_and_in_bytes() {
    let mut queue = Queue::new(1, 1, BOUNDS);
    for item in 0..100 {
        push(&mut queue, 1, 0, item);
    }
    let refused = queue.push(entry(1, 0, 100)).expect_err("one too many");
    assert_eq!((refused.0, refused.1.item), (Full::Connection, 100));
    push(&mut queue, 2, 0, 0);
    let heavy = |connection| Entry { weight: 1 << 20, ..entry(connection, 0, 1) };
    assert_eq!(queue.push(heavy(2)).map_err(|refused| refused.0), Err(Full::Connection));
    let mut queue = Queue::new(1, 1, BOUNDS);
    queue.push(heavy(1)).map_err(|refused| refused.0).expect("one always fits");
    assert_eq!(queue.push(heavy(2)).map_err(|refused| refused.0), Err(Full::Service));
    assert!(queue.next().is_some());
    assert_eq!(queue.push(heavy(2)).map_err(|refused| refused.0), Err(Full::Service), "it is not done");
    queue.done(id(1));
    queue.push(heavy(2)).map_err(|refused| refused.0).expect("room again");
}

#[test]
fn what_outlives_its_connection_stays_and_the_rest_goes() {
    let mut queue = Queue::new(2, 2, BOUNDS);
    push(&mut queue, 1, 0, 0);
    assert_eq!(next(&mut queue), Some(0));
    push(&mut queue, 1, 0, 1);
    queue.push(Entry { outlives: true, ..entry(1, 1, 2) }).expect("room");
    push(&mut queue, 1, 0, 3);
    let dropped: Vec<u32> = queue.ended(id(1)).into_iter().map(|entry| entry.item).collect();
    assert_eq!(dropped, [1, 3]);
    assert_eq!(next(&mut queue), None, "the order holds");
    queue.done(id(1));
    assert_eq!(next(&mut queue), Some(2));
    queue.done(id(1));
    assert!(queue.is_idle() && queue.lanes.is_empty());
    assert!(queue.ended(id(1)).is_empty());
}

#[test]
fn what_waited_too_long_comes_out_and_the_next_moves_up() {
    let mut queue = Queue::new(2, 2, BOUNDS);
    let now = Instant::now();
    let soon = now + Duration::from_secs(1);
    queue.push(Entry { deadline: soon, ..entry(1, 0, 0) }).expect("room");
    queue.push(Entry { deadline: soon, ..entry(1, 0, 1) }).expect("room");
    push(&mut queue, 1, 1, 2);
    push(&mut queue, 2, 0, 3);
    assert!(queue.expired(now).is_empty());
    let late: Vec<u32> = queue.expired(soon).into_iter().map(|entry| entry.item).collect();
    assert_eq!(late, [0, 1]);
    assert_eq!(queue.waiting(), 2);
    queue.push(Entry { deadline: soon, ..entry(2, 0, 4) }).expect("room");
    let mut rest = [next(&mut queue), next(&mut queue)];
    rest.sort();
    assert_eq!(rest, [Some(2), Some(3)]);
    assert_eq!(next(&mut queue), None);
    assert!(queue.expired(soon).is_empty(), "its turn comes when the one before is done");
}

#[test]
fn places_come_back_whatever_happened_in_between() {
    let mut queue = Queue::new(3, 3, Bounds { calls: 6, ..BOUNDS });
    let mut seed = 7_u64;
    let mut chance = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut out: Vec<ConnectionId> = Vec::new();
    for item in 0..20_000 {
        match chance(10) {
            0..5 => {
                let one = entry(u128::from(chance(20)), chance(3) as usize, item);
                let _full = queue.push(Entry { outlives: chance(2) == 0, ..one });
            }
            5..7 => out.extend(queue.next().map(|entry| entry.connection)),
            7..9 if !out.is_empty() => queue.done(out.swap_remove(chance(out.len() as u64) as usize)),
            _ => drop(queue.ended(id(u128::from(chance(20))))),
        }
        let mut seen = out.clone();
        seen.sort_by_key(|connection| connection.as_u128());
        seen.dedup();
        assert_eq!(seen.len(), out.len(), "one of each connection at a time");
    }
    loop {
        out.drain(..).for_each(|connection| queue.done(connection));
        let Some(entry) = queue.next() else { break };
        out.push(entry.connection);
    }
    assert!(queue.is_idle() && queue.lanes.is_empty());
    assert!(queue.services.iter().all(|one| (one.waiting, one.bytes, one.calls) == (0, 0, 0)));
}
