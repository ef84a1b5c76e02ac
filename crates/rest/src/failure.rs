//! What a handler answers when it can't do what was asked.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use service_kit::problem::Problem;
use store::Trouble;

/// Told to callers while the database is away or busy.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A [`Problem`] as a handler's error; a failed statement becomes one by `?`.
#[derive(Debug, Clone)]
pub struct Failure(pub Problem);

impl Failure {
    /// Shorthand for a problem of the caller's making.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Self {
        Self(Problem::new(status, code, detail))
    }

    /// 404 `not_found`.
    pub fn not_found(detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 403 `forbidden`.
    pub fn forbidden(detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(match Trouble::of(&error) {
            Trouble::Unavailable => {
                Problem::unavailable("store_unavailable", format!("the database: {error}"), RETRY_AFTER)
                    .title("The service can't reach its database at the moment")
            }
            Trouble::Duplicate | Trouble::Fault => Problem::internal(format!("the database: {error}")),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.0.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.0.error_response()
    }
}
