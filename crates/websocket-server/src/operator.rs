//! What operators ask of the hub, with an administrator's key: its channels, one of them, a user's connections, and
//! their end.
//!
//! Without keys whoever may publish is the operator, which is this machine alone. Everything is of this process. Not
//! here: how the engine finds it.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use hub::{ConnectionInfo, HistoryInfo, StreamInfo};
use protocol::UserId;
use protocol::timestamp::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use service_kit::problem::Problem;

use crate::clock::time_of_day;
use crate::publish::{authorize, problem_of_refusal};
use crate::state::State;

/// Channels on a page, where nothing else is asked for.
const DEFAULT_LIMIT: usize = 100;

/// The most channels on a page.
const MAX_LIMIT: usize = 1_000;

/// The most users that are listed of one channel; the count is of all.
const MAX_PRESENT: usize = 1_000;

/// The most connections that are listed of one user; the count is of all.
const MAX_CONNECTIONS: usize = 1_000;

/// A page of channels.
#[derive(Serialize)]
struct Page {
    channels: Vec<Row>,
    /// What `after` is for the next page; none where this was the last.
    next: Option<String>,
}

/// A channel on a page. Who is there is not told: each channel would be a question to all shards.
#[derive(Serialize)]
struct Row {
    name: String,
    subscribers: u32,
    followers: u32,
    /// The offset of its last event; none where nothing was published.
    offset: Option<u64>,
    durable: bool,
}

/// One channel.
#[derive(Serialize)]
struct Channel {
    name: String,
    subscribers: u32,
    followers: u32,
    presence: Present,
    history: Option<History>,
    retained: usize,
}

#[derive(Serialize)]
struct Present {
    count: usize,
    users: Vec<User>,
}

#[derive(Serialize)]
struct User {
    user_id: Box<RawValue>,
    since: String,
}

#[derive(Serialize)]
struct History {
    epoch: String,
    offset: u64,
    kept: usize,
    durable: bool,
    oldest: Option<String>,
    youngest: Option<String>,
}

/// A user's connections.
#[derive(Serialize)]
struct Connections {
    user_id: String,
    count: usize,
    connections: Vec<ConnectionInfo>,
}

#[derive(Serialize)]
struct Disconnected {
    disconnected: u32,
}

impl Row {
    fn new(info: StreamInfo) -> Self {
        let StreamInfo { name, subscribers, followers, history, .. } = info;
        let durable = history.as_ref().is_some_and(|history| history.is_durable);
        Self { name, subscribers, followers, offset: history.map(|history| history.offset), durable }
    }
}

impl History {
    fn new(info: HistoryInfo) -> Self {
        let HistoryInfo { epoch, offset, kept, is_durable: durable, between } = info;
        let (oldest, youngest) = between.map(|(oldest, youngest)| (text(oldest), text(youngest))).unzip();
        Self { epoch, offset, kept, durable, oldest, youngest }
    }
}

/// `GET /channels?after=&limit=`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn channels(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    permit(&request, &state)?;
    let (after, limit) = page(request.query_string())?;
    // One more than are told tells whether there are more.
    let mut names = state.hub.stream_names(&after, limit + 1);
    let has_more = names.len() > limit;
    names.truncate(limit);
    let next = names.last().filter(|_| has_more).cloned();
    let now = time_of_day();
    // One whose last follower has gone since is left out.
    let channels = names.iter().filter_map(|name| state.hub.stream_info(name, now)).map(Row::new).collect();
    Ok(unkept(&Page { channels, next }))
}

/// `GET /channels/{name}`.
///
/// # Errors
/// The problem that the caller is answered; 404 for a channel that nobody follows and of which nothing is known.
pub(crate) async fn channel(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    permit(&request, &state)?;
    let name = request.path().strip_prefix("/channels/").and_then(decoded);
    let info = name.and_then(|name| state.hub.stream_info(&name, time_of_day())).ok_or_else(|| {
        let detail = "nobody follows this channel, and nothing is known of it here";
        Problem::new(StatusCode::NOT_FOUND, "channel_not_found", detail)
    })?;
    let StreamInfo { name, subscribers, followers, history, retained, .. } = info;
    let listing = state.hub.present(&name, MAX_PRESENT).await;
    let users = listing
        .users
        .iter()
        .filter_map(|(user, since)| Some(User { user_id: as_it_came(user)?, since: text(*since) }));
    let presence = Present { count: listing.count, users: users.collect() };
    let history = history.map(History::new);
    Ok(unkept(&Channel { name, subscribers, followers, presence, history, retained }))
}

/// `GET /users/{id}/connections`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn connections(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    permit(&request, &state)?;
    let user = user(&request, "/connections")?;
    let mut connections = state.hub.connections_of(user.as_str()).await;
    let count = connections.len();
    connections.truncate(MAX_CONNECTIONS);
    Ok(unkept(&Connections { user_id: user.as_str().to_owned(), count, connections }))
}

/// `POST /users/{id}/disconnect`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn disconnect(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    let key = permit(&request, &state)?;
    let user = user(&request, "/disconnect")?;
    let disconnected = state.hub.disconnect_user(user.as_str()).await;
    tracing::info!(key, disconnected, "an operator disconnected a user");
    Ok(unkept(&Disconnected { disconnected }))
}

/// The name of the operator's key; empty without one.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) fn permit(request: &HttpRequest, state: &State) -> Result<String, Problem> {
    let publisher = authorize(request, state)?;
    publisher.may_operate().map_err(|refusal| problem_of_refusal(&refusal))?;
    Ok(publisher.key_name().unwrap_or_default().to_owned())
}

/// An answer that is true for the moment alone.
fn unkept(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body)
}

/// The part of the list that is asked for; of a parameter that is given twice the last counts.
fn page(query: &str) -> Result<(String, usize), Problem> {
    // Reading pairs fails for no text.
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let (mut after, mut limit) = (String::new(), DEFAULT_LIMIT);
    for (name, value) in pairs {
        match &*name {
            "after" => after = value,
            "limit" if value.is_empty() => limit = DEFAULT_LIMIT,
            "limit" => {
                limit =
                    value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                        let detail = format!("limit: an integer from 1 to {MAX_LIMIT}");
                        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).member("limit")
                    })?;
            }
            _ => {}
        }
    }
    Ok((after, limit))
}

/// The user of `/users/{id}` with that behind it.
fn user(request: &HttpRequest, behind: &str) -> Result<UserId, Problem> {
    let id =
        request.path().strip_prefix("/users/").and_then(|rest| rest.strip_suffix(behind)).and_then(decoded);
    id.and_then(|id| UserId::from_text(&id).ok()).ok_or_else(|| {
        let detail = "id: a user's id has 1 to 194 bytes and no control characters";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).member("id")
    })
}

/// A part of a path without its escapes (RFC 3986 §2.1); none where they are no escapes, or no text.
pub(crate) fn decoded(part: &str) -> Option<String> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(out).ok()
}

/// A user's id as JSON, a number where it came as one.
fn as_it_came(user: &UserId) -> Option<Box<RawValue>> {
    let text = user.as_str();
    let json = if user.is_number() { text.to_owned() } else { serde_json::to_string(text).ok()? };
    RawValue::from_string(json).ok()
}

fn text(time: Timestamp) -> String {
    String::from_utf8_lossy(&time.encode()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_are_read_without_their_escapes() {
        for (part, name) in [
            ("jobs", "jobs"),
            ("a%2Fb/c", "a/b/c"),
            ("user:7", "user:7"),
            ("%40all", "@all"),
            ("a+b", "a+b"),
            ("%C3%A4", "ä"),
        ] {
            assert_eq!(decoded(part).as_deref(), Some(name));
        }
        for part in ["%", "%2", "%zz", "a%+1", "%FF"] {
            assert_eq!(decoded(part), None, "{part}");
        }
    }

    #[test]
    fn a_page_has_its_bounds() {
        assert_eq!(page("").ok(), Some((String::new(), 100)));
        assert_eq!(page("after=a%2Fb&limit=1000&x=1").ok(), Some(("a/b".to_owned(), 1_000)));
        for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=99999999999999999999"] {
            assert_eq!(page(query).err().map(|problem| problem.code()), Some("invalid"), "{query}");
        }
    }
}
