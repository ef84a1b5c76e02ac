//! The line in which the broker tells a node's streams: events, what streams keep, and what was missed while it was away.
//!
//! **Catching up.** When the broker is back, all streams that are followed are asked for behind what is here. Until the last
//! answer has come nothing is delivered: what the answers have and what comes live meanwhile is collected by its number, so
//! each event is there once, and then all of it goes its usual way in its order. The same where one stream has a hole.
//! A stream of which something is missing that the broker no longer has, or that began a new life, is *lost*: those who
//! asked for recovery are closed with a code to come back, and hear of the gap; the others go on.
//!
//! Bounds: what is collected is what streams keep and what comes while that is read; beyond the bytes of all history
//! ([`HistoryLimits::bytes`](crate::HistoryLimits)) the oldest of it goes, and its streams are lost.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Weak};

use protocol::Position;
use smallvec::SmallVec;

use super::publish::outgoing;
use super::sockets::Seen;
use super::{Cluster, CountTo, Phase, Waiter};
use crate::broker::{Event, Following, Life, NodeId, StreamState, Ticket, Wish};
use crate::encoded::{Encoded, Ordered, Place, StreamKey};
use crate::history::History;
use crate::hub::Hub;
use crate::inbox::Message;
use crate::order::{Order, Streams};

/// What is collected until a node has caught up.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    ticket: Ticket,
    events: BTreeMap<u64, Event>,
    bytes: usize,
    streams: Vec<StreamState>,
    /// Up to where events of streams were dropped, since there were too many: the offset, and the number in the order.
    gone: HashMap<Box<str>, (u64, u64)>,
}

impl CatchUp {
    fn put(&mut self, event: Event) {
        let weight = crate::encoded::weight(&event.event.publication);
        if self.events.insert(event.seq, event).is_none() {
            self.bytes += weight;
        }
    }

    /// Drops what is beyond a bound; the streams of it have a hole then.
    fn keep_bound(&mut self, most: usize) {
        while self.bytes > most
            && let Some((_, event)) = self.events.pop_first()
        {
            self.bytes = self.bytes.saturating_sub(crate::encoded::weight(&event.event.publication));
            for (stream, position) in event.event.streams.iter().zip(&event.places) {
                self.gone.insert(stream.clone(), (position.offset, event.seq));
            }
        }
    }
}

impl Hub {
    /// There is a broker from now on.
    pub(super) fn broker_up(&self, order: &mut Order, life: Life) {
        let Some(cluster) = &mut order.cluster else { return };
        cluster.is_up = true;
        cluster.life = Some(life);
        cluster.before = life.seq;
        self.resumes().set_secret(&life.secret);
        self.set_life(life.life);
        for name in cluster.own.clone() {
            if !cluster.streams.contains_key(&name) {
                let now_ms = cluster.now.ms;
                cluster.begin(&name, now_ms);
            }
        }
        let names: Vec<Box<str>> = cluster.streams.keys().map(|name| name.as_str().into()).collect();
        self.catch_up(order, names);
        self.tell_parked(order);
        self.peers_up(order);
    }

    /// There is none any more.
    pub(super) fn broker_down(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        cluster.is_up = false;
        cluster.catch_up = None;
        let behind = std::mem::take(&mut cluster.behind);
        cluster.behind_all.extend(behind.into_values());
        self.refuse_publishing(order);
        self.refuse_claims(order);
        self.end_noting(order);
        self.peers_down(order);
    }

    /// Asks for all that streams have behind what is here.
    fn catch_up(&self, order: &mut Order, names: Vec<Box<str>>) {
        let Order { cluster, history, .. } = order;
        let Some(cluster) = cluster else { return };
        let ticket = cluster.ticket();
        let earlier = cluster.catch_up.take();
        cluster.catch_up = Some(CatchUp { ticket, streams: Vec::new(), ..earlier.unwrap_or_default() });
        let wish = |name: &str| {
            let after =
                history.find(name).filter(|_| cluster.is_live(name)).map(|index| history.end(index).1);
            Following { stream: name.into(), rule: self.rules().history(name), after }
        };
        let wishes: Vec<Following> = names.iter().map(|name| wish(name)).collect();
        // One wish, so that one answer is the last.
        cluster.broker.send(Wish::Follow(ticket, wishes));
    }

    /// An event of streams that are followed, or for a connection.
    pub(super) fn on_event(&self, order: &mut Order, event: Event) {
        let Some(cluster) = &mut order.cluster else { return };
        let origin = event.event.origin;
        if let Some(catch_up) = &mut cluster.catch_up {
            catch_up.put(event);
            catch_up.keep_bound(self.limits().history.bytes);
            // Who gets it is known only later: its publisher does not wait for that.
            cluster.count_none(origin);
            return;
        }
        if event.seq <= order.released {
            // It is in another stream, too, that is followed.
            cluster.count_none(origin);
            return;
        }
        let count = cluster.count_to(origin);
        let broken = self.deliver_shared(order, &event, Some(count));
        if !broken.is_empty() {
            self.catch_up(order, broken);
        }
    }

    /// Puts an event behind what is here and gives it to the shards. Returns the streams that have a hole before it: then it
    /// went nowhere, and is with what is collected.
    fn deliver_shared(&self, order: &mut Order, event: &Event, count: Option<CountTo>) -> Vec<Box<str>> {
        let Some(cluster) = &mut order.cluster else { return Vec::new() };
        let mut here = Streams::new();
        let mut broken = Vec::new();
        let mut holes: Vec<Box<str>> = Vec::new();
        for (name, position) in event.event.streams.iter().zip(&event.places) {
            let Some(index) = order.history.find(name).filter(|_| cluster.is_live(name)) else { continue };
            let (_, end) = order.history.end(index);
            if end.epoch != position.epoch && count.is_none() {
                // All that there is was asked for: it is of a life of the stream that has ended.
                continue;
            }
            if count.is_none() && position.offset > end.offset + 1 {
                // Nor is there more of what is between: never ask for it for ever.
                let begin = Position { epoch: end.epoch, offset: position.offset - 1 };
                let rule = self.rules().history(name);
                order.history.begin_at(name, begin, event.seq - 1, rule);
                holes.push(name.clone());
                here.push(index);
                continue;
            }
            if end.epoch != position.epoch || position.offset > end.offset + 1 {
                broken.push(name.clone());
            } else if position.offset == end.offset + 1 {
                here.push(index);
            }
        }
        if !holes.is_empty() {
            self.tell_lost(&holes.into());
        }
        if !broken.is_empty() {
            let catch_up = cluster.catch_up.get_or_insert_default();
            catch_up.put(event.clone());
            if let Some(count) = count {
                count.tell(0);
            }
            return broken;
        }
        order.seq = order.seq.max(event.seq);
        let encoded = cluster.encode(self, &order.history, event);
        let is_old = event.seq <= cluster.before;
        self.note_event(order, event, Seen::New);
        if is_old && here.is_empty() {
            // It was in what streams began with that are followed since the broker is back, and is news to nobody here.
            order.released = order.released.max(event.seq);
            return Vec::new();
        }
        self.release(order, outgoing(&event.event), encoded, &here, count);
        Vec::new()
    }

    /// What streams have.
    pub(super) fn on_streams(
        &self,
        order: &mut Order,
        ticket: Ticket,
        seq: u64,
        streams: Vec<StreamState>,
        is_last: bool,
    ) {
        let Some(cluster) = &mut order.cluster else { return };
        if let Some(catch_up) = &mut cluster.catch_up {
            // Of whatever wish: what it says holds here, and may be in what was collected.
            let is_awaited = catch_up.ticket == ticket;
            streams.iter().flat_map(|stream| &stream.events).for_each(|event| catch_up.put(event.clone()));
            catch_up.keep_bound(self.limits().history.bytes);
            catch_up.streams.extend(streams);
            if is_last {
                cluster.behind_all.extend(cluster.behind.remove(&ticket));
            }
            if is_awaited && is_last {
                self.end_catch_up(order, seq);
            }
            return;
        }
        let behind = if is_last { cluster.behind.remove(&ticket) } else { None };
        let is_live = |state: &&StreamState| cluster.is_live(&state.stream);
        let is_other = |state: &&StreamState| {
            let end = order.history.find(&state.stream).map(|index| order.history.end(index).1);
            end.is_none_or(|end| end.epoch != state.end.epoch || end.offset < state.end.offset)
        };
        let broken = streams.iter().filter(is_live).filter(is_other).map(|state| state.stream.clone());
        let broken: Vec<Box<str>> = broken.collect();
        if !broken.is_empty() {
            // Another life of them began, of which no event has come yet. What is said here is a part of what is collected.
            cluster.behind_all.extend(behind);
            self.catch_up(order, broken);
            if let Some(catch_up) = order.cluster.as_mut().and_then(|cluster| cluster.catch_up.as_mut()) {
                streams
                    .iter()
                    .flat_map(|stream| &stream.events)
                    .for_each(|event| catch_up.put(event.clone()));
                catch_up.streams.extend(streams);
            }
            return;
        }
        let mut waiters: Vec<Arc<Waiter>> = behind.into_iter().collect();
        for state in &streams {
            waiters.extend(self.take_in(order, state));
        }
        order.seq = order.seq.max(seq);
        order.released = order.released.max(seq);
        self.tell_waiters(waiters);
    }

    /// Begins with a stream of which nothing was known. Returns who waits for it.
    fn take_in(&self, order: &mut Order, state: &StreamState) -> Vec<Arc<Waiter>> {
        let Some(cluster) = &mut order.cluster else { return Vec::new() };
        let Some(followed) = cluster.streams.get_mut(&*state.stream) else { return Vec::new() };
        if followed.phase == Phase::Live {
            return Vec::new();
        }
        followed.phase = Phase::Live;
        let waiters = std::mem::take(&mut followed.waiters);
        let first = offset_of(state, state.events.first());
        let floor = first.map_or(state.end.offset, |first| first.saturating_sub(1));
        let rule = self.rules().history(&state.stream);
        let begin = Position { epoch: state.end.epoch, offset: floor };
        if order.history.find(&state.stream).is_some() {
            // Somebody was told of it while the broker was away, in a life that it never had.
            let lost: Arc<[Box<str>]> = vec![state.stream.clone()].into();
            self.tell_lost(&lost);
        }
        let index = order.history.begin_at(&state.stream, begin, state.dropped, rule);
        for event in &state.events {
            let encoded = cluster.encode(self, &order.history, event);
            order.history.append_to(&encoded, &[index]);
        }
        let last = state.events.last().map_or(order.released, |event| event.seq.max(order.released));
        self.begin_seeing(order, &state.stream, last);
        state.events.iter().for_each(|event| self.note_event(order, event, Seen::Kept));
        self.take_states(order, state);
        waiters
    }

    fn tell_lost(&self, streams: &Arc<[Box<str>]>) {
        for shard in 0..self.shards() {
            self.tell(shard, Message::Lost(Arc::clone(streams)));
        }
    }

    /// Takes the states of a stream that are newer than those that are here.
    fn take_states(&self, order: &mut Order, state: &StreamState) {
        let stream: Arc<str> = (&*state.stream).into();
        for (key, expires, event) in &state.retained {
            if order.retained.under(&stream, key).is_some_and(|known| known.seq() >= event.seq) {
                continue;
            }
            let Some(cluster) = &mut order.cluster else { return };
            let encoded = cluster.encode(self, &order.history, event);
            order.set_state(&stream, key, &encoded, *expires);
        }
    }

    /// All answers are there: what was missed goes its way in its order, then what came meanwhile, then the node is up to date.
    fn end_catch_up(&self, order: &mut Order, seq: u64) {
        let Some(CatchUp { mut events, streams, gone, .. }) =
            order.cluster.as_mut().and_then(|cluster| cluster.catch_up.take())
        else {
            return;
        };
        let mut waiters = Vec::new();
        let mut lost: Vec<Box<str>> = Vec::new();
        let mut states: Vec<&StreamState> = Vec::new();
        let mut fresh: Vec<&StreamState> = Vec::new();
        // The last word about a stream counts.
        let mut heard: HashSet<&str> = HashSet::new();
        for state in streams.iter().rev().filter(|state| heard.insert(&state.stream)) {
            let is_live = order.cluster.as_ref().is_some_and(|cluster| cluster.is_live(&state.stream));
            let Some(index) = order.history.find(&state.stream).filter(|_| is_live) else {
                fresh.push(state);
                continue;
            };
            let (_, end) = order.history.end(index);
            let next = offset_of(state, state.events.first()).unwrap_or(state.end.offset + 1);
            let is_whole = state.end.epoch == end.epoch
                && state.end.offset >= end.offset
                && next <= end.offset + 1
                && gone.get(&state.stream).is_none_or(|&(gone, _)| gone <= end.offset)
                && (state.end.offset == end.offset || !state.events.is_empty());
            if !is_whole {
                lost.push(state.stream.clone());
                if state.end.epoch == end.epoch {
                    self.forget_told(order, &state.stream);
                }
                let rule = self.rules().history(&state.stream);
                let (gone, number) = gone.get(&state.stream).copied().unwrap_or_default();
                let begin = Position { epoch: state.end.epoch, offset: gone.max(next - 1) };
                order.history.begin_at(&state.stream, begin, state.dropped.max(number), rule);
                order.retained.forget_stream(&state.stream);
            }
            states.push(state);
        }
        // What they have goes in at once, and nobody is owed more: who comes is told where it stands. Behind the others: an
        // event that is in those too is of their present life.
        for state in fresh {
            waiters.extend(self.take_in(order, state));
        }
        if !lost.is_empty() {
            self.metrics().broker_streams_lost.inc_by(lost.len() as u64);
            let lost: Arc<[Box<str>]> = lost.into();
            self.tell_lost(&lost);
        }
        self.metrics().broker_catch_up_events.inc_by(events.len() as u64);
        while let Some((_, event)) = events.pop_first() {
            if event.seq <= order.released {
                // It was delivered before the broker went, or is in what a stream began with.
                continue;
            }
            let broken = self.deliver_shared(order, &event, None);
            if !broken.is_empty() {
                // Something is missing still, as when too much was collected: once more from here.
                if let Some(catch_up) = order.cluster.as_mut().and_then(|cluster| cluster.catch_up.as_mut()) {
                    events.into_values().for_each(|event| catch_up.put(event));
                }
                self.catch_up(order, broken);
                for state in states {
                    self.take_states(order, state);
                }
                self.tell_waiters(waiters);
                return;
            }
        }
        for state in states {
            self.take_states(order, state);
        }
        if let Some(cluster) = &mut order.cluster {
            waiters.append(&mut cluster.behind_all);
        }
        order.seq = order.seq.max(seq);
        order.released = order.released.max(seq);
        self.tell_waiters(waiters);
    }
}

impl Cluster {
    /// Each time that a node was told of an event is answered.
    fn count_none(&self, (node, ticket): (NodeId, Ticket)) {
        self.count_to((node, ticket)).tell(0);
    }

    fn count_to(&self, (node, ticket): (NodeId, Ticket)) -> CountTo {
        if node == self.broker.node() {
            CountTo::Own(Arc::clone(&self.counts), ticket)
        } else {
            CountTo::Other(Arc::clone(&self.reports), node, ticket)
        }
    }

    /// An event with its places, the same in whichever of its streams it is found.
    fn encode(&mut self, hub: &Hub, history: &History, event: &Event) -> Arc<Encoded> {
        let is_in_several = event.places.len() > 1;
        if is_in_several && let Some(known) = self.several.get(&event.seq).and_then(Weak::upgrade) {
            return known;
        }
        let shared = &event.event;
        let place = |(name, position): (&str, &Position)| {
            let known = history.find(name).map(|index| history.end(index).0);
            let known = known.filter(|key| key.epoch == position.epoch);
            let fresh = || Arc::new(StreamKey { name: name.into(), epoch: position.epoch });
            Place {
                stream: known.unwrap_or_else(fresh),
                offset: position.offset,
                is_kept: hub.keeps(name).0.is_some(),
                is_durable: false,
            }
        };
        // A place in a life of a stream that has ended means nothing to those who follow that stream now.
        let is_over = |name: &str, position: &Position| {
            let index = history.find(name).filter(|_| self.is_live(name));
            index.is_some_and(|index| history.end(index).0.epoch != position.epoch)
        };
        let places = shared.streams.iter().zip(&event.places);
        let places = places.filter(|(name, position)| !is_over(name, position));
        let places: SmallVec<[Place; 1]> =
            places.map(|(name, position)| place((&**name, position))).collect();
        let is_kept = places.iter().any(|place| place.is_kept);
        let ordered = Ordered { seq: event.seq, places, is_kept, group: 0 };
        let publication = Arc::clone(&shared.publication);
        let encoded =
            Arc::new(Encoded::new(publication, shared.except, ordered, shared.accepted, hub.event_form()));
        if is_in_several {
            if self.several.len() >= self.most_several {
                self.several.retain(|_, event| event.strong_count() > 0);
                self.most_several = (2 * self.several.len()).max(1024);
            }
            self.several.insert(event.seq, Arc::downgrade(&encoded));
        }
        encoded
    }
}

/// The offset of an event in a stream.
fn offset_of(state: &StreamState, event: Option<&Event>) -> Option<u64> {
    let event = event?;
    let place = event.event.streams.iter().position(|stream| *stream == state.stream)?;
    event.places.get(place).map(|position| position.offset)
}
