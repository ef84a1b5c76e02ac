//! Who calls, and what a body is, for the paths of devices, topics and preferences.

use actix_web::HttpRequest;
use actix_web::web::Bytes;
use events::AnyUserId;
use rest::caller::unauthorized;
use rest::idempotency::Begin;
use rest::{Caller, Failure};

use crate::{NotificationService, forms};

/// The user who calls.
///
/// # Errors
/// 401 without a good token, 403 for a service.
pub(crate) async fn user(service: &NotificationService, request: &HttpRequest) -> Result<AnyUserId, Failure> {
    match service.callers.caller(request).await? {
        Caller::User(token) => forms::of(&token.user_id)
            .ok_or_else(|| unauthorized("the token's user is a number of more than 64 bits")),
        Caller::Service => Err(Failure::forbidden("this call is a user's, not a service's")),
    }
}

/// The text of the id of the user who calls.
///
/// # Errors
/// As [`user`].
pub(crate) async fn user_key(
    service: &NotificationService,
    request: &HttpRequest,
) -> Result<String, Failure> {
    Ok(user(service, request).await?.text().into_owned())
}

/// Looks at the idempotency key of a user's call.
///
/// # Errors
/// As `rest::idempotency`'s.
pub(crate) async fn begin(
    service: &NotificationService,
    request: &HttpRequest,
    user_key: &str,
    body: &[u8],
) -> Result<Begin, Failure> {
    let desk = &service.desk;
    desk.idempotency.begin(&desk.store, request, &format!("user:{user_key}"), body).await
}

/// A body; one that is empty is `{}` (contract: socketio, Inbox REST).
pub(crate) fn object(body: Bytes) -> Bytes {
    if body.trim_ascii().is_empty() { Bytes::from_static(b"{}") } else { body }
}
