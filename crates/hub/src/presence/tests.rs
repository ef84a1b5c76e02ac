//! Presence against what the contract says of it; `tests/model.rs` has it against a naive model.

mod model;

use std::sync::Barrier;
use std::thread;

use super::batch::window_ms;
use super::*;

const GRACE_MS: u64 = 5_000;

fn presence() -> Presence {
    Presence::new(Duration::from_millis(GRACE_MS))
}

fn user(number: usize) -> UserId {
    UserId::from_number(&number.to_string()).expect("id")
}

/// The time of day goes with the other clock here.
fn at(ms: u64) -> Now {
    Now { ms, wall: since(ms) }
}

fn since(ms: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + ms / 1000)
}

fn users(presence: &Presence, channel: &str) -> Vec<(UserId, Timestamp)> {
    presence.list(channel, usize::MAX).users
}

fn holds_nothing(presence: &Presence) -> bool {
    presence.graces() == 0 && presence.buckets.iter().all(|bucket| lock(bucket).is_empty())
}

/// The only batch that is due.
fn batch(presence: &Presence, now: Now) -> Changes {
    let mut changes = presence.due(now);
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0)
}

#[test]
fn a_user_is_there_from_the_first_connection_until_the_last_one_and_the_grace_are_over() {
    let presence = presence();
    presence.join("jobs", &user(7), at(1_000));
    presence.join("jobs", &user(7), at(2_000));
    assert_eq!(presence.list("jobs", 10), Listing { users: vec![(user(7), since(1_000))], count: 1 });
    presence.leave("jobs", &user(7), Leaving::Now, at(3_000));
    assert_eq!(presence.count("jobs"), 1);
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(4_000));
    assert!(presence.due(at(8_999)).is_empty());
    assert_eq!((presence.count("jobs"), presence.graces()), (1, 1));
    assert!(presence.due(at(9_000)).is_empty());
    assert!(presence.count("jobs") == 0 && holds_nothing(&presence));
}

#[test]
fn a_reload_does_not_show_and_keeps_since() {
    let presence = presence();
    presence.watch("jobs");
    presence.join("jobs", &user(7), at(0));
    assert_eq!(batch(&presence, at(0)).joined, [(user(7), since(0))]);
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(10_000));
    presence.join("jobs", &user(7), at(14_999));
    assert!(presence.due(at(15_000)).is_empty() && presence.due(at(60_000)).is_empty());
    assert_eq!(users(&presence, "jobs"), [(user(7), since(0))]);
    assert_eq!(presence.graces(), 0);
}

#[test]
fn a_late_grace_never_takes_away_whoever_came_back_and_left_again() {
    let presence = presence();
    presence.join("jobs", &user(7), at(0));
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(1_000));
    presence.join("jobs", &user(7), at(2_000));
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(3_000));
    assert!(presence.due(at(6_000)).is_empty());
    assert_eq!(presence.count("jobs"), 1);
    assert!(presence.due(at(8_000)).is_empty());
    assert_eq!(presence.count("jobs"), 0);
}

#[test]
fn unsubscribing_one_tab_does_not_end_the_grace_of_another_that_reloads() {
    let presence = presence();
    presence.join("jobs", &user(7), at(0));
    presence.join("jobs", &user(7), at(0));
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(1_000));
    presence.leave("jobs", &user(7), Leaving::Now, at(2_000));
    assert_eq!(presence.count("jobs"), 1);
    assert!(presence.due(at(6_000)).is_empty());
    assert_eq!(presence.count("jobs"), 0);
}

#[test]
fn a_clock_that_lags_behind_in_one_shard_leaves_no_ghost() {
    let presence = presence();
    presence.join("jobs", &user(7), at(0));
    presence.join("jobs", &user(7), at(0));
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(1_000));
    assert!(presence.due(at(6_000)).is_empty());
    presence.leave("jobs", &user(7), Leaving::Now, at(5_990));
    assert!(holds_nothing(&presence));
}

#[test]
fn what_was_never_told_of_is_ignored() {
    let presence = presence();
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(0));
    presence.unwatch("jobs");
    assert!(holds_nothing(&presence));
    presence.join("jobs", &user(7), at(0));
    presence.leave("jobs", &user(8), Leaving::Now, at(0));
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(0));
    presence.leave("jobs", &user(7), Leaving::Now, at(0));
    assert_eq!((presence.count("jobs"), presence.graces()), (1, 1));
    assert!(presence.due(at(GRACE_MS)).is_empty() && holds_nothing(&presence));
}

#[test]
fn without_a_grace_the_end_of_a_connection_counts_at_once() {
    let presence = Presence::new(Duration::ZERO);
    presence.join("jobs", &user(7), at(0));
    presence.leave("jobs", &user(7), Leaving::WithGrace, at(0));
    assert!(holds_nothing(&presence));
}

#[test]
fn with_too_many_graces_the_end_of_a_connection_counts_at_once() {
    let presence = Presence::with_most_graces(Duration::from_millis(GRACE_MS), 2);
    for number in 0..3 {
        presence.join("jobs", &user(number), at(0));
    }
    for number in 0..3 {
        presence.leave("jobs", &user(number), Leaving::WithGrace, at(0));
    }
    assert_eq!((presence.count("jobs"), presence.graces()), (2, 2));
    presence.join("jobs", &user(0), at(0));
    presence.leave("jobs", &user(0), Leaving::WithGrace, at(0));
    assert_eq!((presence.count("jobs"), presence.graces()), (2, 2));
    assert!(presence.due(at(GRACE_MS)).is_empty() && holds_nothing(&presence));
}

#[test]
fn a_list_is_by_time_then_id_and_names_only_so_many() {
    let presence = presence();
    for (number, ms) in [(9, 2_000), (3, 1_000), (1, 2_000), (2, 3_000)] {
        presence.join("jobs", &user(number), at(ms));
    }
    let listing = |most| {
        let Listing { users, count } = presence.list("jobs", most);
        (users.iter().map(|(user, _)| user.to_string()).collect::<Vec<_>>().join(" "), count)
    };
    assert_eq!(listing(4), ("3 1 9 2".to_owned(), 4));
    assert_eq!(listing(2), ("3 1".to_owned(), 4));
    assert_eq!(listing(0), (String::new(), 4));
    assert_eq!(presence.list("other", 10), Listing::default());
}

#[test]
fn a_list_of_a_large_channel_is_the_true_one_whoever_came_or_went_since_it_was_asked_for() {
    let presence = presence();
    let mut expected = std::collections::BTreeSet::new();
    let mut random = 7_u64;
    for turn in 0..6_000_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Mostly in the order of time, as it is; the clock jumps now and then.
        let (number, ms) = (turn as usize, if random >> 60 == 0 { 1_000 } else { turn * 100 });
        presence.join("jobs", &user(number), at(ms));
        expected.insert((since(ms), number.to_string()));
        if turn > 400 && random >> 63 == 0 {
            let place = (random >> 33) as usize % expected.len();
            let gone = expected.iter().nth(place).expect("a user").clone();
            presence.leave("jobs", &UserId::from_text(&gone.1).expect("id"), Leaving::Now, at(ms));
            expected.remove(&gone);
        }
        if random >> 32 & 7 == 0 {
            let most = [0, 1, 100, 300, 1_500][(random >> 40) as usize % 5];
            let listing = presence.list("jobs", most);
            assert_eq!(listing.count, expected.len());
            assert_eq!(listing.users.len(), most.min(expected.len()));
            let is_next = |((user, since), next): (&(UserId, Timestamp), &(Timestamp, String))| {
                *since == next.0 && user.as_str() == next.1
            };
            assert!(listing.users.iter().zip(&expected).all(is_next), "turn {turn}, {most}");
        }
    }
}

#[test]
fn whoever_goes_from_anywhere_in_a_long_list_is_not_in_the_next() {
    let presence = presence();
    (0..1_000).for_each(|number| presence.join("jobs", &user(number), at(1_000 * number as u64)));
    for gone in [299, 0, 150, 999] {
        let before = presence.list("jobs", 300).users;
        presence.leave("jobs", &user(gone), Leaving::Now, at(0));
        let after = presence.list("jobs", 300).users;
        assert!(after.len() == 300 && after.iter().all(|(listed, _)| *listed != user(gone)), "{gone}");
        assert_eq!(after == before, gone == 999, "{gone}");
    }
}

#[test]
fn a_batch_tells_how_each_user_stands_now_and_nothing_of_what_was_undone() {
    let presence = presence();
    presence.join("jobs", &user(1), at(0));
    presence.join("jobs", &user(2), at(0));
    presence.watch("jobs");
    assert_eq!(presence.list("jobs", 10).count, 2);
    presence.leave("jobs", &user(1), Leaving::Now, at(1_000));
    presence.leave("jobs", &user(2), Leaving::Now, at(1_000));
    presence.join("jobs", &user(2), at(2_000));
    presence.join("jobs", &user(3), at(2_000));
    presence.leave("jobs", &user(3), Leaving::Now, at(2_000));
    presence.join("jobs", &user(4), at(2_000));
    let expected = Changes {
        channel: "jobs".into(),
        joined: vec![(user(2), since(2_000)), (user(4), since(2_000))],
        left: vec![user(1)],
        count: 2,
        truncated: false,
    };
    assert_eq!(batch(&presence, at(2_000)), expected);
    presence.leave("jobs", &user(4), Leaving::Now, at(2_000));
    presence.join("jobs", &user(4), at(2_000));
    assert!(presence.due(at(9_000)).is_empty());
}

#[test]
fn whoever_asks_in_the_middle_of_a_window_keeps_no_ghost_and_misses_nobody() {
    let presence = presence();
    presence.watch("jobs");
    presence.join("jobs", &user(1), at(0));
    assert_eq!(batch(&presence, at(0)).count, 1);
    presence.join("jobs", &user(2), at(100));
    presence.leave("jobs", &user(1), Leaving::Now, at(100));
    presence.watch("jobs");
    assert_eq!(users(&presence, "jobs"), [(user(2), since(100))]);
    presence.leave("jobs", &user(2), Leaving::Now, at(200));
    presence.join("jobs", &user(1), at(200));
    let changes = batch(&presence, at(500));
    assert_eq!((changes.joined, changes.left), (vec![(user(1), since(200))], vec![user(2)]));
}

#[test]
fn nothing_is_collected_where_nobody_watches() {
    let presence = presence();
    presence.watch("jobs");
    presence.join("jobs", &user(1), at(0));
    presence.unwatch("jobs");
    presence.join("jobs", &user(2), at(0));
    assert!(presence.due(at(1_000)).is_empty());
    presence.watch("jobs");
    assert!(presence.due(at(2_000)).is_empty());
    presence.leave("jobs", &user(2), Leaving::Now, at(2_000));
    assert_eq!(batch(&presence, at(3_000)).left, [user(2)]);
    presence.leave("jobs", &user(1), Leaving::Now, at(3_000));
    presence.unwatch("jobs");
    assert!(holds_nothing(&presence));
}

#[test]
fn a_batch_names_so_many_and_one_more_only_counts() {
    let presence = presence();
    presence.watch("jobs");
    for number in 0..MOST_CHANGES {
        presence.join("jobs", &user(number), at(0));
    }
    let changes = batch(&presence, at(0));
    assert_eq!((changes.joined.len(), changes.truncated), (MOST_CHANGES, false));
    for number in 0..=MOST_CHANGES {
        presence.join("jobs", &user(MOST_CHANGES + number), at(1_000));
    }
    let changes = batch(&presence, at(1_000));
    assert_eq!((changes.joined.len(), changes.left.len(), changes.truncated), (0, 0, true));
    assert_eq!(changes.count, 2 * MOST_CHANGES + 1);
    presence.leave("jobs", &user(0), Leaving::Now, at(2_000));
    assert_eq!(batch(&presence, at(2_000)).left, [user(0)]);
}

#[test]
fn the_time_between_batches_grows_with_the_watchers_up_to_its_limit() {
    assert_eq!([0, 1, 500, 2_000, 10_000, 1_000_000].map(window_ms), [250, 250, 250, 1_000, 5_000, 5_000]);
    let presence = presence();
    (0..2_000).for_each(|_| presence.watch("jobs"));
    presence.join("jobs", &user(1), at(0));
    assert_eq!(batch(&presence, at(0)).count, 1);
    presence.join("jobs", &user(2), at(0));
    assert!(presence.due(at(999)).is_empty());
    assert_eq!(batch(&presence, at(1_000)).count, 2);
}

/// 10,000 clients come within 10 s, each as a user and as a watcher; then for a minute each reloads slowly once, and 20
/// users a second come or go.
#[test]
fn ten_thousand_users_and_watchers_make_few_and_small_batches() {
    const CLIENTS: usize = 10_000;
    let presence = presence();
    let (mut batches, mut frames, mut names, mut truncated) = (0, 0, 0, 0);
    let mut watchers = 0;
    for tick in 0..280_usize {
        let now = at(250 * tick as u64);
        for client in 0..CLIENTS {
            if tick < 40 && client % 40 == tick {
                presence.join("jobs", &user(client), now);
                presence.watch("jobs");
                watchers += 1;
            } else if tick >= 40 && client % 240 == tick - 40 {
                presence.leave("jobs", &user(client), Leaving::WithGrace, now);
            } else if tick >= 44 && client % 240 == tick - 44 {
                presence.join("jobs", &user(client), now);
            }
        }
        for guest in (0..5).filter(|_| tick >= 40) {
            presence.join("jobs", &user(CLIENTS + 5 * tick + guest), now);
        }
        for changes in presence.due(now) {
            let named = changes.joined.len() + changes.left.len();
            assert!(named <= MOST_CHANGES);
            assert!(!changes.truncated || named == 0);
            batches += 1;
            frames += watchers;
            names += named * watchers;
            truncated += usize::from(changes.truncated);
        }
    }
    assert_eq!(presence.count("jobs"), CLIENTS + 240 * 5);
    // 70 s at 2,000 frames a second, and what one tick more makes of a window.
    assert!(frames <= 70 * 2_000 + watchers, "{batches} batches, {frames} frames");
    // Everybody to everybody would be 100 million names for the arrival alone.
    assert!(names <= 20_000_000, "{names} names");
    assert!(
        (12..=45).contains(&batches) && truncated < batches / 2,
        "{truncated} of {batches} are truncated"
    );
}

#[test]
fn half_a_million_reloads_leave_a_short_queue_and_no_memory_behind() {
    let presence = presence();
    for round in 0..100_000_u64 {
        for number in 0..5 {
            let channel = ["a", "b"][number % 2];
            presence.join(channel, &user(number), at(0));
            presence.leave(channel, &user(number), Leaving::WithGrace, at(0));
        }
        if round % 25_000 == 0 {
            let queued = presence.buckets.iter().map(|bucket| lock(bucket).queued_graces()).sum::<usize>();
            assert!(queued <= 2 * 5 + 2 * 64, "{queued}");
        }
    }
    for number in 0..50_000 {
        presence.join("c", &user(number), at(0));
        presence.leave("c", &user(number), Leaving::WithGrace, at(0));
        presence.join(&format!("d:{number}"), &user(number), at(0));
        presence.leave(&format!("d:{number}"), &user(number), Leaving::Now, at(0));
    }
    assert_eq!(presence.graces(), 50_005);
    assert!(presence.due(at(GRACE_MS)).is_empty() && holds_nothing(&presence));
    let capacity = presence.buckets.iter().map(|bucket| lock(bucket).capacity()).sum::<usize>();
    assert!(capacity <= 64 * 3 * 128, "{capacity}");
}

#[test]
fn threads_that_join_and_leave_at_once_agree_in_the_end() {
    let presence = presence();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4_usize {
            let (presence, start) = (&presence, &start);
            scope.spawn(move || {
                start.wait();
                for turn in 0..20_000_usize {
                    let (channel, user) = (["a", "b", "c"][turn % 3], user(turn % 7));
                    presence.join(channel, &user, at(0));
                    let how = if (turn + thread) % 2 == 0 { Leaving::Now } else { Leaving::WithGrace };
                    presence.leave(channel, &user, how, at(0));
                }
            });
        }
    });
    assert!(presence.graces() <= 21);
    assert!(presence.due(at(GRACE_MS)).is_empty() && holds_nothing(&presence));
}

#[test]
fn entries_are_as_small_as_the_documentation_says() {
    assert_eq!(size_of::<room::Member>(), 72);
    assert_eq!(size_of::<bucket::Grace>(), 64);
    assert_eq!(size_of::<room::Room>(), 80);
}
