//! `POST /api/notifications`: one notification, for a user or for all who follow a topic.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use rest::idempotency::{self, Begin};
use rest::{Caller, Failure, Form, trace};

use crate::http::{SERVICE, known, text};
use crate::metrics::Did;
use crate::notification::Maker;
use crate::{NotificationService, forms, inbox, topics};

/// Creates a notification: for the caller, or for a service for any user or for a topic's followers.
#[utoipa::path(post, path = "/api/notifications", tag = "creating",
    security(("bearer" = []), ("service_key" = [])),
    params(crate::openapi::IdempotencyKey), request_body = crate::openapi::NewNotification,
    responses((status = 201, description = "Stored, and on its way; of a topic how many follow it", body = crate::openapi::Created),
        crate::openapi::BodyRefused, crate::openapi::CreatorRefused, crate::openapi::KeyInFlight,
        crate::openapi::RateLimited, crate::openapi::Away))]
pub(crate) async fn post_notification(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let caller = match service.callers.caller(&request).await? {
        Caller::User(token) => Some(known(&token.user_id)?),
        Caller::Service => None,
    };
    let body = forms::object(&request, payload).await?;
    let name = caller.as_ref().map_or(SERVICE.into(), |user| format!("user:{}", user.text()));
    let desk = service.desk.clone();
    let fresh = match desk.idempotency.begin(&desk.store, &request, &name, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let now = desk.clock.now();
    let mut members = Form::parse(&body)?;
    let user = members.optional("user_id", forms::user);
    let topic = members.optional("topic", topics::name);
    let content = forms::content(&mut members, now);
    if caller.is_none() && matches!((&user, &topic), (Ok(None), Ok(None))) {
        members.wrong("user_id", "is required: name a user, or a topic");
    }
    if matches!((&user, &topic), (Ok(Some(_)), Ok(Some(_)))) {
        members.wrong("topic", "can't stand beside user_id: name one of them");
    }
    members.finish()?;
    let (user, topic, content) = (user?, topic?, content?);
    let user = match (&caller, user, topic) {
        (None, _, Some(topic)) => {
            return trace::uninterrupted(async move {
                let (status, text) = desk.create_for_topic(&topic, &content, &fresh, now).await?;
                Ok(idempotency::json(status, text))
            })
            .await;
        }
        (None, Some(user), None) => user,
        (Some(caller), user, None) => own(caller, user)?,
        (Some(_), _, Some(_)) => return Err(Failure::forbidden("services alone write to topics")),
        (None, None, None) => return Err(Failure::forbidden("name a user, or a topic")),
    };
    if caller.is_some()
        && let Err(failure) = desk.rate.count(&user.text(), Instant::now())
    {
        desk.metrics.add(Did::RateLimited, 1);
        return Err(failure);
    }
    let made_by = if caller.is_some() { Maker::User } else { Maker::Service };
    let draft = content.into_draft(user, made_by);
    trace::uninterrupted(async move {
        let mut transaction = desk.store.begin().await?;
        let made = inbox::store_many(&desk, &mut transaction, vec![draft], now).await?;
        let answer = text(made.first()?)?;
        fresh.keep(&mut transaction, StatusCode::CREATED, &answer).await?;
        made.announce(&mut transaction).await?;
        transaction.commit().await?;
        inbox::told(&desk, &made.stored);
        Ok(idempotency::json(StatusCode::CREATED, answer))
    })
    .await
}

/// A user creates for themselves alone.
fn own(caller: &AnyUserId, named: Option<AnyUserId>) -> Result<AnyUserId, Failure> {
    match named {
        None => Ok(caller.clone()),
        Some(named) if named == *caller => Ok(named),
        Some(_) => Err(Failure::forbidden("users create notifications for themselves alone")),
    }
}
