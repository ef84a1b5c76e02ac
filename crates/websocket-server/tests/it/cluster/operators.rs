//! What operators ask of all nodes, and what a node says when nodes are not alike.

use serde_json::{Value, json};
use test_kit::http::Answer;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Server, eventually};

use super::super::broadcast::expect_problem;
use super::{Nodes, is_up, nodes, of};

const MISSING: &str = "fanfare-nodes-missing";

fn json_of(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header(MISSING)), (200, None), "{}", answer.text());
    answer.json()
}

/// What all nodes answer together. A node that is too slow for it is missing, which the answer says; then it is asked for again.
#[track_caller]
fn ask(node: &Server, path: &str) -> Value {
    let mut whole = None;
    eventually(PATIENCE, || {
        whole = Some(node.get(path)).filter(|answer| answer.header(MISSING).is_none());
        whole.is_some()
    });
    json_of(&whole.expect("an answer"))
}

/// A client of a user with these channels.
fn enter(server: &Server, user: u64, channels: &[&str]) -> Client {
    let mut client = Client::welcomed(&of(server, user));
    client.subscribe(channels);
    client
}

#[test]
fn stats_of_the_cluster_are_the_sum_of_its_nodes_in_the_same_shape() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let _clients = [
        enter(&a, 1, &["jobs", "prices"]),
        enter(&a, 2, &["jobs"]),
        enter(&b, 3, &["jobs"]),
        enter(&b, 4, &["only-b"]),
    ];
    let all = json!({"total": 4, "by_channel": {"jobs": 3, "only-b": 1, "prices": 1}});
    for node in [&a, &b] {
        assert_eq!(ask(node, "/stats?scope=cluster"), all);
    }
    assert_eq!(ask(&a, "/stats"), json!({"total": 2, "by_channel": {"jobs": 2, "prices": 1}}));
    assert_eq!(ask(&b, "/stats?scope=node"), json!({"total": 2, "by_channel": {"jobs": 1, "only-b": 1}}));
    for path in ["/stats?scope=all", "/channels?scope=x", "/channels/jobs?scope=1"] {
        assert_eq!(expect_problem(&a.get(path), 422, "invalid")["member"], "scope", "{path}");
    }
}

#[test]
fn one_publication_has_at_most_a_thousand_targets() {
    let cluster = Nodes::new();
    let (a, _b) = cluster.pair();
    let to = |count: u32| json!({"type": "x", "user_ids": (1..=count).collect::<Vec<_>>()});
    assert_eq!(a.post("/broadcast", &to(1_000)).status, 200);
    assert_eq!(expect_problem(&a.post("/broadcast", &to(1_001)), 422, "invalid")["member"], "user_ids");
    let channels: Vec<String> = (1..=1_001).map(|number| format!("room-{number}")).collect();
    let to_channels = json!({"type": "x", "channels": channels});
    assert_eq!(expect_problem(&a.post("/broadcast", &to_channels), 422, "invalid")["member"], "channels");
}

#[test]
fn channels_and_users_are_told_and_ended_over_all_nodes() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let mut one = enter(&a, 7, &["jobs", "a-only"]);
    let mut two = enter(&b, 7, &["jobs"]);
    let mut other = enter(&b, 8, &["jobs", "b-only"]);
    a.broadcast(&json!({"type": "x", "channel": "jobs"}));
    let page = ask(&a, "/channels?limit=2");
    let names: Vec<&Value> =
        page["channels"].as_array().expect("rows").iter().map(|row| &row["name"]).collect();
    assert_eq!((names, &page["next"]), (vec![&json!("a-only"), &json!("b-only")], &json!("b-only")));
    let page = ask(&a, "/channels?after=b-only");
    assert_eq!(
        page["channels"][0],
        json!({"name": "jobs", "subscribers": 3, "followers": 3, "offset": 1, "durable": false})
    );
    let mine = ask(&a, "/channels?scope=node&limit=2");
    assert_eq!(
        (&mine["channels"][1]["name"], &mine["channels"][1]["subscribers"]),
        (&json!("jobs"), &json!(1))
    );
    // One that nobody follows on the node that is asked.
    let channel = ask(&a, "/channels/b-only");
    assert_eq!((&channel["subscribers"], &channel["presence"]["count"]), (&json!(1), &json!(1)));
    assert_eq!(channel["presence"]["users"][0]["user_id"], 8);
    b.broadcast(&json!({"type": "x", "channel": "quiet"}));
    let quiet = ask(&a, "/channels/quiet");
    assert_eq!((&quiet["subscribers"], &quiet["history"]["kept"]), (&json!(0), &json!(1)));
    expect_problem(&a.get("/channels/nobody-knows"), 404, "channel_not_found");
    let connections = ask(&a, "/users/7/connections");
    assert_eq!(connections["count"], 2);
    let mut ids = [one.connection_id().to_owned(), two.connection_id().to_owned()];
    ids.sort();
    for (place, id) in ids.iter().enumerate() {
        assert_eq!(&connections["connections"][place]["connection_id"], id);
    }
    assert_eq!(json_of(&a.post("/users/7/disconnect", &json!({}))), json!({"disconnected": 2}));
    for client in [&mut one, &mut two] {
        client.expect_type("x");
        assert_eq!(client.expect_close().0, 4012);
    }
    assert!(other.ping_barrier().iter().all(|event| event["type"] == "x"));
}

#[test]
fn a_node_that_does_not_answer_is_missing_and_said_to_be() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let _clients = [enter(&a, 7, &["jobs"]), enter(&b, 7, &["jobs"])];
    let stop = |signal: &str| {
        let status = std::process::Command::new("kill").args([signal, &b.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    };
    stop("-STOP");
    let answers = ["/stats?scope=cluster", "/channels", "/users/7/connections"].map(|path| a.get(path));
    stop("-CONT");
    // The node may be taken for dead by the last of them.
    assert_eq!((answers[0].status, answers[0].header(MISSING)), (200, Some("1")));
    assert_eq!(answers[0].json(), json!({"total": 1, "by_channel": {"jobs": 1}}));
    assert!(answers.iter().all(|answer| answer.status == 200));
    eventually(PATIENCE, || a.get("/stats?scope=cluster").json()["total"] == 2);
    cluster.redis.kill();
    eventually(PATIENCE, || !is_up(&a));
    let alone = a.get("/stats?scope=cluster");
    assert_eq!((alone.status, alone.header(MISSING)), (200, Some("1")));
    assert_eq!(alone.json()["total"], 1);
}

#[test]
fn health_tells_of_the_broker_and_the_nodes() {
    let cluster = Nodes::new();
    let (a, _b) = cluster.pair();
    let health = a.get("/health").json();
    assert_eq!(
        (&health["status"], &health["nodes"], &health["reasons"]),
        (&json!("healthy"), &json!(2), &Value::Null)
    );
    let broker = &health["broker"];
    assert_eq!(
        (&broker["kind"], &broker["status"], &broker["durable"]),
        (&json!("redis"), &json!("up"), &json!(true))
    );
    assert!(broker["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{health}");
    cluster.redis.kill();
    eventually(PATIENCE, || a.get("/health").json()["status"] == "degraded");
    let health = a.get("/health").json();
    assert_eq!(health["broker"]["status"], "down");
    assert!(health["reasons"][0].as_str().is_some_and(|reason| reason.starts_with("redis: ")), "{health}");
}

#[test]
fn two_nodes_with_different_channel_rules_say_so_until_they_agree() {
    let cluster = Nodes::new();
    let rules = Directory::new();
    let other = "[[channels]]\npattern = \"*\"\nhistory = { size = 7, age = \"1h\" }\n";
    rules.write("rules.toml", other);
    let a = cluster.launch().env("NODE_NAME", "node-a").start();
    let file = rules.path().join("rules.toml");
    let b = cluster.launch().env("NODE_NAME", "node-b").env("FANFARE_CONFIG", &file).start();
    for (node, name) in [(&a, "node-b"), (&b, "node-a")] {
        eventually(PATIENCE, || node.metric("fanfare_cluster_conflicts", &[]) == Some(1.0));
        let health = node.get("/health");
        assert_eq!((health.status, health.json()["status"].clone()), (200, json!("degraded")));
        assert_eq!(
            health.json()["reasons"],
            json!([format!("rules: the node {name} goes by other channel rules")])
        );
        let line = node.wait_for_log("go by different rules");
        assert!(
            line.contains("node-a") && line.contains("node-b") && line.contains("channel rules"),
            "{line}"
        );
    }
    rules.write("rules.toml", super::RULES);
    b.hang_up();
    for node in [&a, &b] {
        eventually(PATIENCE, || node.metric("fanfare_cluster_conflicts", &[]) == Some(0.0));
        assert_eq!(node.get("/health").json()["status"], "healthy");
        assert_eq!(nodes(node), 2);
    }
}
