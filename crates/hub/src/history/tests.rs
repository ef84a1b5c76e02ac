use std::time::Duration;

use protocol::channels::GivenPosition;
use protocol::{Publication, PublicationId};

use super::*;
use crate::encoded::Ordered;

fn rule(size: u32) -> Option<HistoryRule> {
    Some(HistoryRule { size, age: Duration::from_secs(600), durable: false })
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000 + ms)
}

struct World {
    history: History,
    seq: u64,
}

impl World {
    fn new(limits: HistoryLimits) -> Self {
        Self { history: History::new(limits, 1, 2, 0), seq: 0 }
    }

    fn publish(&mut self, names: &[&str], size: u32, data: usize, ms: i64) -> Arc<Encoded> {
        let streams: Vec<StreamIndex> =
            names.iter().map(|name| self.history.open(name, || (rule(size), false))).collect();
        self.seq += 1;
        let places = streams.iter().map(|&stream| self.history.assign(stream)).collect();
        let publication = Arc::new(Publication {
            id: PublicationId::from_u128(self.seq.into()),
            event_type: "e".into(),
            data: "x".repeat(data).into(),
            timestamp: at(ms),
        });
        let ordered = Ordered { seq: self.seq, places, is_kept: size > 0, group: 0 };
        let encoded = Arc::new(Encoded::new(publication, None, ordered, at(ms), Arc::default()));
        self.history.append_to(&encoded, &streams);
        encoded
    }

    fn given(&self, name: &str, offset: u64) -> GivenPosition {
        let index = self.history.find(name).expect("known");
        GivenPosition { epoch: Some(self.history.end(index).0.epoch), offset }
    }

    fn locate(&mut self, name: &str, given: GivenPosition, ms: i64) -> Located {
        let index = self.history.find(name).expect("known");
        self.history.locate(index, given, at(ms))
    }

    /// What a client gets that gives these positions, by the numbers of the events.
    fn replay(&self, positions: &[(&str, Option<u64>)], most: usize) -> Vec<u64> {
        let mut cursors: Vec<Cursor> = positions
            .iter()
            .map(|&(name, offset)| {
                let stream = self.history.find(name).expect("known");
                let (key, end) = self.history.end(stream);
                let (had_to, since) = offset.map_or((0, u64::MAX), |offset| (offset, 0));
                Cursor {
                    stream,
                    key,
                    offset: offset.unwrap_or(end.offset),
                    had_to,
                    since,
                    until: u64::MAX,
                    held_from: 0,
                    is_read: true,
                }
            })
            .collect();
        let mut seqs = Vec::new();
        loop {
            let mut out = Vec::new();
            let read = self.history.read(&mut cursors, most, |_| true, &mut out);
            seqs.extend(out.iter().map(|event| event.seq()));
            match read {
                Read::More => {}
                Read::End => return seqs,
                Read::Lost => panic!("nothing was dropped"),
            }
        }
    }
}

#[test]
fn a_stream_begins_at_offset_one_and_has_no_gaps() {
    let mut world = World::new(HistoryLimits::default());
    for expected in 1..=5 {
        let event = world.publish(&["jobs"], 1000, 10, 0);
        assert_eq!(event.places()[0].offset, expected);
    }
}

#[test]
fn positions_of_the_future_another_epoch_or_before_what_is_kept_are_lost() {
    let mut world = World::new(HistoryLimits::default());
    for _ in 0..10 {
        world.publish(&["jobs"], 4, 10, 0);
    }
    for (offset, expected) in
        [(5, Located::Lost), (6, Located::Here), (10, Located::Here), (11, Located::Lost)]
    {
        let given = world.given("jobs", offset);
        assert_eq!(world.locate("jobs", given, 0), expected, "{offset}");
    }
    let other = GivenPosition { epoch: Some(Epoch::from_bits(5)), offset: 10 };
    assert_eq!(world.locate("jobs", other, 0), Located::Lost);
    assert_eq!(world.locate("jobs", GivenPosition { epoch: None, offset: 10 }, 0), Located::Lost);
}

#[test]
fn what_is_too_old_is_no_longer_there() {
    let mut world = World::new(HistoryLimits::default());
    world.publish(&["jobs"], 100, 10, 0);
    world.publish(&["jobs"], 100, 10, 599_000);
    let (before, first) = (world.given("jobs", 0), world.given("jobs", 1));
    assert_eq!(world.locate("jobs", before, 600_000), Located::Here);
    assert_eq!(world.locate("jobs", before, 600_001), Located::Lost);
    assert_eq!(world.locate("jobs", first, 600_001), Located::Here);
}

#[test]
fn an_event_in_several_streams_is_replayed_once_and_in_order() {
    let mut world = World::new(HistoryLimits::default());
    world.publish(&["a"], 100, 10, 0);
    world.publish(&["a", "b"], 100, 10, 0);
    world.publish(&["b"], 100, 10, 0);
    world.publish(&["a"], 100, 10, 0);
    for most in [1, 600, 1 << 20] {
        assert_eq!(world.replay(&[("a", Some(0)), ("b", Some(0))], most), [1, 2, 3, 4]);
        assert_eq!(world.replay(&[("a", Some(2)), ("b", Some(0))], most), [3, 4], "2 was had in a");
        assert_eq!(world.replay(&[("a", Some(0)), ("b", Some(1))], most), [1, 3, 4], "2 was had in b");
        assert_eq!(world.replay(&[("a", None), ("b", Some(0))], most), [2, 3], "a begins live");
        assert_eq!(world.replay(&[("a", None), ("b", None)], most), [0_u64; 0]);
    }
}

#[test]
fn the_oldest_publication_of_all_streams_goes_first_when_there_are_too_many_bytes() {
    let limits = HistoryLimits { bytes: 60_000, streams: 100, spare: 0 };
    let mut world = World::new(limits);
    for n in 0..200 {
        world.publish(&[["a", "b", "c"][n % 3]], 1000, 1000, 0);
        assert!(world.history.bytes() <= 60_000);
    }
    assert!(world.history.take_evicted() > 100);
    let kept: Vec<u64> = ["a", "b", "c"]
        .iter()
        .flat_map(|name| {
            let index = world.history.find(name).expect("known");
            world.history.stream(index).ring.iter().map(|event| event.seq()).collect::<Vec<_>>()
        })
        .collect();
    let oldest = kept.iter().min().expect("some");
    assert_eq!(kept.len() as u64, 200 - oldest + 1, "none that is younger has gone");
}

#[test]
fn an_event_is_counted_once_however_many_streams_keep_it() {
    let mut world = World::new(HistoryLimits::default());
    let names: Vec<String> = (0..50).map(|n| format!("user:{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let event = world.publish(&names, 1, 1000, 0);
    assert_eq!(world.history.bytes(), event.kept_weight());
    assert_eq!(world.history.events(), 1);
    world.publish(&names, 1, 1000, 0);
    assert_eq!(world.history.events(), 1, "the first has gone from all of them");
}

#[test]
fn a_stream_that_nobody_ever_published_to_has_the_same_epoch_whenever_it_is_asked_for() {
    let limits = HistoryLimits { bytes: 1 << 20, streams: 16, spare: 0 };
    let mut world = World::new(limits);
    let index = world.history.open("jobs", || (rule(10), false));
    let epoch = world.history.end(index).0.epoch;
    for n in 0..40 {
        world.history.open(&format!("other:{n}"), || (rule(10), false));
    }
    world.history.sweep(at(0));
    world.history.forget_idle(|_| false);
    assert!(world.history.len() <= 16);
    let index = world.history.open("jobs", || (rule(10), false));
    assert_eq!(world.history.end(index).0.epoch, epoch, "nothing was lost");
}

#[test]
fn a_stream_whose_offsets_were_forgotten_begins_a_new_epoch_and_one_that_is_followed_is_not() {
    let limits = HistoryLimits { bytes: 1 << 20, streams: 16, spare: 0 };
    let mut world = World::new(limits);
    for name in ["jobs", "followed"] {
        world.publish(&[name], 10, 10, 0);
    }
    let (jobs, followed) = (world.given("jobs", 1), world.given("followed", 1));
    for n in 0..40 {
        world.publish(&[&format!("other:{n}")], 10, 10, 1);
    }
    // All are empty by age; the sweep sees each of them.
    for _ in 0..4 {
        world.history.sweep(at(700_000));
    }
    world.history.forget_idle(|name| name == "followed");
    assert!(world.history.len() <= 16);
    assert_eq!(world.locate("followed", followed, 700_000), Located::Here);
    let index = world.history.open("jobs", || (rule(10), false));
    assert_ne!(Some(world.history.end(index).0.epoch), jobs.epoch);
}

#[test]
fn after_a_restart_nobody_is_told_to_have_had_what_went_before_it() {
    let durable = || Some(HistoryRule { size: 10, age: Duration::from_secs(600), durable: true });
    let mut world = World::new(HistoryLimits::default());
    let epoch = Epoch::from_bits(7);
    for name in ["empty", "rest", "new"] {
        world.history.restore(name, epoch, if name == "new" { 0 } else { 7 }, durable);
    }
    world.seq = 60;
    world.publish(&["rest"], 10, 5, 0);
    world.history.end_restoring(90);
    let reached = |name: &str, seq| world.history.reached_at(world.history.find(name).expect("known"), seq);
    assert_eq!((reached("empty", 50), reached("empty", 90)), (None, Some(7)));
    assert_eq!((reached("rest", 50), reached("rest", 60), reached("rest", 61)), (None, Some(7), Some(8)));
    assert_eq!(reached("new", 1), Some(0), "it has had nothing");
}
