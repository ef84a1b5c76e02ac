//! All comes to rest: every node has its broker, everything is delivered, and nothing may be missing.

use hub::Shard;
use hub::broker::NodeId;

use super::client::Truth;
use super::model::STREAMS;
use super::world::World;

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
            self.nodes[node].work();
        }
        self.arrive();
        for index in 0..self.clients.len() {
            self.widen(index, None);
            self.read(index);
        }
        self.answer_publishers();
        is_busy || self.received() != before
    }

    /// Lets all happen that can.
    pub(crate) fn rest(&mut self) {
        self.start_server();
        self.server.is_full = false;
        let mut waits = 0;
        for round in 0.. {
            assert!(round < 4_000, "it comes to rest");
            if self.round() {
                continue;
            }
            let is_asking = |link: &super::client::Connected| !link.asked.is_empty() || !link.is_live;
            let is_waiting = self.clients.iter().filter_map(|client| client.link.as_ref()).any(is_asking);
            if !is_waiting && self.publishers.is_idle() && !self.has_arriving() {
                break;
            }
            waits += 1;
            assert!(waits < 60, "nobody waits for ever");
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
        self.compare();
        self.judge(false);
        if self.nodes.len() > 1 {
            self.count();
        }
        self.judge(true);
    }

    fn judge(&mut self, is_last: bool) {
        for index in 0..self.clients.len() {
            let Some(id) = self.clients[index].link.as_ref().map(|link| link.at.0) else { continue };
            let cuts = self.nodes.iter().find(|node| node.id == id).map_or(0, |node| node.cuts);
            let mut truth = Truth { store: &mut self.server.store, made: &self.made, now: self.now };
            self.clients[index].settled(cuts, &mut truth);
            if is_last {
                self.clients[index].stands(cuts, &mut truth);
            }
        }
    }

    /// A publication with all nodes there: its recipients are those who got it.
    fn count(&mut self) {
        let stream = STREAMS[self.random.below(STREAMS.len())].0;
        let number = self.publish_plainly(stream);
        self.rest();
        let got = |client: &&super::client::Client| {
            client.link.as_ref().is_some_and(|link| link.got.contains(&number))
        };
        let count = self.clients.iter().filter(got).count();
        let told = self.publishers.counts.get(&number).copied();
        let links: usize = self.nodes.iter().flat_map(|node| &node.shards).map(Shard::len).sum();
        let known = self.clients.iter().filter(|client| client.link.is_some()).count();
        // Connections whose clients vanished are still counted.
        let told = told.map(|told| told as usize);
        let is_right =
            told.is_some_and(|told| told == count || told > count && told <= count + links - known);
        assert!(is_right, "{number} to {stream} went to {count}, told {told:?}: {:?}", self.made[number]);
    }

    /// Nodes agree with the broker on all that they follow.
    fn compare(&mut self) {
        let now = self.now;
        for node in &self.nodes {
            for (name, ..) in STREAMS {
                if !self.server.follows(node.id).contains(name) {
                    continue;
                }
                let info = node.hub.stream_info(name, node.now.wall).and_then(|info| info.history);
                let Some(info) = info else { panic!("node {} follows {name} and does not know it", node.id) };
                let stream = self.server.store.stream(name, now).expect("followed");
                let known = (info.epoch, info.offset);
                assert_eq!(known, (stream.epoch.to_string(), stream.end), "{name} at node {}", node.id);
            }
        }
    }

    /// Everybody has left: nothing is held any longer but what everyone follows.
    pub(crate) fn empty(&mut self) {
        for client in &mut self.clients {
            client.link = None;
        }
        for node in &mut self.nodes {
            for shard in &mut node.shards {
                for key in 0..2_000 {
                    if shard.link_mut(key).is_some() {
                        shard.end(key);
                    }
                }
            }
        }
        for _ in 0..60 {
            self.pass_time(5_000);
            self.rest();
        }
        for node in &self.nodes {
            let followed = self.server.follows(node.id);
            assert_eq!(followed.len(), 1, "node {} lets go what nobody needs: {followed:?}", node.id);
            let known = node.hub.metrics().history_streams.get();
            assert!(known <= 1, "node {} holds {known} streams", node.id);
        }
        // What a node told of a drop may have been lost with its connection: then it is kept until that node ends.
        let cut: Vec<NodeId> = self.nodes.iter().filter(|node| node.cuts > 1).map(|node| node.id).collect();
        assert!(self.server.notes.are_of(&cut), "no connection is kept: {:?}", self.server.notes);
    }
}
