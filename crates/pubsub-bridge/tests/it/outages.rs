//! Hub, Pub/Sub and bridge away, one at a time.

use std::time::Duration;

use serde_json::json;
use test_kit::{Launch, Proxy, eventually};

use crate::world::{LONG, Witness, World};

#[test]
fn while_the_hub_is_away_messages_wait_and_come_once_when_it_returns() {
    let small = |bridge: Launch| bridge.env("PUBSUB_MAX_MESSAGES", "50");
    let mut world = World::with(small);
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..10);
    witness.see(10);
    world.kill_hub();
    publisher.receipts(10..200);
    // No more is held than there is room for; the rest waits in Pub/Sub.
    eventually(LONG, || world.metric("outstanding_messages", &[]) >= 50.0);
    eventually(LONG, || world.bridge().get("/health").json()["hub"]["status"] == "down");
    // Longer than the time after which Pub/Sub would send again what nobody extends.
    let extended = world.metric("extended_total", &[]);
    eventually(LONG, || world.metric("extended_total", &[]) >= extended + 100.0);
    assert!(world.metric("outstanding_messages", &[]) <= 50.0);
    assert_eq!(world.metric("redelivered_total", &[]), 0.0, "what is held is not sent again");
    let health = world.bridge().get("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("degraded")));
    world.start_hub();
    witness.see(200);
    world.wait_for_acked(200.0);
    publisher.receipts(200..201);
    witness.see(201);
    witness.judge(0..201);
    eventually(LONG, || world.bridge().get("/health").json()["status"] == "healthy");
    assert_eq!(world.bridge().log().matches("messages wait").count(), 1, "an outage is one line");
}

#[test]
fn a_hub_that_restarts_in_order_while_messages_flow_misses_none() {
    let mut world = World::with(|bridge| bridge.env("PUBSUB_STREAMS", "8"));
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..600);
    witness.see(100);
    let mut hub = world.hub.take().expect("a hub");
    hub.terminate();
    assert_eq!(hub.wait(), Some(0));
    world.start_hub();
    witness.see(600);
    world.wait_for_acked(600.0);
    publisher.receipts(600..601);
    witness.see(601);
    witness.judge(0..601);
}

#[test]
fn answers_of_the_hub_that_nobody_hears_double_nothing() {
    let mut world = World::without_bridge(|bridge| bridge.env("PUBSUB_STREAMS", "8"));
    let to_hub = Proxy::to(world.hub_address());
    world.start_bridge_behind(&to_hub);
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..400);
    for seen in [50, 120, 200] {
        witness.see(seen);
        to_hub.cut();
        to_hub.restore();
    }
    // And one that takes a call and hangs: the call gets there in the end, beside its repeats.
    to_hub.hold();
    publisher.receipts(400..420);
    let failures = world.metric("hub_failures_total", &[]);
    eventually(LONG, || world.metric("hub_failures_total", &[]) >= failures + 2.0);
    to_hub.restore();
    witness.see(420);
    world.wait_for_acked(420.0);
    publisher.receipts(420..421);
    witness.see(421);
    witness.judge(0..421);
}

#[test]
fn a_connection_to_pub_sub_that_hangs_is_left_behind() {
    let world = World::start();
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..10);
    witness.see(10);
    world.network.hold();
    publisher.receipts(10..20);
    // Asked every 30 s, with 10 s to answer.
    eventually(LONG, || world.metric("streaming", &[]) == 0.0);
    world.network.restore();
    witness.see(20);
    world.wait_for_acked(20.0);
    publisher.receipts(20..21);
    witness.see(21);
    witness.judge(0..21);
}

#[test]
fn large_messages_wait_as_well_and_answers_still_get_through() {
    let small = |bridge: Launch| bridge.env("PUBSUB_MAX_BYTES", "1MiB").env("PUBSUB_STREAMS", "3");
    let mut world = World::with(small);
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    world.kill_hub();
    // Far more than all windows of the connection hold.
    for n in 0..24 {
        let mut large = crate::world::receipt(&format!("r{n}"));
        large["x"] = json!("a".repeat(700_000));
        publisher.publish(large.to_string());
    }
    eventually(LONG, || world.metric("outstanding_bytes", &[]) >= 1e6);
    world.start_hub();
    witness.see(24);
    witness.judge(0..24);
    world.wait_for_acked(24.0);
    let peak = world.metric("outstanding_bytes", &[]);
    assert_eq!(peak, 0.0);
}

#[test]
fn a_connection_to_pub_sub_that_breaks_is_made_again() {
    let world = World::start();
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..20);
    witness.see(20);
    world.network.cut();
    eventually(LONG, || world.metric("streaming", &[]) == 0.0);
    let health = world.bridge().get("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("degraded")));
    assert_eq!(health.json()["pubsub"]["status"], "down");
    publisher.receipts(20..40);
    world.network.restore();
    witness.see(40);
    witness.judge(0..40);
    world.wait_for_acked(40.0);
    assert_eq!(world.bridge().get("/health").json()["status"], "healthy");
}

#[test]
fn pub_sub_closing_streams_from_time_to_time_is_not_noticed() {
    let world = World::on(test_kit::PubSub::start_with(&["-stream-timeout=300ms"]), |bridge| bridge);
    let mut world = world;
    world.start_bridge();
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    for part in 0..20 {
        publisher.receipts(part * 10..(part + 1) * 10);
        witness.see((part + 1) * 10);
    }
    witness.judge(0..200);
    world.wait_for_acked(200.0);
}

#[test]
fn an_emulator_that_forgot_everything_is_set_up_again_and_its_old_ids_harm_no_new_message() {
    let mut world = World::start();
    let mut witness = Witness::of(&world);
    world.publisher().receipts(0..5);
    witness.see(5);
    world.wait_for_acked(5.0);
    // Held while the emulator dies: they can't be acknowledged any more, and are published all the same.
    world.kill_hub();
    world.publisher().receipts(5..10);
    eventually(LONG, || world.metric("outstanding_messages", &[]) == 5.0);
    world.fake.kill();
    // What is told of before is not what comes after.
    eventually(LONG, || world.metric("streaming", &[]) == 0.0);
    world.fake.resume();
    eventually(LONG, || world.metric("streaming", &[]) == 1.0);
    // The same ids as those of before.
    world.publisher().receipts(10..30);
    world.start_hub();
    witness.see(30);
    witness.judge(0..30);
    world.wait_for_acked(25.0);
    assert_eq!(world.metric("acked_total", &[]), 25.0);
    assert_eq!(world.metric("redelivered_total", &[]), 0.0);
}

#[test]
fn a_bridge_that_is_killed_shows_nothing_twice_when_it_comes_again() {
    let mut world = World::start();
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..300);
    witness.see(60);
    world.kill_bridge();
    world.start_bridge();
    witness.see(300);
    publisher.receipts(300..301);
    witness.see(301);
    eventually(LONG, || world.metric("outstanding_messages", &[]) == 0.0);
    witness.judge(0..301);
}

#[test]
fn two_bridges_share_the_work_and_show_nothing_twice() {
    let mut world = World::start();
    let first = world.bridge.take();
    world.start_bridge();
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..300);
    witness.see(300);
    witness.judge(0..300);
    let first = first.expect("a bridge");
    // Both had some, which they count once the hub has answered.
    eventually(LONG, || {
        let of_first = first.metric("fanfare_pubsub_published_total", &[]).unwrap_or_default();
        of_first > 0.0 && world.metric("published_total", &[]) > 0.0
    });
}

#[test]
fn a_key_that_the_hub_does_not_take_costs_no_message() {
    for key in ["key-of-nobody-0123456789", "key-of-another-0123456789"] {
        let mut world = World::without_bridge(|bridge| bridge.env("SERVICE_API_KEY", key));
        world.start_bridge();
        let publisher = world.publisher();
        let mut client = world.client();
        publisher.receipts(0..5);
        let line = world.bridge().wait_for_log("the hub refuses our calls");
        assert!(line.contains("SERVICE_API_KEY") && !line.contains(key), "{line}");
        let health = world.bridge().get("/health").json();
        assert_eq!(health["status"], "degraded");
        let cause = health["hub"]["cause"].as_str().unwrap_or_default().to_owned();
        assert!(cause.contains("401") || cause.contains("403"), "{health}");
        eventually(LONG, || world.metric("outstanding_messages", &[]) == 5.0);
        assert_eq!((world.metric("acked_total", &[]), world.metric("poison_total", &[])), (0.0, 0.0));
        // Somebody mends it.
        world.kill_bridge();
        world.restart_bridge_with(|bridge| bridge.env("SERVICE_API_KEY", crate::world::KEY));
        for _ in 0..5 {
            client.next_json_within(LONG);
        }
        world.wait_for_acked(5.0);
    }
}

#[test]
fn another_server_in_the_hubs_place_costs_no_message() {
    let fixture = test_kit::Fixture::answering(&json!({"code": "no_such_thing"}));
    fixture.answer(422, &json!({"code": "no_such_thing"}));
    let url = fixture.url();
    let other = url.split("/").take(3).collect::<Vec<_>>().join("/");
    let world = World::with(|bridge| bridge.env("WS_SERVICE_URL", other));
    world.publisher().receipts(0..3);
    world.bridge().wait_for_log("the hub refuses our calls");
    let failures = world.metric("hub_failures_total", &[]);
    eventually(Duration::from_secs(30), || world.metric("hub_failures_total", &[]) > failures + 2.0);
    assert_eq!((world.metric("acked_total", &[]), world.metric("poison_total", &[])), (0.0, 0.0));
}
