//! Everybody dies once.

use crate::world::{Witness, World};

#[test]
fn of_ten_thousand_messages_none_is_lost_and_none_shown_twice_though_each_party_dies_once() {
    let mut world = World::with(|bridge| bridge.env("PUBSUB_STREAMS", "32"));
    let publisher = world.publisher();
    let mut witness = Witness::of(&world);
    publisher.receipts(0..4000);
    witness.see(1500);
    world.kill_hub();
    publisher.receipts(4000..6000);
    world.start_hub();
    witness.see(3000);
    world.network.cut();
    publisher.receipts(6000..8000);
    world.network.restore();
    witness.see(4500);
    world.kill_bridge();
    publisher.receipts(8000..10_000);
    world.start_bridge();
    witness.see(10_000);
    publisher.receipts(10_000..10_001);
    witness.see(10_001);
    witness.judge(0..10_001);
}
