//! Who is in a channel on other nodes.
//!
//! When somebody here first asks who is in a channel, the node *wants* it: it says so to all others, each answers with all
//! its users there, and tells what changes from then on, in batches, until the node says that it no longer wants it:
//! [`IDLE_MS`] after the last question, where nobody watches. Who asks first waits for the answers of all nodes, at most
//! [`WAIT_MS`]; then what is known is told. Without a broker that is what was known before, and this node's own.
//!
//! Bounds: [`MOST_WANTED`] channels that this node wants, and as many that others want of it; of a further one the users of
//! this node alone are told. [`MOST_WAITERS`] who wait. Not here: the counting (`presence`).

use std::collections::{HashMap, VecDeque};

use protocol::UserId;
use protocol::timestamp::Timestamp;
use smallvec::SmallVec;

use super::sayings::{ListedText, MOST_CHANNELS, MOST_USERS, Saying, UserText};
use crate::broker::{NodeId, To};
use crate::hub::Hub;
use crate::inbox::Caller;
use crate::order::Order;
use crate::presence::{Own, Presence};
use crate::shard::Now;

/// How long a channel is wanted after the last question.
const IDLE_MS: u64 = 60_000;

/// How long who asks first waits for other nodes, in milliseconds.
const WAIT_MS: u64 = 2_000;

/// Channels that this node wants, and that others want of it, at most each.
const MOST_WANTED: usize = 65_536;

/// Who wait for other nodes, at most; one more is told what is known.
const MOST_WAITERS: usize = 65_536;

/// Wanted channels looked at in one turn for those that nobody needs.
const SWEEP: usize = 1_024;

/// Users of one channel that a node lists, at most, as long as the list is on its way.
const MOST_LISTED: usize = 1 << 20;

/// What is wanted of whom.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    wanted: HashMap<Box<str>, Wanted>,
    /// All of them, those that were looked at longest ago in front.
    turn: VecDeque<Box<str>>,
    /// Until when answers are waited for, in that order.
    late: VecDeque<(u64, Box<str>)>,
    waiters: usize,
    /// The nodes that want to know of this one's users.
    shared: HashMap<Box<str>, SmallVec<[NodeId; 2]>>,
    /// Nodes that are told of these once all shards have said who is there.
    rolling: HashMap<Box<str>, Vec<NodeId>>,
    /// Lists of which not all parts have come: of one channel from each node.
    parts: HashMap<NodeId, (Box<str>, Part)>,
}

/// Users of a list, since when, and how they are there.
type Part = Vec<(UserId, Timestamp, Own)>;

/// A channel of which this node wants to know.
#[derive(Debug, Default)]
struct Wanted {
    /// When somebody last asked.
    touched: u64,
    /// The nodes whose answers are waited for.
    awaited: Vec<NodeId>,
    waiters: Vec<Caller>,
}

impl Rooms {
    /// What another node is told that is to know what this one wants.
    pub(super) fn wants(&self) -> impl Iterator<Item = Saying> + '_ {
        let all: Vec<String> = self.wanted.keys().map(|name| String::from(&**name)).collect();
        let first =
            Saying::Want { is_all: true, channels: all.iter().take(MOST_CHANNELS).cloned().collect() };
        let rest: Vec<Saying> = all
            .chunks(MOST_CHANNELS)
            .skip(1)
            .map(|part| Saying::Want { is_all: false, channels: part.to_vec() })
            .collect();
        [first].into_iter().chain(rest)
    }

    /// A node is dead: it wants nothing.
    pub(super) fn end_node(&mut self, node: NodeId, presence: &Presence) {
        self.parts.remove(&node);
        self.rolling.values_mut().for_each(|nodes| nodes.retain(|&other| other != node));
        self.shared.retain(|channel, nodes| {
            nodes.retain(|other| *other != node);
            if nodes.is_empty() {
                presence.unshare(channel);
            }
            !nodes.is_empty()
        });
    }

    fn unshare(&mut self, node: NodeId, channel: &str, presence: &Presence) {
        let Some(nodes) = self.shared.get_mut(channel) else { return };
        nodes.retain(|other| *other != node);
        if nodes.is_empty() {
            self.shared.remove(channel);
            presence.unshare(channel);
        }
    }
}

/// A list in as many texts as it takes.
fn lists(channel: &str, users: &[(UserId, Timestamp, Own)]) -> Vec<Saying> {
    let parts = users.len().div_ceil(MOST_USERS).max(1);
    let part = |place: usize| Saying::List {
        channel: channel.to_owned(),
        is_first: place == 0,
        is_last: place + 1 == parts,
        users: users.iter().skip(place * MOST_USERS).take(MOST_USERS).map(ListedText::new).collect(),
    };
    (0..parts).map(part).collect()
}

impl Hub {
    /// Makes sure that it is known who is in a channel on other nodes. Where it is, or the hub is alone, returns true, and
    /// `caller` is not asked; else the roll is called for it once it is, or once that took too long.
    pub(crate) fn knows_elsewhere(&self, channel: &str, caller: impl FnOnce() -> Caller) -> bool {
        if !self.is_clustered {
            return true;
        }
        let mut order = self.order();
        let Some(cluster) = &mut order.cluster else { return true };
        let (now, is_up) = (cluster.now.ms, cluster.is_up);
        let others: Vec<NodeId> = cluster.peers.others().filter(|_| is_up).collect();
        let rooms = &mut cluster.peers.rooms;
        let is_new = !rooms.wanted.contains_key(channel);
        if is_new {
            if rooms.wanted.len() >= MOST_WANTED {
                return true;
            }
            if !others.is_empty() {
                rooms.late.push_back((now.saturating_add(WAIT_MS), channel.into()));
            }
            rooms.wanted.insert(channel.into(), Wanted { awaited: others, ..Wanted::default() });
            rooms.turn.push_back(channel.into());
        }
        let Some(wanted) = rooms.wanted.get_mut(channel) else { return true };
        wanted.touched = now;
        let is_known = wanted.awaited.is_empty() || rooms.waiters >= MOST_WAITERS;
        if !is_known {
            wanted.waiters.push(caller());
            rooms.waiters += 1;
        }
        if is_new {
            cluster.say(To::Others, &Saying::Want { is_all: false, channels: vec![channel.to_owned()] });
        }
        is_known
    }

    /// Another node wants to know who is in channels.
    pub(super) fn on_want(&self, order: &mut Order, node: NodeId, is_all: bool, channels: Vec<String>) {
        let Some(cluster) = &mut order.cluster else { return };
        let rooms = &mut cluster.peers.rooms;
        if is_all {
            let no_longer = |channel: &str, nodes: &SmallVec<[NodeId; 2]>| {
                nodes.contains(&node) && !channels.iter().any(|name| *name == channel)
            };
            let gone: Vec<Box<str>> = rooms
                .shared
                .iter()
                .filter(|(name, nodes)| no_longer(name, nodes))
                .map(|(name, _)| name.clone())
                .collect();
            gone.iter().for_each(|channel| rooms.unshare(node, channel, self.presence()));
        }
        for channel in channels {
            if rooms.shared.len() >= MOST_WANTED && !rooms.shared.contains_key(&*channel) {
                continue;
            }
            let nodes = rooms.shared.entry(channel.as_str().into()).or_default();
            if nodes.is_empty() {
                self.presence().share(&channel);
            }
            if !nodes.contains(&node) {
                nodes.push(node);
            }
            // Those who are there may not have been counted yet; who comes from now on is.
            let rolling = rooms.rolling.entry(channel.as_str().into()).or_default();
            rolling.push(node);
            if rolling.len() == 1 {
                self.call_roll(&channel, Caller::Nodes);
            }
        }
    }

    /// All shards have said who is in a channel: the nodes that asked are told.
    pub(crate) fn tell_nodes(&self, channel: &str) {
        let mut order = self.order();
        let Some(cluster) = &mut order.cluster else { return };
        let Some(nodes) = cluster.peers.rooms.rolling.remove(channel) else { return };
        let told = lists(channel, &self.presence().own(channel));
        for node in nodes {
            told.iter().for_each(|list| cluster.say(To::Node(node), list));
        }
    }

    /// Another node no longer wants to know that.
    pub(super) fn on_unwant(&self, order: &mut Order, node: NodeId, channels: &[String]) {
        let Some(cluster) = &mut order.cluster else { return };
        channels.iter().for_each(|channel| cluster.peers.rooms.unshare(node, channel, self.presence()));
    }

    /// Another node says who is in a channel there.
    pub(super) fn on_list(
        &self,
        order: &mut Order,
        node: NodeId,
        channel: &str,
        (is_first, is_last): (bool, bool),
        users: &[ListedText],
    ) {
        let Some(cluster) = &mut order.cluster else { return };
        let now = cluster.now;
        let rooms = &mut cluster.peers.rooms;
        if !rooms.wanted.contains_key(channel) {
            return;
        }
        let part = rooms.parts.entry(node).or_insert_with(|| (channel.into(), Vec::new()));
        if is_first {
            *part = (channel.into(), Vec::new());
        }
        if *part.0 != *channel {
            return;
        }
        let room = MOST_LISTED.saturating_sub(part.1.len());
        part.1.extend(users.iter().take(room).filter_map(ListedText::get));
        if !is_last {
            return;
        }
        if let Some((_, users)) = rooms.parts.remove(&node) {
            self.presence().hear_all(channel, node, &users, now);
        }
        if let Some(wanted) = rooms.wanted.get_mut(channel) {
            wanted.awaited.retain(|&other| other != node);
            if wanted.awaited.is_empty() {
                self.end_wait(order, channel);
            }
        }
    }

    /// Another node says who came and went there.
    pub(super) fn on_news(&self, order: &mut Order, node: NodeId, channel: &str, users: &[UserText]) {
        let Some(cluster) = &order.cluster else { return };
        // To all it is said where several want it.
        if cluster.peers.rooms.wanted.contains_key(channel) {
            for (user, own) in users.iter().filter_map(UserText::get) {
                self.presence().hear(channel, node, &user, own, cluster.now);
            }
        }
    }

    /// Those who waited for a channel are told.
    fn end_wait(&self, order: &mut Order, channel: &str) {
        let Some(cluster) = &mut order.cluster else { return };
        let rooms = &mut cluster.peers.rooms;
        let Some(wanted) = rooms.wanted.get_mut(channel) else { return };
        wanted.awaited = Vec::new();
        let waiters = std::mem::take(&mut wanted.waiters);
        rooms.waiters = rooms.waiters.saturating_sub(waiters.len());
        waiters.into_iter().for_each(|caller| self.call_roll(channel, caller));
    }

    /// This node is waited for no longer, or none is.
    pub(super) fn end_waits(&self, order: &mut Order, node: Option<NodeId>) {
        let Some(cluster) = &mut order.cluster else { return };
        let mut over: Vec<Box<str>> = Vec::new();
        for (channel, wanted) in &mut cluster.peers.rooms.wanted {
            if wanted.awaited.is_empty() {
                continue;
            }
            wanted.awaited.retain(|&other| node.is_some_and(|node| node != other));
            if wanted.awaited.is_empty() {
                over.push(channel.clone());
            }
        }
        over.iter().for_each(|channel| self.end_wait(order, channel));
    }

    /// Tells other nodes what is new of this one's users, and lets go what nobody asks for any longer.
    pub(super) fn keep_rooms(&self, order: &mut Order, now: Now) {
        let Some(cluster) = &mut order.cluster else { return };
        for news in self.presence().news() {
            let channel = &*news.channel;
            let Some(nodes) = cluster.peers.rooms.shared.get(channel) else { continue };
            let to = match nodes[..] {
                [node] => To::Node(node),
                _ => To::Others,
            };
            match news.users {
                Some(users) => {
                    for part in users.chunks(MOST_USERS) {
                        let users = part.iter().map(|(user, own)| UserText::new(user, *own)).collect();
                        cluster.say(to, &Saying::News { channel: channel.to_owned(), users });
                    }
                }
                None => lists(channel, &self.presence().own(channel))
                    .iter()
                    .for_each(|list| cluster.say(to, list)),
            }
        }
        let mut gone: Vec<String> = Vec::new();
        let rooms = &mut cluster.peers.rooms;
        for _ in 0..SWEEP.min(rooms.turn.len()) {
            let Some(channel) = rooms.turn.pop_front() else { break };
            let Some(wanted) = rooms.wanted.get_mut(&channel) else { continue };
            if self.presence().is_watched(&channel) {
                wanted.touched = now.ms;
            }
            if !wanted.awaited.is_empty() || now.ms.saturating_sub(wanted.touched) < IDLE_MS {
                rooms.turn.push_back(channel);
                continue;
            }
            rooms.wanted.remove(&channel);
            self.presence().forget_elsewhere(&channel, now);
            gone.push(channel.into());
        }
        for part in gone.chunks(MOST_CHANNELS) {
            cluster.say(To::Others, &Saying::Unwant { channels: part.to_vec() });
        }
        while let Some((_, channel)) = order
            .cluster
            .as_mut()
            .and_then(|cluster| cluster.peers.rooms.late.pop_front_if(|(until, _)| *until <= now.ms))
        {
            self.end_wait(order, &channel);
        }
    }
}
