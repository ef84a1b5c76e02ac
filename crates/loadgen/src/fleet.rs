//! The clients: one thread, one epoll, thousands of WebSocket connections and a few publishing HTTP connections.
//!
//! A read takes what one socket has into one buffer that all share; a frame is looked at where it lies. A connection owns bytes only while a
//! frame is cut in two. Not in it: what a scenario publishes and when ([`crate::scenario`]), what the numbers mean ([`crate::ledger`]).

mod entry;
mod polling;
mod publishers;
mod socketio;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::comeback;
use crate::event::{self, Reader};
use crate::frame::{self, Handshake};
use crate::ledger::Ledger;
use crate::memory::{Memory, Return, Told};
use crate::order::Order;
use crate::sys;

use self::entry::dial;
pub(crate) use self::entry::{Entry, Loss, Recoveries, Seat, Transport, Wish};
use self::publishers::Publisher;
use self::socketio::{PATH, Words};

/// Publishers' tokens start here; below are the receivers.
const PUBLISHERS: usize = 1 << 30;
/// Connects under way at once: below any listener's backlog.
const IN_FLIGHT: usize = 128;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    /// Upgraded, and told to wait before it subscribes.
    Waiting,
    /// Asking for its events, or for its namespace.
    Subscribing,
    Open,
    Closed,
}

#[derive(Debug)]
struct Receiver {
    stream: TcpStream,
    stage: Stage,
    carry: Vec<u8>,
}

/// All connections of this process.
#[derive(Debug)]
pub(crate) struct Fleet {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    /// The servers, and for each seat which of them is its own; none is the first.
    servers: Vec<SocketAddr>,
    homes: Vec<u8>,
    /// Where publishers publish; none is all servers in turn.
    publish_on: Option<usize>,
    entry: Entry,
    source_base: usize,
    seats: Vec<Seat>,
    receivers: Vec<Option<Receiver>>,
    publishers: Vec<Publisher>,
    reader: Reader,
    pub(crate) ledger: Ledger,
    answers: Vec<usize>,
    open: usize,
    refused: u64,
    closed: u64,
    memories: Vec<Memory>,
    how: Return,
    holds: bool,
    waiting: usize,
    recoveries: Recoveries,
    losses: Vec<Loss>,
    /// Those of receivers that speak Socket.IO.
    words: Option<Words>,
    order: Order,
    /// The sessions of receivers that poll, by seat.
    sids: Vec<String>,
    last_trouble: Option<String>,
    request: Vec<u8>,
}

impl Fleet {
    /// A fleet with a seat for every receiver to come; `source_base` keeps the source addresses of several processes apart.
    pub(crate) fn new(
        server: SocketAddr,
        entry: Entry,
        seats: Vec<Seat>,
        source_base: usize,
    ) -> Result<Self> {
        let memories = match entry {
            Entry::Subscribe { wish: Wish::Recoverable, .. } => vec![Memory::default(); seats.len()],
            _ => Vec::new(),
        };
        Ok(Self {
            memories,
            words: Words::of(&entry),
            order: Order::default(),
            sids: Vec::new(),
            how: Return::Subscribe,
            holds: false,
            waiting: 0,
            recoveries: Recoveries::default(),
            losses: Vec::new(),
            poll: Poll::new()?,
            events: Events::with_capacity(2_048),
            buffer: vec![0; 256 * 1024],
            servers: vec![server],
            homes: Vec::new(),
            publish_on: None,
            entry,
            source_base,
            receivers: seats.iter().map(|_| None).collect(),
            publishers: Vec::new(),
            reader: Reader::default(),
            ledger: Ledger::new(seats.len())?,
            seats,
            answers: Vec::new(),
            open: 0,
            refused: 0,
            closed: 0,
            last_trouble: None,
            request: Vec::new(),
        })
    }

    /// Adds another server with the same clients: seats and publishers belong to all servers in turn.
    pub(crate) fn add_server(&mut self, server: SocketAddr) {
        self.servers.push(server);
        let count = self.servers.len();
        self.homes = (0..self.seats.len()).map(|seat| u8::try_from(seat % count).unwrap_or(0)).collect();
    }

    /// Lets those who connect from now on do so at this server, in the order in which servers were added; and publishers at that one.
    pub(crate) fn settle_on(&mut self, receivers: u8, publishers: usize) {
        self.homes.fill(receivers);
        self.publish_on = Some(publishers);
    }

    /// The server of a seat.
    fn home(&self, seat: usize) -> SocketAddr {
        self.servers[usize::from(self.homes.get(seat).copied().unwrap_or(0))]
    }

    /// The server of a publishing connection.
    fn desk_of(&self, publisher: usize) -> SocketAddr {
        self.servers[self.publish_on.unwrap_or(publisher) % self.servers.len()]
    }

    /// Connects every seat and waits until all are subscribed.
    ///
    /// # Errors
    /// A refused or broken connection ends it: a measurement with a part of its audience means nothing.
    pub(crate) fn connect_all(&mut self) -> Result<()> {
        let started = Instant::now();
        let mut next = 0;
        while self.open < self.seats.len() {
            while next < self.seats.len() && next - self.open < IN_FLIGHT {
                self.connect(next)?;
                next += 1;
            }
            self.turn(Some(Duration::from_millis(100)))?;
            if self.refused + self.closed > 0 {
                bail!("{} of {} connected, then: {}", self.open, self.seats.len(), self.trouble());
            }
            if started.elapsed() > CONNECT_TIMEOUT {
                bail!("{} of {} connections are subscribed after a minute", self.open, self.seats.len());
            }
        }
        Ok(())
    }

    /// Connects every seat up to the handshake; [`Fleet::let_in`] is the moment at which all subscribe.
    ///
    /// # Errors
    /// As [`Fleet::connect_all`].
    pub(crate) fn connect_and_hold(&mut self) -> Result<()> {
        let started = Instant::now();
        self.holds = true;
        let mut next = 0;
        while self.waiting < self.seats.len() {
            while next < self.seats.len() && next - self.waiting < IN_FLIGHT {
                self.connect(next)?;
                next += 1;
            }
            self.turn(Some(Duration::from_millis(100)))?;
            if self.refused + self.closed > 0 || started.elapsed() > CONNECT_TIMEOUT {
                bail!("{} of {} connected, then: {}", self.waiting, self.seats.len(), self.trouble());
            }
        }
        Ok(())
    }

    /// Lets all who wait subscribe.
    pub(crate) fn let_in(&mut self) {
        self.holds = false;
        for seat in 0..self.seats.len() {
            let waits = |receiver: &Receiver| receiver.stage == Stage::Waiting;
            if self.receivers[seat].as_ref().is_some_and(waits) {
                self.waiting -= 1;
                self.subscribe(seat);
            }
        }
    }

    /// How receivers ask for what they missed from now on.
    pub(crate) fn come_back_by(&mut self, how: Return) {
        self.how = how;
    }

    /// Takes the connections that ended since the last call.
    pub(crate) fn take_losses(&mut self, into: &mut Vec<Loss>) {
        into.append(&mut self.losses);
    }

    /// What came of recovery so far.
    pub(crate) fn recoveries(&self) -> Recoveries {
        self.recoveries
    }

    /// Receivers that are subscribed.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Begins to connect one seat.
    pub(crate) fn connect(&mut self, seat: usize) -> Result<()> {
        let server = self.home(seat);
        let mut stream = dial(server, self.source_base + seat)
            .with_context(|| format!("connecting receiver {seat} to {server}"))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(seat), interest)?;
        self.receivers[seat] = Some(Receiver { stream, stage: Stage::Connecting, carry: Vec::new() });
        Ok(())
    }

    /// Ends one receiver with a close frame.
    pub(crate) fn hang_up(&mut self, seat: usize) {
        if let Some(mut receiver) = self.receivers[seat].take() {
            self.open -= usize::from(receiver.stage == Stage::Open);
            self.waiting -= usize::from(receiver.stage == Stage::Waiting);
            // One that polls ends with its connection, in the midst of a request.
            if !self.polls() {
                self.request.clear();
                frame::write_masked(&mut self.request, frame::CLOSE, &1_000u16.to_be_bytes());
                let _ = receiver.stream.write(&self.request);
            }
        }
    }

    /// Ends all receivers at once.
    pub(crate) fn hang_up_all(&mut self) {
        for seat in 0..self.receivers.len() {
            self.hang_up(seat);
        }
    }

    /// Waits for readiness once and handles all of it.
    pub(crate) fn turn(&mut self, timeout: Option<Duration>) -> Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(1));
        let polled = self.poll.poll(&mut events, timeout);
        let handled = match polled {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => events.iter().try_for_each(|event| {
                let token = event.token().0;
                if token >= PUBLISHERS {
                    return self.publisher_ready(token - PUBLISHERS, event.is_writable());
                }
                self.receiver_ready(token, event.is_writable());
                Ok(())
            }),
        };
        self.events = events;
        handled
    }

    /// Whether this seat is subscribed.
    pub(crate) fn is_open(&self, seat: usize) -> bool {
        self.receivers[seat].as_ref().is_some_and(|receiver| receiver.stage == Stage::Open)
    }

    /// Whether this seat has failed or was closed by the server.
    pub(crate) fn is_closed(&self, seat: usize) -> bool {
        self.receivers[seat].as_ref().is_some_and(|receiver| receiver.stage == Stage::Closed)
    }

    /// Connections the server refused, and those it closed.
    pub(crate) fn failures(&self) -> u64 {
        self.refused + self.closed
    }

    /// What the last failure was.
    pub(crate) fn trouble(&self) -> &str {
        self.last_trouble.as_deref().unwrap_or("no trouble")
    }

    fn receiver_ready(&mut self, seat: usize, writable: bool) {
        let Some(receiver) = self.receivers[seat].as_mut() else { return };
        if receiver.stage == Stage::Connecting && writable {
            self.enter(seat);
        }
        let Some(receiver) = self.receivers[seat].as_mut() else { return };
        if matches!(receiver.stage, Stage::Connecting | Stage::Closed) {
            return;
        }
        loop {
            let Some(receiver) = self.receivers[seat].as_mut() else { return };
            let count = match receiver.stream.read(&mut self.buffer) {
                Ok(0) => return self.lose(seat, "closed by the server"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.lose(seat, &error.to_string()),
            };
            // Edge-triggered: less than asked for means the socket is empty, and new bytes will be a new edge.
            let drained = count < self.buffer.len();
            self.take_bytes(seat, count);
            if drained {
                return;
            }
        }
    }

    fn enter(&mut self, seat: usize) {
        let Some(receiver) = self.receivers[seat].as_mut() else { return };
        if let Ok(Some(error)) | Err(error) = receiver.stream.take_error() {
            return self.lose(seat, &error.to_string());
        }
        self.request.clear();
        match &self.entry {
            Entry::Bare => {
                receiver.stage = Stage::Open;
                self.open += 1;
            }
            Entry::Subscribe { path, host, .. } => {
                frame::upgrade_request(&mut self.request, path, host, self.seats[seat].token.as_deref());
                receiver.stage = Stage::Upgrading;
                if let Err(error) = receiver.stream.write_all(&self.request) {
                    self.refused += 1;
                    return self.lose(seat, &error.to_string());
                }
            }
            Entry::Namespace { transport: Transport::Polling, .. } => self.begin_to_poll(seat),
            Entry::Namespace { host, .. } => {
                // The token goes with the packet that asks for the namespace.
                frame::upgrade_request(&mut self.request, &format!("{PATH}websocket"), host, None);
                receiver.stage = Stage::Upgrading;
                self.send_request(seat);
            }
        }
        let Some(receiver) = self.receivers[seat].as_mut() else { return };
        let _ = self.poll.registry().reregister(&mut receiver.stream, Token(seat), Interest::READABLE);
    }

    fn take_bytes(&mut self, seat: usize, count: usize) {
        let now_ns = sys::monotonic_ns();
        // The buffer and the carried bytes leave `self` for the while, so that frames can borrow them.
        let buffer = std::mem::take(&mut self.buffer);
        let mut carry = self.receivers[seat].as_mut().map(|receiver| std::mem::take(&mut receiver.carry));
        match carry.as_mut() {
            Some(carry) if !carry.is_empty() => {
                carry.extend_from_slice(&buffer[..count]);
                let used = self.take_frames(seat, carry, now_ns);
                carry.drain(..used);
            }
            Some(carry) => {
                let used = self.take_frames(seat, &buffer[..count], now_ns);
                if used < count {
                    carry.extend_from_slice(&buffer[used..count]);
                }
            }
            None => {}
        }
        self.buffer = buffer;
        if let (Some(receiver), Some(carry)) = (self.receivers[seat].as_mut(), carry) {
            receiver.carry = carry;
        }
    }

    /// Handles the whole frames at the start of `bytes` and says how many bytes they were.
    fn take_frames(&mut self, seat: usize, bytes: &[u8], now_ns: u64) -> usize {
        if self.polls() {
            return self.take_polls(seat, bytes, now_ns);
        }
        let mut used = 0;
        let stage = self.receivers[seat].as_ref().map_or(Stage::Closed, |receiver| receiver.stage);
        if stage == Stage::Upgrading {
            match frame::handshake(bytes) {
                Handshake::Incomplete => return 0,
                Handshake::Refused(status) => {
                    self.refused += 1;
                    self.lose(seat, &status);
                    return bytes.len();
                }
                Handshake::Accepted(end) => {
                    used = end;
                    match self.receivers[seat].as_mut() {
                        // Engine.IO's server speaks first.
                        Some(receiver) if self.words.is_some() => receiver.stage = Stage::Subscribing,
                        Some(receiver) if self.holds => {
                            receiver.stage = Stage::Waiting;
                            self.waiting += 1;
                        }
                        _ => self.subscribe(seat),
                    }
                }
            }
        }
        while let Some(found) = frame::next(&bytes[used..]) {
            used += found.len;
            if self.words.is_some() {
                self.packet_frame(seat, &found, now_ns);
            } else if found.opcode == frame::TEXT && event::is_batch(found.payload) {
                for (seq, sent_ns) in event::read_batch(found.payload) {
                    self.ledger.deliver(seat, seq, sent_ns, now_ns);
                }
            } else if found.opcode == frame::TEXT
                && let Some((seq, sent_ns)) = self.reader.read(found.payload)
            {
                self.ledger.deliver(seat, seq, sent_ns, now_ns);
                if let Some(memory) = self.memories.get_mut(seat) {
                    self.recoveries.out_of_order += u64::from(!memory.follow(found.payload));
                    self.recoveries.event_bytes += found.len as u64;
                }
            } else {
                self.other_frame(seat, &found);
            }
        }
        used
    }

    fn subscribe(&mut self, seat: usize) {
        let Some(receiver) = self.receivers[seat].as_mut() else { return };
        let Entry::Subscribe { wish, .. } = &self.entry else { return };
        let channel = &self.seats[seat].channel;
        let text = match self.memories.get_mut(seat) {
            Some(memory) => Some(memory.request(channel, self.how)),
            None => wish.request(channel),
        };
        if wish.answer().is_none() {
            receiver.stage = Stage::Open;
            self.open += 1;
            return;
        }
        receiver.stage = Stage::Subscribing;
        let Some(text) = text else { return };
        self.request.clear();
        frame::write_masked(&mut self.request, frame::TEXT, text.as_bytes());
        if let Err(error) = receiver.stream.write_all(&self.request) {
            self.lose(seat, &error.to_string());
        }
    }

    #[cold]
    fn other_frame(&mut self, seat: usize, found: &frame::Frame<'_>) {
        let Some(receiver) = self.receivers[seat].as_mut() else { return };
        match found.opcode {
            frame::TEXT if receiver.stage == Stage::Subscribing => self.answered(seat, found.payload),
            frame::TEXT if memchr::memmem::find(found.payload, b"\"error\"").is_some() => {
                let text = String::from_utf8_lossy(found.payload).into_owned();
                self.lose(seat, &text);
            }
            frame::PING => {
                self.request.clear();
                frame::write_masked(&mut self.request, frame::PONG, found.payload);
                let _ = receiver.stream.write(&self.request);
            }
            frame::CLOSE => {
                let code = found.payload.first_chunk::<2>().map_or(1_005, |code| u16::from_be_bytes(*code));
                // The answer that the other side waits for (RFC 6455, section 5.5.1).
                self.request.clear();
                frame::write_masked(&mut self.request, frame::CLOSE, &code.to_be_bytes());
                let _ = receiver.stream.write(&self.request);
                let told = comeback::told_by(found.payload.get(2..).unwrap_or_default());
                self.lose_told(seat, &format!("closed with code {code}"), told);
            }
            _ => {}
        }
    }

    /// A text while the answer to the subscription is awaited: that, or what comes before it.
    fn answered(&mut self, seat: usize, payload: &[u8]) {
        let has = |text: &[u8]| memchr::memmem::find(payload, text).is_some();
        let is_resumed = has(b"\"type\":\"resumed\"");
        if has(b"\"type\":\"error\"") {
            if !self.memories.is_empty() && has(b"\"not_found\"") {
                self.recoveries.tokens_refused += 1;
                return self.subscribe(seat);
            }
            return self.lose(seat, &String::from_utf8_lossy(payload));
        }
        let Entry::Subscribe { wish, .. } = &self.entry else { return };
        if !is_resumed && !wish.answer().is_some_and(has) {
            return;
        }
        if let Some(memory) = self.memories.get_mut(seat) {
            match memory.learn(payload) {
                Ok(Told { recovered, gaps }) => {
                    self.recoveries.resumed += u64::from(is_resumed);
                    self.recoveries.recovered += recovered;
                    self.recoveries.gaps += gaps;
                }
                Err(error) => return self.lose(seat, &error.to_string()),
            }
        }
        if let Some(receiver) = self.receivers[seat].as_mut() {
            receiver.stage = Stage::Open;
            self.open += 1;
        }
    }

    /// Whether receivers poll.
    fn polls(&self) -> bool {
        self.words.as_ref().is_some_and(|words| words.transport == Transport::Polling)
    }

    fn lose(&mut self, seat: usize, why: &str) {
        self.lose_told(seat, why, None);
    }

    fn lose_told(&mut self, seat: usize, why: &str, told: Option<Duration>) {
        if let Some(receiver) = self.receivers[seat].as_mut()
            && receiver.stage != Stage::Closed
        {
            self.open -= usize::from(receiver.stage == Stage::Open);
            self.waiting -= usize::from(receiver.stage == Stage::Waiting);
            self.closed += 1;
            self.losses.push(Loss { seat, told });
            receiver.stage = Stage::Closed;
            self.last_trouble = Some(format!("connection {seat}: {why}"));
        }
    }
}
