//! Error answers over HTTP: RFC 9457 `application/problem+json` with a stable `code`.
//!
//! Which codes exist is each server's affair; here is their form, for actix-web, for a refusal written to a raw
//! socket, and inside a larger JSON answer. What our own faults were about goes to the log and never to the peer.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::telemetry::LogLimiter;

#[cfg(test)]
mod tests;

/// The media type of every error answer.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Lines per second about answers that are our fault. An overloaded server refuses thousands of requests per
/// second, and its log must not become the next thing that is too slow.
static LOG: LogLimiter = LogLimiter::new(10);

/// One member of a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MemberError {
    /// The member, as a path where it is nested: `channels[2]`.
    pub member: Cow<'static, str>,
    /// What is wrong with it, and what would be accepted.
    pub message: Cow<'static, str>,
}

/// An error answer. `code` is contract: clients match on it, so it never changes its meaning.
///
/// As JSON: `type` (`about:blank`), `title`, `status`, `code`, `detail`; `member` with the first that is wrong and
/// `errors` with `{member, message}` for each of them, the list for every 422; then members of its own
/// ([`Problem::with`]). Of a 5xx the `detail` is left out.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: Cow<'static, str>,
    detail: Cow<'static, str>,
    members: Vec<MemberError>,
    retry_after: Option<Duration>,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    extensions: Vec<(&'static str, Value)>,
}

impl Problem {
    /// A problem with the status' usual phrase as its title.
    ///
    /// `detail` is one sentence for a developer. For a 5xx it goes to the log only, and may name our own parts.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
            detail: detail.into(),
            members: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// Our own fault: 500 `internal`, the detail for the log.
    #[must_use]
    pub fn internal(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// Overload or a stopping server: 503 with the time after which another try makes sense.
    #[must_use]
    pub fn unavailable(
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        retry_after: Duration,
    ) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after)
    }

    /// Another title: a few words, usually the same for every problem of this code. The peer of a 5xx reads only
    /// this, so what such a peer has to know stands here.
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = title.into();
        self
    }

    /// The one member that the problem is about; what is wrong with it is the `detail`.
    #[must_use]
    pub fn member(self, member: impl Into<Cow<'static, str>>) -> Self {
        let message = self.detail.clone();
        self.error(member, message)
    }

    /// One more member that is wrong.
    #[must_use]
    pub fn error(
        mut self,
        member: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.members.push(MemberError { member: member.into(), message: message.into() });
        self
    }

    /// When another try makes sense. Told in whole seconds, rounded up, at least 1.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// A further header that the status asks for, such as `Allow` for 405 or `Upgrade` for 426.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A further member of the answer that its code promises, such as the `state` of a `wrong_state`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.extensions.push((name, value.into()));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for a developer. Not for the peer where [`Self::status`] is a 5xx.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The members that are wrong, in the order in which they were added.
    #[must_use]
    pub fn members(&self) -> &[MemberError] {
        &self.members
    }

    /// The answer's headers: content type, `Retry-After`, the `WWW-Authenticate` that RFC 9110 §15.5.2 demands
    /// of a 401, and those added by [`Self::header`].
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", CONTENT_TYPE.to_owned())];
        if let Some(after) = self.retry_after {
            headers.push(("retry-after", whole_seconds(after).to_string()));
        }
        let added = self.headers.iter().map(|(name, value)| (*name, value.clone().into_owned()));
        headers.extend(added);
        let named = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
        if self.status == StatusCode::UNAUTHORIZED && !named {
            headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        headers
    }

    /// The JSON body as bytes, for an answer that actix-web does not write.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        // Strings and a number: serialising them can't fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Writes what is our fault to the log, at most ten lines per second; a peer's fault is not logged.
    /// actix-web's way calls this by itself.
    pub fn log(&self) {
        if !self.status.is_server_error() {
            return;
        }
        let Some(suppressed) = LOG.allow() else { return };
        let (status, code, detail) = (self.status.as_u16(), self.code, self.detail.as_ref());
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(status, code, detail, suppressed, "request refused");
        } else {
            tracing::error!(status, code, detail, suppressed, "request failed");
        }
    }
}

/// Seconds for `Retry-After`: rounded up, since one who comes back too early is refused again.
fn whole_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "about:blank")?;
        map.serialize_entry("title", &self.title)?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("code", self.code)?;
        if !self.status.is_server_error() {
            map.serialize_entry("detail", &self.detail)?;
        }
        if let Some(first) = self.members.first() {
            map.serialize_entry("member", &first.member)?;
        }
        if !self.members.is_empty() || self.status == StatusCode::UNPROCESSABLE_ENTITY {
            map.serialize_entry("errors", &self.members)?;
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let mut response = HttpResponse::build(self.status);
        for header in self.headers() {
            response.insert_header(header);
        }
        response.body(self.body())
    }
}
