//! All comes to rest: every node has its broker, everything is delivered, and nothing may be missing.

use super::acts::Aim;
use super::world::{Known, World, keeps_all};
use crate::sockets::client::{Event, Truth};

impl World {
    fn received(&self) -> usize {
        let links = self.clients.iter().filter_map(|client| client.link.as_ref());
        links.map(|link| link.pipe.borrow().received.len() + 1).sum()
    }

    /// One round without time passing. Returns whether anything went on.
    fn round(&mut self) -> bool {
        let before = self.received();
        let mut is_busy = false;
        for node in 0..self.nodes.len() {
            self.connect_node(node);
            let id = self.nodes[node].id;
            while self.server.wishes(id) + self.server.on_its_way(id) > 0 {
                is_busy = true;
                self.serve(node);
                self.tell(node);
                self.reply(node);
            }
            // A question goes round the shards.
            (0..=self.nodes[node].shards.len()).for_each(|_| self.nodes[node].work());
        }
        self.arrive();
        for index in 0..self.clients.len() {
            self.widen(index);
            let unread = self.clients[index].unread();
            self.read_up_to(index, unread);
            self.read(index);
        }
        is_busy || self.received() != before
    }

    /// Lets all happen that can.
    pub(crate) fn rest(&mut self) {
        self.start_server();
        let mut waits = 0;
        for round in 0.. {
            assert!(round < 4_000, "it comes to rest");
            if self.round() {
                continue;
            }
            let is_waiting = |client: &&crate::sockets::client::Client| {
                client.link.as_ref().is_some_and(|link| !link.is_in || !client.asked.is_empty())
            };
            if !self.clients.iter().any(|client| is_waiting(&client)) && !self.has_arriving() {
                break;
            }
            waits += 1;
            assert!(waits < 80, "nobody waits for ever");
            self.pass_time(500);
        }
        for node in &self.nodes {
            assert_eq!(node.hub.queued(), 0, "nothing waits in the hub");
            assert_eq!(node.hub.unwritten(), 0, "nothing waits for the broker");
        }
    }

    /// Lets all happen, and looks whether nothing is missing.
    pub(crate) fn settle(&mut self) {
        self.rest();
        let truth = Known { store: &self.server.store, events: &self.events };
        self.settled = truth.next();
        for client in &mut self.clients {
            client.settled(&truth);
            if !client.recovers {
                client.stands(truth.next());
            }
        }
        self.nobody_is_twice();
    }

    /// A pid is open on one node at a time, as far as nodes were not cut off.
    fn nobody_is_twice(&mut self) {
        for ghost in &self.ghosts {
            let client = &self.clients[ghost.client];
            let Some(pid) = client.session.pid.as_ref().filter(|_| client.link.is_some()) else { continue };
            let Some(place) = self.place_of(ghost.link.node) else { continue };
            if self.nodes[place].cuts != ghost.cuts || !self.is_open(&ghost.link) {
                continue;
            }
            // What it was told when it was let in.
            let received = ghost.link.pipe.borrow();
            let is_it = String::from_utf8_lossy(&received.received).contains(&**pid);
            assert!(!is_it, "{pid} is open twice: {client:?}");
        }
    }

    /// All who can come back do so, to any node, which then has to know them.
    pub(crate) fn everybody_returns(&mut self) {
        let is_whole = self.manner.is_whole;
        let all: Vec<usize> = (0..self.clients.len())
            .filter(|&index| self.clients[index].recovers && self.clients[index].link.is_some())
            .collect();
        for &index in &all {
            // Of some the nodes do not know that they have gone.
            if self.random.percent(30) {
                self.desert(index);
            } else {
                self.cut(index);
            }
        }
        for _ in 0..self.random.below(4) {
            let node = self.random.below(self.nodes.len());
            let aim = Aim { user: self.random.percent(50).then_some(7), ..Aim::default() };
            self.publish_at(node, "msg", &aim, Event::default(), 5);
        }
        self.rest();
        for &index in &all {
            let client = &mut self.clients[index];
            client.must_recover = is_whole && client.session.follows.keys().all(|name| keeps_all(name));
            self.connect(index);
        }
        self.settle();
        for &index in &all {
            let client = &self.clients[index];
            assert!(client.link.is_some(), "client {index} is in");
        }
    }
}
