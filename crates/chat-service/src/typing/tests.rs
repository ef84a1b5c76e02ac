use super::*;

const TIMEOUT: Duration = Duration::from_secs(6);

fn user(id: i64) -> AnyUserId {
    AnyUserId::Number(id)
}

/// What is told now, as sender and state; all of it is taken by the hub.
fn tell(table: &mut Table, now: Instant) -> Vec<(String, bool)> {
    table.expire(now);
    let taken = table.take();
    for (pair, _, _) in &taken {
        table.told(pair, now);
    }
    taken.into_iter().map(|((from, _), is_typing, _)| (from.into(), is_typing)).collect()
}

#[test]
fn typing_ends_by_itself_so_long_after_the_last_that_was_heard() {
    let (start, mut table) = (Instant::now(), Table::new(TIMEOUT));
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    table.set(&user(1), &user(2), true, at(0));
    assert_eq!(tell(&mut table, at(0)), [("1".to_owned(), true)]);
    table.set(&user(1), &user(2), true, at(4));
    assert_eq!(tell(&mut table, at(4)), [("1".to_owned(), true)], "who goes on is told again");
    assert_eq!(table.next_end(), Some(at(10)));
    assert_eq!(tell(&mut table, at(9)), []);
    assert_eq!(tell(&mut table, at(10)), [("1".to_owned(), false)]);
    assert_eq!(tell(&mut table, at(20)), []);
    assert!(table.pairs.is_empty() && table.news.is_empty() && table.next_end().is_none());
}

#[test]
fn who_stops_is_told_at_once_and_once() {
    let (now, mut table) = (Instant::now(), Table::new(TIMEOUT));
    table.set(&user(1), &user(2), true, now);
    tell(&mut table, now);
    table.set(&AnyUserId::Text("1".to_owned()), &user(2), false, now);
    assert_eq!(tell(&mut table, now), [("1".to_owned(), false)], "1 and \"1\" are one user");
    assert_eq!(tell(&mut table, now + TIMEOUT), []);
}

#[test]
fn every_key_is_not_told() {
    let (start, mut table) = (Instant::now(), Table::new(TIMEOUT));
    let mut told = 0;
    for millis in (0..3_000).step_by(50) {
        let now = start + Duration::from_millis(millis);
        table.set(&user(1), &user(2), true, now);
        told += tell(&mut table, now).len();
    }
    assert_eq!(told, 3, "at once, and once in each further second");
}

#[test]
fn what_changes_faster_than_it_is_told_is_told_as_it_is_in_the_end() {
    let (now, mut table) = (Instant::now(), Table::new(TIMEOUT));
    for n in 0..101 {
        table.set(&user(1), &user(2), n % 2 == 0, now);
    }
    let taken = table.take();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].1);
    // It changes once more while the hub is told.
    table.set(&user(1), &user(2), false, now);
    table.told(&taken[0].0, now);
    assert_eq!(tell(&mut table, now), [("1".to_owned(), false)]);
}

#[test]
fn who_types_and_stops_at_once_is_told_to_have_done_both() {
    let (now, mut table) = (Instant::now(), Table::new(TIMEOUT));
    for n in 0..100 {
        table.set(&user(1), &user(2), n % 2 == 0, now);
    }
    assert_eq!(tell(&mut table, now), [("1".to_owned(), true), ("1".to_owned(), false)]);
    assert!(table.pairs.is_empty() && table.news.is_empty());
}

#[test]
fn a_hub_that_is_away_hears_of_it_later_and_not_for_ever() {
    let (start, mut table) = (Instant::now(), Table::new(TIMEOUT));
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    table.set(&user(1), &user(2), true, at(0));
    let fail = |table: &mut Table, now| {
        table.expire(now);
        for (pair, _, _) in table.take() {
            table.failed(&pair, now);
        }
    };
    fail(&mut table, at(1));
    assert_eq!(table.news.len(), 1);
    fail(&mut table, at(7));
    assert_eq!(tell(&mut table, at(8)), [("1".to_owned(), false)]);
    table.set(&user(1), &user(2), true, at(8));
    fail(&mut table, at(15));
    fail(&mut table, at(30));
    assert!(table.pairs.is_empty() && table.news.is_empty());
}

#[test]
fn the_table_is_bounded_and_those_in_it_go_on() {
    let (now, mut table) = (Instant::now(), Table::new(TIMEOUT));
    for from in 0..i64::try_from(MOST_PAIRS).expect("small") {
        assert_eq!(table.set(&user(from), &user(-1), true, now), Room::Enough);
    }
    assert_eq!(table.set(&user(-2), &user(-1), true, now), Room::Full);
    assert_eq!(table.set(&user(0), &user(-1), false, now), Room::Enough);
    let mut told = 0;
    loop {
        match tell(&mut table, now).len() {
            0 => break,
            count => told += count,
        }
    }
    assert_eq!(told, MOST_PAIRS + 1, "of one that it types, and that it does no more");
    assert_eq!(table.set(&user(-2), &user(-1), true, now), Room::Enough, "there is room again");
}

#[test]
fn one_user_alone_does_not_fill_the_table() {
    let (now, mut table) = (Instant::now(), Table::new(TIMEOUT));
    for to in 0..i64::from(MOST_OF_USER) {
        assert_eq!(table.set(&user(1), &user(100 + to), true, now), Room::Enough);
    }
    assert_eq!(table.set(&user(1), &user(99), true, now), Room::Full);
    assert_eq!(table.set(&user(2), &user(99), true, now), Room::Enough, "another user");
    tell(&mut table, now);
    assert_eq!(table.set(&user(1), &user(100), false, now), Room::Enough);
    tell(&mut table, now);
    assert_eq!(table.set(&user(1), &user(99), true, now), Room::Enough, "there is room again");
    table.end(now);
    tell(&mut table, now);
    assert!(table.pairs.is_empty() && table.of_users.is_empty());
}

#[test]
fn at_a_stop_nobody_types_any_more() {
    let (now, mut table) = (Instant::now(), Table::new(TIMEOUT));
    table.set(&user(1), &user(2), true, now);
    tell(&mut table, now);
    table.end(now);
    assert_eq!(tell(&mut table, now), [("1".to_owned(), false)]);
}
