//! An HTTP server that plays a service: it notes each call and answers with what the test says, also late, wrongly or not at all.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;
use test_kit::eventually;
use test_kit::wait::PATIENCE;

/// A call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The path with its query.
    pub path: String,
    headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
}

impl Call {
    /// The body as JSON.
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).expect("a body of JSON")
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the service does with a call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It answers with this status, media type and body.
    Answer(u16, &'static str, String),
    /// It says where to go.
    Redirect(String),
    /// It says nothing until the gate opens, and then answers `{"success":true}`.
    Wait(Gate),
    /// It hangs up without a word.
    HangUp,
    /// It hangs up in the middle of its answer.
    HalfAnAnswer,
    /// It writes an answer that never ends, until nobody reads it.
    Endless,
}

impl Act {
    /// 200 with this JSON.
    pub(crate) fn ok(answer: &Value) -> Self {
        Self::Answer(200, "application/json", answer.to_string())
    }

    /// A problem (RFC 9457).
    pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Self {
        let problem = serde_json::json!({ "status": status, "code": code, "detail": detail, "title": "No" });
        Self::Answer(status, "application/problem+json", problem.to_string())
    }
}

/// What calls wait at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets all pass, now and later.
    pub(crate) fn open(&self) {
        *locked(&self.0.0) = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = locked(&self.0.0);
        while !*open {
            open = self.0.1.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Play = dyn Fn(&Call) -> Act + Send + Sync;

struct Shared {
    play: Box<Play>,
    calls: Mutex<Vec<Call>>,
    connections: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
    has_ended: AtomicBool,
}

/// The service; it ends when it is dropped.
pub(crate) struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Service {
    /// One that does this with each call.
    pub(crate) fn playing(play: impl Fn(&Call) -> Act + Send + Sync + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").expect("a free port"), play)
    }

    /// One at an address that was held before.
    pub(crate) fn at(listener: TcpListener, play: impl Fn(&Call) -> Act + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            play: Box::new(play),
            calls: Mutex::default(),
            connections: AtomicUsize::new(0),
            streams: Mutex::default(),
            has_ended: AtomicBool::new(false),
        });
        let known = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if known.has_ended.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _late = stream.set_nodelay(true);
                known.connections.fetch_add(1, Ordering::Relaxed);
                if let Ok(copy) = stream.try_clone() {
                    locked(&known.streams).push(copy);
                }
                let shared = Arc::clone(&known);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// One that answers every call with this.
    pub(crate) fn answering(act: Act) -> Self {
        Self::playing(move |_| act.clone())
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The calls so far, in the order in which they came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        locked(&self.shared.calls).clone()
    }

    /// How many connections it was given.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits for so many calls.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Call> {
        eventually(PATIENCE, || locked(&self.shared.calls).len() >= count);
        self.calls()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        // The thread waits for a connection; this is the last one.
        let _last = TcpStream::connect(self.address);
        for stream in locked(&self.shared.streams).drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Answers the calls of one connection, as long as it lasts.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut held = Vec::new();
    while let Some(call) = read(&mut stream, &mut held) {
        locked(&shared.calls).push(call.clone());
        let written = match (shared.play)(&call) {
            Act::Answer(status, kind, body) => write(&mut stream, status, kind, &body),
            Act::Redirect(location) => {
                write!(stream, "HTTP/1.1 307 Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
            }
            Act::Wait(gate) => {
                gate.pass();
                write(&mut stream, 200, "application/json", r#"{"success":true}"#)
            }
            Act::HangUp => break,
            Act::HalfAnAnswer => {
                let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"success\":");
                break;
            }
            Act::Endless => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":\"";
                let mut written = stream.write_all(head);
                while written.is_ok() {
                    written = stream.write_all(&[b'a'; 16 << 10]);
                }
                break;
            }
        };
        if written.is_err() {
            break;
        }
    }
    let _gone = stream.shutdown(Shutdown::Both);
}

fn write(stream: &mut TcpStream, status: u16, kind: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Answer\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The next call; `held` is what was read behind the last.
fn read(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<Call> {
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&held[..end]).into_owned();
            let mut lines = head.split("\r\n");
            let path = lines.next()?.split(' ').nth(1)?.to_owned();
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
            if held.len() >= end + 4 + length {
                let text = String::from_utf8_lossy(&held[end + 4..end + 4 + length]).into_owned();
                held.drain(..end + 4 + length);
                return Some(Call { path, headers, text });
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => held.extend_from_slice(&buffer[..count]),
        }
    }
}
