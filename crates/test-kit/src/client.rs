//! A well-behaved WebSocket client that blocks.
//!
//! Frames come out as JSON; pings of the server are answered whenever the client reads. What a well-behaved client
//! never does is [`crate::RawClient`]'s.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::{Error, Message, WebSocket};

use crate::stream::Stream;
use crate::tls::Certificate;
use crate::wait::{PATIENCE, left};

/// A connection about to be made.
#[derive(Debug)]
pub struct Dial<'a> {
    url: String,
    headers: Vec<(String, String)>,
    trust: Option<&'a Certificate>,
}

/// A handshake that the server refused: its HTTP answer.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What there was of the body.
    pub body: String,
}

impl<'a> Dial<'a> {
    /// Sends a header field with the handshake.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends `Origin`, as every browser does.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    /// Sends a token as `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Offers subprotocols; a browser's only way to send a token in a header is `["fanfare", token]`.
    #[must_use]
    pub fn subprotocols(self, names: &[&str]) -> Self {
        self.header("Sec-WebSocket-Protocol", &names.join(", "))
    }

    /// Trusts this certificate, for a `wss` address.
    #[must_use]
    pub fn trust(mut self, certificate: &'a Certificate) -> Self {
        self.trust = Some(certificate);
        self
    }

    /// Connects to a server that may be away, or go away meanwhile; `None` where it does not agree to a WebSocket.
    ///
    /// # Panics
    /// When the address is none.
    #[must_use]
    #[track_caller]
    pub fn try_connect(self) -> Option<Client> {
        self.handshake().ok()?.ok()
    }

    /// Connects; a refusal is an answer.
    ///
    /// # Errors
    /// [`Refused`] when the server answered anything but 101.
    ///
    /// # Panics
    /// When the connection itself can't be made or breaks.
    #[track_caller]
    pub fn attempt(self) -> Result<Client, Refused> {
        let url = self.url.clone();
        self.handshake().unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[track_caller]
    fn handshake(self) -> Result<Result<Client, Refused>, Error> {
        let mut request = match self.url.as_str().into_client_request() {
            Ok(request) => request,
            Err(error) => panic!("{}: {error}", self.url),
        };
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            request.headers_mut().append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        let address = address_of(request.uri().authority().map_or("", |authority| authority.as_str()));
        let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
        let _ = tcp.set_nodelay(true);
        let stream = match self.trust {
            Some(trust) => trust.wrap(tcp),
            None => Stream::Plain(tcp),
        };
        stream.set_timeout(Some(PATIENCE)).expect("a timeout");
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok((socket, response)) => {
                let chosen = response.headers().get("sec-websocket-protocol");
                let subprotocol = chosen.and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok(Ok(Client { socket, subprotocol, connection_id: None, barriers: 0, closed: None }))
            }
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let (head, body) = response.into_parts();
                let field = |(name, value): (&HeaderName, &HeaderValue)| {
                    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                };
                Ok(Err(Refused {
                    status: head.status.as_u16(),
                    headers: head.headers.iter().map(field).collect(),
                    body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
                }))
            }
            Err(HandshakeError::Failure(error)) => Err(error),
            Err(HandshakeError::Interrupted(_)) => Err(Error::Io(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Connects.
    ///
    /// # Panics
    /// When the server refuses.
    #[must_use]
    #[track_caller]
    pub fn connect(self) -> Client {
        match self.attempt() {
            Ok(client) => client,
            Err(refused) => panic!("refused: {refused:?}"),
        }
    }

    /// Connects and reads the welcome.
    ///
    /// # Panics
    /// When the server refuses or sends anything else first.
    #[must_use]
    #[track_caller]
    pub fn welcomed(self) -> Client {
        let mut client = self.connect();
        client.welcome();
        client
    }
}

fn address_of(authority: &str) -> SocketAddr {
    match authority.to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => address,
        _ => panic!("{authority} is not an address with a port"),
    }
}

/// What one read brought.
enum Event {
    Data(Message),
    Pong(Vec<u8>),
    Closed(u16, String),
}

/// An open connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocket<Stream>,
    subprotocol: Option<String>,
    connection_id: Option<String>,
    barriers: u64,
    closed: Option<(u16, String)>,
}

impl Client {
    /// Prepares a connection, for headers and the like.
    #[must_use]
    pub fn dial<'a>(url: &str) -> Dial<'a> {
        Dial { url: url.to_owned(), headers: Vec::new(), trust: None }
    }

    /// Connects; the welcome is still to be read.
    ///
    /// # Panics
    /// When the server refuses.
    #[must_use]
    #[track_caller]
    pub fn connect(url: &str) -> Self {
        Self::dial(url).connect()
    }

    /// Connects and reads the welcome.
    ///
    /// # Panics
    /// When the server refuses or sends anything else first.
    #[must_use]
    #[track_caller]
    pub fn welcomed(url: &str) -> Self {
        Self::dial(url).welcomed()
    }

    /// The subprotocol that the server chose.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The client's own address, as the server sees it.
    ///
    /// # Panics
    /// When the socket is gone.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.socket.get_ref().tcp().local_addr().expect("a bound socket")
    }

    /// Reads the first frame, which must be `connected`; its connection id.
    ///
    /// # Panics
    /// When another frame, or none, comes.
    #[track_caller]
    pub fn welcome(&mut self) -> String {
        let frame = self.expect_type("connected");
        let id = frame["data"]["connection_id"].as_str().map(str::to_owned);
        let id = id.unwrap_or_else(|| panic!("a welcome without an id: {frame}"));
        self.connection_id = Some(id.clone());
        id
    }

    /// The connection id that the welcome told.
    ///
    /// # Panics
    /// When the welcome was not read yet.
    #[must_use]
    #[track_caller]
    pub fn connection_id(&self) -> &str {
        self.connection_id.as_deref().expect("the welcome, read before")
    }

    /// Sends a text frame of JSON.
    ///
    /// # Panics
    /// When the connection is gone.
    #[track_caller]
    pub fn send_json(&mut self, value: &Value) {
        self.send(Message::text(value.to_string()));
    }

    /// Sends a text frame.
    ///
    /// # Panics
    /// When the connection is gone.
    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    /// Sends a binary frame.
    ///
    /// # Panics
    /// When the connection is gone.
    #[track_caller]
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.send(Message::binary(bytes.to_vec()));
    }

    #[track_caller]
    fn send(&mut self, message: Message) {
        self.timeout(PATIENCE);
        if let Err(error) = self.socket.send(message) {
            panic!("sending failed: {error}");
        }
    }

    /// Sends a text frame; `false` where the connection is gone, which some tests wait for.
    pub fn try_send_json(&mut self, value: &Value) -> bool {
        self.timeout(PATIENCE);
        self.socket.send(Message::text(value.to_string())).is_ok()
    }

    /// Subscribes and waits for the confirmation, which is returned.
    ///
    /// # Panics
    /// When the next frame is another one.
    #[track_caller]
    pub fn subscribe(&mut self, channels: &[&str]) -> Value {
        self.send_json(&json!({ "type": "subscribe", "channels": channels }));
        self.expect_type("subscribed")
    }

    /// Unsubscribes and waits for the confirmation, which is returned.
    ///
    /// # Panics
    /// When the next frame is another one.
    #[track_caller]
    pub fn unsubscribe(&mut self, channels: &[&str]) -> Value {
        self.send_json(&json!({ "type": "unsubscribe", "channels": channels }));
        self.expect_type("unsubscribed")
    }

    /// The next text or binary frame as JSON, within [`PATIENCE`].
    ///
    /// # Panics
    /// When the connection closes, nothing comes, or what comes is not JSON.
    #[track_caller]
    pub fn next_json(&mut self) -> Value {
        self.next_json_within(PATIENCE)
    }

    /// The next text or binary frame as JSON.
    ///
    /// # Panics
    /// When the connection closes, nothing comes within `patience`, or what comes is not JSON.
    #[track_caller]
    pub fn next_json_within(&mut self, patience: Duration) -> Value {
        parse(&self.next_message_within(patience))
    }

    /// The next text or binary frame as JSON; `None` where the connection ends before it.
    ///
    /// # Panics
    /// When nothing happens within `patience`, or what comes is not JSON.
    #[track_caller]
    pub fn try_next_json(&mut self, patience: Duration) -> Option<Value> {
        let end = Instant::now() + patience;
        loop {
            match self.read(end) {
                Some(Event::Data(message)) => return Some(parse(&message)),
                Some(Event::Pong(_)) => {}
                Some(Event::Closed(..)) => return None,
                None => panic!("no frame within {patience:?}"),
            }
        }
    }

    /// What comes within that time, or until the connection ends; pings are answered meanwhile.
    ///
    /// # Panics
    /// When what comes is not JSON.
    #[track_caller]
    pub fn read_for(&mut self, time: Duration) -> Vec<Value> {
        let end = Instant::now() + time;
        let mut frames = Vec::new();
        loop {
            match self.read(end) {
                Some(Event::Data(message)) => frames.push(parse(&message)),
                Some(Event::Pong(_)) => {}
                Some(Event::Closed(..)) | None => return frames,
            }
        }
    }

    /// The next text or binary frame.
    ///
    /// # Panics
    /// When the connection closes or nothing comes within [`PATIENCE`].
    #[track_caller]
    pub fn next_message(&mut self) -> Message {
        self.next_message_within(PATIENCE)
    }

    #[track_caller]
    fn next_message_within(&mut self, patience: Duration) -> Message {
        let end = Instant::now() + patience;
        loop {
            match self.read(end) {
                Some(Event::Data(message)) => return message,
                Some(Event::Pong(_)) => {}
                Some(Event::Closed(code, reason)) => panic!("closed {code} {reason:?} in place of a frame"),
                None => panic!("no frame within {patience:?}"),
            }
        }
    }

    /// The next frame, which must be of this type.
    ///
    /// # Panics
    /// When it is of another, or none comes.
    #[track_caller]
    pub fn expect_type(&mut self, wanted: &str) -> Value {
        let frame = self.next_json();
        assert_eq!(frame["type"], wanted, "{frame}");
        frame
    }

    /// The next frame, which must be an `error` with this code.
    ///
    /// # Panics
    /// When it is another, or none comes.
    #[track_caller]
    pub fn expect_error(&mut self, code: &str) -> Value {
        let frame = self.expect_type("error");
        assert_eq!(frame["data"]["code"], code, "{frame}");
        frame
    }

    /// All frames up to the first of this type, that one included.
    ///
    /// A test that shows that something does *not* arrive publishes a last event to this connection alone, and looks
    /// at what came before it.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`] of the frame before.
    #[track_caller]
    pub fn collect_until(&mut self, wanted: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next_json();
            let last = frame["type"] == wanted;
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// Sends a WebSocket ping with data of its own and collects every frame until the matching pong.
    ///
    /// What the server wrote before it read the ping is in the list, so a test need not sleep to see that nothing
    /// came. It says nothing about events that a shard has still in its queue when it reads the ping; for those see
    /// [`Client::collect_until`].
    ///
    /// # Panics
    /// When the connection closes or no pong comes within [`PATIENCE`].
    #[track_caller]
    pub fn ping_barrier(&mut self) -> Vec<Value> {
        self.barriers += 1;
        let mark = format!("barrier {}", self.barriers).into_bytes();
        self.send(Message::Ping(mark.clone().into()));
        let end = Instant::now() + PATIENCE;
        let mut frames = Vec::new();
        loop {
            match self.read(end) {
                Some(Event::Data(message)) => frames.push(parse(&message)),
                Some(Event::Pong(data)) if data == mark => return frames,
                Some(Event::Pong(_)) => {}
                Some(Event::Closed(code, reason)) => panic!("closed {code} {reason:?} in place of a pong"),
                None => panic!("no pong within {PATIENCE:?}"),
            }
        }
    }

    /// Waits for the server's Close: its code and reason. Where the connection just ends the code is 1006, as in a
    /// browser.
    ///
    /// # Panics
    /// When a data frame comes first, or nothing within [`PATIENCE`].
    #[track_caller]
    pub fn expect_close(&mut self) -> (u16, String) {
        let (frames, code, reason) = self.collect_until_close(PATIENCE);
        assert!(frames.is_empty(), "frames before the Close {code} {reason:?}: {frames:?}");
        (code, reason)
    }

    /// Reads everything up to the server's Close.
    ///
    /// # Panics
    /// When the connection is still open after `patience`.
    #[track_caller]
    pub fn collect_until_close(&mut self, patience: Duration) -> (Vec<Value>, u16, String) {
        let end = Instant::now() + patience;
        let mut frames = Vec::new();
        loop {
            match self.read(end) {
                Some(Event::Data(message)) => frames.push(parse(&message)),
                Some(Event::Pong(_)) => {}
                Some(Event::Closed(code, reason)) => return (frames, code, reason),
                None => panic!("still open after {patience:?}; {} frames came", frames.len()),
            }
        }
    }

    /// Closes from this side with 1000 and waits for the server's answer: its code and reason.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    #[track_caller]
    pub fn close(&mut self) -> (u16, String) {
        let frame = CloseFrame { code: 1000.into(), reason: "".into() };
        self.timeout(PATIENCE);
        if let Err(error) = self.socket.close(Some(frame)) {
            panic!("closing failed: {error}");
        }
        let (_, code, reason) = self.collect_until_close(PATIENCE);
        (code, reason)
    }

    /// Cuts the connection without a Close, as a phone that loses its network does.
    pub fn cut(self) {
        let _ = self.socket.get_ref().tcp().shutdown(std::net::Shutdown::Both);
    }

    fn timeout(&self, timeout: Duration) {
        let _ = self.socket.get_ref().set_timeout(Some(timeout));
    }

    /// One event, or `None` when `end` passes.
    fn read(&mut self, end: Instant) -> Option<Event> {
        if let Some((code, reason)) = &self.closed {
            return Some(Event::Closed(*code, reason.clone()));
        }
        loop {
            self.timeout(left(end));
            match self.socket.read() {
                Ok(Message::Pong(data)) => return Some(Event::Pong(data.to_vec())),
                Ok(Message::Close(frame)) => {
                    let told = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                    return Some(self.remember(told.unwrap_or((1005, String::new()))));
                }
                Ok(Message::Ping(_) | Message::Frame(_)) => {}
                Ok(message) => return Some(Event::Data(message)),
                Err(Error::Io(error)) if is_timeout(&error) => {
                    if Instant::now() >= end {
                        return None;
                    }
                }
                Err(error) => return Some(self.remember((1006, error.to_string()))),
            }
        }
    }

    fn remember(&mut self, closed: (u16, String)) -> Event {
        // Sends the answering Close; the peer may be gone.
        let _ = self.socket.flush();
        self.closed = Some(closed.clone());
        Event::Closed(closed.0, closed.1)
    }
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[track_caller]
fn parse(message: &Message) -> Value {
    let bytes: &[u8] = match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        other => panic!("not a data frame: {other:?}"),
    };
    match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => panic!("not JSON ({error}): {}", String::from_utf8_lossy(bytes)),
    }
}
