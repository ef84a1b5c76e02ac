//! With a clock of the tests' own.

use std::num::NonZeroUsize;

use super::*;

fn breaker() -> Breaker {
    Breaker::new(Circuit {
        failures: NonZeroUsize::new(5).expect("5"),
        pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(30),
    })
}

fn one(breaker: &mut Breaker, verdict: Verdict, now: Instant) -> Change {
    let permit = breaker.admit(now).expect("it lets calls pass");
    breaker.record(&permit, verdict, now)
}

fn opened(seconds: u64) -> Change {
    Change::Opened(Duration::from_secs(seconds))
}

#[test]
fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let (mut breaker, now) = (breaker(), Instant::now());
    for _ in 0..4 {
        assert_eq!(one(&mut breaker, Verdict::Bad, now), Change::None);
    }
    assert_eq!(one(&mut breaker, Verdict::Good, now), Change::None);
    for _ in 0..4 {
        assert_eq!(one(&mut breaker, Verdict::Bad, now), Change::None);
    }
    assert_eq!(one(&mut breaker, Verdict::Bad, now), opened(1));
    assert_eq!(breaker.admit(now), None);
    assert_eq!(breaker.admit(now + Duration::from_millis(999)), None);
}

#[test]
fn half_of_the_last_twenty_open_it() {
    let (mut breaker, now) = (breaker(), Instant::now());
    for turn in 0..19 {
        let verdict = if turn % 2 == 0 { Verdict::Good } else { Verdict::Bad };
        assert_eq!(one(&mut breaker, verdict, now), Change::None, "{turn}");
    }
    assert_eq!(one(&mut breaker, Verdict::Bad, now), opened(1));
}

#[test]
fn less_than_half_of_the_last_twenty_never_open_it() {
    let (mut breaker, now) = (breaker(), Instant::now());
    for turn in 0..1_000 {
        let verdict = if turn % 5 < 2 { Verdict::Bad } else { Verdict::Good };
        assert_eq!(one(&mut breaker, verdict, now), Change::None, "{turn}");
    }
}

#[test]
fn one_probe_passes_after_the_pause_and_closes_it_where_it_is_answered() {
    let (mut breaker, now) = (breaker(), Instant::now());
    for _ in 0..5 {
        one(&mut breaker, Verdict::Bad, now);
    }
    let later = now + Duration::from_secs(1);
    let probe = breaker.admit(later).expect("the probe");
    assert_eq!(breaker.admit(later), None, "only one");
    assert_eq!(breaker.admit(later + Duration::from_secs(60)), None, "as long as it is on its way");
    assert_eq!(breaker.record(&probe, Verdict::Good, later), Change::Closed);
    assert!(breaker.admit(later).is_some());
    for _ in 0..4 {
        assert_eq!(one(&mut breaker, Verdict::Bad, later), Change::None, "it counts from the beginning");
    }
}

#[test]
fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
    let (mut breaker, mut now) = (breaker(), Instant::now());
    for _ in 0..4 {
        one(&mut breaker, Verdict::Bad, now);
    }
    let mut change = one(&mut breaker, Verdict::Bad, now);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let Change::Opened(pause) = change else { panic!("{change:?}") };
        pauses.push(pause.as_secs());
        now += pause;
        change = one(&mut breaker, Verdict::Bad, now);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    now += Duration::from_secs(30);
    assert_eq!(one(&mut breaker, Verdict::Good, now), Change::Closed);
    for _ in 0..4 {
        one(&mut breaker, Verdict::Bad, now);
    }
    assert_eq!(one(&mut breaker, Verdict::Bad, now), opened(1));
}

#[test]
fn calls_that_began_before_it_opened_neither_close_nor_prolong_it() {
    let (mut breaker, now) = (breaker(), Instant::now());
    let early: Vec<Permit> = (0..10).filter_map(|_| breaker.admit(now)).collect();
    for permit in &early[..4] {
        assert_eq!(breaker.record(permit, Verdict::Bad, now), Change::None);
    }
    assert_eq!(breaker.record(&early[4], Verdict::Bad, now), opened(1));
    assert_eq!(breaker.record(&early[5], Verdict::Bad, now), Change::None);
    assert_eq!(breaker.record(&early[6], Verdict::Good, now), Change::None);
    assert_eq!(breaker.admit(now), None);
    let later = now + Duration::from_secs(1);
    let probe = breaker.admit(later).expect("the probe");
    assert_eq!(breaker.record(&early[7], Verdict::Bad, later), Change::None);
    assert_eq!(breaker.record(&probe, Verdict::Good, later), Change::Closed);
    assert_eq!(breaker.record(&early[8], Verdict::Bad, later), Change::None);
}

#[test]
fn a_probe_that_tells_nothing_makes_room_for_the_next() {
    let (mut breaker, now) = (breaker(), Instant::now());
    for _ in 0..5 {
        one(&mut breaker, Verdict::Bad, now);
    }
    let later = now + Duration::from_secs(1);
    assert_eq!(one(&mut breaker, Verdict::Unknown, later), Change::None);
    assert_eq!(one(&mut breaker, Verdict::Bad, later), opened(2));
}
