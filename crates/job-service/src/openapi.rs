//! The service's HTTP as a document: `/openapi.json` and the page of it.
//!
//! What is answered is described here and with the handlers; what it means, in `docs/job-service.md`.

use serde::Serialize;
use service_kit::problem::CONTENT_TYPE;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

use crate::job::Job;

#[cfg(test)]
mod tests;

/// The description as a whole.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "job-service", description = "PayChain's jobs: posted, accepted, completed, cancelled, expired."),
    paths(
        crate::http::post_job,
        crate::http::list_jobs,
        crate::http::get_job,
        crate::http::accept_job,
        crate::http::complete_job,
        crate::http::cancel_job
    ),
    components(schemas(Job, NewJob, JobList, JobStatusWord, JobTypeWord, Problem, MemberError)),
    modifiers(&Bearer, &Problems),
    security(("bearer" = []))
)]
pub(crate) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// What the derive does not take of errors that are described once for several paths: their media type, and that they
/// all have one form.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let operations = document.paths.paths.values_mut().flat_map(|path| {
            [&mut path.get, &mut path.post].into_iter().filter_map(Option::as_mut).collect::<Vec<_>>()
        });
        let responses = operations.flat_map(|operation| operation.responses.responses.iter_mut());
        for (_, response) in responses.filter(|(status, _)| status.starts_with(['4', '5'])) {
            if let RefOr::T(response) = response {
                let problem = RefOr::T(Content::new(Some(Ref::from_schema_name("Problem"))));
                response.content = [(CONTENT_TYPE.to_owned(), problem)].into_iter().collect();
            }
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobStatus, example = "open")]
#[expect(dead_code, reason = "describes `events::JobStatus`")]
pub(crate) enum JobStatusWord {
    Open,
    Accepted,
    Completed,
    Refunded,
}

/// A kind of work.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobType, example = "development")]
#[expect(dead_code, reason = "describes `events::JobType`")]
pub(crate) enum JobTypeWord {
    Development,
    Design,
    Writing,
    Marketing,
    DataEntry,
    Other,
}

/// A job to be posted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct NewJob {
    /// What is to be done.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// More about it.
    #[schema(max_length = 20_000)]
    description: Option<String>,
    /// What it pays, in US dollars with at most two decimals.
    #[schema(minimum = 0.01, maximum = 1_000_000_000, multiple_of = 0.01)]
    pay_amount_usd: f64,
    /// What kind of work it is.
    job_type: JobTypeWord,
    /// When it is refunded if it is not completed; in the future, with any offset.
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<String>,
}

/// A page of jobs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct JobList {
    /// The jobs, newest first.
    items: Vec<Job>,
    /// The cursor of what follows; `null` on the last page.
    #[schema(required = true)]
    next: Option<String>,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Problem {
    /// `about:blank`.
    r#type: String,
    /// A few words about the kind of problem; of `payment_unavailable`, whether the outcome is known.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What programs go by; it never changes its meaning.
    code: String,
    /// A sentence for a developer; none where the fault is ours.
    detail: Option<String>,
    /// The first of `errors`.
    member: Option<String>,
    /// Every wrong member; with each 422.
    errors: Option<Vec<MemberError>>,
    /// The job's present state; with `wrong_state`.
    state: Option<JobStatusWord>,
}

/// A wrong member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct MemberError {
    /// Its name.
    member: String,
    /// What is wrong with it.
    message: String,
}

/// What a list may be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; read from the query")]
pub(crate) struct ListParameters {
    /// Jobs that stand there; all without.
    #[param(inline)]
    status: Option<JobStatusWord>,
    /// One kind of work; all without.
    #[param(inline)]
    job_type: Option<JobTypeWord>,
    /// `true`: an employer's own jobs, or those that a worker accepted.
    mine: Option<bool>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Jobs of a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
}

/// The header that makes a POST repeatable.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; read from the header")]
pub(crate) struct IdempotencyKey {
    /// For 24 h the first success comes again for the same caller, path and key; with another body it is a 422.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// Refusals by the body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum BodyRefused {
    /// `malformed_json`: no JSON, no UTF-8, or no body; `body_incomplete`.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// `too_large`: over 1 MiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// `not_json`: another content type.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] Problem),
    /// `invalid`: names every wrong member; `idempotency_key_reused`.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] Problem),
}

/// Refusals by a body that need not be there.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum EmptyBodyRefused {
    /// `body_incomplete`: it ended early.
    #[response(status = 400, content_type = "application/problem+json")]
    Incomplete(#[to_schema] Problem),
    /// `too_large`: over 1 MiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
}

/// Refusals by who reads.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum ReaderRefused {
    /// `unauthorized`: no good access token.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// `forbidden`: a service's key.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
}

/// Refusals by who calls.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum CallerRefused {
    /// `unauthorized`: no good access token.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// `forbidden`: a service's key, not for users of this type, or another employer's job.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
}

/// Refusals by the job.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum StateRefused {
    /// `not_found`.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
    /// `wrong_state` with `state`; `idempotency_key_in_flight` with `Retry-After`.
    #[response(status = 409, content_type = "application/problem+json")]
    WrongState(#[to_schema] Problem),
    /// `idempotency_key_reused`, or `invalid`: the key itself.
    #[response(status = 422, content_type = "application/problem+json")]
    KeyReused(#[to_schema] Problem),
}

/// What is away.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum Away {
    /// `payment_unavailable`, `store_unavailable`, `keys_unavailable`, all with `Retry-After`. The `title` of the first
    /// says whether nothing has changed or the outcome will show in the job.
    #[response(status = 503, content_type = "application/problem+json")]
    Away(#[to_schema] Problem),
}

/// What is away where no money moves.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum StoreAway {
    /// `store_unavailable`, `keys_unavailable`, with `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Away(#[to_schema] Problem),
}
