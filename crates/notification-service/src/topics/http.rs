//! Following topics by REST.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use rest::idempotency::{self, Begin, Fresh};
use rest::{Failure, Form, body, trace};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Followed, MOST_TOPICS};
use crate::NotificationService;
use crate::push::http::{begin, object, user};

/// Which topic.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct TopicName {
    /// 1 to 200 of `A-Z a-z 0-9 - _ . ~ %`.
    #[schema(min_length = 1, max_length = 200, pattern = "^[A-Za-z0-9_.~%-]+$")]
    topic: String,
}

/// Whether the caller follows a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Following {
    /// The topic's name.
    topic: String,
    /// Whether the caller follows it now.
    subscribed: bool,
}

/// Lets the caller follow a topic.
#[utoipa::path(post, path = "/api/fcm/subscribe-topic", tag = "push", params(crate::openapi::IdempotencyKey),
    request_body = TopicName,
    responses((status = 200, description = "The caller follows it, now or before", body = Following),
        (status = 409, description = "`too_many_topics`: the caller follows 100; `idempotency_key_in_flight`"),
        crate::openapi::BodyRefused, crate::openapi::ReaderRefused, crate::openapi::Away))]
pub(crate) async fn subscribe(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    change(request, payload, service, Wish::Follow).await
}

/// Lets the caller follow a topic no more.
#[utoipa::path(post, path = "/api/fcm/unsubscribe-topic", tag = "push", params(crate::openapi::IdempotencyKey),
    request_body = TopicName,
    responses((status = 200, description = "The caller does not follow it, now or before", body = Following),
        crate::openapi::BodyRefused, crate::openapi::ReaderRefused, crate::openapi::KeyInFlight, crate::openapi::Away))]
pub(crate) async fn unsubscribe(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    change(request, payload, service, Wish::Leave).await
}

/// What the caller wants with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Follow,
    Leave,
}

async fn change(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
    wish: Wish,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let body = object(body::json(&request, payload).await?);
    let fresh: Fresh = match begin(&service, &request, &user.text(), &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let mut members = Form::parse(&body)?;
    let topic = members.required("topic", super::name);
    members.finish()?;
    let (topic, desk) = (topic?, service.desk.clone());
    trace::uninterrupted(async move {
        let mut transaction = desk.store.begin().await?;
        match wish {
            Wish::Leave => super::leave(&mut transaction, &user.text(), &topic).await?,
            Wish::Follow => match super::follow(&mut transaction, &user, &topic, desk.clock.now()).await? {
                Followed::Yes => {}
                Followed::TooMany => {
                    let detail = format!("a user can follow {MOST_TOPICS} topics");
                    return Err(Failure::new(StatusCode::CONFLICT, "too_many_topics", detail));
                }
            },
        }
        let following = Following { topic, subscribed: wish == Wish::Follow };
        // A name and a truth: they can always be written.
        let answer = serde_json::to_string(&following).unwrap_or_default();
        fresh.keep(&mut transaction, StatusCode::OK, &answer).await?;
        transaction.commit().await?;
        Ok(idempotency::json(StatusCode::OK, answer))
    })
    .await
}
