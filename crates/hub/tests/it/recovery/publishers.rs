//! Publishers: some with keys, who repeat what got no answer or a refusal; batches whose items share a fate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hub::idempotency::{Answer, Begin, IdempotencyKeys, ScopedKey};
use hub::journal::RetainedChange;
use hub::{Accepted, Commit, Fate, Hub, Metrics, Now, Outgoing, PublishError, Recipients};
use protocol::publication::{Audience, Retain};
use protocol::{ChannelName, Publication, PublicationId, Stream, Target, UserId};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::model::{FEED, Made, Model, Number};
use super::store::FakeStore;
use super::streams::CHANNELS;
use super::world::World;

/// A publication that waits for the disk, or behind one that does.
struct Waiting {
    number: Number,
    id: PublicationId,
    accepted: i64,
    fate: Option<usize>,
    receiver: oneshot::Receiver<Result<Recipients, PublishError>>,
}

pub(crate) struct Publishers {
    keys: Arc<IdempotencyKeys>,
    waiting: VecDeque<Waiting>,
    /// How many of those that wait are in the group that is being written.
    forming: usize,
    /// What got no answer or a refusal, and is repeated with its key.
    pub(crate) again: Vec<Number>,
    /// What was answered under which key, and the greatest time of day since.
    answered: BTreeMap<Number, (PublicationId, i64)>,
    pub(crate) latest: i64,
    next_id: u128,
    fates: Vec<Arc<Fate>>,
    /// Fates of which an item was refused.
    failed: BTreeSet<usize>,
}

const KEEP: Duration = Duration::from_secs(600);

fn keys(hub: &Hub) -> Arc<IdempotencyKeys> {
    let _ = hub;
    Arc::new(IdempotencyKeys::new(KEEP, 100_000, Metrics::new(&prometheus::Registry::new())))
}

fn key_of(number: Number) -> ScopedKey {
    ScopedKey { scope: "shop".into(), key: format!("key-{number}").into() }
}

fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Publishers {
    pub(crate) fn new(hub: &Hub) -> Self {
        Self {
            keys: keys(hub),
            waiting: VecDeque::new(),
            forming: 0,
            again: Vec::new(),
            answered: BTreeMap::new(),
            latest: i64::MIN,
            next_id: 1,
            fates: Vec::new(),
            failed: BTreeSet::new(),
        }
    }

    pub(crate) fn formed(&mut self, entries: usize) {
        self.forming = self.waiting.len();
        assert!(entries <= self.forming);
    }

    /// Looks what became of those that wait: they are answered in their order.
    pub(crate) fn settle(&mut self, model: &mut Model) {
        while let Some(first) = self.waiting.front_mut() {
            match first.receiver.try_recv() {
                Ok(Ok(_)) => {
                    let done = self.waiting.pop_front().expect("there");
                    assert!(
                        done.fate.is_none_or(|fate| !self.failed.contains(&fate)),
                        "a batch goes on after a refusal"
                    );
                    model.release(done.number, done.accepted);
                    self.answer(model, done.number, done.id, done.accepted);
                }
                Ok(Err(error)) => {
                    assert!(
                        matches!(error, PublishError::StorageFull | PublishError::StorageFailed),
                        "{error}"
                    );
                    let done = self.waiting.pop_front().expect("there");
                    self.failed.extend(done.fate);
                    self.refused(model, done.number);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => panic!("a publication is forgotten"),
            }
        }
        for waiting in &mut self.waiting {
            assert!(matches!(waiting.receiver.try_recv(), Err(TryRecvError::Empty)), "answers come in order");
        }
    }

    fn answer(&mut self, model: &Model, number: Number, id: PublicationId, accepted: i64) {
        if model.made(number).key.is_some() {
            self.answered.insert(number, (id, accepted));
        }
    }

    fn refused(&mut self, model: &Model, number: Number) {
        if model.made(number).key.is_some() {
            self.again.push(number);
        }
    }

    /// The process dies; `written` was on disk.
    pub(crate) fn crash(&mut self, model: &mut Model, written: Option<&Commit>) {
        let stored: Vec<PublicationId> = written
            .into_iter()
            .flat_map(|commit| {
                let group = commit.group();
                let states = group.retained.iter().filter_map(|change| match change {
                    RetainedChange::Set { entry, .. } => Some(entry.id),
                    RetainedChange::Forget { .. } => None,
                });
                let entries = group.entries.iter().map(|entry| entry.id);
                entries.chain(group.keys.iter().map(|key| key.id)).chain(states)
            })
            .collect();
        for waiting in std::mem::take(&mut self.waiting) {
            if stored.contains(&waiting.id) {
                model.release(waiting.number, waiting.accepted);
                self.answer(model, waiting.number, waiting.id, waiting.accepted);
            } else if model.made(waiting.number).retain.is_none() {
                self.refused(model, waiting.number);
            }
            if stored.contains(&waiting.id) && model.made(waiting.number).key.is_some() {
                // Its publisher got no answer.
                self.again.push(waiting.number);
            }
        }
        self.forming = 0;
    }

    pub(crate) fn restart(&mut self, hub: &Hub, store: &FakeStore, now: Now) {
        self.keys = keys(hub);
        for entry in store.stored().keys {
            let ago = now.wall.as_millis().saturating_sub(entry.at.as_millis());
            let ago = Duration::from_millis(u64::try_from(ago).unwrap_or(0));
            self.keys.restore(entry.key, Answer { id: entry.id, recipients: entry.recipients }, ago);
        }
        for (&number, &(_, at)) in &self.answered {
            let is_in_time = self.latest - at < 500_000;
            assert!(!is_in_time || store.has_key(&key_of(number)), "the key of {number} is forgotten");
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
        if self.random.percent(30) {
            streams.insert(FEED.to_owned());
        }
        let open: Vec<_> =
            self.clients.iter().filter_map(|client| client.link.as_ref()).map(|link| link.id).collect();
        let except = (!open.is_empty() && self.random.percent(12)).then(|| *self.random.pick(&open));
        let retain = self.random.percent(12).then(|| {
            let key = ["bar", "light"][self.random.below(2)];
            (key.to_owned(), [30_000, 3_600_000][self.random.below(2)])
        });
        Made {
            streams,
            except,
            key: self.random.percent(50).then(|| "k".to_owned()),
            retain,
            size: if self.random.percent(10) { self.random.below(2500) } else { self.random.below(60) },
            places: BTreeMap::new(),
            is_released: false,
        }
    }

    /// A new publication, or a batch of them.
    pub(crate) fn publish(&mut self) {
        let batch = if self.random.percent(15) { 2 + self.random.below(4) } else { 1 };
        let fate = (batch > 1).then(|| {
            self.publishers.fates.push(Arc::new(Fate::default()));
            self.publishers.fates.len() - 1
        });
        for _ in 0..batch {
            let made = self.make();
            self.model.made.push(made);
            self.hand_over(self.model.made.len() - 1, fate);
            self.compare();
        }
    }

    /// What got no answer is sent again.
    pub(crate) fn repeat(&mut self) {
        if self.publishers.again.is_empty() {
            return;
        }
        let place = self.random.below(self.publishers.again.len());
        let number = self.publishers.again.swap_remove(place);
        self.hand_over(number, None);
    }

    /// Something that was answered is sent again, by a publisher who did not hear it.
    pub(crate) fn repeat_answered(&mut self) {
        let answered: Vec<Number> = self.publishers.answered.keys().copied().collect();
        if !answered.is_empty() {
            let number = *self.random.pick(&answered);
            self.hand_over(number, None);
        }
    }

    fn hand_over(&mut self, number: Number, fate: Option<usize>) {
        let now = self.now.wall;
        self.publishers.latest = self.publishers.latest.max(now.as_millis());
        let made = self.model.made(number).clone();
        let mut in_progress = None;
        if made.key.is_some() {
            let known = self.publishers.answered.get(&number).copied();
            match now_or_never(self.publishers.keys.begin(key_of(number))) {
                None => {
                    // It waits for the disk, or for the shards to count.
                    let is_waiting = self.publishers.waiting.iter().any(|waiting| waiting.number == number);
                    assert!(is_waiting || made.is_released, "who holds {number}?");
                    return;
                }
                Some(Begin::Repeat(answer)) => {
                    assert_eq!(known.map(|known| known.0), Some(answer.id), "the answer to {number}");
                    return;
                }
                Some(Begin::First(first)) => {
                    let is_in_time = known.is_some_and(|(_, at)| self.publishers.latest - at < 500_000);
                    assert!(!is_in_time, "the key of {number} is known");
                    if known.is_some() {
                        // Its time is over: it would be another publication.
                        return;
                    }
                    in_progress = Some(first);
                }
            }
        }
        let streams: Vec<Stream> = made
            .streams
            .iter()
            .filter(|name| *name != "@all" && *name != FEED)
            .map(|name| match name.strip_prefix("user:") {
                Some(user) => Stream::user(&UserId::from_text(user).expect("id")),
                None => Stream::channel(ChannelName::new(name).expect("name")),
            })
            .collect();
        let target = if streams.is_empty() {
            Target::Everyone
        } else {
            Target::Named(Audience { streams, connection: None })
        };
        let id = PublicationId::from_u128(self.publishers.next_id);
        self.publishers.next_id += 1;
        let event_type = if made.streams.contains(FEED) { "fed" } else { "e" };
        let data = made.data(number).into();
        let publication = Publication { id, event_type: event_type.into(), data, timestamp: now };
        let retain = made.retain.as_ref().map(|(key, keep)| {
            Box::new(Retain { key: key.as_str().into(), keep: Duration::from_millis(*keep), is_final: false })
        });
        let fate_of = fate.map(|fate| Arc::clone(&self.publishers.fates[fate]));
        let outgoing = Outgoing {
            except: made.except,
            retain,
            key: in_progress,
            fate: fate_of,
            ..Outgoing::new(publication, target, now)
        };
        let needs_disk = made.key.is_some()
            || made.retain.is_some()
            || made.streams.iter().any(|name| self.is_durable(name));
        match self.hub.publish(outgoing) {
            Ok(Accepted::Now(_)) => {
                assert!(!needs_disk, "{number} has to be on disk first: {made:?}");
                assert!(self.publishers.waiting.is_empty(), "{number} passes those that wait");
                let hub = Arc::clone(&self.hub);
                self.model.renew(number, &hub, now, |name| hub.registry().get(name).is_some());
                self.model.release(number, now.as_millis());
            }
            Ok(Accepted::Waiting(receiver)) => {
                let waiting = Waiting { number, id, accepted: now.as_millis(), fate, receiver };
                self.publishers.waiting.push_back(waiting);
            }
            Err(error) => {
                let has_failed = fate.is_some_and(|fate| self.publishers.failed.contains(&fate));
                assert!(has_failed, "refused without need: {error}");
                self.publishers.refused(&self.model, number);
            }
        }
    }
}
