//! The state of an Engine.IO session, without I/O: heartbeat, transports, the sockets in it, and attachments on their way.
//!
//! A packet in, one [`Step`] out, which the session's reactor carries out (`engines`). Times are milliseconds of the
//! reactor's clock. What Socket.IO's own server does where the protocol leaves it open is done here too, since clients in
//! the field know it. Not here: sockets and polls (`outlet`), tokens, and what an event means (the engine).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use compact_str::CompactString;
use hub::EndpointIndex;
use protocol::socketio::{EnginePacket, Kind, MAX_PAYLOAD, Packet, PacketError, connect, connect_error};
use protocol::websocket::{binary_frame, text_frame};
use protocol::{ConnectionId, Disconnect};
use smallvec::SmallVec;

use super::assembly::Assembly;
use super::echo;
use crate::config::NodeTag;

/// How long a WebSocket may take to take a session over (the default of Socket.IO's own server).
const UPGRADE_MS: u64 = 10_000;

/// How late a ping may be and still count from when it was due: a reactor that stood still must not end everybody.
const LATE_MS: u64 = 1_000;

/// Bytes that a client may give to be let into a namespace: as much as a token may have, and some.
const MAX_AUTH: usize = 16 << 10;

/// How long after its CONNECT is answered a socket of the protocol test is told what it came with: those who test listen
/// for one frame, and then for the next.
const GREETING_MS: u64 = 20;

/// How often sessions are looked at, at the least.
const LONGEST_TICK: Duration = Duration::from_millis(500);

/// Tokens of one session that may be being verified: as many as there may be namespaces.
const MOST_VERIFICATIONS: u8 = 64;

/// What holds for all sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How often the server pings.
    pub ping_interval: Duration,
    /// How long the answer may take.
    pub ping_timeout: Duration,
    /// How long a session may be without its first socket.
    pub connect_timeout: Duration,
    /// How long the attachments of a packet may take, all together: they come right behind it.
    pub attachment_timeout: Duration,
    /// Bytes of a message and of a payload.
    pub max_payload: usize,
    /// Bytes of control packets that may wait for a client; more closes the session.
    pub max_control: usize,
    /// What sessions' ids begin with.
    pub node: Option<NodeTag>,
}

impl Settings {
    /// The contract's numbers beside those that are configured.
    #[must_use]
    pub(crate) fn new(ping_interval: Duration, ping_timeout: Duration, max_payload: usize) -> Self {
        Self {
            ping_interval,
            ping_timeout,
            connect_timeout: Duration::from_secs(45),
            attachment_timeout: Duration::from_secs(10),
            max_payload,
            max_control: 16 << 10,
            node: None,
        }
    }

    /// Those of the protocol-test switch (contract: socketio). Echoes are control packets, and large.
    #[must_use]
    pub(crate) fn protocol_test() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            attachment_timeout: Duration::from_secs(1),
            max_control: 4 << 20,
            ..Self::new(Duration::from_millis(300), Duration::from_millis(200), MAX_PAYLOAD)
        }
    }

    /// How often sessions are looked at: a hundredth of the heartbeat.
    #[must_use]
    pub(crate) fn tick(&self) -> Duration {
        (self.ping_interval / 100).min(self.ping_timeout / 50).min(LONGEST_TICK)
    }
}

/// What speaks over a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Socket.IO, on `/socket.io/`.
    SocketIo,
    /// Nobody: messages come back, on `/engine.io/` of the protocol test.
    Echo,
}

/// What a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// One of the hub's.
    Hub(EndpointIndex),
    /// One of the protocol test.
    Echo,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    speech: Speech,
    heartbeat: Heartbeat,
    transport: Transport,
    /// When it ends unless it has had a socket by then.
    connect_by: Option<NonZeroU64>,
    /// Mostly one, which needs no further memory.
    members: SmallVec<[Member; 1]>,
    assembly: Option<Box<Assembly>>,
    /// Namespaces whose sockets the hub has ended, or not let in.
    ended: Vec<CompactString>,
    /// Tokens of it that are being verified.
    verifications: u8,
    /// What the sockets of the protocol test are told a moment after they came: those who test read one frame at a time.
    greetings: Option<Box<Greetings>>,
}

/// Frames that wait a moment.
#[derive(Debug, Default)]
struct Greetings(VecDeque<(u64, Bytes)>);

/// The server's pings.
#[derive(Debug, Clone, Copy)]
struct Heartbeat {
    due: u64,
    /// When the answer has to be there.
    deadline: Option<NonZeroU64>,
}

/// How the client is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Polling,
    /// A WebSocket is about to take over; until when, and whether it has probed.
    Upgrading {
        by: u64,
        has_probed: bool,
    },
    WebSocket,
}

/// A socket of the session: its place in a namespace.
#[derive(Debug)]
pub(crate) struct Member {
    /// The namespace.
    pub name: CompactString,
    /// The socket's id.
    pub id: ConnectionId,
    /// How far it is.
    pub stage: Stage,
    /// What it gave to be let in: JSON. Only while its token is being verified.
    auth: Option<Box<str>>,
}

/// How far a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its token is being verified.
    Verifying(EndpointIndex),
    /// It is a connection of the shard, in this place.
    Open(u32),
    /// It is one of the protocol test.
    Echo,
}

/// What is to be done for a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'t> {
    /// Nothing.
    None,
    /// Write these frames to the client.
    Write(Bytes),
    /// Find out whose this socket is, and let it in.
    Verify {
        /// The socket.
        id: ConnectionId,
        /// What it gives to be let in: JSON.
        auth: Option<&'t str>,
    },
    /// Give this packet to the connection in that place.
    Deliver(u32, Cow<'t, str>),
    /// The client has left the namespace of the connection in that place.
    Leave(u32),
    /// The client has closed the session.
    End,
    /// Close the session.
    Close(Disconnect),
}

/// What is to be done for the time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    None,
    /// Write these frames to the client.
    Write(Bytes),
    /// Close the session.
    Close(Disconnect),
    /// Drop the WebSocket that did not take over in time.
    DropProbe,
}

/// What is to be done for a packet of a WebSocket that wants to take over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Answer it, and let go a poll that waits.
    Answer,
    /// It is the transport from now on.
    Upgrade,
    /// Drop it.
    Drop,
}

/// How a client came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// By a request for polling.
    Polling,
    /// By a WebSocket.
    WebSocket,
}

impl Session {
    /// A session that begins.
    #[must_use]
    pub(crate) fn new(speech: Speech, arrival: Arrival, settings: &Settings, now: u64) -> Self {
        Self {
            speech,
            heartbeat: Heartbeat { due: now + ms(settings.ping_interval), deadline: None },
            transport: match arrival {
                Arrival::Polling => Transport::Polling,
                Arrival::WebSocket => Transport::WebSocket,
            },
            connect_by: NonZeroU64::new(now + ms(settings.connect_timeout))
                .filter(|_| speech == Speech::SocketIo),
            members: SmallVec::new(),
            assembly: None,
            ended: Vec::new(),
            verifications: 0,
            greetings: None,
        }
    }

    /// Whether it has not had a socket yet, and so has told nobody whose it is.
    #[must_use]
    pub(crate) fn is_fresh(&self) -> bool {
        self.connect_by.is_some()
    }

    /// What speaks over it.
    #[must_use]
    pub(crate) fn speech(&self) -> Speech {
        self.speech
    }

    /// Its sockets.
    #[must_use]
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The places of its sockets in the shard.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> {
        self.members.iter().filter_map(|member| match member.stage {
            Stage::Open(place) => Some(place),
            _ => None,
        })
    }

    /// Whether a WebSocket is its transport.
    #[must_use]
    pub(crate) fn is_websocket(&self) -> bool {
        self.transport == Transport::WebSocket
    }

    /// Whether a WebSocket has probed and not yet taken over: polls are let go at once.
    #[must_use]
    pub(crate) fn is_probed(&self) -> bool {
        matches!(self.transport, Transport::Upgrading { has_probed: true, .. })
    }

    /// Whether a WebSocket is to take over.
    #[must_use]
    pub(crate) fn is_reserved(&self) -> bool {
        matches!(self.transport, Transport::Upgrading { .. })
    }

    /// Reserves the place for a WebSocket that wants to take over; there is one.
    #[must_use]
    pub(crate) fn reserve(&mut self, now: u64) -> bool {
        let is_free = self.transport == Transport::Polling;
        if is_free {
            self.transport = Transport::Upgrading { by: now + UPGRADE_MS, has_probed: false };
        }
        is_free
    }

    /// The WebSocket that wanted to take over is gone.
    pub(crate) fn unreserve(&mut self) {
        if self.is_reserved() {
            self.transport = Transport::Polling;
        }
    }

    /// A packet of a WebSocket that wants to take over.
    pub(crate) fn on_probe(&mut self, packet: &Result<EnginePacket<'_>, PacketError>) -> Probe {
        let Transport::Upgrading { by, .. } = self.transport else { return Probe::Drop };
        match packet {
            Ok(EnginePacket::Ping("probe")) => {
                self.transport = Transport::Upgrading { by, has_probed: true };
                Probe::Answer
            }
            Ok(EnginePacket::Upgrade) => {
                self.transport = Transport::WebSocket;
                Probe::Upgrade
            }
            _ => {
                self.transport = Transport::Polling;
                Probe::Drop
            }
        }
    }

    /// What the time asks for. To be called until it says that there is nothing.
    pub(crate) fn on_time(&mut self, settings: &Settings, now: u64) -> Due {
        if self.heartbeat.deadline.is_some_and(|at| at.get() <= now) {
            return Due::Close(Disconnect::PING_TIMEOUT);
        }
        if self.connect_by.is_some_and(|at| at.get() <= now) {
            return Due::Close(fault("no namespace was connected in time"));
        }
        if self.assembly.as_ref().is_some_and(|assembly| assembly.is_late(now)) {
            return Due::Close(fault("attachments did not come in time"));
        }
        if matches!(self.transport, Transport::Upgrading { by, .. } if by <= now) {
            self.transport = Transport::Polling;
            return Due::DropProbe;
        }
        if let Some(greetings) = &mut self.greetings
            && let Some((_, greeting)) = greetings.0.pop_front_if(|(due, _)| *due <= now)
        {
            return Due::Write(greeting);
        }
        if self.heartbeat.deadline.is_none() && self.heartbeat.due <= now {
            let from = if now - self.heartbeat.due < LATE_MS { self.heartbeat.due } else { now };
            self.heartbeat.deadline = NonZeroU64::new(from + ms(settings.ping_timeout));
            return Due::Write(text_frame(b"2"));
        }
        Due::None
    }

    /// Has the client pinged now, unless an answer of it is awaited already.
    pub(crate) fn ask(&mut self, now: u64) {
        if self.heartbeat.deadline.is_none() {
            self.heartbeat.due = now;
        }
    }

    /// Something came from the client: that answers a ping as well as a pong does.
    fn heard(&mut self, settings: &Settings, now: u64) {
        if self.heartbeat.deadline.take().is_some() {
            self.heartbeat.due = now + ms(settings.ping_interval);
        }
    }

    /// A packet of the transport. `find` knows the namespaces; `id` is one for a new socket.
    pub(crate) fn on_packet<'t>(
        &mut self,
        packet: Result<EnginePacket<'t>, PacketError>,
        settings: &Settings,
        now: u64,
        find: &dyn Fn(&str) -> Option<Namespace>,
        id: &mut dyn FnMut() -> Option<ConnectionId>,
    ) -> Step<'t> {
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => return refused(error),
        };
        self.heard(settings, now);
        match (packet, self.speech) {
            (EnginePacket::Close, _) => Step::End,
            // Since revision 4 it is the server that pings.
            (EnginePacket::Ping(_), _) => Step::Close(fault("a ping comes from the server")),
            (EnginePacket::Message(text), Speech::Echo) => {
                Step::Write(text_frame(format!("4{text}").as_bytes()))
            }
            (EnginePacket::Binary(bytes), Speech::Echo) => Step::Write(binary_frame(&bytes)),
            (EnginePacket::Message(text), Speech::SocketIo) => self.on_text(text, settings, now, find, id),
            (EnginePacket::Binary(bytes), Speech::SocketIo) => self.on_binary(&bytes, settings),
            // Some servers send these; from a client they mean nothing.
            (EnginePacket::Open | EnginePacket::Pong | EnginePacket::Upgrade | EnginePacket::Noop, _) => {
                Step::None
            }
        }
    }

    fn on_text<'t>(
        &mut self,
        text: &'t str,
        settings: &Settings,
        now: u64,
        find: &dyn Fn(&str) -> Option<Namespace>,
        id: &mut dyn FnMut() -> Option<ConnectionId>,
    ) -> Step<'t> {
        if self.assembly.is_some() {
            return Step::Close(fault("a text stands where an attachment was announced"));
        }
        let packet = match Packet::parse(text) {
            Ok(packet) => packet,
            Err(error) => return refused(error),
        };
        match packet.check() {
            // An event can be answered, and is.
            Err(PacketError::TooDeep) if packet.kind == Kind::Event => {}
            Err(error) => return refused(error),
            Ok(()) => {}
        }
        let member = self.members.iter().position(|member| *member.name == *packet.namespace);
        match (packet.kind, member) {
            (Kind::Connect, None) => self.connect(&packet, now, find, id),
            // A client that changed its mind twice waits for the last answer alone.
            (Kind::Connect, Some(place)) if matches!(self.members[place].stage, Stage::Verifying(_)) => {
                self.members.remove(place);
                self.connect(&packet, now, find, id)
            }
            (Kind::Disconnect, Some(place)) => match self.members.remove(place).stage {
                Stage::Open(place) => Step::Leave(place),
                _ => Step::None,
            },
            // Sent before the client heard that the socket is no more.
            (kind, None) if kind != Kind::ConnectError && self.has_ended(packet.namespace) => {
                if packet.attachments > 0 {
                    let by = now + ms(settings.attachment_timeout);
                    self.assembly = Some(Box::new(Assembly::new(text, packet.attachments, false, by)));
                }
                Step::None
            }
            (Kind::Connect | Kind::ConnectError, _) | (_, None) => {
                Step::Close(fault("the packet does not fit what its namespace is at"))
            }
            (_, Some(place)) if packet.kind.is_binary() && packet.attachments > 0 => {
                let keeps = self.members[place].stage == Stage::Echo;
                let by = now + ms(settings.attachment_timeout);
                self.assembly = Some(Box::new(Assembly::new(text, packet.attachments, keeps, by)));
                Step::None
            }
            (_, Some(place)) => self.pass(place, Cow::Borrowed(text), &[]),
        }
    }

    fn on_binary<'t>(&mut self, bytes: &[u8], settings: &Settings) -> Step<'t> {
        let Some(mut assembly) = self.assembly.take() else {
            return Step::Close(fault("bytes came that no packet announced"));
        };
        if assembly.add(bytes, settings.max_payload).is_err() {
            return Step::Close(Disconnect::fault(1009, "the attachments are too large".into()));
        }
        if !assembly.is_whole() {
            self.assembly = Some(assembly);
            return Step::None;
        }
        let (text, attachments) = assembly.into_parts();
        let namespace = Packet::parse(&text).map(|packet| packet.namespace.to_owned());
        let member = namespace.ok().and_then(|name| self.members.iter().position(|it| *it.name == *name));
        // The hub may have ended the socket meanwhile.
        member.map_or(Step::None, |place| self.pass(place, Cow::Owned(text.into()), &attachments))
    }

    fn connect<'t>(
        &mut self,
        packet: &Packet<'t>,
        now: u64,
        find: &dyn Fn(&str) -> Option<Namespace>,
        id: &mut dyn FnMut() -> Option<ConnectionId>,
    ) -> Step<'t> {
        let refuse = |message: &str| Step::Write(text_frame(&connect_error(packet.namespace, message)));
        let Some(namespace) = find(packet.namespace) else { return refuse("Invalid namespace") };
        let Some(id) = id() else { return refuse(UNAVAILABLE) };
        self.ended.retain(|name| **name != *packet.namespace);
        let name: CompactString = packet.namespace.into();
        match namespace {
            Namespace::Hub(_) if self.verifications >= MOST_VERIFICATIONS => {
                self.note_end(name);
                refuse(UNAVAILABLE)
            }
            Namespace::Hub(endpoint) => {
                self.verifications += 1;
                let auth = packet.data.filter(|auth| auth.len() <= MAX_AUTH);
                let kept = auth.map(Into::into);
                self.members.push(Member { name, id, stage: Stage::Verifying(endpoint), auth: kept });
                Step::Verify { id, auth }
            }
            Namespace::Echo => {
                self.members.push(Member { name, id, stage: Stage::Echo, auth: None });
                self.connect_by = None;
                let greeting = echo::greeting(packet.namespace, packet.data);
                self.greetings.get_or_insert_default().0.push_back((now + GREETING_MS, greeting));
                Step::Write(text_frame(&connect(packet.namespace, &id.to_string(), None)))
            }
        }
    }

    /// Gives a packet to a socket.
    fn pass<'t>(&self, place: usize, text: Cow<'t, str>, attachments: &[Bytes]) -> Step<'t> {
        match self.members[place].stage {
            Stage::Open(key) => Step::Deliver(key, text),
            Stage::Echo => echo::answer(&text, attachments).map_or(Step::None, Step::Write),
            Stage::Verifying(_) => Step::Close(fault("an event came before its namespace was connected")),
        }
    }

    /// The socket that waits for its verification; none where it has left meanwhile.
    #[must_use]
    pub(crate) fn verifying(&self, id: ConnectionId) -> Option<(&str, EndpointIndex)> {
        self.members.iter().find(|member| member.id == id).and_then(|member| match member.stage {
            Stage::Verifying(endpoint) => Some((&*member.name, endpoint)),
            _ => None,
        })
    }

    /// What the socket gave to be let in; told once.
    pub(crate) fn take_auth(&mut self, id: ConnectionId) -> Option<Box<str>> {
        self.members.iter_mut().find(|member| member.id == id)?.auth.take()
    }

    /// The socket is a connection of the shard, in that place.
    pub(crate) fn opened(&mut self, id: ConnectionId, place: u32) {
        if let Some(member) = self.members.iter_mut().find(|member| member.id == id) {
            member.stage = Stage::Open(place);
            self.connect_by = None;
        }
    }

    /// A verification has come to its end.
    pub(crate) fn verified(&mut self) {
        self.verifications = self.verifications.saturating_sub(1);
    }

    /// The socket is not let in, or the hub has ended it. What its client has sent before it hears so is no fault.
    pub(crate) fn end(&mut self, id: ConnectionId) {
        if let Some(place) = self.members.iter().position(|member| member.id == id) {
            let name = self.members.remove(place).name;
            self.note_end(name);
        }
    }

    /// At most one for each namespace that there is.
    fn note_end(&mut self, name: CompactString) {
        if !self.has_ended(&name) {
            self.ended.push(name);
        }
    }

    fn has_ended(&self, namespace: &str) -> bool {
        self.ended.iter().any(|name| **name == *namespace)
    }
}

/// What a client is told whose token cannot be checked at the moment.
pub(crate) const UNAVAILABLE: &str = "Service unavailable";

/// What one is told without a good token (contract: socketio).
pub(crate) const UNAUTHORIZED: &str = "Unauthorized";

fn fault(reason: &'static str) -> Disconnect {
    Disconnect::fault(1002, reason.into())
}

fn refused(error: PacketError) -> Step<'static> {
    Step::Close(Disconnect::fault(1002, error.to_string().into()))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
