//! Requests of polling: `GET` for what there is, `POST` for what a client sends.
//!
//! A request is checked here as far as it can be without its session, which its reactor has. Errors are those of
//! Engine.IO's own server, since clients know them: `{"code":1,"message":"Session ID unknown"}`. Not here: WebSockets
//! (`handshake`).

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use actix_web::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ORIGIN, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use protocol::socketio::VERSION;
use serde::Serialize;
use tokio::sync::oneshot;

use super::asked::{Answer, Asked, Caller, Refused};
use super::session::Speech;
use super::sid::Sid;
use crate::patience::Bond;
use crate::reactor::Handle;
use crate::state::State;
use crate::turn;

/// The longest query that is looked at: a few words and an id.
const MAX_QUERY: usize = 4 * 1024;

/// Sessions whose payload is on its way, of one reactor. Bounded by its HTTP connections.
#[derive(Debug, Default)]
pub(crate) struct Posting(Mutex<HashSet<Sid>>);

impl Posting {
    fn begin(self: &Arc<Self>, sid: Sid) -> Option<Turn> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sid);
        is_new.then(|| Turn { posting: Arc::clone(self), sid })
    }
}

/// A payload that is on its way.
struct Turn {
    posting: Arc<Posting>,
    sid: Sid,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.posting.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.sid);
    }
}

/// What a query says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// `transport`.
    pub transport: Option<String>,
    /// `EIO`.
    pub version: Option<String>,
    /// `sid`.
    pub sid: Option<String>,
}

impl Query {
    /// Reads a query; of a name that stands there twice the first counts.
    #[must_use]
    pub(super) fn read(query: &str) -> Self {
        let mut read = Self::default();
        if query.len() > MAX_QUERY {
            return read;
        }
        // Reading pairs fails for no text.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        for (name, value) in pairs {
            let place = match &*name {
                "transport" => &mut read.transport,
                "EIO" => &mut read.version,
                "sid" => &mut read.sid,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        read
    }

    /// The session that it names; none where it names none.
    ///
    /// # Errors
    /// What it names cannot be one.
    pub(super) fn session(&self) -> Result<Option<Sid>, Refused> {
        match self.sid.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => Sid::parse(text).map(Some).ok_or(Refused::UnknownSession),
        }
    }
}

/// Why a request is not taken.
enum Refusal {
    /// As Engine.IO's own server says it.
    Engine(Refused),
    /// The body is larger than a payload may be.
    TooLarge,
    /// The hub has no room, or is shutting down; with the metric's name.
    Unavailable(&'static str),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Engine(refused)
    }
}

/// A request at `/socket.io/`.
pub(crate) async fn socketio(request: HttpRequest, body: Payload, state: Data<State>) -> HttpResponse {
    respond(&request, body, &state, Speech::SocketIo).await
}

/// A request at `/engine.io/`, which is there in the protocol test.
pub(crate) async fn engineio(request: HttpRequest, body: Payload, state: Data<State>) -> HttpResponse {
    respond(&request, body, &state, Speech::Echo).await
}

async fn respond(request: &HttpRequest, body: Payload, state: &State, speech: Speech) -> HttpResponse {
    match take(request, body, state, speech).await {
        Ok(answer) => answered(answer),
        Err(refusal) => {
            let reason = match &refusal {
                Refusal::Engine(refused) => refused.reason(),
                Refusal::TooLarge => "too_large",
                Refusal::Unavailable(reason) => reason,
            };
            state.metrics.handshakes_refused.with_label_values(&[reason]).inc();
            refused(&refusal)
        }
    }
}

async fn take(
    request: &HttpRequest,
    body: Payload,
    state: &State,
    speech: Speech,
) -> Result<Answer, Refusal> {
    let query = Query::read(request.query_string());
    match query.transport.as_deref() {
        Some("polling") => {}
        // One comes by an upgrade, and that is no request that gets here.
        Some("websocket") => return Err(Refused::BadRequest.into()),
        _ => return Err(Refused::UnknownTransport.into()),
    }
    let mut origins = request.headers().get_all(ORIGIN);
    let origin = origins.next().map(|origin| origin.to_str().unwrap_or_default());
    // Of two origins nobody can tell which is the page's.
    if origins.next().is_some() || !state.access().origins.allows_request(origin) {
        return Err(Refused::Forbidden.into());
    }
    let caller = Caller { speech, origin: origin.map(Into::into) };
    let Some(sid) = query.session()? else {
        if request.method() != Method::GET {
            return Err(Refused::BadMethod.into());
        }
        if query.version.as_deref() != Some(VERSION) {
            return Err(Refused::UnsupportedVersion.into());
        }
        return open(state, caller).await;
    };
    let reactor = state.reactors.get(sid.reactor()).ok_or(Refused::UnknownSession)?;
    match *request.method() {
        Method::GET => poll(request, reactor, sid, caller).await,
        Method::POST => post(request, body, state, reactor, sid, caller).await,
        _ => Err(Refused::BadRequest.into()),
    }
}

async fn open(state: &State, caller: Caller) -> Result<Answer, Refusal> {
    if state.hub.is_draining() {
        return Err(Refusal::Unavailable("draining"));
    }
    let admission = state.hub.admit().ok_or(Refusal::Unavailable("connection_limit"))?;
    let (answer, answered) = oneshot::channel();
    ask(state.next_reactor(), Asked::Open { caller, admission, answer });
    answered.await.map_err(|_| Refusal::Unavailable("draining"))
}

/// Puts a question before a reactor, which is woken at the end of this worker's turn.
fn ask(reactor: &Arc<Handle>, asked: Asked) {
    reactor.put(asked);
    turn::wake_at_end(reactor);
}

async fn poll(
    request: &HttpRequest,
    reactor: &Arc<Handle>,
    sid: Sid,
    caller: Caller,
) -> Result<Answer, Refusal> {
    let (answer, answered) = oneshot::channel();
    let bond = request.conn_data::<Rc<Bond>>().cloned();
    // The answer may take as long as there is nothing to say.
    let _silence = bond.clone().map(Silence::begin);
    ask(reactor, Asked::Poll { sid, caller, answer });
    let mut answered = pin!(answered);
    poll_fn(|cx| {
        // Nothing is to be answered to nobody: it waits for the next poll.
        if bond.as_ref().is_some_and(|bond| bond.is_peer_gone()) {
            return Poll::Ready(Err(Refused::BadRequest.into()));
        }
        answered.as_mut().poll(cx).map_err(|_| Refused::UnknownSession.into())
    })
    .await
}

/// A time in which silence of a connection means nothing.
struct Silence(Rc<Bond>);

impl Silence {
    fn begin(bond: Rc<Bond>) -> Self {
        bond.answer_without_end(true);
        Self(bond)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.answer_without_end(false);
    }
}

async fn post(
    request: &HttpRequest,
    body: Payload,
    state: &State,
    reactor: &Arc<Handle>,
    sid: Sid,
    caller: Caller,
) -> Result<Answer, Refusal> {
    let Some(_turn) = reactor.posting().begin(sid) else {
        return fault(reactor, sid, caller).await;
    };
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/octet-stream")) {
        // Bytes as they are were for revision 3.
        return fault(reactor, sid, caller).await;
    }
    let Some(body) = read(body, state.socketio.max_payload).await? else {
        return fault(reactor, sid, caller).await;
    };
    let Ok(body) = String::from_utf8(body.into()) else { return fault(reactor, sid, caller).await };
    let (answer, answered) = oneshot::channel();
    ask(reactor, Asked::Post { sid, caller, body, answer });
    answered.await.map_err(|_| Refused::UnknownSession.into())
}

/// Reads a payload of at most so many bytes; none where it broke off.
async fn read(mut body: Payload, most: usize) -> Result<Option<Bytes>, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else { return Ok(None) };
        if bytes.len() + chunk.len() > most {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

/// The client broke the rules of requests, which ends its session.
async fn fault(reactor: &Arc<Handle>, sid: Sid, caller: Caller) -> Result<Answer, Refusal> {
    let (answer, answered) = oneshot::channel();
    ask(reactor, Asked::Fault { sid, caller, answer });
    answered.await.map_err(|_| Refused::UnknownSession.into())
}

/// The body of an error.
#[derive(Serialize)]
struct Said {
    code: u8,
    message: &'static str,
}

fn answered(answer: Answer) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    match answer {
        Answer::Payload(payload) => {
            response.insert_header((CONTENT_TYPE, "text/plain; charset=UTF-8")).body(payload)
        }
        // As Engine.IO's own server does: some browsers offer text/plain as a download.
        Answer::Taken => response.insert_header((CONTENT_TYPE, "text/html")).body("ok"),
        Answer::Refused(refusal) => refused(&refusal.into()),
    }
}

fn refused(refusal: &Refusal) -> HttpResponse {
    let engine = |refused: Refused| Said { code: refused.code(), message: refused.message() };
    let (status, said) = match refusal {
        Refusal::Engine(Refused::Forbidden) => (StatusCode::FORBIDDEN, engine(Refused::Forbidden)),
        Refusal::Engine(refused) => (StatusCode::BAD_REQUEST, engine(*refused)),
        Refusal::TooLarge => {
            let said = Said { code: Refused::BadRequest.code(), message: "Payload too large" };
            (StatusCode::PAYLOAD_TOO_LARGE, said)
        }
        Refusal::Unavailable(_) => {
            let said = Said { code: Refused::Forbidden.code(), message: "Service unavailable" };
            (StatusCode::SERVICE_UNAVAILABLE, said)
        }
    };
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store"));
    match refusal {
        Refusal::Unavailable(_) => {
            response.insert_header((RETRY_AFTER, crate::state::RETRY_AFTER.as_secs().to_string()));
        }
        // What is left of the body is not read.
        Refusal::TooLarge => {
            response.insert_header((CONNECTION, "close"));
        }
        Refusal::Engine(_) => {}
    }
    response.json(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_is_written() {
        let read = Query::read("EIO=4&transport=polling&t=abc&sid=x%2By&sid=z");
        assert_eq!(read.transport.as_deref(), Some("polling"));
        assert_eq!((read.version.as_deref(), read.sid.as_deref()), (Some("4"), Some("x+y")));
        assert_eq!(Query::read(""), Query::default());
        assert_eq!(Query::read(&format!("EIO=4&t={}", "x".repeat(MAX_QUERY))), Query::default());
        assert_eq!(Query::read("sid=").session(), Ok(None));
        assert_eq!(Query::read("sid=abc").session(), Err(Refused::UnknownSession));
    }

    #[test]
    fn one_payload_of_a_session_is_on_its_way_at_a_time() {
        let posting = Arc::new(Posting::default());
        let sid = Sid::new(1, 0).expect("randomness");
        let turn = posting.begin(sid).expect("the first");
        assert!(posting.begin(sid).is_none());
        assert!(posting.begin(Sid::new(1, 0).expect("randomness")).is_some(), "another session's");
        drop(turn);
        assert!(posting.begin(sid).is_some());
    }
}
