//! The service's HTTP as a document: `/openapi.json` and the page of it.
//!
//! What is answered is described here and with the handlers; what it means, in `docs/chat-service.md`.

use service_kit::problem::CONTENT_TYPE;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

use crate::message::{Block, Conversation, Message, Position};

#[cfg(test)]
mod tests;

/// The description as a whole.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "chat-service", description = "Messages between two users: stored first, then told by the hub."),
    paths(
        crate::http::list_conversations,
        crate::http::get_unread,
        crate::http::list_messages,
        crate::http::post_message,
        crate::http::post_read,
        crate::http::blocks::list_blocks,
        crate::http::blocks::get_block,
        crate::http::blocks::put_block,
        crate::http::blocks::delete_block,
        crate::hooks::take
    ),
    components(schemas(
        Message, Conversation, Block, Position, UserIdWord, NewMessage, ReadUpTo, Unread, MessageList, ConversationList,
        BlockList, HookCall, Acknowledgement, Problem, MemberError
    )),
    modifiers(&Keys, &Problems),
    security(("bearer" = []))
)]
pub(crate) struct Description;

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

/// A message to be sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct NewMessage {
    /// 1 to 4,096 bytes of UTF-8, not blank, without control characters but tab and newline.
    #[schema(min_length = 1, max_length = 4096)]
    message: String,
    /// Who writes; only where a service calls.
    from_user_id: Option<UserIdWord>,
}

/// Up to where the caller has read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct ReadUpTo {
    /// A message of the other's.
    #[schema(minimum = 1)]
    message_id: i64,
}

/// What the caller has not read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Unread {
    /// Messages of all conversations.
    unread_count: i64,
}

/// A page of messages.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct MessageList {
    /// The messages, newest first.
    items: Vec<Message>,
    /// `before` of the next page; `null` on the last.
    #[schema(required = true)]
    next: Option<i64>,
}

/// A page of conversations.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct ConversationList {
    /// The conversations, the latest first.
    items: Vec<Conversation>,
    /// The cursor of what follows; `null` on the last page.
    #[schema(required = true)]
    next: Option<String>,
}

/// A page of blocks.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct BlockList {
    /// The blocks, the latest first.
    items: Vec<Block>,
    /// The cursor of what follows; `null` on the last page.
    #[schema(required = true)]
    next: Option<String>,
}

/// What the hub hands on.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct HookCall {
    /// `send_message`, `typing` or `mark_read`.
    event: String,
    /// What the client sent with it.
    #[schema(value_type = Object)]
    data: String,
    /// The connection's user; `null` where it has none.
    #[schema(required = true)]
    user_id: Option<UserIdWord>,
    /// What the token says that the user is.
    user_type: Option<String>,
    /// The connection, which does not get its own message back.
    connection_id: Option<String>,
    /// The call's own id: a repeat has the same.
    id: Option<String>,
}

/// What the client is told.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Acknowledgement {
    /// Whether it was done.
    success: bool,
    /// The message, of `send_message`.
    id: Option<i64>,
    /// Where the reader is, of `mark_read`.
    message_id: Option<i64>,
    /// What is unread of the other, of `mark_read`.
    unread_count: Option<i64>,
    /// Why it was not done: `unauthorized`, `unknown_event`, `invalid`, `blocked`, `rate_limited`, `not_found`,
    /// `forbidden`, `idempotency_key_reused`.
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
    /// A sentence for a developer; none where the fault is ours.
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

/// The other of a conversation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; read from the path")]
pub(crate) struct Other {
    /// The other user; a whole number from 1 to 2^53 - 1 is one, everything else is a text.
    user_id: String,
}

/// What a list may be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; read from the query")]
pub(crate) struct ListParameters {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items of a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
}

/// What messages may be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; read from the query")]
pub(crate) struct HistoryParameters {
    /// Only messages with lower ids: `next` of the page before.
    #[param(minimum = 1)]
    before: Option<i64>,
    /// Messages of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
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
        /// `malformed_json`: no JSON, no UTF-8, or no body; `body_incomplete`.
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
        /// `forbidden`: a call of a service made by a user or the other way round, or a message of the caller's own.
        Forbidden = 403,
    }
    /// Refusals by who writes.
    SenderRefused {
        /// `unauthorized`: no good access token or key.
        Unauthorized = 401,
        /// `blocked`: the recipient does not take messages of this user.
        Blocked = 403,
    }
    /// What is not there.
    NotFound {
        /// `not_found`: nothing that this user may see, or no user's id.
        NotFound = 404,
    }
    /// The block list is full.
    TooMany {
        /// `too_many_blocks`: at most 1,000.
        TooMany = 409,
    }
    /// Blocking oneself.
    OneselfRefused {
        /// `invalid`: nobody can block themselves.
        Invalid = 422,
    }
    /// A call that is under way.
    KeyInFlight {
        /// `idempotency_key_in_flight`, with `Retry-After`.
        InFlight = 409,
    }
    /// Too many messages.
    RateLimited {
        /// `rate_limited`, with `Retry-After`: 300 messages in 10 s.
        RateLimited = 429,
    }
    /// What is away.
    Away {
        /// `store_unavailable`, `keys_unavailable`, with `Retry-After`.
        Away = 503,
    }
}
