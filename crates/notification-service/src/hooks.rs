//! `POST /hooks/notifications`: what clients send over the hub, as it hands them on (contract: socketio, Client → server).
//! For the hub alone, by the service key.
//!
//! The body is `{event, data, user_id, user_type, connection_id, id}`; the answer is the client's acknowledgement: 200 with
//! `{"success":true,…}`, or with `{"success":false,"code","message"}` where what the client sent is refused. What is the
//! hub's fault or ours is a problem: the hub tells its client so, or tries again. A repeat does no harm: what is read or
//! deleted already stays so, and nobody is told again.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use rest::idempotency::Fresh;
use rest::{Failure, Form, body, form, trace};
use serde_json::json;
use service_kit::problem::Problem;

use crate::NotificationService;
use crate::desk::Desk;
use crate::forms;
use crate::inbox::changing::Change;

/// What the hub hands on.
struct Call {
    event: String,
    /// The client's data, as JSON text.
    data: Option<String>,
    user: Option<AnyUserId>,
}

/// Takes what a client sent over the hub. For the hub.
#[utoipa::path(post, path = "/hooks/notifications", tag = "hub", security(("service_key" = [])),
    request_body = crate::openapi::HookCall,
    responses((status = 200, description = "The client's acknowledgement: what was done, or why not", body = crate::openapi::Acknowledgement),
        crate::openapi::BodyRefused, crate::openapi::CallerRefused, crate::openapi::Away))]
pub(crate) async fn take(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    service.callers.service(&request).await?;
    let call = call(&body::json(&request, payload).await?)?;
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

fn call(body: &[u8]) -> Result<Call, Failure> {
    let mut members = Form::parse(body)?;
    let event = members.required("event", form::text(1, 200));
    let data = members.optional("data", |raw| Ok(raw.to_owned()));
    let user = members.optional("user_id", forms::user);
    members.finish()?;
    Ok(Call { event: event?, data: data?, user: user? })
}

async fn answer(desk: &Desk, call: Call) -> Result<HttpResponse, Failure> {
    let Some(user) = &call.user else {
        return Ok(refused("unauthorized", "sign in to have notifications: the connection has no user"));
    };
    let change = match call.event.as_str() {
        "mark_read" => Change::Read,
        "delete" => Change::Delete,
        "mark_all_read" => {
            let done = desk.read_all(user, &Fresh::without_key()).await?;
            let answer = json!({
                "success": true, "id": null, "unread_count": done.unread_count, "updated": done.updated
            });
            return Ok(HttpResponse::Ok().json(answer));
        }
        _ => {
            let message = "notifications take mark_read, mark_all_read and delete";
            return Ok(refused("unknown_event", message));
        }
    };
    let mut members = members(call.data.as_deref())?;
    let id = members.required("notification_id", form::id);
    members.finish()?;
    let id = id?;
    let changed = desk.change(user, id, change).await?;
    let answer = json!({"success": true, "id": id, "unread_count": changed.unread_count});
    Ok(HttpResponse::Ok().json(answer))
}

/// The client's members. Whatever else it sent is its fault, not the hub's.
fn members(data: Option<&str>) -> Result<Form<'_>, Failure> {
    let wrong = || {
        let detail = "data must be a JSON object";
        Failure(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail))
    };
    let data = data.filter(|data| data.starts_with('{')).ok_or_else(wrong)?;
    Form::parse(data.as_bytes()).map_err(|_| wrong())
}
