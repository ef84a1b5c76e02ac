//! Single promises of a cluster, step by step.

use hub::PublishError;
use hub::broker::Told;

use super::client::{Client, Kind, Truth};
use super::model::Sent;
use super::world::World;

/// A world with some nodes, and a client of each kind that follows `many`, on the first of them.
fn world() -> World {
    let mut world = World::new(7);
    world.is_narrow = false;
    world.is_steady = true;
    while world.nodes.len() < 2 {
        world.add_node();
    }
    for kind in [Kind::Recovering, Kind::Plain] {
        let mut client = Client::new(world.clients.len(), kind, Some("1"));
        client.wanted.insert("many");
        world.clients.push(client);
    }
    world.rest();
    (0..2).for_each(|index| world.connect_to(index, 0));
    world.rest();
    world
}

fn has(world: &World, client: usize, number: usize) -> bool {
    world.clients[client].link.as_ref().is_some_and(|link| link.got.contains(&number))
}

fn read(world: &mut World) {
    for index in 0..world.clients.len() {
        let mut truth = Truth { store: &mut world.server.store, made: &world.made, now: world.now };
        world.clients[index].read(usize::MAX >> 1, &mut truth);
    }
}

#[test]
fn what_any_node_takes_reaches_the_clients_of_all() {
    let mut world = world();
    for node in 0..world.nodes.len() {
        let number = world.publish_at(node, "many");
        world.rest();
        assert!(has(&world, 0, number) && has(&world, 1, number), "from node {node}");
        assert_eq!(world.publishers.counts.get(&number), Some(&2), "recipients are counted over all nodes");
    }
}

#[test]
fn who_was_cut_off_gets_what_was_missed_before_what_is_new() {
    let mut world = world();
    world.cut_node(0);
    let missed: Vec<usize> = (0..3).map(|_| world.publish_at(1, "many")).collect();
    (0..20).for_each(|_| world.serve(1));
    world.connect_node(0);
    let later = world.publish_at(1, "many");
    world.rest();
    for number in missed.into_iter().chain([later]) {
        assert!(has(&world, 0, number) && has(&world, 1, number), "{number}");
    }
}

#[test]
fn without_the_broker_what_is_kept_is_refused_and_what_is_not_goes_to_the_nodes_own() {
    let mut world = world();
    world.stop_server();
    let kept = world.publish_at(0, "many");
    assert_eq!(world.made[kept].sent, Sent::Refused);
    let passing = world.publish_at(0, "none");
    assert_eq!(world.made[passing].sent, Sent::Here);
}

#[test]
fn a_position_of_one_node_holds_on_another_that_has_not_heard_of_it_yet() {
    let mut world = world();
    // Somebody else follows the stream on the second node.
    let mut other = Client::new(2, Kind::Recovering, Some("1"));
    other.wanted.insert("many");
    world.clients.push(other);
    world.connect_to(2, 1);
    world.rest();
    let number = world.publish_at(0, "many");
    (0..10).for_each(|_| world.serve(0));
    (0..10).for_each(|_| world.tell(0));
    world.nodes[0].work();
    read(&mut world);
    assert!(has(&world, 0, number) && !has(&world, 2, number), "the second node has not heard of it");
    let lost = world.clients[0].recoveries.1;
    world.clients[0].token = None;
    world.drop_link(0);
    world.connect_to(0, 1);
    world.arrive();
    world.nodes[1].work();
    read(&mut world);
    assert!(!has(&world, 2, number), "it has not heard of it yet");
    world.rest();
    assert_eq!(world.clients[0].recoveries.1, lost, "nothing is told to be lost");
    assert!(world.clients[0].recoveries.0 > 0);
}

#[test]
fn a_token_works_on_another_node_and_once() {
    let mut world = world();
    world.drop_link(0);
    let token = world.clients[0].token.clone();
    world.connect_to(0, 1);
    world.rest();
    assert_eq!(world.resumed(), 1);
    world.drop_link(0);
    world.clients[0].token = token;
    world.connect_to(0, 0);
    world.rest();
    assert_eq!(world.resumed(), 1, "it is used: the client comes with its positions");
    assert!(world.clients[0].link.as_ref().is_some_and(|link| link.is_live));
}

#[test]
fn in_another_life_of_the_broker_nobody_is_told_that_nothing_is_missing() {
    let mut world = world();
    world.publish_at(0, "many");
    world.rest();
    let recovered = world.clients[0].recoveries;
    world.stop_server();
    world.server.lose(true, &mut crate::random::Random::new(1));
    world.server.is_up = true;
    (0..world.nodes.len()).for_each(|node| world.connect_node(node));
    world.rest();
    assert!(world.clients[0].link.is_none(), "it is closed, to come back");
    world.connect_to(0, 1);
    world.rest();
    assert_eq!(world.clients[0].recoveries.0, recovered.0);
    assert!(world.clients[0].recoveries.1 > recovered.1);
    assert!(world.clients[1].link.is_some(), "who did not ask for recovery goes on");
}

#[test]
fn a_node_that_dies_takes_nothing_with_it() {
    let mut world = world();
    let before = world.publish_at(1, "many");
    world.rest();
    assert!(has(&world, 0, before));
    world.kill_node(0);
    let missed = world.publish_at(0, "many");
    world.connect_to(0, 0);
    world.rest();
    assert!(has(&world, 0, missed), "by its positions or its token, on another node");
    assert_eq!(world.clients[0].recoveries.1, 0);
}

#[test]
fn what_nobody_follows_is_let_go() {
    let mut world = world();
    world.empty();
}

/// Lets all happen that one node has to do with, and no connection be made.
fn rest_at(world: &mut World, node: usize) {
    for _ in 0..40 {
        (0..10).for_each(|_| world.serve(node));
        (0..10).for_each(|_| world.tell(node));
        (0..10).for_each(|_| world.reply(node));
        world.nodes[node].work();
        world.arrive();
    }
    (0..world.clients.len()).for_each(|index| world.read(index));
}

#[test]
fn a_token_that_was_taken_from_a_node_that_was_cut_off_does_not_work_again_when_that_is_back() {
    let mut world = world();
    world.cut_node(0);
    world.drop_link(0);
    let token = world.clients[0].token.clone();
    world.pass_time(3_000);
    world.connect_to(0, 1);
    rest_at(&mut world, 1);
    assert_eq!(world.resumed(), 1, "nobody asks a node that is silent");
    world.connect_node(0);
    world.rest();
    world.drop_link(0);
    world.clients[0].token = token;
    world.connect_to(0, 1);
    world.rest();
    assert_eq!(world.resumed(), 1, "though that node had kept what the connection had");
    assert!(world.clients[0].link.as_ref().is_some_and(|link| link.is_live));
}

#[test]
fn of_two_who_show_a_token_at_the_node_that_gave_it_and_has_lost_it_one_gets_it() {
    let mut world = world();
    let token = world.clients[0].token.clone();
    world.drop_link(0);
    world.nodes[0].work();
    world.server.lose_wishes(world.nodes[0].id);
    world.cut_node(0);
    let mut other = Client::new(2, Kind::Recovering, Some("1"));
    other.wanted.insert("many");
    other.token = token;
    world.clients.push(other);
    world.rest();
    [0, 2].into_iter().for_each(|index| world.connect_to(index, 0));
    world.rest();
    assert_eq!(world.resumed(), 1, "the broker takes it for open there");
    assert!([0, 2].into_iter().all(|index| world.clients[index].link.as_ref().is_some_and(|it| it.is_live)));
}

#[test]
fn what_was_for_a_connection_that_nobody_has_can_be_sent_again_with_its_key() {
    let mut world = world();
    let number = world.publish_with_key(0, None);
    world.rest();
    assert_eq!(world.publishers.counts.get(&number), Some(&0));
    let (placed, repeated) = (world.publishers.placed, world.publishers.repeated);
    for node in [1, 0] {
        world.hand_over(node, number, None);
        world.rest();
    }
    assert_eq!((world.publishers.placed, world.publishers.repeated), (placed + 2, repeated));
}

#[test]
fn who_repeats_on_another_node_hears_how_many_got_the_first_one() {
    let mut world = world();
    let number = world.publish_with_key(0, Some("many"));
    world.rest();
    world.hand_over(1, number, None);
    world.rest();
    assert_eq!(world.publishers.counts_of_first.get(&number), Some(&2));
}

#[test]
fn who_repeats_on_another_node_waits_while_the_first_one_is_being_counted() {
    let mut world = world();
    let number = world.publish_with_key(0, Some("many"));
    // It has its place, and nobody has heard of it yet.
    world.serve(0);
    world.hand_over(1, number, None);
    world.serve(1);
    (0..4).for_each(|_| world.reply(1));
    assert_eq!(world.publishers.counts_of_first.get(&number), None);
    world.rest();
    assert_eq!(world.publishers.counts_of_first.get(&number), Some(&2));
}

#[test]
fn of_what_a_node_cannot_hold_while_it_catches_up_it_says_that_it_is_missing() {
    let mut world = world();
    world.limits.history.bytes = 8 << 10;
    world.add_node();
    let small = world.nodes.len() - 1;
    world.rest();
    for index in 0..2 {
        world.drop_link(index);
        world.connect_to(index, small);
    }
    world.rest();
    let lost = world.clients[0].recoveries.1;
    world.cut_node(small);
    let missed: Vec<usize> = (0..40).map(|_| world.publish_at(0, "many")).collect();
    rest_at(&mut world, 0);
    world.connect_node(small);
    world.rest();
    assert!(world.clients[0].link.is_none(), "it is closed, to come back");
    assert!(world.clients[1].link.is_some(), "who did not ask for recovery goes on");
    world.connect_to(0, 0);
    world.rest();
    assert!(missed.into_iter().all(|number| world.clients[0].seen.contains(&number)));
    assert_eq!(world.clients[0].recoveries.1, lost, "the broker has it, and so has a node with room");
}

#[test]
fn a_node_that_is_cut_off_hands_nothing_over() {
    let mut world = world();
    world.cut_node(0);
    world.drop_link(0);
    world.connect_to(0, 0);
    for _ in 0..5 {
        world.arrive();
        world.nodes[0].work();
        world.read(0);
    }
    assert!(world.clients[0].link.as_ref().is_some_and(|link| link.is_live), "it comes with its positions");
    assert_eq!(world.resumed(), 0, "another node may have handed it over");
}

#[test]
fn what_a_node_kept_while_it_was_cut_off_is_good_on_all_once_it_is_back() {
    let mut world = world();
    world.cut_node(0);
    world.drop_link(0);
    world.connect_node(0);
    world.rest();
    world.connect_to(0, 1);
    world.rest();
    assert_eq!(world.resumed(), 1);
}

#[test]
fn who_comes_back_sooner_than_its_node_is_held_to_be_dead_waits_for_that() {
    let mut world = world();
    world.kill_node(0);
    world.connect_to(0, 0);
    world.rest();
    assert_eq!(world.resumed(), 1);
}

#[test]
fn an_event_that_a_node_could_not_read_is_fetched_before_what_comes_behind_it() {
    let mut world = world();
    let numbers: Vec<usize> = (0..2).map(|_| world.publish_at(1, "many")).collect();
    world.serve(1);
    let id = world.nodes[0].id;
    let mut line = std::iter::from_fn(|| world.server.next_told(id));
    assert!(line.any(|told| matches!(told, Told::Event(_))), "it is on its way");
    world.rest();
    assert!(numbers.into_iter().all(|number| has(&world, 0, number) && has(&world, 1, number)));
}

#[test]
fn publications_that_are_answered_take_up_no_room_in_the_queue() {
    let mut world = world();
    world.limits.queue_bytes = 16 << 10;
    world.add_node();
    let small = world.nodes.len() - 1;
    world.rest();
    for _ in 0..60 {
        // One that is alone always fits.
        let two = [(); 2].map(|()| world.publish_at(small, "many"));
        world.rest();
        assert!(two.into_iter().all(|number| world.made[number].sent == Sent::Placed));
    }
}

#[test]
fn more_publications_than_may_wait_for_the_broker_are_refused_until_there_is_room() {
    let mut world = world();
    world.limits.queue_publications = 3;
    world.add_node();
    let small = world.nodes.len() - 1;
    world.rest();
    (0..3).for_each(|_| _ = world.publish_at(small, "many"));
    assert_eq!(world.try_publish_at(small, "many"), Some(PublishError::Overloaded));
    world.rest();
    assert_eq!(world.try_publish_at(small, "many"), None);
}

#[test]
fn what_was_for_a_connection_of_a_node_that_says_nothing_is_not_sent_again() {
    let mut world = world();
    let number = world.publish_with_key(0, None);
    let first = world.nodes[0].id;
    // The other nodes have been told, and do not go on before its publisher has waited long enough.
    while world.server.wishes(first) + world.server.on_its_way(first) > 0 {
        world.serve(0);
        world.tell(0);
        world.reply(0);
        world.nodes[0].work();
    }
    (0..4).for_each(|_| world.nodes[0].pass(300, world.now));
    world.answer_publishers();
    assert_eq!(world.publishers.counts.get(&number), Some(&0));
    (0..20).for_each(|_| world.serve(0));
    let (placed, repeated) = (world.publishers.placed, world.publishers.repeated);
    world.hand_over(1, number, None);
    world.rest();
    assert_eq!((world.publishers.placed, world.publishers.repeated), (placed + 1, repeated + 1));
}
