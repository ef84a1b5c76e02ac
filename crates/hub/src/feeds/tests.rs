//! Which feeds a publication is put into, and what is read of them.

use protocol::Publication;
use protocol::publication::ConnectionTarget;
use protocol::{ConnectionId, PublicationId};

use super::*;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::outgoing::{Accepted, Outgoing};
use crate::rules::{ChannelRules, Identities};
use crate::{Beginning, HistoryLimits};

fn feed(name: &str, types: &[&str]) -> Feed {
    Feed { name: name.into(), types: types.iter().map(|kind| (*kind).into()).collect() }
}

fn named(names: &[&str]) -> Target {
    let streams = names.iter().map(|name| Stream::named(*name)).collect();
    Target::Named(Audience { streams, connection: None })
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_762_000_000_000)
}

fn hub(feeds: Vec<Feed>, bytes: usize) -> Hub {
    let limits = Limits { history: HistoryLimits { bytes, ..HistoryLimits::default() }, ..Limits::default() };
    let rules = ChannelRules::new(vec![], Identities::Known);
    let metrics = Metrics::new(&prometheus::Registry::new());
    Hub::begin(
        rules,
        limits,
        metrics,
        vec![],
        Beginning {
            feeds,
            random: [3; 32],
            endpoints: vec![
                crate::Endpoint::new(crate::Dialect::CHANNELS, &Limits::default()),
                crate::Endpoint::of_namespace(crate::Namespace::new("/chat", &["a"]), &Limits::default()),
            ],
            ..Beginning::default()
        },
    )
}

fn publish(hub: &Hub, kind: &str, target: Target) {
    let publication = Publication {
        id: PublicationId::now(),
        event_type: kind.into(),
        data: "{}".into(),
        timestamp: now(),
    };
    let accepted = hub.publish(Outgoing::new(publication, target, now()));
    assert!(matches!(accepted, Ok(Accepted::Now(_))), "there is no disk to wait for");
}

fn offsets(page: &FeedPage) -> Vec<u64> {
    page.events.iter().map(|event| event.offset).collect()
}

#[test]
fn a_publication_is_put_into_each_feed_that_lists_its_type_once() {
    let feeds = Feeds::of(vec![feed("a", &["job_done", "job_*"]), feed("b", &["*"]), feed("c", &["x"])]);
    assert_eq!(feeds.route(named(&["jobs"]), "job_done"), named(&["@feed:a", "@feed:b", "jobs"]));
    assert_eq!(feeds.route(Target::Everyone, "job_new"), named(&["@all", "@feed:a", "@feed:b"]));
    assert_eq!(feeds.route(named(&["user:7"]), "jo"), named(&["@feed:b", "user:7"]));
    assert_eq!(feeds.route(named(&[]), "x"), named(&[]), "nobody");
    let alone = ConnectionTarget::Id(ConnectionId::from_random(1));
    let alone = Target::Named(Audience { streams: vec![], connection: Some(alone) });
    assert_eq!(feeds.route(alone.clone(), "x"), alone, "one connection is no news");
    assert_eq!(Feeds::default().route(Target::Everyone, "x"), Target::Everyone);
}

#[test]
fn a_reader_gets_each_event_once_with_those_whom_it_was_for() {
    let hub = hub(vec![feed("n", &["a", "b"])], 1 << 20);
    assert!(hub.read_feed("other", None, 10, now()).is_none());
    let empty = hub.read_feed("n", None, 10, now()).expect("the feed");
    assert!(empty.recovered && empty.events.is_empty() && empty.end == 0 && empty.next.offset == 0);
    publish(&hub, "a", named(&["jobs", "user:7", "user:ann"]));
    publish(&hub, "c", Target::Everyone);
    publish(&hub, "b", Target::Everyone);
    publish(&hub, "a", named(&["@/chat:user:8", "user:8", "@/chat:jobs"]));
    let first = hub.read_feed("n", Some(empty.next), 2, now()).expect("the feed");
    assert_eq!((offsets(&first), first.end, first.next.offset), (vec![1, 2], 3, 2));
    assert_eq!(first.events[0].users().collect::<Vec<_>>(), ["7", "ann"]);
    assert_eq!(first.events[0].channels().collect::<Vec<_>>(), ["jobs"]);
    assert_eq!(&*first.events[1].event.publication().event_type, "b");
    let rest = hub.read_feed("n", Some(first.next), 2, now()).expect("the feed");
    assert_eq!((offsets(&rest), rest.next.offset, rest.recovered), (vec![3], 3, true));
    assert_eq!(rest.events[0].users().collect::<Vec<_>>(), ["8"], "also within a namespace, once");
    assert_eq!(rest.events[0].channels().collect::<Vec<_>>(), ["jobs"]);
    let none = hub.read_feed("n", Some(rest.next), 2, now()).expect("the feed");
    assert!(none.events.is_empty() && none.recovered && none.next == rest.next);
}

#[test]
fn a_position_that_means_nothing_any_more_begins_with_the_oldest_that_is_kept() {
    let hub = hub(vec![feed("n", &["a"])], 2_000);
    for _ in 0..100 {
        publish(&hub, "a", named(&["user:7"]));
    }
    let all = hub.read_feed("n", None, 1000, now()).expect("the feed");
    assert!(all.recovered && all.events.len() < 100 && all.end == 100 && all.next.offset == 100);
    let oldest = all.events[0].offset;
    let evicted = Position { epoch: all.epoch, offset: oldest - 2 };
    let future = Position { epoch: all.epoch, offset: 101 };
    let foreign = Position { epoch: Epoch::from_bits(1), offset: 100 };
    for lost in [evicted, future, foreign] {
        let page = hub.read_feed("n", Some(lost), 1000, now()).expect("the feed");
        assert!(!page.recovered && page.events[0].offset == oldest, "{lost:?}");
    }
    let last = Position { epoch: all.epoch, offset: oldest - 1 };
    let page = hub.read_feed("n", Some(last), 1000, now()).expect("the feed");
    assert!(page.recovered && page.events[0].offset == oldest);
}
