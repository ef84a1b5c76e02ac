//! A publisher that gives up nothing: one event after the other, each repeated with its idempotency key until the hub has it, whatever
//! happens to the hub meanwhile. It keeps account of every answer.
//!
//! One thread, one connection; the thread ends when the courier is asked for its log, at the latest [`PATIENCE`] later. Not in it: which
//! events ([`crate::scenario::storm`]).

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::http;

/// Events that may wait for the courier; when it is full the next one is not taken.
const WAITING: usize = 256;
/// How long one answer may take, and one event in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause before it dials again where nobody listens.
const REDIAL: Duration = Duration::from_millis(50);

/// How the hub answered, in calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// 200.
    pub(crate) accepted: u64,
    /// 503 with `Retry-After`.
    pub(crate) told_to_wait: u64,
    /// Nobody listened.
    pub(crate) refused: u64,
    /// The connection ended without an answer.
    pub(crate) cut: u64,
    /// Any other answer; a publisher must never see one.
    pub(crate) wrong: u64,
    /// The first of those.
    pub(crate) first_wrong: Option<String>,
    /// The longest time from an event's first call to its 200.
    pub(crate) longest: Duration,
}

/// The publisher's own end.
#[derive(Debug)]
pub(crate) struct Courier {
    orders: SyncSender<Vec<u8>>,
    done: Arc<AtomicU64>,
    thread: JoinHandle<Log>,
    taken: u64,
}

impl Courier {
    /// Starts one; its keys begin with `name`.
    pub(crate) fn start(server: SocketAddr, name: &str) -> Self {
        let (orders, waiting) = sync_channel(WAITING);
        let done = Arc::new(AtomicU64::new(0));
        let thread = {
            let (done, name) = (Arc::clone(&done), name.to_owned());
            thread::spawn(move || deliver(server, &name, &waiting, &done))
        };
        Self { orders, done, thread, taken: 0 }
    }

    /// Hands it the body of a publication; says whether there was room.
    pub(crate) fn send(&mut self, body: Vec<u8>) -> bool {
        let has_room = self.orders.try_send(body).is_ok();
        self.taken += u64::from(has_room);
        has_room
    }

    /// Whether the hub has all that it was handed.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) >= self.taken
    }

    /// Waits for what is under way, and for its log.
    pub(crate) fn finish(self) -> Result<Log> {
        drop(self.orders);
        self.thread.join().map_err(|_| anyhow!("a publisher panicked"))
    }
}

fn deliver(server: SocketAddr, name: &str, waiting: &Receiver<Vec<u8>>, done: &AtomicU64) -> Log {
    let mut log = Log::default();
    let mut stream = None;
    while let Ok(body) = waiting.recv() {
        let mut request = Vec::with_capacity(body.len() + 256);
        let number = log.accepted;
        let _ = write!(
            request,
            "POST /broadcast HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nIdempotency-Key: {name}-{number}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        request.extend_from_slice(&body);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if call(server, &mut stream, &request, &mut log) {
                done.fetch_add(1, Ordering::Release);
                break;
            }
        }
        log.longest = log.longest.max(began.elapsed());
    }
    log
}

/// Whether the other side has ended a connection on which nothing is under way.
fn is_stale(stream: &TcpStream) -> bool {
    let is_idle = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let is_open = peeked.is_err_and(|error| is_idle(&error));
    !is_open || stream.set_nonblocking(false).is_err()
}

/// One call; says whether the hub has the event.
fn call(server: SocketAddr, stream: &mut Option<TcpStream>, request: &[u8], log: &mut Log) -> bool {
    let mut connection =
        match stream.take().filter(|stream| !is_stale(stream)).map_or_else(|| TcpStream::connect(server), Ok)
        {
            Ok(connection) => connection,
            Err(_) => {
                log.refused += 1;
                thread::sleep(REDIAL);
                return false;
            }
        };
    let Ok(answer) = ask(&mut connection, request) else {
        log.cut += 1;
        thread::sleep(REDIAL);
        return false;
    };
    *stream = Some(connection).filter(|_| !http::is_last(&answer));
    let status = http::next_answer(&answer).ok().flatten().map(|answer| answer.status);
    match (status, http::retry_after(&answer)) {
        (Some(200), _) => {
            log.accepted += 1;
            true
        }
        (Some(503), Some(seconds)) => {
            log.told_to_wait += 1;
            thread::sleep(Duration::from_secs(seconds as u64).min(PATIENCE));
            false
        }
        _ => {
            log.wrong += 1;
            log.first_wrong.get_or_insert_with(|| String::from_utf8_lossy(&answer).into_owned());
            thread::sleep(REDIAL);
            false
        }
    }
}

/// Writes a request and reads one whole answer.
fn ask(stream: &mut TcpStream, request: &[u8]) -> Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Err(anyhow!("the connection ended"));
        }
        answer.extend_from_slice(&part[..read]);
        if http::next_answer(&answer)?.is_some() {
            return Ok(answer);
        }
    }
}
