//! The other nodes: who is there, what they are, and what each tells the others when it begins to hear.
//!
//! Nodes tell each other of their users, not the broker: a node that comes, or comes back, greets each other one ([`Hub`]'s
//! `on_nodes`), and both tell what they want to know and whom they have; from then on what changes. What a node told of its
//! users is a lease that ends with the node: when the broker no longer counts it among those that live. Right after the
//! broker came back that is not believed for [`SETTLE_MS`], in which all nodes come back to it.
//!
//! Nodes also say by which rules they go. What has to be the same and is not is a conflict: said in the log once, by a
//! metric, and by [`Hub::conflicts`], until they agree.
//!
//! Not here: what is told of channels (`rooms`) and of namespaces (`sockets`), and how (`sayings`).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Cluster;
use super::rooms::Rooms;
use super::sayings::{Facts, Saying};
use super::sockets::Sockets;
use crate::broker::{NodeId, To, Wish};
use crate::hub::Hub;
use crate::order::Order;
use crate::shard::Now;

/// How long after the broker came back, or after a node said hello, a node is not taken for dead, in milliseconds: nodes
/// come back to a broker within two seconds, one by one.
const SETTLE_MS: u64 = 5_000;

/// How long after the broker came back who leads waits for what the others have to tell, in milliseconds: half of the time
/// within which users of a node that died are told to be gone (contract: socketio, 30 s).
const LEAD_MS: u64 = 15_000;

/// Other nodes of which something is known, at most.
const MOST_PEERS: usize = 1_024;

/// What is known of the other nodes.
#[derive(Debug, Default)]
pub(super) struct Peers {
    all: HashMap<NodeId, Peer>,
    /// When the broker came back.
    up_at: u64,
    /// Whether it has said since who lives.
    has_nodes: bool,
    /// What this node says of itself.
    facts: Option<Facts>,
    pub(super) rooms: Rooms,
    pub(super) sockets: Sockets,
}

/// Another node.
#[derive(Debug, Default)]
struct Peer {
    /// Whether it was told all since the broker came back.
    is_greeted: bool,
    /// Whether it has told of all its sockets since.
    has_told: bool,
    /// Whether it is to be told of all of this node's, once that is up to date.
    is_owed: bool,
    /// When it said hello.
    heard_at: u64,
    facts: Option<Facts>,
    /// What was said of its conflict.
    conflict: Vec<String>,
}

/// A node that goes by other rules than this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its name.
    pub node: String,
    /// What is not the same: `channel rules`, `feeds`, `namespaces`.
    pub what: Vec<String>,
}

impl Peers {
    /// The nodes that live, as far as is known, but this one.
    pub(super) fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.all.keys().copied()
    }

    /// Whether this node is the one that tells for all: of those that live the one with the lowest id, once all others have
    /// told it what it has to know, or have had the time to.
    pub(super) fn leads(&self, own: NodeId, now_ms: u64) -> bool {
        self.has_nodes
            && self.all.keys().all(|&other| other > own)
            && (self.all.values().all(|peer| peer.has_told) || now_ms >= self.up_at.saturating_add(LEAD_MS))
    }

    /// When the broker came back.
    pub(super) fn up_at(&self) -> u64 {
        self.up_at
    }

    pub(super) fn heard_sockets(&mut self, node: NodeId) {
        if let Some(peer) = self.all.get_mut(&node) {
            peer.has_told = true;
        }
    }

    fn enter(&mut self, node: NodeId) -> Option<&mut Peer> {
        if self.all.len() >= MOST_PEERS && !self.all.contains_key(&node) {
            return None;
        }
        Some(self.all.entry(node).or_default())
    }
}

impl Cluster {
    /// Says something to other nodes.
    pub(super) fn say(&self, to: To, saying: &Saying) {
        if self.is_up {
            self.broker.send(Wish::Say(to, saying.bytes()));
        }
    }
}

impl Hub {
    /// What this node is called and which version it runs, as it tells the others. To be called once, before it hears
    /// anything.
    pub fn set_node_facts(&self, name: &str, version: &str) {
        let same = self.same_everywhere();
        if let Some(cluster) = &mut self.order().cluster {
            cluster.peers.facts = Some(Facts { name: name.into(), version: version.into(), same });
        }
    }

    /// The nodes that go by other rules than this one, by their names.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict> {
        // Whoever asks for `/health` does not wait for the order.
        if self.metrics().cluster_conflicts.get() == 0 {
            return Vec::new();
        }
        let order = self.order();
        let peers = order.cluster.iter().flat_map(|cluster| cluster.peers.all.values());
        let mut conflicts: Vec<Conflict> = peers
            .filter(|peer| !peer.conflict.is_empty())
            .filter_map(|peer| {
                Some(Conflict { node: peer.facts.as_ref()?.name.clone(), what: peer.conflict.clone() })
            })
            .collect();
        conflicts.sort_by(|a, b| a.node.cmp(&b.node));
        conflicts
    }

    /// The rules have changed: the others are told.
    pub(crate) fn tell_facts(&self) {
        if !self.is_clustered {
            return;
        }
        let same = self.same_everywhere();
        let mut order = self.order();
        let Some(cluster) = &mut order.cluster else { return };
        if let Some(facts) = &mut cluster.peers.facts {
            facts.same = same;
            let saying = Saying::Facts(facts.clone());
            cluster.say(To::Others, &saying);
        }
        let nodes: Vec<NodeId> = cluster.peers.others().collect();
        nodes.into_iter().for_each(|node| self.compare(&mut order, node));
    }

    /// What has to be the same on all nodes, hashed.
    fn same_everywhere(&self) -> BTreeMap<String, String> {
        let spaces = self.namespaces().names();
        let mut namespaces = String::new();
        for name in &spaces {
            let types = self.namespace(name).map(|place| &self.endpoint(place).namespace);
            let types = types.and_then(|namespace| namespace.as_ref()).map(|namespace| &namespace.types);
            let _ = writeln!(namespaces, "{name:?} {types:?}");
        }
        let parts = [
            ("channel rules", self.rules().written()),
            ("feeds", self.feeds().written()),
            ("namespaces", namespaces),
        ];
        parts.into_iter().map(|(name, text)| (name.to_owned(), short_hash(&text))).collect()
    }

    /// There is a broker again: nobody has been told anything yet.
    pub(super) fn peers_up(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        let peers = &mut cluster.peers;
        peers.up_at = cluster.now.ms;
        peers.has_nodes = false;
        for peer in peers.all.values_mut() {
            peer.is_greeted = false;
            peer.has_told = false;
        }
    }

    /// There is none: whoever waits gets what is known.
    pub(super) fn peers_down(&self, order: &mut Order) {
        self.end_waits(order, None);
        if let Some(cluster) = &mut order.cluster {
            cluster.peers.sockets.stop_telling();
        }
    }

    /// These nodes live.
    pub(super) fn on_nodes(&self, order: &mut Order, nodes: Vec<NodeId>) {
        let Some(cluster) = &mut order.cluster else { return };
        let own = cluster.broker.node();
        let peers = &mut cluster.peers;
        peers.has_nodes = true;
        let others = nodes.iter().copied().filter(|&node| node != own);
        let fresh: Vec<NodeId> =
            others.filter(|node| !peers.all.get(node).is_some_and(|peer| peer.is_greeted)).collect();
        cluster.nodes = nodes;
        for node in fresh {
            // First, so that what follows is taken for the answer to it.
            if let Some(cluster) = &order.cluster {
                cluster.say(To::Node(node), &Saying::Hello);
            }
            self.greet(order, node);
        }
        self.end_the_dead(order);
    }

    /// Tells a node all that it has to know.
    fn greet(&self, order: &mut Order, node: NodeId) {
        let Some(cluster) = &mut order.cluster else { return };
        let Some(peer) = cluster.peers.enter(node) else { return };
        peer.is_greeted = true;
        peer.is_owed = true;
        let facts = cluster.peers.facts.clone().map(Saying::Facts);
        facts.iter().for_each(|facts| cluster.say(To::Node(node), facts));
        for saying in cluster.peers.rooms.wants() {
            cluster.say(To::Node(node), &saying);
        }
        self.tell_own_sockets(order);
    }

    /// Tells the nodes that are to know of all of this one's sockets, where this one knows by now what was told of them while
    /// it had no broker.
    fn tell_own_sockets(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        if !cluster.is_up || cluster.catch_up.is_some() {
            return;
        }
        let owed = |(node, peer): (&NodeId, &mut Peer)| std::mem::take(&mut peer.is_owed).then_some(*node);
        let owed: Vec<NodeId> = cluster.peers.all.iter_mut().filter_map(owed).collect();
        if owed.is_empty() {
            return;
        }
        let sayings = cluster.peers.sockets.own(&self.namespaces().names());
        for node in owed {
            sayings.iter().for_each(|saying| cluster.say(To::Node(node), saying));
        }
    }

    /// Takes the nodes for dead that the broker no longer counts.
    fn end_the_dead(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        let now = cluster.now;
        let peers = &mut cluster.peers;
        if !cluster.is_up || !peers.has_nodes {
            return;
        }
        let up_at = peers.up_at;
        let is_settled = |since: u64| since == 0 || now.ms >= since.saturating_add(SETTLE_MS);
        let dead: Vec<NodeId> = peers
            .all
            .iter()
            .filter(|(node, peer)| {
                !cluster.nodes.contains(node) && is_settled(up_at) && is_settled(peer.heard_at)
            })
            .map(|(node, _)| *node)
            .collect();
        for node in &dead {
            peers.all.remove(node);
            self.presence().end_node(*node, now);
            peers.rooms.end_node(*node, self.presence());
            peers.sockets.end_node(*node, now);
        }
        for node in dead {
            self.end_waits(order, Some(node));
        }
        self.count_conflicts(order);
    }

    /// Another node says something of itself or its users.
    pub(super) fn on_saying(&self, order: &mut Order, from: NodeId, text: &[u8]) {
        let Some(cluster) = &mut order.cluster else { return };
        let Some(saying) = Saying::read(text) else { return };
        if matches!(saying, Saying::Hello) {
            let now = cluster.now.ms;
            if let Some(peer) = cluster.peers.enter(from) {
                peer.heard_at = now.max(1);
                peer.has_told = false;
            }
            self.greet(order, from);
            return;
        }
        if cluster.peers.enter(from).is_none() {
            return;
        }
        match saying {
            Saying::Hello => {}
            Saying::Facts(facts) => {
                if let Some(peer) = cluster.peers.all.get_mut(&from) {
                    peer.facts = Some(facts);
                }
                self.compare(order, from);
            }
            Saying::Want { is_all, channels } => self.on_want(order, from, is_all, channels),
            Saying::Unwant { channels } => self.on_unwant(order, from, &channels),
            Saying::List { channel, is_first, is_last, users } => {
                self.on_list(order, from, &channel, (is_first, is_last), &users);
            }
            Saying::News { channel, users } => self.on_news(order, from, &channel, &users),
            Saying::Sockets { is_first, is_last, users } => {
                self.on_sockets(order, from, (is_first, is_last), users);
            }
            Saying::Socket { users } => self.on_socket(order, from, &users),
        }
    }

    /// Looks whether a node goes by the same rules.
    fn compare(&self, order: &mut Order, node: NodeId) {
        let Some(cluster) = &mut order.cluster else { return };
        let Peers { all, facts: Some(own), .. } = &mut cluster.peers else { return };
        let Some(peer) = all.get_mut(&node) else { return };
        let Some(theirs) = &peer.facts else { return };
        let differs =
            |(part, hash): &(&String, &String)| theirs.same.get(*part).is_some_and(|other| other != *hash);
        let conflict: Vec<String> = own.same.iter().filter(differs).map(|(part, _)| part.clone()).collect();
        if conflict != peer.conflict {
            let what = conflict.join(", ");
            if conflict.is_empty() {
                tracing::info!(node = own.name, other = theirs.name, "the nodes go by the same rules again");
            } else {
                tracing::warn!(
                    node = own.name,
                    other = theirs.name,
                    other_version = theirs.version,
                    what,
                    "two nodes of the cluster go by different rules; give all of them the same configuration"
                );
            }
            peer.conflict = conflict;
        }
        self.count_conflicts(order);
    }

    fn count_conflicts(&self, order: &Order) {
        let peers = order.cluster.iter().flat_map(|cluster| cluster.peers.all.values());
        let count = peers.filter(|peer| !peer.conflict.is_empty()).count();
        self.metrics().cluster_conflicts.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Tells what is new, and looks who is dead. To be called a few times a second.
    pub(super) fn keep_peers(&self, order: &mut Order, now: Now) {
        self.end_the_dead(order);
        self.tell_own_sockets(order);
        self.keep_rooms(order, now);
        self.keep_sockets(order, now);
    }
}

/// The first 16 digits of a hash: enough to tell that two texts differ.
fn short_hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
