//! Feeds: publications of certain types, whoever they are for, in a stream of their own that a service reads.
//!
//! A publication whose type a feed lists is put into `@feed:<name>` besides the streams that it is for; nobody can subscribe
//! to that, so neither `recipients` nor what clients see changes. A service reads the feed by pages from the position that
//! it had, and so sees each event exactly once, over restarts of either side where the hub has a disk. What is for one
//! connection alone, for nobody (an unknown namespace) or transient is in no feed.
//!
//! Bounds: [`FEED_HISTORY`], and the bytes that all streams keep together. Not here: who may read (the server).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::channel::{USER_PREFIX, split_namespace};
use protocol::channels::GivenPosition;
use protocol::publication::Audience;
use protocol::timestamp::Timestamp;
use protocol::{Epoch, Position, Stream, Target};
use tokio::sync::Notify;

use crate::encoded::Encoded;
use crate::history::Ahead;
use crate::hub::Hub;
use crate::rules::HistoryRule;

/// What stands before a feed's name in the name of its stream.
const FEED_PREFIX: &str = "@feed:";

/// What a feed keeps, unless a channel rule for `@feed:` says otherwise: a week, so that a service that was away over a long
/// weekend misses nothing. On disk where there is one.
pub(crate) const FEED_HISTORY: HistoryRule =
    HistoryRule { size: 100_000, age: Duration::from_secs(7 * 24 * 60 * 60), durable: true };

/// Bytes of events in one page of a feed, by estimate: further ones are on the next.
const PAGE_BYTES: usize = 1 << 20;

/// Whether a stream is a feed's.
pub(crate) fn is_feed(stream: &str) -> bool {
    stream.starts_with(FEED_PREFIX)
}

/// A feed, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub name: Box<str>,
    /// The types of its events; a `*` at the end of one stands for any rest.
    pub types: Vec<Box<str>>,
}

/// The feeds of a hub.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    all: Vec<(Feed, Stream)>,
    /// The feeds that have a type by its whole name.
    by_type: HashMap<Box<str>, Vec<usize>>,
    /// What types of a feed begin with.
    by_beginning: Vec<(Box<str>, usize)>,
    /// Told of each event in a feed.
    changed: Notify,
}

/// A piece of a feed.
#[derive(Debug)]
pub struct FeedPage {
    /// The types that the feed has.
    pub types: Vec<Box<str>>,
    /// The life of the feed.
    pub epoch: Epoch,
    /// Whether it goes on right behind the position that was given. Where it does not, it begins with the oldest event that
    /// is kept, and some may be missed.
    pub recovered: bool,
    /// Events, oldest first.
    pub events: Vec<FeedEvent>,
    /// The offset of the last event that there is.
    pub end: u64,
    /// The position behind the events of the page.
    pub next: Position,
}

/// An event of a feed.
#[derive(Debug)]
pub struct FeedEvent {
    /// Where it is in the feed.
    pub offset: u64,
    /// The event.
    pub event: Arc<Encoded>,
}

impl FeedEvent {
    /// The users that it was addressed to, as text.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.streams().filter_map(|name| name.strip_prefix(USER_PREFIX))
    }

    /// The channels that it was addressed to.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.streams().filter(|name| !name.starts_with(USER_PREFIX))
    }

    fn streams(&self) -> impl Iterator<Item = &str> {
        self.event.addressed().into_iter()
    }
}

impl Feeds {
    /// Those of a configuration.
    pub(crate) fn of(feeds: Vec<Feed>) -> Self {
        let mut of = Self::default();
        for (index, feed) in feeds.into_iter().enumerate() {
            for kind in &feed.types {
                match kind.strip_suffix('*') {
                    Some(beginning) => of.by_beginning.push((beginning.into(), index)),
                    None => of.by_type.entry(kind.clone()).or_default().push(index),
                }
            }
            let stream = Stream::named(format!("{FEED_PREFIX}{}", feed.name));
            of.all.push((feed, stream));
        }
        of
    }

    /// The feeds as text that is the same wherever they are: what nodes of a cluster compare.
    pub(crate) fn written(&self) -> String {
        let mut lines: Vec<String> = self
            .all
            .iter()
            .map(|(feed, _)| format!("{}\u{1e}{}\n", feed.name, feed.types.join("\u{1f}")))
            .collect();
        lines.sort_unstable();
        lines.concat()
    }

    /// Adds to a target the feeds that have the type.
    pub(crate) fn route(&self, target: Target, event_type: &str) -> Target {
        if self.all.is_empty() {
            return target;
        }
        let whole = self.by_type.get(event_type).map_or(&[][..], Vec::as_slice).iter().copied();
        let begun = self.by_beginning.iter().filter(|(beginning, _)| event_type.starts_with(&**beginning));
        let mut feeds =
            whole.chain(begun.map(|&(_, index)| index)).map(|index| self.all[index].1.clone()).peekable();
        if feeds.peek().is_none() {
            return target;
        }
        let (mut streams, connection) = match target {
            Target::Everyone => (vec![Stream::all()], None),
            Target::Named(audience) if audience.streams.is_empty() => return Target::Named(audience),
            Target::Named(audience) => (audience.streams, audience.connection),
        };
        streams.extend(feeds);
        streams.sort_unstable();
        streams.dedup();
        Target::Named(Audience { streams, connection })
    }

    /// An event was released.
    pub(crate) fn tell(&self, encoded: &Encoded) {
        if !self.all.is_empty() && encoded.places().iter().any(|place| is_feed(&place.stream.name)) {
            self.changed.notify_waiters();
        }
    }
}

impl Hub {
    /// Told whenever an event has come into a feed. To miss none, [enable](tokio::sync::futures::Notified::enable) the
    /// waiting before the look.
    #[must_use]
    pub fn feeds_changed(&self) -> &Notify {
        &self.feeds().changed
    }

    /// Makes sure that a feed can be read here behind a position, where this is a node of a cluster: one that another node told
    /// may be ahead of what this one has heard. Returns whether it can.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn prepare_feed(&self, name: &str, after: Option<Position>) -> bool {
        match self.feeds().all.iter().find(|(feed, _)| *feed.name == *name) {
            Some((_, stream)) => {
                let given = |at: Position| {
                    let given = GivenPosition { epoch: Some(at.epoch), offset: at.offset };
                    (stream.as_str().into(), given)
                };
                self.prepare_for(&[stream.as_str()], &after.map(given).into_iter().collect()).await
            }
            None => true,
        }
    }

    /// The events of a feed behind a position, `limit` at most; without one from the oldest that is kept. None where there
    /// is no such feed.
    #[must_use]
    pub fn read_feed(
        &self,
        name: &str,
        after: Option<Position>,
        limit: usize,
        now: Timestamp,
    ) -> Option<FeedPage> {
        let (feed, stream) = self.feeds().all.iter().find(|(feed, _)| *feed.name == *name)?;
        let mut order = self.order();
        let index = order.history.open(stream.as_str(), || self.keeps(stream.as_str()));
        let ahead = order.history.after(index, after, limit, PAGE_BYTES, now);
        drop(order);
        let Ahead { key, end, recovered, events } = ahead;
        let last = events.last().map(|(offset, _)| *offset);
        let stays = after.filter(|_| recovered).map_or(end, |after| after.offset);
        Some(FeedPage {
            types: feed.types.clone(),
            epoch: key.epoch,
            recovered,
            next: Position { epoch: key.epoch, offset: last.unwrap_or(stays) },
            events: events.into_iter().map(|(offset, event)| FeedEvent { offset, event }).collect(),
            end,
        })
    }
}

/// How many of the streams are those of clients outside namespaces.
pub(crate) fn plain(streams: &[Stream]) -> usize {
    let is_plain = |name: &str| split_namespace(name).is_none() && !is_feed(name);
    streams.iter().filter(|stream| is_plain(stream.as_str())).count()
}

#[cfg(test)]
mod tests;
