//! The bridge as a part of `fanfare up`.

use test_kit::{Client, Directory, Launch, PubSub, eventually};

use crate::world::{LONG, Publisher, receipt};

fn up(data: &Directory) -> Launch {
    // The well-known ports are another test's.
    let own_ports = Launch::of("fanfare").arg("up").env("DASHBOARD_PORT", "off").env("RECEIPTS_PORT", "off");
    own_ports.env("FANFARE_DATA", data.path())
}

#[test]
fn fanfare_up_runs_a_bridge_where_an_emulator_is_named() {
    let (fake, data) = (PubSub::start(), Directory::new());
    let launch = up(&data).env("PUBSUB_EMULATOR_HOST", fake.address().to_string());
    let mut server = launch.start();
    server.wait_for_log("Listening to Pub/Sub...");
    let mut client = Client::connect(&server.ws_at("/ws/receipts"));
    server.wait_for_connections(1);
    let publisher = Publisher::to(fake.address());
    publisher.receipt("r1");
    let event = client.next_json_within(LONG);
    assert_eq!((&event["type"], &event["receipt_id"]), (&receipt("")["type"], &"r1".into()));
    eventually(LONG, || {
        let health = server.get("/svc/pubsub-bridge/health").json();
        health["status"] == "healthy" && health["service"] == "pubsub-bridge"
    });
    // It is counted once the hub has answered.
    let metrics = || server.get("/svc/pubsub-bridge/metrics").text();
    eventually(LONG, || metrics().contains("fanfare_pubsub_published_total 1"));
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    // Receipts are on disk there: after another start the hub still knows what it has had.
    let again = launch.start();
    let history = again.get("/channels").json();
    assert!(history.to_string().contains("receipts"), "{history}");
}

#[test]
fn fanfare_up_runs_no_bridge_unless_it_is_asked_for() {
    let data = Directory::new();
    let server = up(&data).start();
    assert_eq!(server.get("/svc/pubsub-bridge/health").status, 404);
    assert!(!server.log().contains("Pub/Sub"), "{}", server.log());
}
