//! CORS for HTTP: answers preflights, and says on each answer, errors included, whether the page may read it.
//!
//! Which origins may is the policy's ([`super::origin`]); this puts its answer into headers, the same for the hub
//! and for every service. WebSocket handshakes do not pass here: an upgrade leaves before routing.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpResponse};

use super::origin::{CorsAnswer, OriginPolicy};

/// What pages may send (contract: services, Everywhere).
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";

/// The headers that pages may set (contract: services, Everywhere).
const HEADERS: &str = "authorization, content-type, idempotency-key";

/// The headers that a page may read beside those that it always may: when to come back.
const EXPOSED: &str = "retry-after";

/// Seconds for which a browser keeps the answer to a preflight; ten minutes is what all of them take.
const MAX_AGE: &str = "600";

/// The middleware for `App::wrap`. A preflight is answered 204 whatever stands at its path; where the origin may not
/// read, the answer has no CORS headers, and the browser refuses it.
pub fn middleware<S, B>(
    policy: OriginPolicy,
) -> impl Transform<S, ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    let policy = Arc::new(policy);
    middleware_by(move || Arc::clone(&policy))
}

/// [`middleware`] for a policy that can change: `policy` is asked at each request for the one in force.
pub fn middleware_by<S, B>(
    policy: impl Fn() -> Arc<OriginPolicy> + 'static,
) -> impl Transform<S, ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    from_fn(move |request: ServiceRequest, next: Next<B>| {
        let policy = policy();
        async move { answer(&policy, request, next).await }
    })
}

async fn answer<B: MessageBody + 'static>(
    policy: &OriginPolicy,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let Some(origin) = request.headers().get(ORIGIN) else {
        // A cache must not give a page what it keeps of an answer to no page. Answers to others than GET are not kept.
        let vary = request.method() == Method::GET && policy.cors(None).vary;
        let mut response = next.call(request).await?.map_into_boxed_body();
        if vary {
            vary_by_origin(response.headers_mut());
        }
        return Ok(response);
    };
    let cors = policy.cors(Some(origin.to_str().unwrap_or_default()));
    if request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        let mut response = HttpResponse::NoContent();
        response
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
            .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE));
        let mut response = response.finish();
        grant(response.headers_mut(), &cors);
        return Ok(request.into_response(response));
    }
    match next.call(request).await {
        Ok(response) => {
            let mut response = response.map_into_boxed_body();
            grant(response.headers_mut(), &cors);
            Ok(response)
        }
        // What a middleware behind this one refused becomes an answer later; a page has to be able to read it too.
        Err(error) => {
            let mut response = error.error_response();
            grant(response.headers_mut(), &cors);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// Puts the policy's answer on an answer.
fn grant(headers: &mut HeaderMap, cors: &CorsAnswer) {
    if let Some(origin) = &cors.allow_origin {
        set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if cors.allow_credentials {
            set(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
    }
    if cors.vary {
        vary_by_origin(headers);
    }
}

/// Beside what else the answer varies by, such as the coding.
fn vary_by_origin(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
