//! Recovery step by step, as its contract tells it.

use std::cell::RefCell;

use hub::{Limits, Wire};
use protocol::publication::Audience;
use protocol::{ChannelName, Stream, Target};
use serde_json::{Value, json};

use crate::bench::{Bench, channel, frames, user};
use crate::link::Pipe;
use crate::wire::Frame;

fn texts(pipe: &RefCell<Pipe>) -> Vec<Value> {
    let json = |frame| match frame {
        Frame::Json(value) => Some(value),
        _ => None,
    };
    frames(pipe).into_iter().filter_map(json).collect()
}

fn of_type<'v>(texts: &'v [Value], kind: &str) -> Vec<&'v Value> {
    texts.iter().filter(|text| text["type"] == kind).collect()
}

/// The offsets of the events behind the last answer.
fn offsets(pipe: &RefCell<Pipe>) -> Vec<u64> {
    let texts = texts(pipe);
    let last = texts.iter().rposition(|text| text["data"].get("positions").is_some()).expect("an answer");
    texts[last..].iter().filter_map(|text| text["offset"].as_u64()).collect()
}

fn subscribe(channels: &[&str], positions: &Value) -> String {
    json!({"type": "subscribe", "channels": channels, "recoverable": true, "positions": positions})
        .to_string()
}

fn both() -> Target {
    let streams = ["a", "b"].map(|name| Stream::channel(ChannelName::new(name).expect("name")));
    Target::Named(Audience { streams: streams.into(), connection: None })
}

/// A connection that follows channels and recovers, and what it was answered.
fn follow(
    bench: &mut Bench,
    channels: &[&str],
    positions: &Value,
) -> (u32, std::rc::Rc<RefCell<Pipe>>, Value) {
    let (key, pipe) = bench.open(0, Wire::Channels, None);
    bench.say(0, key, &subscribe(channels, positions));
    bench.deliver();
    let answer = of_type(&texts(&pipe), "subscribed")[0]["data"].clone();
    (key, pipe, answer)
}

#[test]
fn the_answer_tells_the_position_of_every_stream_that_is_followed() {
    let mut bench = Bench::new(Limits::default(), 1);
    bench.publish(channel("jobs"), 5);
    let (key, pipe) = bench.open(0, Wire::Channels, Some(user(7)));
    bench.say(0, key, &subscribe(&["jobs"], &json!({})));
    let texts = texts(&pipe);
    let data = &of_type(&texts, "subscribed")[0]["data"];
    let told: Vec<(&String, &Value)> = data["positions"]
        .as_object()
        .expect("positions")
        .iter()
        .map(|(name, at)| (name, &at["offset"]))
        .collect();
    assert_eq!(
        told,
        [(&"@all".to_owned(), &json!(0)), (&"jobs".to_owned(), &json!(1)), (&"user:7".to_owned(), &json!(0))]
    );
    assert!(data["resume"].is_string() && data["positions"]["jobs"].get("recovered").is_none());
}

#[test]
fn who_comes_back_gets_what_it_missed_in_order_and_then_live_events() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (key, pipe, answer) = follow(&mut bench, &["jobs"], &json!({}));
    bench.publish(channel("jobs"), 5);
    bench.deliver();
    assert_eq!(offsets(&pipe), [1]);
    bench.shards[0].end(key);
    for _ in 0..3 {
        bench.publish(channel("jobs"), 5);
    }
    let epoch = &answer["positions"]["jobs"]["epoch"];
    let given = json!({"jobs": {"epoch": epoch, "offset": 1}});
    let (_, pipe, answer) = follow(&mut bench, &["jobs"], &given);
    bench.publish(channel("jobs"), 5);
    bench.deliver();
    assert_eq!(answer["positions"]["jobs"], json!({"epoch": epoch, "offset": 4, "recovered": true}));
    assert_eq!(offsets(&pipe), [2, 3, 4, 5]);
}

#[test]
fn positions_of_another_epoch_or_of_the_future_are_not_recovered() {
    let mut bench = Bench::new(Limits::default(), 1);
    bench.publish(channel("jobs"), 5);
    let (_, _, answer) = follow(&mut bench, &["jobs"], &json!({}));
    let epoch = &answer["positions"]["jobs"]["epoch"];
    for given in [json!({"epoch": "AAAAAAAA", "offset": 1}), json!({"epoch": epoch, "offset": 2})] {
        let (_, pipe, answer) = follow(&mut bench, &["jobs"], &json!({ "jobs": given }));
        assert_eq!(answer["positions"]["jobs"], json!({"epoch": epoch, "offset": 1, "recovered": false}));
        assert_eq!(offsets(&pipe), [0_u64; 0]);
    }
}

#[test]
fn an_event_of_two_streams_comes_once_with_its_offset_in_the_other() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (_, pipe, answer) = follow(&mut bench, &["a", "b"], &json!({}));
    bench.publish(channel("a"), 5);
    bench.publish(both(), 5);
    bench.deliver();
    let events = texts(&pipe);
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["channel"], &last["offset"], &last["also"]),
        (&json!("a"), &json!(2), &json!({"b": 1}))
    );
    // It has the event in b: in a it is not sent again, and what follows is.
    bench.publish(channel("a"), 5);
    let epoch = |name: &str| answer["positions"][name]["epoch"].clone();
    let given = json!({"a": {"epoch": epoch("a"), "offset": 1}, "b": {"epoch": epoch("b"), "offset": 1}});
    let (_, pipe, _) = follow(&mut bench, &["a", "b"], &given);
    assert_eq!(offsets(&pipe), [3]);
}

#[test]
fn a_stream_that_is_joined_later_does_not_hide_what_was_missed_in_another() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (_, _, answer) = follow(&mut bench, &["a"], &json!({}));
    bench.publish(both(), 5);
    // It follows b from here on; that it never had the event there, the hub knows.
    let (key, pipe, _) = follow(&mut bench, &["b"], &json!({}));
    let given = json!({"a": {"epoch": answer["positions"]["a"]["epoch"], "offset": 0}});
    bench.say(0, key, &subscribe(&["a"], &given));
    bench.deliver();
    assert_eq!(offsets(&pipe), [1]);
}

#[test]
fn a_token_works_once_and_takes_over_from_a_connection_that_is_open() {
    let mut bench = Bench::new(Limits::default(), 2);
    let (_, old, answer) = follow(&mut bench, &["jobs"], &json!({}));
    let token = answer["resume"].as_str().expect("a token").to_owned();
    let positions = json!({"jobs": {"epoch": answer["positions"]["jobs"]["epoch"], "offset": 0}});
    bench.publish(channel("jobs"), 5);
    let resume = json!({"type": "resume", "token": token, "positions": positions}).to_string();
    let (first, second) = (bench.open(1, Wire::Channels, None), bench.open(1, Wire::Channels, None));
    bench.say(1, first.0, &resume);
    bench.say(1, second.0, &resume);
    for _ in 0..3 {
        bench.deliver();
    }
    let told = texts(&first.1);
    let data = &of_type(&told, "resumed")[0]["data"];
    assert_eq!(data["channels"], json!(["jobs"]));
    assert_eq!(data["positions"]["@all"]["recovered"], json!(false), "no position was given");
    assert_eq!(data["positions"]["jobs"]["recovered"], json!(true));
    assert_ne!(data["resume"], json!(token));
    assert_eq!(offsets(&first.1), [1]);
    let told = texts(&second.1);
    assert_eq!(of_type(&told, "error")[0]["data"]["code"], "not_found");
    assert!(matches!(frames(&old).last(), Some(Frame::Close(4011, _))), "the old one is closed");
}

#[test]
fn a_slow_client_is_replayed_as_it_reads_and_is_not_closed_for_it() {
    let limits = Limits { outbox_bytes: 8 << 10, outbox_frames: 8, ..Limits::default() };
    let mut bench = Bench::new(limits, 1);
    let (_, _, answer) = follow(&mut bench, &["jobs"], &json!({}));
    for _ in 0..300 {
        bench.publish(channel("jobs"), 500);
    }
    bench.deliver();
    let (key, pipe) = bench.open(0, Wire::Channels, None);
    let given = json!({"jobs": {"epoch": answer["positions"]["jobs"]["epoch"], "offset": 0}});
    pipe.borrow_mut().room = Some(700);
    bench.say(0, key, &subscribe(&["jobs"], &given));
    for _ in 0..400 {
        bench.deliver();
        pipe.borrow_mut().room = Some(900);
        bench.shards[0].on_writable(key);
        bench.publish(channel("jobs"), 20);
        let waiting = bench.hub.metrics().outbox_bytes.get();
        assert!(waiting < 16 << 10, "{waiting} bytes wait");
    }
    pipe.borrow_mut().room = None;
    bench.shards[0].on_writable(key);
    bench.deliver();
    assert_eq!(offsets(&pipe), (1..=700).collect::<Vec<u64>>());
}

#[test]
fn after_an_unsubscribe_nothing_more_is_replayed() {
    let limits = Limits { outbox_bytes: 8 << 10, ..Limits::default() };
    let mut bench = Bench::new(limits, 1);
    let (_, _, answer) = follow(&mut bench, &["a"], &json!({}));
    for _ in 0..50 {
        bench.publish(channel("a"), 500);
    }
    let (key, pipe) = bench.open(0, Wire::Channels, None);
    let given = json!({"a": {"epoch": answer["positions"]["a"]["epoch"], "offset": 0}});
    bench.say(0, key, &subscribe(&["a"], &given));
    bench.say(0, key, r#"{"type":"unsubscribe","channels":["a"]}"#);
    bench.deliver();
    let texts = texts(&pipe);
    assert_eq!(texts.last().expect("an answer")["type"], "unsubscribed");
    assert!(of_type(&texts, "e").len() < 50);
}

#[test]
fn history_is_told_newest_first_in_pages() {
    let mut bench = Bench::new(Limits::default(), 1);
    for _ in 0..5 {
        bench.publish(channel("jobs"), 5);
    }
    let (key, pipe) = bench.open(0, Wire::Channels, None);
    for (ask, offsets, more) in [
        (json!({"type": "history", "channel": "jobs", "limit": 2}), vec![5, 4], true),
        (json!({"type": "history", "channel": "jobs", "limit": 9, "before": 4}), vec![3, 2, 1], false),
        (json!({"type": "history", "channel": "jobs", "before": 1}), vec![], false),
        (json!({"type": "history", "channel": "never"}), vec![], false),
    ] {
        bench.say(0, key, &ask.to_string());
        let told = texts(&pipe);
        let data = &told.last().expect("a page")["data"];
        let events = data["events"].as_array().expect("events").iter();
        let found: Vec<u64> = events.map(|event| event["offset"].as_u64().expect("an offset")).collect();
        assert_eq!((found, &data["more"]), (offsets, &json!(more)));
    }
}
