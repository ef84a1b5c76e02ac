//! Several hubs on one Redis, from outside: what is published to one reaches the clients of all, who comes back on another
//! misses nothing, and what becomes of it when a node or Redis is away.
//!
//! Not here: each promise of the broker (the `broker` crate's tests), the engine under every kind of break (its simulation).

mod away;
mod coming_back;
mod operators;
mod presence;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Launch, Redis, Server, Signer, eventually};

use super::{SECRET, launch, with_token};

/// All but `loose` keep what they had.
const RULES: &str = "
[[channels]]
pattern = \"loose\"
history = { size = 0, age = \"1h\" }

[[channels]]
pattern = \"short\"
history = { size = 3, age = \"1h\" }

[[channels]]
pattern = \"jobs\"
history = { size = 10000, age = \"1h\" }

[[channels]]
pattern = \"more\"
history = { size = 10000, age = \"1h\" }

[[channels]]
pattern = \"task\"
history = { size = 10000, age = \"1h\" }

[[channels]]
pattern = \"user:*\"
history = { size = 10000, age = \"1h\" }

[[channels]]
pattern = \"@all\"
history = { size = 10000, age = \"1h\" }
";

/// A cluster that can be started.
pub(crate) struct Nodes {
    pub(crate) redis: Redis,
    rules: Directory,
}

impl Nodes {
    pub(crate) fn new() -> Self {
        Self::on(Redis::durable())
    }

    pub(crate) fn on(redis: Redis) -> Self {
        let rules = Directory::new();
        rules.write("rules.toml", RULES);
        Self { redis, rules }
    }

    pub(crate) fn launch(&self) -> Launch {
        launch()
            .env("REDIS_URL", self.redis.url())
            .env("REDIS_PREFIX", "test")
            .env("FANFARE_CONFIG", self.rules.path().join("rules.toml"))
            .env("JWT_SECRET", SECRET)
            .env("WS_RATE_LIMIT", "0")
            .env("RUST_LOG", "info")
    }

    pub(crate) fn start(&self) -> Server {
        self.launch().start()
    }

    /// Two nodes that know of each other.
    pub(crate) fn pair(&self) -> (Server, Server) {
        let (a, b) = (self.start(), self.start());
        eventually(PATIENCE, || [&a, &b].iter().all(|node| nodes(node) == 2));
        (a, b)
    }
}

/// How many nodes a node knows of.
pub(crate) fn nodes(server: &Server) -> u64 {
    server.metric("fanfare_cluster_nodes", &[]).map_or(0, |count| count as u64)
}

/// Whether a node has its broker.
pub(crate) fn is_up(server: &Server) -> bool {
    server.metric("fanfare_broker_up", &[]) == Some(1.0)
}

/// Publishes what so many connections of all nodes get. A node that does not say within half a second how many of its own got it
/// is not counted, which happens where the machine is busy; they get it all the same.
#[track_caller]
fn publish_to(node: &Server, event: &Value, recipients: u64) {
    let begun = Instant::now();
    let answer = node.post("/broadcast", event);
    let is_late = begun.elapsed() >= Duration::from_millis(500);
    // For a connection alone that nobody has counted it is a 404.
    assert!(answer.status == 200 || is_late && answer.status == 404, "{}", answer.text());
    let told = answer.json()["recipients"].as_u64().unwrap_or_default();
    assert!(told == recipients || is_late && told < recipients, "{told} and not {recipients}: {event}");
}

/// The address of `/ws` as a user.
pub(crate) fn of(server: &Server, user: u64) -> String {
    with_token(server, &Signer::hs256(SECRET).user(user))
}

#[test]
fn what_is_published_to_one_node_reaches_the_clients_of_all_in_one_order() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let mut clients: Vec<Client> =
        [&a, &a, &b, &b].iter().map(|node| Client::welcomed(&of(node, 7))).collect();
    for client in &mut clients {
        client.subscribe(&["jobs"]);
    }
    let targets = [
        json!({"channel": "jobs"}),
        json!({"user_id": 7}),
        json!({}),
        json!({"channel": "jobs", "user_id": 7}),
    ];
    for n in 0..80 {
        let node = if n % 2 == 0 { &a } else { &b };
        let mut event = json!({ "type": "x", "data": n });
        let (event_of, target) = (event.as_object_mut(), targets[n % 4].as_object());
        event_of.expect("an object").extend(target.expect("an object").clone());
        publish_to(node, &event, 4);
    }
    for client in &mut clients {
        let got: Vec<Value> = (0..80).map(|_| client.expect_type("x")["data"].clone()).collect();
        assert_eq!(got, (0..80).map(Value::from).collect::<Vec<_>>());
    }
}

#[test]
fn a_publication_names_a_connection_of_another_node_and_leaves_one_out() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let (mut on_a, mut on_b) = (Client::welcomed(&a.ws()), Client::welcomed(&b.ws()));
    on_a.subscribe(&["jobs"]);
    on_b.subscribe(&["jobs"]);
    let id = on_b.connection_id().to_owned();
    publish_to(&a, &json!({"type": "one", "connection_id": id}), 1);
    on_b.expect_type("one");
    let body = json!({"type": "rest", "channel": "jobs", "except_connection_id": id});
    assert_eq!(a.broadcast(&body)["recipients"], 1);
    b.broadcast(&json!({"type": "end", "channel": "jobs"}));
    assert_eq!(on_a.expect_type("rest")["type"], "rest");
    assert!(on_b.collect_until("end").iter().all(|event| event["type"] != "rest"));
    let unknown =
        a.post("/broadcast", &json!({"type": "x", "connection_id": "00000000-0000-4000-8000-000000000000"}));
    assert_eq!(unknown.status, 404, "{}", unknown.text());
}

#[test]
fn a_key_that_is_repeated_through_another_node_gets_the_first_id_and_sends_nothing() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let mut client = Client::welcomed(&b.ws());
    client.subscribe(&["jobs"]);
    let item = |key: &str, n: u64| json!({"type": "x", "channel": "jobs", "data": n, "idempotency_key": key});
    let first = a.post("/broadcast/batch", &json!([item("k1", 1), item("k2", 2)])).json();
    let again = b.post("/broadcast/batch", &json!([item("k2", 3), item("k1", 4), item("k3", 5)])).json();
    assert_eq!((&first[0]["id"], &first[1]["id"]), (&again[1]["id"], &again[0]["id"]));
    assert_eq!(again[0]["recipients"], 1, "what the first call was answered: {again}");
    let numbers: Vec<Value> = (0..3).map(|_| client.expect_type("x")["data"].clone()).collect();
    assert_eq!(numbers, [1, 2, 5]);
    b.broadcast(&json!({"type": "end", "channel": "jobs"}));
    assert_eq!(client.collect_until("end").len(), 1, "nothing was sent twice");
}

#[test]
fn a_subscription_holds_once_it_is_answered_whoever_publishes() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    for n in 0..30 {
        let mut client = Client::welcomed(&b.ws());
        let channel = format!("fresh-{n}");
        client.subscribe(&[&channel]);
        publish_to(&a, &json!({"type": "x", "channel": channel}), 1);
        client.expect_type("x");
    }
}

#[test]
fn state_history_and_positions_are_the_same_on_every_node() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    a.broadcast(&json!({"type": "step", "channel": "task", "data": 1, "retain": {"key": "t"}}));
    a.broadcast(&json!({"type": "step", "channel": "task", "data": 2, "retain": {"key": "t"}}));
    let mut pages = Vec::new();
    for node in [&a, &b] {
        let mut client = Client::welcomed(&node.ws());
        client.send_json(&json!({"type": "subscribe", "channels": ["task"], "recoverable": true}));
        let answer = client.expect_type("subscribed");
        assert_eq!(client.expect_type("step")["data"], 2, "the state");
        client.send_json(&json!({"type": "history", "channel": "task", "limit": 10}));
        pages.push((
            answer["data"]["positions"]["task"].clone(),
            client.expect_type("history")["data"].clone(),
        ));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0].1["events"].as_array().map(Vec::len), Some(2));
}
