//! ② A publication gets its place in the hub's one order, then goes to the shards that have an audience.
//!
//! Not here: HTTP, permissions, and what a shard does with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::publication::{Audience, CloseSessions, ConnectionTarget};
use protocol::{ConnectionId, Publication, Stream, Target};
use tokio::sync::oneshot;

use crate::encoded::{Encoded, Wire};
use crate::identity::Identity;
use crate::inbox::{Closing, Delivery, DrainPlan, Inbox, Message, Tally, To, Union, Wake};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::registry::{Registry, StreamEntry};
use crate::rules::ChannelRules;

/// The hub of one node: its registry, its shards' inboxes, and the order of publications.
#[derive(Debug)]
pub struct Hub {
    registry: Registry,
    inboxes: Vec<Inbox>,
    /// Held while a publication is put into the inboxes, so that all shards see one order.
    order: Mutex<()>,
    connections: AtomicUsize,
    draining: AtomicBool,
    rules: ChannelRules,
    limits: Limits,
    metrics: Metrics,
}

/// A publication, and where it goes.
#[derive(Debug)]
pub struct Outgoing {
    /// What.
    pub publication: Publication,
    /// To whom.
    pub target: Target,
    /// Whom not.
    pub except: Option<ConnectionId>,
    /// The sessions whose connections are closed behind it, with [`protocol::Disconnect::UNAUTHORIZED`]: of the named
    /// users alone, whether or not they are among the target.
    pub close_sessions: Option<Box<CloseSessions>>,
}

/// How many connections a publication was queued to.
#[derive(Debug)]
pub enum Recipients {
    /// So many.
    Counted(u32),
    /// The shards are counting.
    Counting(oneshot::Receiver<u32>),
}

impl Recipients {
    /// The number, when it is there. A hub that ends before the shards have counted says zero.
    pub async fn count(self) -> u32 {
        match self {
            Self::Counted(count) => count,
            Self::Counting(counting) => counting.await.unwrap_or(0),
        }
    }
}

/// Why a publication was not taken. Nothing of it was queued anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A shard's queue is full.
    #[error("the hub has more publications waiting than it may hold")]
    Overloaded,
    /// The hub is shutting down.
    #[error("the hub is shutting down")]
    Draining,
}

impl PublishError {
    /// The reason as a metric's label.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
        }
    }
}

/// The right to one connection of the node's bound; it returns when this is dropped.
#[derive(Debug)]
pub struct Admission(Arc<Hub>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hub {
    /// A hub with one shard for each of `wakes`.
    #[must_use]
    pub fn new(rules: ChannelRules, limits: Limits, metrics: Metrics, wakes: Vec<Box<dyn Wake>>) -> Self {
        Self {
            registry: Registry::new(wakes.len()),
            inboxes: wakes.into_iter().map(Inbox::new).collect(),
            order: Mutex::new(()),
            connections: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            rules,
            limits,
            metrics,
        }
    }

    /// Which streams have followers.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The channel rules.
    #[must_use]
    pub fn rules(&self) -> &ChannelRules {
        &self.rules
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inboxes.len()
    }

    /// The inbox of a shard.
    ///
    /// # Panics
    /// When there is no such shard.
    #[must_use]
    pub fn inbox(&self, shard: usize) -> &Inbox {
        &self.inboxes[shard]
    }

    /// Connections that are open, or about to be.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Publications that wait in all shards' queues.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inboxes.iter().map(Inbox::publications).sum()
    }

    /// Whether the hub is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// A place for one more connection, if the node has one.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<Admission> {
        let most = self.limits.connections;
        self.connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then_some(now + 1))
            .ok()
            .map(|_| Admission(Arc::clone(self)))
    }

    /// Takes a publication and queues it to the shards that have followers for it.
    ///
    /// # Errors
    /// The hub drains, or a shard's queue is full; then nothing was queued.
    pub fn publish(&self, outgoing: Outgoing) -> Result<Recipients, PublishError> {
        let Outgoing { publication, target, except, close_sessions } = outgoing;
        let encoded = Arc::new(Encoded::new(publication, self.limits.deflate_min));
        let closing = close_sessions.map(|sessions| self.closing(*sessions));
        let audience = match target {
            Target::Everyone => {
                let entry = Arc::clone(self.registry.everyone());
                return match closing {
                    None => self.to_stream(encoded, Some(entry), except),
                    Some(_) => self.to_union(encoded, vec![entry], None, except, closing),
                };
            }
            Target::Namespace => Audience::default(),
            Target::Named(audience) => audience,
        };
        match (&audience.streams[..], audience.connection, &closing) {
            ([], None | Some(ConnectionTarget::Unknown), None) => self.to_stream(encoded, None, except),
            ([stream], None, None) => self.to_stream(encoded, self.registry.get(stream.as_str()), except),
            (streams, connection, _) => {
                let connection = connection.and_then(|target| match target {
                    ConnectionTarget::Id(id) => Some(id),
                    ConnectionTarget::Unknown => None,
                });
                self.to_union(encoded, self.followed(streams), connection, except, closing)
            }
        }
    }

    /// The entries of those streams that anybody follows.
    fn followed(&self, streams: &[Stream]) -> Vec<Arc<StreamEntry>> {
        streams.iter().filter_map(|stream| self.registry.get(stream.as_str())).collect()
    }

    /// A user's connections follow the user's stream, so its entry knows their shards.
    fn closing(&self, sessions: CloseSessions) -> Closing {
        Closing { users: self.followed(&sessions.users), sessions }
    }

    fn to_stream(
        &self,
        encoded: Arc<Encoded>,
        entry: Option<Arc<StreamEntry>>,
        except: Option<ConnectionId>,
    ) -> Result<Recipients, PublishError> {
        if let (Some(entry), Some(_)) = (&entry, except) {
            // Whether the one that is left out is among the followers only the shards know.
            return self.to_union(encoded, vec![Arc::clone(entry)], None, except, None);
        }
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entry else {
            self.check(&encoded, |_| false)?;
            self.metrics.publications.inc();
            return Ok(Recipients::Counted(0));
        };
        self.check(&encoded, |shard| entry.is_on(shard))?;
        for (shard, inbox) in self.inboxes.iter().enumerate() {
            if entry.is_on(shard) {
                let to = To::Stream(Arc::clone(&entry));
                inbox.push([Message::Deliver(Delivery { encoded: Arc::clone(&encoded), to, except })]);
            }
        }
        let count = entry.followers();
        drop(order);
        self.metrics.publications.inc();
        Ok(Recipients::Counted(count))
    }

    fn to_union(
        &self,
        encoded: Arc<Encoded>,
        streams: Vec<Arc<StreamEntry>>,
        connection: Option<ConnectionId>,
        except: Option<ConnectionId>,
        closing: Option<Closing>,
    ) -> Result<Recipients, PublishError> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let closes = |shard| closing.iter().flat_map(|closing| &closing.users).any(|user| user.is_on(shard));
        let visited: Vec<bool> = (0..self.inboxes.len())
            .map(|shard| {
                connection.is_some() || streams.iter().any(|entry| entry.is_on(shard)) || closes(shard)
            })
            .collect();
        self.check(&encoded, |shard| visited[shard])?;
        self.metrics.publications.inc();
        let reports = visited.iter().filter(|&&visit| visit).count();
        if reports == 0 {
            return Ok(Recipients::Counted(0));
        }
        let (tally, counting) = Tally::new(reports);
        let union = Arc::new(Union { streams, connection, closing, tally });
        for (inbox, _) in self.inboxes.iter().zip(&visited).filter(|&(_, &visit)| visit) {
            let to = To::Union(Arc::clone(&union));
            inbox.push([Message::Deliver(Delivery { encoded: Arc::clone(&encoded), to, except })]);
        }
        drop(order);
        Ok(Recipients::Counting(counting))
    }

    /// Refuses a publication for which one of the visited shards has no room.
    fn check(&self, encoded: &Encoded, visits: impl Fn(usize) -> bool) -> Result<(), PublishError> {
        let full = |(shard, inbox): (usize, &Inbox)| {
            visits(shard) && !inbox.has_room(encoded.weight(), &self.limits)
        };
        let refusal = if self.is_draining() {
            PublishError::Draining
        } else if self.inboxes.iter().enumerate().any(full) {
            PublishError::Overloaded
        } else {
            return Ok(());
        };
        self.metrics.publications_refused.with_label_values(&[refusal.reason()]).inc();
        Err(refusal)
    }

    /// Tells a connection what became of the token that it sent.
    pub fn verified(&self, shard: usize, connection: ConnectionId, identity: Option<Identity>) {
        self.inboxes[shard].push([Message::Verified(connection, identity.map(Box::new))]);
    }

    /// Begins to shut down: what was accepted is delivered, then each connection is closed and told when to
    /// come back, no two at the same time, spread over at least `spread`. Publications are refused from now on.
    pub fn drain(&self, spread: Duration) {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if self.draining.swap(true, Ordering::AcqRel) {
            return;
        }
        // Whole milliseconds, rounded up: what clients are told differs, and spans the spread.
        let gaps = u128::from(self.registry.everyone().followers().saturating_sub(1).max(1));
        let step = u64::try_from(spread.as_millis().div_ceil(gaps)).unwrap_or(u64::MAX).max(1);
        let step = Duration::from_millis(step);
        for (shard, inbox) in (0_u32..).zip(&self.inboxes) {
            let plan = DrainPlan {
                first: FIRST_RETURN + step * shard,
                step: step * u32::try_from(self.inboxes.len()).unwrap_or(1),
            };
            inbox.push([Message::Drain(plan)]);
        }
        drop(order);
    }

    pub(crate) fn opened(&self, wire: Wire) {
        self.metrics.connections_opened.inc();
        self.metrics.connections.with_label_values(&[wire.dialect()]).inc();
    }
}

/// The earliest return after a drain: a process needs about so long to be replaced.
const FIRST_RETURN: Duration = Duration::from_secs(1);
