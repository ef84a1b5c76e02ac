//! A store that keeps what it is told as a database would, and fails when the simulation wants it to.

use std::collections::BTreeMap;
use std::sync::Arc;

use hub::idempotency::ScopedKey;
use hub::journal::{
    Entry, Group, Journal, JournalError, KeyEntry, ResumeChange, ResumeEntry, RetainedChange, Stored,
    StreamEnd,
};
use protocol::ConnectionId;

/// What the next group comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Luck {
    Written,
    Full,
    Failed,
}

/// What is on disk. It outlives the hubs.
#[derive(Debug)]
pub(crate) struct FakeStore {
    pub(crate) luck: Luck,
    secret: [u8; 32],
    resets: u64,
    last_seq: u64,
    groups: BTreeMap<u64, Vec<Arc<Entry>>>,
    /// How many entries were written again.
    pub(crate) moved: usize,
    ends: BTreeMap<Arc<str>, StreamEnd>,
    keys: Vec<KeyEntry>,
    retained: BTreeMap<(Arc<str>, Box<str>), RetainedChange>,
    resumes: Vec<ResumeEntry>,
}

impl FakeStore {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self {
            luck: Luck::Written,
            secret,
            resets: 0,
            last_seq: 0,
            groups: BTreeMap::new(),
            moved: 0,
            ends: BTreeMap::new(),
            keys: Vec::new(),
            retained: BTreeMap::new(),
            resumes: Vec::new(),
        }
    }

    /// All of it, as after a restart.
    pub(crate) fn stored(&self) -> Stored {
        Stored {
            secret: self.secret,
            resets: self.resets,
            last_seq: self.last_seq,
            is_damaged: false,
            groups: self.groups.iter().map(|(&seq, entries)| (seq, entries.clone())).collect(),
            ends: self.ends.values().cloned().collect(),
            keys: self.keys.clone(),
            retained: self.retained.values().cloned().collect(),
            resumes: self.resumes.clone(),
        }
    }

    /// Whether an answer under a key is kept.
    pub(crate) fn has_key(&self, key: &ScopedKey) -> bool {
        self.keys.iter().any(|entry| entry.key == *key)
    }

    /// Bytes of entries in all groups, as the hub counts them.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.values().flatten().map(|entry| entry.data.len() + entry.event_type.len() + 64).sum()
    }

    fn forget_connection(&mut self, id: ConnectionId) {
        self.resumes.retain(|entry| entry.connection != id);
    }
}

impl Journal for FakeStore {
    fn commit(&mut self, group: &Group) -> Result<(), JournalError> {
        match self.luck {
            Luck::Written => {}
            Luck::Full => return Err(JournalError::Full("no room".into())),
            Luck::Failed => return Err(JournalError::Failed("no disk".into())),
        }
        assert!(group.seq > self.last_seq, "numbers of groups go up");
        self.last_seq = group.seq;
        assert!(group.entries.is_sorted_by(|a, b| a.seq < b.seq), "entries are in order");
        for entry in &group.entries {
            if entry.seq < group.seq {
                self.moved += 1;
                let mut removed = group.remove.iter().filter_map(|seq| self.groups.get(seq)).flatten();
                let before = removed.find(|before| before.seq == entry.seq);
                assert_eq!(
                    before.map(|before| before.id),
                    Some(entry.id),
                    "it is taken over from a group that goes"
                );
            } else {
                assert!(entry.seq > self.last_seq, "new entries are behind all that was");
                self.last_seq = entry.seq;
            }
        }
        for seq in &group.remove {
            assert!(self.groups.remove(seq).is_some(), "group {seq} is removed twice");
        }
        for end in &group.ends {
            self.ends.insert(Arc::clone(&end.stream), end.clone());
        }
        for stream in &group.forget_streams {
            self.ends.remove(stream);
        }
        if let Some(before) = group.forget_keys_before {
            self.keys.retain(|entry| entry.at >= before);
        }
        self.resets = group.resets.unwrap_or(self.resets);
        if !group.entries.is_empty() {
            self.groups.insert(group.seq, group.entries.clone());
        }
        for entry in &group.keys {
            self.keys.retain(|other| other.key != entry.key);
            self.keys.push(entry.clone());
        }
        for change in &group.retained {
            match change {
                RetainedChange::Set { stream, key, entry, .. } => {
                    self.last_seq = self.last_seq.max(entry.seq);
                    self.retained.insert((Arc::clone(stream), key.clone()), change.clone());
                }
                RetainedChange::Forget { stream, key } => {
                    self.retained.remove(&(Arc::clone(stream), key.clone()));
                }
            }
        }
        for change in &group.resumes {
            match change {
                ResumeChange::Set(entry) => {
                    self.forget_connection(entry.connection);
                    self.resumes.push(entry.clone());
                }
                ResumeChange::Forget(id) => self.forget_connection(*id),
            }
        }
        Ok(())
    }
}
