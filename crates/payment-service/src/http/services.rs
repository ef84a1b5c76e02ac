//! What services call: hold, release, refund, the worker, the fence. Users are turned away.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use rest::{Failure, body};

use super::Api;
use crate::call::Call;
use crate::forms;
use crate::openapi::{HoldBody, Problem, RefundBody, VoidBody, WorkerBody};
use crate::payment::Payment;
use crate::payments::{Payments, Voided};

/// To whom the keys of our services' calls belong.
const SERVICE: &str = "service";

/// Hold an employer's money for a job. For services.
#[utoipa::path(
    post, path = "/payments/hold", tag = "internal", security(("service_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h")),
    request_body = HoldBody,
    responses(
        (status = 200, body = Payment, description = "The payment; also where the same hold was made before"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`malformed_json`"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a user"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`insufficient_funds`, `payment_exists`, `voided`, \
            `idempotency_key_in_flight`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "`too_large`"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "`not_json`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn hold(
    request: HttpRequest,
    payload: Payload,
    api: Data<Api>,
) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let body = body::json(&request, payload).await?;
    let work = async move |payments: Payments, call: Call, order| payments.hold(&call, order).await;
    api.once(&request, SERVICE, &body, forms::hold, work).await
}

/// Give the money to the worker. For services.
#[utoipa::path(
    post, path = "/payments/{id}/release", tag = "internal", security(("service_key" = [])),
    params(
        ("id" = i64, Path, description = "The payment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h"),
    ),
    request_body = WorkerBody,
    responses(
        (status = 200, body = Payment, description = "Released; also where it was before, to the same worker"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`malformed_json`"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a user"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`not_found`"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`wrong_state` with `state`, `other_worker`, `voided`, \
            `idempotency_key_in_flight`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "`too_large`"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "`not_json`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn release(
    request: HttpRequest,
    payload: Payload,
    api: Data<Api>,
) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let id = forms::payment(&request)?;
    let body = body::json(&request, payload).await?;
    let work = async move |payments: Payments, call: Call, worker| payments.release(&call, id, worker).await;
    api.once(&request, SERVICE, &body, forms::worker, work).await
}

/// Give the money back to the employer. For services.
#[utoipa::path(
    post, path = "/payments/{id}/refund", tag = "internal", security(("service_key" = [])),
    params(
        ("id" = i64, Path, description = "The payment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h"),
    ),
    request_body = RefundBody,
    responses(
        (status = 200, body = Payment, description = "Refunded; also where it was before"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`malformed_json`"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a user"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`not_found`"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`wrong_state` with `state`, `other_worker`, `voided`, \
            `idempotency_key_in_flight`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "`too_large`"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "`not_json`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn refund(
    request: HttpRequest,
    payload: Payload,
    api: Data<Api>,
) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let id = forms::payment(&request)?;
    let body = body::json(&request, payload).await?;
    let work = async move |payments: Payments, call: Call, (worker, reason)| {
        payments.refund(&call, id, worker, reason).await
    };
    api.once(&request, SERVICE, &body, forms::refund, work).await
}

/// Make the worker a party of the payment. For services.
#[utoipa::path(
    post, path = "/payments/{id}/worker", tag = "internal", security(("service_key" = [])),
    params(
        ("id" = i64, Path, description = "The payment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h"),
    ),
    request_body = WorkerBody,
    responses(
        (status = 200, body = Payment, description = "The payment with that worker"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`malformed_json`"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a user"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`not_found`"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`other_worker`, `idempotency_key_in_flight`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "`too_large`"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "`not_json`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn set_worker(
    request: HttpRequest,
    payload: Payload,
    api: Data<Api>,
) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let id = forms::payment(&request)?;
    let body = body::json(&request, payload).await?;
    let work =
        async move |payments: Payments, call: Call, worker| payments.set_worker(&call, id, worker).await;
    api.once(&request, SERVICE, &body, forms::worker, work).await
}

/// Give up an operation whose answer was never heard: it was carried out, or it never will be under that key. For
/// services.
#[utoipa::path(
    post, path = "/payments/void", tag = "internal", security(("service_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h")),
    request_body = VoidBody,
    responses(
        (status = 200, body = Voided, description = "What became of the operation"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`malformed_json`"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a user"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`idempotency_key_in_flight`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "`too_large`"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "`not_json`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn void(
    request: HttpRequest,
    payload: Payload,
    api: Data<Api>,
) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let body = body::json(&request, payload).await?;
    let work = async move |payments: Payments, call: Call, given_up| payments.void(&call, &given_up).await;
    api.once(&request, SERVICE, &body, forms::void, work).await
}
