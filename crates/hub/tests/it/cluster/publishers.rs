//! Publishers of the simulation, at any node: some with keys, who repeat what got no answer, there or elsewhere; batches whose
//! items share a fate.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hub::idempotency::{Begin, ScopedKey};
use hub::{Accepted, Fate, Outgoing, PublishError, Recipients};
use protocol::publication::{Audience, ConnectionTarget, Retain};
use protocol::{ChannelName, ConnectionId, Publication, PublicationId, Stream, Target, UserId};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::model::{CHANNELS, Made, Number, Sent};
use super::world::World;

/// A publication that waits for the broker.
struct Waiting {
    number: Number,
    node: u32,
    fate: Option<usize>,
    id: PublicationId,
    receiver: oneshot::Receiver<Result<Recipients, PublishError>>,
}

/// One whose recipients are being counted.
struct Counting {
    number: Number,
    node: u32,
    receiver: oneshot::Receiver<u32>,
}

#[derive(Default)]
pub(crate) struct Publishers {
    waiting: Vec<Waiting>,
    counting: Vec<Counting>,
    /// What got no answer or a refusal, and is repeated with its key.
    again: Vec<Number>,
    /// The first id of each key, once it is known.
    ids: BTreeMap<Number, PublicationId>,
    /// All ids under which something was sent: one of them is the first.
    sent: BTreeMap<Number, HashSet<PublicationId>>,
    pub(crate) counts: BTreeMap<Number, u32>,
    /// How many got the first one, as the last repeat was told.
    pub(crate) counts_of_first: BTreeMap<Number, u32>,
    next_id: u128,
    fates: Vec<Arc<Fate>>,
    failed: BTreeSet<usize>,
    pub(crate) repeated: usize,
    pub(crate) refused: usize,
    pub(crate) placed: usize,
}

fn key_of(number: Number) -> ScopedKey {
    ScopedKey { scope: "shop".into(), key: format!("key-{number}").into() }
}

pub(crate) fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Publishers {
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.counting.is_empty()
    }

    /// A node has died; who called it hears nothing.
    pub(crate) fn died(&mut self, node: u32, made: &[Made]) {
        for waiting in self.waiting.extract_if(.., |waiting| waiting.node == node) {
            if made[waiting.number].has_key {
                self.again.push(waiting.number);
            }
        }
        self.counting.retain(|counting| counting.node != node);
    }

    fn is_first(&mut self, number: Number, id: PublicationId, made: &Made) {
        if made.streams.is_empty() {
            // Where nobody got it, it is not known any more.
            return;
        }
        assert!(self.sent[&number].contains(&id), "the id of another publication for {number}");
        let first = *self.ids.entry(number).or_insert(id);
        assert_eq!(first, id, "a repeat of {number} gets the first id");
    }

    /// Looks what became of those that wait.
    pub(crate) fn settle(&mut self, made: &mut [Made], is_placed: impl Fn(Number) -> bool, life: u64) {
        let waiting = std::mem::take(&mut self.waiting);
        for mut one in waiting {
            let number = one.number;
            match one.receiver.try_recv() {
                Ok(Ok(recipients)) => {
                    assert!(is_placed(number), "{number} is answered before it is safe");
                    made[number].sent = Sent::Placed;
                    self.placed += 1;
                    let is_failed = one.fate.is_some_and(|fate| self.failed.contains(&fate));
                    assert!(!is_failed, "a batch goes on after a refusal");
                    match recipients {
                        Recipients::Counted(_) => panic!("nodes are to be counted"),
                        Recipients::Counting(receiver) => {
                            self.is_first(number, one.id, &made[number]);
                            self.counting.push(Counting { number, node: one.node, receiver });
                        }
                        Recipients::Repeated(answer) => {
                            self.repeated += 1;
                            self.counts_of_first.insert(number, answer.recipients);
                            self.is_first(number, answer.id, &made[number]);
                        }
                    }
                }
                Ok(Err(error)) => {
                    self.refused += 1;
                    assert!(
                        matches!(error, PublishError::StorageFull | PublishError::BrokerDown),
                        "{number}: {error}"
                    );
                    self.failed.extend(one.fate);
                    if error == PublishError::StorageFull && !made[number].has_key {
                        assert!(!is_placed(number), "{number} is refused, and placed");
                        made[number].sent = Sent::Refused;
                    }
                    if made[number].has_key && made[number].life == life {
                        self.again.push(number);
                    }
                }
                Err(TryRecvError::Empty) => self.waiting.push(one),
                Err(TryRecvError::Closed) => panic!("a publication is forgotten"),
            }
        }
        let counting = std::mem::take(&mut self.counting);
        for mut one in counting {
            match one.receiver.try_recv() {
                Ok(count) => drop(self.counts.insert(one.number, count)),
                Err(TryRecvError::Empty) => self.counting.push(one),
                Err(TryRecvError::Closed) => panic!("a count is forgotten"),
            }
        }
    }
}

impl World {
    fn make(&mut self) -> Made {
        let mut streams = BTreeSet::new();
        match self.random.below(10) {
            0 => drop(streams.insert("@all".to_owned())),
            1 => drop(streams.insert("user:1".to_owned())),
            2..6 => drop(streams.insert((*self.random.pick(&CHANNELS)).to_owned())),
            _ => {
                for _ in 0..2 + self.random.below(3) {
                    let user = ["user:1", "user:2"][self.random.below(2)];
                    let channel = *self.random.pick(&CHANNELS);
                    streams.insert(if self.random.percent(25) { user } else { channel }.to_owned());
                }
            }
        }
        let open: Vec<_> =
            self.clients.iter().filter_map(|client| client.link.as_ref()).map(|link| link.at.3).collect();
        let one = |world: &mut Self, percent| {
            (!open.is_empty() && world.random.percent(percent)).then(|| *world.random.pick(&open))
        };
        let is_all = streams.contains("@all");
        let connection = if is_all { None } else { one(self, 10) };
        if connection.is_some() && self.random.percent(50) {
            streams.clear();
        }
        let except = one(self, 12);
        let retain = self.random.percent(12).then(|| {
            let key = ["bar", "light"][self.random.below(2)];
            (key.to_owned(), [30_000, 3_600_000][self.random.below(2)])
        });
        let is_transient = self.random.percent(8);
        Made {
            retain: retain.filter(|_| !is_transient && !streams.is_empty()),
            streams,
            connection,
            except,
            has_key: !is_transient && self.random.percent(40),
            is_transient,
            size: if self.random.percent(10) { self.random.below(2500) } else { self.random.below(60) },
            sent: Sent::Perhaps,
            life: self.server.life.life,
        }
    }

    /// A new publication, or a batch of them, at any node.
    pub(crate) fn publish(&mut self) {
        let node = self.random.below(self.nodes.len());
        let batch = if self.random.percent(15) { 2 + self.random.below(4) } else { 1 };
        let fate = (batch > 1).then(|| {
            self.publishers.fates.push(Arc::new(Fate::default()));
            self.publishers.fates.len() - 1
        });
        for _ in 0..batch {
            let made = self.make();
            self.made.push(made);
            self.hand_over(node, self.made.len() - 1, fate);
        }
    }

    /// Something simple to one stream, with everybody there.
    pub(crate) fn publish_plainly(&mut self, stream: &str) -> Number {
        let node = self.random.below(self.nodes.len());
        self.publish_at(node, stream)
    }

    /// The same at this node.
    pub(crate) fn publish_at(&mut self, node: usize, stream: &str) -> Number {
        let made = self.make();
        self.made.push(Made {
            streams: BTreeSet::from([stream.to_owned()]),
            connection: None,
            except: None,
            has_key: false,
            retain: None,
            is_transient: false,
            ..made
        });
        self.hand_over(node, self.made.len() - 1, None);
        self.made.len() - 1
    }

    /// What got no answer is sent again, to any node; or something that was answered.
    pub(crate) fn repeat(&mut self) {
        let node = self.random.below(self.nodes.len());
        let is_answered = self.random.percent(40);
        let number = if is_answered {
            let known: Vec<Number> = self.publishers.ids.keys().copied().collect();
            if known.is_empty() {
                return;
            }
            let last = known.len().min(20);
            known[known.len() - 1 - self.random.below(last)]
        } else {
            if self.publishers.again.is_empty() {
                return;
            }
            let place = self.random.below(self.publishers.again.len());
            self.publishers.again.swap_remove(place)
        };
        // In another life its key means nothing any more.
        if self.made[number].has_key && self.made[number].life == self.server.life.life {
            self.hand_over(node, number, None);
        }
    }

    /// Something simple, of which it is told whether the hub refused it.
    pub(crate) fn try_publish_at(&mut self, node: usize, stream: &str) -> Option<PublishError> {
        let node = &self.nodes[node];
        let id = PublicationId::from_u128(u128::MAX);
        let publication =
            Publication { id, event_type: "e".into(), data: "{}".into(), timestamp: node.now.wall };
        let streams = vec![Stream::channel(ChannelName::new(stream).expect("name"))];
        let target = Target::Named(Audience { streams, connection: None });
        node.hub.publish(Outgoing::new(publication, target, node.now.wall)).err()
    }

    /// With a key: to this stream, or, where there is none, to a connection alone which nobody has.
    pub(crate) fn publish_with_key(&mut self, node: usize, stream: Option<&str>) -> Number {
        let made = self.make();
        self.made.push(Made {
            streams: stream.iter().map(|&name| name.to_owned()).collect(),
            connection: stream.is_none().then(|| ConnectionId::from_random(1)),
            except: None,
            has_key: true,
            retain: None,
            is_transient: false,
            ..made
        });
        self.hand_over(node, self.made.len() - 1, None);
        self.made.len() - 1
    }

    pub(crate) fn hand_over(&mut self, node: usize, number: Number, fate: Option<usize>) {
        let now = self.nodes[node].now.wall;
        let made = self.made[number].clone();
        let mut key = None;
        if made.has_key {
            match now_or_never(self.nodes[node].keys.begin(key_of(number))) {
                // It waits for the broker there.
                None => return,
                Some(Begin::Repeat(answer)) => {
                    self.publishers.repeated += 1;
                    return self.publishers.is_first(number, answer.id, &made);
                }
                Some(Begin::First(first)) => key = Some(first),
            }
        }
        let streams: Vec<Stream> = made
            .streams
            .iter()
            .filter(|name| *name != "@all")
            .map(|name| match name.strip_prefix("user:") {
                Some(user) => Stream::user(&UserId::from_text(user).expect("id")),
                None => Stream::channel(ChannelName::new(name).expect("name")),
            })
            .collect();
        let target = match made.streams.contains("@all") {
            true => Target::Everyone,
            false => {
                Target::Named(Audience { streams, connection: made.connection.map(ConnectionTarget::Id) })
            }
        };
        self.publishers.next_id += 1;
        let id = PublicationId::from_u128(self.publishers.next_id);
        self.publishers.sent.entry(number).or_default().insert(id);
        let data = made.data(number).into();
        let publication = Publication { id, event_type: "e".into(), data, timestamp: now };
        let retain = made.retain.as_ref().map(|(key, keep)| {
            Box::new(Retain { key: key.as_str().into(), keep: Duration::from_millis(*keep), is_final: false })
        });
        let outgoing = Outgoing {
            except: made.except,
            is_transient: made.is_transient,
            retain,
            key,
            fate: fate.map(|fate| Arc::clone(&self.publishers.fates[fate])),
            ..Outgoing::new(publication, target, now)
        };
        let must_be_kept = made.is_kept() || made.has_key || made.retain.is_some();
        let of = self.nodes[node].id;
        match self.nodes[node].hub.publish(outgoing) {
            Ok(Accepted::Now(_)) => {
                assert!(!must_be_kept, "{number} has to be kept: {made:?}");
                assert!(!self.nodes[node].hub.has_broker(), "{number} has to go to all nodes");
                self.made[number].sent = Sent::Here;
            }
            Ok(Accepted::Waiting(receiver)) => {
                self.publishers.waiting.push(Waiting { number, node: of, fate, id, receiver });
            }
            Err(error) => {
                self.publishers.refused += 1;
                let has_failed = fate.is_some_and(|fate| self.publishers.failed.contains(&fate));
                let is_down = error == PublishError::BrokerDown && !self.nodes[node].hub.has_broker();
                let is_of_batch = fate.is_some_and(|fate| self.publishers.fates[fate].failure().is_some());
                assert!(has_failed || is_down || is_of_batch, "{number} is refused without need: {error}");
                // Here for certain, if it was never sent before.
                if self.publishers.sent[&number].len() == 1 {
                    self.made[number].sent = Sent::Refused;
                }
                if made.has_key {
                    self.publishers.again.push(number);
                    self.made[number].sent = Sent::Perhaps;
                }
            }
        }
    }
}
