//! What the simulation's broker knows of connections that can be resumed, as the scripts of the broker on Redis keep it: what
//! is open under the node that told it, what was dropped under the connection alone; and since when nodes gave no sign.

use std::collections::{BTreeMap, BTreeSet};

use hub::broker::{Claim, ClaimBy, Claimed, NodeId};
use hub::journal::{ResumeChange, ResumeEntry};
use protocol::channel::split_namespace;
use protocol::timestamp::Timestamp;

/// How long a dropped connection is kept, in milliseconds (contract: 2 min).
const KEEP_MS: i64 = 120_000;

/// How long what was open on a node is kept after its last sign.
const OPEN_MS: i64 = 130_000;

/// How long it is known that a connection was taken from a silent node.
const TAKEN_MS: i64 = 300_000;

/// A node without a sign for so long is not asked for its connections any more.
const SILENT_MS: i64 = 2_500;

/// And is not believed, after so long, to have one that another node took.
const DOUBTED_MS: i64 = 1_200;

/// Without a sign for so long it is dead.
const LEASE_MS: i64 = 5_000;

/// Where nobody gave a sign for so long it was the broker that was away.
const AWAY_MS: i64 = 3_000;

#[derive(Debug)]
struct Parked {
    node: NodeId,
    entry: ResumeEntry,
    until: i64,
}

/// The notes.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    open: BTreeMap<NodeId, BTreeMap<u128, ResumeEntry>>,
    parked: BTreeMap<u128, Parked>,
    /// What was taken from a silent node, which does not tell of it anew, and until when that is known.
    taken: BTreeMap<u128, (NodeId, i64)>,
    /// The nodes that are held to live, and their last signs.
    living: BTreeMap<NodeId, i64>,
    /// The last sign of each that may have something open.
    signs: BTreeMap<NodeId, i64>,
    /// The last sign of any node.
    sign: i64,
}

impl Notes {
    /// A node joins.
    pub(crate) fn join(&mut self, node: NodeId, now: Timestamp) {
        let now = now.as_millis();
        if now - self.sign > AWAY_MS {
            self.living.values_mut().for_each(|sign| *sign = now);
        }
        self.sign = now;
        self.living.insert(node, now);
        self.signs.insert(node, now);
    }

    /// These nodes have given signs all the time.
    pub(crate) fn beat(&mut self, nodes: &BTreeSet<NodeId>, now: Timestamp) {
        if nodes.is_empty() {
            return;
        }
        let now = now.as_millis();
        self.sign = now;
        for &node in nodes {
            self.living.insert(node, now);
            self.signs.insert(node, now);
        }
        self.living.retain(|_, sign| now - *sign < LEASE_MS);
    }

    /// The nodes that are held to live.
    pub(crate) fn living(&self) -> Vec<NodeId> {
        self.living.keys().copied().collect()
    }

    fn is_silent(&self, node: NodeId, since: i64, now: i64) -> bool {
        self.living.get(&node).is_none_or(|sign| now - sign >= since)
    }

    pub(crate) fn note(&mut self, node: NodeId, changes: Vec<ResumeChange>, now: Timestamp) {
        let now = now.as_millis();
        for change in changes {
            match change {
                ResumeChange::Set(entry) => {
                    let connection = entry.connection.as_u128();
                    if self.taken.get(&connection).is_some_and(|(from, _)| *from == node) {
                        self.open.entry(node).or_default().remove(&connection);
                        continue;
                    }
                    let Some(dropped) = entry.dropped else {
                        self.open.entry(node).or_default().insert(connection, entry);
                        continue;
                    };
                    let left = KEEP_MS - (now - dropped.as_millis()).max(0);
                    if left <= 0 {
                        self.forget(node, connection, now);
                        continue;
                    }
                    self.parked.insert(connection, Parked { node, entry, until: now + left });
                    self.open.entry(node).or_default().remove(&connection);
                }
                ResumeChange::Forget(connection) => self.forget(node, connection.as_u128(), now),
            }
        }
    }

    /// A node has no use of a connection any more: its own, what it dropped, and what silent nodes may have of it are gone.
    fn forget(&mut self, node: NodeId, connection: u128, now: i64) {
        let gone = |of: &NodeId| *of == node || self.is_silent(*of, DOUBTED_MS + 1, now);
        let nodes: Vec<NodeId> = self.open.keys().copied().filter(gone).collect();
        for of in nodes {
            self.open.entry(of).or_default().remove(&connection);
        }
        if self.parked.get(&connection).is_some_and(|parked| parked.node == node) {
            self.parked.remove(&connection);
        }
    }

    /// What a node is told of a connection that it asks for.
    pub(crate) fn claim(&mut self, asker: NodeId, claim: &Claim, now: Timestamp) -> Claimed {
        self.expire(now);
        let at = now.as_millis();
        let connection = claim.connection.as_u128();
        let mut nodes: Vec<NodeId> = self.open.keys().copied().collect();
        nodes.sort_by_key(|node| (self.signs.get(node).copied(), node.to_string()));
        if claim.by != ClaimBy::Id && self.taken.get(&connection).is_some_and(|(from, _)| *from == asker) {
            self.taken.remove(&connection);
        }
        let mut gone = None;
        for node in nodes {
            let Some(entry) = self.open[&node].get(&connection) else { continue };
            if !is_meant(claim, node, entry) {
                continue;
            }
            if !self.is_silent(node, SILENT_MS, at) {
                return Claimed::Open(node, entry.clone());
            }
            gone = Some((node, entry.clone()));
        }
        let parked =
            self.parked.get(&connection).filter(|parked| is_meant(claim, parked.node, &parked.entry));
        let parked = parked.map(|parked| parked.entry.clone());
        let node = gone.as_ref().map(|(node, _)| *node);
        let Some(entry) = parked.clone().or(gone.map(|(_, entry)| entry)) else { return Claimed::Nothing };
        if claim.by != ClaimBy::Id {
            if parked.is_some() {
                self.parked.remove(&connection);
            }
            if let Some(node) = node {
                self.open.entry(node).or_default().remove(&connection);
                if node != asker {
                    self.taken.insert(connection, (node, at + TAKEN_MS));
                }
            }
        }
        Claimed::Entry(entry)
    }

    pub(crate) fn expire(&mut self, now: Timestamp) {
        let now = now.as_millis();
        let is_over = |node: &NodeId| self.signs.get(node).is_none_or(|sign| now - sign > OPEN_MS);
        self.open.retain(|node, open| !is_over(node) && !open.is_empty());
        self.parked.retain(|_, parked| parked.until > now);
        self.taken.retain(|_, (_, until)| *until > now);
    }

    /// Whether all that is left was open on one of these nodes, as far as was told.
    pub(crate) fn are_of(&self, nodes: &[NodeId]) -> bool {
        let mut open = self.open.iter().filter(|(_, open)| !open.is_empty());
        self.parked.is_empty() && open.all(|(node, _)| nodes.contains(node))
    }
}

/// Whether this is the connection that is asked for, as that node told of it.
fn is_meant(claim: &Claim, by: NodeId, entry: &ResumeEntry) -> bool {
    let is_socket = entry.arrived.iter().flatten().any(|(stream, _)| split_namespace(stream).is_some());
    let is_such = match claim.by {
        ClaimBy::Token { generation, node } => entry.generation == generation && node == by,
        ClaimBy::Id => entry.arrived.is_some() && !is_socket,
        ClaimBy::Socket => is_socket,
    };
    is_such && entry.user == claim.user
}
