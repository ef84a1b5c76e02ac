//! Preferences by REST, under `/api/notifications/preferences`.

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use rest::metrics::resource;
use rest::{Failure, body, trace};

use super::Preferences;
use super::change::Change;
use crate::NotificationService;
use crate::desk::Desk;
use crate::push;
use crate::push::http::user_key;

/// Adds the path to the scope `/api/notifications`.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(resource("/preferences", "GET, PUT").route(web::get().to(get)).route(web::put().to(put)));
}

/// The caller's preferences.
#[utoipa::path(get, path = "/api/notifications/preferences", tag = "preferences",
    responses((status = 200, description = "What holds", body = push::openapi::PreferencesShown),
        crate::openapi::ReaderRefused, crate::openapi::Away))]
pub(crate) async fn get(
    request: HttpRequest,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user_key = user_key(&service, &request).await?;
    let preferences = super::read(service.desk.store.reader(), &user_key).await?;
    Ok(HttpResponse::Ok().json(preferences.shown()))
}

/// Changes the caller's preferences: what the body names is set, `null` takes back, all else stays.
#[utoipa::path(put, path = "/api/notifications/preferences", tag = "preferences",
    request_body = push::openapi::PreferencesChange,
    responses((status = 200, description = "What holds now", body = push::openapi::PreferencesShown),
        crate::openapi::BodyRefused, crate::openapi::ReaderRefused, crate::openapi::Away))]
pub(crate) async fn put(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user_key = user_key(&service, &request).await?;
    let change = Change::parse(&body::json(&request, payload).await?)?;
    let desk = service.desk.clone();
    let preferences = trace::uninterrupted(async move { changed(&desk, &user_key, &change).await }).await?;
    Ok(HttpResponse::Ok().json(preferences.shown()))
}

async fn changed(desk: &Desk, user_key: &str, change: &Change) -> Result<Preferences, Failure> {
    let mut transaction = desk.store.begin().await?;
    let now = desk.clock.now();
    // Makes the row or, changing nothing, locks it: of two changes at once the second builds on the first.
    let settings: String = sqlx::query_scalar(
        "INSERT INTO preferences (user_key, settings, changed_at) VALUES ($1, '{}', $2)
         ON CONFLICT (user_key) DO UPDATE SET changed_at = excluded.changed_at RETURNING settings",
    )
    .bind(user_key)
    .bind(now)
    .fetch_one(&mut *transaction)
    .await?;
    let mut preferences = super::parse(&settings)?;
    change.apply(&mut preferences)?;
    let settings = serde_json::to_string(&preferences).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("UPDATE preferences SET settings = $1 WHERE user_key = $2")
        .bind(settings)
        .bind(user_key)
        .execute(&mut *transaction)
        .await?;
    // Quiet hours may be over now, or not: what they hold is looked at again.
    push::look_again(&mut transaction, user_key, now).await?;
    transaction.commit().await?;
    desk.push.wake();
    Ok(preferences)
}
