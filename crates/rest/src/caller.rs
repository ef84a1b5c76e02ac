//! Who calls: a user, by an access token, or one of our services, by the service key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use arc_swap::ArcSwap;
use auth::{JwtSettings, JwtSetupError, TokenError, VerifiedToken, Verifier};
use service_kit::arguments::Secret;
use service_kit::problem::Problem;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::failure::Failure;
use crate::form;

/// A user, as the token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id, below 2^53.
    pub id: i64,
    /// `employer`, `worker`, or whatever the token says.
    pub user_type: Option<Box<str>>,
}

impl User {
    /// Whether the user is of this type.
    #[must_use]
    pub fn is(&self, user_type: &str) -> bool {
        self.user_type.as_deref() == Some(user_type)
    }
}

/// Who calls, where a service may call as well as a user, or a user whose id is any that a token can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// One of our services.
    Service,
    /// Whoever the token speaks for.
    User(VerifiedToken),
}

/// Knows callers by what they send as `Authorization`.
///
/// Clones know the same callers, also when their keys change ([`Callers::renew`]).
#[derive(Debug, Clone)]
pub struct Callers(Arc<ArcSwap<Known>>);

#[derive(Debug)]
struct Known {
    verifier: Arc<Verifier>,
    service_key: Option<[u8; 32]>,
    /// The service key before, which is taken until this moment: the services learn of another one after the other.
    former_key: Option<([u8; 32], Instant)>,
}

/// How long the service key before the present one is still taken (chosen: time for an operator to reload every service).
pub const FORMER_KEY: Duration = Duration::from_secs(600);

impl Callers {
    /// Users by the verifier's keys, services by the key where there is one.
    #[must_use]
    pub fn new(verifier: Arc<Verifier>, service_key: Option<&Secret>) -> Self {
        let known = Known { verifier, service_key: digest_of(service_key), former_key: None };
        Self(Arc::new(ArcSwap::from_pointee(known)))
    }

    /// What makes them know users and services by other keys; published keys stay those that were fetched. It is carried out
    /// when the answer is called. The service key before is taken for [`FORMER_KEY`] more.
    ///
    /// # Errors
    /// A key for tokens can't be used.
    pub fn renew(
        &self,
        jwt: JwtSettings,
        service_key: Option<&Secret>,
    ) -> Result<impl FnOnce() + use<>, JwtSetupError> {
        let before = self.0.load_full();
        let verifier = Arc::new(before.verifier.renewed(jwt)?);
        let (service_key, known) = (digest_of(service_key), Arc::clone(&self.0));
        Ok(move || {
            let former_key = match before.service_key.filter(|_| before.service_key != service_key) {
                Some(former) => Some((former, Instant::now() + FORMER_KEY)),
                None => before.former_key,
            };
            known.store(Arc::new(Known { verifier, service_key, former_key }));
        })
    }

    /// A service or a user, whichever calls.
    ///
    /// # Errors
    /// 401 `unauthorized` without a good token or key; 503 while the keys to check a token with can't be had.
    pub async fn caller(&self, request: &HttpRequest) -> Result<Caller, Failure> {
        let token =
            bearer(request).ok_or_else(|| unauthorized("send an access token as Authorization: Bearer"))?;
        if self.is_service(token) {
            return Ok(Caller::Service);
        }
        self.token(token).await.map(Caller::User)
    }

    /// The user who calls.
    ///
    /// # Errors
    /// 401 `unauthorized` without a good token; 503 while the keys to check it with can't be had; 403 for a service.
    pub async fn user(&self, request: &HttpRequest) -> Result<User, Failure> {
        match self.caller(request).await? {
            Caller::User(token) => user(token),
            Caller::Service => Err(Failure::forbidden("this call is a user's, not a service's")),
        }
    }

    /// Lets a service pass.
    ///
    /// # Errors
    /// 401 `unauthorized` without a key that is known here, 403 `forbidden` for a user.
    pub async fn service(&self, request: &HttpRequest) -> Result<(), Failure> {
        let token =
            bearer(request).ok_or_else(|| unauthorized("send the service key as Authorization: Bearer"))?;
        if self.is_service(token) {
            return Ok(());
        }
        match self.token(token).await.and_then(user) {
            Ok(_) => Err(Failure::forbidden("this call is a service's, not a user's")),
            Err(failure) if failure.0.status().is_server_error() => Err(failure),
            Err(_) => Err(unauthorized("the service key is not SERVICE_API_KEY of this service")),
        }
    }

    fn is_service(&self, token: &str) -> bool {
        let (known, shown) = (self.0.load(), digest(token));
        let former = known.former_key.filter(|(_, until)| Instant::now() < *until).map(|(key, _)| key);
        known.service_key.iter().chain(&former).any(|key| bool::from(key.ct_eq(&shown)))
    }

    async fn token(&self, token: &str) -> Result<VerifiedToken, Failure> {
        let verifier = Arc::clone(&self.0.load().verifier);
        verifier.verify(token).await.map_err(|error| match error {
            TokenError::KeysUnavailable => {
                let after = Duration::from_secs(1);
                Failure(Problem::unavailable("keys_unavailable", error.to_string(), after))
            }
            error => unauthorized(error.to_string()),
        })
    }
}

fn user(token: VerifiedToken) -> Result<User, Failure> {
    let id = form::id(token.user_id.as_str()).ok();
    let id = id.ok_or_else(|| unauthorized("the token's user is no user of these services"))?;
    Ok(User { id, user_type: token.user_type })
}

/// 401 `unauthorized`.
pub fn unauthorized(detail: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn digest_of(key: Option<&Secret>) -> Option<[u8; 32]> {
    key.filter(|key| !key.is_empty()).map(|key| digest(key.expose()))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
