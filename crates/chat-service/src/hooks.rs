//! `POST /hooks/chat`: what clients send over the hub, as it hands them on (contract: socketio, Client → server). For the
//! hub alone, by the service key.
//!
//! The body is `{event, data, user_id, user_type, connection_id, id}`; the answer is the client's acknowledgement: 200 with
//! `{"success":true,…}`, or with `{"success":false,"code","message"}` where what the client sent is refused. What is the
//! hub's fault or ours is a problem: the hub tells its client so, or tries again.
//!
//! The hub may send a call again whose answer it did not hear. Its `id` makes that harmless: a message is stored once, and
//! its answer comes again; a repeat that comes while the first call runs waits for its end.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use rest::idempotency::{self, Begin, Fresh, MAX_KEY};
use rest::{Failure, Form, body, form, trace};
use serde_json::{Value, json};
use service_kit::problem::Problem;

use crate::ChatService;
use crate::announce::Origin;
use crate::blocking;
use crate::desk::Desk;
use crate::forms;
use crate::message::Message;
use crate::metrics::Typed;
use crate::table::Draft;

/// The events that the service takes.
const EVENTS: [&str; 3] = ["send_message", "typing", "mark_read"];

/// How long a repeat waits for the end of the first call: less than the hub waits for its answer (`fanfare up`: 4 s).
const WAIT: Duration = Duration::from_secs(3);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// What the hub hands on.
struct Call {
    event: String,
    /// The client's data, as JSON text.
    data: String,
    user: Option<AnyUserId>,
    origin: Origin,
    id: Option<String>,
}

/// Takes what a client sent over the hub. For the hub.
#[utoipa::path(post, path = "/hooks/chat", tag = "hub", security(("service_key" = [])),
    request_body = crate::openapi::HookCall,
    responses((status = 200, description = "The client's acknowledgement: what was done, or why not", body = crate::openapi::Acknowledgement),
        crate::openapi::BodyRefused, crate::openapi::CallerRefused, crate::openapi::Away))]
pub(crate) async fn take(
    request: HttpRequest,
    payload: Payload,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    service.callers.service(&request).await?;
    let body = body::json(&request, payload).await?;
    let call = call(&request, &body)?;
    let desk = service.desk.clone();
    let done = trace::uninterrupted(async move { answer(&desk, call).await }).await;
    done.or_else(acknowledge)
}

/// A refusal of what the client sent, as its acknowledgement; every other stays a problem.
fn acknowledge(failure: Failure) -> Result<HttpResponse, Failure> {
    let problem = &failure.0;
    if problem.status().is_server_error() {
        return Err(failure);
    }
    Ok(refused(problem.code(), problem.detail()))
}

fn refused(code: &str, message: &str) -> HttpResponse {
    HttpResponse::Ok().json(json!({"success": false, "code": code, "message": message}))
}

fn call(request: &HttpRequest, body: &[u8]) -> Result<Call, Failure> {
    let mut members = Form::parse(body)?;
    let event = members.required("event", form::text(1, 200));
    let data = members.optional("data", |raw| Ok(raw.to_owned()));
    let user = members.optional("user_id", forms::user);
    let connection = members.optional("connection_id", form::text(1, 200));
    let id = members.optional("id", form::text(1, MAX_KEY));
    members.finish()?;
    let header = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    Ok(Call {
        event: event?,
        data: data?.unwrap_or_else(|| "null".to_owned()),
        user: user?,
        origin: Origin(connection?),
        id: id?.or_else(|| header.map(str::to_owned)).filter(|id| !id.is_empty() && id.len() <= MAX_KEY),
    })
}

async fn answer(desk: &Desk, call: Call) -> Result<HttpResponse, Failure> {
    let Some(user) = &call.user else {
        return Ok(refused("unauthorized", "sign in to chat: the connection has no user"));
    };
    if !EVENTS.contains(&call.event.as_str()) {
        return Ok(refused("unknown_event", "chat takes send_message, typing and mark_read"));
    }
    let mut members = members(&call.data)?;
    match call.event.as_str() {
        "send_message" => {
            let to = members.required("to_user_id", forms::user);
            let message = members.required("message", forms::text(desk.max_message));
            members.finish()?;
            let draft = Draft { from: user.clone(), to: to?, message: message? };
            once(desk, user, &call, async |fresh| {
                let (status, text) =
                    desk.send(draft.clone(), call.origin.clone(), fresh, acknowledgement).await?;
                Ok(idempotency::json(status, text))
            })
            .await
        }
        "typing" => {
            let to = members.required("to_user_id", forms::user);
            let is_typing = members.required("is_typing", forms::truth);
            members.finish()?;
            let (to, is_typing) = (to?, is_typing?);
            if blocking::is_blocked(desk.store.reader(), &to, user).await? {
                desk.metrics.typed(Typed::Hidden);
            } else {
                desk.typing.set(user, &to, is_typing);
            }
            Ok(HttpResponse::Ok().json(json!({"success": true})))
        }
        _ => {
            let message_id = members.required("message_id", forms::message_id);
            members.finish()?;
            // A repeat finds the position where it is.
            let position = desk.mark_read(user, message_id?, None, &Fresh::without_key()).await?;
            let answer = json!({
                "success": true, "message_id": position.message_id, "unread_count": position.unread_count
            });
            Ok(HttpResponse::Ok().json(answer))
        }
    }
}

/// The client's members. Whatever else it sent is its fault, not the hub's.
fn members(data: &str) -> Result<Form<'_>, Failure> {
    let wrong = || {
        let detail = "data must be a JSON object";
        Failure(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail))
    };
    if !data.starts_with('{') {
        return Err(wrong());
    }
    Form::parse(data.as_bytes()).map_err(|_| wrong())
}

/// What the sender is told.
fn acknowledgement(message: &Message) -> (StatusCode, String) {
    let answer: Value = json!({"success": true, "id": message.id});
    (StatusCode::OK, answer.to_string())
}

/// Makes a call once, however often it comes.
async fn once(
    desk: &Desk,
    user: &AnyUserId,
    call: &Call,
    work: impl AsyncFn(&Fresh) -> Result<HttpResponse, Failure>,
) -> Result<HttpResponse, Failure> {
    let Some(id) = &call.id else { return work(&Fresh::without_key()).await };
    let (caller, end) = (user.text(), Instant::now() + WAIT);
    let scope = [caller.as_ref(), "POST", "/hooks/chat", id.as_str()];
    let body = format!("{}\n{}", call.event, call.data);
    loop {
        let tried = match desk.idempotency.begin_with_key(&desk.store, scope, body.as_bytes()).await {
            Ok(Begin::Repeat(answer)) => return Ok(answer),
            Ok(Begin::Fresh(fresh)) => work(&fresh).await,
            Err(failure) => Err(failure),
        };
        match tried {
            // The first call runs, here or in another instance.
            Err(Failure(problem)) if problem.code() == idempotency::IN_FLIGHT => {
                if Instant::now() >= end {
                    let detail = "the first call with this id has not come to its end";
                    return Err(Failure(Problem::unavailable("busy", detail, Duration::from_secs(1))));
                }
                tokio::time::sleep(LOOK).await;
            }
            tried => return tried,
        }
    }
}
