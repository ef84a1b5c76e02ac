//! The service's paths: users look, the job service moves money, everyone is told apart first.
//!
//! Each call goes the same way: who calls, the body and its members, the idempotency key, then the work, which goes on to
//! its end even if the caller does not wait for it.

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use events::{JobId, UserId, UserType};
use rest::idempotency::Idempotency;
use rest::list::{Page, Query};
use rest::metrics::{Watch, resource};
use rest::{Callers, Failure, body, form, trace};
use serde::Serialize;
use service_kit::settings::values::Environment;

use crate::call::{Begun, Call};
use crate::forms;
use crate::ledger::Role;
use crate::openapi::{DepositBody, HoldBody, PaymentList, Problem, RefundBody, VoidBody, WorkerBody};
use crate::payment::Payment;
use crate::payments::{Payments, Voided};
use crate::refusal::Refusal;
use crate::wallet::Wallet;

/// To whom the keys of our services' calls belong.
const SERVICE: &str = "service";

/// What handlers work with.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) payments: Payments,
    pub(crate) callers: Callers,
    pub(crate) keys: Idempotency,
    pub(crate) environment: Environment,
}

/// Adds the paths to an application.
pub(crate) fn configure(config: &mut ServiceConfig, watch: &Watch, api: &Data<Api>) {
    let post = |path: &str| resource(path, "POST");
    config
        .service(
            watch
                .scope("/payments")
                .app_data(api.clone())
                .service(resource("", "GET").route(web::get().to(list_payments)))
                .service(post("/hold").route(web::post().to(hold)))
                .service(post("/void").route(web::post().to(void)))
                .service(post("/{id}/release").route(web::post().to(release)))
                .service(post("/{id}/refund").route(web::post().to(refund)))
                .service(post("/{id}/worker").route(web::post().to(set_worker)))
                .service(resource("/{id}", "GET").route(web::get().to(get_payment))),
        )
        .service(
            watch
                .scope("/wallet")
                .app_data(api.clone())
                .service(resource("", "GET").route(web::get().to(get_wallet)))
                .service(post("/deposit").route(web::post().to(deposit))),
        );
}

impl Api {
    /// Makes a call unless its key says that it was made, and answers 200 with what came of it.
    async fn once<T: Serialize + 'static>(
        &self,
        request: &HttpRequest,
        caller: &str,
        body: &[u8],
        work: impl AsyncFnOnce(Payments, Call) -> Result<T, Refusal> + 'static,
    ) -> Result<HttpResponse, Failure> {
        let call = match Call::begin(&self.keys, &self.payments.store, request, caller, body).await? {
            Begun::Repeat(answer) => return Ok(answer),
            Begun::Call(call) => call,
        };
        let payments = self.payments.clone();
        trace::uninterrupted(async move { Ok(HttpResponse::Ok().json(work(payments, call).await?)) }).await
    }

    /// The user who calls, and as whom.
    async fn user(&self, request: &HttpRequest) -> Result<(UserId, Role), Failure> {
        let user = self.callers.user(request).await?;
        let id = UserId::new(user.id).map_err(|error| rest::caller::unauthorized(error.to_string()))?;
        let role = if user.is(UserType::Employer.as_str()) { Role::Employer } else { Role::Worker };
        Ok((id, role))
    }
}

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
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a service"),
        (status = 422, body = Problem, description = "`invalid`: job_id, limit, cursor"),
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
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a service"),
        (status = 404, body = Problem, description = "`not_found`: there is none, or the caller is no party of it"),
    ),
)]
pub(crate) async fn get_payment(request: HttpRequest, api: Data<Api>) -> Result<HttpResponse, Failure> {
    let (user, _) = api.user(&request).await?;
    let id = forms::payment(&request)?;
    let payment = Payment::find(api.payments.store.reader(), id).await?;
    let payment = payment.filter(|payment| payment.has_party(user)).ok_or(Refusal::NoPayment)?;
    Ok(HttpResponse::Ok().json(payment))
}

/// Hold an employer's money for a job. For services.
#[utoipa::path(
    post, path = "/payments/hold", tag = "internal", security(("service_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h")),
    request_body = HoldBody,
    responses(
        (status = 200, body = Payment, description = "The payment; also where the same hold was made before"),
        (status = 400, body = Problem, description = "`malformed_json`"),
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a user"),
        (status = 409, body = Problem, description = "`insufficient_funds`, `payment_exists`, `voided`, \
            `idempotency_key_in_flight`"),
        (status = 413, body = Problem, description = "`too_large`"),
        (status = 415, body = Problem, description = "`not_json`"),
        (status = 422, body = Problem, description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn hold(request: HttpRequest, payload: Payload, api: Data<Api>) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let body = body::json(&request, payload).await?;
    let order = forms::hold(&body)?;
    let work = async move |payments: Payments, call: Call| payments.hold(&call, order).await;
    api.once(&request, SERVICE, &body, work).await
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
        (status = 400, body = Problem, description = "`malformed_json`"),
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a user"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`wrong_state` with `state`, `other_worker`, `voided`, \
            `idempotency_key_in_flight`"),
        (status = 413, body = Problem, description = "`too_large`"),
        (status = 415, body = Problem, description = "`not_json`"),
        (status = 422, body = Problem, description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn release(request: HttpRequest, payload: Payload, api: Data<Api>) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let id = forms::payment(&request)?;
    let body = body::json(&request, payload).await?;
    let worker = forms::worker(&body)?;
    let work = async move |payments: Payments, call: Call| payments.release(&call, id, worker).await;
    api.once(&request, SERVICE, &body, work).await
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
        (status = 400, body = Problem, description = "`malformed_json`"),
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a user"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`wrong_state` with `state`, `other_worker`, `voided`, \
            `idempotency_key_in_flight`"),
        (status = 413, body = Problem, description = "`too_large`"),
        (status = 415, body = Problem, description = "`not_json`"),
        (status = 422, body = Problem, description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn refund(request: HttpRequest, payload: Payload, api: Data<Api>) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let id = forms::payment(&request)?;
    let body = body::json(&request, payload).await?;
    let (worker, reason) = forms::refund(&body)?;
    let work = async move |payments: Payments, call: Call| payments.refund(&call, id, worker, reason).await;
    api.once(&request, SERVICE, &body, work).await
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
        (status = 400, body = Problem, description = "`malformed_json`"),
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a user"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`other_worker`, `idempotency_key_in_flight`"),
        (status = 413, body = Problem, description = "`too_large`"),
        (status = 415, body = Problem, description = "`not_json`"),
        (status = 422, body = Problem, description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, description = "`store_unavailable`"),
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
    let worker = forms::worker(&body)?;
    let work = async move |payments: Payments, call: Call| payments.set_worker(&call, id, worker).await;
    api.once(&request, SERVICE, &body, work).await
}

/// Give up an operation whose answer was never heard: it was carried out, or it never will be under that key. For
/// services.
#[utoipa::path(
    post, path = "/payments/void", tag = "internal", security(("service_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h")),
    request_body = VoidBody,
    responses(
        (status = 200, body = Voided, description = "What became of the operation"),
        (status = 400, body = Problem, description = "`malformed_json`"),
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a user"),
        (status = 409, body = Problem, description = "`idempotency_key_in_flight`"),
        (status = 413, body = Problem, description = "`too_large`"),
        (status = 415, body = Problem, description = "`not_json`"),
        (status = 422, body = Problem, description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn void(request: HttpRequest, payload: Payload, api: Data<Api>) -> Result<HttpResponse, Failure> {
    api.callers.service(&request).await?;
    let body = body::json(&request, payload).await?;
    let given_up = forms::void(&body)?;
    let work = async move |payments: Payments, call: Call| payments.void(&call, &given_up).await;
    api.once(&request, SERVICE, &body, work).await
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
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: a service"),
        (status = 422, body = Problem, description = "`invalid`: limit, cursor"),
        (status = 503, body = Problem, description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn get_wallet(request: HttpRequest, api: Data<Api>) -> Result<HttpResponse, Failure> {
    let (user, role) = api.user(&request).await?;
    let page = page(&Query::of(&request), &["wallet", &user.to_string()], Vec::new())?;
    let payments = api.payments.clone();
    trace::uninterrupted(async move { Ok(HttpResponse::Ok().json(payments.wallet(user, role, &page).await?)) }).await
}

/// Bring money into the caller's wallet. The ledger is the only payment provider: the money is there because the
/// employer says so, and in production nobody may.
#[utoipa::path(
    post, path = "/wallet/deposit", tag = "wallet", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives the first success again for 24 h")),
    request_body = DepositBody,
    responses(
        (status = 200, body = Wallet, description = "The wallet"),
        (status = 400, body = Problem, description = "`malformed_json`"),
        (status = 401, body = Problem, description = "`unauthorized`"),
        (status = 403, body = Problem, description = "`forbidden`: no employer; `deposits_disabled`: in production"),
        (status = 409, body = Problem, description = "`idempotency_key_in_flight`"),
        (status = 413, body = Problem, description = "`too_large`"),
        (status = 415, body = Problem, description = "`not_json`"),
        (status = 422, body = Problem, description = "`invalid`, `idempotency_key_reused`"),
        (status = 503, body = Problem, description = "`store_unavailable`"),
    ),
)]
pub(crate) async fn deposit(request: HttpRequest, payload: Payload, api: Data<Api>) -> Result<HttpResponse, Failure> {
    let (user, role) = api.user(&request).await?;
    if role != Role::Employer {
        return Err(Failure::forbidden("only employers deposit"));
    }
    if api.environment == Environment::Production {
        let detail = "there is no payment provider behind the ledger: in production nobody deposits";
        return Err(Failure::new(StatusCode::FORBIDDEN, "deposits_disabled", detail));
    }
    let body = body::json(&request, payload).await?;
    let amount = forms::deposit(&body)?;
    let caller = user.to_string();
    let page = page(&Query::default(), &["wallet", &caller], Vec::new())?;
    let work = async move |payments: Payments, call: Call| payments.deposit(&call, user, amount, &page).await;
    api.once(&request, &caller, &body, work).await
}
