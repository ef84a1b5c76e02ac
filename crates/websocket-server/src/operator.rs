//! What operators ask of the hub, with an administrator's key: its channels, one of them, a user's connections, and
//! their end.
//!
//! Without keys whoever may publish is the operator, which is this machine alone. In a cluster channels are those of all
//! nodes (`scope=node`: of this one), and a user's connections always are. Not here: how the engine finds it, and how other
//! nodes are asked (`nodes`).

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use hub::{ConnectionInfo, HistoryInfo, StreamInfo};
use protocol::timestamp::Timestamp;
use protocol::{ChannelName, UserId};
use serde::Serialize;
use serde_json::value::RawValue;
use service_kit::problem::Problem;

use crate::clock::time_of_day;
use crate::nodes::{self, Row, Scope};
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

/// A page of channels. Who is there is not told: each channel would be a question to all shards.
#[derive(Serialize)]
struct Page {
    channels: Vec<Row>,
    /// What `after` is for the next page; none where this was the last.
    next: Option<String>,
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
    let (mut channels, missing) = match Scope::of(request.query_string(), Scope::Cluster)? {
        Scope::Node => (nodes::channels(&state, &after, limit + 1), 0),
        Scope::Cluster => nodes::all_channels(&state, &after, limit + 1).await,
    };
    let has_more = channels.len() > limit;
    channels.truncate(limit);
    let next = channels.last().filter(|_| has_more).map(|row| row.name.clone());
    Ok(of_nodes(&Page { channels, next }, missing))
}

/// `GET /channels/{name}`.
///
/// # Errors
/// The problem that the caller is answered; 404 for a channel that nobody follows and of which nothing is known.
pub(crate) async fn channel(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    permit(&request, &state)?;
    let scope = Scope::of(request.query_string(), Scope::Cluster)?;
    let unknown = || {
        let detail = "nobody follows this channel, and nothing is known of it here";
        Problem::new(StatusCode::NOT_FOUND, "channel_not_found", detail)
    };
    let name = request.path().strip_prefix("/channels/").and_then(decoded).ok_or_else(unknown)?;
    let mut others = ((0, 0), 0);
    if scope == Scope::Cluster && state.hub.is_clustered() && is_stream(&name) {
        // What it keeps is here from then on; where that can't be had, what is here is told.
        state.hub.prepare(&[&name]).await;
        others = nodes::others_in(&state.hub, &name).await;
    }
    let ((subscribers, followers), missing) = others;
    let mut info = state.hub.stream_info(&name, time_of_day()).ok_or_else(unknown)?;
    info.subscribers = info.subscribers.saturating_add(subscribers);
    info.followers = info.followers.saturating_add(followers);
    if let Some(history) = &mut info.history {
        history.is_durable |= nodes::is_durable(&state, &name);
    }
    let StreamInfo { name, subscribers, followers, history, retained, .. } = info;
    let listing = state.hub.present(&name, MAX_PRESENT).await;
    let users = listing
        .users
        .iter()
        .filter_map(|(user, since)| Some(User { user_id: as_it_came(user)?, since: text(*since) }));
    let presence = Present { count: listing.count, users: users.collect() };
    // A stream that was asked for is known, though it never had anything.
    let is_nothing = history.as_ref().is_none_or(|history| history.offset == 0);
    if state.hub.is_clustered() && is_nothing && followers == 0 && retained == 0 && presence.count == 0 {
        return Err(unknown());
    }
    let history = history.map(History::new);
    Ok(of_nodes(&Channel { name, subscribers, followers, presence, history, retained }, missing))
}

/// `GET /users/{id}/connections`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn connections(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    permit(&request, &state)?;
    let user = user(&request, "/connections")?;
    let (nodes::Connections { count, mut connections }, missing) =
        nodes::all_connections(&state.hub, user.as_str()).await;
    connections.truncate(MAX_CONNECTIONS);
    Ok(of_nodes(&Connections { user_id: user.as_str().to_owned(), count, connections }, missing))
}

/// `POST /users/{id}/disconnect`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn disconnect(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    let key = permit(&request, &state)?;
    let user = user(&request, "/disconnect")?;
    let (disconnected, missing) = nodes::disconnect(&state.hub, user.as_str()).await;
    tracing::info!(key, disconnected, missing, "an operator disconnected a user");
    Ok(of_nodes(&Disconnected { disconnected }, missing))
}

/// The name of the operator's key; empty without one.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) fn permit(request: &HttpRequest, state: &State) -> Result<String, Problem> {
    let access = state.access();
    let publisher = authorize(request, &access)?;
    publisher.may_operate().map_err(|refusal| problem_of_refusal(&refusal))?;
    Ok(publisher.key_name().unwrap_or_default().to_owned())
}

/// An answer that is true for the moment alone, and how many nodes are missing in it.
fn of_nodes(body: &impl Serialize, missing: usize) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if missing > 0 {
        response.insert_header((nodes::MISSING, missing));
    }
    response.json(body)
}

/// Whether a name can be that of a stream: only then other nodes, and the broker, are asked for it.
fn is_stream(name: &str) -> bool {
    ChannelName::check(name).is_ok()
        || name.starts_with('@') && name.len() <= 400 && !name.chars().any(char::is_control)
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
