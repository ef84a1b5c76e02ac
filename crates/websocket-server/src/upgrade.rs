//! The WebSocket handshake: which requests become connections, whose, and how the others are refused.
//!
//! An upgrade leaves actix before routing and middleware, so everything that a request is checked for is checked
//! here. What passes is answered 101, and its socket moves to a shard; actix knows of it no longer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use actix_http::{HttpMessage, Method, Request, StatusCode, Version, h1};
use actix_rt::net::TcpStream;
use hub::{Admission, EndpointIndex, MAX_WINDOW, Naming, Opening, Packing};
use protocol::ConnectionId;
use protocol::websocket::{accept_key, check_key, check_version, negotiate_deflate};
use service_kit::problem::Problem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;

use crate::cluster::prepare;
use crate::config::{EndpointOrigins, ProtocolTest};
use crate::echo;
use crate::http::{ENGINE_IO, SOCKET_IO};
use crate::identify::{Credentials, Outcome, cookie, identify};
use crate::patience::{Patience, give_up_after};
use crate::reactor::Arrival;
use crate::socket::Transport;
use crate::socketio::asked::Refused;
use crate::socketio::handshake::{self, Asking};
use crate::socketio::session::Speech;
use crate::state::{RETRY_AFTER, State};

/// The subprotocol under which a token may travel: `Sec-WebSocket-Protocol: fanfare, <token>`.
const SUBPROTOCOL: &str = "fanfare";

/// The longest request target that is looked at, tokens included: as much as a token may have, and some.
const MAX_TARGET: usize = 16 * 1024;

/// How long the rest of a refused client's bytes is read.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

/// A stream of actix that can be taken away from it.
pub(crate) trait IntoTransport: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The socket, no longer registered anywhere.
    ///
    /// # Errors
    /// The socket could not be taken out of the runtime.
    fn into_transport(self) -> io::Result<Transport>;
}

impl IntoTransport for TcpStream {
    fn into_transport(self) -> io::Result<Transport> {
        // Pings and the outbox' bounds tell from here on.
        give_up_after(&self, None);
        self.into_std().map(Transport::Plain)
    }
}

impl IntoTransport for TlsStream<TcpStream> {
    fn into_transport(self) -> io::Result<Transport> {
        let (socket, session) = self.into_inner();
        give_up_after(&socket, None);
        Ok(Transport::Tls(socket.into_std()?, Box::new(session)))
    }
}

/// Why a handshake is refused, with its name for the metric.
struct Refusal {
    reason: &'static str,
    problem: Problem,
}

impl Refusal {
    fn new(reason: &'static str, status: StatusCode, detail: &'static str) -> Self {
        Self { reason, problem: Problem::new(status, reason, detail) }
    }
}

/// What the client asked for, checked.
struct Handshake {
    path: Path,
    accept: String,
    deflate: Option<&'static str>,
    subprotocol: bool,
    credentials: Credentials,
    /// Over how many milliseconds the client wants its events collected.
    window: u32,
    /// Its place among the connections; none for a session of Socket.IO that has one already.
    admission: Option<Admission>,
    /// What it asks of Socket.IO, where it comes for that.
    asking: Option<Asking>,
}

/// What speaks WebSocket at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Endpoint(EndpointIndex),
    SocketIo(Speech),
    Echo,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// All of the hub.
    Main,
    /// One endpoint, on `/`.
    Own(EndpointIndex),
}

/// Carries a request for an upgrade to its end: a connection of a shard, or a refusal.
///
/// # Errors
/// Never: a socket that breaks meanwhile is nobody's news. The type is actix's.
pub(crate) async fn upgrade<T: IntoTransport>(
    state: Arc<State>,
    surface: Surface,
    (request, framed): (Request, Framed<Patience<T>, h1::Codec>),
) -> Result<(), actix_http::Error> {
    let parts = framed.into_parts();
    let (mut io, read_ahead) = (parts.io.into_inner(), parts.read_buf.to_vec());
    let outcome = match check(&state, surface, &request) {
        Ok(handshake) => accept(&state, handshake, io, read_ahead).await,
        Err(refusal) => {
            state.metrics.handshakes_refused.with_label_values(&[refusal.reason]).inc();
            refuse(&mut io, &refusal.problem, !read_ahead.is_empty()).await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a socket broke during its handshake");
    }
    Ok(())
}

fn text<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// The value of a header that stands there exactly once.
fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r str> {
    let mut values = headers.get_all(name);
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// The comma-separated words of all headers of one name.
fn words<'r>(headers: &'r HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'r str> {
    headers
        .get_all(name)
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// Checks everything that needs no waiting.
fn check(state: &Arc<State>, surface: Surface, request: &Request) -> Result<Handshake, Refusal> {
    let headers = request.headers();
    let Some(path) = path(state, surface, request.path()) else {
        return Err(Refusal::new("not_found", StatusCode::NOT_FOUND, "there is no WebSocket at this path"));
    };
    let bad = |reason, detail| Err(Refusal::new(reason, StatusCode::BAD_REQUEST, detail));
    if request.method() != Method::GET {
        return bad("bad_handshake", "a WebSocket handshake is a GET request");
    }
    if !words(headers, &UPGRADE).any(|word| word.eq_ignore_ascii_case("websocket")) {
        return bad("bad_handshake", "the only upgrade here is Upgrade: websocket");
    }
    if request.version() != Version::HTTP_11 {
        return bad(
            "bad_handshake",
            "a WebSocket handshake is HTTP/1.1; mind what a proxy in between speaks",
        );
    }
    if !words(headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade")) {
        return bad("bad_handshake", "Connection: Upgrade is missing; a proxy in between may drop it");
    }
    if text(headers, &CONTENT_LENGTH).is_some_and(|length| length != "0") {
        return bad("bad_handshake", "a WebSocket handshake has no body");
    }
    if !text(headers, &SEC_WEBSOCKET_VERSION).is_some_and(check_version) {
        let mut refusal =
            Refusal::new("bad_version", StatusCode::UPGRADE_REQUIRED, "the WebSocket version is 13");
        refusal.problem = refusal.problem.header("Sec-WebSocket-Version", "13");
        return Err(refusal);
    }
    let Some(key) = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| check_key(key)) else {
        return bad("bad_handshake", "Sec-WebSocket-Key, which stands there once, is 16 bytes in base64");
    };
    let target = request.uri().query().unwrap_or_default();
    if target.len() > MAX_TARGET {
        return Err(Refusal::new("too_large", StatusCode::URI_TOO_LONG, "the query is longer than 16 KiB"));
    }
    // Of two origins nobody can tell which is the page's.
    let origin = headers.contains_key(ORIGIN).then(|| only(headers, &ORIGIN).unwrap_or_default());
    let endpoint = match path {
        Path::Endpoint(index) => Some(&state.endpoints[usize::from(index)]),
        Path::SocketIo(_) | Path::Echo => None,
    };
    let is_public = endpoint.is_some_and(|endpoint| endpoint.origins == EndpointOrigins::Any);
    if !is_public && !state.access().origins.allows_websocket(origin) {
        let detail = "pages from this Origin may not connect; CORS_ALLOWED_ORIGINS lists those that may";
        return Err(Refusal::new("forbidden_origin", StatusCode::FORBIDDEN, detail));
    }
    let asking = match path {
        Path::SocketIo(speech) => Some(Asking::read(target, speech, origin).map_err(refused)?),
        _ => None,
    };
    let batching = endpoint.is_some_and(|endpoint| endpoint.dialect.defaults().batching);
    let window = match query(target, "batch").filter(|_| batching) {
        None => 0,
        Some(text) => match text.parse() {
            Ok(window) if window <= MAX_WINDOW => window,
            _ => return bad("bad_handshake", "batch is a number of milliseconds from 0 to 10000"),
        },
    };
    let is_new = asking.as_ref().is_none_or(Asking::is_new);
    if is_new && state.hub.is_draining() {
        return Err(unavailable("draining", "The hub is shutting down"));
    }
    let admission = if is_new { state.hub.admit() } else { None };
    if is_new && admission.is_none() {
        return Err(unavailable("connection_limit", "The hub has as many connections as it may have"));
    }
    let mut protocols = words(headers, &SEC_WEBSOCKET_PROTOCOL);
    let subprotocol = protocols.next() == Some(SUBPROTOCOL);
    let token = query(target, "token")
        .or_else(|| bearer(text(headers, &AUTHORIZATION)?))
        .or_else(|| protocols.next().filter(|_| subprotocol).map(str::to_owned));
    // A browser sends cookies from any page, so only trusted pages may use them.
    let cookies = text(headers, &COOKIE)
        .filter(|_| state.access().origins.allows_cookie(origin, text(headers, &HOST)))
        .map(str::to_owned);
    let name = endpoint.and_then(|endpoint| endpoint.cookie.as_deref());
    let credentials = Credentials {
        token,
        cookie: cookies.as_deref().zip(name).and_then(|(cookies, name)| cookie(cookies, name)),
        cookies,
        is_forwarded: headers.keys().any(|name| auth::is_forwarding_header(name.as_str())),
    };
    let offers = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).filter_map(|value| value.to_str().ok());
    // The frames of a session are also what its polls are answered with.
    let is_plain = asking.is_some() || state.hub.limits().deflate_min.is_none();
    let deflate = (path == Path::Echo || !is_plain).then(|| negotiate_deflate(offers)).flatten();
    let accept = accept_key(key);
    Ok(Handshake { path, accept, deflate, subprotocol, credentials, window, admission, asking })
}

/// What is at a path of a listener.
fn path(state: &State, surface: Surface, path: &str) -> Option<Path> {
    match surface {
        Surface::Own(index) => (path == "/").then_some(Path::Endpoint(index)),
        Surface::Main if path == "/echo" && state.protocol_test == ProtocolTest::On => Some(Path::Echo),
        Surface::Main if SOCKET_IO.contains(&path) => Some(Path::SocketIo(Speech::SocketIo)),
        Surface::Main if ENGINE_IO.contains(&path) && state.protocol_test == ProtocolTest::On => {
            Some(Path::SocketIo(Speech::Echo))
        }
        Surface::Main => {
            let place = state.endpoints.iter().position(|endpoint| endpoint.is_at(path))?;
            EndpointIndex::try_from(place).ok().map(Path::Endpoint)
        }
    }
}

/// What Engine.IO's own server says to a handshake that it does not take.
fn refused(refused: Refused) -> Refusal {
    Refusal { reason: refused.reason(), problem: handshake::problem(refused) }
}

fn unavailable(reason: &'static str, title: &'static str) -> Refusal {
    Refusal { reason, problem: Problem::unavailable(reason, title, RETRY_AFTER).title(title) }
}

/// A member of the query, decoded.
fn query(query: &str, member: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    pairs.into_iter().find(|(name, value)| name == member && !value.is_empty()).map(|(_, value)| value)
}

/// The token of an `Authorization` header.
pub(crate) fn bearer(authorization: &str) -> Option<String> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// An id that nobody can guess.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn connection_id() -> io::Result<ConnectionId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(ConnectionId::from_random(u128::from_ne_bytes(id)))
}

async fn accept<T: IntoTransport>(
    state: &Arc<State>,
    handshake: Handshake,
    mut io: T,
    read_ahead: Vec<u8>,
) -> io::Result<()> {
    let Handshake { path, accept, deflate, subprotocol, credentials, window, admission, asking } = handshake;
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(extension) = deflate {
        response.push_str(&format!("Sec-WebSocket-Extensions: {extension}\r\n"));
    }
    if subprotocol {
        response.push_str(&format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"));
    }
    response.push_str("\r\n");
    let impatient = !read_ahead.is_empty();
    let index = match (path, asking) {
        (Path::Endpoint(index), _) => index,
        (Path::SocketIo(_), Some(asking)) => {
            let response = response.as_bytes();
            let back = handshake::accept(state, asking, admission, response, io, read_ahead).await?;
            let Some((mut io, fault)) = back else { return Ok(()) };
            let Refusal { reason, problem } = refused(fault);
            state.metrics.handshakes_refused.with_label_values(&[reason]).inc();
            return refuse(&mut io, &problem, impatient).await;
        }
        (Path::SocketIo(_), None) => return Ok(()),
        (Path::Echo, _) => {
            io.write_all(response.as_bytes()).await?;
            return echo::run(io, read_ahead, deflate.is_some()).await;
        }
    };
    let Some(admission) = admission else { return Ok(()) };
    let outcome = identify(state, &state.endpoints[usize::from(index)], credentials).await;
    let (identity, naming, refusal) = match outcome {
        Outcome::Open(identity, naming) => (identity, naming, None),
        Outcome::Close(disconnect) => (None, Naming::Own, Some(disconnect)),
        Outcome::Refuse(reason, problem) => {
            state.metrics.handshakes_refused.with_label_values(&[reason]).inc();
            return refuse(&mut io, &problem, !read_ahead.is_empty()).await;
        }
    };
    if refusal.is_none() {
        let user = identity.as_ref().map(|identity| &identity.user);
        prepare(&state.hub, Some(index), user).await;
    }
    io.write_all(response.as_bytes()).await?;
    io.flush().await?;
    let packing = if deflate.is_some() { Packing::Deflate } else { Packing::Plain };
    let wire = state.hub.endpoint(index).wire(packing);
    let opening = Opening {
        endpoint: index,
        naming,
        window,
        refusal,
        ..Opening::new(connection_id()?, wire, identity, admission)
    };
    state.open(Arrival { transport: io.into_transport()?, read_ahead, opening });
    Ok(())
}

/// Answers a request that becomes no connection. The stream is closed behind the answer. Where the client did not
/// wait for it, what is still on its way is read: a socket closed over unread bytes takes its last answer back.
async fn refuse(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    problem: &Problem,
    impatient: bool,
) -> io::Result<()> {
    let body = problem.body();
    let status = problem.status();
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nContent-Length: {}\r\nConnection: close\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    );
    for (name, value) in problem.headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&body);
    io.write_all(&bytes).await?;
    io.shutdown().await?;
    if impatient {
        let rest = async {
            let mut buffer = [0; 4096];
            while matches!(io.read(&mut buffer).await, Ok(count) if count > 0) {}
        };
        // Whoever still sends then has had the time to read.
        let _ = tokio::time::timeout(REFUSAL_LINGER, rest).await;
    }
    Ok(())
}
