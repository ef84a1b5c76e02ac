//! Asks every node for `/health` again and again, all at the same moment, and times each answer: from the side, on a thread that does nothing
//! else, over kept connections.
//!
//! A node that has not answered by the next round is not asked again, and its answer counts with all of its time, so a slow one cannot hide
//! in rounds that were never asked.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::http;
use crate::sys;

/// The pause between two rounds.
const ROUND: Duration = Duration::from_millis(500);

/// How long the last answers may take.
const LAST: Duration = Duration::from_secs(5);

/// One answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// When it was asked, by the clock that all processes share.
    pub(super) asked_ns: u64,
    pub(super) took: Duration,
    pub(super) status: u16,
}

/// The thread that asks; it ends with [`Probe::finish`].
#[derive(Debug)]
pub(super) struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Answer>>>,
}

#[derive(Debug)]
struct Line {
    node: SocketAddr,
    stream: TcpStream,
    asked_ns: Option<u64>,
    carry: Vec<u8>,
}

impl Probe {
    /// Starts it. Where that is allowed its thread is preferred to all others, so that its own waits for a core do not count as the nodes'.
    pub(super) fn start(nodes: Vec<SocketAddr>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                // Without the right it measures all the same, a little too much.
                let _ = sys::be_nice(0, -20);
                ask(&nodes, &stop)
            })
        };
        Self { stop, thread }
    }

    /// All answers; those that never came as well, with the time waited for them and status 0.
    pub(super) fn finish(self) -> Result<Vec<Answer>> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow!("the thread that asks for /health panicked"))?
    }
}

fn open(poll: &Poll, at: usize, node: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(node)?;
    poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

fn ask(nodes: &[SocketAddr], stop: &AtomicBool) -> Result<Vec<Answer>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut lines = Vec::new();
    for (at, &node) in nodes.iter().enumerate() {
        lines.push(Line { node, stream: open(&poll, at, node)?, asked_ns: None, carry: Vec::new() });
    }
    let mut answers = Vec::new();
    let mut next = Instant::now() + ROUND;
    let mut end = None;
    loop {
        // What was asked at last may still be answered; nothing more is asked.
        if stop.load(Ordering::Acquire) {
            let end = *end.get_or_insert_with(|| Instant::now() + LAST);
            if Instant::now() >= end || lines.iter().all(|line| line.asked_ns.is_none()) {
                break;
            }
            next = end;
        }
        if Instant::now() >= next {
            next = Instant::now() + ROUND;
            for (at, line) in lines.iter_mut().enumerate().filter(|(_, line)| line.asked_ns.is_none()) {
                let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", line.node);
                line.asked_ns = Some(sys::monotonic_ns());
                if line.stream.write_all(request.as_bytes()).is_err() {
                    line.carry.clear();
                    // The server ends connections that are quiet for long; the time to open another one counts.
                    line.stream = open(&poll, at, line.node)?;
                    line.asked_ns = None;
                }
            }
        }
        // So often it is looked whether this is to end.
        let left = next.saturating_duration_since(Instant::now()).min(ROUND / 10);
        match poll.poll(&mut events, Some(left)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            if let Some(answer) = lines[event.token().0].read()? {
                answers.push(answer);
            } else if lines[event.token().0].asked_ns.is_none() && event.is_read_closed() {
                let at = event.token().0;
                lines[at].stream = open(&poll, at, lines[at].node)?;
            }
        }
    }
    let now = sys::monotonic_ns();
    answers.extend(lines.iter().filter_map(|line| line.asked_ns).map(|asked_ns| Answer {
        asked_ns,
        took: Duration::from_nanos(now - asked_ns),
        status: 0,
    }));
    Ok(answers)
}

impl Line {
    /// Reads what there is; an answer when one is whole.
    fn read(&mut self) -> Result<Option<Answer>> {
        let mut part = [0; 4_096];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) if self.asked_ns.is_some() => {
                    bail!("{} ended a connection without an answer", self.node)
                }
                Ok(0) => return Ok(None),
                Ok(count) => self.carry.extend_from_slice(&part[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let Some(answer) = http::next_answer(&self.carry)? else { return Ok(None) };
        let (status, len) = (answer.status, answer.len);
        self.carry.drain(..len);
        let Some(asked_ns) = self.asked_ns.take() else { return Ok(None) };
        let took = Duration::from_nanos(sys::monotonic_ns().saturating_sub(asked_ns));
        Ok(Some(Answer { asked_ns, took, status }))
    }
}
