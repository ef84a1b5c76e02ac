//! Bad input, with a friend on the same server who must not notice: what breaks a protocol ends its own session, with a
//! reason that a developer can act on.

use serde_json::json;
use test_kit::eventually;
use test_kit::wait::PATIENCE;

use super::*;
use crate::server_with_users;

/// A server, and a friend in `/chat`.
struct Scene {
    server: Server,
    friend: Ws,
    told: u32,
}

impl Scene {
    fn new() -> Self {
        let server = server_with_users();
        let (friend, _) = Ws::connected(&server, &["/chat"]);
        Self { server, friend, told: 0 }
    }

    /// A client in `/chat`, and in `/orders`.
    fn guest(&self) -> Ws {
        Ws::connected(&self.server, &["/chat", "/orders"]).0
    }

    /// The friend gets an event, once, and nothing else, and is answered.
    #[track_caller]
    fn friend_is_well(&mut self) {
        self.told += 1;
        self.server.broadcast(&json!({ "type": "here", "namespace": "/chat", "data": self.told }));
        assert_eq!(self.friend.text(), format!("42/chat,[\"here\",{}]", self.told));
        self.friend.is_well("/chat");
    }
}

#[test]
fn packets_that_nobody_can_read_end_their_session() {
    let mut scene = Scene::new();
    let nothing = "the payload of a packet is not what its type has";
    let state = "the packet does not fit what its namespace is at";
    let kind = "a packet is of no known type";
    let count = "the number of attachments is missing, or is no number up to 16";
    let long = format!("40/{},", "n".repeat(300));
    let deep = format!("40/sns,{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
    let cases = [
        ("", "a packet is empty"),
        ("4", "a packet is empty"),
        ("abc", kind),
        ("9", kind),
        ("bAQID", kind),
        ("4abc", kind),
        ("47[\"x\"]", kind),
        ("2", "a ping comes from the server"),
        ("42/chat,{}", nothing),
        ("42/chat,null", nothing),
        ("42/chat,[null]", nothing),
        ("42/chat,[]", nothing),
        ("42/chat,", nothing),
        ("42/chat,[\"x\"", nothing),
        ("42/chat,[\"x\",\u{1}]", nothing),
        ("42/chat,abc[\"x\"]", nothing),
        ("42/chat,-1[\"x\"]", nothing),
        ("42/chat,[\"disconnect\"]", "the name of an event is a reserved one"),
        ("42/chat,99999999999999999999999[\"x\"]", "an acknowledgement id has more than 64 bits"),
        ("40/sns,null", nothing),
        ("40/sns,[]", nothing),
        ("40/sns,\"token\"", nothing),
        ("41/chat,{}", nothing),
        ("43/chat,1{}", nothing),
        ("40/chat,{}", state),
        ("42/sns,[\"x\"]", state),
        ("41/sns,", state),
        ("43/sns,1[]", state),
        ("44/chat,{\"message\":\"x\"}", state),
        ("42[\"x\"]", state),
        ("45/chat,[\"x\"]", count),
        ("45-/chat,[\"x\"]", count),
        ("4517-/chat,[\"x\"]", count),
        ("45-1-/chat,[\"x\"]", count),
        (&*long, "the name of a namespace is longer than 200 bytes"),
        (&*deep, "the payload of a packet is nested deeper than 128 levels"),
    ];
    for (packet, reason) in cases {
        let mut guest = scene.guest();
        guest.send(packet);
        assert_eq!(guest.close(), (1002, reason.to_owned()), "{packet}");
    }
    scene.friend_is_well();
    scene.server.wait_for_connections(1);
}

#[test]
fn attachments_that_do_not_come_as_announced_end_their_session() {
    let mut scene = Scene::new();
    let announce = |count: u8| format!("45{count}-/chat,[\"x\",{{\"_placeholder\":true,\"num\":0}}]");
    let mut unannounced = scene.guest();
    unannounced.send_binary(&[1, 2, 3]);
    assert_eq!(unannounced.close(), (1002, "bytes came that no packet announced".to_owned()));
    let mut interrupted = scene.guest();
    interrupted.send(&announce(2));
    interrupted.send_binary(&[1]);
    interrupted.send("42/orders,[\"x\"]");
    let reason = "a text stands where an attachment was announced";
    assert_eq!(interrupted.close(), (1002, reason.to_owned()));
    let mut large = scene.guest();
    large.send(&announce(3));
    for _ in 0..3 {
        // The server may have closed before the last.
        let _ = large.0.try_write(&Frame::new(2, vec![0; 500_000]).bytes());
    }
    assert_eq!(large.close(), (1009, "the attachments are too large".to_owned()));
    scene.friend_is_well();
}

#[test]
fn attachments_that_never_come_end_their_session() {
    in_time(|server| {
        let (mut ws, _) = Ws::open(server, "/socket.io/");
        ws.send("40");
        assert!(ws.text().starts_with(r#"40{"sid":""#));
        assert_eq!(ws.text(), r#"42["auth",{}]"#);
        ws.send(r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
        ws.send_binary(&[1]);
        assert_eq!(ws.ended(), (1002, "attachments did not come in time".to_owned()));
    });
}

#[test]
fn attachments_over_polling_are_the_same_messages() {
    let scene = Scene::new();
    let polling = Polling::connected(&scene.server, &["/chat"]);
    polling.post_ok("452-/chat,5[\"x\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID\u{1e}bBAUG");
    let answer = polling.poll_until("43/chat,5[");
    assert!(answer.last().is_some_and(|packet| packet.contains("\"code\":\"binary\"")), "{answer:?}");
    assert_eq!(polling.post("bAQID").status, 200);
    assert_over(&polling);
}

#[test]
fn floods_of_acknowledgements_and_of_connects_cost_nobody_else_anything() {
    let mut scene = Scene::new();
    let mut guest = scene.guest();
    let ack = Frame::text("43/chat,123[{\"success\":true}]").bytes();
    guest.0.write(&ack.repeat(20_000));
    guest.is_well("/orders");
    scene.friend_is_well();
    // Each is answered; who does not read the answers is ended.
    let connect = Frame::text("40/nope,").bytes();
    let mut deaf = scene.guest();
    for _ in 0..400 {
        if deaf.0.try_write(&connect.repeat(1_000)).is_err() {
            break;
        }
    }
    scene.friend_is_well();
    drop(deaf);
    drop(guest);
    scene.server.wait_for_connections(1);
}

#[test]
fn a_namespace_that_is_left_and_entered_very_often_leaves_nothing_behind() {
    let mut scene = Scene::new();
    let mut guest = scene.guest();
    let again = format!("40/chat,{}", auth(7));
    for _ in 0..20 {
        guest.send("41/chat,");
        guest.send(&again);
        // Before the answer: the socket of this connect never was.
        guest.send("41/chat,");
        guest.send(&again);
    }
    // Those that were let in before they left were told so.
    guest.send("42/orders,1[\"subscribe\",{\"channels\":[\"x\"]}]");
    while !guest.text().starts_with("43/orders,1[") {}
    scene.server.wait_for_connections(3);
    scene.friend_is_well();
    drop(guest);
    scene.server.wait_for_connections(1);
}

#[test]
fn what_is_no_websocket_at_all_ends_alone() {
    let mut scene = Scene::new();
    let (mut cut, _) = Ws::open(&scene.server, "/socket.io/");
    cut.0.write(&Frame::text(format!("40/chat,{}", auth(7))).bytes()[..20]);
    drop(cut);
    let (mut noise, _) = Ws::open(&scene.server, "/socket.io/");
    noise.0.write(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(noise.close().0, 1002);
    let (mut half, _) = Ws::open(&scene.server, "/socket.io/");
    half.0.finish();
    half.0.expect_end(PATIENCE);
    scene.friend_is_well();
    scene.server.wait_for_connections(1);
}

#[test]
fn sessions_that_only_begin_take_the_places_of_nobody_else() {
    let server = launch().env("JWT_SECRET", SECRET).env("MAX_CONNECTIONS", "40").env("SHARDS", "1").start();
    let good = Polling::open(&server, "/socket.io/");
    good.post_ok(&format!("40/chat,{}", auth(7)));
    good.poll_until("40/chat");
    let begun: Vec<Polling<'_>> = (0..100).map(|_| Polling::open(&server, "/socket.io/")).collect();
    let (mut ws, _) = Ws::connected(&server, &["/chat"]);
    ws.is_well("/chat");
    // The last ones may still go on, and so may who was in a namespace; the first ones are gone.
    for polling in begun.iter().rev().take(20) {
        polling.post_ok(&format!("40/chat,{}", auth(8)));
    }
    assert_eq!(begun[0].poll().status, 400);
    good.post_ok(r#"42/chat,1["x"]"#);
    good.poll_until("43/chat,1");
    let ended = || server.metric("fanfare_evictions_total", &["no_namespace"]);
    eventually(PATIENCE, || ended() == Some(80.0));
}
