//! How long a shard would wait for more before it serves a large audience.

use std::time::Duration;

use hub::{Limits, Wire};

use crate::bench::{Bench, channel, user};

/// A shard on which so many follow two channels.
fn bench(followers: usize) -> Bench {
    let mut bench = Bench::new(Limits::default(), 1);
    for number in 0..followers {
        let (key, _) = bench.open(0, Wire::Channels, Some(user(number)));
        bench.say(0, key, r#"{"type":"subscribe","channels":["jobs","news"]}"#);
    }
    bench
}

/// So many publications come; how many of them are there, and how many the shard expects.
fn come(bench: &mut Bench, name: &str, count: usize) -> (usize, usize) {
    (0..count).for_each(|_| drop(bench.publish(channel(name), 1)));
    bench.shards[0].take_inbox(bench.now);
    let patience = bench.shards[0].patience().expect("a large audience");
    let found = (bench.shards[0].waiting(), patience.company);
    bench.deliver();
    found
}

#[test]
fn as_many_are_expected_as_went_round_together_the_last_time_on_that_channel() {
    let mut bench = bench(600);
    assert_eq!(come(&mut bench, "jobs", 3), (3, 1));
    assert_eq!(come(&mut bench, "jobs", 1), (1, 3), "two more may be on their way");
    assert_eq!(come(&mut bench, "jobs", 1), (1, 1), "who publishes alone is not kept waiting");
    assert_eq!(come(&mut bench, "jobs", 3), (3, 1));
    assert_eq!(come(&mut bench, "news", 1), (1, 1), "another channel has publishers of its own");
}

#[test]
fn the_wait_grows_with_the_audience_and_has_a_bound() {
    for (followers, least_us, most_us) in [(600, 120, 2_400), (1_500, 300, 4_000)] {
        let mut bench = bench(followers);
        drop(bench.publish(channel("jobs"), 1));
        bench.shards[0].take_inbox(bench.now);
        let patience = bench.shards[0].patience().expect("a large audience");
        assert_eq!(
            (patience.least, patience.most),
            (Duration::from_micros(least_us), Duration::from_micros(most_us))
        );
    }
    let mut small = bench(500);
    drop(small.publish(channel("jobs"), 1));
    small.shards[0].take_inbox(small.now);
    assert_eq!(small.shards[0].patience(), None);
}
