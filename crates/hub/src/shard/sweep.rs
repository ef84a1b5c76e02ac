//! What time does to connections: pings, silence, tokens that end, closes that linger.
//!
//! A look at all connections, twice a second, would cost a node with very many of them more than all else while nothing
//! happens. So for each few it is known until when nothing can be due ([`Calm`]).

use std::sync::Arc;

use protocol::timestamp::Timestamp;
use protocol::{Disconnect, events};

use super::connection::Connection;
use super::lists::Key;
use super::{Now, Shard, to_ms, wrap};
use crate::link::Link;
use crate::wire::Wire;

/// How long before its token ends a client is told (contract: channels, Server → client).
const EXPIRY_WARNING_MS: i64 = 60_000;

/// Connections that are looked at together: so few that most of the time none of them has something due.
const GROUP: usize = 32;

/// A look is never put off for longer, in milliseconds: what is only tidied up by it, and limits that were changed, wait so
/// long at most.
const LONGEST_CALM_MS: u32 = 10_000;

impl<L: Link> Shard<L> {
    /// Cuts what was closed long enough ago, pings, and ends the silent and the expired. To be called about
    /// every half second.
    pub fn tick(&mut self, now: Now) {
        self.clock = now;
        self.cut_lingering(now);
        self.sweep(now);
        self.bury();
        self.tell_deliveries();
        self.tell_metrics();
    }

    pub(super) fn tell_metrics(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let metrics = self.hub.metrics();
        if counts.deliveries > 0 {
            metrics.deliveries.inc_by(counts.deliveries);
        }
        if counts.writes > 0 || counts.bytes > 0 {
            metrics.writes.inc_by(counts.writes);
            metrics.bytes_sent.inc_by(counts.bytes);
        }
        if counts.outbox_bytes != 0 || counts.outboxes != 0 {
            metrics.outbox_bytes.add(counts.outbox_bytes);
            metrics.outboxes.add(counts.outboxes);
        }
    }

    fn sweep(&mut self, now: Now) {
        let mut due: Vec<(Key, Due)> = Vec::new();
        for group in 0..self.calm.0.len() {
            if self.calm.is_over(group, now) {
                let calm = self.look_at(group, &mut due, now);
                self.calm.0[group] = wrap(now.ms).wrapping_add(calm);
            }
        }
        for (key, what) in due {
            self.act(key, what, now);
        }
    }

    /// Finds what is due among the connections of a group. Returns for how long nothing more will be.
    fn look_at(&mut self, group: usize, due: &mut Vec<(Key, Due)>, now: Now) -> u32 {
        let hub = Arc::clone(&self.hub);
        let window = wrap(to_ms(hub.limits().rate_window));
        let present = wrap(now.ms);
        let mut calm = LONGEST_CALM_MS;
        for key in group * GROUP..(group + 1) * GROUP {
            let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.is_open())
            else {
                continue;
            };
            let endpoint = hub.endpoint(connection.endpoint);
            let (interval, timeout) =
                (wrap(to_ms(endpoint.ping_interval)), wrap(to_ms(endpoint.ping_timeout)));
            connection.rate.forget(present, window);
            if connection.wire == Wire::Events {
                // Its client can't answer; that it takes what it is sent is the sign of life.
                if connection.is_flushed() {
                    connection.heard_at = present;
                }
                calm = 0;
            } else if connection.wire.is_socket() {
                // Its session pings, and ends with all sockets where it is silent.
                connection.heard_at = present;
                connection.ping_due = present.wrapping_add(interval);
            }
            let silent = present.wrapping_sub(connection.heard_at);
            let what = if silent >= timeout {
                Due::Silent
            } else if let Some(what) = token_due(connection, now) {
                what
            } else if present.wrapping_sub(connection.ping_due) < u32::MAX / 2 {
                connection.ping_due = present.wrapping_add(interval);
                Due::Ping
            } else {
                let until_ping = connection.ping_due.wrapping_sub(present);
                calm = calm.min(timeout - silent).min(until_ping).min(until_token(connection, now));
                continue;
            };
            calm = 0;
            due.push((Key::try_from(key).unwrap_or(Key::MAX), what));
        }
        calm
    }

    fn act(&mut self, key: Key, what: Due, now: Now) {
        match what {
            Due::Silent => self.close(key, &Disconnect::PING_TIMEOUT, now),
            Due::Expired => self.close(key, &Disconnect::UNAUTHORIZED, now),
            Due::ExpiresSoon(at) => {
                let told =
                    self.view(key, now, |view| view.endpoint.dialect.world().token_expiring(at, now.wall));
                if let Some(text) = told.flatten() {
                    self.reply(key, &text, now);
                }
            }
            // A socket that takes nothing would get the ping too late to mean anything.
            Due::Ping if self.get(key).is_some_and(|connection| connection.outbox.is_some()) => {}
            Due::Ping if self.get(key).is_some_and(Connection::is_tracked) => self.probe(key, now),
            Due::Ping => {
                let is_events = self.get(key).is_some_and(|connection| connection.wire == Wire::Events);
                let ping = if is_events { events::ping().into() } else { self.ping.clone() };
                self.send(key, &ping, now);
            }
        }
    }
}

/// Until when nothing can be due, for each [`GROUP`] of connections by their places: a moment of the wrapping clock.
/// What makes something due earlier than it was has to [`stir`](Self::stir).
#[derive(Debug, Default)]
pub(super) struct Calm(Vec<u32>);

impl Calm {
    /// Something may be due at once.
    pub(super) fn stir(&mut self, key: Key, now: Now) {
        let group = key as usize / GROUP;
        if group >= self.0.len() {
            self.0.resize(group + 1, wrap(now.ms));
        }
        self.0[group] = wrap(now.ms);
    }

    fn is_over(&self, group: usize, now: Now) -> bool {
        wrap(now.ms).wrapping_sub(self.0[group]) < u32::MAX / 2
    }
}

/// What the sweep found.
enum Due {
    Silent,
    Expired,
    ExpiresSoon(Timestamp),
    Ping,
}

/// How long nothing has to be done about a connection's token, in milliseconds.
fn until_token<L>(connection: &Connection<L>, now: Now) -> u32 {
    let Some(identity) = &connection.identity else { return LONGEST_CALM_MS };
    let ends = Timestamp::from_secs(identity.expires_at).as_millis();
    let next = if connection.warned { ends } else { ends - EXPIRY_WARNING_MS };
    u32::try_from(next - now.wall.as_millis()).unwrap_or(LONGEST_CALM_MS)
}

fn token_due<L>(connection: &mut Connection<L>, now: Now) -> Option<Due> {
    let ends = Timestamp::from_secs(connection.identity.as_ref()?.expires_at);
    let left = ends.as_millis() - now.wall.as_millis();
    if left <= 0 {
        return Some(Due::Expired);
    }
    if left <= EXPIRY_WARNING_MS && !connection.warned {
        connection.warned = true;
        return Some(Due::ExpiresSoon(ends));
    }
    None
}
