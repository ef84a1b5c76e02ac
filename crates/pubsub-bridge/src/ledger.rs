//! The messages that the bridge holds: what each waits for, until when Pub/Sub leaves it here, and which ones were
//! dealt with before.
//!
//! A message is received, waits for its batch in the order of arrival, is **settled** (the hub took it, or it is a dead
//! letter), then acknowledged, and forgotten once Pub/Sub has confirmed that. What comes again meanwhile, or soon after,
//! is recognised by its id and publish time and is not posted again.
//!
//! - **Bounds.** So many messages and bytes; beyond them no stream is read ([`Ledger::room`]), so that messages wait in
//!   Pub/Sub. One answer of each stream may exceed it. A message counts until Pub/Sub has confirmed its
//!   acknowledgement; `fanfare_pubsub_outstanding_messages` and `_bytes` tell.
//! - **Lives.** A subscription that was gone and is made anew knows nothing of what was held: those messages are still
//!   posted, but neither extended nor acknowledged. An emulator gives the same ids again, and an old one must not
//!   acknowledge a new message.
//!
//! Not here: any call to Pub/Sub or to the hub.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gcloud_googleapis::pubsub::v1::ReceivedMessage;
use tokio::sync::{Notify, watch};

use crate::event::Poison;
use crate::message::{Key, Message};
use crate::metrics::Metrics;

#[cfg(test)]
mod tests;

/// Messages that were dealt with and are still recognised: some 8 MB, or 13 s at 5,000 a second. What comes later is
/// recognised by the hub, as long as it keeps idempotency keys.
const RECENT: usize = 65_536;

/// The messages that are held.
#[derive(Debug)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    max_messages: usize,
    max_bytes: usize,
    room: watch::Sender<bool>,
    empty: watch::Sender<bool>,
    arrived: Notify,
    settled: Notify,
    poisoned: Notify,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<Key, Held>,
    /// For the hub, in the order of arrival.
    waiting: VecDeque<Arc<Message>>,
    /// For the dead-letter topic.
    dead: VecDeque<(Arc<Message>, Poison)>,
    /// To be acknowledged.
    acks: VecDeque<Key>,
    recent: Recent,
    bytes: usize,
    life: u32,
}

/// A message that Pub/Sub counts as ours.
#[derive(Debug)]
struct Held {
    /// What it is acknowledged by; a new one with each delivery.
    ack_id: String,
    life: u32,
    /// When Pub/Sub takes it back.
    until: Instant,
    /// Bytes; none once it is settled.
    size: usize,
    settled: bool,
}

/// The last messages that were dealt with.
#[derive(Debug, Default)]
struct Recent {
    keys: HashSet<Key>,
    order: VecDeque<Key>,
}

impl Recent {
    fn add(&mut self, key: Key) {
        if self.keys.insert(Arc::clone(&key)) {
            self.order.push_back(key);
        }
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }
}

/// An acknowledgement to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Ack {
    key: Key,
    /// What Pub/Sub knows the delivery by.
    pub(crate) ack_id: String,
}

impl Ledger {
    pub(crate) fn new(max_messages: usize, max_bytes: usize, metrics: Metrics) -> Self {
        Self {
            state: Mutex::default(),
            max_messages,
            max_bytes,
            room: watch::Sender::new(true),
            empty: watch::Sender::new(true),
            arrived: Notify::new(),
            settled: Notify::new(),
            poisoned: Notify::new(),
            metrics,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells room, emptiness and gauges after a change.
    fn changed(&self, state: &State) {
        let room = state.held.len() < self.max_messages && state.bytes < self.max_bytes;
        self.room.send_if_modified(|told| std::mem::replace(told, room) != room);
        let empty = state.held.is_empty();
        self.empty.send_if_modified(|told| std::mem::replace(told, empty) != empty);
        self.metrics.outstanding_messages.set(i64::try_from(state.held.len()).unwrap_or(i64::MAX));
        self.metrics.outstanding_bytes.set(i64::try_from(state.bytes).unwrap_or(i64::MAX));
    }

    /// Takes in a delivery that Pub/Sub leaves here for `lease`.
    pub(crate) fn receive(&self, received: ReceivedMessage, lease: Duration) {
        let ReceivedMessage { ack_id, message, .. } = received;
        let Some(message) = message else { return };
        let message = Message::new(message);
        self.metrics.received.inc();
        let mut state = self.lock();
        let (life, until) = (state.life, Instant::now() + lease);
        let state = &mut *state;
        if let Some(held) = state.held.get_mut(&message.key) {
            self.metrics.redelivered.inc();
            *held = Held { ack_id, life, until, ..*held };
            if held.settled {
                state.acks.push_back(Arc::clone(&message.key));
                self.settled.notify_one();
            }
            return;
        }
        let settled = state.recent.keys.contains(&message.key);
        let size = if settled { 0 } else { message.size() };
        state.held.insert(Arc::clone(&message.key), Held { ack_id, life, until, size, settled });
        if settled {
            self.metrics.redelivered.inc();
            state.acks.push_back(message.key);
            self.settled.notify_one();
        } else {
            state.bytes += size;
            state.waiting.push_back(Arc::new(message));
            self.arrived.notify_one();
        }
        self.changed(state);
    }

    /// Whether streams may be read.
    pub(crate) fn room(&self) -> watch::Receiver<bool> {
        self.room.subscribe()
    }

    /// Whether nothing is held.
    pub(crate) fn empty(&self) -> watch::Receiver<bool> {
        self.empty.subscribe()
    }

    /// Returns once a message waits for the hub. One waiter.
    pub(crate) async fn arrived(&self) {
        while self.lock().waiting.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// How many wait for the hub, and since when the oldest, in seconds since it was published.
    pub(crate) fn waiting(&self) -> (usize, f64) {
        let state = self.lock();
        (state.waiting.len(), state.waiting.front().map_or(0.0, |message| message.age()))
    }

    /// The next messages for the hub: at most so many, and so many bytes unless the first alone has more.
    pub(crate) fn take(&self, most: usize, most_bytes: usize) -> Vec<Arc<Message>> {
        let mut state = self.lock();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(message) = state.waiting.front() {
            bytes += message.size() + ITEM_OVERHEAD;
            if taken.len() >= most || (!taken.is_empty() && bytes > most_bytes) {
                break;
            }
            taken.extend(state.waiting.pop_front());
        }
        taken
    }

    /// Puts messages back to the front, in their order.
    pub(crate) fn put_back(&self, messages: Vec<Arc<Message>>) {
        let mut state = self.lock();
        for message in messages.into_iter().rev() {
            state.waiting.push_front(message);
        }
        self.arrived.notify_one();
    }

    /// The hub took it, or it was made a dead letter, or dropped: it is to be acknowledged.
    pub(crate) fn settle(&self, key: &Key) {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(held) = state.held.get_mut(key) else { return };
        held.settled = true;
        state.bytes -= std::mem::take(&mut held.size);
        state.acks.push_back(Arc::clone(key));
        self.settled.notify_one();
        self.changed(state);
    }

    /// It can never be published, and a dead-letter topic is named.
    pub(crate) fn condemn(&self, message: Arc<Message>, poison: Poison) {
        self.lock().dead.push_back((message, poison));
        self.poisoned.notify_one();
    }

    /// Returns the next dead letter. One waiter, which puts it back or settles it.
    pub(crate) async fn condemned(&self) -> (Arc<Message>, Poison) {
        loop {
            if let Some(dead) = self.lock().dead.pop_front() {
                return dead;
            }
            self.poisoned.notified().await;
        }
    }

    /// Returns the acknowledgements that are to be sent, at most so many. One waiter.
    pub(crate) async fn acks(&self, most: usize) -> Vec<Ack> {
        loop {
            let acks = self.take_acks(most);
            if !acks.is_empty() {
                return acks;
            }
            self.settled.notified().await;
        }
    }

    fn take_acks(&self, most: usize) -> Vec<Ack> {
        let mut state = self.lock();
        let state = &mut *state;
        let mut acks = Vec::new();
        while acks.len() < most
            && let Some(key) = state.acks.pop_front()
        {
            let Some(held) = state.held.get(&key) else { continue };
            if held.life == state.life {
                acks.push(Ack { ack_id: held.ack_id.clone(), key });
            } else {
                state.held.remove(&key);
                state.recent.add(key);
            }
        }
        self.changed(state);
        acks
    }

    /// These were acknowledged, or can't be: they are forgotten, unless they came again meanwhile.
    pub(crate) fn acknowledged(&self, acks: &[Ack]) {
        let mut state = self.lock();
        let state = &mut *state;
        for ack in acks {
            if state.held.get(&ack.key).is_some_and(|held| held.ack_id == ack.ack_id) {
                state.held.remove(&ack.key);
                state.recent.add(Arc::clone(&ack.key));
            }
        }
        self.changed(state);
    }

    /// These could not be acknowledged now: they are tried again.
    pub(crate) fn unacknowledged(&self, acks: Vec<Ack>) {
        let mut state = self.lock();
        for ack in acks.into_iter().rev() {
            state.acks.push_front(ack.key);
        }
        self.settled.notify_one();
    }

    /// The deliveries that Pub/Sub takes back within half a lease. They count as extended from now on.
    pub(crate) fn extend(&self, lease: Duration) -> Vec<String> {
        let mut state = self.lock();
        let (life, now) = (state.life, Instant::now());
        let due = state.held.values_mut().filter(|held| held.life == life && held.until < now + lease / 2);
        due.map(|held| {
            held.until = now + lease;
            held.ack_id.clone()
        })
        .collect()
    }

    /// The deliveries that are not settled, to be given back at the end.
    pub(crate) fn unsettled(&self) -> Vec<String> {
        let state = self.lock();
        let mine = state.held.values().filter(|held| held.life == state.life && !held.settled);
        mine.map(|held| held.ack_id.clone()).collect()
    }

    /// The subscription is a new one: what is held was another's.
    pub(crate) fn begin_life(&self) {
        self.lock().life += 1;
        self.settled.notify_one();
    }
}

/// What a message's publication has beside its data, roughly.
pub(crate) const ITEM_OVERHEAD: usize = 320;
