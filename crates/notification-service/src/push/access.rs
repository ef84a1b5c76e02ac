//! Access to Firebase: OAuth tokens for the service account's signed statements (RFC 7523), each used until shortly before
//! its end, or until Google calls it void.
//!
//! Our own few lines and not a crate's: those that there are keep a token until its end, can't be told that it is void, and
//! go by a clock and by limits that are not ours.

use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::HeaderValue;
use serde_json::Value;
use tokio::sync::Mutex;

use super::credentials::Credentials;
use super::reply;
use crate::clock::Clock;

/// What tokens are for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// The kind of grant (RFC 7523 §2.1).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long a call for a token may take; nothing is lost by another.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A token is not used in its last minute: a call may take some seconds, and clocks differ.
const SPARE: i64 = 60_000_000;

/// Why there is no token. Shows no secret.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum AccessError {
    /// Nobody answers.
    #[error("no token: {0}")]
    Unreachable(&'static str),
    /// Google does not give one.
    #[error("no token: Google answers {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Google's code, such as `invalid_grant`.
        code: String,
    },
    /// The answer is none of Google's.
    #[error("no token: the answer is not understood")]
    Nonsense,
}

struct Token {
    bearer: HeaderValue,
    /// In microseconds since 1970.
    until: i64,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The last failure, for those who waited for it.
    failed: Option<(Instant, AccessError)>,
}

/// Gives out tokens; one is fetched at a time.
pub(super) struct Access {
    credentials: Credentials,
    http: Client,
    state: Mutex<State>,
}

impl Access {
    pub(super) fn new(credentials: Credentials, http: Client) -> Self {
        Self { credentials, http, state: Mutex::default() }
    }

    pub(super) fn project_id(&self) -> &str {
        self.credentials.project_id()
    }

    /// A token's header; fetched where there is none that lasts. Who waits while another's try fails shares its failure.
    pub(super) async fn bearer(&self, clock: &Clock) -> Result<HeaderValue, AccessError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        let now = clock.now();
        if let Some(token) = state.token.as_ref().filter(|token| now < token.until - SPARE) {
            return Ok(token.bearer.clone());
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(error.clone());
        }
        state.token = None;
        match self.fetch(now).await {
            Ok(token) => {
                let bearer = token.bearer.clone();
                *state = State { token: Some(token), failed: None };
                Ok(bearer)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Takes note that Google calls a token void.
    pub(super) async fn void(&self, bearer: &HeaderValue) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|token| token.bearer == bearer) {
            state.token = None;
        }
    }

    async fn fetch(&self, now: i64) -> Result<Token, AccessError> {
        let assertion = self.credentials.assertion(SCOPE, now.div_euclid(1_000_000));
        let assertion =
            assertion.map_err(|_| AccessError::Unreachable("the service account's key can't sign"))?;
        // Neither has a character that a form would have to encode but the colons.
        let form = format!("grant_type={}&assertion={assertion}", GRANT.replace(':', "%3A"));
        let request = self
            .http
            .post(self.credentials.token_uri().clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .timeout(TIMEOUT)
            .body(form);
        let response =
            request.send().await.map_err(|error| AccessError::Unreachable(reply::unreachable(&error)))?;
        let status = response.status().as_u16();
        let body = reply::body(response).await.map_err(AccessError::Unreachable)?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status != 200 {
            let code = answer.get("error").and_then(Value::as_str);
            return Err(AccessError::Refused { status, code: reply::code(code).unwrap_or_default() });
        }
        let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let seconds = answer.get("expires_in").and_then(Value::as_i64).unwrap_or(3600);
        let bearer = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        let mut bearer = bearer.ok_or(AccessError::Nonsense)?;
        bearer.set_sensitive(true);
        // One that lasts less than the spare is used once; no token of Google's lasts longer than a day.
        let until = now + Duration::from_secs(seconds.clamp(61, 86_400).unsigned_abs()).as_micros() as i64;
        Ok(Token { bearer, until })
    }
}
