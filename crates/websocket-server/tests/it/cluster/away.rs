//! Redis is away, comes back, has forgotten, is full, wants another password; and nodes that start without it.

use std::time::Duration;

use serde_json::{Value, json};
use test_kit::raw::Frame;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Follower, Redis, RedisOptions, Server, eventually};

use super::super::recovery::{follow, numbers, publish};
use super::presence::Socket;
use super::{Nodes, is_up, of};

/// Publishes one until it is taken.
fn publish_until_taken(server: &Server, n: u64) {
    let body = json!({"type": "x", "channel": "jobs", "data": n, "idempotency_key": format!("key-{n}")});
    eventually(PATIENCE, || {
        let item = server.post("/broadcast/batch", &json!([body])).json()[0].clone();
        assert!(item["success"] == true || item["status"] == 503, "{item}");
        item["success"] == true
    });
}

#[test]
fn while_redis_is_away_nobody_is_disconnected_and_nothing_that_was_taken_is_lost() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let mut followers: Vec<(Client, Follower)> =
        [&a, &b].iter().map(|node| follow(&of(node, 7), &["jobs"])).collect();
    let mut plain = Client::welcomed(&b.ws());
    plain.subscribe(&["jobs", "loose"]);
    publish(&a, &json!({"channel": "jobs"}), 0..5);
    for round in 0..3 {
        cluster.redis.kill();
        eventually(PATIENCE, || !is_up(&a) && !is_up(&b));
        let health = a.get("/health");
        assert_eq!((health.status, health.json()["status"].clone()), (200, json!("degraded")));
        let refused = a.post("/broadcast", &json!({"type": "x", "channel": "jobs"}));
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.header("retry-after").is_some());
        // What nothing keeps goes to the node's own clients.
        assert_eq!(b.broadcast(&json!({"type": "near", "channel": "loose", "data": round}))["recipients"], 1);
        cluster.redis.resume();
        publish_until_taken(&a, 5 + round * 2);
        publish_until_taken(&b, 6 + round * 2);
    }
    a.broadcast(&json!({"type": "end", "channel": "jobs"}));
    for (client, follower) in &mut followers {
        assert_eq!(numbers(&follower.take_until(client, "end")), (0..11).collect::<Vec<_>>());
    }
    let events = plain.collect_until("end");
    assert_eq!(numbers(&events), (0..11).collect::<Vec<_>>());
    assert_eq!(events.iter().filter(|event| event["type"] == "near").count(), 3);
    eventually(PATIENCE, || a.get("/health").json()["status"] == "healthy");
}

#[test]
fn a_node_that_was_cut_off_gives_its_clients_what_others_published_meanwhile() {
    let cluster = Nodes::new();
    let proxy = test_kit::Proxy::to(cluster.redis.address());
    let b = cluster.start();
    let a = cluster.launch().env("REDIS_URL", format!("redis://{}", proxy.address())).start();
    let (mut client, mut follower) = follow(&of(&a, 7), &["jobs", "short"]);
    let mut plain = Client::welcomed(&a.ws());
    plain.subscribe(&["jobs"]);
    proxy.cut();
    eventually(PATIENCE, || !is_up(&a));
    publish(&b, &json!({"channel": "jobs"}), 0..100);
    proxy.restore();
    b.broadcast(&json!({"type": "end", "channel": "jobs"}));
    assert_eq!(numbers(&follower.take_until(&mut client, "end")), (0..100).collect::<Vec<_>>());
    assert_eq!(numbers(&plain.collect_until("end")), (0..100).collect::<Vec<_>>());
    // More than the stream keeps: who counts on being told comes back, and is.
    proxy.cut();
    eventually(PATIENCE, || !is_up(&a));
    publish(&b, &json!({"channel": "short"}), 0..10);
    proxy.restore();
    assert_eq!(client.expect_close().0, 4010);
    let mut client = Client::welcomed(&of(&a, 7));
    let answer = follower.subscribe(&mut client, &["jobs", "short"]);
    assert_eq!(answer["data"]["positions"]["short"]["recovered"], false, "{answer}");
    assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], true, "{answer}");
}

#[test]
fn a_redis_that_has_forgotten_begins_a_new_life_and_clients_are_told() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let (mut client, mut follower) = follow(&of(&a, 7), &["jobs"]);
    publish(&b, &json!({"channel": "jobs"}), 0..5);
    b.broadcast(&json!({"type": "end", "channel": "jobs"}));
    follower.take_until(&mut client, "end");
    cluster.redis.kill();
    // Each has noticed it, so that none answers for the life that is over.
    eventually(PATIENCE, || !is_up(&a) && !is_up(&b));
    cluster.redis.forget();
    cluster.redis.resume();
    assert_eq!(client.expect_close().0, 4010);
    let epoch = follower.epoch("jobs").to_owned();
    for node in [&b, &a] {
        eventually(PATIENCE, || is_up(node));
        let mut again = Client::welcomed(&of(node, 7));
        let mut follower = follower.clone();
        let answer = follower.subscribe(&mut again, &["jobs"]);
        assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], false, "{answer}");
        assert_ne!(answer["data"]["positions"]["jobs"]["epoch"], Value::from(epoch.clone()));
    }
    let mut fresh = Client::welcomed(&of(&a, 7));
    let mut follower = Follower::new();
    follower.subscribe(&mut fresh, &["jobs"]);
    publish(&b, &json!({"channel": "jobs"}), 0..3);
    b.broadcast(&json!({"type": "end", "channel": "jobs"}));
    assert_eq!(numbers(&follower.take_until(&mut fresh, "end")), [0, 1, 2]);
}

#[test]
fn a_full_redis_refuses_and_takes_again_when_there_is_room() {
    let cluster = Nodes::on(RedisOptions::new().durable().start());
    let a = cluster.start();
    let (mut client, mut follower) = follow(&a.ws(), &["jobs"]);
    publish(&a, &json!({"channel": "jobs"}), 0..3);
    cluster.redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = a.post("/broadcast", &json!({"type": "x", "channel": "jobs"}));
    assert_eq!(
        (refused.status, refused.json()["code"].clone()),
        (503, json!("storage_full")),
        "{}",
        refused.text()
    );
    assert!(is_up(&a), "it is there, and full");
    cluster.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    for n in 3..6 {
        // One batch after the other: none is taken for one that was refused.
        cluster.redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
        let batch = json!([{"type": "x", "channel": "jobs"}, {"type": "x", "channel": "jobs"}]);
        let refused = a.post("/broadcast/batch", &batch).json();
        assert!(
            refused.as_array().is_some_and(|items| items.iter().all(|item| item["status"] == 503)),
            "{refused}"
        );
        cluster.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
        publish(&a, &json!({"channel": "jobs"}), n..n + 1);
    }
    a.broadcast(&json!({"type": "end", "channel": "jobs"}));
    assert_eq!(numbers(&follower.take_until(&mut client, "end")), (0..6).collect::<Vec<_>>());
}

#[test]
fn a_wrong_password_stops_the_start_with_a_line_that_does_not_show_it() {
    let redis = RedisOptions::new().password("the-right-one").start();
    let cluster = Nodes::on(redis);
    let url = format!("redis://:the-wrong-one@{}", cluster.redis.address());
    let finished = cluster.launch().env("REDIS_URL", url).run();
    assert!(finished.code != Some(0));
    let log = finished.stderr;
    assert!(log.contains("REDIS_URL") && !log.contains("the-wrong-one"), "{log}");
}

#[test]
fn a_node_starts_without_redis_serves_whom_it_has_and_joins_once_it_is_there() {
    let cluster = Nodes::on(Redis::durable());
    cluster.redis.kill();
    let a = cluster.start();
    let mut client = Client::welcomed(&of(&a, 7));
    assert_eq!(a.get("/health").json()["status"], "degraded");
    assert_eq!(a.broadcast(&json!({"type": "near", "channel": "loose"}))["recipients"], 0);
    client.send_json(&json!({"type": "subscribe", "channels": ["jobs"], "recoverable": true}));
    assert!(client.read_for(Duration::from_millis(300)).is_empty(), "it waits");
    cluster.redis.resume();
    assert_eq!(client.expect_type("subscribed")["data"]["channels"], json!(["jobs"]));
    publish_until_taken(&a, 1);
    assert_eq!(client.expect_type("x")["data"], 1);
}

#[test]
fn what_waited_in_vain_is_said_in_the_shape_of_each_world() {
    let cluster = Nodes::on(Redis::durable());
    cluster.redis.kill();
    let a = cluster.start();
    let mut on_ws = Client::welcomed(&of(&a, 7));
    let mut on_dashboard = Client::connect(&of(&a, 7).replace("/ws", "/"));
    let mut socket = Socket::of(&a, 7);
    on_ws.send_json(&json!({"type": "subscribe", "channels": ["jobs"]}));
    on_dashboard.send_json(&json!({"type": "subscribe", "queueId": "q"}));
    socket.0.send(&Frame::text(r#"42/chat,["subscribe",{"channels":["jobs"]}]"#));
    // Ten seconds of patience, and some for a busy machine.
    let error = on_ws.next_json_within(Duration::from_secs(60));
    assert_eq!((&error["type"], &error["data"]["code"]), (&json!("error"), &json!("unavailable")), "{error}");
    let error = on_dashboard.next_json_within(Duration::from_secs(60));
    assert_eq!(error["type"], "error", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("other nodes")), "flat: {error}");
    let packet = socket.packet();
    assert!(packet.starts_with(r#"42/chat,["error",{"code":"unavailable""#), "{packet}");
}
