//! What callers send, read into types: users, texts, notifications. Every refusal says what is accepted.
//!
//! Not here: whether a user exists, which nobody asks (contract: users need not exist in the user service).

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Payload};
use events::AnyUserId;
use protocol::{UserId, json};
use rest::{Failure, Form, Wrong, body, form};
use serde::Serialize;
use serde_json::value::RawValue;
use service_kit::problem::Problem;

use crate::notification::{Draft, Maker, Priority};

/// A user in a member: a string or a whole number, as in tokens and publications.
pub(crate) fn user(raw: &str) -> Result<AnyUserId, String> {
    let id = UserId::from_json(raw).map_err(|error| format!("must be a user: {error}"))?;
    of(&id).ok_or_else(|| "must be a user: the number has more than 64 bits".to_owned())
}

/// A user of a token.
pub(crate) fn of(id: &UserId) -> Option<AnyUserId> {
    if !id.is_number() {
        return Some(AnyUserId::Text(id.as_str().to_owned()));
    }
    // One spelling: `-0` is a number that is written otherwise when it goes out.
    id.as_str().parse::<i64>().ok().filter(|number| number.to_string() == id.as_str()).map(AnyUserId::Number)
}

/// The longest title, in characters.
const TITLE: usize = 200;

/// The longest message, in characters (contract: services, Everywhere: as a description).
const MESSAGE: usize = 20_000;

/// The longest `data`, in bytes of JSON.
pub(crate) const MAX_DATA: usize = 16 * 1024;

/// How deep `data` may be nested: with all that stands around it well within the hub's 128 levels.
const MAX_DEPTH: usize = 64;

/// The longest name of a type or a category, in characters.
pub(crate) const MAX_WORD: usize = 64;

/// The type and the category of a notification that names neither.
const GENERAL: &str = "general";

/// A notification without its user.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    kind: String,
    category: String,
    title: String,
    message: String,
    data: Box<RawValue>,
    priority: Priority,
    expires_at: Option<i64>,
}

impl Content {
    /// The same, for somebody.
    pub(crate) fn to(&self, user: AnyUserId, made_by: Maker) -> Draft {
        self.clone().into_draft(user, made_by)
    }

    /// For somebody.
    pub(crate) fn into_draft(self, user: AnyUserId, made_by: Maker) -> Draft {
        let Self { kind, category, title, message, data, priority, expires_at } = self;
        Draft { user, kind, category, title, message, data, priority, expires_at, source: None, made_by }
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// As JSON, which [`content`] reads again.
    pub(crate) fn to_json(&self) -> Result<String, Failure> {
        let expires_at = self.expires_at.map(rest::instant::show);
        serde_json::to_string(&Written {
            kind: &self.kind,
            category: &self.category,
            title: &self.title,
            message: &self.message,
            data: &self.data,
            priority: self.priority,
            expires_at,
        })
        .map_err(|error| Failure(Problem::internal(format!("a notification as JSON: {error}"))))
    }
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    category: &'a str,
    title: &'a str,
    message: &'a str,
    data: &'a RawValue,
    priority: Priority,
    expires_at: Option<String>,
}

/// The members of a notification but `user_id`.
///
/// # Errors
/// [`Wrong`]; what is wrong is told by [`Form::finish`].
pub(crate) fn content(members: &mut Form<'_>, now: i64) -> Result<Content, Wrong> {
    let kind = members.optional("type", word);
    let category = members.optional("category", word);
    let title = members.required("title", form::text(1, TITLE));
    let message = members.optional("message", form::text(0, MESSAGE));
    let data = members.optional("data", data);
    let priority = members.optional("priority", form::word(Priority::ALL, Priority::as_str));
    let expires_at = members.optional("expires_at", future(now));
    let (kind, category) = (kind?, category?);
    let either = || kind.clone().or_else(|| category.clone()).unwrap_or_else(|| GENERAL.to_owned());
    Ok(Content {
        category: category.clone().unwrap_or_else(either),
        kind: kind.clone().unwrap_or_else(either),
        title: title?,
        message: message?.unwrap_or_default(),
        data: data?.unwrap_or_else(empty),
        priority: priority?.unwrap_or_default(),
        expires_at: expires_at?,
    })
}

/// The name of a type or a category: 1 to 64 of `A-Za-z0-9_-.:`.
///
/// # Errors
/// What it must be.
pub(crate) fn word(raw: &str) -> Result<String, String> {
    let text: String = serde_json::from_str(raw).map_err(|_| "must be a string".to_owned())?;
    if is_word(&text) {
        return Ok(text);
    }
    Err(format!("must have 1 to {MAX_WORD} characters of A-Z, a-z, 0-9, _, -, . and :"))
}

/// Whether a text is the name of a type or a category.
pub(crate) fn is_word(text: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(is_of_it)
}

/// `{}`.
fn empty() -> Box<RawValue> {
    // It is JSON.
    RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn data(raw: &str) -> Result<Box<RawValue>, String> {
    if !json::is_object(raw) {
        return Err("must be a JSON object".to_owned());
    }
    if raw.len() > MAX_DATA {
        return Err(format!("must have at most {MAX_DATA} bytes of JSON, and has {}", raw.len()));
    }
    if json::is_deeper_than(raw.as_bytes(), MAX_DEPTH) {
        return Err(format!("must not be nested deeper than {MAX_DEPTH} levels"));
    }
    // Half a surrogate pair is no character, and no reader behind the hub could take it.
    serde_json::from_str::<serde_json::Value>(raw).map_err(|error| format!("can't be read: {error}"))?;
    serde_json::from_str(raw).map_err(|error| format!("can't be read: {error}"))
}

fn future(now: i64) -> impl FnOnce(&str) -> Result<i64, String> {
    move |raw| match rest::instant::read(raw)? {
        // What lies behind it would come back as another time.
        rest::instant::LATEST.. => {
            Err("must lie before 9999-12-30T22:00:00Z; leave it out for never".to_owned())
        }
        at if at > now => Ok(at),
        _ => Err("must be in the future".to_owned()),
    }
}

/// A body that is a JSON object; an empty one is `{}`, and then needs no content type.
///
/// # Errors
/// 415, 413, 408, 400.
pub(crate) async fn object(request: &HttpRequest, payload: Payload) -> Result<Bytes, Failure> {
    let is_typed = request.headers().contains_key(CONTENT_TYPE);
    let body = match is_typed {
        true => body::json(request, payload).await?,
        false => body::any(request, payload).await?,
    };
    if body.trim_ascii().is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if !is_typed {
        let detail = "send JSON with Content-Type: application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
    }
    Ok(body)
}
