//! The description of the calls for `/openapi.json`. The functions here are never called: utoipa reads what stands above
//! them.

#![expect(dead_code, reason = "described, and never called")]

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::shapes::{KeySet, Login, Pair, ProblemBody, RefreshToken, Register, Rename, SignedIn};
use crate::users::User;

/// The service's description.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "user-service", description = "PayChain's users: registration, sign-in, sessions and their keys."),
    paths(register, login, refresh, logout, logout_all, me, rename, jwks),
    components(schemas(ProblemBody)),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", scheme);
    }
}

/// Answers that every call of a user may give.
#[derive(utoipa::IntoResponses)]
enum CallerProblems {
    /// `unauthorized`: no access token that is good.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] ProblemBody),
    /// `forbidden`: a service's key, where a user is wanted.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] ProblemBody),
}

/// Answers that every call may give that reads a body, JSON or not.
#[derive(utoipa::IntoResponses)]
enum BodyProblems {
    /// `malformed_json`: no JSON at all, where JSON is wanted; `body_incomplete`.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] ProblemBody),
    /// `request_timeout`: the body did not come whole in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(#[to_schema] ProblemBody),
    /// `too_large`: over 1 MiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] ProblemBody),
}

/// Answers that every call with a JSON body may give beside [`BodyProblems`].
#[derive(utoipa::IntoResponses)]
enum JsonProblems {
    /// `not_json`: another media type.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] ProblemBody),
    /// `invalid`: `errors` names every wrong member.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] ProblemBody),
}

/// The answer of every call that needs the database.
#[derive(utoipa::IntoResponses)]
enum Overload {
    /// `store_unavailable`; `busy` of a call that hashes a password. With `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] ProblemBody),
}

/// Make an account and sign in.
#[utoipa::path(post, path = "/auth/register", tag = "auth", request_body = Register, responses(
    (status = 201, body = SignedIn, description = "The user, signed in"),
    (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`email_taken`"),
    (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; with `Retry-After`"),
    BodyProblems, JsonProblems, Overload,
))]
fn register() {}

/// Sign in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = Login, responses(
    (status = 200, body = SignedIn, description = "The user, signed in"),
    (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_credentials`"),
    (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`too_many_attempts`, `rate_limited`; with `Retry-After`"),
    BodyProblems, JsonProblems, Overload,
))]
fn login() {}

/// Get the next pair of tokens. The old refresh token is void; using it again ends the session.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", request_body = RefreshToken, responses(
    (status = 200, body = Pair, description = "A new pair; the old refresh token is void"),
    (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_refresh_token`"),
    BodyProblems, JsonProblems, Overload,
))]
fn refresh() {}

/// End the session of a refresh token of one's own.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", request_body = RefreshToken, security(("bearer" = [])), responses(
    (status = 204, description = "Done, or there was nothing to end"),
    CallerProblems,
    BodyProblems, JsonProblems, Overload,
))]
fn logout() {}

/// End all sessions of one's own.
#[utoipa::path(post, path = "/auth/logout-all", tag = "auth", security(("bearer" = [])), responses(
    (status = 204, description = "Done"),
    CallerProblems, BodyProblems, Overload,
))]
fn logout_all() {}

/// Who one is.
#[utoipa::path(get, path = "/users/me", tag = "users", security(("bearer" = [])), responses(
    (status = 200, body = User, description = "The user"),
    CallerProblems,
    (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not_found`: a user of another issuer"),
    Overload,
))]
fn me() {}

/// Take another name.
#[utoipa::path(patch, path = "/users/me", tag = "users", request_body = Rename, security(("bearer" = [])), responses(
    (status = 200, body = User, description = "The user"),
    CallerProblems,
    (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not_found`: a user of another issuer"),
    BodyProblems, JsonProblems, Overload,
))]
fn rename() {}

/// The public keys of access tokens, from memory.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", responses((status = 200, body = KeySet, description = "The public halves of the keys; may be kept for 5 min")))]
fn jwks() {}
