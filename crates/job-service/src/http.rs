//! The service's HTTP: who may call, what a call must look like, and which work it starts.
//!
//! Not here: the work (`posting`, `accepting`, `closing`), and its description for readers ([`crate::openapi`]).

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use events::{JobId, JobStatus, JobType, Usd, UserType};
use rest::idempotency::{self, Begin};
use rest::list::{Page, Query};
use rest::metrics::resource;
use rest::{Failure, Form, User, body, form, instant, trace};
use store::now_micros;

use crate::JobService;
use crate::closing::Closing;
use crate::desk::{no_such_job, text};
use crate::table::{self, Draft, Whose};

/// The longest title, in characters (contract: services, Everywhere).
const MAX_TITLE: usize = 200;

/// The longest description, in characters (contract: services, Everywhere).
const MAX_DESCRIPTION: usize = 20_000;

/// Adds the service's paths.
pub(crate) fn configure(service: &JobService, config: &mut ServiceConfig) {
    let scope = service.watch.scope("/jobs").app_data(Data::new(service.clone()));
    config.service(
        scope
            .service(
                resource("", "GET, POST").route(web::get().to(list_jobs)).route(web::post().to(post_job)),
            )
            .service(resource("/{job_id}", "GET").route(web::get().to(get_job)))
            .service(resource("/{job_id}/accept", "POST").route(web::post().to(accept_job)))
            .service(resource("/{job_id}/complete", "POST").route(web::post().to(complete_job)))
            .service(resource("/{job_id}/cancel", "POST").route(web::post().to(cancel_job))),
    );
}

/// Posts a job: its money is held on the employer's wallet first.
#[utoipa::path(post, path = "/jobs", tag = "jobs", request_body = crate::openapi::NewJob,
    params(crate::openapi::IdempotencyKey),
    responses((status = 201, description = "Posted, and its money is held", body = crate::job::Job),
        crate::openapi::BodyRefused, crate::openapi::CallerRefused,
        (status = 409, description = "`insufficient_funds`, or `idempotency_key_in_flight` (with `Retry-After`)",
         body = crate::openapi::Problem, content_type = "application/problem+json"),
        crate::openapi::Away))]
pub(crate) async fn post_job(
    request: HttpRequest,
    payload: Payload,
    service: Data<JobService>,
) -> Result<HttpResponse, Failure> {
    let user = caller(&service, &request, UserType::Employer).await?;
    let body = body::json(&request, payload).await?;
    // First, since what was a good job then need not be one now: its deadline may have passed.
    let fresh = match begin(&service, &request, &user, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let draft = draft(&body, user.id)?;
    let desk = service.desk.clone();
    let job = trace::uninterrupted(async move { desk.post(draft, fresh).await }).await?;
    Ok(idempotency::json(StatusCode::CREATED, text(&job)?))
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(crate::openapi::ListParameters),
    responses((status = 200, description = "A page of jobs", body = crate::openapi::JobList),
        crate::openapi::ReaderRefused,
        (status = 422, description = "`invalid`: names every wrong parameter",
         body = crate::openapi::Problem, content_type = "application/problem+json"),
        crate::openapi::StoreAway))]
pub(crate) async fn list_jobs(
    request: HttpRequest,
    service: Data<JobService>,
) -> Result<HttpResponse, Failure> {
    let user = service.callers.user(&request).await?;
    let query = Query::of(&request);
    let mut errors = Vec::new();
    let status: Option<JobStatus> = word(&query, "status", &mut errors);
    let job_type: Option<JobType> = word(&query, "job_type", &mut errors);
    let whose = match query.get("mine") {
        None | Some("false") => Whose::Everyones,
        Some("true") if user.is(UserType::Worker.as_str()) => Whose::Workers(user.id),
        Some("true") => Whose::Employers(user.id),
        Some(_) => {
            errors.push(("mine", "must be true or false".to_owned()));
            Whose::Everyones
        }
    };
    let filters = [status.map_or("", JobStatus::as_str), job_type.map_or("", JobType::as_str)];
    let page = Page::of(&query, &["jobs", &format!("{whose:?}"), filters[0], filters[1]], &mut errors);
    form::invalid(errors)?;
    let rows = table::list(&service.desk.store, whose, status, job_type, page.before, page.rows()).await?;
    let jobs = rows.into_iter().map(|entry| entry.job).collect();
    Ok(HttpResponse::Ok().json(page.list(jobs, |job| job.job_id)))
}

/// One job.
#[utoipa::path(get, path = "/jobs/{job_id}", tag = "jobs", params(("job_id" = i64, Path, description = "The job")),
    responses((status = 200, description = "The job", body = crate::job::Job),
        crate::openapi::ReaderRefused,
        (status = 404, description = "`not_found`",
         body = crate::openapi::Problem, content_type = "application/problem+json"),
        crate::openapi::StoreAway))]
pub(crate) async fn get_job(
    request: HttpRequest,
    service: Data<JobService>,
) -> Result<HttpResponse, Failure> {
    service.callers.user(&request).await?;
    let entry = table::find(&service.desk.store, job_id(&request)?).await?.ok_or_else(no_such_job)?;
    Ok(HttpResponse::Ok().json(entry.job))
}

/// Accepts an open job: of several workers one wins.
#[utoipa::path(post, path = "/jobs/{job_id}/accept", tag = "jobs",
    params(("job_id" = i64, Path, description = "The job"), crate::openapi::IdempotencyKey),
    responses((status = 200, description = "Accepted by the caller", body = crate::job::Job),
        crate::openapi::CallerRefused, crate::openapi::EmptyBodyRefused, crate::openapi::StateRefused,
        crate::openapi::Away))]
pub(crate) async fn accept_job(
    request: HttpRequest,
    payload: Payload,
    service: Data<JobService>,
) -> Result<HttpResponse, Failure> {
    let user = caller(&service, &request, UserType::Worker).await?;
    let job_id = job_id(&request)?;
    let body = body::any(&request, payload).await?;
    let fresh = match begin(&service, &request, &user, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let desk = service.desk.clone();
    let job = trace::uninterrupted(async move { desk.accept(job_id, user.id, fresh).await }).await?;
    Ok(idempotency::json(StatusCode::OK, text(&job)?))
}

/// Completes an accepted job: its worker is paid first.
#[utoipa::path(post, path = "/jobs/{job_id}/complete", tag = "jobs",
    params(("job_id" = i64, Path, description = "The job"), crate::openapi::IdempotencyKey),
    responses((status = 200, description = "Completed, and the worker is paid", body = crate::job::Job),
        crate::openapi::CallerRefused, crate::openapi::EmptyBodyRefused, crate::openapi::StateRefused,
        crate::openapi::Away))]
pub(crate) async fn complete_job(
    request: HttpRequest,
    payload: Payload,
    service: Data<JobService>,
) -> Result<HttpResponse, Failure> {
    close(&request, payload, &service, Closing::Complete).await
}

/// Cancels an open or accepted job: its money comes back first.
#[utoipa::path(post, path = "/jobs/{job_id}/cancel", tag = "jobs",
    params(("job_id" = i64, Path, description = "The job"), crate::openapi::IdempotencyKey),
    responses((status = 200, description = "Refunded", body = crate::job::Job),
        crate::openapi::CallerRefused, crate::openapi::EmptyBodyRefused, crate::openapi::StateRefused,
        crate::openapi::Away))]
pub(crate) async fn cancel_job(
    request: HttpRequest,
    payload: Payload,
    service: Data<JobService>,
) -> Result<HttpResponse, Failure> {
    close(&request, payload, &service, Closing::Cancel).await
}

async fn close(
    request: &HttpRequest,
    payload: Payload,
    service: &JobService,
    closing: Closing,
) -> Result<HttpResponse, Failure> {
    let user = caller(service, request, UserType::Employer).await?;
    let job_id = job_id(request)?;
    let body = body::any(request, payload).await?;
    let fresh = match begin(service, request, &user, &body).await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    let desk = service.desk.clone();
    trace::uninterrupted(async move { desk.close(job_id, user.id, closing, fresh).await }).await
}

/// The user who calls, who has to be of this type.
async fn caller(service: &JobService, request: &HttpRequest, wanted: UserType) -> Result<User, Failure> {
    let user = service.callers.user(request).await?;
    if user.is(wanted.as_str()) {
        return Ok(user);
    }
    Err(Failure::forbidden(format!("only a user of type {wanted} may do this")))
}

async fn begin(
    service: &JobService,
    request: &HttpRequest,
    user: &User,
    body: &[u8],
) -> Result<Begin, Failure> {
    service.idempotency.begin(&service.desk.store, request, &user.id.to_string(), body).await
}

fn job_id(request: &HttpRequest) -> Result<i64, Failure> {
    let id: Option<JobId> = request.match_info().get("job_id").and_then(|text| text.parse().ok());
    id.map(JobId::get).ok_or_else(no_such_job)
}

fn word<T: std::str::FromStr<Err = events::UnknownWord>>(
    query: &Query,
    name: &'static str,
    errors: &mut Vec<(&'static str, String)>,
) -> Option<T> {
    query
        .get(name)
        .and_then(|text| text.parse().map_err(|error: T::Err| errors.push((name, error.to_string()))).ok())
}

fn draft(body: &[u8], employer_id: i64) -> Result<Draft, Failure> {
    let mut form = Form::parse(body)?;
    let title = form.required("title", form::text(1, MAX_TITLE));
    let description = form.optional("description", form::text(0, MAX_DESCRIPTION));
    let pay_amount_usd =
        form.required("pay_amount_usd", |raw| Usd::amount(raw).map_err(|error| error.to_string()));
    let job_type = form.required("job_type", form::word(JobType::ALL, JobType::as_str));
    let deadline = form.optional("deadline", |raw| {
        let deadline = instant::read(raw)?;
        if deadline > now_micros() { Ok(deadline) } else { Err("must be in the future".to_owned()) }
    });
    form.finish()?;
    Ok(Draft {
        employer_id,
        title: title?,
        description: description?.unwrap_or_default(),
        pay_amount_usd: pay_amount_usd?,
        job_type: job_type?,
        deadline: deadline?,
    })
}
