//! The service's REST: conversations, messages, read positions; the block list is in [`blocks`]. A user sees only the own.
//!
//! Not here: what clients send over the hub ([`crate::hooks`]), and the description for readers ([`crate::openapi`]).

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use rest::caller::unauthorized;
use rest::form::MAX_ID;
use rest::idempotency::{self, Begin};
use rest::list::{MAX_LIMIT, Page, Query};
use rest::metrics::resource;
use rest::{Caller, Failure, Form, body, form, trace};
use serde::Serialize;
use serde_json::json;

use crate::announce::Origin;
use crate::message::Message;
use crate::table::Draft;
use crate::{ChatService, forms, hooks, reading, table};

pub(crate) mod blocks;

/// Messages of a page (contract: socketio, Chat REST).
const HISTORY: i64 = 50;

/// To whom the keys of services' calls belong.
const SERVICE: &str = "service";

/// Adds the service's paths.
pub(crate) fn configure(service: &ChatService, config: &mut ServiceConfig) {
    let data = Data::new(service.clone());
    let block = resource("/blocks/{user_id}", "GET, PUT, DELETE")
        .route(web::get().to(blocks::get_block))
        .route(web::put().to(blocks::put_block))
        .route(web::delete().to(blocks::delete_block));
    let messages = resource("/{user_id}/messages", "GET, POST")
        .route(web::get().to(list_messages))
        .route(web::post().to(post_message));
    config
        .service(
            service
                .watch
                .scope("/api/chat")
                .app_data(data.clone())
                .service(resource("/conversations", "GET").route(web::get().to(list_conversations)))
                .service(resource("/unread", "GET").route(web::get().to(get_unread)))
                .service(resource("/blocks", "GET").route(web::get().to(blocks::list_blocks)))
                .service(messages)
                .service(resource("/{user_id}/read", "POST").route(web::post().to(post_read)))
                .service(block),
        )
        .service(
            service
                .watch
                .scope("/hooks/chat")
                .app_data(data)
                .service(resource("", "POST").route(web::post().to(hooks::take))),
        );
}

/// The caller's conversations, the latest first.
#[utoipa::path(get, path = "/api/chat/conversations", tag = "chat", params(crate::openapi::ListParameters),
    responses((status = 200, description = "A page of conversations", body = crate::openapi::ConversationList),
        crate::openapi::ReaderRefused, crate::openapi::QueryRefused, crate::openapi::Away))]
pub(crate) async fn list_conversations(
    request: HttpRequest,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let owner = user.text();
    let mut errors = Vec::new();
    let page = Page::of(&Query::of(&request), &["conversations", &owner], &mut errors);
    form::invalid(errors)?;
    let rows = table::conversations(&service.desk.store, &owner, page.before, page.rows()).await?;
    Ok(HttpResponse::Ok().json(page.list(rows, |conversation| conversation.last_message.id)))
}

/// How many messages the caller has not read, of all conversations.
#[utoipa::path(get, path = "/api/chat/unread", tag = "chat",
    responses((status = 200, description = "The number", body = crate::openapi::Unread),
        crate::openapi::ReaderRefused, crate::openapi::Away))]
pub(crate) async fn get_unread(
    request: HttpRequest,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let unread_count = table::unread(&service.desk.store, &user.text()).await?;
    Ok(HttpResponse::Ok().json(json!({"unread_count": unread_count})))
}

/// The messages between the caller and another, newest first.
#[utoipa::path(get, path = "/api/chat/{user_id}/messages", tag = "chat",
    params(crate::openapi::Other, crate::openapi::HistoryParameters),
    responses((status = 200, description = "A page of messages; none of somebody whom the caller never wrote with", body = crate::openapi::MessageList),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::QueryRefused, crate::openapi::Away))]
pub(crate) async fn list_messages(
    request: HttpRequest,
    path: Path<String>,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let other = other(&path)?;
    let query = Query::of(&request);
    let mut errors = Vec::new();
    let mut number = |name: &'static str, most: i64, otherwise: i64| {
        let Some(text) = query.get(name) else { return otherwise };
        let found = text.parse().ok().filter(|number| (1..=most).contains(number));
        found.unwrap_or_else(|| {
            errors.push((name, format!("must be a whole number from 1 to {most}")));
            otherwise
        })
    };
    let before = number("before", MAX_ID, MAX_ID);
    let limit = number("limit", MAX_LIMIT, HISTORY);
    form::invalid(errors)?;
    // One more than shown tells whether there is a next page.
    let mut items =
        table::history(&service.desk.store, &user.text(), &other.text(), before, limit + 1).await?;
    let is_more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = items.last().filter(|_| is_more).map(|message| message.id);
    Ok(HttpResponse::Ok().json(History { items, next }))
}

/// A page of messages.
#[derive(Debug, Serialize)]
struct History {
    items: Vec<Message>,
    /// `before` of the next page: the lowest id of this one.
    next: Option<i64>,
}

/// Writes to somebody: as the caller, or for a service as `from_user_id`.
#[utoipa::path(post, path = "/api/chat/{user_id}/messages", tag = "chat",
    security(("bearer" = []), ("service_key" = [])),
    params(crate::openapi::Other, crate::openapi::IdempotencyKey), request_body = crate::openapi::NewMessage,
    responses((status = 201, description = "Stored, and on its way", body = Message),
        crate::openapi::BodyRefused, crate::openapi::SenderRefused, crate::openapi::NotFound,
        crate::openapi::KeyInFlight, crate::openapi::RateLimited, crate::openapi::Away))]
pub(crate) async fn post_message(
    request: HttpRequest,
    payload: Payload,
    path: Path<String>,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let caller = service.callers.caller(&request).await?;
    let to = other(&path)?;
    let body = body::json(&request, payload).await?;
    let user = match caller {
        Caller::User(token) => Some(known(&token.user_id)?),
        Caller::Service => None,
    };
    let name = user.as_ref().map_or(SERVICE.into(), |user| format!("user:{}", user.text()));
    let desk = service.desk.clone();
    let fresh = match desk.idempotency.begin(&desk.store, &request, &name, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let mut members = Form::parse(&body)?;
    let from = match user {
        Some(user) => Ok(user),
        None => members.required("from_user_id", forms::user),
    };
    let message = members.required("message", forms::text(desk.max_message));
    members.finish()?;
    let draft = Draft { from: from?, to, message: message? };
    trace::uninterrupted(async move {
        let (status, text) = desk.send(draft, Origin(None), &fresh, created).await?;
        Ok(idempotency::json(status, text))
    })
    .await
}

/// What whoever posts a message is told.
fn created(message: &Message) -> (StatusCode, String) {
    // Strings, numbers and a truth: it can always be written.
    (StatusCode::CREATED, serde_json::to_string(message).unwrap_or_default())
}

/// Marks the other's messages as read, up to one of them.
#[utoipa::path(post, path = "/api/chat/{user_id}/read", tag = "chat",
    params(crate::openapi::Other, crate::openapi::IdempotencyKey), request_body = crate::openapi::ReadUpTo,
    responses((status = 200, description = "Where the caller is now", body = crate::message::Position),
        crate::openapi::BodyRefused, crate::openapi::CallerRefused, crate::openapi::NotFound,
        crate::openapi::KeyInFlight, crate::openapi::Away))]
pub(crate) async fn post_read(
    request: HttpRequest,
    payload: Payload,
    path: Path<String>,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let reader = user(&service, &request).await?;
    let other = other(&path)?;
    let body = body::json(&request, payload).await?;
    let desk = service.desk.clone();
    let name = format!("user:{}", reader.text());
    let fresh = match desk.idempotency.begin(&desk.store, &request, &name, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let mut members = Form::parse(&body)?;
    let message_id = members.required("message_id", forms::message_id);
    members.finish()?;
    let message_id = message_id?;
    trace::uninterrupted(async move {
        let position = desk.mark_read(&reader, message_id, Some(&other), &fresh).await?;
        Ok(idempotency::json(StatusCode::OK, reading::text(position)?))
    })
    .await
}

/// The user who calls.
async fn user(service: &ChatService, request: &HttpRequest) -> Result<AnyUserId, Failure> {
    match service.callers.caller(request).await? {
        Caller::User(token) => known(&token.user_id),
        Caller::Service => Err(Failure::forbidden("this call is a user's, not a service's")),
    }
}

fn known(id: &protocol::UserId) -> Result<AnyUserId, Failure> {
    forms::of(id).ok_or_else(|| unauthorized("the token's user is a number of more than 64 bits"))
}

/// The other, as the path says.
fn other(path: &str) -> Result<AnyUserId, Failure> {
    forms::user_in_path(path).ok_or_else(|| Failure::not_found("this can be no user"))
}
