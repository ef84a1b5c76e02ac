//! A reader of server-sent events, by the rules of HTML: fields into messages, comments apart, the last id remembered.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;
use test_kit::wait::PATIENCE;

/// What came as one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its kind; empty where none was named.
    pub event: String,
    /// Its data, the lines put together.
    pub data: String,
    /// The id of the last message that had one.
    pub id: String,
}

impl Message {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An answer that goes on.
pub(crate) struct Events {
    stream: TcpStream,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// What came and was not yet taken out of its chunks.
    raw: Vec<u8>,
    /// What came and was not yet read.
    text: Vec<u8>,
    is_chunked: bool,
    is_ended: bool,
    message: Message,
    /// The id of the last message that had one.
    pub last_id: String,
    /// The last time of return that was told, in milliseconds.
    pub retry: Option<u64>,
}

impl Events {
    /// `GET /events` with a query, and more header fields.
    #[track_caller]
    pub(crate) fn get(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut request =
            format!("GET /events{query} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: gzip\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        Self::send(address, &format!("{request}\r\n"))
    }

    /// The same, which has to be let in.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut events = Self::get(address, query, headers);
        if events.status != 200 {
            let (status, rest) = (events.status, events.rest());
            panic!("{status}: {rest}");
        }
        events
    }

    /// Sends a request, and reads the head of the answer.
    #[track_caller]
    pub(crate) fn send(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut events = Self {
            stream,
            status: 0,
            headers: Vec::new(),
            raw: Vec::new(),
            text: Vec::new(),
            is_chunked: false,
            is_ended: false,
            message: Message::default(),
            last_id: String::new(),
            retry: None,
        };
        events.read_head();
        events
    }

    /// Reads the head of the next answer on the connection.
    #[track_caller]
    pub(crate) fn read_head(&mut self) {
        let end = loop {
            if let Some(end) = self.raw.windows(4).position(|part| part == b"\r\n\r\n") {
                break end;
            }
            assert!(self.fill() > 0, "no answer: {:?}", String::from_utf8_lossy(&self.raw));
        };
        let head = String::from_utf8(self.raw.drain(..end + 4).collect()).expect("a head");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        self.status = status.and_then(|code| code.parse().ok()).expect("a status");
        let fields = lines.filter_map(|line| line.split_once(": "));
        self.headers = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        self.is_chunked = self.header("transfer-encoding") == Some("chunked");
    }

    /// Reads over the body of an answer that has a length.
    #[track_caller]
    pub(crate) fn skip_body(&mut self) {
        let length: usize = self.header("content-length").and_then(|it| it.parse().ok()).expect("a length");
        while self.raw.len() < length {
            assert!(self.fill() > 0, "the connection ended");
        }
        self.raw.drain(..length);
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn fill(&mut self) -> usize {
        let mut buffer = vec![0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.raw.extend_from_slice(&buffer[..count]);
                count
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {
                panic!("nothing within {PATIENCE:?}; so far {:?}", String::from_utf8_lossy(&self.text))
            }
            Err(_) => 0,
        }
    }

    /// Takes what came out of its chunks.
    fn unpack(&mut self) {
        if !self.is_chunked {
            self.text.append(&mut self.raw);
            return;
        }
        while let Some(line) = self.raw.windows(2).position(|part| part == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..line]).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a size");
            if self.raw.len() < line + 4 + size {
                return;
            }
            self.text.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
            self.raw.drain(..line + 4 + size);
            if size == 0 {
                self.is_ended = true;
                return;
            }
        }
    }

    fn more(&mut self) -> bool {
        let had = self.text.len();
        loop {
            self.unpack();
            if self.text.len() > had {
                return true;
            }
            if self.is_ended || self.fill() == 0 {
                return false;
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                return Some(String::from_utf8(line[..end].to_vec()).expect("UTF-8"));
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// The next message; none when the answer has ended.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Message> {
        loop {
            let line = self.line()?;
            if line.is_empty() {
                let message = std::mem::take(&mut self.message);
                self.last_id.clone_from(&message.id);
                self.message.id.clone_from(&message.id);
                if !message.data.is_empty() {
                    return Some(message);
                }
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "" => {}
                "event" => value.clone_into(&mut self.message.event),
                "id" => value.clone_into(&mut self.message.id),
                "retry" => self.retry = value.parse().ok(),
                "data" if self.message.data.is_empty() => value.clone_into(&mut self.message.data),
                "data" => {
                    self.message.data.push('\n');
                    self.message.data.push_str(value);
                }
                _ => panic!("an unknown field: {line:?}"),
            }
        }
    }

    /// The next line is a comment, with the empty one behind it.
    #[track_caller]
    pub(crate) fn comment(&mut self) {
        assert_eq!((self.line().as_deref(), self.line().as_deref()), (Some(": ping"), Some("")));
    }

    /// The frame of the next message.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Value {
        let message = self.next().expect("a message");
        assert_eq!(message.event, "", "{message:?}");
        message.json()
    }

    /// The next frame, which is of this type.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: &str) -> Value {
        let frame = self.frame();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Behind the welcome and the answer; the latter's positions.
    #[track_caller]
    pub(crate) fn subscribed(&mut self) -> Value {
        self.expect("connected");
        self.expect("subscribed")["data"]["positions"].take()
    }

    /// Frames up to one of this type, which is left out.
    #[track_caller]
    pub(crate) fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame();
            if frame["type"] == kind {
                return frames;
            }
            frames.push(frame);
        }
    }

    /// Reads up to the end: the code and reason of the last message, `None` where it said nothing.
    #[track_caller]
    pub(crate) fn close(&mut self) -> Option<(u64, String)> {
        let mut last = None;
        while let Some(message) = self.next() {
            last = Some(message);
        }
        let last = last.filter(|last| last.event == "close")?.json();
        Some((last["code"].as_u64()?, last["reason"].as_str()?.to_owned()))
    }

    /// Everything up to the end of the connection, or of what comes in time.
    pub(crate) fn rest(&mut self) -> String {
        let _ = self.stream.set_read_timeout(Some(std::time::Duration::from_millis(500)));
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        while Instant::now() < end {
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => self.raw.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("a connection");
    }
}
