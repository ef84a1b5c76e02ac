//! What operators ask of a hub: its channels, one of them, a user's connections, and their end.
//!
//! Not here: who may ask, and the HTTP (the server's).

use protocol::timestamp::Timestamp;
use tokio::sync::mpsc;

use crate::hub::Hub;
use crate::inbox::{Caller, ConnectionInfo, Expulsion, Message, Question};
use crate::presence::Listing;

/// A stream, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// Connections that asked for it.
    pub subscribers: u32,
    /// Connections that get what is published there: those, and whose own it is.
    pub followers: u32,
    /// Its history; none where nothing is known of it.
    pub history: Option<HistoryInfo>,
    /// States that are kept for those who come later.
    pub retained: usize,
}

/// A stream's history, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryInfo {
    /// Its epoch.
    pub epoch: String,
    /// The offset of its last event.
    pub offset: u64,
    /// Events that are kept.
    pub kept: usize,
    /// Whether its events are on disk.
    pub is_durable: bool,
    /// When the oldest and the youngest that are kept were accepted.
    pub between: Option<(Timestamp, Timestamp)>,
}

impl Hub {
    /// Up to `most` names of streams after `after`, in order: all that have followers or history.
    #[must_use]
    pub fn stream_names(&self, after: &str, most: usize) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        let mut add = |name: &str| {
            let is_own = name.starts_with(crate::commit::WATCH_PREFIX);
            if name > after
                && !is_own
                && (names.len() < most || names.last().is_some_and(|last: &String| name < last.as_str()))
            {
                names.insert(name.to_owned());
                if names.len() > most {
                    names.pop_last();
                }
            }
        };
        self.registry().for_each(|entry| add(entry.name()));
        self.order().history.for_each_name(&mut add);
        names.into_iter().collect()
    }

    /// A stream; none where nobody follows it and nothing is known of it.
    #[must_use]
    pub fn stream_info(&self, name: &str, now: Timestamp) -> Option<StreamInfo> {
        if name.starts_with(crate::commit::WATCH_PREFIX) {
            return None;
        }
        let entry = self.registry().get(name);
        let present = self.presence().count(name);
        let mut order = self.order();
        let history = order.history.info(name, now);
        let retained = order.retained.get(name, u64::try_from(now.as_millis()).unwrap_or(0)).count();
        drop(order);
        if entry.is_none() && history.is_none() && present == 0 && retained == 0 {
            return None;
        }
        Some(StreamInfo {
            name: name.to_owned(),
            subscribers: entry.as_ref().map_or(0, |entry| entry.subscribers()),
            followers: entry.as_ref().map_or(0, |entry| entry.followers()),
            history,
            retained,
        })
    }

    /// Who is in a channel, at most `most` of them.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn present(&self, channel: &str, most: usize) -> Listing {
        let (done, mut told) = mpsc::channel(1);
        if !self.knows_elsewhere(channel, || Caller::Operator(done.clone())) {
            // It comes when the roll has been called.
            let _ = told.recv().await;
        } else if self.registry().get(channel).is_some_and(|entry| !entry.is_tracked()) {
            self.call_roll(channel, Caller::Operator(done));
            // The end of the sender, without a word, is the end of the hub.
            let _ = told.recv().await;
        }
        self.presence().list(channel, most)
    }

    /// The connections of a user on this node, shard by shard.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn connections_of(&self, user: &str) -> Vec<ConnectionInfo> {
        // Each shard answers once, so there is always room.
        let (answers, mut told) = mpsc::channel(self.shards().max(1));
        for shard in 0..self.shards() {
            let question = Question { user: user.into(), answers: answers.clone() };
            self.tell(shard, Message::Connections(Box::new(question)));
        }
        drop(answers);
        let mut infos = Vec::new();
        while let Some(of_shard) = told.recv().await {
            infos.extend(of_shard);
        }
        infos.sort_by(|a, b| a.connection_id.cmp(&b.connection_id));
        infos
    }

    /// Closes all connections of a user on this node with [`protocol::Disconnect::DISCONNECTED`]. Returns how many.
    ///
    /// # Cancel safety
    /// They are closed even if the future is dropped.
    pub async fn disconnect_user(&self, user: &str) -> u32 {
        let (counts, mut told) = mpsc::channel(self.shards().max(1));
        for shard in 0..self.shards() {
            let expulsion = Expulsion { user: user.into(), counts: counts.clone() };
            self.tell(shard, Message::Disconnect(Box::new(expulsion)));
        }
        drop(counts);
        let mut closed = 0;
        while let Some(count) = told.recv().await {
            closed += count;
        }
        closed
    }
}
