//! What the simulation's broker knows of connections that can be resumed.

use std::collections::BTreeMap;

use hub::broker::{Claim, ClaimBy, Claimed, NodeId};
use hub::journal::{ResumeChange, ResumeEntry};
use protocol::channel::split_namespace;
use protocol::timestamp::Timestamp;

/// How long a dropped connection is kept, in milliseconds (contract: 2 min).
const KEEP_MS: i64 = 120_000;

#[derive(Debug)]
struct Note {
    node: NodeId,
    entry: ResumeEntry,
    /// When its node died.
    died: Option<i64>,
}

/// The notes.
#[derive(Debug, Default)]
pub(crate) struct Notes(BTreeMap<u128, Note>);

impl Notes {
    pub(crate) fn note(&mut self, node: NodeId, changes: Vec<ResumeChange>) {
        for change in changes {
            match change {
                ResumeChange::Set(entry) => {
                    self.0.insert(entry.connection.as_u128(), Note { node, entry, died: None });
                }
                ResumeChange::Forget(connection) => drop(self.0.remove(&connection.as_u128())),
            }
        }
    }

    pub(crate) fn claim(&mut self, claim: &Claim, now: Timestamp) -> Claimed {
        self.expire(now);
        let Some(note) = self.0.get(&claim.connection.as_u128()) else { return Claimed::Nothing };
        let entry = &note.entry;
        let is_socket = entry.arrived.iter().flatten().any(|(stream, _)| split_namespace(stream).is_some());
        let is_meant = match claim.by {
            ClaimBy::Token { generation, .. } => entry.generation == generation,
            ClaimBy::Id => entry.arrived.is_some() && !is_socket,
            ClaimBy::Socket => is_socket,
        };
        if !is_meant || entry.user != claim.user {
            return Claimed::Nothing;
        }
        if entry.dropped.is_none() && note.died.is_none() {
            return Claimed::Open(note.node, entry.clone());
        }
        let entry = entry.clone();
        if claim.by != ClaimBy::Id {
            self.0.remove(&claim.connection.as_u128());
        }
        Claimed::Entry(entry)
    }

    /// A node has died.
    pub(crate) fn died(&mut self, node: NodeId, now: Timestamp) {
        for note in self.0.values_mut().filter(|note| note.node == node) {
            note.died.get_or_insert(now.as_millis());
        }
    }

    /// It was not dead.
    pub(crate) fn revive(&mut self, node: NodeId) {
        self.0.values_mut().filter(|note| note.node == node).for_each(|note| note.died = None);
    }

    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.0.retain(|_, note| {
            let since = note.entry.dropped.map(Timestamp::as_millis).or(note.died);
            since.is_none_or(|since| now.as_millis() - since <= KEEP_MS)
        });
    }

    /// Whether all that is left was open on one of these nodes, as far as was told.
    pub(crate) fn are_of(&self, nodes: &[NodeId]) -> bool {
        self.0.values().all(|note| nodes.contains(&note.node) && note.entry.dropped.is_none())
    }
}
