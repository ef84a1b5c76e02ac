//! What users call: their payments, their wallet, deposits.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events::JobId;
use rest::list::{Page, Query};
use rest::{Failure, body, form, trace};
use service_kit::settings::values::Environment;

use super::Api;
use crate::call::Call;
use crate::forms;
use crate::ledger::Role;
use crate::openapi::{DepositBody, PaymentList, Problem};
use crate::payment::Payment;
use crate::payments::Payments;
use crate::refusal::Refusal;
use crate::wallet::Wallet;

/// The page of a list that belongs to a user, with the other parameters' errors.
fn page(query: &Query, list: &[&str], mut errors: Vec<(&'static str, String)>) -> Result<Page, Failure> {
    let page = Page::of(query, list, &mut errors);
    form::invalid(errors)?;
    Ok(page)
}

/// The caller's payments, or that of one job.
#[utoipa::path(
    get, path = "/payments", tag = "payments", security(("token" = [])),
    params(
        ("job_id" = Option<i64>, Query, description = "Only the payment of this job"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "20 if unset"),
    ),
    responses(
        (status = 200, body = PaymentList, description = "Those that the caller is a party of, newest first"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a service"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`: job_id, limit, cursor"),
    ),
)]
pub(crate) async fn list_payments(request: HttpRequest, api: Data<Api>) -> Result<HttpResponse, Failure> {
    let (user, _) = api.user(&request).await?;
    let query = Query::of(&request);
    let (filter, mut errors) = (query.get("job_id"), Vec::new());
    let job: Option<JobId> = match filter.map(str::parse).transpose() {
        Ok(job) => job,
        Err(error) => {
            errors.push(("job_id", format!("{error}")));
            None
        }
    };
    let page = page(&query, &["payments", &user.to_string(), filter.unwrap_or_default()], errors)?;
    let reader = api.payments.store.reader();
    let payments = match job {
        None => Payment::of_party(reader, user, &page).await?,
        Some(job) => Payment::of_job(reader, job)
            .await?
            .filter(|payment| payment.has_party(user) && payment.payment_id.get() < page.before)
            .into_iter()
            .collect(),
    };
    Ok(HttpResponse::Ok().json(page.list(payments, |payment| payment.payment_id.get())))
}

/// One payment, for its parties.
#[utoipa::path(
    get, path = "/payments/{id}", tag = "payments", security(("token" = [])),
    params(("id" = i64, Path, description = "The payment")),
    responses(
        (status = 200, body = Payment, description = "The payment"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a service"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`not_found`: there is none, or the caller is no party of it"),
    ),
)]
pub(crate) async fn get_payment(request: HttpRequest, api: Data<Api>) -> Result<HttpResponse, Failure> {
    let (user, _) = api.user(&request).await?;
    let id = forms::payment(&request)?;
    let payment = Payment::find(api.payments.store.reader(), id).await?;
    let payment = payment.filter(|payment| payment.has_party(user)).ok_or(Refusal::NoPayment)?;
    Ok(HttpResponse::Ok().json(payment))
}

/// The caller's wallet.
#[utoipa::path(
    get, path = "/wallet", tag = "wallet", security(("token" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`entries.next` of the page before"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "20 if unset"),
    ),
    responses(
        (status = 200, body = Wallet, description = "The wallet with a page of its entries, newest first"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: a service"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`: limit, cursor"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn get_wallet(request: HttpRequest, api: Data<Api>) -> Result<HttpResponse, Failure> {
    let (user, role) = api.user(&request).await?;
    let page = page(&Query::of(&request), &["wallet", &user.to_string()], Vec::new())?;
    let payments = api.payments.clone();
    trace::uninterrupted(
        async move { Ok(HttpResponse::Ok().json(payments.wallet(user, role, &page).await?)) },
    )
    .await
}

/// Bring money into the caller's wallet. The ledger is the only payment provider: the money is there because the
/// employer says so, and in production nobody may.
#[utoipa::path(
    post, path = "/wallet/deposit", tag = "wallet", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h")),
    request_body = DepositBody,
    responses(
        (status = 200, body = Wallet, description = "The wallet"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`malformed_json`"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`unauthorized`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`forbidden`: no employer; `deposits_disabled`: in production"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`idempotency_key_in_flight`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "`too_large`"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "`not_json`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn deposit(
    request: HttpRequest,
    payload: Payload,
    api: Data<Api>,
) -> Result<HttpResponse, Failure> {
    let (user, role) = api.user(&request).await?;
    if role != Role::Employer {
        return Err(Failure::forbidden("only employers deposit"));
    }
    if api.environment == Environment::Production {
        let detail = "there is no payment provider behind the ledger: in production nobody deposits";
        return Err(Failure::new(StatusCode::FORBIDDEN, "deposits_disabled", detail));
    }
    let body = body::json(&request, payload).await?;
    let caller = user.to_string();
    let page = page(&Query::default(), &["wallet", &caller], Vec::new())?;
    let work = async move |payments: Payments, call: Call, amount| {
        payments.deposit(&call, user, amount, &page).await
    };
    api.once(&request, &caller, &body, forms::deposit, work).await
}
