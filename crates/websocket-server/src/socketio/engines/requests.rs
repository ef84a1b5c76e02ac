//! Sessions by polling: opening one, polls, and payloads.

use bytes::Bytes;
use hub::Admission;
use protocol::Disconnect;
use protocol::socketio::{EnginePacket, SEPARATOR, open};
use tokio::sync::oneshot;

use super::{Admits, AtEnd, Desk, Engines, Entry, SLICE};
use crate::config::node_tag::tagged;
use crate::socket::Socket;
use crate::socketio::asked::{Answer, Caller, Refused, Reserved};
use crate::socketio::outlet::Outlet;
use crate::socketio::session::{Arrival, Session};
use crate::socketio::sid::Sid;

/// A payload that is being handled, a part in each turn.
#[derive(Debug)]
pub(super) struct Post {
    body: String,
    /// How much of it is done.
    done: usize,
    answer: oneshot::Sender<Answer>,
}

impl Post {
    /// Its session ended before its end.
    pub(super) fn refuse(self) {
        // The request may be gone; then nobody waits.
        let _ = self.answer.send(Answer::Refused(Refused::BadRequest));
    }
}

impl Engines {
    /// Makes a session. None where there is no randomness for its id.
    pub(super) fn begin(
        &mut self,
        caller: Caller,
        admission: Admission,
        socket: Option<Box<Socket>>,
        now: u64,
    ) -> Option<(u32, Bytes)> {
        let place = self.sessions.vacant_key();
        let key = u32::try_from(place).ok()?;
        let sid = Sid::new(key, u8::try_from(self.reactor).ok()?).ok()?;
        let (arrival, upgrades): (_, &[&str]) = match socket {
            Some(_) => (Arrival::WebSocket, &[]),
            None => (Arrival::Polling, &["websocket"]),
        };
        let settings = &self.settings;
        let packet = open(
            &tagged(settings.node, &sid.to_string()),
            upgrades,
            settings.ping_interval,
            settings.ping_timeout,
            settings.max_payload,
        );
        let session = Session::new(caller.speech, arrival, settings, now);
        let outlet = Outlet::new(key, self.marks.clone(), socket);
        self.sessions.insert(Entry {
            sid,
            session,
            outlet: std::rc::Rc::new(std::cell::RefCell::new(outlet)),
            origin: caller.origin,
            probe: None,
            post: None,
            cut_at: None,
            polled_at: now,
            _admission: admission,
        });
        Some((key, packet.into()))
    }

    pub(super) fn open(
        &mut self,
        caller: Caller,
        admission: Admission,
        answer: oneshot::Sender<Answer>,
        desk: &mut Desk<'_>,
    ) {
        let Some((key, packet)) = self.begin(caller, admission, None, desk.now.ms) else {
            drop(answer);
            return;
        };
        if answer.send(Answer::Payload(packet)).is_err() {
            // Its client is gone, and nobody else knows the id.
            return self.remove(key, 1006, b"1", desk);
        }
        self.note_fresh(key, desk);
    }

    /// The session of that id, for a request; or why it is none.
    fn find(&mut self, sid: Sid, caller: &Caller, desk: &mut Desk<'_>) -> Result<u32, Refused> {
        let key = sid.place();
        // What is over by now is over, though the sweep has not come by.
        if self.get(key).is_some_and(|entry| entry.sid == sid) {
            self.on_time(key, desk);
        }
        let Some(entry) = self.get(key).filter(|entry| entry.sid == sid) else {
            return Err(Refused::UnknownSession);
        };
        match entry.admits(caller.speech, caller.origin.as_deref()) {
            Admits::Yes => Ok(key),
            Admits::Unknown => Err(Refused::UnknownSession),
            Admits::Foreign => Err(Refused::BadRequest),
        }
    }

    pub(super) fn poll(
        &mut self,
        sid: Sid,
        caller: &Caller,
        answer: oneshot::Sender<Answer>,
        buffer: &mut [u8],
        desk: &mut Desk<'_>,
    ) {
        let refuse = |answer: oneshot::Sender<Answer>, refused| {
            // The request may be gone; then nobody waits.
            let _ = answer.send(Answer::Refused(refused));
        };
        let key = match self.find(sid, caller, desk) {
            Ok(key) => key,
            Err(refused) => return refuse(answer, refused),
        };
        if self.get(key).is_some_and(|entry| entry.session.is_reserved()) {
            // A client that has said over its WebSocket that it leaves polling has said so before it asks here.
            self.read(key, AtEnd::Maybe, buffer, desk);
        }
        let now = desk.now.ms;
        let Some(entry) = self.get(key) else { return refuse(answer, Refused::UnknownSession) };
        if entry.session.is_websocket() {
            return refuse(answer, Refused::BadRequest);
        }
        if entry.outlet.borrow().has_poll() {
            // Which of the two would get what comes next? Engine.IO's own server ends the session too.
            refuse(answer, Refused::BadRequest);
            return self.close(key, &Disconnect::fault(1002, "two polls at once".into()), desk);
        }
        entry.polled_at = now;
        entry.note_sign(desk);
        entry.outlet.borrow_mut().wait(answer);
        if entry.cut_at.is_some() {
            return;
        }
        for place in entry.session.places().collect::<Vec<_>>() {
            desk.shard.on_writable(place);
        }
    }

    pub(super) fn post(
        &mut self,
        sid: Sid,
        caller: &Caller,
        body: String,
        answer: oneshot::Sender<Answer>,
        desk: &mut Desk<'_>,
    ) {
        let post = Post { body, done: 0, answer };
        let key = match self.find(sid, caller, desk) {
            Ok(key) => key,
            Err(refused) => {
                // The request may be gone; then nobody waits. So it is below.
                let _ = post.answer.send(Answer::Refused(refused));
                return;
            }
        };
        let Some(entry) = self.get_open(key).filter(|entry| !entry.session.is_websocket()) else {
            return post.refuse();
        };
        if entry.post.is_some() {
            post.refuse();
            return self.close(key, &Disconnect::fault(1002, "two payloads at once".into()), desk);
        }
        entry.post = Some(Box::new(post));
        self.handle_post(key, desk);
    }

    /// Handles the next part of a payload.
    pub(super) fn handle_post(&mut self, key: u32, desk: &mut Desk<'_>) {
        let Some(mut post) = self.get(key).and_then(|entry| entry.post.take()) else { return };
        let (start, mut is_open) = (post.done, true);
        while post.done <= post.body.len() && post.done - start < SLICE && is_open {
            let rest = &post.body[post.done..];
            let packet = rest.split(SEPARATOR).next().unwrap_or_default();
            post.done += packet.len() + SEPARATOR.len_utf8();
            let packet = EnginePacket::parse_polled(packet);
            let is_good = packet.is_ok();
            is_open = self.on_packet(key, packet, desk);
            if !is_good {
                return post.refuse();
            }
        }
        if post.done > post.body.len() || !is_open {
            let _ = post.answer.send(Answer::Taken);
        } else if let Some(entry) = self.get(key) {
            entry.post = Some(post);
            self.unread.push(key);
        }
    }

    /// A request broke the rules: its session ends.
    pub(super) fn fault(
        &mut self,
        sid: Sid,
        caller: &Caller,
        answer: oneshot::Sender<Answer>,
        desk: &mut Desk<'_>,
    ) {
        let refused = match self.find(sid, caller, desk) {
            Ok(key) => {
                self.close(key, &Disconnect::fault(1002, "a request broke the protocol".into()), desk);
                Refused::BadRequest
            }
            Err(refused) => refused,
        };
        let _ = answer.send(Answer::Refused(refused));
    }

    /// Reserves a session for a WebSocket.
    pub(super) fn reserve(
        &mut self,
        sid: Sid,
        caller: &Caller,
        answer: oneshot::Sender<Reserved>,
        desk: &mut Desk<'_>,
    ) {
        let now = desk.now.ms;
        let reserved = match self.find(sid, caller, desk) {
            Err(refused) => Reserved::No(refused),
            Ok(key) if self.get_open(key).is_some_and(|entry| entry.session.reserve(now)) => Reserved::Yes,
            Ok(_) => Reserved::Taken,
        };
        let _ = answer.send(reserved);
    }
}
