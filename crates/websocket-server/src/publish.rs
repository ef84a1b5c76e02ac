//! ① `POST /broadcast` and `/broadcast/batch`: HTTP → authorised, validated publication.
//!
//! Not here: what the hub does with it, and the shape of a publication (the protocol's).

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use auth::{Publisher, RequestFacts};
use futures_util::StreamExt;
use hub::idempotency::{Answer, Begin, ScopedKey};
use hub::{Accepted, Fate, Outgoing, PublishError, Recipients};
use protocol::channel::{ALL, outside_namespaces, user_of};
use protocol::publication::{PublishRequest, RequestError, Sanitize, check_idempotency_key};
use protocol::trace::{TRACEPARENT, TraceContext};
use protocol::{PublicationId, Target};
use service_kit::problem::Problem;
use service_kit::telemetry::LogLimiter;
use tracing::field;

use crate::access::Access;
use crate::clock::time_of_day;
use crate::state::{RETRY_AFTER, State};
use crate::{sanitize, turn};

/// The header of a single publication's key.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Publications waiting for the shards from which on publish calls wait as well: some tens of milliseconds of
/// writing, a sixteenth of the default queue.
const PACE: usize = 4096;

/// How often a waiting call looks again, and how many times: for a second at most, then the queue's bound decides.
const PACE_TURN: Duration = Duration::from_millis(1);
const PACE_TURNS: u32 = 1000;

/// Items of a batch between two looks at the queue.
const PACE_ITEMS: usize = 64;

/// Lines about publications per second; the counters tell the rest.
static BROADCASTS: LogLimiter = LogLimiter::new(20);

/// `POST /broadcast`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn broadcast(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let started = Instant::now();
    turn::begin_worker();
    let answer = async {
        let access = state.access();
        let publisher = authorize(&request, &access)?;
        let key = header_key(request.headers())?;
        let body = body(&request, payload, &state).await?;
        pace(&state).await;
        let mut parsed = PublishRequest::parse(&body).map_err(|error| problem_of(&error))?;
        parsed.trace = parsed.trace.or_else(|| header_trace(request.headers()));
        publish(&state, &publisher, parsed, key, None).await?.answer().await
    }
    .await
    .inspect_err(|problem| refused(&state, problem))?;
    state.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
    let mut text = Vec::with_capacity(96);
    write_answer(&mut text, answer);
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

/// `POST /broadcast/batch`.
///
/// # Errors
/// The problem that the caller is answered; one item's problem is in the answer.
pub(crate) async fn batch(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let started = Instant::now();
    turn::begin_worker();
    let text = async {
        let access = state.access();
        let publisher = authorize(&request, &access)?;
        let body = body(&request, payload, &state).await?;
        let items = PublishRequest::split_batch(&body).map_err(|error| problem_of(&error))?;
        Ok(publish_items(&state, &publisher, items, header_trace(request.headers())).await)
    }
    .await
    .inspect_err(|problem| refused(&state, problem))?;
    state.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

/// Publishes the items in their order. Once one fails because the hub takes no more, all later ones do. `trace` is the
/// trace of those that name none. No item waits for the disk before the next is handed over, so that they are written
/// together.
async fn publish_items(
    state: &State,
    publisher: &Publisher<'_>,
    items: Vec<&str>,
    trace: Option<TraceContext>,
) -> Vec<u8> {
    let fate = Arc::new(Fate::default());
    let mut handed = Vec::with_capacity(items.len());
    for (n, item) in items.into_iter().enumerate() {
        if n.is_multiple_of(PACE_ITEMS) {
            pace(state).await;
        }
        handed.push(match (fate.failure(), PublishRequest::from_text(item)) {
            (Some(error), _) => Err(overload(error)),
            (None, Ok(mut parsed)) => {
                parsed.trace = parsed.trace.or(trace);
                let key = parsed.idempotency_key.clone();
                publish(state, publisher, parsed, key, Some(&fate)).await
            }
            (None, Err(error)) => Err(problem_of(&error)),
        });
    }
    let mut text = Vec::with_capacity(2 + handed.len() * 96);
    text.push(b'[');
    for (n, handed) in handed.into_iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        let answer = match handed {
            Ok(handed) => handed.answer().await,
            Err(problem) => Err(problem),
        };
        match answer {
            Ok(answer) => write_answer(&mut text, answer),
            Err(problem) => {
                refused(state, &problem);
                write_problem(&mut text, &problem);
            }
        }
    }
    text.push(b']');
    text
}

/// Lets the shards catch up: a publisher that posts faster than its events can be written is answered later, which
/// slows it down before anything has to be refused.
async fn pace(state: &State) {
    for _ in 0..PACE_TURNS {
        if state.hub.queued() < PACE || state.hub.is_draining() {
            return;
        }
        tokio::time::sleep(PACE_TURN).await;
    }
}

/// A publication that is with the hub, or was before.
enum Handed {
    /// Its key's first call was answered so.
    Repeat(Answer),
    /// The hub has it.
    Taken(Box<Taken>),
}

/// A publication that the hub has, and what its answer and the log need.
struct Taken {
    accepted: Accepted,
    id: PublicationId,
    only_connection: bool,
    trace: Option<TraceContext>,
    /// The type for the log, with the number of lines that were left out; none where this one is.
    logged: Option<(Box<str>, u64)>,
}

impl Handed {
    /// Waits until clients can have it: for the disk where it has to be there first, and for the count.
    async fn answer(self) -> Result<Answer, Problem> {
        let taken = match self {
            Self::Repeat(answer) => return Ok(answer),
            Self::Taken(taken) => *taken,
        };
        let Taken { accepted, id, only_connection, trace, logged } = taken;
        let recipients = match accepted.queued().await.map_err(overload)? {
            Recipients::Repeated(answer) => return Ok(answer),
            recipients => recipients.count().await,
        };
        if only_connection && recipients == 0 {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "connection_not_found",
                "no connection has this connection_id",
            )
            .member("connection_id"));
        }
        if let Some((event_type, suppressed)) = logged {
            let trace_id = trace.map(|trace| field::display(trace.trace_id()));
            let span = tracing::info_span!("publication", %id, trace_id);
            span.in_scope(|| {
                tracing::info!(
                    suppressed,
                    "broadcasted '{}' to {recipients} clients",
                    event_type.escape_debug()
                )
            });
        }
        Ok(Answer { id, recipients })
    }
}

/// Hands one to the hub, or finds the answer that its key had before. The hub answers those who repeat it, even if
/// this caller goes away.
async fn publish(
    state: &State,
    publisher: &Publisher<'_>,
    mut request: PublishRequest,
    key: Option<Box<str>>,
    fate: Option<&Arc<Fate>>,
) -> Result<Handed, Problem> {
    permit(state, publisher, &request)?;
    let key = match key {
        None => None,
        Some(key) => {
            let scope: Arc<str> = publisher.key_name().unwrap_or_default().into();
            match state.idempotency.begin(ScopedKey { scope, key }).await {
                Begin::Repeat(answer) => return Ok(Handed::Repeat(answer)),
                Begin::First(first) => Some(first),
            }
        }
    };
    if request.sanitize == Sanitize::Yes {
        request.data = sanitize::data(&request.data).into();
    }
    let id = request.id.unwrap_or_else(PublicationId::now);
    let accepted = time_of_day();
    let (close_sessions, trace, retain) =
        (request.close_sessions.take(), request.trace, request.retain.take());
    let (is_transient, namespace) = (request.is_transient, request.namespace.take());
    let (publication, target, except) = request.into_publication(id, accepted);
    let only_connection = matches!(
        &target,
        Target::Named(audience) if audience.streams.is_empty() && audience.connection.is_some()
    );
    let logged = BROADCASTS.allow().map(|suppressed| (publication.event_type.clone(), suppressed));
    let outgoing = Outgoing {
        except,
        close_sessions,
        is_transient,
        namespace,
        retain,
        key,
        fate: fate.cloned(),
        ..Outgoing::new(publication, target, accepted)
    };
    let accepted = state.hub.publish(outgoing).map_err(|error| {
        if let Some(fate) = fate {
            fate.fail(error);
        }
        overload(error)
    })?;
    Ok(Handed::Taken(Box::new(Taken { accepted, id, only_connection, trace, logged })))
}

fn overload(error: PublishError) -> Problem {
    let code = error.reason();
    let title = match error {
        PublishError::Overloaded => "The hub takes no more at the moment",
        PublishError::Draining => "The hub is shutting down",
        PublishError::StorageFull => "The disk is full",
        PublishError::StorageFailed => "The store cannot be written",
        PublishError::BrokerDown => "The hub cannot reach its other nodes",
    };
    Problem::unavailable(code, error.to_string(), RETRY_AFTER).title(title)
}

/// Streams of one publication in a cluster, at most: each of them stores the names of all, so 1,000 take 33 MB and half a second
/// of Redis (measured), and twice as many four times as much.
const MOST_STREAMS: usize = 1_000;

/// Whether key and rules let the publisher reach every stream of the target, and end sessions where it wants to.
fn permit(state: &State, publisher: &Publisher<'_>, request: &PublishRequest) -> Result<(), Problem> {
    if request.close_sessions.is_some() {
        publisher.may_operate().map_err(|refusal| problem_of_refusal(&refusal))?;
    }
    let check = |stream: &str| {
        let stream = outside_namespaces(stream);
        publisher.may_publish(stream).map_err(|refusal| problem_of_refusal(&refusal))?;
        if state.hub.rules().may_publish(publisher.key_name(), stream) {
            return Ok(());
        }
        let detail = "the channel rules do not let this key publish there";
        Err(Problem::new(StatusCode::FORBIDDEN, "key_not_allowed", detail))
    };
    match &request.target {
        Target::Named(audience) if state.hub.is_clustered() && audience.streams.len() > MOST_STREAMS => {
            let users = audience.streams.iter().filter(|stream| user_of(stream.as_str()).is_some()).count();
            let member = if 2 * users > audience.streams.len() { "user_ids" } else { "channels" };
            let detail = format!(
                "{member}: in a cluster one publication has at most {MOST_STREAMS} targets; send it in several"
            );
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).member(member))
        }
        Target::Everyone => check(ALL),
        Target::Named(audience) => audience.streams.iter().try_for_each(|stream| check(stream.as_str())),
    }
}

/// Who a request comes from, if it may publish or ask at all.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) fn authorize<'a>(request: &HttpRequest, access: &'a Access) -> Result<Publisher<'a>, Problem> {
    let Some(peer) = request.peer_addr() else {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not_local", "the connection has no peer address"));
    };
    let facts = RequestFacts::of(peer.ip(), request.head());
    access.publishers.authorize(&facts).map_err(|refusal| problem_of_refusal(&refusal))
}

/// A refusal as an answer.
pub(crate) fn problem_of_refusal(refusal: &auth::Refusal) -> Problem {
    Problem::new(
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN),
        refusal.code(),
        refusal.to_string(),
    )
}

fn problem_of(error: &RequestError) -> Problem {
    match error {
        RequestError::Malformed(_) => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed_json", error.to_string())
        }
        RequestError::TooDeep => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_deep", error.to_string())
        }
        RequestError::Invalid { member, message } => {
            let detail = format!("{member}: {message}");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).member(*member)
        }
    }
}

/// The key of the header, which must be readable where it is there at all.
fn header_key(headers: &HeaderMap) -> Result<Option<Box<str>>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    check_idempotency_key(key).map_err(|detail| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).member("Idempotency-Key")
    })?;
    Ok(Some(key.into()))
}

/// The trace of the header. Two of them are none, as one that cannot be read (W3C Trace Context §3.2.1, §4.3).
fn header_trace(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(TRACEPARENT);
    let value = values.next()?;
    if values.next().is_some() { None } else { TraceContext::parse(value.to_str().ok()?) }
}

/// The whole body, bounded in size and time.
async fn body(request: &HttpRequest, payload: Payload, state: &State) -> Result<Bytes, Problem> {
    let limit = state.request_timeout;
    tokio::time::timeout(limit, read_body(request, payload, state)).await.unwrap_or_else(|_| {
        let detail = format!("the body did not come whole within {} ms (REQUEST_TIMEOUT)", limit.as_millis());
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
            .header("Connection", "close"))
    })
}

async fn read_body(request: &HttpRequest, mut payload: Payload, state: &State) -> Result<Bytes, Problem> {
    let max_body = state.max_body();
    let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let is_json = media.eq_ignore_ascii_case("application/json")
        || (media.len() > 5 && media.as_bytes()[media.len() - 5..].eq_ignore_ascii_case(b"+json"));
    if !is_json {
        let detail = "send JSON with Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
    }
    let too_large = || {
        let detail = format!("a body has at most {} bytes (MAX_BODY)", max_body);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    };
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > max_body) {
        return Err(too_large());
    }
    let broken =
        || Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body could not be read to its end");
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(|_| broken())?;
    // Most bodies are one chunk, which needs no copy.
    if Some(first.len()) == declared && first.len() <= max_body {
        return Ok(first);
    }
    let mut body = BytesMut::from(&first[..]);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| broken())?;
        if body.len() + chunk.len() > max_body {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    if body.len() > max_body { Err(too_large()) } else { Ok(body.freeze()) }
}

fn refused(state: &State, problem: &Problem) {
    state.metrics.publish_refused.with_label_values(&[problem.code()]).inc();
}

fn write_answer(out: &mut Vec<u8>, answer: Answer) {
    let mut id = [0; 36];
    out.extend_from_slice(b"{\"success\":true,\"id\":\"");
    out.extend_from_slice(answer.id.encode(&mut id).as_bytes());
    out.extend_from_slice(b"\",\"recipients\":");
    out.extend_from_slice(answer.recipients.to_string().as_bytes());
    out.push(b'}');
}

fn write_problem(out: &mut Vec<u8>, problem: &Problem) {
    out.extend_from_slice(
        format!("{{\"success\":false,\"status\":{},\"error\":", problem.status().as_u16()).as_bytes(),
    );
    out.extend_from_slice(&problem.body());
    out.push(b'}');
}
