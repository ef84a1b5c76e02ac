//! Sessions by WebSocket: taking one in, letting one take over, reading; and the sockets that are let into namespaces.

use std::io;
use std::ops::ControlFlow;

use hub::{Link, Opening, Packing};
use mio::{Interest, Token};
use protocol::socketio::{EnginePacket, PacketError, connect_error};
use protocol::websocket::{Decoder, Incoming, Limits, close_frame, pong_frame, text_frame};
use protocol::{ConnectionId, Disconnect};

use super::{Desk, Engines, SESSION};
use crate::socket::{Socket, Transport};
use crate::socketio::asked::{Caller, Verified, Wanted};
use crate::socketio::outlet::Member;
use crate::socketio::session::{Probe, UNAUTHORIZED, UNAVAILABLE};

/// Closes a WebSocket that is no session's.
pub(super) fn part(socket: &mut Socket) {
    // Nobody waits for the answer.
    let _ = socket.write(&close_frame(1000, ""));
    socket.shutdown();
}

impl Engines {
    /// A WebSocket has come.
    pub(super) fn on_socket(
        &mut self,
        wanted: Wanted,
        caller: Caller,
        transport: Transport,
        mut read_ahead: Vec<u8>,
        desk: &mut Desk<'_>,
    ) {
        let mut socket = match Socket::new(transport, false) {
            Ok(socket) => Box::new(socket),
            Err(error) => return tracing::warn!(%error, "a socket could not be taken over"),
        };
        let key = match wanted {
            Wanted::New(admission) => {
                let key = u32::try_from(self.sessions.vacant_key()).unwrap_or(u32::MAX);
                if !register(&mut socket, key, desk) {
                    return;
                }
                match self.begin(caller, admission, Some(socket), desk.now.ms) {
                    Some((key, packet)) => {
                        self.control(key, &text_frame(&packet), desk);
                        key
                    }
                    None => return,
                }
            }
            Wanted::Of(sid) => {
                let key = sid.place();
                let is_free = |entry: &&mut super::Entry| entry.sid == sid && entry.probe.is_none();
                // The time may have been over meanwhile, or the session.
                let is_reserved =
                    self.get_open(key).filter(is_free).is_some_and(|entry| entry.session.is_reserved());
                if !is_reserved || !register(&mut socket, key, desk) {
                    return part(&mut socket);
                }
                if let Some(entry) = self.get_open(key) {
                    entry.probe = Some(socket);
                }
                key
            }
        };
        if !read_ahead.is_empty() {
            self.decode(key, &mut read_ahead, desk);
        }
        // A TLS session may already hold what the socket will not report again.
        self.unread.push(key);
    }

    /// The session's WebSocket takes bytes again.
    pub(crate) fn on_writable(&mut self, key: u32, desk: &mut Desk<'_>) {
        let Some(entry) = self.get(key) else { return };
        if let Some(probe) = &mut entry.probe {
            if probe.flush().is_err() {
                entry.drop_probe();
            }
            return;
        }
        if !matches!(entry.outlet.borrow_mut().flush(), Ok(true)) {
            return;
        }
        for place in entry.session.places().collect::<Vec<_>>() {
            desk.shard.on_writable(place);
        }
    }

    /// Reads what the session's WebSocket has, or that of the one that wants to be, up to one buffer.
    pub(crate) fn read(&mut self, key: u32, at_end: AtEnd, buffer: &mut [u8], desk: &mut Desk<'_>) {
        loop {
            let Some(entry) = self.get(key) else { return };
            let mut outlet = entry.outlet.borrow_mut();
            let Some(socket) = entry.probe.as_deref_mut().or_else(|| outlet.socket_mut()) else { return };
            let read = socket.read(buffer);
            let is_short = socket.is_drained_by_a_short_read();
            drop(outlet);
            match read {
                Ok(0) => return self.lost(key, desk),
                Ok(count) => {
                    desk.hub.metrics().bytes_received.inc_by(count as u64);
                    self.decode(key, &mut buffer[..count], desk);
                    if count == buffer.len() {
                        self.unread.push(key);
                        return;
                    }
                    if at_end == AtEnd::No && is_short {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lost(key, desk),
            }
        }
    }

    /// Goes on reading one that had more.
    pub(super) fn read_on(&mut self, key: u32, buffer: &mut [u8], desk: &mut Desk<'_>) {
        self.read(key, AtEnd::Maybe, buffer, desk);
    }

    /// A WebSocket is at its end, or broken.
    fn lost(&mut self, key: u32, desk: &mut Desk<'_>) {
        let Some(entry) = self.get(key) else { return };
        if entry.probe.take().is_some() {
            entry.session.unreserve();
            return;
        }
        let code = entry.outlet.borrow().closed().unwrap_or(1006);
        self.remove(key, code, b"6", desk);
    }

    fn decode(&mut self, key: u32, bytes: &mut [u8], desk: &mut Desk<'_>) {
        let limits = Limits { max_message: self.settings.max_payload, deflate: false };
        let Some(mut decoder) = self.decoder(key, None) else { return };
        let mut is_over = false;
        let outcome = decoder.feed(&limits, bytes, &mut |incoming| {
            is_over = !self.on_incoming(key, &incoming, desk);
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.decoder(key, Some(decoder));
        if let Err(fault) = outcome {
            let Some(entry) = self.get(key) else { return };
            if entry.probe.is_some() {
                return entry.drop_probe();
            }
            if let Some(socket) = entry.outlet.borrow_mut().socket_mut() {
                socket.is_faulty = true;
            }
            self.close(key, &Disconnect::fault(fault.close_code(), fault.to_string().into()), desk);
        }
    }

    /// Takes the decoder of what is read, or puts it back.
    fn decoder(&mut self, key: u32, back: Option<Decoder>) -> Option<Decoder> {
        let entry = self.get(key)?;
        let mut outlet = entry.outlet.borrow_mut();
        let socket = entry.probe.as_deref_mut().or_else(|| outlet.socket_mut())?;
        if socket.is_faulty {
            return None;
        }
        match back {
            Some(decoder) => {
                socket.decoder = decoder;
                None
            }
            None => Some(std::mem::take(&mut socket.decoder)),
        }
    }

    /// A frame of a WebSocket. Says whether more may follow.
    fn on_incoming(&mut self, key: u32, incoming: &Incoming<'_>, desk: &mut Desk<'_>) -> bool {
        desk.hub.metrics().client_messages.inc();
        let Some(entry) = self.get(key) else { return false };
        let packet = match *incoming {
            Incoming::Text(text) => EnginePacket::parse(text),
            Incoming::Binary(bytes) => Ok(EnginePacket::Binary(bytes.into())),
            Incoming::Pong(_) => return true,
            Incoming::Ping(payload) => {
                match &mut entry.probe {
                    // Too little to wait for.
                    Some(probe) => drop(probe.write(&pong_frame(payload))),
                    None => self.control(key, &pong_frame(payload), desk),
                }
                return true;
            }
            Incoming::Close(code) => {
                if entry.probe.is_some() {
                    entry.drop_probe();
                } else {
                    let code = code.map(|(code, _)| code);
                    entry.outlet.borrow_mut().close(&match code {
                        Some(code) => close_frame(code, ""),
                        None => bytes::Bytes::from_static(&[0x88, 0]),
                    });
                    self.remove(key, code.unwrap_or(1005), b"6", desk);
                }
                return false;
            }
        };
        if entry.probe.is_some() {
            return self.on_probe(key, &packet, desk);
        }
        // What a closing client still sends is read so that its Close frame is seen.
        if entry.cut_at.is_some() {
            return true;
        }
        self.on_packet(key, packet, desk);
        self.get(key).is_some()
    }

    /// A packet of a WebSocket that wants to take over.
    fn on_probe(
        &mut self,
        key: u32,
        packet: &Result<EnginePacket<'_>, PacketError>,
        desk: &mut Desk<'_>,
    ) -> bool {
        let Some(entry) = self.get_open(key) else { return false };
        match entry.session.on_probe(packet) {
            Probe::Answer => {
                let answer = text_frame(b"3probe");
                let written = entry.probe.as_mut().map(|probe| probe.write(&answer));
                // A fresh socket takes a few bytes, or is broken.
                if !matches!(written, Some(Ok(count)) if count == answer.len()) {
                    entry.drop_probe();
                    return false;
                }
                entry.outlet.borrow_mut().mark();
                true
            }
            Probe::Upgrade => {
                let Some(probe) = entry.probe.take() else { return false };
                if entry.outlet.borrow_mut().move_to(*probe).is_err() {
                    // Marked, and ended with the turn.
                    return false;
                }
                for place in entry.session.places().collect::<Vec<_>>() {
                    desk.shard.on_writable(place);
                }
                true
            }
            Probe::Drop => {
                entry.drop_probe();
                false
            }
        }
    }

    /// It is known whose a socket is.
    pub(super) fn on_verified(&mut self, key: u32, id: ConnectionId, outcome: Verified, desk: &mut Desk<'_>) {
        let Some(entry) = self.get_open(key) else { return };
        entry.session.verified();
        let auth = entry.session.take_auth(id);
        let Some((name, endpoint)) = entry.session.verifying(id) else { return };
        let refusal = match &outcome {
            Verified::Good(_) => None,
            Verified::Bad => Some(UNAUTHORIZED),
            Verified::Unknown => Some(UNAVAILABLE),
        };
        if let Some(message) = refusal {
            let refusal = text_frame(&connect_error(name, message));
            entry.session.end(id);
            return self.control(key, &refusal, desk);
        }
        let Verified::Good(identity) = outcome else { return };
        let opening = Opening {
            id,
            wire: desk.hub.endpoint(endpoint).wire(Packing::Plain),
            endpoint,
            naming: hub::Naming::Own,
            window: 0,
            identity: Some(*identity),
            admission: None,
            refusal: None,
            first: auth,
        };
        // The shard writes at once, and may end it at once.
        entry.session.opened(id, desk.shard.next_key());
        let link = Socket::member(Member(std::rc::Rc::clone(&entry.outlet)));
        desk.shard.open(link, opening, desk.now);
    }
}

/// Whether the end of the stream may stand behind the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// A short read tells that nothing more is there.
    No,
    /// It was reported together with them, and will not be again.
    Maybe,
}

/// Has the system tell when a socket can be read or written.
fn register(socket: &mut Socket, key: u32, desk: &mut Desk<'_>) -> bool {
    let both = Interest::READABLE | Interest::WRITABLE;
    let token = Token(SESSION | key as usize);
    let registered = socket.source().map(|source| desk.registry.register(source, token, both));
    match registered {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            tracing::warn!(%error, "a socket could not be taken over");
            false
        }
        None => false,
    }
}
