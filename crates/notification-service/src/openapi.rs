//! The service's HTTP as a document: `/openapi.json` and the page of it.
//!
//! What is answered is described here and with the handlers, devices, preferences and traces beside their own; what it
//! means, in `docs/notification-service.md`.

use serde_json::Value;
use service_kit::problem::CONTENT_TYPE;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

use crate::http::{Listed, OfCategory, Stats};
use crate::inbox::changing::AllRead;
use crate::notification::{Priority, Shown};
use crate::{ledger, push};

#[cfg(test)]
mod tests;

/// The description of the inbox.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "notification-service", description = "Notifications: stored, told by the hub, read, pushed to phones."),
    paths(
        crate::http::list_notifications,
        crate::http::get_stats,
        crate::http::get_notification,
        crate::http::put_read,
        crate::http::put_unread,
        crate::http::delete_notification,
        crate::http::post_restore,
        crate::http::post_read_all,
        crate::http::create::post_notification,
        crate::http::bulk::post_bulk,
        crate::hooks::take
    ),
    components(schemas(
        Shown, Priority, UserIdWord, NewNotification, NewForMany, Created, ToTopic, BulkLine, Listed, Stats, OfCategory,
        AllRead, HookCall, Acknowledgement, Problem, MemberError
    )),
    security(("bearer" = []))
)]
struct Description;

/// The description as a whole.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    document.merge(push::Description::openapi());
    document.merge(ledger::Description::openapi());
    Keys.modify(&mut document);
    Problems.modify(&mut document);
    document
}

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = || HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer().bearer_format("JWT").build()));
        components.add_security_scheme("service_key", SecurityScheme::Http(bearer().build()));
    }
}

/// What the derive does not take of errors that are described once for several paths: their media type, and that they
/// all have one form.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let operations = document.paths.paths.values_mut().flat_map(|path| {
            [&mut path.get, &mut path.post, &mut path.put, &mut path.delete]
                .into_iter()
                .filter_map(Option::as_mut)
                .collect::<Vec<_>>()
        });
        let responses = operations.flat_map(|operation| operation.responses.responses.iter_mut());
        for (_, response) in responses.filter(|(status, _)| status.starts_with(['4', '5'])) {
            if let RefOr::T(response) = response {
                let problem = RefOr::T(Content::new(Some(Ref::from_schema_name("Problem"))));
                response.content = [(CONTENT_TYPE.to_owned(), problem)].into_iter().collect();
            }
        }
    }
}

/// A user's id, in the form in which it was given: `456` and `"456"` are one user.
#[derive(ToSchema)]
#[schema(as = UserId)]
#[serde(untagged)]
#[derive(serde::Serialize)]
#[expect(dead_code, reason = "describes `events::AnyUserId`")]
pub(crate) enum UserIdWord {
    /// A whole number.
    Number(i64),
    /// A string of 1 to 194 bytes.
    Text(String),
}

/// A notification to be created.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct NewNotification {
    /// Whose it is; the caller's where it is absent. Services name a user or a topic.
    user_id: Option<UserIdWord>,
    /// In place of a user: all who follow this topic. For services.
    topic: Option<String>,
    /// Without U+0000.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Without U+0000; empty where it is absent.
    #[schema(max_length = 20000)]
    message: Option<String>,
    /// What it tells of: `A-Za-z0-9_-.:`; `category` where it is absent, `general` without both.
    #[schema(min_length = 1, max_length = 64)]
    r#type: Option<String>,
    /// What it belongs to: `A-Za-z0-9_-.:`; `type` where it is absent, `general` without both.
    #[schema(min_length = 1, max_length = 64)]
    category: Option<String>,
    /// Up to 16 KiB of JSON, at most 64 levels deep.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// `normal` where it is absent.
    priority: Option<Priority>,
    /// In the future: it vanishes by itself then.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A notification for many.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct NewForMany {
    /// Who gets one each.
    #[schema(min_items = 1, max_items = 10000)]
    user_ids: Vec<UserIdWord>,
    /// Without U+0000.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Without U+0000; empty where it is absent.
    #[schema(max_length = 20000)]
    message: Option<String>,
    /// As of one notification.
    r#type: Option<String>,
    /// As of one notification.
    category: Option<String>,
    /// As of one notification.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// As of one notification.
    priority: Option<Priority>,
    /// As of one notification.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What was created.
#[derive(ToSchema, serde::Serialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum Created<'a> {
    /// For one user.
    One(Shown<'a>),
    /// For a topic.
    Topic(ToTopic),
}

/// A notification for all who follow a topic.
#[derive(ToSchema, serde::Serialize)]
pub(crate) struct ToTopic {
    /// The topic.
    topic: String,
    /// How many follow it: each gets one in a moment.
    recipients: i64,
}

/// A line of the answer to a bulk call: of an item, or of the end.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct BulkLine {
    /// Of an item: whether it was created.
    success: Option<bool>,
    /// Of an item: whose it is; `null` where that could not be read.
    user_id: Option<UserIdWord>,
    /// Of one that was created: its id.
    id: Option<i64>,
    /// Of one that was refused: the status that it would have got alone.
    status: Option<u16>,
    /// Of one that was refused: why.
    error: Option<Problem>,
    /// Of the end: that it is it.
    done: Option<bool>,
    /// Of the end: how many are in an inbox.
    created: Option<i64>,
    /// Of the end: how many are stored, and kept from the inbox by a preference.
    filtered: Option<i64>,
    /// Of the end: how many were refused.
    refused: Option<i64>,
}

/// What the hub hands on.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct HookCall {
    /// `mark_read`, `mark_all_read` or `delete`.
    event: String,
    /// What the client sent with it.
    #[schema(value_type = Object)]
    data: String,
    /// The connection's user; `null` where it has none.
    #[schema(required = true)]
    user_id: Option<UserIdWord>,
}

/// What the client is told.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Acknowledgement {
    /// Whether it was done.
    success: bool,
    /// The notification; `null` of `mark_all_read`.
    id: Option<i64>,
    /// What is unread now.
    unread_count: Option<i64>,
    /// How many were unread before, of `mark_all_read`.
    updated: Option<i64>,
    /// Why it was not done: `unauthorized`, `unknown_event`, `invalid`, `not_found`.
    code: Option<String>,
    /// The same in words, for a developer; of `invalid` it names the member.
    message: Option<String>,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Problem {
    /// `about:blank`.
    r#type: String,
    /// A few words about the kind of problem.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What programs go by; it never changes its meaning.
    code: String,
    /// What was wrong, for a developer; absent where the fault is ours.
    detail: Option<String>,
    /// The first of `errors`.
    member: Option<String>,
    /// Every wrong member; with each 422.
    errors: Option<Vec<MemberError>>,
}

/// A wrong member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct MemberError {
    /// Its name.
    member: String,
    /// What is wrong with it.
    message: String,
}

/// Which notification.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; read from the path")]
pub(crate) struct Id {
    /// The notification's id; what is no number names none.
    #[param(minimum = 1)]
    id: i64,
}

/// What the list may be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; read from the query")]
pub(crate) struct ListParameters {
    /// Which page; going by `before` is cheaper far down.
    #[param(minimum = 1, default = 1)]
    page: Option<i64>,
    /// Notifications of a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    per_page: Option<i64>,
    /// Only those that are not read, or only those that are.
    unread: Option<bool>,
    /// Only those of a category.
    category: Option<String>,
    /// Only notifications with lower ids: `next` of the page before.
    #[param(minimum = 1)]
    before: Option<i64>,
}

/// The header that makes a POST repeatable.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; read from the header")]
pub(crate) struct IdempotencyKey {
    /// For 24 h the first success comes again for the same caller, path and key; with another body it is a 422.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

macro_rules! refusals {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $status:literal,)+ })+) => {
        $(
            $(#[$about])*
            #[derive(IntoResponses)]
            #[expect(dead_code, reason = "only described")]
            pub(crate) enum $name {
                $($(#[$doc])* #[response(status = $status, content_type = "application/problem+json")]
                $variant(#[to_schema] Problem),)+
            }
        )+
    };
}

refusals! {
    /// Refusals by the body.
    BodyRefused {
        /// `malformed_json`: no JSON, no UTF-8; `body_incomplete`.
        Malformed = 400,
        /// `too_large`: over 1 MiB.
        TooLarge = 413,
        /// `not_json`: another content type.
        NotJson = 415,
        /// `invalid`: names every wrong member; `idempotency_key_reused`.
        Invalid = 422,
    }
    /// Refusals by the query.
    QueryRefused {
        /// `invalid`: names every wrong parameter.
        Invalid = 422,
    }
    /// Refusals by who reads.
    ReaderRefused {
        /// `unauthorized`: no good access token.
        Unauthorized = 401,
        /// `forbidden`: a service's key.
        Forbidden = 403,
    }
    /// Refusals by who calls.
    CallerRefused {
        /// `unauthorized`: no good access token or key.
        Unauthorized = 401,
        /// `forbidden`: a call of a service made by a user.
        Forbidden = 403,
    }
    /// Refusals by who creates.
    CreatorRefused {
        /// `unauthorized`: no good access token or key.
        Unauthorized = 401,
        /// `forbidden`: a user names another user, or a topic.
        Forbidden = 403,
    }
    /// What is not there.
    NotFound {
        /// `not_found`: nothing that this user may see, or no id.
        NotFound = 404,
    }
    /// A call that is under way.
    KeyInFlight {
        /// `idempotency_key_in_flight`, with `Retry-After`.
        InFlight = 409,
    }
    /// Refusals by the key.
    KeyRefused {
        /// `idempotency_key_in_flight`, with `Retry-After`.
        InFlight = 409,
        /// `idempotency_key_reused`: the key came with another body.
        Reused = 422,
    }
    /// Too many notifications.
    RateLimited {
        /// `rate_limited`, with `Retry-After`: 100 of a user's own in 10 s.
        RateLimited = 429,
    }
    /// What is away.
    Away {
        /// `store_unavailable`, `keys_unavailable`, with `Retry-After`.
        Away = 503,
    }
}
