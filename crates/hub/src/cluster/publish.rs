//! A publication's way to the broker, and how many got it on all nodes.
//!
//! Not here: what comes back in the nodes' line (`streams`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::publication::Audience;
use protocol::{PublicationId, Stream, Target};
use tokio::sync::oneshot;

use super::words;
use crate::broker::{Broker, NodeId, Outcome, Publishing, Shared, Ticket, To, Wish};
use crate::commit::Fate;
use crate::encoded::{Encoded, Ordered};
use crate::history::keeps_something;
use crate::hub::Hub;
use crate::idempotency::{Answer, InProgress};
use crate::order::{Order, Streams};
use crate::outgoing::{Accepted, Outgoing, PublishError, Recipients};

/// How long a publisher waits for other nodes to say how many of theirs got it, in milliseconds. What they say later is not
/// counted.
const COUNT_MS: u64 = 500;

/// How long whoever repeats a publication waits for those who count the first one on another node, in milliseconds: as long as
/// those wait, and what messages take.
const REPEAT_MS: u64 = 3 * COUNT_MS;

/// Counts that go to a node together, at most.
const MOST_REPORTS: usize = 256;

/// A publication that the broker has not answered yet.
#[derive(Debug)]
pub(super) struct Waiting {
    reply: oneshot::Sender<Result<Recipients, PublishError>>,
    id: PublicationId,
    key: Option<InProgress>,
    is_for_one: bool,
    fate: Option<Arc<Fate>>,
    weight: usize,
    /// Until when it is asked how many got the one that it repeats.
    until: Option<u64>,
}

/// Where a shard's count of a publication goes.
#[derive(Debug)]
pub(crate) enum CountTo {
    /// It came from a publisher of this node.
    Own(Arc<Counts>, Ticket),
    /// It came from another node.
    Other(Arc<Reports>, NodeId, Ticket),
}

impl CountTo {
    /// So many got it here.
    pub(crate) fn tell(self, count: u32) {
        match self {
            Self::Own(counts, ticket) => counts.report(ticket, count),
            Self::Other(reports, node, ticket) => reports.put(node, ticket, count),
        }
    }
}

/// What other nodes are told of how many got their publications here. What is counted in one turn goes together.
#[derive(Debug)]
pub(crate) struct Reports {
    broker: Arc<dyn Broker>,
    waiting: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    nodes: HashMap<NodeId, Vec<(Ticket, u32)>>,
    /// Whether the turn goes on: then more may come at once.
    is_turn: bool,
}

impl Reports {
    pub(super) fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker, waiting: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More may come at once.
    pub(super) fn begin_turn(&self) {
        self.lock().is_turn = true;
    }

    /// Nothing more comes at once.
    pub(super) fn end_turn(&self) {
        let mut waiting = self.lock();
        waiting.is_turn = false;
        let nodes = std::mem::take(&mut waiting.nodes);
        drop(waiting);
        for (node, counts) in nodes {
            self.broker.send(Wish::Say(To::Node(node), words::counts(&counts)));
        }
    }

    fn put(&self, node: NodeId, ticket: Ticket, count: u32) {
        let mut waiting = self.lock();
        if !waiting.is_turn {
            drop(waiting);
            self.broker.send(Wish::Say(To::Node(node), words::counts(&[(ticket, count)])));
            return;
        }
        let counts = waiting.nodes.entry(node).or_default();
        counts.push((ticket, count));
        if counts.len() >= MOST_REPORTS {
            let counts = std::mem::take(counts);
            drop(waiting);
            self.broker.send(Wish::Say(To::Node(node), words::counts(&counts)));
        }
    }
}

/// Publications of this node whose recipients are being counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    counting: Mutex<HashMap<Ticket, Counting>>,
}

#[derive(Debug, Default)]
struct Counting {
    sum: u32,
    reports: u32,
    /// What is known once the broker has answered.
    asked: Option<Asked>,
    /// When it is looked at no longer; 0 is not known yet.
    until: u64,
}

#[derive(Debug)]
struct Asked {
    told: u32,
    sender: oneshot::Sender<u32>,
    id: PublicationId,
    key: Option<InProgress>,
    is_for_one: bool,
    broker: Arc<dyn Broker>,
}

impl Asked {
    /// `is_whole` is whether all have said how many got it: else who has not may still deliver it, and it must not be sent again.
    fn end(self, sum: u32, is_whole: bool) {
        match self.key {
            Some(key) if sum > 0 || !self.is_for_one || !is_whole => {
                self.broker.send(Wish::Answered(key.key().clone(), self.id, sum));
                key.answer(Answer { id: self.id, recipients: sum });
            }
            // It may be repeated.
            Some(key) => self.broker.send(Wish::Unsent(key.key().clone(), self.id)),
            None => {}
        }
        // The publisher may have gone.
        let _ = self.sender.send(sum);
    }
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, HashMap<Ticket, Counting>> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().values().all(|counting| counting.asked.is_none())
    }

    /// A node's count, or that of one of its streams.
    pub(crate) fn report(&self, ticket: Ticket, count: u32) {
        let mut counting = self.lock();
        let one = counting.entry(ticket).or_default();
        one.sum = one.sum.saturating_add(count);
        one.reports += 1;
        let is_whole = one.asked.as_ref().is_some_and(|asked| one.reports >= asked.told);
        if is_whole && let Some(Counting { sum, asked: Some(asked), .. }) = counting.remove(&ticket) {
            drop(counting);
            asked.end(sum, true);
        }
    }

    /// The broker told so many nodes.
    fn ask(&self, ticket: Ticket, asked: Asked) {
        let mut counting = self.lock();
        let one = counting.entry(ticket).or_default();
        let (sum, is_whole) = (one.sum, one.reports >= asked.told);
        if is_whole {
            counting.remove(&ticket);
            drop(counting);
            asked.end(sum, true);
        } else {
            one.asked = Some(asked);
        }
    }

    /// Gives up waiting for nodes that do not say anything.
    pub(super) fn sweep(&self, now: u64) {
        let mut over = Vec::new();
        let mut counting = self.lock();
        counting.retain(|_, one| {
            if one.until == 0 {
                one.until = now + COUNT_MS;
            }
            let is_over = one.until <= now;
            if is_over && let Some(asked) = one.asked.take() {
                over.push((asked, one.sum));
            }
            !is_over
        });
        drop(counting);
        over.into_iter().for_each(|(asked, sum)| asked.end(sum, false));
    }
}

impl Hub {
    /// Hands a publication to the broker; where that is away and nothing has to be kept of it, to this node's clients.
    pub(crate) fn publish_shared(
        &self,
        order: &mut Order,
        outgoing: Outgoing,
        weight: usize,
    ) -> Result<Accepted, PublishError> {
        let streams: Vec<Box<str>> = match &outgoing.target {
            Target::Everyone => vec![protocol::channel::ALL.into()],
            Target::Named(audience) => audience.streams.iter().map(|stream| stream.as_str().into()).collect(),
        };
        let rules: Vec<_> =
            streams.iter().map(|stream| self.keeps(stream).0.filter(keeps_something)).collect();
        let Some(cluster) = &mut order.cluster else { return Err(PublishError::BrokerDown) };
        if !cluster.is_up {
            let is_kept = !outgoing.is_transient && rules.iter().any(Option::is_some);
            if is_kept || outgoing.key.is_some() || outgoing.retain.is_some() {
                return Err(PublishError::BrokerDown);
            }
            return Ok(Accepted::Now(self.release_here(order, outgoing)));
        }
        if cluster.unanswered() >= self.limits().queue_publications
            || !cluster.publishing.is_empty() && cluster.publishing_bytes + weight > self.limits().queue_bytes
        {
            return Err(PublishError::Overloaded);
        }
        let ticket = cluster.ticket();
        let Outgoing {
            publication,
            target,
            accepted,
            except,
            close_sessions,
            is_transient,
            namespace,
            retain,
            key,
            fate,
        } = outgoing;
        let connection = match &target {
            Target::Named(audience) => audience.connection,
            Target::Everyone => None,
        };
        let (reply, waiting) = oneshot::channel();
        let publishing = Publishing {
            key: key.as_ref().map(|key| (key.key().clone(), self.limits().idempotency)),
            batch: fate.as_ref().map(|fate| fate.number()),
            event: Shared {
                accepted,
                connection,
                namespace,
                except,
                close_sessions: close_sessions.map(|sessions| *sessions),
                retain: retain.map(|retain| *retain),
                is_transient,
                origin: (cluster.broker.node(), ticket),
                streams,
                publication: Arc::clone(&publication),
            },
            rules,
        };
        let waiting_for = Waiting {
            reply,
            id: publication.id,
            key,
            is_for_one: crate::release::is_for_one(&target),
            fate,
            weight,
            until: None,
        };
        cluster.publishing_bytes += weight;
        cluster.publishing.insert(ticket, waiting_for);
        cluster.broker.send(Wish::Publish(ticket, Box::new(publishing)));
        Ok(Accepted::Waiting(waiting))
    }

    /// Delivers to this node's clients what has no place anywhere.
    fn release_here(&self, order: &mut Order, mut outgoing: Outgoing) -> Recipients {
        outgoing.is_transient = true;
        let ordered = Ordered { seq: order.released, ..Ordered::default() };
        let publication = Arc::clone(&outgoing.publication);
        let form = self.event_form();
        let encoded = Encoded::new(publication, outgoing.except, ordered, outgoing.accepted, form);
        self.release(order, outgoing, Arc::new(encoded), &Streams::new(), None)
    }

    /// What became of a publication.
    pub(super) fn on_published(&self, order: &mut Order, ticket: Ticket, outcome: Outcome) {
        if self.on_socket_told(order, ticket, &outcome) {
            return;
        }
        let Some(cluster) = &mut order.cluster else { return };
        let Some(mut waiting) = cluster.publishing.remove(&ticket) else { return };
        cluster.publishing_bytes =
            cluster.publishing_bytes.saturating_sub(std::mem::take(&mut waiting.weight));
        let now = cluster.now.ms;
        if matches!(outcome, Outcome::Repeated { recipients: None, .. })
            && *waiting.until.get_or_insert(now.saturating_add(REPEAT_MS)) > now
        {
            // The first one is still being counted on another node: it is asked again soon.
            cluster.repeats.push(waiting);
            return;
        }
        let Waiting { reply, id, key, is_for_one, fate, .. } = waiting;
        let answer = match outcome {
            Outcome::Placed { told } => {
                let (sender, counting) = oneshot::channel();
                let broker = Arc::clone(&cluster.broker);
                cluster.counts.ask(ticket, Asked { told, sender, id, key, is_for_one, broker });
                Ok(Recipients::Counting(counting))
            }
            Outcome::Repeated { id, recipients } => {
                let recipients = recipients.unwrap_or(0);
                if let Some(key) = key {
                    key.answer(Answer { id, recipients });
                }
                Ok(Recipients::Repeated(Answer { id, recipients }))
            }
            Outcome::Refused(why) => {
                self.metrics().publications_refused.with_label_values(&[why.reason()]).inc();
                if let Some(fate) = fate {
                    fate.fail(why);
                }
                Err(why)
            }
        };
        // The publisher may have gone; what it sent goes out all the same.
        let _ = reply.send(answer);
    }

    /// Asks once more how many got what is repeated. To be called a few times a second.
    pub(super) fn ask_of_repeats(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        for waiting in std::mem::take(&mut cluster.repeats) {
            let Some(key) = waiting.key.as_ref().map(|key| key.key().clone()) else { continue };
            let ticket = cluster.ticket();
            cluster.publishing.insert(ticket, waiting);
            cluster.broker.send(Wish::Recall(ticket, key));
        }
    }

    /// The broker is away: what it has not answered may or may not be there, and whoever repeats it with its key finds out.
    pub(super) fn refuse_publishing(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        for waiting in std::mem::take(&mut cluster.repeats) {
            let ticket = cluster.ticket();
            cluster.publishing.insert(ticket, waiting);
        }
        let tickets: Vec<Ticket> = cluster.publishing.keys().copied().collect();
        for ticket in tickets {
            self.on_published(order, ticket, Outcome::Refused(PublishError::BrokerDown));
        }
    }
}

/// A publication of another node as this one's.
pub(super) fn outgoing(event: &Shared) -> Outgoing {
    let streams = event.streams.iter().map(|name| Stream::named(String::from(&**name))).collect();
    Outgoing {
        except: event.except,
        close_sessions: event.close_sessions.clone().map(Box::new),
        is_transient: event.is_transient,
        namespace: event.namespace.clone(),
        retain: event.retain.clone().map(Box::new),
        publication: Arc::clone(&event.publication),
        target: Target::Named(Audience { streams, connection: event.connection }),
        accepted: event.accepted,
        key: None,
        fate: None,
    }
}
