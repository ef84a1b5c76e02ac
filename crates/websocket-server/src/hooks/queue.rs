//! What waits for services: a lane for each connection, whose events are handed out one after the other, and a share of
//! places for each service, so that one that is slow takes none from the others.
//!
//! Bounds: events and bytes of a service, events and bytes of a connection; what is over is refused at once
//! (`fanfare_hook_calls_total{outcome="full"}`), and how many wait tells `fanfare_hooks_waiting`. Not here: who is asked,
//! and who gets an answer (`crate::hooks`). The time comes from outside.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use protocol::ConnectionId;

#[cfg(test)]
mod tests;

/// The part of a service's bytes that one connection may have: many can wait for it at once.
const LANE_PART: usize = 16;

/// What all services together may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Events that wait.
    pub waiting: usize,
    /// Events of a connection that wait.
    pub waiting_per_connection: usize,
    /// Bytes of the events that wait or were handed out.
    pub bytes: usize,
    /// Events that were handed out and are not done.
    pub calls: usize,
}

/// Something that waits.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// Whose it is.
    pub connection: ConnectionId,
    /// The service, counted from 0.
    pub service: usize,
    /// Its bytes.
    pub weight: usize,
    /// When it need not be handed out any more.
    pub deadline: Instant,
    /// Whether it is still wanted once its connection has ended.
    pub outlives: bool,
    /// What it is.
    pub item: T,
}

/// Why something may not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The connection has too much of its own waiting.
    Connection,
    /// The service has.
    Service,
}

/// What waits for services.
#[derive(Debug)]
pub(super) struct Queue<T> {
    lanes: HashMap<ConnectionId, Lane<T>>,
    services: Vec<Service>,
    bounds: Bounds,
    /// The service that is looked at first, in turn.
    turn: usize,
    waiting: usize,
    handed_out: usize,
}

/// What a connection has waiting; there is none where nothing waits and nothing is handed out.
#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<Entry<T>>,
    bytes: usize,
    /// The service and the bytes of what is handed out.
    busy: Option<(usize, usize)>,
    /// The service in whose line the lane stands.
    stands: Option<usize>,
}

/// The share of one service.
#[derive(Debug, Default)]
struct Service {
    waiting: usize,
    bytes: usize,
    calls: usize,
    /// Lanes whose first event is for it, in the order in which they came; and some that have gone since.
    line: VecDeque<ConnectionId>,
}

impl<T> Queue<T> {
    /// A queue for so many services, each with one of so many parts of the bounds.
    pub(super) fn new(services: usize, parts: usize, bounds: Bounds) -> Self {
        let share = |whole: usize| (whole / parts.max(1)).max(1);
        let bounds = Bounds {
            waiting: share(bounds.waiting),
            bytes: share(bounds.bytes),
            calls: share(bounds.calls),
            ..bounds
        };
        let services = (0..services).map(|_| Service::default()).collect();
        Self { lanes: HashMap::new(), services, bounds, turn: 0, waiting: 0, handed_out: 0 }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits and nothing is handed out.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.handed_out == 0
    }

    /// Puts something behind what its connection has waiting.
    ///
    /// # Errors
    /// It may not wait; here it is again.
    pub(super) fn push(&mut self, entry: Entry<T>) -> Result<(), (Full, Entry<T>)> {
        let (connection, index, weight) = (entry.connection, entry.service, entry.weight);
        let lane = self.lanes.get(&connection);
        let (own, own_bytes) = lane.map_or((0, 0), |lane| (lane.waiting.len(), lane.bytes));
        if own >= self.bounds.waiting_per_connection
            || own_bytes > 0 && own_bytes + weight > self.bounds.bytes / LANE_PART
        {
            return Err((Full::Connection, entry));
        }
        let service = &mut self.services[index];
        if service.waiting >= self.bounds.waiting
            || service.bytes > 0 && service.bytes + weight > self.bounds.bytes
        {
            return Err((Full::Service, entry));
        }
        service.waiting += 1;
        service.bytes += weight;
        self.waiting += 1;
        let lane = self.lanes.entry(connection).or_insert_with(Lane::new);
        lane.bytes += weight;
        lane.waiting.push_back(entry);
        lane.stand_in_line(connection, &mut self.services);
        Ok(())
    }

    /// Hands out the next, if a service has a place for one. [`Queue::done`] gives the place back.
    pub(super) fn next(&mut self) -> Option<Entry<T>> {
        let count = self.services.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if self.services[index].calls >= self.bounds.calls {
                continue;
            }
            while let Some(connection) = self.services[index].line.pop_front() {
                let Some(lane) = self.lanes.get_mut(&connection) else { continue };
                if lane.stands != Some(index) {
                    continue;
                }
                lane.stands = None;
                let Some(entry) = lane.waiting.pop_front() else { continue };
                lane.busy = Some((index, entry.weight));
                let service = &mut self.services[index];
                service.waiting -= 1;
                service.calls += 1;
                self.waiting -= 1;
                self.handed_out += 1;
                self.turn = index + 1;
                return Some(entry);
            }
        }
        None
    }

    /// What was handed out for a connection is done, and its next may be.
    pub(super) fn done(&mut self, connection: ConnectionId) {
        let Some(lane) = self.lanes.get_mut(&connection) else { return };
        if let Some((index, weight)) = lane.busy.take() {
            self.services[index].calls -= 1;
            self.services[index].bytes -= weight;
            lane.bytes -= weight;
            self.handed_out -= 1;
        }
        self.settle(connection);
    }

    /// Takes out what is not wanted any more, now that its connection has ended.
    pub(super) fn ended(&mut self, connection: ConnectionId) -> Vec<Entry<T>> {
        self.take_out(connection, |entry| !entry.outlives)
    }

    /// Takes out what has waited too long for a place. It looks at the first of each lane, which has waited longest; where
    /// something is handed out, what comes behind it is looked at when that is done.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Entry<T>> {
        let is_late = |entry: &Entry<T>| entry.deadline <= now;
        let late = |lane: &Lane<T>| lane.busy.is_none() && lane.waiting.front().is_some_and(is_late);
        let lanes: Vec<ConnectionId> =
            self.lanes.iter().filter(|(_, lane)| late(lane)).map(|(connection, _)| *connection).collect();
        lanes.into_iter().flat_map(|connection| self.take_out(connection, is_late)).collect()
    }

    fn take_out(
        &mut self,
        connection: ConnectionId,
        mut is_out: impl FnMut(&Entry<T>) -> bool,
    ) -> Vec<Entry<T>> {
        let Some(lane) = self.lanes.get_mut(&connection) else { return Vec::new() };
        let (out, stay): (Vec<_>, VecDeque<_>) = {
            let mut out = Vec::new();
            let mut stay = VecDeque::new();
            for entry in lane.waiting.drain(..) {
                if is_out(&entry) { out.push(entry) } else { stay.push_back(entry) }
            }
            (out, stay)
        };
        lane.waiting = stay;
        for entry in &out {
            lane.bytes -= entry.weight;
            self.services[entry.service].waiting -= 1;
            self.services[entry.service].bytes -= entry.weight;
        }
        self.waiting -= out.len();
        self.settle(connection);
        out
    }

    /// Lets a lane stand where its first event wants it, or go.
    fn settle(&mut self, connection: ConnectionId) {
        let Some(lane) = self.lanes.get_mut(&connection) else { return };
        if lane.waiting.is_empty() && lane.busy.is_none() {
            self.lanes.remove(&connection);
        } else {
            lane.stand_in_line(connection, &mut self.services);
        }
    }
}

impl<T> Lane<T> {
    fn new() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, busy: None, stands: None }
    }

    fn stand_in_line(&mut self, connection: ConnectionId, services: &mut [Service]) {
        if self.busy.is_some() {
            return;
        }
        let wanted = self.waiting.front().map(|entry| entry.service);
        if self.stands != wanted {
            // Where it stood before it is passed over.
            self.stands = wanted;
            if let Some(index) = wanted {
                services[index].line.push_back(connection);
            }
        }
    }
}
