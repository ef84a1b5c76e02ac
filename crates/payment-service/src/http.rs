//! The service's paths: users look, the job service moves money, everyone is told apart first.
//!
//! Each call goes the same way: who calls, the body and its members, the idempotency key, then the work, which goes on to
//! its end even if the caller does not wait for it.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use events::{UserId, UserType};
use rest::idempotency::Idempotency;
use rest::metrics::{Watch, resource};
use rest::{Callers, Failure, trace};
use serde::Serialize;
use service_kit::settings::values::Environment;

use crate::call::{Begun, Call};
use crate::ledger::Role;
use crate::payments::Payments;
use crate::refusal::Refusal;

pub(crate) mod services;
pub(crate) mod users;

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
                .service(resource("", "GET").route(web::get().to(users::list_payments)))
                .service(post("/hold").route(web::post().to(services::hold)))
                .service(post("/void").route(web::post().to(services::void)))
                .service(post("/{id}/release").route(web::post().to(services::release)))
                .service(post("/{id}/refund").route(web::post().to(services::refund)))
                .service(post("/{id}/worker").route(web::post().to(services::set_worker)))
                .service(resource("/{id}", "GET").route(web::get().to(users::get_payment))),
        )
        .service(
            watch
                .scope("/wallet")
                .app_data(api.clone())
                .service(resource("", "GET").route(web::get().to(users::get_wallet)))
                .service(post("/deposit").route(web::post().to(users::deposit))),
        );
}

impl Api {
    /// Makes a call unless its key says that it was made, and answers 200 with what came of it. The key comes before what
    /// is in the body: what was right once is not read again.
    async fn once<F: 'static, T: Serialize + 'static>(
        &self,
        request: &HttpRequest,
        caller: &str,
        body: &[u8],
        read: impl FnOnce(&[u8]) -> Result<F, Failure>,
        work: impl AsyncFnOnce(Payments, Call, F) -> Result<T, Refusal> + 'static,
    ) -> Result<HttpResponse, Failure> {
        let call = match Call::begin(&self.keys, &self.payments.store, request, caller, body).await? {
            Begun::Repeat(answer) => return Ok(answer),
            Begun::Call(call) => call,
        };
        let form = read(body)?;
        let payments = self.payments.clone();
        trace::uninterrupted(async move { Ok(HttpResponse::Ok().json(work(payments, call, form).await?)) })
            .await
    }

    /// The user who calls, and as whom.
    async fn user(&self, request: &HttpRequest) -> Result<(UserId, Role), Failure> {
        let user = self.callers.user(request).await?;
        let id = UserId::new(user.id).map_err(|error| rest::caller::unauthorized(error.to_string()))?;
        let role = if user.is(UserType::Employer.as_str()) { Role::Employer } else { Role::Worker };
        Ok((id, role))
    }
}
