use super::*;

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

#[test]
fn the_sdk_keeps_the_time_that_the_server_named_once() {
    assert_eq!(delay(Manner::Sdk, 1, Some(ms(2_700)), 0.5), ms(2_700));
    assert_eq!(delay(Manner::Sdk, 2, Some(ms(2_700)), 0.5), ms(2_700));
    assert_eq!(delay(Manner::Sdk, 4, Some(ms(2_700)), 0.5), ms(4_000));
}

#[test]
fn the_sdk_waits_a_random_part_of_a_limit_that_doubles() {
    assert_eq!(delay(Manner::Sdk, 1, None, 0.0), ms(100));
    assert_eq!(delay(Manner::Sdk, 1, None, 0.5), ms(500));
    assert_eq!(delay(Manner::Sdk, 3, None, 0.5), ms(2_000));
    assert_eq!(delay(Manner::Sdk, 60, None, 1.0), ms(30_000));
}

#[test]
fn the_naive_all_come_in_one_moment() {
    assert_eq!(delay(Manner::Naive, 1, Some(ms(2_700)), 0.1), ms(1_000));
    assert_eq!(delay(Manner::Naive, 3, None, 0.9), ms(4_000));
}

#[test]
fn the_time_is_read_from_the_reason() {
    assert_eq!(told_by(b"draining; reconnect in 2500 ms"), Some(ms(2_500)));
    assert_eq!(told_by(b"Slow consumer"), None);
}

#[test]
fn chances_are_spread() {
    let mut chances = Chances(7);
    let mean = (0..10_000).map(|_| chances.next()).sum::<f64>() / 10_000.0;
    assert!((0.48..0.52).contains(&mean), "{mean}");
}
