//! What the calls read of their bodies and paths, so that a refusal names every wrong member.

use actix_web::HttpRequest;
use events::{IdError, JobId, PaymentId, RefundReason, Usd, UserId};
use rest::idempotency::MAX_KEY;
use rest::{Failure, Form, form};

use crate::payments::{Hold, Void, Voidable};
use crate::refusal::Refusal;

/// `POST /payments/hold`.
pub(crate) fn hold(body: &[u8]) -> Result<Hold, Failure> {
    let mut members = Form::parse(body)?;
    let job = members.required("job_id", id(JobId::new));
    let employer = members.required("employer_id", id(UserId::new));
    let amount = members.required("amount_usd", amount);
    members.finish()?;
    Ok(Hold { job: job?, employer: employer?, amount: amount? })
}

/// `POST /payments/{id}/release` and `/worker`.
pub(crate) fn worker(body: &[u8]) -> Result<UserId, Failure> {
    let mut members = Form::parse(body)?;
    let worker = members.required("worker_id", id(UserId::new));
    members.finish()?;
    Ok(worker?)
}

/// `POST /payments/{id}/refund`.
pub(crate) fn refund(body: &[u8]) -> Result<(Option<UserId>, Option<RefundReason>), Failure> {
    let mut members = Form::parse(body)?;
    let worker = members.optional("worker_id", id(UserId::new));
    let reason = members.optional("reason", form::word(RefundReason::ALL, RefundReason::as_str));
    members.finish()?;
    Ok((worker?, reason?))
}

/// `POST /payments/void`.
pub(crate) fn void(body: &[u8]) -> Result<Void, Failure> {
    let mut members = Form::parse(body)?;
    let job = members.required("job_id", id(JobId::new));
    let operation = members.required("operation", form::word(Voidable::ALL, Voidable::as_str));
    let key = members.required("key", key);
    members.finish()?;
    Ok(Void { job: job?, operation: operation?, key: key? })
}

/// `POST /wallet/deposit`.
pub(crate) fn deposit(body: &[u8]) -> Result<Usd, Failure> {
    let mut members = Form::parse(body)?;
    let amount = members.required("amount_usd", amount);
    members.finish()?;
    Ok(amount?)
}

/// The payment that a path names. What is no id is one that is not there.
pub(crate) fn payment(request: &HttpRequest) -> Result<PaymentId, Failure> {
    let id = request.match_info().get("id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| Refusal::NoPayment.into())
}

fn id<T>(new: fn(i64) -> Result<T, IdError>) -> impl FnOnce(&str) -> Result<T, String> {
    move |raw| form::id(raw).and_then(|id| new(id).map_err(|error| error.to_string()))
}

fn amount(raw: &str) -> Result<Usd, String> {
    Usd::amount(raw).map_err(|error| error.to_string())
}

/// A key such as stands in the header.
fn key(raw: &str) -> Result<String, String> {
    let key: String = serde_json::from_str(raw).unwrap_or_default();
    let fits =
        !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if fits { Ok(key) } else { Err(format!("must be a string of 1 to {MAX_KEY} visible ASCII characters")) }
}
