//! A bridge that is told to stop.

use std::time::Duration;

use test_kit::eventually;

use crate::world::{LONG, Witness, World};

#[test]
fn a_bridge_that_stops_finishes_what_it_holds_and_exits_in_order() {
    let mut world = World::with(|bridge| bridge.env("PUBSUB_STREAMS", "8"));
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..500);
    witness.see(50);
    let mut bridge = world.bridge.take().expect("a bridge");
    bridge.terminate();
    assert_eq!(bridge.wait(), Some(0), "{}", bridge.log());
    assert!(bridge.log().contains("drained"), "{}", bridge.log());
    world.start_bridge();
    witness.see(500);
    world.publisher().receipts(500..501);
    witness.see(501);
    witness.judge(0..501);
}

#[test]
fn what_the_hub_does_not_take_in_time_goes_back_to_pub_sub_at_once() {
    let mut world =
        World::with(|bridge| bridge.env("PUBSUB_DRAIN_TIMEOUT", "1s").env("PUBSUB_ACK_DEADLINE", "10m"));
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    world.kill_hub();
    publisher.receipts(0..30);
    eventually(LONG, || world.metric("outstanding_messages", &[]) == 30.0);
    let mut bridge = world.bridge.take().expect("a bridge");
    bridge.terminate();
    assert_eq!(bridge.wait_within(Duration::from_secs(10)), Some(0), "{}", bridge.log());
    assert!(bridge.log().contains("given back to Pub/Sub"), "{}", bridge.log());
    world.start_hub();
    world.start_bridge();
    // Ten minutes of lease are not waited for.
    witness.see(30);
    witness.judge(0..30);
}

#[test]
fn a_bridge_without_pub_sub_and_hub_stops_as_well() {
    let mut world = World::start();
    world.kill_hub();
    world.publisher().receipts(0..3);
    eventually(LONG, || world.metric("outstanding_messages", &[]) == 3.0);
    world.network.cut();
    eventually(LONG, || world.metric("streaming", &[]) == 0.0);
    let bridge = world.bridge.as_mut().expect("a bridge");
    bridge.terminate();
    assert_eq!(bridge.wait_within(Duration::from_secs(20)), Some(0), "{}", bridge.log());
}
