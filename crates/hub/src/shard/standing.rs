//! Where a connection stands in its streams when it is told: what is known of it, and where it begins.
//!
//! Not here: looking all of that up under the lock, and the replay from there (`replay`).

use std::sync::Arc;

use protocol::Position;

use super::Now;
use super::recovery::Recovery;
use super::returning::Arrived;
use crate::encoded::{Encoded, StreamKey};
use crate::history::{Cursor, History, StreamIndex};
use crate::order::Order;

/// A stream in an answer.
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) position: Position,
    pub(super) recovered: Option<bool>,
    /// Whether the client followed it before, on this connection, and goes on.
    pub(super) is_live: bool,
    /// Whether it followed it before, and misses something now.
    pub(super) is_behind_gap: bool,
    /// What is known to have reached the client, where it came back by its connection's id and goes on.
    pub(super) arrived: Option<Arrived>,
}

impl Standing {
    /// Whether the client goes on, and may not have had the state with which it began.
    pub(super) fn is_state_open(&self) -> bool {
        self.arrived.is_some_and(|arrived| arrived.is_new)
    }
}

/// How far a connection has had a stream that it follows already.
pub(super) struct Reached {
    /// None where that can no longer be told.
    pub(super) offset: Option<u64>,
    pub(super) had_to: u64,
    pub(super) since: u64,
    pub(super) held_from: u64,
}

/// How far a connection has had a stream that it follows, when it has had all up to the number `had`.
pub(super) fn reached(
    before: Option<&Recovery>,
    history: &History,
    (stream, key): (StreamIndex, &Arc<StreamKey>),
    had: u64,
) -> Reached {
    let replay = before.and_then(|recovery| recovery.replay.as_deref());
    let running = replay.and_then(|replay| {
        replay.cursors.iter().find(|cursor| cursor.is_read && Arc::ptr_eq(&cursor.key, key))
    });
    Reached {
        offset: running.map_or_else(|| history.offset_at(stream, had), |cursor| Some(cursor.offset)),
        had_to: running.map_or(0, |cursor| cursor.had_to),
        since: before.map_or(0, |recovery| recovery.since(key)),
        held_from: running.map_or(had, |cursor| cursor.held_from),
    }
}

/// The state of the streams that a client now begins with, but for what it was told or is about to be told.
pub(super) fn state(
    order: &Order,
    standings: &[Standing],
    cursors: &[Cursor],
    wants: impl Fn(&Encoded) -> bool,
    now: Now,
) -> Vec<Arc<Encoded>> {
    let mut state: Vec<Arc<Encoded>> = Vec::new();
    if order.retained.is_empty() {
        return state;
    }
    let now = u64::try_from(now.wall.as_millis()).unwrap_or(0);
    let is_known = |event: &Arc<Encoded>| {
        let is_had = |(standing, cursor): (&Standing, &Cursor)| {
            let offset = event.offset_in(&cursor.key);
            let has_had = |offset| offset <= cursor.had_to && !standing.is_state_open();
            offset.is_some_and(|offset| has_had(offset) || event.seq() > cursor.since)
        };
        let is_live_state = |standing: &&Standing| {
            standing.is_live && order.retained.get(&standing.name, now).any(|other| Arc::ptr_eq(other, event))
        };
        standings.iter().zip(cursors).any(is_had) || standings.iter().any(|standing| is_live_state(&standing))
    };
    let begins = |standing: &&Standing| {
        standing.recovered != Some(true) && !standing.is_live || standing.is_state_open()
    };
    for standing in standings.iter().filter(begins) {
        for event in order.retained.get(&standing.name, now) {
            let is_new = !state.iter().any(|other| Arc::ptr_eq(other, event));
            if is_new && !is_known(event) && wants(event) {
                state.push(Arc::clone(event));
            }
        }
    }
    state.sort_unstable_by_key(|event| event.seq());
    state
}

/// Lets the streams that begin do so where the client stands in the hub's order, and not at their end. A position says that
/// all up to it was had: of an event that is in such a stream and still to come in another one, that would not be true,
/// and if the connection broke now, it would never come.
pub(super) fn begin_where_others_stand(
    history: &History,
    released: u64,
    standings: &mut [Standing],
    cursors: &mut [Cursor],
) {
    let next = |cursor: &Cursor| history.seq_behind(cursor.stream, cursor.offset);
    let Some(next) = cursors.iter().filter(|cursor| cursor.is_read).filter_map(next).min() else { return };
    let stands = released.min(next.saturating_sub(1));
    let begins = |standing: &Standing| standing.recovered != Some(true) && !standing.is_live;
    for (standing, cursor) in standings.iter_mut().zip(cursors) {
        if cursor.is_read && begins(standing) {
            let offset = history.offset_at(cursor.stream, stands);
            // Of what the stream no longer keeps nothing can come in it.
            let offset = offset.unwrap_or_else(|| history.floor(cursor.stream)).max(cursor.had_to);
            cursor.offset = offset.min(cursor.offset);
            let first = history.seq_behind(cursor.stream, cursor.offset);
            cursor.since = first.map_or(released, |first| first - 1);
            standing.position.offset = cursor.offset;
        }
    }
}
