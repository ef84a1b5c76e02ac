//! The loop around a shard: waits for sockets, the inbox and the clock, and calls the shard.
//!
//! Readiness is edge-triggered for reading and writing at once, registered when a socket comes and never
//! changed, so no system call is spent on interest. After each slice of writes the sockets are looked at again:
//! a large fan-out does not keep a client's ping waiting.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hub::{Ended, Hub, Now, Opening, Shard, Verify, Wake};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use protocol::Disconnect;
use protocol::websocket::{Decoder, Limits};
use service_kit::telemetry::LogLimiter;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::events::queue::{Notice, Queue};
use crate::socket::{Socket, Transport};
use crate::socketio::asked::Asked;
use crate::socketio::engines::{AtEnd, Desk, Engines, session_of};
use crate::socketio::http::Posting;
use crate::turn;

#[cfg(test)]
mod tests;

/// How often a shard cuts, pings and expires.
const TICK: Duration = Duration::from_millis(500);

/// Sockets that one wait can report; more come with the next.
const EVENTS: usize = 1024;

/// The read buffer of a shard, which all its sockets share; also what is read from one before the next.
const READ_BUFFER: usize = 64 * 1024;

/// Writes between two looks at the sockets: some milliseconds.
const SLICE: usize = 512;

/// How often is looked whether those have come who are waited for.
const LOOK_FOR_COMPANY: Duration = Duration::from_micros(100);

/// The token of the waker; sockets have their connection's key, and those of sessions a bit more.
const WAKER: Token = Token(usize::MAX);

/// Lines about connections per second; the counters tell the rest.
static CONNECTS: LogLimiter = LogLimiter::new(20);
static DISCONNECTS: LogLimiter = LogLimiter::new(20);

/// How far a socket is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// A short read tells that nothing more is there; that saves a system call.
    Drained,
    /// Until the kernel says so. Needed where the end of the stream may stand behind the bytes: it was reported
    /// together with them, and will not be again.
    Blocked,
}

/// A socket on its way to a shard.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The socket.
    pub transport: Transport,
    /// What was read behind the handshake.
    pub read_ahead: Vec<u8>,
    /// What the shard needs to know.
    pub opening: Opening,
}

/// Where others reach a reactor. The queue is bounded by the node's connections: each arrival holds an admission.
#[derive(Debug)]
pub(crate) struct Handle {
    arrivals: Mutex<Vec<Arrival>>,
    /// What is asked of the sessions of Socket.IO.
    asked: Mutex<Vec<Asked>>,
    /// Their payloads that are on their way.
    posting: Arc<Posting>,
    /// Queues that became empty, or that nobody reads any more; each is here once.
    queues: Mutex<Vec<Arc<Queue>>>,
    stop: AtomicBool,
    /// Whether the loop waits, or is about to: only then is waking it worth a system call.
    asleep: AtomicBool,
    /// Whether the loop came by its tick since somebody asked.
    ticked: AtomicBool,
    waker: Waker,
}

impl Handle {
    /// Gives a socket to the shard.
    pub(crate) fn open(&self, arrival: Arrival) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        self.wake();
    }

    /// Asks something of the sessions of Socket.IO; it is seen when the loop is woken.
    pub(crate) fn put(&self, asked: Asked) {
        self.asked().push(asked);
    }

    /// The same, and wakes the loop.
    pub(crate) fn ask(&self, asked: Asked) {
        self.put(asked);
        self.wake();
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The payloads that are on their way.
    pub(crate) fn posting(&self) -> &Arc<Posting> {
        &self.posting
    }

    /// Puts a queue before the shard that writes into it; it looks when it is woken.
    pub(crate) fn look_at(&self, queue: Arc<Queue>) {
        self.queues().push(queue);
    }

    /// The queues that are before the shard.
    pub(crate) fn queues(&self) -> MutexGuard<'_, Vec<Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the loop; connections that are still there are cut.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the loop has turned since this was last asked, as it does within each [`TICK`], or was told to end.
    pub(crate) fn has_turned(&self) -> bool {
        self.ticked.swap(false, Ordering::Relaxed) || self.stop.load(Ordering::Acquire)
    }

    /// Makes the loop look for what was put before it.
    pub(crate) fn wake(&self) {
        // Pairs with the fence in `Reactor::may_sleep`: either this sees that the loop sleeps, or the loop sees
        // what was put before it.
        fence(Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // Waking fails only if the process is out of memory for a counter that it already has.
            let _ = self.waker.wake();
        }
    }
}

/// The hub's way to wake a reactor.
#[derive(Debug)]
pub(crate) struct Bell(pub Arc<Handle>);

impl Wake for Bell {
    fn wake(&self) {
        turn::wake_at_end(&self.0);
    }
}

/// The parts of a reactor that exist before its hub does.
#[derive(Debug)]
pub(crate) struct Prepared {
    poll: Poll,
    handle: Arc<Handle>,
}

impl Prepared {
    /// Makes the poll and the waker.
    ///
    /// # Errors
    /// The system has no more files.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let handle = Arc::new(Handle {
            arrivals: Mutex::default(),
            asked: Mutex::default(),
            posting: Arc::default(),
            queues: Mutex::default(),
            stop: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            ticked: AtomicBool::new(true),
            waker,
        });
        Ok(Self { poll, handle })
    }

    /// Where others reach it.
    #[must_use]
    pub(crate) fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle)
    }

    /// The reactor of a hub's shard, made by the thread that runs it. Tokens that clients want to go on with are sent to
    /// `verify`.
    #[must_use]
    pub(crate) fn into_reactor(
        self,
        hub: &Arc<Hub>,
        shard: usize,
        max_message: usize,
        clock: Clock,
        verify: mpsc::Sender<(usize, Verify)>,
        engines: Engines,
    ) -> Reactor {
        Reactor {
            poll: self.poll,
            handle: self.handle,
            hub: Arc::clone(hub),
            index: shard,
            shard: Shard::new(Arc::clone(hub), shard),
            buffer: vec![0; READ_BUFFER],
            unread: Vec::new(),
            clock,
            max_message,
            verify,
            engines,
        }
    }
}

/// The loop of one shard.
#[derive(Debug)]
pub(crate) struct Reactor {
    poll: Poll,
    handle: Arc<Handle>,
    hub: Arc<Hub>,
    index: usize,
    shard: Shard<Socket>,
    buffer: Vec<u8>,
    /// Sockets that had more to read than one turn allows.
    unread: Vec<u32>,
    clock: Clock,
    max_message: usize,
    verify: mpsc::Sender<(usize, Verify)>,
    /// The sessions of Socket.IO, whose sockets are connections of the shard.
    engines: Engines,
}

/// Lends what the sessions need, beside themselves.
macro_rules! desk {
    ($reactor:ident, $now:expr) => {
        &mut Desk {
            shard: &mut $reactor.shard,
            hub: &$reactor.hub,
            registry: $reactor.poll.registry(),
            now: $now,
        }
    };
}

impl Reactor {
    /// Runs until [`Handle::stop`]. The thread that calls it owns the shard.
    ///
    /// # Errors
    /// Waiting for sockets failed, which no program state explains.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut next_tick = Instant::now() + TICK;
        let mut busy = false;
        while !self.handle.stop.load(Ordering::Acquire) {
            let is_idle = !busy && self.unread.is_empty() && !self.engines.is_busy();
            let timeout = if is_idle && self.may_sleep() {
                let tick = self.engines.next_tick().map_or(next_tick, |engines| engines.min(next_tick));
                self.window().min(tick.saturating_duration_since(Instant::now()))
            } else {
                Duration::ZERO
            };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.handle.asleep.store(false, Ordering::SeqCst);
            let now = self.now();
            for key in std::mem::take(&mut self.unread) {
                self.read(key, Until::Blocked, now);
            }
            self.engines.go_on(&mut self.buffer, desk!(self, now));
            for event in &events {
                if let Some(session) = session_of(event.token()) {
                    self.on_session_event(session, event, now);
                    continue;
                }
                let Ok(key) = u32::try_from(event.token().0) else { continue };
                if event.is_writable() {
                    self.on_writable(key);
                }
                if event.is_read_closed() || event.is_error() {
                    self.read(key, Until::Blocked, now);
                } else if event.is_readable() {
                    self.read(key, Until::Drained, now);
                }
            }
            self.take_arrivals(now);
            let asked = std::mem::take(&mut *self.handle.asked());
            self.engines.take(asked, &mut self.buffer, desk!(self, now));
            self.look_at_queues(now);
            self.take_inbox(now);
            if !busy {
                self.wait_for_company(now);
            }
            busy = self.shard.step(SLICE, now);
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.handle.ticked.store(true, Ordering::Relaxed);
                self.shard.tick(self.now());
            }
            self.engines.tick(desk!(self, self.clock.now()));
            self.engines.settle(desk!(self, now));
            log_ended(self.shard.take_ended());
        }
        Ok(())
    }

    /// Announces that the loop will wait, unless something was put before it meanwhile.
    fn may_sleep(&self) -> bool {
        self.handle.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let idle = self.hub.inbox(self.index).is_empty()
            && self.handle.arrivals.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
            && self.handle.queues().is_empty()
            && self.handle.asked().is_empty()
            && !self.handle.stop.load(Ordering::SeqCst);
        if !idle {
            self.handle.asleep.store(false, Ordering::SeqCst);
        }
        idle
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    /// How long until the next window of a batch ends.
    fn window(&self) -> Duration {
        let ends = |at: u64| Duration::from_millis(at.saturating_sub(self.now().ms));
        self.shard.next_window().map_or(TICK, ends)
    }

    /// The WebSocket of a session can be written or read.
    fn on_session_event(&mut self, session: u32, event: &Event, now: Now) {
        if event.is_writable() {
            self.engines.on_writable(session, desk!(self, now));
        }
        let is_closed = event.is_read_closed() || event.is_error();
        if is_closed || event.is_readable() {
            let at_end = if is_closed { AtEnd::Maybe } else { AtEnd::No };
            self.engines.read(session, at_end, &mut self.buffer, desk!(self, now));
        }
    }

    fn on_writable(&mut self, key: u32) {
        if self.shard.link_mut(key).is_some_and(|socket| socket.flush().is_err()) {
            self.shard.end(key);
        } else {
            self.shard.on_writable(key);
        }
    }

    /// Goes on with connections whose queue has room again, and ends those whose reader is gone.
    fn look_at_queues(&mut self, now: Now) {
        let queues = std::mem::take(&mut *self.handle.queues());
        for queue in queues {
            // One without a place is found to be abandoned when its first bytes are written.
            let Some((key, notice)) = queue.notice() else { continue };
            if !self.shard.link_mut(key).is_some_and(|socket| socket.is_of(&queue)) {
                continue;
            }
            match notice {
                // Nobody answers here; that what was sent is taken is the sign of life.
                Notice::Room => {
                    self.shard.heard(key, now);
                    self.shard.on_writable(key);
                }
                Notice::Abandoned => self.shard.end(key),
            }
        }
    }

    fn take_arrivals(&mut self, now: Now) {
        let arrivals =
            std::mem::take(&mut *self.handle.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
        for Arrival { transport, mut read_ahead, opening } in arrivals {
            let key = self.shard.next_key();
            let registered = Socket::new(transport, opening.wire.is_deflate()).and_then(|mut socket| {
                let token = Token(key as usize);
                if let Some(source) = socket.source() {
                    let both = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(source, token, both)?;
                }
                socket.place(key);
                Ok(socket)
            });
            match registered {
                Ok(socket) => {
                    if let Some(suppressed) = CONNECTS.allow() {
                        let connection = short(opening.id);
                        let user = opening.identity.is_some();
                        let dialect = self.hub.dialect(opening.endpoint, opening.wire);
                        tracing::info!(connection, dialect, signed_in = user, suppressed, "connected");
                    }
                    // A TLS session may already hold what the socket will not report again.
                    let read_now = !socket.is_drained_by_a_short_read();
                    self.shard.open(socket, opening, now);
                    if !read_ahead.is_empty() {
                        self.decode(key, &mut read_ahead, now);
                    }
                    if read_now {
                        self.read(key, Until::Blocked, now);
                    }
                }
                Err(error) => tracing::warn!(%error, "a socket could not be taken over"),
            }
        }
    }

    /// Reads what a socket has, up to one buffer, and hands its messages to the shard.
    fn read(&mut self, key: u32, until: Until, now: Now) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(socket) = self.shard.link_mut(key) {
            match socket.read(&mut buffer) {
                Ok(0) => {
                    self.shard.heard(key, now);
                    self.shard.end(key);
                    break;
                }
                Ok(count) => {
                    let drained = until == Until::Drained
                        && count < buffer.len()
                        && socket.is_drained_by_a_short_read();
                    self.hub.metrics().bytes_received.inc_by(count as u64);
                    self.shard.heard(key, now);
                    // What a closing client still sends is read so that its end is seen, and not looked at
                    // but for its Close frame.
                    self.decode(key, &mut buffer[..count], now);
                    if drained {
                        break;
                    }
                    if count == buffer.len() {
                        self.unread.push(key);
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.shard.end(key);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    fn decode(&mut self, key: u32, bytes: &mut [u8], now: Now) {
        let Some(socket) = self.shard.link_mut(key).filter(|socket| !socket.is_faulty) else { return };
        let limits = Limits { max_message: self.max_message, deflate: socket.deflate };
        let mut decoder: Decoder = std::mem::take(&mut socket.decoder);
        let mut asked = Vec::new();
        let outcome = decoder.feed(&limits, bytes, &mut |incoming| {
            asked.extend(self.shard.on_incoming(key, &incoming, now));
            if self.shard.link_mut(key).is_some() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        if let Some(socket) = self.shard.link_mut(key) {
            socket.decoder = decoder;
            socket.is_faulty = outcome.is_err();
        }
        if let Err(fault) = outcome {
            let disconnect = Disconnect::fault(fault.close_code(), fault.to_string().into());
            self.shard.close(key, &disconnect, now);
        }
        for verify in asked {
            self.ask(verify);
        }
    }

    /// Takes what the hub has for the shard.
    fn take_inbox(&mut self, now: Now) {
        self.shard.take_inbox(now);
        let waited: Vec<Verify> = self.shard.take_verify().collect();
        waited.into_iter().for_each(|verify| self.ask(verify));
    }

    /// Before a large audience is served: what comes meanwhile goes out in the same writes.
    fn wait_for_company(&mut self, now: Now) {
        let Some(patience) = self.shard.patience() else { return };
        let began = Instant::now();
        thread::sleep(patience.least);
        self.take_inbox(now);
        while self.shard.waiting() < patience.company && began.elapsed() < patience.most {
            thread::sleep(LOOK_FOR_COMPANY);
            self.take_inbox(now);
        }
    }

    fn ask(&self, verify: Verify) {
        let connection = verify.connection;
        if self.verify.try_send((self.index, verify)).is_err() {
            // As with a token that cannot be verified: the client hears so, and keeps its old one.
            self.hub.verified(self.index, connection, None);
        }
    }
}

fn log_ended(ended: impl Iterator<Item = Ended>) {
    for Ended { connection, code } in ended {
        if let Some(suppressed) = DISCONNECTS.allow() {
            tracing::info!(connection = short(connection), code, suppressed, "disconnected");
        }
    }
}

/// The first part of a connection's id: enough to follow it through the log, useless for anything else.
fn short(id: protocol::ConnectionId) -> String {
    id.to_string()[..8].to_owned()
}
