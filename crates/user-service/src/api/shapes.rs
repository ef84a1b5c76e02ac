//! The bodies of requests and answers, as they are described and written. Requests are read member by member, so their
//! shapes serve the description alone.

use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Tokens;
use crate::users::User;

/// Answer to register and login.
#[derive(Serialize, ToSchema)]
pub(super) struct SignedIn {
    user: User,
    #[serde(flatten)]
    pair: Pair,
}

/// Answer to refresh.
#[derive(Serialize, ToSchema)]
pub(super) struct Pair {
    /// To be sent as `Authorization: Bearer`, here and to every other service and the hub.
    access_token: String,
    /// Good once, for the next pair.
    refresh_token: String,
    /// Seconds for which the access token is good.
    #[schema(example = 900)]
    expires_in: u64,
}

impl SignedIn {
    pub(super) fn new(user: User, tokens: Tokens) -> Self {
        Self { user, pair: Pair::new(tokens) }
    }
}

impl Pair {
    pub(super) fn new(tokens: Tokens) -> Self {
        let Tokens { access, refresh, expires_in } = tokens;
        Self { access_token: access, refresh_token: refresh, expires_in: expires_in.as_secs() }
    }
}

/// Body of register.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and read member by member")]
pub(super) struct Register {
    /// Compared without case; kept as given.
    #[schema(max_length = 254, example = "anna@example.com")]
    email: String,
    #[schema(min_length = 8, max_length = 200)]
    password: String,
    #[schema(min_length = 1, max_length = 200, example = "Anna")]
    name: String,
    user_type: UserTypeWord,
}

/// What a user is on the platform.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "described, and read member by member")]
pub(super) enum UserTypeWord {
    Employer,
    Worker,
}

/// Body of login.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and read member by member")]
pub(super) struct Login {
    #[schema(max_length = 254, example = "anna@example.com")]
    email: String,
    #[schema(min_length = 1, max_length = 200)]
    password: String,
}

/// Body of refresh and logout.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and read member by member")]
pub(super) struct RefreshToken {
    #[schema(min_length = 1, max_length = 512)]
    refresh_token: String,
}

/// Body of `PATCH /users/me`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and read member by member")]
pub(super) struct Rename {
    #[schema(min_length = 1, max_length = 200, example = "Anna")]
    name: String,
}

/// A JWK Set (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and written from the table")]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

/// A public key (RFC 8037).
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and written from the table")]
pub(super) struct Key {
    #[schema(example = "OKP")]
    kty: String,
    #[schema(example = "Ed25519")]
    crv: String,
    #[schema(example = "EdDSA")]
    alg: String,
    #[schema(rename = "use", example = "sig")]
    usage: String,
    kid: String,
    x: String,
}

/// Any error: RFC 9457 with a stable `code`, as `application/problem+json`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and written by service-kit")]
pub(super) struct ProblemBody {
    #[schema(rename = "type", example = "about:blank")]
    kind: String,
    title: String,
    status: u16,
    #[schema(example = "email_taken")]
    code: String,
    /// For a developer; not for 5xx.
    detail: Option<String>,
    /// Of 422: every wrong member.
    errors: Option<Vec<WrongMember>>,
}

/// A wrong member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and written by service-kit")]
pub(super) struct WrongMember {
    member: String,
    message: String,
}
