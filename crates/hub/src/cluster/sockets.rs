//! Who has a socket in a Socket.IO namespace on any node, so that the others in it are told once who comes and who is gone.
//!
//! Each node tells the others whose first socket came and whose last one ended there. One node tells the sockets of all
//! nodes: the one that leads ([`Peers::leads`](super::peers::Peers::leads)). What it tells is a publication with a key, and
//! the other nodes note it, also of a user they do not know yet, so that whoever leads next neither repeats nor forgets it. Without a broker
//! nothing is told; what is still true then is told later.
//!
//! Bounds: [`MOST_USERS_THERE`] users with sockets in such namespaces, of all nodes; a further one is told of to nobody. Not
//! here: a hub alone (`namespaces`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Publication, Stream, UserId};
use smallvec::SmallVec;

use super::sayings::{MOST_USERS, Saying, SocketText, user_id};
use crate::broker::{Event, NodeId, Outcome, Publishing, Shared, Ticket, To, Wish};
use crate::endpoint::{USER_OFFLINE, USER_ONLINE};
use crate::hub::Hub;
use crate::idempotency::ScopedKey;
use crate::order::Order;
use crate::shard::Now;
use crate::wire::NamespaceIndex;

/// Users with sockets, of all nodes, at most: a million, in about 200 MB.
const MOST_USERS_THERE: usize = 1 << 20;

/// How soon after the last text the next one goes out, in milliseconds; what comes sooner goes with those of the next turn.
const SOONEST_MS: u64 = 50;

/// How long after its grace an absence is remembered that another node has to tell, or that was told.
const REMEMBER_MS: u64 = 30_000;

/// The scope of the keys of what is told: no API key has that name.
const SCOPE: &str = "@presence";

type Who = (NamespaceIndex, Box<str>);

/// How an event is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// In the line, or behind what the node had.
    New,
    /// Among what its stream kept when the node began to follow it.
    Kept,
}

/// Who has sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    users: HashMap<Who, There>,
    /// Those of whom something may have to be told.
    pending: HashSet<Who>,
    /// Those of whom other nodes are to be told.
    unsaid: Vec<Who>,
    said_at: u64,
    /// What is on its way to the broker, and whether it is that the user is online.
    telling: HashMap<Ticket, (Who, bool)>,
    /// Lists of which not all parts have come.
    parts: HashMap<NodeId, Vec<SocketText>>,
    /// The number of the last event before those that this node has seen without a gap.
    known_from: u64,
}

/// A user in a namespace.
#[derive(Debug)]
struct There {
    user: UserId,
    /// Sockets on this node.
    own: u32,
    /// The other nodes on which the user has some.
    others: SmallVec<[NodeId; 2]>,
    /// When the last of all ended.
    gone: Option<u64>,
    /// Whether the others in the namespace were told that the user is there.
    is_told: bool,
    /// The number of the event that said so, or that the user is gone; 0 where none is known.
    told_by: u64,
    is_telling: bool,
    /// The socket that came first, and when: the one that is not told of itself.
    first: (ConnectionId, Timestamp),
    /// The one that came when there last was none.
    last: (ConnectionId, Timestamp),
}

impl There {
    fn is_present(&self) -> bool {
        self.own > 0 || !self.others.is_empty()
    }

    /// A first one came, where there was none.
    fn begin(&mut self, by: (ConnectionId, Timestamp)) {
        self.gone = None;
        self.last = by;
        if !self.is_told && !self.is_telling {
            self.first = by;
        }
    }

    fn text(&self, space: &str) -> SocketText {
        SocketText {
            space: space.to_owned(),
            user: self.user.as_str().to_owned(),
            is_number: self.user.is_number(),
            is_here: self.own > 0,
            first: (format!("{:x}", self.first.0.as_u128()), self.first.1.as_millis()),
            last: (format!("{:x}", self.last.0.as_u128()), self.last.1.as_millis()),
            told: (self.is_told, self.told_by),
        }
    }
}

impl Sockets {
    /// What another node is told that is to know all of this one's.
    pub(super) fn own(&self, names: &[Box<str>]) -> Vec<Saying> {
        let is_meant = |there: &There| there.own > 0 || !there.is_present() && there.is_told;
        let text = |((space, _), there): (&Who, &There)| {
            let name = names.get(usize::from(*space)).filter(|_| is_meant(there))?;
            Some(there.text(name))
        };
        let all: Vec<SocketText> = self.users.iter().filter_map(text).collect();
        let parts = all.len().div_ceil(MOST_USERS).max(1);
        let part = |place: usize| Saying::Sockets {
            is_first: place == 0,
            is_last: place + 1 == parts,
            users: all.iter().skip(place * MOST_USERS).take(MOST_USERS).cloned().collect(),
        };
        (0..parts).map(part).collect()
    }

    /// A node is dead, and its sockets with it.
    pub(super) fn end_node(&mut self, node: NodeId, now: Now) {
        self.parts.remove(&node);
        for (who, there) in &mut self.users {
            if there.others.contains(&node) {
                leave(there, node, now);
                self.pending.insert(who.clone());
            }
        }
    }

    /// What is on its way is not answered.
    pub(super) fn stop_telling(&mut self) {
        for (who, _) in std::mem::take(&mut self.telling).into_values() {
            if let Some(there) = self.users.get_mut(&who) {
                there.is_telling = false;
                self.pending.insert(who);
            }
        }
    }

    fn enter(&mut self, who: &Who, user: &UserId, by: (ConnectionId, Timestamp)) -> Option<&mut There> {
        if self.users.len() >= MOST_USERS_THERE && !self.users.contains_key(who) {
            return None;
        }
        Some(self.users.entry(who.clone()).or_insert_with(|| There {
            user: user.clone(),
            own: 0,
            others: SmallVec::new(),
            gone: None,
            is_told: false,
            told_by: 0,
            is_telling: false,
            first: by,
            last: by,
        }))
    }
}

/// A socket as another node wrote it, and when it came.
fn socket((id, began): &(String, i64)) -> Option<(ConnectionId, Timestamp)> {
    let id = u128::from_str_radix(id, 16).ok().map(ConnectionId::from_random)?;
    Some((id, Timestamp::from_millis(*began)))
}

/// A node has no sockets of a user any longer.
fn leave(there: &mut There, node: NodeId, now: Now) {
    there.others.retain(|other| *other != node);
    if !there.is_present() && there.gone.is_none() {
        there.gone = Some(now.ms);
    }
}

impl Hub {
    /// A user's socket came on this node.
    pub(crate) fn socket_came(&self, space: NamespaceIndex, user: &UserId, socket: ConnectionId, now: Now) {
        let mut order = self.order();
        let Some(cluster) = &mut order.cluster else { return };
        let sockets = &mut cluster.peers.sockets;
        let who: Who = (space, user.as_str().into());
        let by = (socket, now.wall);
        let Some(there) = sockets.enter(&who, user, by) else { return };
        if !there.is_present() {
            there.begin(by);
        }
        there.own = there.own.saturating_add(1);
        let is_first = there.own == 1;
        if !is_first {
            return;
        }
        sockets.pending.insert(who.clone());
        sockets.unsaid.push(who.clone());
        self.settle_socket(&mut order, &who, now);
        self.say_sockets(&mut order, now, SOONEST_MS);
    }

    /// It ended.
    pub(crate) fn socket_went(&self, space: NamespaceIndex, user: &str, now: Now) {
        let mut order = self.order();
        let Some(cluster) = &mut order.cluster else { return };
        let sockets = &mut cluster.peers.sockets;
        let who: Who = (space, user.into());
        let Some(there) = sockets.users.get_mut(&who).filter(|there| there.own > 0) else { return };
        there.own -= 1;
        if there.own > 0 {
            return;
        }
        if !there.is_present() {
            there.gone = Some(now.ms);
        }
        sockets.pending.insert(who.clone());
        sockets.unsaid.push(who);
        self.say_sockets(&mut order, now, SOONEST_MS);
    }

    /// Tells other nodes what is new, if the last time was so long ago.
    fn say_sockets(&self, order: &mut Order, now: Now, soonest: u64) {
        let Some(cluster) = &mut order.cluster else { return };
        let sockets = &mut cluster.peers.sockets;
        if sockets.unsaid.is_empty() || now.ms < sockets.said_at.saturating_add(soonest) {
            return;
        }
        sockets.said_at = now.ms;
        let names = self.namespaces().names();
        let unsaid: HashSet<Who> = sockets.unsaid.drain(..).collect();
        let text = |who: &Who| {
            let there = sockets.users.get(who)?;
            Some(there.text(names.get(usize::from(who.0))?))
        };
        let texts: Vec<SocketText> = unsaid.iter().filter_map(text).collect();
        for part in texts.chunks(MOST_USERS) {
            cluster.say(To::Others, &Saying::Socket { users: part.to_vec() });
        }
    }

    /// Tells of a user what has to be told and was not, if that is this node's to do. Forgets one who is gone.
    fn settle_socket(&self, order: &mut Order, who: &Who, now: Now) {
        let Some(cluster) = &mut order.cluster else { return };
        let leads =
            cluster.is_up && cluster.catch_up.is_none() && cluster.peers.leads(cluster.broker.node(), now.ms);
        let forgets_from = cluster.peers.up_at();
        let (is_up, grace) = (cluster.is_up, self.offline_grace_ms());
        let sockets = &mut cluster.peers.sockets;
        let Some(there) = sockets.users.get_mut(who) else {
            sockets.pending.remove(who);
            return;
        };
        if there.is_telling {
            return;
        }
        if there.is_present() {
            if there.is_told {
                sockets.pending.remove(who);
            } else if leads {
                self.tell_socket(order, who, true, now);
            }
            return;
        }
        let gone = there.gone.unwrap_or(now.ms);
        let ends = gone.saturating_add(grace);
        if ends > now.ms {
            return;
        }
        let is_told = there.is_told;
        // Of whom nobody heard is not missed. Who leads tells of the others, and says so; else this is as if it had. That a
        // user was told to be gone is remembered as long: nodes that are behind may say otherwise, and keys are not to repeat.
        let is_over = is_up && gone.max(forgets_from).saturating_add(grace + REMEMBER_MS) <= now.ms;
        if is_told && leads {
            self.tell_socket(order, who, false, now);
        } else if is_over || !is_told && there.told_by == 0 {
            sockets.users.remove(who);
            sockets.pending.remove(who);
        }
    }

    /// Hands the broker what the others in the namespace are told.
    fn tell_socket(&self, order: &mut Order, who: &Who, is_online: bool, now: Now) {
        let names = self.namespaces().names();
        let Some(name) = names.get(usize::from(who.0)) else { return };
        let Some(cluster) = &mut order.cluster else { return };
        let ticket = cluster.ticket();
        let node = cluster.broker.node();
        let sockets = &mut cluster.peers.sockets;
        let Some(there) = sockets.users.get_mut(who) else { return };
        there.is_telling = true;
        let (first, began) = there.first;
        let kind = if is_online { USER_ONLINE } else { USER_OFFLINE };
        let publication: Publication = crate::namespaces::presence_event(kind, &there.user, now.wall);
        // Behind one event that tells of the user there is one that tells otherwise, whoever makes it.
        let key =
            format!("{kind} {name} {} {:x} {} {}", who.1, first.as_u128(), began.as_millis(), there.told_by);
        let stream = Stream::namespace(name).into_boxed_str();
        let rules = vec![self.keeps(&stream).0];
        let event = Shared {
            publication: Arc::new(publication),
            accepted: now.wall,
            streams: vec![stream],
            connection: None,
            namespace: None,
            except: Some(first),
            close_sessions: None,
            retain: None,
            is_transient: false,
            origin: (node, ticket),
        };
        let key = Some((ScopedKey { scope: SCOPE.into(), key: key.into() }, self.limits().idempotency));
        sockets.telling.insert(ticket, (who.clone(), is_online));
        cluster.broker.send(Wish::Publish(ticket, Box::new(Publishing { event, rules, key, batch: None })));
    }

    /// What became of it. Returns whether the ticket is one of these.
    pub(super) fn on_socket_told(&self, order: &mut Order, ticket: Ticket, outcome: &Outcome) -> bool {
        let Some(cluster) = &mut order.cluster else { return false };
        let now = cluster.now;
        let sockets = &mut cluster.peers.sockets;
        let Some((who, is_online)) = sockets.telling.get(&ticket).cloned() else { return false };
        if matches!(outcome, Outcome::Placed { .. }) {
            // It comes in the line, as to all.
            return true;
        }
        sockets.telling.remove(&ticket);
        let Some(there) = sockets.users.get_mut(&who) else { return true };
        there.is_telling = false;
        if matches!(outcome, Outcome::Refused(_)) {
            // Later: what has to be told is looked at a few times a second.
            sockets.pending.insert(who);
            return true;
        }
        self.note_told(order, &who, is_online, 0);
        self.settle_socket(order, &who, now);
        true
    }

    /// This was told of a user, by the event of that number, where it is known.
    fn note_told(&self, order: &mut Order, who: &Who, is_online: bool, by: u64) {
        let Some(cluster) = &mut order.cluster else { return };
        let (now, sockets) = (cluster.now, &mut cluster.peers.sockets);
        let Some(there) = sockets.users.get_mut(who) else { return };
        there.is_told = is_online;
        there.told_by = there.told_by.max(by);
        sockets.pending.insert(who.clone());
        if is_online {
            return;
        }
        if there.is_present() {
            there.first = there.last;
        } else {
            there.gone = Some(now.ms);
        }
    }

    /// The node begins to follow a stream: of what was told in it before it knows what the stream has kept.
    pub(super) fn begin_seeing(&self, order: &mut Order, stream: &str, seq: u64) {
        let Some(cluster) = &mut order.cluster else { return };
        if self.namespaces().telling_space(stream.strip_prefix('@').unwrap_or_default()).is_some() {
            cluster.peers.sockets.known_from = seq;
        }
    }

    /// An event comes by: where it tells of a user in a namespace, that is known from now on.
    pub(super) fn note_event(&self, order: &mut Order, event: &Event, seen: Seen) {
        let publication = &event.event.publication;
        // What others publish under these names leaves nobody out.
        let Some(first) = event.event.except else { return };
        let is_online = match &*publication.event_type {
            USER_ONLINE => true,
            USER_OFFLINE => false,
            _ => return,
        };
        let Ok(data) = serde_json::from_str::<serde_json::Value>(&publication.data) else { return };
        let user = match &data["user_id"] {
            serde_json::Value::String(text) => user_id(text, false),
            serde_json::Value::Number(number) => user_id(&number.to_string(), true),
            _ => None,
        };
        let Some(user) = user else { return };
        for stream in &event.event.streams {
            let Some(space) = self.namespaces().telling_space(stream.strip_prefix('@').unwrap_or_default())
            else {
                continue;
            };
            let who: Who = (space, user.as_str().into());
            let Some(cluster) = &mut order.cluster else { return };
            let (now, sockets) = (cluster.now, &mut cluster.peers.sockets);
            if (is_online || seen == Seen::New) && !sockets.users.contains_key(&who) {
                // Told by nodes that may all be gone, or before their word of the user came: unless another one has the user, it
                // is for this one to tell the end. That a user is gone is kept for those who are behind.
                let by = (first, publication.timestamp);
                if let Some(there) = sockets.enter(&who, &user, by) {
                    there.gone = Some(now.ms);
                }
            }
            let (node, ticket) = event.event.origin;
            let is_own = node == cluster.broker.node() && sockets.telling.remove(&ticket).is_some();
            if let Some(there) = sockets.users.get_mut(&who).filter(|_| is_own) {
                there.is_telling = false;
            }
            if sockets.users.get(&who).is_some_and(|there| there.told_by < event.seq) {
                self.note_told(order, &who, is_online, event.seq);
            }
            self.settle_socket(order, &who, now);
        }
    }

    /// Something is missing in a stream: what was told in it is not known.
    pub(super) fn forget_told(&self, order: &mut Order, stream: &str) {
        let Some(cluster) = &mut order.cluster else { return };
        let sockets = &mut cluster.peers.sockets;
        let Some(space) = self.namespaces().telling_space(stream.strip_prefix('@').unwrap_or_default())
        else {
            return;
        };
        sockets.known_from = order.seq;
        for (who, there) in sockets.users.iter_mut().filter(|((of, _), _)| *of == space) {
            // Whoever is here is told again; of one who is gone it is told once more rather than never.
            there.is_told &= !there.is_present();
            there.told_by = 0;
            sockets.pending.insert(who.clone());
        }
    }

    /// Another node says whose sockets came and went there.
    pub(super) fn on_socket(&self, order: &mut Order, node: NodeId, users: &[SocketText]) {
        for text in users {
            self.take_socket(order, node, text);
        }
    }

    /// Another node says who has sockets there.
    pub(super) fn on_sockets(
        &self,
        order: &mut Order,
        node: NodeId,
        (is_first, is_last): (bool, bool),
        users: Vec<SocketText>,
    ) {
        let Some(cluster) = &mut order.cluster else { return };
        let now = cluster.now;
        let sockets = &mut cluster.peers.sockets;
        let part = sockets.parts.entry(node).or_default();
        if is_first {
            part.clear();
        }
        let room = MOST_USERS_THERE.saturating_sub(part.len());
        part.extend(users.into_iter().take(room));
        if !is_last {
            return;
        }
        let users = sockets.parts.remove(&node).unwrap_or_default();
        let here: HashSet<Who> = users
            .iter()
            .filter(|text| text.is_here)
            .filter_map(|text| {
                Some((self.namespaces().telling_space(&text.space)?, text.user.as_str().into()))
            })
            .collect();
        for (who, there) in &mut sockets.users {
            if there.others.contains(&node) && !here.contains(who) {
                leave(there, node, now);
                sockets.pending.insert(who.clone());
            }
        }
        for text in &users {
            self.take_socket(order, node, text);
        }
        if let Some(cluster) = &mut order.cluster {
            cluster.peers.heard_sockets(node);
        }
    }

    fn take_socket(&self, order: &mut Order, node: NodeId, text: &SocketText) {
        let Some(cluster) = &mut order.cluster else { return };
        let now = cluster.now;
        let Some(space) = self.namespaces().telling_space(&text.space) else { return };
        let (Some(user), Some(first), Some(last)) =
            (user_id(&text.user, text.is_number), socket(&text.first), socket(&text.last))
        else {
            return;
        };
        let who: Who = (space, text.user.as_str().into());
        let (is_told, told_by) = text.told;
        let released = order.released;
        let sockets = &mut cluster.peers.sockets;
        let sockets_known_from = sockets.known_from;
        let is_new = !sockets.users.contains_key(&who);
        if is_new && !text.is_here && !is_told {
            return;
        }
        let Some(there) = sockets.enter(&who, &user, first) else { return };
        if is_new {
            there.last = last;
            there.gone = Some(now.ms);
        }
        // What this node saw itself and has forgotten since was followed by word that the user is gone.
        let is_unseen = told_by <= sockets_known_from || told_by > released;
        if told_by > there.told_by && (is_unseen || is_new) {
            (there.is_told, there.told_by) = (is_told && is_unseen, told_by);
        }
        if is_new && !there.is_told {
            // The other node may not have heard yet that its first one is gone.
            there.first = last;
        }
        if !text.is_here {
            leave(there, node, now);
        } else if !there.others.contains(&node) {
            if is_new {
                there.gone = None;
            } else if !there.is_present() {
                there.begin(last);
            }
            there.others.push(node);
        }
        sockets.pending.insert(who.clone());
        self.settle_socket(order, &who, now);
    }

    /// Tells what is to be told. To be called a few times a second.
    pub(super) fn keep_sockets(&self, order: &mut Order, now: Now) {
        self.say_sockets(order, now, 0);
        let Some(cluster) = &order.cluster else { return };
        let pending: Vec<Who> = cluster.peers.sockets.pending.iter().cloned().collect();
        pending.iter().for_each(|who| self.settle_socket(order, who, now));
        if let Some(cluster) = &mut order.cluster {
            let Sockets { users, pending, .. } = &mut cluster.peers.sockets;
            if users.capacity() > 1024 && users.len() < users.capacity() / 4 {
                users.shrink_to_fit();
            }
            if pending.capacity() > 1024 && pending.len() < pending.capacity() / 4 {
                pending.shrink_to_fit();
            }
        }
    }
}
