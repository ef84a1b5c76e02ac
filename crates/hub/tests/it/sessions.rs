//! Sessions that end: the event first, then the close, and nobody else's.

use std::cell::RefCell;
use std::rc::Rc;

use hub::{Identity, Limits, Recipients, Wire};
use protocol::publication::{Audience, CloseSessions};
use protocol::{Stream, Target, UserId};

use crate::bench::{Bench, frames, user};
use crate::link::Pipe;
use crate::wire::Frame;

fn of_session(number: usize, session: &str) -> Identity {
    Identity { session: Some(session.into()), ..user(number) }
}

fn stream(number: usize) -> Stream {
    Stream::user(&UserId::from_number(&number.to_string()).expect("id"))
}

/// The users as a target.
fn to(users: &[usize]) -> Target {
    let streams = users.iter().map(|&number| stream(number)).collect();
    Target::Named(Audience { streams, connection: None })
}

fn closing(users: &[usize], sessions: &[&str]) -> Option<Box<CloseSessions>> {
    let users = users.iter().map(|&number| stream(number)).collect();
    Some(Box::new(CloseSessions {
        users,
        sessions: sessions.iter().map(|&session| session.into()).collect(),
    }))
}

/// What came behind the welcome: events by their number, and the code of a Close.
fn got(pipe: &Rc<RefCell<Pipe>>) -> (usize, Option<u16>) {
    let frames = frames(pipe);
    let events =
        frames.iter().filter(|frame| matches!(frame, Frame::Json(event) if event["type"] == "e")).count();
    let close =
        frames.iter().find_map(|frame| if let Frame::Close(code, _) = frame { Some(*code) } else { None });
    if close.is_some() {
        assert!(matches!(frames.last(), Some(Frame::Close(..))), "nothing comes behind a Close");
    }
    (events, close)
}

#[test]
fn a_session_gets_the_event_and_is_closed_and_others_stay() {
    let mut bench = Bench::new(Limits::default(), 2);
    let (_, first) = bench.open(0, Wire::Channels, Some(of_session(7, "a")));
    let (_, second) = bench.open(1, Wire::ChannelsDeflate, Some(of_session(7, "a")));
    let (_, other) = bench.open(1, Wire::Channels, Some(of_session(7, "b")));
    let (_, without) = bench.open(0, Wire::Channels, Some(Identity { session: None, ..user(7) }));
    let (_, stranger) = bench.open(0, Wire::Channels, Some(of_session(8, "a")));
    let (_, anonymous) = bench.open(1, Wire::Channels, None);
    let recipients = bench.publish_closing(to(&[7]), 10, closing(&[7], &["a"]));
    bench.publish(Target::Everyone, 10);
    bench.deliver();
    let Recipients::Counting(mut counting) = recipients else { panic!("the shards count") };
    assert_eq!(counting.try_recv(), Ok(4));
    assert_eq!((got(&first), got(&second)), ((1, Some(4001)), (1, Some(4001))), "and nothing behind it");
    assert_eq!((got(&other), got(&without)), ((2, None), (2, None)));
    assert_eq!((got(&stranger), got(&anonymous)), ((1, None), (1, None)));
    assert_eq!(bench.hub.metrics().evictions.with_label_values(&["unauthorized"]).get(), 2);
}

#[test]
fn only_the_named_users_connections_are_closed_even_where_the_event_goes_to_everyone() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (_, seven) = bench.open(0, Wire::Channels, Some(of_session(7, "a")));
    let (_, eight) = bench.open(0, Wire::Channels, Some(of_session(8, "a")));
    for (target, events) in [(Target::Everyone, 1), (Target::Named(Audience::default()), 1)] {
        bench.publish_closing(target, 10, closing(&[9], &["a"]));
        bench.deliver();
        assert_eq!((got(&seven), got(&eight)), ((events, None), (events, None)));
    }
    bench.publish_closing(Target::Named(Audience::default()), 10, closing(&[8, 9], &["a"]));
    bench.deliver();
    assert_eq!((got(&seven), got(&eight)), ((1, None), (1, Some(4001))));
}

#[test]
fn who_reads_slowly_gets_the_event_before_the_close() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (key, pipe) = bench.open(0, Wire::Channels, Some(of_session(7, "a")));
    pipe.borrow_mut().room = Some(0);
    for _ in 0..5 {
        bench.publish(Target::Everyone, 1_000);
    }
    bench.publish_closing(to(&[7]), 1_000, closing(&[7], &["a"]));
    bench.publish(Target::Everyone, 1_000);
    bench.deliver();
    assert!(!bench.shards[0].is_open(key), "it gets no more");
    pipe.borrow_mut().room = None;
    bench.shards[0].on_writable(key);
    assert_eq!(got(&pipe), (6, Some(4001)));
    bench.tick_after(1_000);
    assert!(bench.shards[0].is_empty() && bench.hub.registry().is_empty());
    assert_eq!((bench.hub.metrics().outbox_bytes.get(), bench.hub.queued()), (0, 0));
}

#[test]
fn a_crowd_of_one_session_is_closed_while_another_crowd_is_served() {
    let mut bench = Bench::new(Limits::default(), 1);
    let mine: Vec<_> = (0..100).map(|_| bench.open(0, Wire::Channels, Some(of_session(7, "a"))).1).collect();
    let others: Vec<_> =
        (0..100).map(|number| bench.open(0, Wire::Channels, Some(user(100 + number))).1).collect();
    bench.publish(Target::Everyone, 10);
    bench.shards[0].take_inbox(bench.now);
    assert!(bench.shards[0].step(10, bench.now), "it is on its way");
    bench.publish_closing(to(&[7]), 10, closing(&[7], &["a"]));
    bench.publish(Target::Everyone, 10);
    bench.deliver();
    assert!(mine.iter().all(|pipe| got(pipe) == (2, Some(4001))));
    assert!(others.iter().all(|pipe| got(pipe) == (2, None)));
}

#[test]
fn a_refreshed_connection_belongs_to_the_session_of_its_new_token() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (_, pipe) = bench.open(0, Wire::Channels, Some(of_session(7, "old")));
    let id = frames(&pipe)
        .iter()
        .find_map(|frame| match frame {
            Frame::Json(welcome) => {
                welcome["data"]["connection_id"].as_str().and_then(protocol::ConnectionId::parse)
            }
            _ => None,
        })
        .expect("a welcome");
    bench.hub.verified(0, id, Some(of_session(7, "new")));
    bench.publish_closing(to(&[7]), 10, closing(&[7], &["old"]));
    bench.deliver();
    assert_eq!(got(&pipe), (1, None));
    bench.publish_closing(to(&[7]), 10, closing(&[7], &["new"]));
    bench.deliver();
    assert_eq!(got(&pipe), (2, Some(4001)));
}

#[test]
fn a_full_queue_closes_nobody() {
    let mut bench = Bench::new(Limits { queue_publications: 1, ..Limits::default() }, 1);
    let (key, _) = bench.open(0, Wire::Channels, Some(of_session(7, "a")));
    bench.publish(Target::Everyone, 10);
    let outgoing = bench.outgoing(to(&[7]), 10, closing(&[7], &["a"]));
    assert!(bench.hub.publish(outgoing).is_err());
    bench.deliver();
    assert!(bench.shards[0].is_open(key));
}
