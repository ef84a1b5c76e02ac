//! A proxy in front of the hub that writes down what the hub accepted: every item of a batch that a 200 came back for.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;
use test_kit::http;

/// An event that the hub accepted.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// Its idempotency key: the id of the service's row.
    pub(crate) event_id: String,
    /// The hub's own id of it; another one for the same event means that it was sent twice.
    pub(crate) publication: String,
    pub(crate) event_type: String,
    pub(crate) data: Value,
}

/// What the hub accepted, in the order of its answers.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    accepted: Arc<Mutex<Vec<Accepted>>>,
}

impl Recorder {
    /// A proxy to the hub at this address; its threads end with the process.
    pub(crate) fn start(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let recorder = Self { address, accepted: Arc::default() };
        let own = recorder.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                // A connection that breaks is the caller's to see.
                thread::spawn(move || drop(own.pass_on(&stream, hub)));
            }
        });
        recorder
    }

    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves one connection. Where the hub does not answer, neither does this: the connection is closed.
    fn pass_on(&self, stream: &TcpStream, hub: SocketAddr) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut words = line.split(' ');
            let (method, path) =
                (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or("/").to_owned());
            let headers = headers(&mut reader)?;
            let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let kept: Vec<(&str, &str)> = ["content-type", "authorization", "idempotency-key", "traceparent"]
                .into_iter()
                .filter_map(|name| headers.get(name).map(|value| (name, value.as_str())))
                .collect();
            let answer = http::try_request(hub, None, &method, &path, &kept, Some(&body))?;
            if path == "/broadcast/batch" && answer.status == 200 {
                self.note(&body, &answer.body);
            }
            let kind = answer.header("content-type").unwrap_or("text/plain");
            let head = format!(
                "HTTP/1.1 {} Passed on\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
                answer.status,
                answer.body.len()
            );
            let mut stream = stream;
            stream.write_all(head.as_bytes())?;
            stream.write_all(&answer.body)?;
        }
    }

    fn note(&self, items: &[u8], answers: &[u8]) {
        let items: Vec<Value> = serde_json::from_slice(items).unwrap_or_default();
        let answers: Vec<Value> = serde_json::from_slice(answers).unwrap_or_default();
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        for (item, answer) in items.iter().zip(&answers).filter(|(_, answer)| answer["success"] == true) {
            let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
            accepted.push(Accepted {
                event_id: text(item, "idempotency_key"),
                publication: text(answer, "id"),
                event_type: text(item, "type"),
                data: item["data"].clone(),
            });
        }
    }
}

fn headers(reader: &mut impl BufRead) -> io::Result<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(headers) };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}
