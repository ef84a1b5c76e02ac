//! The Engine.IO sessions of one reactor: takes what comes for them, and carries out what they answer.
//!
//! A session is no connection of the shard; its sockets are, each with a link that writes through the session's outlet. So
//! this stands between the two: it reads the session's WebSocket or takes its requests, gives what is for a socket to the
//! shard, and at the end of each turn looks at the sessions that somebody wrote to ([`Engines::settle`]). Not here: what a
//! packet asks for (`session`), and how bytes leave (`outlet`).

mod fresh;
mod requests;
mod sockets;

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use compact_str::CompactString;
use hub::{Hub, Now, Shard};
use mio::{Registry, Token};
use protocol::socketio::EnginePacket;
use protocol::websocket::{Incoming, close_frame};
use protocol::{ConnectionId, Disconnect};
use slab::Slab;
use tokio::sync::mpsc;

use self::fresh::Fresh;
use self::requests::Post;
pub(crate) use self::sockets::AtEnd;
use super::asked::{Asked, Verified};
use super::outlet::{Marks, Outlet, comes_back};
use super::session::{Due, Namespace, Session, Settings, Speech, Stage, Step};
use super::sid::Sid;
use super::verify::Wish;
use super::{echo, verify};
use crate::socket::Socket;
use crate::upgrade::connection_id;

/// The bit of a token that says that it is a session's; keys of connections are below it.
const SESSION: usize = 1 << 40;

/// How long a close waits for the client's answer, or for the poll that brings it.
const LINGER_MS: u64 = 1_000;

/// How long a client may be between two polls while the hub shuts down: one that is gone must not hold that up with what
/// waits for it.
const AWAY_MS: u64 = 3_000;

/// Bytes of a request's payload that are handled before others have their turn.
const SLICE: usize = 64 * 1024;

/// What a poll is answered with that waits when its session ends.
fn last(code: u16) -> &'static [u8] {
    if comes_back(code) { b"6" } else { b"1" }
}

/// The session that a token is of.
#[must_use]
pub(crate) fn session_of(token: Token) -> Option<u32> {
    u32::try_from(token.0.checked_sub(SESSION)?).ok()
}

/// What a reactor lends for the time of a call.
pub(crate) struct Desk<'r> {
    /// The reactor's shard.
    pub shard: &'r mut Shard<Socket>,
    /// The hub.
    pub hub: &'r Arc<Hub>,
    /// Where sockets are registered.
    pub registry: &'r Registry,
    /// The time.
    pub now: Now,
}

/// The sessions of a reactor.
#[derive(Debug)]
pub(crate) struct Engines {
    settings: Settings,
    /// The number of the reactor, as it stands in ids.
    reactor: usize,
    is_protocol_test: bool,
    sessions: Slab<Entry>,
    fresh: Fresh,
    marks: Rc<Marks>,
    /// Sessions that had more to read, or a payload of which more is to be handled.
    unread: Vec<u32>,
    verify: mpsc::Sender<Wish>,
    next_tick: Instant,
    /// Since when the hub shuts down.
    draining_since: Option<u64>,
}

/// A session with its surroundings.
#[derive(Debug)]
struct Entry {
    sid: Sid,
    session: Session,
    outlet: Rc<RefCell<Outlet>>,
    origin: Option<Box<str>>,
    /// The WebSocket that wants to take over.
    probe: Option<Box<Socket>>,
    /// A payload that is being handled.
    post: Option<Box<Post>>,
    /// When it is cut, once it was closed.
    cut_at: Option<NonZeroU64>,
    /// When the last poll came.
    polled_at: u64,
    /// Gives the place among the node's connections back.
    _admission: hub::Admission,
}

impl Engines {
    /// None yet. Tokens are sent to `verify`.
    #[must_use]
    pub(crate) fn new(
        settings: Settings,
        reactor: usize,
        is_protocol_test: bool,
        verify: mpsc::Sender<Wish>,
    ) -> Self {
        Self {
            settings,
            reactor,
            is_protocol_test,
            sessions: Slab::new(),
            fresh: Fresh::default(),
            marks: Rc::default(),
            unread: Vec::new(),
            verify,
            next_tick: Instant::now() + settings.tick(),
            draining_since: None,
        }
    }

    /// Whether something waits for the next turn.
    #[must_use]
    pub(crate) fn is_busy(&self) -> bool {
        !self.unread.is_empty()
    }

    /// When it wants to be called again, though nothing came; none where there is no session.
    #[must_use]
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        (!self.sessions.is_empty()).then_some(self.next_tick)
    }

    /// Takes what was asked.
    pub(crate) fn take(&mut self, asked: Vec<Asked>, buffer: &mut [u8], desk: &mut Desk<'_>) {
        for asked in asked {
            match asked {
                Asked::Open { caller, admission, answer } => self.open(caller, admission, answer, desk),
                Asked::Poll { sid, caller, answer } => self.poll(sid, &caller, answer, buffer, desk),
                Asked::Post { sid, caller, body, answer } => self.post(sid, &caller, body, answer, desk),
                Asked::Fault { sid, caller, answer } => self.fault(sid, &caller, answer, desk),
                Asked::Reserve { sid, caller, answer } => self.reserve(sid, &caller, answer, desk),
                Asked::Socket { session, caller, transport, read_ahead } => {
                    self.on_socket(session, caller, transport, read_ahead, desk);
                }
                Asked::Verified { session, socket, outcome } => {
                    self.on_verified(session, socket, outcome, desk);
                }
            }
        }
    }

    /// Goes on with those that had more than one turn allows.
    pub(crate) fn go_on(&mut self, buffer: &mut [u8], desk: &mut Desk<'_>) {
        for key in std::mem::take(&mut self.unread) {
            self.read_on(key, buffer, desk);
            self.handle_post(key, desk);
        }
    }

    fn get(&mut self, key: u32) -> Option<&mut Entry> {
        self.sessions.get_mut(key as usize)
    }

    /// A session's open entry: what comes for a closed one means nothing any more.
    fn get_open(&mut self, key: u32) -> Option<&mut Entry> {
        self.get(key).filter(|entry| entry.cut_at.is_none())
    }

    /// Handles a packet of a session's transport. Says whether more may follow.
    fn on_packet(
        &mut self,
        key: u32,
        packet: Result<EnginePacket<'_>, protocol::socketio::PacketError>,
        desk: &mut Desk<'_>,
    ) -> bool {
        let (settings, is_test) = (self.settings, self.is_protocol_test);
        let Some(entry) = self.get_open(key) else { return false };
        let find = |name: &str| {
            if is_test && echo::NAMESPACES.contains(&name) {
                return Some(Namespace::Echo);
            }
            desk.hub.namespace(name).map(Namespace::Hub)
        };
        let now = desk.now;
        entry.note_sign(desk);
        let step = entry.session.on_packet(packet, &settings, now.ms, &find, &mut || connection_id().ok());
        match step {
            Step::None => {}
            Step::Write(frames) => self.control(key, &frames, desk),
            Step::Verify { id, auth } => self.verify(key, id, auth, desk),
            Step::Deliver(place, text) => {
                drop(desk.shard.on_incoming(place, &Incoming::Text(&text), now));
            }
            Step::Leave(place) => {
                desk.shard.on_incoming(place, &Incoming::Close(None), now);
                desk.shard.end(place);
            }
            Step::End => self.remove(key, 1005, b"6", desk),
            Step::Close(disconnect) => self.close(key, &disconnect, desk),
        }
        self.get_open(key).is_some()
    }

    /// Writes a packet of the session itself.
    fn control(&mut self, key: u32, frames: &Bytes, desk: &mut Desk<'_>) {
        let most = self.settings.max_control;
        let Some(entry) = self.get_open(key) else { return };
        let written = entry.outlet.borrow_mut().control(frames, most);
        if written.is_err() {
            self.close(key, &Disconnect::SLOW, desk);
        }
    }

    /// Has a socket's token verified.
    fn verify(&mut self, key: u32, id: ConnectionId, auth: Option<&str>, desk: &mut Desk<'_>) {
        let outcome = match auth.and_then(verify::token) {
            None => Some(Verified::Bad),
            Some(token) => {
                let wish = Wish { reactor: self.reactor, session: key, socket: id, token };
                self.verify.try_send(wish).is_err().then_some(Verified::Unknown)
            }
        };
        if let Some(outcome) = outcome {
            self.on_verified(key, id, outcome, desk);
        }
    }

    /// Closes a session: its client is told why, its sockets end, and it is cut when its client has answered or in a while.
    fn close(&mut self, key: u32, disconnect: &Disconnect, desk: &mut Desk<'_>) {
        let now = desk.now;
        let Some(entry) = self.get_open(key) else { return };
        if !entry.session.is_websocket() && !entry.outlet.borrow().has_poll() {
            // Nobody is there to be told; its next request is that of an unknown session, which it begins anew.
            return self.remove(key, disconnect.code, last(disconnect.code), desk);
        }
        entry.cut_at = NonZeroU64::new(now.ms + LINGER_MS);
        entry.probe = None;
        entry.outlet.borrow_mut().close(&close_frame(disconnect.code, &disconnect.reason));
        for place in entry.session.places().collect::<Vec<_>>() {
            desk.shard.close(place, disconnect, now);
            desk.shard.end(place);
        }
    }

    /// Takes a session out, with its sockets. A poll that waits is answered with `last`.
    fn remove(&mut self, key: u32, code: u16, last: &'static [u8], desk: &mut Desk<'_>) {
        let Some(entry) = self.sessions.try_remove(key as usize) else { return };
        entry.outlet.borrow_mut().end(last);
        let close = Incoming::Close((code != 1005).then_some((code, "")));
        for place in entry.session.places() {
            // Written into nothing.
            desk.shard.on_incoming(place, &close, desk.now);
            desk.shard.end(place);
        }
        if let Some(post) = entry.post {
            post.refuse();
        }
    }

    /// Looks at the sessions that were written to: answers polls, and ends what is at its end. To be called at the end of
    /// each turn.
    pub(crate) fn settle(&mut self, desk: &mut Desk<'_>) {
        // Ending one may mark others, or itself once more.
        loop {
            let marks = self.marks.take();
            if marks.is_empty() {
                return;
            }
            for key in marks {
                self.settle_one(key, desk);
            }
        }
    }

    fn settle_one(&mut self, key: u32, desk: &mut Desk<'_>) {
        let Some(entry) = self.sessions.get_mut(key as usize) else { return };
        let outlet = Rc::clone(&entry.outlet);
        outlet.borrow_mut().unmark();
        if outlet.borrow().is_gone() {
            return self.remove(key, 1006, b"6", desk);
        }
        let is_asking = outlet.borrow_mut().take_ask();
        if is_asking && entry.cut_at.is_none() {
            entry.session.ask(desk.now.ms);
            self.on_time(key, desk);
        }
        let Some(entry) = self.sessions.get_mut(key as usize) else { return };
        let ended: Vec<(ConnectionId, CompactString)> = entry
            .session
            .members()
            .iter()
            .filter(|member| match member.stage {
                Stage::Open(place) => {
                    !desk.shard.link_mut(place).is_some_and(|socket| socket.is_member_of(&outlet))
                }
                _ => false,
            })
            .map(|member| (member.id, member.name.clone()))
            .collect();
        let mut is_cut_off = false;
        for (id, name) in ended {
            entry.session.end(id);
            is_cut_off |= !outlet.borrow_mut().has_parted(&name);
        }
        let closed = outlet.borrow().closed();
        if let Some(code) = closed
            && entry.cut_at.is_none()
        {
            // The shard closed it, through one of the sockets.
            entry.cut_at = NonZeroU64::new(desk.now.ms + LINGER_MS);
            entry.probe = None;
            let close = Incoming::Close(Some((code, "")));
            for place in entry.session.places().collect::<Vec<_>>() {
                desk.shard.on_incoming(place, &close, desk.now);
            }
        } else if is_cut_off && closed.is_none() {
            // What waited for the socket was not taken in time, so its client does not know that it is gone.
            self.close(key, &Disconnect::SLOW, desk);
        }
        let Some(entry) = self.sessions.get(key as usize) else { return };
        if entry.session.is_probed() {
            // The client is to leave polling.
            outlet.borrow_mut().let_poll_go();
        } else {
            outlet.borrow_mut().answer_poll();
        }
        let is_told = entry.cut_at.is_some() && !entry.session.is_websocket() && outlet.borrow().is_empty();
        if is_told {
            let code = closed.unwrap_or(1005);
            self.remove(key, code, last(code), desk);
        }
    }

    /// Pings, and ends what is silent or was closed long enough ago.
    pub(crate) fn tick(&mut self, desk: &mut Desk<'_>) {
        if Instant::now() < self.next_tick {
            return;
        }
        self.next_tick = Instant::now() + self.settings.tick();
        let is_draining = desk.hub.is_draining();
        let draining_since = is_draining.then(|| *self.draining_since.get_or_insert(desk.now.ms));
        let keys: Vec<u32> = self.sessions.iter().filter_map(|(key, _)| u32::try_from(key).ok()).collect();
        for key in keys {
            self.on_time(key, desk);
            let is_away = |since| self.get(key).is_some_and(|entry| entry.is_away(since, desk.now.ms));
            if draining_since.is_some_and(is_away) {
                self.remove(key, Disconnect::DRAINING.code, last(Disconnect::DRAINING.code), desk);
            }
            let is_lonely = |entry: &&mut Entry| entry.session.places().next().is_none();
            if is_draining && self.get_open(key).as_ref().is_some_and(is_lonely) {
                // Those with sockets are told by the shard.
                self.close(key, &Disconnect::draining(crate::state::RETRY_AFTER), desk);
            }
        }
    }

    /// Does what the time asks of a session.
    fn on_time(&mut self, key: u32, desk: &mut Desk<'_>) {
        let (settings, now) = (self.settings, desk.now.ms);
        loop {
            let Some(entry) = self.get(key) else { return };
            if let Some(at) = entry.cut_at {
                if at.get() <= now {
                    let code = entry.outlet.borrow().closed().unwrap_or(1006);
                    self.remove(key, code, last(code), desk);
                }
                return;
            }
            match entry.session.on_time(&settings, now) {
                Due::None => return,
                Due::Write(frame) => self.control(key, &frame, desk),
                Due::Close(disconnect) => return self.close(key, &disconnect, desk),
                Due::DropProbe => entry.drop_probe(),
            }
        }
    }
}

impl Entry {
    /// Something came from the client, which has what was written before.
    fn note_sign(&self, desk: &mut Desk<'_>) {
        if desk.shard.awaits_signs() && self.outlet.borrow().is_empty() {
            for place in self.session.places() {
                desk.shard.heard(place, desk.now);
            }
        }
    }

    /// Whether its client polls, and has not for too long since then.
    fn is_away(&self, since: u64, now: u64) -> bool {
        let is_polling = !self.session.is_websocket() && !self.outlet.borrow().has_poll();
        is_polling && now.saturating_sub(self.polled_at.max(since)) >= AWAY_MS
    }

    /// Ends the WebSocket that wanted to take over.
    fn drop_probe(&mut self) {
        self.session.unreserve();
        if let Some(mut probe) = self.probe.take() {
            sockets::part(&mut probe);
        }
    }

    /// Whether a request may speak for the session: it is at the same path, and from the same page's origin.
    fn admits(&mut self, speech: Speech, origin: Option<&str>) -> Admits {
        if self.session.speech() != speech {
            return Admits::Unknown;
        }
        match (&self.origin, origin) {
            (Some(own), Some(origin)) if **own != *origin => Admits::Foreign,
            // A browser says no origin where it gets from the page's own.
            (None, Some(origin)) => {
                self.origin = Some(origin.into());
                Admits::Yes
            }
            _ => Admits::Yes,
        }
    }
}

/// Whether a request may speak for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admits {
    Yes,
    /// To this request there is no such session.
    Unknown,
    /// It is another origin's.
    Foreign,
}
