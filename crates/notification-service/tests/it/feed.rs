//! A hub that has a feed as a test fills it, takes every publication, and can go away, lose its feed and come back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::http::Answer;

/// The longest that a reader waits here, so that the test's threads end soon.
const WAIT: Duration = Duration::from_millis(300);

#[derive(Debug, Default)]
struct State {
    epoch: u32,
    events: Vec<Value>,
    types: Vec<String>,
    /// What is answered in place of the feed: a status.
    refuses: Option<u16>,
    /// Answers to reads of the feed.
    reads: u32,
    /// Ids of the publications that were taken.
    taken: Vec<String>,
}

/// The hub; its threads end with the process.
#[derive(Debug, Clone)]
pub(crate) struct FeedHub {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl FeedHub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = State { epoch: 1, types: vec!["*".to_owned()], ..State::default() };
        let hub = Self { address, state: Arc::new((Mutex::new(state), Condvar::new())) };
        let own = hub.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                thread::spawn(move || drop(own.serve(&stream)));
            }
        });
        hub
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes an event that happened at a time (microseconds since 1970); its id.
    pub(crate) fn publish_at(&self, event_type: &str, data: &Value, users: &[&str], at: i64) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        let mut state = self.state();
        let offset = state.events.len() + 1;
        state.events.push(json!({
            "offset": offset, "id": id, "type": event_type, "data": data, "timestamp": rest::instant::show(at),
            "user_ids": users, "channels": ["jobs"]
        }));
        self.state.1.notify_all();
        id
    }

    /// Publishes an event that happens now; its id.
    pub(crate) fn publish(&self, event_type: &str, data: &Value, users: &[&str]) -> String {
        self.publish_at(event_type, data, users, store::now_micros())
    }

    /// Begins a new life of the feed, with the events that are kept.
    pub(crate) fn lose(&self, keep: impl Fn(&Value) -> bool) {
        let mut state = self.state();
        state.epoch += 1;
        state.events.retain(keep);
        for (index, event) in state.events.iter_mut().enumerate() {
            event["offset"] = json!(index + 1);
        }
        self.state.1.notify_all();
    }

    /// Answers reads with this status, or as it should.
    pub(crate) fn refuse(&self, status: Option<u16>) {
        self.state().refuses = status;
        self.state.1.notify_all();
    }

    pub(crate) fn has_types(&self, types: &[&str]) {
        self.state().types = types.iter().map(|&name| name.to_owned()).collect();
        self.state.1.notify_all();
    }

    /// How often the feed was asked for.
    pub(crate) fn reads(&self) -> u32 {
        self.state().reads
    }

    /// Ids of the publications that came, in their order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.state().taken.clone()
    }

    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let (mut first, mut length) = (String::new(), 0);
            if reader.read_line(&mut first)? == 0 {
                return Ok(());
            }
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                match line.trim_end().to_ascii_lowercase().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                    _ if line == "\r\n" => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, answer) = match path.split_once("/feeds/notifications?") {
                Some((_, query)) => self.page(query),
                None => (200, self.take(&body)?),
            };
            let text = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                text.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(text.as_bytes())?;
        }
    }

    fn take(&self, body: &[u8]) -> io::Result<Value> {
        let items: Vec<Value> = serde_json::from_slice(body)?;
        let mut state = self.state();
        let answers: Vec<Value> = items
            .iter()
            .map(|item| {
                let id = item["publication_id"].as_str().unwrap_or_default().to_owned();
                if !state.taken.contains(&id) {
                    state.taken.push(id.clone());
                }
                json!({"success": true, "id": id, "recipients": 0})
            })
            .collect();
        Ok(Value::Array(answers))
    }

    fn page(&self, query: &str) -> (u16, Value) {
        let of = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
        };
        let limit: usize = of("limit").and_then(|text| text.parse().ok()).expect("a limit");
        let mut state = self.state();
        state.reads += 1;
        if let Some(status) = state.refuses {
            return (status, json!({"status": status, "code": "refused", "detail": "as the test says"}));
        }
        let epoch = of("epoch");
        let known = epoch.is_none() || epoch == Some(format!("e{}", state.epoch));
        let after: usize = of("offset").filter(|_| known).and_then(|text| text.parse().ok()).unwrap_or(0);
        let recovered = known && after <= state.events.len();
        let after = if recovered { after } else { 0 };
        if after >= state.events.len() && of("wait").is_some_and(|wait| wait != "0") {
            let wait = self.state.1.wait_timeout(state, WAIT);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
            if epoch.is_some_and(|epoch| epoch != format!("e{}", state.epoch)) {
                drop(state);
                return self.page(query);
            }
        }
        let events: Vec<Value> = state.events.iter().skip(after).take(limit).cloned().collect();
        let next = after.min(state.events.len()) + events.len();
        let epoch = format!("e{}", state.epoch);
        let page = json!({
            "name": "notifications", "types": state.types, "epoch": epoch, "recovered": recovered, "events": events,
            "next": {"epoch": epoch, "offset": next}, "end": state.events.len()
        });
        (200, page)
    }
}

/// A counter in an answer of `/metrics`; nothing where it is not there.
pub(crate) fn metric(metrics: &Answer, name: &str) -> Option<f64> {
    metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}
