//! Devices by REST. A user sees and changes only the own.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use rest::idempotency::{self, Begin};
use rest::{Failure, Form, body, form, trace};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Device, MOST_NAME, MOST_TOKEN, Registered, Registration};
use crate::NotificationService;
use crate::push::Platform;
use crate::push::http::{begin, object, user_key};

/// A user's devices.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceList {
    /// The last seen first; at most 20.
    devices: Vec<Device>,
}

/// A device that is to be registered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct NewDevice {
    /// What Firebase gave the app or the page: 1 to 4,096 characters.
    #[schema(min_length = 1, max_length = 4096)]
    token: String,
    /// `web`, `android` or `ios`.
    platform: String,
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    device_name: Option<String>,
}

/// A device by its token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct OldDevice {
    /// The token that it was registered with.
    #[schema(min_length = 1, max_length = 4096)]
    token: String,
}

/// How many devices are gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removed {
    /// Devices that the caller had.
    removed: usize,
}

/// Registers a device for the caller. A token that another user registered is the caller's from now on; of more than 20 the
/// one goes that was not registered for the longest time.
#[utoipa::path(post, path = "/api/fcm/register-device", tag = "push", params(crate::openapi::IdempotencyKey),
    request_body = NewDevice,
    responses((status = 201, description = "It is new", body = Device),
        (status = 200, description = "It was registered, and is as told now", body = Device),
        crate::openapi::BodyRefused, crate::openapi::ReaderRefused, crate::openapi::KeyInFlight, crate::openapi::Away))]
pub(crate) async fn register(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user_key = user_key(&service, &request).await?;
    let body = object(body::json(&request, payload).await?);
    let desk = service.desk.clone();
    let fresh = match begin(&service, &request, &user_key, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let mut members = Form::parse(&body)?;
    let token = members.required("token", form::text(1, MOST_TOKEN));
    let platform = members.required("platform", platform);
    let device_name = members.optional("device_name", form::text(1, MOST_NAME));
    members.finish()?;
    let registration = Registration { token: token?, platform: platform?, device_name: device_name? };
    trace::uninterrupted(async move {
        let mut transaction = desk.store.begin().await?;
        let now = desk.clock.now();
        let (device, registered) = super::register(&mut transaction, &user_key, &registration, now).await?;
        let status = match registered {
            Registered::New => StatusCode::CREATED,
            Registered::Known => StatusCode::OK,
        };
        let answer = written(&device);
        fresh.keep(&mut transaction, status, &answer).await?;
        transaction.commit().await?;
        Ok(idempotency::json(status, answer))
    })
    .await
}

/// Forgets a device of the caller's. A token that is another's, or nobody's, is left alone, and the answer is the same.
#[utoipa::path(post, path = "/api/fcm/unregister-device", tag = "push", params(crate::openapi::IdempotencyKey), request_body = OldDevice,
    responses((status = 204, description = "The caller has no such device, now or before"),
        crate::openapi::BodyRefused, crate::openapi::ReaderRefused, crate::openapi::KeyInFlight, crate::openapi::Away))]
pub(crate) async fn unregister(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user_key = user_key(&service, &request).await?;
    let body = object(body::json(&request, payload).await?);
    let fresh = match begin(&service, &request, &user_key, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let mut members = Form::parse(&body)?;
    let token = members.required("token", form::text(1, MOST_TOKEN));
    members.finish()?;
    let (token, desk) = (token?, service.desk.clone());
    trace::uninterrupted(async move {
        let mut transaction = desk.store.begin().await?;
        super::unregister(&mut transaction, &user_key, &token, desk.clock.now()).await?;
        fresh.keep(&mut transaction, StatusCode::NO_CONTENT, "").await?;
        transaction.commit().await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// Forgets all devices of the caller.
#[utoipa::path(post, path = "/api/fcm/unregister-all", tag = "push", params(crate::openapi::IdempotencyKey),
    responses((status = 200, description = "How many there were", body = Removed),
        crate::openapi::ReaderRefused, crate::openapi::KeyInFlight, crate::openapi::Away))]
pub(crate) async fn unregister_all(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user_key = user_key(&service, &request).await?;
    let body = body::any(&request, payload).await?;
    let fresh = match begin(&service, &request, &user_key, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let desk = service.desk.clone();
    trace::uninterrupted(async move {
        let mut transaction = desk.store.begin().await?;
        let removed = super::unregister_all(&mut transaction, &user_key, desk.clock.now()).await?;
        let answer = written(&Removed { removed });
        fresh.keep(&mut transaction, StatusCode::OK, &answer).await?;
        transaction.commit().await?;
        Ok(idempotency::json(StatusCode::OK, answer))
    })
    .await
}

/// The caller's devices.
#[utoipa::path(get, path = "/api/fcm/device-list", tag = "push",
    responses((status = 200, description = "All of them", body = DeviceList), crate::openapi::ReaderRefused, crate::openapi::Away))]
pub(crate) async fn list(
    request: HttpRequest,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user_key = user_key(&service, &request).await?;
    let devices = super::list(service.desk.store.reader(), &user_key).await?;
    Ok(HttpResponse::Ok().json(DeviceList { devices }))
}

fn platform(raw: &str) -> Result<Platform, String> {
    let text: String = serde_json::from_str(raw).unwrap_or_default();
    Platform::of(&text).ok_or_else(|| "must be web, android or ios".to_owned())
}

fn written(answer: &impl Serialize) -> String {
    // Strings and numbers: they can always be written.
    serde_json::to_string(answer).unwrap_or_default()
}
