//! What time does to connections: pings, silence, tokens that end, closes that linger.

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
        let hub = Arc::clone(&self.hub);
        let window = wrap(to_ms(hub.limits().rate_window));
        let present = wrap(now.ms);
        let mut due: Vec<(Key, Due)> = Vec::new();
        for (key, connection) in &mut self.connections {
            if !connection.is_open() {
                continue;
            }
            let endpoint = hub.endpoint(connection.endpoint);
            let (interval, timeout) =
                (wrap(to_ms(endpoint.ping_interval)), wrap(to_ms(endpoint.ping_timeout)));
            connection.rate.forget(present, window);
            if connection.wire == Wire::Events && connection.is_flushed() {
                // Its client can't answer; that it takes what it is sent is the sign of life.
                connection.heard_at = present;
            } else if connection.wire.is_socket() {
                // Its session pings, and ends with all sockets where it is silent.
                connection.heard_at = present;
                connection.ping_due = present.wrapping_add(interval);
            }
            let what = if present.wrapping_sub(connection.heard_at) >= timeout {
                Due::Silent
            } else if let Some(what) = token_due(connection, now) {
                what
            } else if present.wrapping_sub(connection.ping_due) < u32::MAX / 2 {
                connection.ping_due = present.wrapping_add(interval);
                Due::Ping
            } else {
                continue;
            };
            due.push((Key::try_from(key).unwrap_or(Key::MAX), what));
        }
        for (key, what) in due {
            match what {
                Due::Silent => self.close(key, &Disconnect::PING_TIMEOUT, now),
                Due::Expired => self.close(key, &Disconnect::UNAUTHORIZED, now),
                Due::ExpiresSoon(at) => {
                    let told = self
                        .view(key, now, |view| view.endpoint.dialect.world().token_expiring(at, now.wall));
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
}

/// What the sweep found.
enum Due {
    Silent,
    Expired,
    ExpiresSoon(Timestamp),
    Ping,
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
