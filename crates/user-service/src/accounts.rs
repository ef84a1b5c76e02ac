//! The steps behind the calls: register, sign in, refresh, sign out. Each is whole or not at all, and what a step changes
//! and the event that tells of it are one transaction.
//!
//! Not here: how a request is read and answered (`api`).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use hub_client::RelayHandle;
use rest::{Callers, Failure};
use serde::Serialize;
use service_kit::problem::Problem;
use store::{Store, now_micros};

use crate::announce::{News, announce};
use crate::counters::{Counters, Refresh, SignIn};
use crate::email::Email;
use crate::keys::Keys;
use crate::lockout::{self, Locked};
use crate::passwords::Passwords;
use crate::peers::Peers;
use crate::sessions::{self, Session, Used};
use crate::users::{self, NewUser, User};
use events::UserType;

/// What all calls share.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) store: Store,
    pub(crate) keys: Arc<Keys>,
    pub(crate) callers: Callers,
    pub(crate) passwords: Passwords,
    pub(crate) peers: Peers,
    pub(crate) counters: Counters,
    pub(crate) relay: RelayHandle,
    pub(crate) lifetimes: Lifetimes,
    /// `iss` of the tokens that are made here.
    pub(crate) issuer: Option<String>,
    /// `aud` of the tokens that are made here.
    pub(crate) audience: Option<String>,
}

/// How long tokens are good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) access: Duration,
    pub(crate) refresh: Duration,
}

/// A registration, as read.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) email: Email,
    pub(crate) password: String,
    pub(crate) name: String,
    pub(crate) user_type: UserType,
}

/// Two tokens. Without `Debug`, since they sign in.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) expires_in: Duration,
}

/// The claims of an access token.
#[derive(Serialize)]
struct Claims<'a> {
    sub: String,
    user_id: i64,
    user_type: &'a str,
    sid: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

impl Accounts {
    /// Lets a machine pass that has not signed in or registered too often.
    ///
    /// # Errors
    /// 429 `rate_limited`.
    pub(crate) fn admit(&self, peer: Option<IpAddr>) -> Result<(), Failure> {
        self.peers.admit(peer, Instant::now()).map_err(|after| {
            self.counters.sign_in(SignIn::Limited);
            let detail = "too many sign-ins and registrations from this address; try again later";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
            Failure(problem.retry_after(after))
        })
    }

    /// Makes a user and signs them in.
    ///
    /// # Errors
    /// 409 `email_taken`, 503 `busy`.
    pub(crate) async fn register(&self, new: Registration) -> Result<(User, Tokens), Failure> {
        // Spares the hash in nearly all cases; the table's unique index decides.
        if users::is_taken(&self.store, &new.email).await? {
            return Err(users::taken());
        }
        let turn = self.passwords.turn().await?;
        let password_hash = self.passwords.hash(turn, new.password).await?;
        let Registration { email, name, user_type, .. } = new;
        let new = NewUser { email, name, user_type, password_hash };
        let now = now_micros();
        let mut transaction = self.store.begin().await?;
        let user = users::insert(&mut transaction, new, now).await?;
        // A new user has no session that could end for this one.
        let (session, _none) =
            sessions::begin(&mut transaction, user.user_id, now, self.lifetimes.refresh).await?;
        let tokens = self.tokens(&user, session)?;
        announce(&mut transaction, &user, News::Registered, now).await?;
        transaction.commit().await?;
        self.relay.wake();
        Ok((user, tokens))
    }

    /// Signs a user in.
    ///
    /// # Errors
    /// 401 `invalid_credentials`, 429 `too_many_attempts`, 503 `busy`.
    pub(crate) async fn login(&self, email: Email, password: String) -> Result<(User, Tokens), Failure> {
        let address = email.digest();
        self.count_locked(lockout::check(&self.store, &address).await?)?;
        let turn = self.passwords.turn().await?;
        // Others may have used up the address' attempts while this one waited.
        self.count_locked(lockout::check(&self.store, &address).await?)?;
        let (user, hash) = users::by_email(&self.store, &email).await?.unzip();
        let right = self.passwords.is_right(turn, password, hash).await?;
        let mut transaction = self.store.begin().await?;
        let Some(user) = user.filter(|_| right) else {
            let counted = lockout::record(&mut transaction, &address).await?;
            transaction.commit().await?;
            self.count_locked(counted)?;
            self.counters.sign_in(SignIn::Wrong);
            let detail = "the address or the password is wrong";
            return Err(Failure::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail));
        };
        self.count_locked(lockout::clear(&mut transaction, &address).await?)?;
        let now = now_micros();
        let user = users::lock(&mut transaction, user.user_id).await?.ok_or_else(unknown_user)?;
        let (session, ended) =
            sessions::begin(&mut transaction, user.user_id, now, self.lifetimes.refresh).await?;
        let tokens = self.tokens(&user, session)?;
        announce(&mut transaction, &user, News::LoggedIn, now).await?;
        if !ended.is_empty() {
            announce(&mut transaction, &user, News::Revoked(ended), now).await?;
        }
        transaction.commit().await?;
        self.relay.wake();
        self.counters.sign_in(SignIn::Good);
        Ok((user, tokens))
    }

    /// Gives the next pair for a refresh token.
    ///
    /// # Errors
    /// 401 `invalid_refresh_token` for any that is not live, whatever it is instead.
    pub(crate) async fn refresh(&self, token: String) -> Result<Tokens, Failure> {
        let invalid = |outcome| {
            self.counters.refresh(outcome);
            let detail = "the refresh token is not valid; sign in again";
            Failure::new(StatusCode::UNAUTHORIZED, "invalid_refresh_token", detail)
        };
        if !sessions::is_known(&self.store, &token).await? {
            return Err(invalid(Refresh::Invalid));
        }
        let mut transaction = self.store.begin().await?;
        // After the transaction has begun, so that who waited for the writer does not act in the past.
        let now = now_micros();
        match sessions::refresh(&mut transaction, &token, now, self.lifetimes.refresh).await? {
            Used::Live(session, owner) => {
                let user = users::by_id(&mut *transaction, owner.user_id).await?.ok_or_else(unknown_user)?;
                let tokens = self.tokens(&user, session)?;
                transaction.commit().await?;
                self.counters.refresh(Refresh::Rotated);
                Ok(tokens)
            }
            Used::Reused(owner) => {
                let user = users::by_id(&mut *transaction, owner.user_id).await?.ok_or_else(unknown_user)?;
                announce(&mut transaction, &user, News::Revoked(vec![owner.session_id]), now).await?;
                transaction.commit().await?;
                self.relay.wake();
                tracing::warn!(
                    user_id = owner.user_id,
                    "a refresh token was used twice: its session is ended"
                );
                Err(invalid(Refresh::Reused))
            }
            Used::Nothing => Err(invalid(Refresh::Invalid)),
        }
    }

    /// Ends the session that a refresh token of the caller's belongs to; any other token changes nothing.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn logout(&self, caller: i64, token: String) -> Result<(), Failure> {
        let owner = sessions::owner(&self.store, &token).await?.filter(|owner| owner.user_id == caller);
        let Some(owner) = owner else { return Ok(()) };
        let mut transaction = self.store.begin().await?;
        let now = now_micros();
        let Some(owner) = sessions::end(&mut transaction, &owner.session_id, now).await? else {
            return Ok(());
        };
        let user = users::by_id(&mut *transaction, owner.user_id).await?.ok_or_else(unknown_user)?;
        announce(&mut transaction, &user, News::LoggedOut(owner.session_id), now).await?;
        transaction.commit().await?;
        self.relay.wake();
        Ok(())
    }

    /// Ends all sessions of the caller.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn logout_all(&self, caller: i64) -> Result<(), Failure> {
        let mut transaction = self.store.begin().await?;
        // A token of another issuer may name a user who is none here.
        let Some(user) = users::lock(&mut transaction, caller).await? else { return Ok(()) };
        let now = now_micros();
        let ended = sessions::end_all(&mut transaction, caller, now).await?;
        if ended.is_empty() {
            return Ok(());
        }
        announce(&mut transaction, &user, News::Revoked(ended), now).await?;
        transaction.commit().await?;
        self.relay.wake();
        Ok(())
    }

    /// Gives the caller another name.
    ///
    /// # Errors
    /// 404 for a user who is none here.
    pub(crate) async fn rename(&self, caller: i64, name: String) -> Result<User, Failure> {
        let mut transaction = self.store.begin().await?;
        let user = users::rename(&mut transaction, caller, &name).await?.ok_or_else(not_here)?;
        transaction.commit().await?;
        Ok(user)
    }

    /// The caller.
    ///
    /// # Errors
    /// 404 for a user who is none here.
    pub(crate) async fn me(&self, caller: i64) -> Result<User, Failure> {
        users::by_id(self.store.reader(), caller).await?.ok_or_else(not_here)
    }

    fn tokens(&self, user: &User, session: Session) -> Result<Tokens, Failure> {
        let iat = u64::try_from(now_micros() / 1_000_000).unwrap_or(0);
        let claims = Claims {
            sub: user.user_id.to_string(),
            user_id: user.user_id,
            user_type: &user.user_type,
            sid: &session.session_id,
            iat,
            exp: iat + self.lifetimes.access.as_secs(),
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
        };
        let access = self.keys.sign(&claims);
        let access =
            access.map_err(|error| Failure(Problem::internal(format!("an access token: {error:#}"))))?;
        Ok(Tokens { access, refresh: session.refresh_token, expires_in: self.lifetimes.access })
    }

    fn count_locked(&self, looked: Result<(), Locked>) -> Result<(), Locked> {
        looked.inspect_err(|_| self.counters.sign_in(SignIn::Locked))
    }
}

/// Users are never removed, so a session always has one.
fn unknown_user() -> Failure {
    Failure(Problem::internal("a session's user is not there"))
}

/// A token that is good, of a user of another issuer.
fn not_here() -> Failure {
    Failure::not_found("the token's user is not registered here")
}
