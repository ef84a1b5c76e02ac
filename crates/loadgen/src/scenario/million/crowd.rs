//! A client process of `million`: thousands of WebSocket connections to one node, one thread, one epoll, 40 bytes a connection.
//!
//! Its parent tells it by lines on its standard input what to do, and hears lines of JSON. Each event carries its number and its time on
//! the clock that all processes share, so nothing is told of what is published. A connection that ends does not come back: what it did
//! not get is lost. Not in it: when all this happens ([`super`]).

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::event::Reader;
use crate::frame::{self, Frame, Handshake};
use crate::jwt;
use crate::ledger::{Faults, mix};
use crate::sys;

/// The parent's lines.
const ORDERS: Token = Token(usize::MAX >> 1);
/// How many loopback addresses share the connections of all processes, so that a node's clients need fewer ports than there are.
const SOURCES: usize = 4;
/// Progress is told at every so many connections.
const STEP: usize = 500;
/// Connections that may fail before the process stops to dial: what stops the run has been seen by then.
const MOST_FAILURES: u64 = 20;
/// Arrivals are counted in slots of so many milliseconds after the publication; the last slot takes what is later.
pub(super) const SLOT_MS: u64 = 100;
pub(super) const SLOTS: usize = 1_200;
/// A token's life: longer than any run.
const TOKEN_SECONDS: u64 = 86_400;

/// What a client process is to connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) server: SocketAddr,
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) channel: String,
    pub(super) secret: String,
    /// Connections under way at once.
    pub(super) in_flight: usize,
    /// The process' nice value.
    pub(super) nice: i32,
}

/// What a client process says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Word {
    /// So many are subscribed.
    Open(usize),
    /// It dials no further: all are subscribed, or what stopped it.
    Settled { open: usize, trouble: Option<String> },
    /// All open connections have the event of this number.
    Done(u32),
    /// Its account, to an order `report`.
    Report(Report),
}

/// Its account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) faults: Faults,
    /// Connections that ended without its wish.
    pub(super) closed: u64,
    pub(super) trouble: Option<String>,
    pub(super) arrivals: Vec<Arrivals>,
}

/// How one event arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Arrivals {
    pub(super) seq: u32,
    pub(super) count: u64,
    /// From the publication to the first and the last arrival.
    pub(super) first_us: u64,
    pub(super) last_us: u64,
    /// Slot and arrivals in it.
    pub(super) slots: Vec<(usize, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    Subscribing,
    Open,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    stage: Stage,
    got: u32,
    hash: u64,
}

#[derive(Debug, Default)]
struct Arriving {
    count: u64,
    first_us: u64,
    last_us: u64,
    slots: BTreeMap<usize, u64>,
}

struct Crowd {
    share: Share,
    poll: Poll,
    clients: Vec<Option<Client>>,
    /// Beginnings of frames that are not there whole, by client.
    carried: HashMap<usize, Vec<u8>>,
    buffer: Vec<u8>,
    out: Vec<u8>,
    subscribe: Vec<u8>,
    reader: Reader,
    events: BTreeMap<u32, Arriving>,
    expires_at: u64,
    dialled: usize,
    under_way: usize,
    open: usize,
    told: usize,
    failed: u64,
    closed: u64,
    halted: bool,
    settled: bool,
    trouble: Option<String>,
}

/// Starts to connect. The port is chosen at the connect, when the other side is known, so that one port serves many nodes.
fn dial(server: SocketAddr, number: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    let last = u8::try_from(1 + number % SOURCES)?;
    sys::choose_port_at_connect(socket.as_raw_fd())?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 100, 0, last), 0)).into())?;
    match socket.connect(&server.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(socket.into()))
}

impl Crowd {
    fn new(share: Share) -> Result<Self> {
        let mut subscribe = Vec::new();
        let text = format!("{{\"type\":\"subscribe\",\"channels\":[\"{}\"]}}", share.channel);
        frame::write_masked(&mut subscribe, frame::TEXT, text.as_bytes());
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut clients = Vec::with_capacity(share.count);
        clients.resize_with(share.count, || None);
        Ok(Self {
            share,
            poll: Poll::new()?,
            clients,
            carried: HashMap::new(),
            buffer: vec![0; 32 * 1024],
            out: Vec::new(),
            subscribe,
            reader: Reader::default(),
            events: BTreeMap::new(),
            expires_at: now + TOKEN_SECONDS,
            dialled: 0,
            under_way: 0,
            open: 0,
            told: 0,
            failed: 0,
            closed: 0,
            halted: false,
            settled: false,
            trouble: None,
        })
    }

    /// Dials as many as may be under way.
    fn go_on(&mut self) -> io::Result<()> {
        while !self.halted && self.dialled < self.share.count && self.under_way < self.share.in_flight {
            let at = self.dialled;
            self.dialled += 1;
            match self.connect(at) {
                Ok(()) => self.under_way += 1,
                Err(error) => self.fail(at, &format!("connecting: {error:#}")),
            }
        }
        if self.open >= self.told + STEP {
            self.told = self.open;
            say(&Word::Open(self.open))?;
        }
        let is_over = self.halted || self.dialled == self.share.count;
        if is_over && self.under_way == 0 && !self.settled {
            self.settled = true;
            say(&Word::Settled { open: self.open, trouble: self.trouble.clone() })?;
        }
        Ok(())
    }

    fn connect(&mut self, at: usize) -> Result<()> {
        let mut stream = dial(self.share.server, self.share.first + at)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(at), interest)?;
        self.clients[at] = Some(Client { stream, stage: Stage::Connecting, got: 0, hash: 0 });
        Ok(())
    }

    /// One connection is no more.
    #[cold]
    fn fail(&mut self, at: usize, why: &str) {
        let client = self.clients[at].take();
        self.carried.remove(&at);
        match client {
            // What it had stays in the account of events; the rest it never gets.
            Some(Client { stage: Stage::Open, .. }) => {
                self.open -= 1;
                self.closed += 1;
            }
            Some(_) => {
                self.under_way -= 1;
                self.failed += 1;
            }
            None => self.failed += 1,
        }
        self.halted |= self.failed >= MOST_FAILURES;
        self.trouble.get_or_insert_with(|| format!("client {}: {why}", self.share.first + at));
    }

    fn ready(&mut self, at: usize, writable: bool) {
        let Some(client) = self.clients[at].as_mut() else { return };
        if client.stage == Stage::Connecting {
            if !writable {
                return;
            }
            if let Ok(Some(error)) | Err(error) = client.stream.take_error() {
                return self.fail(at, &format!("connecting: {error}"));
            }
            let number = self.share.first + at;
            let token = jwt::mint(&self.share.secret, &format!("user-{number}"), self.expires_at);
            self.out.clear();
            let host = self.share.server.to_string();
            frame::upgrade_request(&mut self.out, "/ws", &host, Some(&token));
            client.stage = Stage::Upgrading;
            if let Err(error) = client.stream.write_all(&self.out) {
                return self.fail(at, &format!("asking for the upgrade: {error}"));
            }
        }
        loop {
            let Some(client) = self.clients[at].as_mut() else { return };
            match client.stream.read(&mut self.buffer) {
                Ok(0) => return self.fail(at, "the server ended the connection"),
                Ok(count) => {
                    self.take(at, count);
                    // Edge-triggered: less than asked for means the socket is empty.
                    if count < self.buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.fail(at, &error.to_string()),
            }
        }
    }

    fn take(&mut self, at: usize, count: usize) {
        let now_ns = sys::monotonic_ns();
        // The buffer leaves `self` for the while, so that frames can borrow it.
        let buffer = std::mem::take(&mut self.buffer);
        if let Some(mut carried) = self.carried.remove(&at) {
            carried.extend_from_slice(&buffer[..count]);
            let used = self.take_frames(at, &carried, now_ns);
            carried.drain(..used);
            if !carried.is_empty() {
                self.carried.insert(at, carried);
            }
        } else {
            let used = self.take_frames(at, &buffer[..count], now_ns);
            if used < count {
                self.carried.insert(at, buffer[used..count].to_vec());
            }
        }
        self.buffer = buffer;
    }

    fn take_frames(&mut self, at: usize, bytes: &[u8], now_ns: u64) -> usize {
        let mut used = 0;
        let Some(client) = self.clients[at].as_mut() else { return bytes.len() };
        if client.stage == Stage::Upgrading {
            match frame::handshake(bytes) {
                Handshake::Incomplete => return 0,
                Handshake::Refused(status) => {
                    self.fail(at, &status);
                    return bytes.len();
                }
                Handshake::Accepted(end) => {
                    used = end;
                    client.stage = Stage::Subscribing;
                    if let Err(error) = client.stream.write_all(&self.subscribe) {
                        self.fail(at, &format!("subscribing: {error}"));
                        return bytes.len();
                    }
                }
            }
        }
        while let Some(found) = frame::next(&bytes[used..]) {
            used += found.len;
            match self.reader.read(found.payload) {
                Some((seq, sent_ns)) if found.opcode == frame::TEXT => self.deliver(at, seq, sent_ns, now_ns),
                _ => self.other(at, &found),
            }
        }
        used
    }

    fn deliver(&mut self, at: usize, seq: u32, sent_ns: u64, now_ns: u64) {
        let Some(client) = self.clients[at].as_mut() else { return };
        client.got += 1;
        client.hash = client.hash.wrapping_add(mix(u64::from(seq)));
        let us = now_ns.saturating_sub(sent_ns) / 1_000;
        let slot = usize::try_from(us / (SLOT_MS * 1_000)).unwrap_or(SLOTS).min(SLOTS - 1);
        let arriving = self.events.entry(seq).or_default();
        if arriving.count == 0 {
            arriving.first_us = us;
        }
        arriving.count += 1;
        arriving.last_us = arriving.last_us.max(us);
        *arriving.slots.entry(slot).or_default() += 1;
        if arriving.count == self.open as u64 && say(&Word::Done(seq)).is_err() {
            self.trouble.get_or_insert_with(|| "nobody listens to this process".to_owned());
        }
    }

    #[cold]
    fn other(&mut self, at: usize, found: &Frame<'_>) {
        let Some(client) = self.clients[at].as_mut() else { return };
        match found.opcode {
            frame::PING => {
                self.out.clear();
                frame::write_masked(&mut self.out, frame::PONG, found.payload);
                let _ = client.stream.write(&self.out);
            }
            frame::CLOSE => {
                let code = found.payload.first_chunk::<2>().map_or(1_005, |code| u16::from_be_bytes(*code));
                self.fail(at, &format!("closed with code {code}"));
            }
            frame::TEXT if client.stage == Stage::Subscribing => {
                let has = |text: &[u8]| memchr::memmem::find(found.payload, text).is_some();
                if has(b"\"type\":\"subscribed\"") {
                    client.stage = Stage::Open;
                    self.open += 1;
                    self.under_way -= 1;
                } else if has(b"\"type\":\"error\"") {
                    self.fail(at, &String::from_utf8_lossy(found.payload));
                }
            }
            _ => {}
        }
    }

    /// The account, when events with the numbers from 0 to `published` were sent to all.
    fn report(&self, published: u32) -> Report {
        let due = (0..published).fold(0u64, |hash, seq| hash.wrapping_add(mix(u64::from(seq))));
        let mut report = Report { closed: self.closed, trouble: self.trouble.clone(), ..Report::default() };
        let wrong = |client: &&Client| client.got != published || client.hash != due;
        report.faults.wrong_connections = self.clients.iter().flatten().filter(wrong).count() as u64;
        let audience = self.open as u64 + self.closed;
        for seq in 0..published {
            let Some(arriving) = self.events.get(&seq) else {
                report.faults.lost += audience;
                continue;
            };
            report.faults.lost += audience.saturating_sub(arriving.count);
            report.faults.doubled += arriving.count.saturating_sub(audience);
            report.arrivals.push(Arrivals {
                seq,
                count: arriving.count,
                first_us: arriving.first_us,
                last_us: arriving.last_us,
                slots: arriving.slots.iter().map(|(slot, count)| (*slot, *count)).collect(),
            });
        }
        let strange = self.events.iter().filter(|(seq, _)| **seq >= published);
        report.faults.doubled += strange.map(|(_, arriving)| arriving.count).sum::<u64>();
        report
    }
}

fn say(word: &Word) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, word)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The life of a client process: connect, then obey lines until they end.
pub(crate) fn work(share: &str) -> Result<()> {
    let mut crowd = Crowd::new(serde_json::from_str(share).context("the share of a client process")?)?;
    // Where it is refused the process competes as any other.
    let _ = sys::be_nice(0, crowd.share.nice);
    let orders = io::stdin();
    sys::do_not_block(orders.as_raw_fd())?;
    crowd.poll.registry().register(&mut SourceFd(&orders.as_raw_fd()), ORDERS, Interest::READABLE)?;
    let mut events = Events::with_capacity(512);
    let mut heard = Vec::new();
    loop {
        crowd.go_on()?;
        match crowd.poll.poll(&mut events, Some(Duration::from_secs(5))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            if event.token() != ORDERS {
                crowd.ready(event.token().0, event.is_writable());
                continue;
            }
            let mut part = [0; 256];
            loop {
                match orders.lock().read(&mut part) {
                    Ok(0) => return Ok(()),
                    Ok(count) => heard.extend_from_slice(&part[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
            while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = heard.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                match line.trim().split_once(' ') {
                    Some(("report", published)) => say(&Word::Report(crowd.report(published.parse()?)))?,
                    _ => crowd.halted = true,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    fn crowd(clients: usize) -> Crowd {
        let share = Share {
            server: SocketAddr::from(([127, 0, 0, 1], 9)),
            first: 0,
            count: clients,
            channel: "all".to_owned(),
            secret: "s".to_owned(),
            in_flight: 1,
            nice: 0,
        };
        let mut crowd = Crowd::new(share).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for slot in &mut crowd.clients {
            let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = TcpStream::from_std(stream);
            *slot = Some(Client { stream, stage: Stage::Open, got: 0, hash: 0 });
        }
        crowd.open = clients;
        crowd
    }

    #[test]
    fn an_event_that_one_client_lacks_and_another_has_twice_is_seen() {
        let mut crowd = crowd(3);
        for at in [0, 1, 1] {
            crowd.deliver(at, 0, 1_000, 151_000_000);
        }
        let report = crowd.report(1);
        assert_eq!(report.faults.wrong_connections, 2);
        assert_eq!(report.arrivals[0].slots, [(1, 3)]);
        assert_eq!(report.arrivals[0].last_us, 150_999);
    }

    #[test]
    fn what_a_client_misses_that_was_closed_is_lost() {
        let mut crowd = crowd(2);
        crowd.deliver(0, 0, 0, 0);
        crowd.deliver(1, 0, 0, 0);
        crowd.fail(1, "gone");
        crowd.deliver(0, 1, 0, 0);
        let report = crowd.report(2);
        assert_eq!((report.faults.lost, report.faults.doubled, report.closed), (1, 0, 1));
        assert_eq!(crowd.report(3).faults.lost, 3);
    }

    #[test]
    fn frames_in_pieces_are_one_event() {
        let mut crowd = crowd(1);
        let mut data = Vec::new();
        event::write_envelope(&mut data, 0, 1, 64);
        let mut bytes = Vec::new();
        frame::write_text(&mut bytes, &data);
        for part in bytes.chunks(7) {
            crowd.buffer[..part.len()].copy_from_slice(part);
            crowd.take(0, part.len());
        }
        assert_eq!(crowd.report(1).faults, Faults::default());
        assert!(crowd.carried.is_empty());
    }
}
