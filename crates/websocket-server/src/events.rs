//! Server-sent events: `GET /events` becomes a connection of a shard, and `POST /events/ticket` gives a ticket for it.
//!
//! The request is checked as a handshake of `/ws` is, but for what can be said here and not there: a bad token is 401,
//! a page that may not read the answer 403. Not here: what the request asks for (`request`), the way of the bytes
//! (`queue`), and what they say (the engine).

pub(crate) mod queue;
mod request;

use std::rc::Rc;
use std::time::Instant;

use actix_web::body::None as NoBody;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, ORIGIN};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use hub::{Identity, Opening, Wire};
use serde::Serialize;
use service_kit::problem::Problem;

use self::request::{Asked, Return};
use crate::access;
use crate::cluster::prepare;
use crate::config::EndpointAuth;
use crate::patience::Bond;
use crate::reactor::Arrival;
use crate::socket::Transport;
use crate::state::{RETRY_AFTER, State};
use crate::tickets::{LIFE, Use};
use crate::upgrade::{bearer, connection_id};

/// What tells nginx not to keep back what is small.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How soon a client comes back that was not told when: after 1 to 3 s, each after another time, since all of them come
/// when a server is back.
const RETURN_MS: (u64, u64) = (1_000, 2_000);

/// `GET /events`, and `HEAD`, which is answered the same and opens nothing.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn stream(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    open(&request, &state).await.inspect_err(|problem| {
        state.metrics.handshakes_refused.with_label_values(&[problem.code()]).inc();
    })
}

async fn open(request: &HttpRequest, state: &State) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(request)?;
    let mut origins = request.headers().get_all(ORIGIN);
    let origin = origins.next().map(|origin| origin.to_str().unwrap_or_default());
    // Of two origins nobody can tell which is the page's.
    if origins.next().is_some() || !state.access().origins.allows_request(origin) {
        let detail = "pages from this Origin may not connect; CORS_ALLOWED_ORIGINS lists those that may";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden_origin", detail));
    }
    let Return::With(given) = asked.back else {
        // The only answers that make a browser's EventSource stop are errors, and this.
        return Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish());
    };
    if state.hub.is_draining() {
        return Err(unavailable("draining", "The hub is shutting down"));
    }
    let Some(admission) = state.hub.admit() else {
        return Err(unavailable("connection_limit", "The hub has as many connections as it may have"));
    };
    let is_head = request.method() == Method::HEAD;
    let how = if is_head { Use::Not } else { Use::Up };
    let identity = identify(request, state, &asked.credentials, how).await?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((BUFFERING, "no"));
    if is_head {
        return Ok(response.body(NoBody::new()));
    }
    prepare(&state.hub, Some(0), identity.as_ref().map(|identity| &identity.user)).await;
    let first = request::subscribe(&asked.channels, &given, identity.as_ref());
    let id = connection_id().map_err(|error| Problem::internal(error.to_string()))?;
    let shard = state.next_reactor();
    let bond = request.conn_data::<Rc<Bond>>().cloned();
    let (writer, body) = queue::pair(shard.clone(), bond);
    let (least, span) = RETURN_MS;
    #[expect(clippy::cast_possible_truncation, reason = "some of the random bits are enough")]
    let retry = format!("retry: {}\n\n", least + id.as_u128() as u64 % span);
    writer.write(retry.as_bytes()).map_err(|error| Problem::internal(error.to_string()))?;
    let opening =
        Opening { first: Some(first.into()), ..Opening::new(id, Wire::Events, identity, admission) };
    shard.open(Arrival { transport: Transport::Queue(writer), read_ahead: Vec::new(), opening });
    Ok(answer(request, response, body))
}

/// The answer that goes on. HTTP/1.0 knows no chunks: there the end of the connection is the end of the answer.
fn answer(request: &HttpRequest, mut response: HttpResponseBuilder, body: queue::Body) -> HttpResponse {
    let mut response = response.body(body);
    if request.version() < Version::HTTP_11 {
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    response
}

fn unavailable(code: &'static str, title: &'static str) -> Problem {
    Problem::unavailable(code, title, RETRY_AFTER).title(title)
}

fn unauthorized(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

/// How a request says whose it is.
#[derive(Debug, Default)]
struct Credentials {
    ticket: Option<String>,
    token: Option<String>,
}

/// Whose connection it is. As on `/ws`, who knows no users lets everybody in.
async fn identify(
    request: &HttpRequest,
    state: &State,
    credentials: &Credentials,
    how: Use,
) -> Result<Option<Identity>, Problem> {
    // What holds on `/ws` holds here.
    let policy = state.endpoints[0].auth;
    if policy == EndpointAuth::Off {
        return Ok(None);
    }
    if let Some(ticket) = &credentials.ticket {
        let identity = state.tickets.redeem(ticket, how, Instant::now());
        return identity.map(Some).ok_or_else(|| {
            unauthorized(
                "the ticket is used, too old, or not of this process; POST /events/ticket gives another",
            )
        });
    }
    match credentials.token.clone().or_else(|| header_token(request)) {
        Some(token) => verify(state, &token).await.map(Some),
        None if policy != EndpointAuth::Optional => Err(unauthorized(
            "send a token: Authorization: Bearer, ?token=, or a ticket of POST /events/ticket",
        )),
        None => Ok(None),
    }
}

fn header_token(request: &HttpRequest) -> Option<String> {
    bearer(request.headers().get(AUTHORIZATION)?.to_str().unwrap_or_default())
}

async fn verify(state: &State, token: &str) -> Result<Identity, Problem> {
    state.access().verifier.verify(token).await.map(access::identity).map_err(|error| {
        state.metrics.handshakes_refused.with_label_values(&[error.cause()]).inc();
        tracing::debug!(cause = error.cause(), "a token was refused");
        if error.is_our_fault() {
            Problem::unavailable("keys_unavailable", error.to_string(), RETRY_AFTER)
        } else {
            unauthorized(error.to_string())
        }
    })
}

/// The answer of `POST /events/ticket`.
#[derive(Serialize)]
struct Issued {
    ticket: String,
    expires_in_s: u64,
}

/// `POST /events/ticket`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn ticket(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    if state.hub.is_draining() {
        return Err(unavailable("draining", "The hub is shutting down"));
    }
    let token = header_token(&request).ok_or_else(|| {
        unauthorized("send the token that the ticket is to stand for as Authorization: Bearer")
    })?;
    let identity = verify(&state, &token).await?;
    let ticket = state
        .tickets
        .issue(identity, Instant::now())
        .map_err(|error| Problem::internal(error.to_string()))?;
    let body = Issued { ticket, expires_in_s: LIFE.as_secs() };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
}
