//! An HTTP server that answers every `GET` with what the test last told it to: a JWK Set, an error, nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

#[derive(Debug)]
struct Shared {
    answer: Mutex<(u16, String)>,
    asked: AtomicUsize,
    ended: AtomicBool,
}

/// The server; it ends when it is dropped.
#[derive(Debug)]
pub struct Fixture {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Fixture {
    /// Starts to answer 200 with `json`.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn answering(json: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            answer: Mutex::new((200, json.to_string())),
            asked: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let known = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if known.ended.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(stream) = stream {
                    serve(stream, &known);
                }
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16, json: &Value) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, json.to_string());
    }

    /// How many requests have been answered.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Acquire)
    }

    /// Its address with a path that tells nothing.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/keys.json", self.address)
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while crate::http::find(&request, b"\r\n\r\n").is_none() {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
    let (status, body) = shared.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Who has the answer finds it counted.
    shared.asked.fetch_add(1, Ordering::Release);
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // The thread waits for a connection; this is the last one.
        let _last = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
