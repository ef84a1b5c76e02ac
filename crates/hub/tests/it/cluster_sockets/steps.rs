//! Single promises to sockets of a cluster, step by step.

use super::acts::Aim;
use super::world::{Manner, World};
use crate::random::Random;
use crate::sockets::client::{Client, Event};

/// A world with three nodes, and two clients of one user on the first and the second.
fn world() -> World {
    let mut world = World::of(Random::new(7), Manner { is_whole: true, is_narrow: false, is_tight: false });
    for node in 0..3 {
        world.add_node();
        world.connect_node(node);
        world.rest();
    }
    for index in 0..2 {
        world.clients.push(Client::new(index, "/notes", 7, true));
        world.connect_to(index, index);
    }
    world.rest();
    world
}

/// Something for the user, from this node.
fn publish(world: &mut World, node: usize) -> usize {
    let aim = Aim { user: Some(7), ..Aim::default() };
    world.publish_at(node, "note", &aim, Event::default(), 5)
}

fn publish_to(world: &mut World, node: usize, channel: &'static str) -> usize {
    let aim = Aim { channels: [channel].into(), ..Aim::default() };
    world.publish_at(node, "other", &aim, Event::default(), 5)
}

fn read(world: &mut World, client: usize) {
    let unread = world.clients[client].unread();
    world.read_up_to(client, unread);
}

fn has(world: &World, client: usize, number: usize) -> bool {
    world.clients[client].session.had.contains(&number)
}

fn is_in(world: &World, client: usize) -> bool {
    world.clients[client].link.as_ref().is_some_and(|link| link.is_in)
}

/// All that a node wishes is carried out.
fn serve(world: &mut World, node: usize) {
    while world.server.wishes(world.nodes[node].id) > 0 {
        world.serve(node);
    }
}

/// The first client sees an event from the first node before the second node hears of it. Returns its number.
fn see_ahead_of_the_second_node(world: &mut World) -> usize {
    let number = publish(world, 0);
    serve(world, 0);
    (0..10).for_each(|_| world.tell(0));
    world.nodes[0].work();
    read(world, 0);
    world.nodes[1].work();
    read(world, 1);
    assert!(has(world, 0, number) && !has(world, 1, number), "the second node has not heard of it");
    number
}

/// The first client goes to the second node, which hears what it had and nothing of its line.
fn go_ahead_to_the_second_node(world: &mut World) {
    world.cut(0);
    serve(world, 0);
    world.connect_to(0, 1);
    world.arrive();
    serve(world, 1);
    (0..10).for_each(|_| world.reply(1));
    (0..3).for_each(|_| world.nodes[1].work());
    read(world, 0);
}

#[test]
fn who_saw_more_than_its_new_node_has_heard_waits_and_gets_it_neither_twice_nor_not() {
    let mut world = world();
    let seen = see_ahead_of_the_second_node(&mut world);
    let missed = publish(&mut world, 2);
    go_ahead_to_the_second_node(&mut world);
    assert!(!is_in(&world, 0), "the node asks first what there is");
    serve(&mut world, 2);
    let later = publish(&mut world, 1);
    world.settle();
    assert_eq!(world.clients[0].recovered, 1);
    for number in [seen, missed, later] {
        assert!(has(&world, 0, number) && has(&world, 1, number), "{number}");
    }
    let live = publish(&mut world, 0);
    world.settle();
    assert!(has(&world, 0, live));
}

#[test]
fn who_saw_more_than_a_node_that_then_is_cut_off_is_let_in_anew() {
    let mut world = world();
    see_ahead_of_the_second_node(&mut world);
    go_ahead_to_the_second_node(&mut world);
    world.cut_node(1);
    for _ in 0..30 {
        world.pass_time(500);
        world.nodes[1].work();
    }
    read(&mut world, 0);
    assert!(is_in(&world, 0) && world.clients[0].lost == 1, "it does not wait for ever");
    world.settle();
}

#[test]
fn who_saw_more_and_leaves_while_it_waits_is_known_to_the_next_node() {
    let mut world = world();
    let seen = see_ahead_of_the_second_node(&mut world);
    go_ahead_to_the_second_node(&mut world);
    assert!(!is_in(&world, 0));
    world.cut(0);
    world.rest();
    world.connect_to(0, 2);
    world.settle();
    assert!(world.clients[0].recovered == 1 && has(&world, 0, seen));
}

#[test]
fn what_a_socket_missed_comes_on_any_node_also_where_the_old_one_thinks_it_open() {
    let mut world = world();
    for (node, is_heard) in [(1, true), (2, false), (0, false), (0, true)] {
        if is_heard {
            world.cut(0);
        } else {
            world.desert(0);
        }
        let missed = publish(&mut world, 2);
        let recovered = world.clients[0].recovered;
        world.connect_to(0, node);
        world.settle();
        assert!(world.clients[0].recovered == recovered + 1 && has(&world, 0, missed), "on node {node}");
    }
}

#[test]
fn a_node_that_dies_leaves_its_sockets_to_the_others() {
    let mut world = world();
    world.ask_for(0, true, "many");
    world.rest();
    world.kill_node(0);
    let (own, of_channel) = (publish(&mut world, 1), publish_to(&mut world, 1, "many"));
    world.connect_to(0, 1);
    world.settle();
    assert_eq!(world.clients[0].recovered, 1);
    assert!(has(&world, 0, own) && has(&world, 0, of_channel));
}

#[test]
fn a_channel_is_acknowledged_once_another_node_would_know_of_it() {
    let mut world = world();
    world.ask_for(0, true, "many");
    let is_answered = |world: &mut World| {
        world.nodes[0].work();
        read(world, 0);
        world.clients[0].asked.is_empty()
    };
    // The node follows the channel, and has the broker note it.
    serve(&mut world, 0);
    (0..10).for_each(|_| world.tell(0));
    assert!(!is_answered(&mut world), "nobody else knows");
    let noted = world.server.wishes(world.nodes[0].id);
    assert!(noted >= 2, "{noted}: the note, and the question whether it is carried out");
    serve(&mut world, 0);
    assert!(!is_answered(&mut world), "the node has not heard that it is noted");
    (0..10).for_each(|_| world.reply(0));
    assert!(is_answered(&mut world));
    // What the node would say now is lost with it.
    world.kill_node(0);
    let of_channel = publish_to(&mut world, 1, "many");
    world.connect_to(0, 1);
    world.settle();
    assert!(world.clients[0].recovered == 1 && has(&world, 0, of_channel));
}

#[test]
fn a_node_that_is_killed_right_after_an_acknowledgement_takes_no_channel_with_it() {
    let mut world = world();
    world.ask_for(0, true, "many");
    // The broker does one thing after the other, and the node is killed as soon as the client is told.
    let mut things = 0..100;
    while !world.clients[0].asked.is_empty() {
        assert!(things.next().is_some(), "it is acknowledged in the end");
        world.serve(0);
        (0..10).for_each(|_| world.tell(0));
        (0..10).for_each(|_| world.reply(0));
        world.nodes[0].work();
        read(&mut world, 0);
    }
    // What it wished and nobody has read goes down with it.
    world.server.lose_wishes(world.nodes[0].id);
    world.kill_node(0);
    let of_channel = publish_to(&mut world, 1, "many");
    world.connect_to(0, 1);
    world.settle();
    assert!(world.clients[0].recovered == 1 && has(&world, 0, of_channel));
}

#[test]
fn a_channel_is_acknowledged_by_a_node_that_is_cut_off_while_it_is_noted() {
    let mut world = world();
    world.ask_for(0, true, "many");
    serve(&mut world, 0);
    (0..10).for_each(|_| world.tell(0));
    world.nodes[0].work();
    world.cut_node(0);
    world.nodes[0].work();
    read(&mut world, 0);
    assert!(world.clients[0].asked.is_empty(), "those who stay are served");
    world.connect_node(0);
    world.settle();
    let of_channel = publish_to(&mut world, 1, "many");
    world.settle();
    assert!(has(&world, 0, of_channel));
}

#[test]
fn who_stays_on_a_node_that_is_cut_off_gets_what_it_missed_before_what_is_new() {
    let mut world = world();
    world.cut_node(0);
    let missed: Vec<usize> = (0..3).map(|_| publish(&mut world, 1)).collect();
    serve(&mut world, 1);
    world.connect_node(0);
    let later = publish(&mut world, 1);
    world.settle();
    assert!(missed.iter().chain([&later]).all(|&number| has(&world, 0, number)));
    assert_eq!(world.closed, 0);
}

/// The broker loses everything while all nodes are away.
fn forget(world: &mut World) {
    world.stop_server();
    world.server.lose(true, &mut Random::new(1));
    world.server.is_up = true;
    (0..world.nodes.len()).for_each(|node| world.connect_node(node));
}

#[test]
fn in_another_life_of_the_broker_nobody_is_where_it_was() {
    let mut world = world();
    publish(&mut world, 0);
    world.rest();
    forget(&mut world);
    world.rest();
    assert!(world.clients[0].link.is_none() && world.closed == 2, "they are closed, to come back");
    world.connect_to(0, 1);
    world.settle();
    assert!(world.clients[0].recovered == 0 && world.clients[0].lost == 1);
}

#[test]
fn what_a_node_did_not_hear_before_the_broker_forgot_is_not_taken_for_had() {
    let mut world = world();
    publish(&mut world, 1);
    world.rest();
    world.cut_node(0);
    publish(&mut world, 1);
    serve(&mut world, 1);
    forget(&mut world);
    world.rest();
    world.connect_to(0, 0);
    world.settle();
    assert!(world.clients[0].recovered == 0 && world.clients[0].lost == 1);
}

#[test]
fn who_drops_before_its_shard_hears_that_the_broker_forgot_is_let_in_anew() {
    let mut world = world();
    publish(&mut world, 1);
    world.rest();
    world.cut_node(0);
    publish(&mut world, 1);
    serve(&mut world, 1);
    forget(&mut world);
    while world.server.wishes(world.nodes[0].id) + world.server.on_its_way(world.nodes[0].id) > 0 {
        world.serve(0);
        world.tell(0);
    }
    // The node has caught up, and its shard does not know.
    world.cut(0);
    world.rest();
    // By their numbers alone what comes in the new life stands behind all that the client saw.
    publish(&mut world, 1);
    world.rest();
    world.connect_to(0, 0);
    world.settle();
    assert!(world.clients[0].recovered == 0 && world.clients[0].lost == 1);
}

/// The first client's node is cut off until it is held to be dead, and does not hear that the client goes.
fn leave_a_node_that_is_cut_off(world: &mut World) {
    world.cut_node(0);
    world.desert(0);
    (0..12).for_each(|_| world.pass_time(500));
}

#[test]
fn what_an_old_node_says_late_does_not_count_where_the_socket_went_on() {
    let mut world = world();
    leave_a_node_that_is_cut_off(&mut world);
    world.connect_to(0, 1);
    (0..40).for_each(|_| {
        for node in 1..3 {
            serve(&mut world, node);
            (0..10).for_each(|_| world.tell(node));
            (0..10).for_each(|_| world.reply(node));
            world.nodes[node].work();
        }
        world.arrive();
    });
    read(&mut world, 0);
    assert_eq!(world.clients[0].recovered, 1);
    world.rest();
    world.ask_for(0, true, "many");
    world.rest();
    world.cut(0);
    world.rest();
    // Only now the first node sees that the client has gone.
    world.end_ghost();
    let missed = publish_to(&mut world, 2, "many");
    world.rest();
    world.connect_to(0, 2);
    world.settle();
    assert!(world.clients[0].lost == 1 || has(&world, 0, missed), "it is known that it follows the channel");
}

#[test]
fn a_node_that_is_cut_off_gives_nobody_what_others_may_have_taken() {
    let mut world = world();
    world.cut_node(0);
    world.cut(0);
    (0..12).for_each(|_| world.pass_time(500));
    world.connect_to(0, 1);
    (0..40).for_each(|_| {
        for node in 1..3 {
            serve(&mut world, node);
            (0..10).for_each(|_| world.tell(node));
            (0..10).for_each(|_| world.reply(node));
            world.nodes[node].work();
        }
        world.arrive();
    });
    let seen = publish(&mut world, 1);
    (0..4).for_each(|_| {
        serve(&mut world, 1);
        (0..10).for_each(|_| world.tell(1));
        world.nodes[1].work();
    });
    read(&mut world, 0);
    assert!(world.clients[0].recovered == 1 && has(&world, 0, seen));
    world.cut(0);
    // Still without the broker.
    world.connect_to(0, 0);
    world.arrive();
    world.nodes[0].work();
    world.settle();
    let live = publish(&mut world, 1);
    world.settle();
    assert!(has(&world, 0, live));
}
