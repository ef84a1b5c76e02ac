//! A server that speaks Google's HTTP for Firebase Cloud Messaging: the token endpoint of a service account, and
//! `POST /v1/projects/{project}/messages:send`.
//!
//! It checks what Google checks: the signed statement (RS256 by the account's key, `iss`, `scope`, `aud`, `iat`, `exp`), the
//! bearer token and its end, and the message's form. What is not as it must be is refused as Google would, and besides kept
//! in [`Firebase::faults`], which a test expects to be empty. What it answers to a device's token is told by the test
//! ([`Firebase::script`], [`Firebase::always`]); without, a message is taken.
//!
//! Its clock is the system's, set ahead by [`Firebase::advance`]. It may go away and come back at its address
//! ([`Firebase::stop`], [`Firebase::resume`]). It ends when it is dropped.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::token::in_seconds;

mod check;

/// The project of the account.
pub const PROJECT: &str = "fanfare-tests";

/// How long a token is good for, in seconds, as Google's are.
const TOKEN_SECONDS: i64 = 3600;

/// How long a connection that says nothing keeps its thread from looking whether all is over.
const STEP: Duration = Duration::from_millis(20);

/// What a device's token is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// 200: the message is taken.
    Taken,
    /// 404 `UNREGISTERED`.
    Unregistered,
    /// 400 `INVALID_ARGUMENT`.
    InvalidArgument,
    /// 403 `SENDER_ID_MISMATCH`.
    SenderIdMismatch,
    /// 401: the bearer token is void, and is so from now on.
    Unauthorized,
    /// 429 `QUOTA_EXCEEDED`, with a `Retry-After` in seconds.
    TooMany(Option<u32>),
    /// 503 `UNAVAILABLE`, with a `Retry-After` in seconds.
    Unavailable(Option<u32>),
    /// No answer until [`Firebase::release`], then 200.
    Hang,
    /// 200 with a page that is no answer of Google's; the message is not taken.
    Nonsense,
    /// The message is taken, and the connection breaks before the answer.
    TakenUnheard,
    /// This status with this body.
    Other(u16, String),
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The device's token.
    pub token: String,
    /// The body, whole.
    pub body: Value,
    /// What it was answered.
    pub reply: Reply,
}

#[derive(Debug, Default)]
struct State {
    scripts: HashMap<String, VecDeque<Reply>>,
    always: HashMap<String, Reply>,
    /// What the token endpoint answers instead of a token.
    grants: Option<(u16, String)>,
    /// Tokens that are good, with their ends.
    bearers: HashMap<String, i64>,
    given: usize,
    calls: Vec<Call>,
    faults: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ahead: AtomicI64,
    released: AtomicBool,
}

/// The server.
#[derive(Debug)]
pub struct Firebase {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The account's key, private and public, as PEM; one for the process, since making one takes a while.
fn key() -> &'static (String, String) {
    static KEY: OnceLock<(String, String)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key pair");
        (pair.serialize_pem(), pair.public_key_pem())
    })
}

impl Firebase {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let address = crate::free_address();
        let listener = TcpListener::bind(address).expect("a free port");
        let firebase = Self { address, shared: Arc::default(), running: Mutex::default() };
        firebase.run(listener);
        firebase
    }

    /// The file of a service account, whose tokens are had at `token_uri`.
    #[must_use]
    pub fn account(token_uri: &str) -> Value {
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "key-of-the-tests",
            "private_key": key().0,
            "client_email": check::EMAIL,
            "client_id": "1",
            "token_uri": token_uri,
        })
    }

    /// Writes the account's file into a directory.
    ///
    /// # Panics
    /// When it can't be written.
    #[track_caller]
    pub fn credentials(&self, directory: impl AsRef<Path>) -> PathBuf {
        let path = directory.as_ref().join("firebase.json");
        std::fs::write(&path, self.account_here().to_string()).expect("the account's file");
        path
    }

    /// The file of the account whose tokens are had here.
    #[must_use]
    pub fn account_here(&self) -> Value {
        Self::account(&self.token_uri())
    }

    /// Its address, for `FIREBASE_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn token_uri(&self) -> String {
        format!("{}/token", self.endpoint())
    }

    /// What a device's token is answered next, one after the other; afterwards as before.
    pub fn script(&self, token: &str, replies: impl IntoIterator<Item = Reply>) {
        self.state().scripts.entry(token.to_owned()).or_default().extend(replies);
    }

    /// What a device's token is answered from now on, when its script is at its end.
    pub fn always(&self, token: &str, reply: Reply) {
        self.state().always.insert(token.to_owned(), reply);
    }

    /// What the token endpoint answers instead of tokens, such as `(400, "invalid_grant")`; tokens again with none.
    pub fn refuse_grants(&self, answer: Option<(u16, &str)>) {
        let answer = answer.map(|(status, code)| (status, json!({ "error": code }).to_string()));
        self.state().grants = answer;
    }

    /// Makes all tokens void that were given so far.
    pub fn void_tokens(&self) {
        self.state().bearers.clear();
    }

    /// Lets those go on who hang, from now on.
    pub fn release(&self) {
        self.shared.released.store(true, Ordering::Release);
    }

    /// Sets its clock ahead.
    pub fn advance(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self.shared.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// All messages that came with a good token and in a good form, in their order, whatever they were answered.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The bodies of those that were taken, in their order.
    #[must_use]
    pub fn taken(&self) -> Vec<Value> {
        let taken = |call: &&Call| matches!(call.reply, Reply::Taken | Reply::TakenUnheard);
        self.state().calls.iter().filter(taken).map(|call| call.body.clone()).collect()
    }

    /// How many tokens were given.
    #[must_use]
    pub fn tokens_given(&self) -> usize {
        self.state().given
    }

    /// What Google would not have taken, in words.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }

    /// Goes away: connections are cut, and nobody answers at its address. It forgets nothing.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.ended.store(true, Ordering::Release);
            // The thread waits for a connection; this is the last one.
            let _last = TcpStream::connect(self.address);
            let _ended = running.thread.join();
        }
    }

    /// Comes back at its address.
    ///
    /// # Panics
    /// When the port is taken meanwhile.
    #[track_caller]
    pub fn resume(&self) {
        self.run(TcpListener::bind(self.address).expect("the same port"));
    }

    fn run(&self, listener: TcpListener) {
        let ended = Arc::new(AtomicBool::new(false));
        let (shared, over, token_uri) = (Arc::clone(&self.shared), Arc::clone(&ended), self.token_uri());
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let (shared, over, token_uri) = (Arc::clone(&shared), Arc::clone(&over), token_uri.clone());
                connections.push(thread::spawn(move || {
                    let _broken = Connection { stream, shared, over, token_uri }.serve();
                }));
            }
            drop(listener);
            for connection in connections {
                let _ended = connection.join();
            }
        });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { ended, thread });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Firebase {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        in_seconds(self.ahead.load(Ordering::Relaxed))
    }
}

struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    over: Arc<AtomicBool>,
    token_uri: String,
}

/// A request as it came.
struct Request {
    /// Method and path.
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

impl Connection {
    fn serve(mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(STEP))?;
        self.stream.set_nodelay(true)?;
        while let Some(request) = self.request()? {
            match request.line.as_str() {
                "POST /token" => {
                    let (status, body) = self.token(&request);
                    self.answer(status, None, &body)?;
                }
                line if line == format!("POST /v1/projects/{PROJECT}/messages:send") => {
                    self.message(&request)?
                }
                other => {
                    self.fault(format!("nobody has asked for {other}"));
                    self.answer(404, None, "")?;
                }
            }
        }
        Ok(())
    }

    /// The next request; none when the connection or all is over.
    fn request(&mut self) -> io::Result<Option<Request>> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(end) = crate::http::find(&bytes, b"\r\n\r\n") {
                break end;
            }
            if !self.more(&mut bytes)? {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let mut lines = head.split("\r\n");
        let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').take(2).collect();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<_> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let mut request = Request { line: line.join(" "), headers, body: bytes.split_off(head_end + 4) };
        let length: usize = request.header("content-length").parse().unwrap_or(0);
        while request.body.len() < length {
            let mut body = std::mem::take(&mut request.body);
            if !self.more(&mut body)? {
                return Ok(None);
            }
            request.body = body;
        }
        Ok(Some(request))
    }

    fn more(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if self.over.load(Ordering::Acquire) {
                return Ok(false);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    bytes.extend_from_slice(&buffer[..count]);
                    return Ok(true);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn answer(&mut self, status: u16, retry_after: Option<u32>, body: &str) -> io::Result<()> {
        let retry_after =
            retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} Answer\r\ncontent-type: application/json; charset=UTF-8\r\n{retry_after}content-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body.as_bytes())
    }

    fn fault(&self, fault: String) {
        self.shared.state().faults.push(fault);
    }

    fn token(&self, request: &Request) -> (u16, String) {
        if let Some((status, body)) = self.shared.state().grants.clone() {
            return (status, body);
        }
        let now = self.shared.now();
        if let Err(fault) = check::grant(&request.body, &key().1, &self.token_uri, now) {
            self.fault(fault);
            return (400, json!({ "error": "invalid_grant" }).to_string());
        }
        let mut state = self.shared.state();
        state.given += 1;
        let token = format!("access-token-{}", state.given);
        state.bearers.insert(token.clone(), now + TOKEN_SECONDS);
        let answer = json!({ "access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer" });
        (200, answer.to_string())
    }

    fn message(&mut self, request: &Request) -> io::Result<()> {
        let bearer = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
        let now = self.shared.now();
        let is_good = self.shared.state().bearers.get(&bearer).is_some_and(|end| now < *end);
        if !is_good {
            return self.answer(401, None, &error(401, "UNAUTHENTICATED", None));
        }
        let (token, body) = match check::message(&request.body) {
            Ok(message) => message,
            Err(fault) => {
                self.fault(fault);
                return self.answer(400, None, &error(400, "INVALID_ARGUMENT", Some("INVALID_ARGUMENT")));
            }
        };
        let reply = {
            let mut state = self.shared.state();
            let scripted = state.scripts.get_mut(&token).and_then(VecDeque::pop_front);
            let reply = scripted.or_else(|| state.always.get(&token).cloned()).unwrap_or(Reply::Taken);
            if reply == Reply::Unauthorized {
                state.bearers.remove(&bearer);
            }
            state.calls.push(Call { token: token.clone(), body, reply: reply.clone() });
            reply
        };
        let taken = || json!({ "name": format!("projects/{PROJECT}/messages/1") }).to_string();
        match reply {
            Reply::Taken => self.answer(200, None, &taken()),
            Reply::Unregistered => self.answer(404, None, &error(404, "NOT_FOUND", Some("UNREGISTERED"))),
            Reply::InvalidArgument => {
                self.answer(400, None, &error(400, "INVALID_ARGUMENT", Some("INVALID_ARGUMENT")))
            }
            Reply::SenderIdMismatch => {
                self.answer(403, None, &error(403, "PERMISSION_DENIED", Some("SENDER_ID_MISMATCH")))
            }
            Reply::Unauthorized => self.answer(401, None, &error(401, "UNAUTHENTICATED", None)),
            Reply::TooMany(after) => {
                self.answer(429, after, &error(429, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED")))
            }
            Reply::Unavailable(after) => {
                self.answer(503, after, &error(503, "UNAVAILABLE", Some("UNAVAILABLE")))
            }
            Reply::Nonsense => self.answer(200, None, "<html>Welcome to the hotel's network</html>"),
            Reply::TakenUnheard => Err(io::ErrorKind::ConnectionAborted.into()),
            Reply::Other(status, body) => self.answer(status, None, &body),
            Reply::Hang => {
                while !self.shared.released.load(Ordering::Acquire) {
                    if self.over.load(Ordering::Acquire) {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    thread::sleep(STEP);
                }
                self.answer(200, None, &taken())
            }
        }
    }
}

/// An error as Google writes it.
fn error(status: u16, general: &str, own: Option<&str>) -> String {
    let details: Vec<Value> = own
        .map(|code| json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code }))
        .into_iter()
        .collect();
    json!({ "error": { "code": status, "message": "as a test says", "status": general, "details": details } })
        .to_string()
}

/// The tokens of the devices that got something, each once.
#[must_use]
pub fn devices(bodies: &[Value]) -> BTreeSet<String> {
    bodies.iter().filter_map(|body| body["message"]["token"].as_str()).map(str::to_owned).collect()
}
