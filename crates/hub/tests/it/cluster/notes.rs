//! What the simulation's broker knows of connections that can be resumed: what each node has open, and what was dropped.

use std::collections::BTreeMap;

use hub::broker::{Claim, ClaimBy, Claimed, NodeId};
use hub::journal::{ResumeChange, ResumeEntry};
use protocol::channel::split_namespace;
use protocol::timestamp::Timestamp;

/// How long a dropped connection is kept, in milliseconds (contract: 2 min).
const KEEP_MS: i64 = 120_000;

/// The notes.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// By the connection and the node that told it: two have it where one was held to be dead, and was not.
    open: BTreeMap<(u128, NodeId), ResumeEntry>,
    dropped: BTreeMap<u128, (NodeId, ResumeEntry)>,
    /// When nodes died.
    died: BTreeMap<NodeId, i64>,
}

impl Notes {
    pub(crate) fn note(&mut self, node: NodeId, changes: Vec<ResumeChange>) {
        for change in changes {
            match change {
                ResumeChange::Set(entry) => {
                    let connection = entry.connection.as_u128();
                    if entry.dropped.is_some() {
                        self.open.remove(&(connection, node));
                        self.dropped.insert(connection, (node, entry));
                    } else {
                        self.open.insert((connection, node), entry);
                    }
                }
                ResumeChange::Forget(connection) => {
                    let connection = connection.as_u128();
                    // One that was asked for it and did not answer is not believed to have it any more.
                    let died = &self.died;
                    self.open
                        .retain(|&(of, at), _| of != connection || at != node && !died.contains_key(&at));
                    if self.dropped.get(&connection).is_some_and(|(by, _)| *by == node) {
                        self.dropped.remove(&connection);
                    }
                }
            }
        }
    }

    pub(crate) fn claim(&mut self, claim: &Claim, now: Timestamp) -> Claimed {
        self.expire(now);
        let connection = claim.connection.as_u128();
        let is_meant = |entry: &ResumeEntry| {
            let mut streams = entry.arrived.iter().flatten();
            let is_socket = streams.any(|(stream, _)| split_namespace(stream).is_some());
            let is_so = match claim.by {
                ClaimBy::Token { generation, .. } => entry.generation == generation,
                ClaimBy::Id => entry.arrived.is_some() && !is_socket,
                ClaimBy::Socket => is_socket,
            };
            is_so && entry.user == claim.user
        };
        let mut gone = None;
        let open = self.open.range((connection, NodeId::MIN)..=(connection, NodeId::MAX));
        for (&(_, node), entry) in open.filter(|(_, entry)| is_meant(entry)) {
            if !self.died.contains_key(&node) {
                return Claimed::Open(node, entry.clone());
            }
            gone = Some((node, entry.clone()));
        }
        let dropped = self.dropped.get(&connection).map(|(_, entry)| entry).filter(|entry| is_meant(entry));
        let found = dropped.cloned().or(gone.as_ref().map(|(_, entry)| entry.clone()));
        if found.is_some() && claim.by != ClaimBy::Id {
            if dropped.is_some() {
                self.dropped.remove(&connection);
            }
            if let Some((node, _)) = gone {
                self.open.remove(&(connection, node));
            }
        }
        found.map_or(Claimed::Nothing, Claimed::Entry)
    }

    /// A node has died.
    pub(crate) fn died(&mut self, node: NodeId, now: Timestamp) {
        self.died.entry(node).or_insert(now.as_millis());
    }

    /// It was not dead.
    pub(crate) fn revive(&mut self, node: NodeId) {
        self.died.remove(&node);
    }

    pub(crate) fn expire(&mut self, now: Timestamp) {
        let is_over = |since: i64| now.as_millis() - since > KEEP_MS;
        let died = &self.died;
        self.open.retain(|(_, node), _| died.get(node).is_none_or(|&since| !is_over(since)));
        self.dropped.retain(|_, (_, entry)| entry.dropped.is_some_and(|since| !is_over(since.as_millis())));
    }

    /// Whether all that is left was open on one of these nodes, as far as was told.
    pub(crate) fn are_of(&self, nodes: &[NodeId]) -> bool {
        self.dropped.is_empty() && self.open.keys().all(|(_, node)| nodes.contains(node))
    }
}
