//! `GET /feeds/{name}`: a service reads the events of a feed by position, page by page, and may wait for the next one.
//!
//! For administrators' keys, and for that of the services (`SERVICE_API_KEY`). Not here: what a feed has and keeps (the
//! engine's `feeds`), and which feeds there are (`config::feeds`).

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use hub::feeds::{FeedEvent, FeedPage};
use protocol::channels::MAX_OFFSET;
use protocol::{Epoch, Position};
use serde::Serialize;
use serde_json::value::RawValue;
use service_kit::problem::Problem;
use tokio::time::{Instant, timeout_at};

use crate::clock::time_of_day;
use crate::operator;
use crate::patience::Bond;
use crate::state::{RETRY_AFTER, State};

/// Events on a page, where nothing else is asked for.
const DEFAULT_LIMIT: usize = 500;

/// The most events on a page.
const MAX_LIMIT: usize = 1_000;

/// The longest that a reader may wait, in seconds: proxies cut what is silent for longer than about a minute.
const MAX_WAIT: u64 = 30;

/// How often is looked whether the reader is still there.
const PEER_LOOK: Duration = Duration::from_millis(500);

/// What a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    after: Option<Position>,
    limit: usize,
    wait: Duration,
}

/// The answer.
#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    types: &'a [Box<str>],
    epoch: String,
    recovered: bool,
    events: Vec<Event<'a>>,
    next: Next,
    end: u64,
}

#[derive(Serialize)]
struct Event<'a> {
    offset: u64,
    id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    data: &'a RawValue,
    timestamp: String,
    user_ids: Vec<&'a str>,
    channels: Vec<&'a str>,
}

#[derive(Serialize)]
struct Next {
    epoch: String,
    offset: u64,
}

impl<'a> Event<'a> {
    fn of(event: &'a FeedEvent) -> serde_json::Result<Self> {
        let publication = event.event.publication();
        Ok(Self {
            offset: event.offset,
            id: publication.id.to_string(),
            event_type: &publication.event_type,
            data: serde_json::from_str(&publication.data)?,
            timestamp: String::from_utf8_lossy(&publication.timestamp.encode()).into_owned(),
            user_ids: event.users().collect(),
            channels: event.channels().collect(),
        })
    }
}

/// `GET /feeds/{name}?epoch=&offset=&limit=&wait=`.
///
/// # Errors
/// The problem that the caller is answered.
pub(crate) async fn read(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    permit(&request, &state)?;
    let name = request.path().strip_prefix("/feeds/").and_then(operator::decoded).unwrap_or_default();
    let asked = Asked::read(request.query_string())?;
    if !state.hub.prepare_feed(&name, asked.after).await {
        let title = "The hub cannot reach its other nodes";
        return Err(Problem::unavailable("broker_down", title, RETRY_AFTER).title(title));
    }
    let mut page = look(&state, &name, &asked)?;
    if page.events.is_empty() && page.recovered && !asked.wait.is_zero() {
        let bond = request.conn_data::<Rc<Bond>>().map(Rc::as_ref);
        page = wait(&state, bond, &name, &asked).await?;
    }
    if page.events.is_empty() && state.hub.is_draining() {
        // Whoever got an empty page would ask again at once.
        return Err(draining());
    }
    let events: Result<Vec<Event<'_>>, _> = page.events.iter().map(Event::of).collect();
    let events = events.map_err(|error| Problem::internal(format!("an event of a feed: {error}")))?;
    let FeedPage { types, epoch, recovered, next, end, .. } = &page;
    let epoch = epoch.to_string();
    let next = Next { epoch: next.epoch.to_string(), offset: next.offset };
    let page = Page { name: &name, types, epoch, recovered: *recovered, events, next, end: *end };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(page))
}

/// Whoever may ask: the services, and operators.
fn permit(request: &HttpRequest, state: &State) -> Result<(), Problem> {
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if authorization.is_some() && state.access().services.authenticate(authorization).is_ok() {
        return Ok(());
    }
    operator::permit(request, state).map(drop)
}

fn look(state: &State, name: &str, asked: &Asked) -> Result<FeedPage, Problem> {
    state.hub.read_feed(name, asked.after, asked.limit, time_of_day()).ok_or_else(|| {
        let detail = "no feed has this name; [[feeds]] in FANFARE_CONFIG makes one";
        Problem::new(StatusCode::NOT_FOUND, "feed_not_found", detail)
    })
}

/// Waits for an event, for the end of the time, or for that of the hub or of the reader.
async fn wait(state: &State, bond: Option<&Bond>, name: &str, asked: &Asked) -> Result<FeedPage, Problem> {
    let Ok(_place) = state.feed_readers.try_acquire() else {
        let title = "As many readers of feeds wait as may";
        return Err(Problem::unavailable("too_many_readers", title, RETRY_AFTER).title(title));
    };
    // A request has to be answered within its time.
    let end = Instant::now() + asked.wait.min(state.request_timeout);
    let mut drain = state.draining.subscribe();
    loop {
        let changed = state.hub.feeds_changed().notified();
        tokio::pin!(changed);
        // Before the look, so that nothing comes in between unnoticed.
        changed.as_mut().enable();
        let page = look(state, name, asked)?;
        if !page.events.is_empty() || !page.recovered {
            return Ok(page);
        }
        let has_ended = async {
            tokio::select! {
                () = &mut changed => false,
                () = peer_gone(bond) => true,
                _ = drain.wait_for(|is_draining| *is_draining) => true,
            }
        };
        if timeout_at(end, has_ended).await.unwrap_or(true) {
            return look(state, name, asked);
        }
    }
}

/// Waits until the peer of a connection has hung up, so that nobody waits in its place.
async fn peer_gone(bond: Option<&Bond>) {
    while !bond.is_some_and(Bond::is_peer_gone) {
        tokio::time::sleep(PEER_LOOK).await;
    }
}

/// How many readers wait.
pub(crate) fn readers(state: &State) -> i64 {
    let waiting = state.most_feed_readers.saturating_sub(state.feed_readers.available_permits());
    i64::try_from(waiting).unwrap_or(i64::MAX)
}

fn draining() -> Problem {
    let title = "The hub is shutting down";
    Problem::unavailable("draining", title, RETRY_AFTER).title(title)
}

impl Asked {
    /// Reads a query; of a parameter that is given twice the last counts, and an empty one is none.
    ///
    /// # Errors
    /// 422 with every parameter that is wrong.
    fn read(query: &str) -> Result<Self, Problem> {
        // Reading pairs fails for no text.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let given: HashMap<&str, &str> = pairs
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let mut wrong: Vec<(&'static str, String)> = Vec::new();
        let mut number = |name: &'static str, least: u64, most: u64| {
            let text = given.get(name)?;
            let number = text.parse().ok().filter(|number| (least..=most).contains(number));
            if number.is_none() {
                wrong.push((name, format!("{name}: an integer from {least} to {most}")));
            }
            number
        };
        let offset = number("offset", 0, MAX_OFFSET);
        let limit = number("limit", 1, MAX_LIMIT as u64);
        let wait = number("wait", 0, MAX_WAIT);
        let epoch = given.get("epoch").map(|text| Epoch::parse(text));
        match (epoch, given.contains_key("offset")) {
            (Some(None), _) => {
                wrong.push(("epoch", "epoch: eight characters, as an answer told them".to_owned()))
            }
            (Some(_), false) => wrong.push(("offset", "offset: it goes with epoch".to_owned())),
            (None, true) => wrong.push(("epoch", "epoch: it goes with offset".to_owned())),
            _ => {}
        }
        if let Some((_, detail)) = wrong.first() {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail.clone());
            return Err(wrong
                .into_iter()
                .fold(problem, |problem, (name, message)| problem.error(name, message)));
        }
        let after = epoch.flatten().zip(offset).map(|(epoch, offset)| Position { epoch, offset });
        Ok(Self {
            after,
            limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT),
            wait: Duration::from_secs(wait.unwrap_or(0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_its_bounds() {
        let epoch = Epoch::from_bits(7);
        let asked = |query: String| Asked::read(&query).map_err(|problem| problem.detail().to_owned());
        let nothing = Asked { after: None, limit: 500, wait: Duration::ZERO };
        assert_eq!(asked(String::new()), Ok(nothing));
        assert_eq!(asked("epoch=&offset=&limit=&wait=&more=7".to_owned()), Ok(nothing));
        assert_eq!(
            asked(format!("epoch={epoch}&offset=0&limit=1000&wait=30&limit=1")),
            Ok(Asked { after: Some(Position { epoch, offset: 0 }), limit: 1, wait: Duration::from_secs(30) })
        );
    }

    #[test]
    fn every_parameter_that_is_wrong_is_told() {
        let members = |query: &str| {
            let problem = Asked::read(query).expect_err(query);
            assert_eq!((problem.status().as_u16(), problem.code()), (422, "invalid"));
            problem.members().iter().map(|error| error.member.to_string()).collect::<Vec<_>>()
        };
        for (query, wrong) in [
            ("limit=0", &["limit"][..]),
            ("limit=1001", &["limit"]),
            ("wait=31", &["wait"]),
            ("wait=-1", &["wait"]),
            ("wait=1.5", &["wait"]),
            ("epoch=short&offset=1", &["epoch"]),
            ("epoch=AAAAAAAA", &["offset"]),
            ("offset=7", &["epoch"]),
            ("epoch=AAAAAAAA&offset=9007199254740992", &["offset"]),
            ("epoch=AAAAAAAA&offset=x&limit=many&wait=long", &["offset", "limit", "wait"]),
        ] {
            assert_eq!(members(query), wrong, "{query}");
        }
    }
}
