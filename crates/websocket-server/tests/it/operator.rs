//! What operators ask and do: who may, what they are told of channels and users, and whom they disconnect.

use serde_json::{Value, json};
use test_kit::http::{Answer, request};
use test_kit::token::in_seconds;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Follower, Server, Signer, eventually};

use super::broadcast::expect_problem;
use super::durable::durable;
use super::recovery::{as_user, publish};
use super::{SECRET, launch, server, server_with_users, with_token};

fn names(page: &Value) -> Vec<&str> {
    page["channels"]
        .as_array()
        .expect("channels")
        .iter()
        .map(|channel| channel["name"].as_str().expect("a name"))
        .collect()
}

fn with_key(server: &Server, method: &str, path: &str, key: &str) -> Answer {
    let authorization = format!("Bearer {key}");
    request(server.address(), method, path, &[("authorization", &authorization)], None)
}

fn disconnect(server: &Server, user: &str) -> Answer {
    request(server.address(), "POST", &format!("/users/{user}/disconnect"), &[], None)
}

const ALL: [(&str, &str); 4] = [
    ("GET", "/channels"),
    ("GET", "/channels/jobs"),
    ("GET", "/users/7/connections"),
    ("POST", "/users/7/disconnect"),
];

#[test]
fn only_administrators_may_ask_and_disconnect() {
    let keys = "shop:secret-of-shop,ops:secret-of-ops:+admin";
    let server = launch().env("JWT_SECRET", SECRET).env("FANFARE_API_KEYS", keys).start();
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.subscribe(&["jobs"]);
    for (method, path) in ALL {
        expect_problem(&request(server.address(), method, path, &[], None), 401, "key_missing");
        expect_problem(&with_key(&server, method, path, "secret-of-nobody"), 401, "key_unknown");
        expect_problem(&with_key(&server, method, path, "secret-of-shop"), 403, "not_admin");
    }
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    for (method, path) in ALL {
        assert_eq!(with_key(&server, method, path, "secret-of-ops").status, 200, "{path}");
    }
    assert_eq!(client.expect_close(), (4012, "Disconnected by an operator".to_owned()));
}

#[test]
fn without_keys_only_this_machine_operates() {
    let server = server();
    for (method, path) in ALL {
        let from = |header| request(server.address(), method, path, &[header], None);
        expect_problem(&from(("x-forwarded-for", "192.0.2.1")), 403, "forwarded_request");
        expect_problem(&from(("origin", "https://evil.example")), 403, "forbidden_origin");
        expect_problem(&from(("host", "evil.example")), 403, "forbidden_host");
    }
}

#[test]
fn channels_are_listed_by_name_and_page_by_page() {
    let server = server_with_users();
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.subscribe(&["a/b", "b", "c:1"]);
    publish(&server, &json!({ "channel": "b" }), 0..3);
    publish(&server, &json!({ "channel": "quiet" }), 0..1);
    let page = server.get("/channels");
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    let page = page.json();
    assert_eq!(names(&page), ["a/b", "b", "c:1", "quiet", "user:7"]);
    assert_eq!(page["next"], Value::Null);
    let of = |name: &str| {
        let all = page["channels"].as_array().expect("channels");
        all.iter().find(|channel| channel["name"] == name).expect("the channel").clone()
    };
    assert_eq!(
        of("b"),
        json!({ "name": "b", "subscribers": 1, "followers": 1, "offset": 3, "durable": false })
    );
    assert_eq!((&of("quiet")["followers"], &of("quiet")["offset"]), (&json!(0), &json!(1)));
    assert_eq!((&of("user:7")["subscribers"], &of("user:7")["followers"]), (&json!(0), &json!(1)));
    let mut paged = Vec::new();
    let mut path = "/channels?limit=2".to_owned();
    loop {
        let part = server.get(&path).json();
        assert!(names(&part).len() <= 2);
        paged.extend(names(&part).into_iter().map(str::to_owned));
        let Some(next) = part["next"].as_str() else { break };
        path = format!("/channels?limit=2&after={}", next.replace('@', "%40").replace('/', "%2F"));
    }
    assert_eq!(paged, names(&page));
    for limit in ["0", "1001", "x", "-1"] {
        let problem = expect_problem(&server.get(&format!("/channels?limit={limit}")), 422, "invalid");
        assert_eq!(problem["member"], "limit");
    }
    assert_eq!(names(&server.get("/channels?limit=1000&after=user:8").json()), Vec::<&str>::new());
}

#[test]
fn a_channel_is_told_with_who_is_there_and_what_is_kept() {
    let data = Directory::new();
    let server = durable(&data).env("JWT_SECRET", SECRET).start();
    let mut clients: Vec<Client> = ["7", "8", "8"]
        .iter()
        .map(|user| Client::welcomed(&as_user(&server, user.parse::<u64>().expect("a number"))))
        .collect();
    let mut follower = Follower::new();
    follower.subscribe(&mut clients[0], &["disk"]);
    clients[1].subscribe(&["disk", "a/b"]);
    clients[2].subscribe(&["disk"]);
    publish(&server, &json!({ "channel": "disk" }), 0..5);
    server.broadcast(&json!({ "type": "x", "channel": "disk", "retain": { "key": "k" } }));
    let told = server.get("/channels/disk").json();
    assert_eq!(
        (&told["name"], &told["subscribers"], &told["followers"]),
        (&json!("disk"), &json!(3), &json!(3))
    );
    assert_eq!(told["retained"], 1);
    let users: Vec<&Value> =
        told["presence"]["users"].as_array().expect("users").iter().map(|user| &user["user_id"]).collect();
    assert_eq!((&told["presence"]["count"], users), (&json!(2), vec![&json!(7), &json!(8)]));
    assert!(told["presence"]["users"][0]["since"].as_str().is_some_and(|since| since.ends_with('Z')));
    let history = &told["history"];
    assert_eq!(
        (&history["offset"], &history["kept"], &history["durable"]),
        (&json!(6), &json!(6), &json!(true))
    );
    assert_eq!(history["epoch"], follower.epoch("disk"));
    assert!(history["oldest"].as_str() <= history["youngest"].as_str() && history["oldest"].is_string());
    // Names as they stand in a path, escaped or not.
    for path in ["/channels/a/b", "/channels/a%2Fb", "/channels/a%2fb"] {
        assert_eq!(server.get(path).json()["name"], "a/b", "{path}");
    }
    for (path, name) in
        [("/channels/user:7", "user:7"), ("/channels/@all", "@all"), ("/channels/%40all", "@all")]
    {
        let told = server.get(path).json();
        assert_eq!((&told["name"], &told["subscribers"]), (&json!(name), &json!(0)), "{path}");
        assert_ne!(told["followers"], 0, "{path}");
    }
    for path in
        ["/channels/nobody", "/channels/", "/channels/%zz", "/channels/@presence:disk", "/channels/%FF"]
    {
        expect_problem(&server.get(path), 404, "channel_not_found");
    }
}

#[test]
fn a_user_is_told_with_all_connections_of_both_kinds() {
    let server = launch().env("JWT_SECRET", SECRET).env("SHARDS", "2").start();
    assert_eq!(
        server.get("/users/7/connections").json(),
        json!({ "user_id": "7", "count": 0, "connections": [] })
    );
    let claims = json!({ "user_id": 7, "user_type": "worker", "exp": in_seconds(3_600) });
    let token = Signer::hs256(SECRET).token(&claims);
    let mut client = Client::connect(&with_token(&server, &token));
    let id = client.expect_type("connected")["data"]["connection_id"].clone();
    client.subscribe(&["jobs"]);
    let mut events = super::events::open(&server, &format!("?channels=more&token={token}"));
    events.subscribed();
    let _other = Client::welcomed(&as_user(&server, 8));
    let told = server.get("/users/7/connections").json();
    let mut connections = told["connections"].as_array().expect("connections").clone();
    connections.sort_by_key(|connection| connection["dialect"].to_string());
    assert_eq!((connections.len(), &told["count"]), (2, &json!(2)), "{told}");
    assert_eq!(
        connections[0],
        json!({ "connection_id": id, "dialect": "channels", "channels": ["jobs"], "recoverable": false,
                "user_type": "worker", "expires_at": claims["exp"], "waiting_bytes": 0 })
    );
    assert_eq!(
        (&connections[1]["dialect"], &connections[1]["recoverable"]),
        (&json!("events"), &json!(true))
    );
    assert_eq!(connections[1]["channels"], json!(["more"]));
    let text = told.to_string();
    assert!(!text.contains(&token) && !text.contains("resume"), "{text}");
    // Its id is what a publication for it alone names.
    assert_eq!(server.broadcast(&json!({ "type": "x", "connection_id": id }))["recipients"], 1);
    client.expect_type("x");
}

#[test]
fn a_disconnected_user_loses_all_connections_and_no_other_does() {
    let server = launch().env("JWT_SECRET", SECRET).env("SHARDS", "2").start();
    let mut clients: Vec<Client> = (0..6).map(|_| Client::welcomed(&as_user(&server, 7))).collect();
    let mut other = Client::welcomed(&as_user(&server, 8));
    let mut anonymous = Client::welcomed(&server.ws());
    let answer = disconnect(&server, "7");
    assert_eq!((answer.status, answer.json()), (200, json!({ "disconnected": 6 })));
    for client in &mut clients {
        assert_eq!(client.expect_close(), (4012, "Disconnected by an operator".to_owned()));
    }
    server.wait_for_connections(2);
    assert_eq!(other.ping_barrier(), Vec::<Value>::new());
    assert_eq!(anonymous.ping_barrier(), Vec::<Value>::new());
    eventually(PATIENCE, || server.metric("fanfare_closes_total", &[r#"code="4012""#]) == Some(6.0));
    assert_eq!(disconnect(&server, "7").json(), json!({ "disconnected": 0 }));
    // It may come back: whom to keep out is said by whoever gives tokens.
    drop(Client::welcomed(&as_user(&server, 7)));
}

#[test]
fn odd_users_and_methods_are_answered() {
    let server = server_with_users();
    let mut client = Client::welcomed(&as_user(&server, "a/b ä%"));
    assert_eq!(disconnect(&server, "a%2Fb%20%C3%A4%25").json(), json!({ "disconnected": 1 }));
    assert_eq!(client.expect_close().0, 4012);
    for user in [&"x".repeat(195), "%00", "%FF", "%"] {
        expect_problem(&disconnect(&server, user), 422, "invalid");
        expect_problem(&server.get(&format!("/users/{user}/connections")), 422, "invalid");
    }
    for (method, path, allowed) in [
        ("POST", "/channels", "GET"),
        ("DELETE", "/channels/jobs", "GET"),
        ("POST", "/users/7/connections", "GET"),
        ("GET", "/users/7/disconnect", "POST"),
    ] {
        let answer = request(server.address(), method, path, &[], None);
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        expect_problem(&answer, 405, "method_not_allowed");
    }
    for path in ["/users", "/users/7", "/users/7/x", "/users//connections", "/users/a/b/connections"] {
        expect_problem(&server.get(path), 404, "not_found");
    }
}
