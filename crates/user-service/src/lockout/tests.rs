use super::*;

const MINUTE: i64 = 60_000_000;

fn at(minutes: &[i64]) -> String {
    minutes.iter().map(|minute| (minute * MINUTE).to_string()).collect::<Vec<_>>().join(",")
}

fn after(minutes: &[i64], now: i64) -> Result<(), u64> {
    let now = now * MINUTE;
    locked(&read(&at(minutes), now), now).map_err(|Locked(left)| left.as_secs() / 60)
}

#[test]
fn the_tenth_wrong_password_locks_until_the_first_counts_no_more() {
    assert_eq!(after(&[], 100), Ok(()));
    assert_eq!(after(&[91, 92, 93, 94, 95, 96, 97, 98, 99], 100), Ok(()));
    assert_eq!(after(&[90, 91, 92, 93, 94, 95, 96, 97, 98, 99], 100), Err(5));
    assert_eq!(after(&[90, 91, 92, 93, 94, 95, 96, 97, 98, 99], 105), Ok(()));
    assert_eq!(after(&[85, 91, 92, 93, 94, 95, 96, 97, 98, 99], 100), Ok(()), "one of them is 15 min old");
    assert_eq!(after(&[99; 12], 100), Err(14));
}

#[test]
fn a_row_that_cannot_be_read_locks_nobody_and_a_clock_ahead_not_for_longer() {
    assert!(read("", 5).is_empty());
    assert_eq!(read("x,,7", 5), [5]);
    assert_eq!(after(&[1_000; 10], 100), Err(15));
}
