//! The service's REST about one user's inbox; creating is in [`create`], bulk in [`bulk`]. A user sees only the own.
//!
//! Not here: what clients send over the hub ([`crate::hooks`]), devices and preferences, which add their paths themselves,
//! and the description for readers ([`crate::openapi`]).

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use rest::caller::unauthorized;
use rest::form::{self, MAX_ID};
use rest::idempotency::{self, Begin};
use rest::list::{MAX_LIMIT, Query};
use rest::metrics::resource;
use rest::{Caller, Failure, body, trace};
use serde::Serialize;
use service_kit::problem::Problem;
use utoipa::ToSchema;

use crate::inbox::changing::{Change, no_such_notification};
use crate::inbox::listing::Wanted;
use crate::notification::{Shown, Stored};
use crate::{NotificationService, counts, forms, hooks, ledger, preferences, push, table};

pub(crate) mod bulk;
pub(crate) mod create;

/// Notifications of a page (contract: socketio, Inbox REST).
const PER_PAGE: i64 = 20;

/// To whom the keys of services' calls belong.
pub(crate) const SERVICE: &str = "service";

/// Adds the service's paths.
pub(crate) fn configure(service: &NotificationService, config: &mut ServiceConfig) {
    let data = Data::new(service.clone());
    let one = resource("/{id}", "GET, DELETE")
        .route(web::get().to(get_notification))
        .route(web::delete().to(delete_notification));
    config
        .service(
            service
                .watch
                .scope("/api/notifications")
                .app_data(data.clone())
                .service(
                    resource("", "GET, POST")
                        .route(web::get().to(list_notifications))
                        .route(web::post().to(create::post_notification)),
                )
                .service(resource("/stats", "GET").route(web::get().to(get_stats)))
                .service(resource("/read-all", "POST").route(web::post().to(post_read_all)))
                .service(resource("/bulk", "POST").route(web::post().to(bulk::post_bulk)))
                .configure(preferences::configure)
                .configure(ledger::configure)
                .service(resource("/{id}/read", "PUT").route(web::put().to(put_read)))
                .service(resource("/{id}/unread", "PUT").route(web::put().to(put_unread)))
                .service(resource("/{id}/restore", "POST").route(web::post().to(post_restore)))
                .service(one),
        )
        .service(service.watch.scope("/api/fcm").app_data(data.clone()).configure(push::configure))
        .service(
            service
                .watch
                .scope("/hooks/notifications")
                .app_data(data.clone())
                .service(resource("", "POST").route(web::post().to(hooks::take))),
        )
        .service(service.watch.scope("/hooks/deliveries").app_data(data).configure(ledger::configure_hook));
}

/// The caller's notifications, newest first.
#[utoipa::path(get, path = "/api/notifications", tag = "inbox", params(crate::openapi::ListParameters),
    responses((status = 200, description = "A page of notifications", body = Listed),
        crate::openapi::ReaderRefused, crate::openapi::QueryRefused, crate::openapi::Away))]
pub(crate) async fn list_notifications(
    request: HttpRequest,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let found = service.desk.list(&user, &wanted(&Query::of(&request))?).await?;
    Ok(HttpResponse::Ok().json(Listed {
        notifications: found.notifications.iter().map(Stored::shown).collect(),
        total: found.total,
        unread_count: found.unread_count,
        next: found.next,
    }))
}

/// A page of notifications.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotificationList)]
pub(crate) struct Listed<'a> {
    /// The notifications, newest first.
    notifications: Vec<Shown<'a>>,
    /// How many the filters name, on all pages.
    total: i64,
    /// What is unread in the whole inbox.
    unread_count: i64,
    /// `before` of the next page; `null` on the last.
    #[schema(required = true)]
    next: Option<i64>,
}

/// Which page is asked for.
fn wanted(query: &Query) -> Result<Wanted, Failure> {
    let mut errors = Vec::new();
    let mut number = |name: &'static str, most: i64, otherwise: i64| {
        let Some(text) = query.get(name) else { return otherwise };
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let found = text.parse().ok().filter(|number| plain && (1..=most).contains(number));
        found.unwrap_or_else(|| {
            errors.push((name, format!("must be a whole number from 1 to {most}")));
            otherwise
        })
    };
    let page = number("page", MAX_ID, 1);
    let per_page = number("per_page", MAX_LIMIT, PER_PAGE);
    let before = number("before", MAX_ID, MAX_ID);
    let unread = match query.get("unread") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => {
            errors.push(("unread", "must be true or false".to_owned()));
            None
        }
    };
    let category = query.get("category").map(str::to_owned);
    if category.as_deref().is_some_and(|category| !forms::is_word(category)) {
        errors.push(("category", "must be the name of a category".to_owned()));
    }
    form::invalid(errors)?;
    Ok(Wanted { pages: page - 1, per_page, unread, category, before })
}

/// What the caller has, by category.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// Notifications in the inbox.
    total: i64,
    /// Those of them that are not read.
    unread_count: i64,
    /// The same for each category in which there is any.
    by_category: BTreeMap<String, OfCategory>,
}

/// What the caller has in a category.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfCategory {
    /// Notifications in the inbox.
    total: i64,
    /// Those of them that are not read.
    unread_count: i64,
}

/// How many notifications the caller has, and has not read.
#[utoipa::path(get, path = "/api/notifications/stats", tag = "inbox",
    responses((status = 200, description = "The numbers", body = Stats), crate::openapi::ReaderRefused, crate::openapi::Away))]
pub(crate) async fn get_stats(
    request: HttpRequest,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let (user_key, now) = (user.text(), service.desk.clock.now());
    let mut snapshot = service.desk.store.snapshot().await?;
    let inbox = counts::inbox(&mut snapshot, &user_key).await?;
    let all = counts::exact(&mut snapshot, &user_key, &inbox, now).await?;
    let by_category = counts::stats(&mut snapshot, &user_key, &inbox, now).await?;
    let of = |counts: table::Counts| OfCategory { total: counts.total, unread_count: counts.unread };
    Ok(HttpResponse::Ok().json(Stats {
        total: all.total,
        unread_count: all.unread,
        by_category: by_category.into_iter().map(|(name, counts)| (name, of(counts))).collect(),
    }))
}

/// One notification of the caller.
#[utoipa::path(get, path = "/api/notifications/{id}", tag = "inbox", params(crate::openapi::Id),
    responses((status = 200, description = "The notification", body = Shown),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn get_notification(
    request: HttpRequest,
    path: Path<String>,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let found = table::by_id(service.desk.store.reader(), id(&path)?).await?;
    let now = service.desk.clock.now();
    let stored = found.filter(|stored| stored.is_in_inbox(&user.text(), now));
    shown(&stored.ok_or_else(no_such_notification)?)
}

/// Marks one of the caller's notifications as read.
#[utoipa::path(put, path = "/api/notifications/{id}/read", tag = "inbox", params(crate::openapi::Id),
    responses((status = 200, description = "The notification, read", body = Shown),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn put_read(
    request: HttpRequest,
    path: Path<String>,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    change(&service, &request, &path, Change::Read).await
}

/// Marks one of the caller's notifications as unread again.
#[utoipa::path(put, path = "/api/notifications/{id}/unread", tag = "inbox", params(crate::openapi::Id),
    responses((status = 200, description = "The notification, unread", body = Shown),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn put_unread(
    request: HttpRequest,
    path: Path<String>,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    change(&service, &request, &path, Change::Unread).await
}

/// Deletes one of the caller's notifications; it can be brought back until it is purged.
#[utoipa::path(delete, path = "/api/notifications/{id}", tag = "inbox", params(crate::openapi::Id),
    responses((status = 204, description = "It is deleted"),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn delete_notification(
    request: HttpRequest,
    path: Path<String>,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    change(&service, &request, &path, Change::Delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Brings back one of the caller's notifications that they deleted.
#[utoipa::path(post, path = "/api/notifications/{id}/restore", tag = "inbox",
    params(crate::openapi::Id, crate::openapi::IdempotencyKey),
    responses((status = 200, description = "The notification, in the inbox", body = Shown),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn post_restore(
    request: HttpRequest,
    path: Path<String>,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    // A repeat finds it where it is: the key is not needed.
    change(&service, &request, &path, Change::Restore).await
}

/// Marks all of the caller's notifications as read.
#[utoipa::path(post, path = "/api/notifications/read-all", tag = "inbox", params(crate::openapi::IdempotencyKey),
    responses((status = 200, description = "How many that were", body = crate::inbox::changing::AllRead),
        crate::openapi::ReaderRefused, crate::openapi::KeyRefused, crate::openapi::Away))]
pub(crate) async fn post_read_all(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let body = body::any(&request, payload).await?;
    let desk = service.desk.clone();
    let name = format!("user:{}", user.text());
    let fresh = match desk.idempotency.begin(&desk.store, &request, &name, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    trace::uninterrupted(async move {
        let done = desk.read_all(&user, &fresh).await?;
        Ok(HttpResponse::Ok().json(done))
    })
    .await
}

async fn change(
    service: &Data<NotificationService>,
    request: &HttpRequest,
    path: &str,
    change: Change,
) -> Result<HttpResponse, Failure> {
    let user = user(service, request).await?;
    let (id, desk) = (id(path)?, service.desk.clone());
    trace::uninterrupted(async move { shown(&desk.change(&user, id, change).await?.stored) }).await
}

/// A notification as an answer.
fn shown(stored: &Stored) -> Result<HttpResponse, Failure> {
    Ok(idempotency::json(StatusCode::OK, text(stored)?))
}

/// A notification as JSON.
pub(crate) fn text(stored: &Stored) -> Result<String, Failure> {
    serde_json::to_string(&stored.shown())
        .map_err(|error| Failure(Problem::internal(format!("a notification as JSON: {error}"))))
}

/// A notification's id in a path; what is no number names nothing.
pub(crate) fn id(path: &str) -> Result<i64, Failure> {
    form::id(path).map_err(|_| no_such_notification())
}

/// The user who calls.
pub(crate) async fn user(service: &NotificationService, request: &HttpRequest) -> Result<AnyUserId, Failure> {
    match service.callers.caller(request).await? {
        Caller::User(token) => known(&token.user_id),
        Caller::Service => Err(Failure::forbidden("this call is a user's, not a service's")),
    }
}

/// The user of a token.
pub(crate) fn known(id: &protocol::UserId) -> Result<AnyUserId, Failure> {
    forms::of(id).ok_or_else(|| unauthorized("the token's user is a number of more than 64 bits"))
}
