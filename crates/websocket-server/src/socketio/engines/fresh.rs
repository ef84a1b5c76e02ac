//! Sessions that poll and have had no socket yet. They are a request each, without a connection of their own, so that one
//! client makes thousands in a second. They may take half of the node's places: one that still has no socket when so many
//! have begun after it goes. So who opens them without end shuts out neither those who come by a WebSocket nor those who
//! poll and go on at once.

use std::collections::VecDeque;

use super::{Desk, Engines};
use crate::socketio::sid::Sid;

/// As many may be in a reactor however few connections the node takes.
const LEAST: usize = 16;

/// The sessions of a reactor that began by a request: those that were without a socket when they were last looked at, the
/// oldest first.
#[derive(Debug, Default)]
pub(super) struct Fresh(VecDeque<(u32, Sid)>);

impl Engines {
    /// A session began by a request.
    pub(super) fn note_fresh(&mut self, key: u32, desk: &mut Desk<'_>) {
        let Some(sid) = self.get(key).map(|entry| entry.sid) else { return };
        let most = (desk.hub.limits().connections / 2 / desk.hub.shards().max(1)).max(LEAST);
        self.fresh.0.push_back((key, sid));
        while let Some(&(oldest, sid)) = self.fresh.0.front() {
            let is_fresh = self.get_open(oldest).is_some_and(|it| it.sid == sid && it.session.is_fresh());
            if is_fresh && self.fresh.0.len() <= most {
                break;
            }
            self.fresh.0.pop_front();
            if is_fresh {
                desk.hub.metrics().evictions.with_label_values(&["no_namespace"]).inc();
                self.remove(oldest, 1006, b"6", desk);
            }
        }
    }
}
