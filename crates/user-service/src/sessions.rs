//! Families of refresh tokens. A family is one sign-in: it begins with a token, each use of which gives the next, and it
//! ends by logout, by reuse of a void token, for a newer one where the user has too many, or with its last token.
//!
//! | refresh with | what happens |
//! |---|---|
//! | the live token | it is void, and the next is given |
//! | a void token | the family ends, `session_revoked`; nothing where it had ended |
//! | an expired or unknown token, or one of an ended family | nothing |
//!
//! Uses of one token at once meet at its row: the update of `used_at` lets one through, and the others find it void.
//!
//! Not here: access tokens, which say which session they belong to and are good until they expire.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rest::Failure;
use service_kit::problem::Problem;
use sha2::{Digest as _, Sha256};
use store::{Store, Transaction};
use uuid::Uuid;

use crate::email::hex;
use crate::settings::MAX_SESSIONS;
use crate::tables::micros;

/// Bytes of randomness in a refresh token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

/// The longest text that is looked up as a refresh token, in characters. Ours have 43.
pub(crate) const LONGEST_TOKEN: usize = 512;

/// A session with its newest refresh token. Without `Debug`, since the token is in it.
pub(crate) struct Session {
    pub(crate) session_id: String,
    pub(crate) refresh_token: String,
}

/// Whose a refresh token is.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) session_id: String,
    pub(crate) user_id: i64,
}

/// What a refresh token was found to be.
pub(crate) enum Used {
    /// It was live; this is the next.
    Live(Session, Owner),
    /// It was void, and its family has ended with this.
    Reused(Owner),
    /// It is nothing, or nothing any more.
    Nothing,
}

/// Begins a session of a user whose row the caller holds. Where the user has [`MAX_SESSIONS`], the oldest ends for it;
/// whoever begins one tells which ended.
///
/// # Errors
/// The database fails, or the system has no randomness.
pub(crate) async fn begin(
    transaction: &mut Transaction,
    user_id: i64,
    now: i64,
    lifetime: Duration,
) -> Result<(Session, Vec<String>), Failure> {
    // `ended_at` is asked again outside: a logout may end one of them between the two looks.
    let ended = sqlx::query_scalar(
        "UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL AND session_id IN
             (SELECT session_id FROM sessions WHERE user_id = $2 AND ended_at IS NULL AND expires_at > $1
              ORDER BY created_at DESC, session_id DESC LIMIT 1000000 OFFSET $3)
         RETURNING session_id",
    )
    .bind(now)
    .bind(user_id)
    .bind(MAX_SESSIONS - 1)
    .fetch_all(&mut **transaction)
    .await?;
    let session_id = Uuid::new_v4().to_string();
    let expires_at = now + micros(lifetime);
    sqlx::query("INSERT INTO sessions (session_id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(&session_id)
        .bind(user_id)
        .bind(now)
        .bind(expires_at)
        .execute(&mut **transaction)
        .await?;
    let refresh_token = issue(transaction, &session_id, now, expires_at).await?;
    Ok((Session { session_id, refresh_token }, ended))
}

/// Whether there is such a token at all: tokens that somebody invents never wait for the database's one writer.
pub(crate) async fn is_known(store: &Store, token: &str) -> sqlx::Result<bool> {
    let found: Option<String> = sqlx::query_scalar("SELECT digest FROM refresh_tokens WHERE digest = $1")
        .bind(digest(token))
        .fetch_optional(store.reader())
        .await?;
    Ok(found.is_some())
}

/// Uses a refresh token.
///
/// # Errors
/// The database fails, or the system has no randomness.
pub(crate) async fn refresh(
    transaction: &mut Transaction,
    token: &str,
    now: i64,
    lifetime: Duration,
) -> Result<Used, Failure> {
    let digest = digest(token);
    let live: Option<String> = sqlx::query_scalar(
        "UPDATE refresh_tokens SET used_at = $1 WHERE digest = $2 AND used_at IS NULL AND expires_at > $1
         RETURNING session_id",
    )
    .bind(now)
    .bind(&digest)
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(session_id) = live else {
        let void: Option<String> = sqlx::query_scalar(
            "SELECT session_id FROM refresh_tokens WHERE digest = $1 AND used_at IS NOT NULL AND expires_at > $2",
        )
        .bind(&digest)
        .bind(now)
        .fetch_optional(&mut **transaction)
        .await?;
        let Some(session_id) = void else { return Ok(Used::Nothing) };
        let owner = end(transaction, &session_id, now).await?;
        return Ok(owner.map_or(Used::Nothing, Used::Reused));
    };
    let expires_at = now + micros(lifetime);
    let user_id: Option<i64> = sqlx::query_scalar(
        "UPDATE sessions SET expires_at = $1 WHERE session_id = $2 AND ended_at IS NULL RETURNING user_id",
    )
    .bind(expires_at)
    .bind(&session_id)
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(user_id) = user_id else { return Ok(Used::Nothing) };
    let refresh_token = issue(transaction, &session_id, now, expires_at).await?;
    let owner = Owner { session_id: session_id.clone(), user_id };
    Ok(Used::Live(Session { session_id, refresh_token }, owner))
}

/// Whose a token is, live or void, as long as its family has not ended.
pub(crate) async fn owner(store: &Store, token: &str) -> sqlx::Result<Option<Owner>> {
    let found: Option<(String, i64)> = sqlx::query_as(
        "SELECT sessions.session_id, sessions.user_id FROM refresh_tokens
         JOIN sessions ON sessions.session_id = refresh_tokens.session_id
         WHERE refresh_tokens.digest = $1 AND sessions.ended_at IS NULL",
    )
    .bind(digest(token))
    .fetch_optional(store.reader())
    .await?;
    Ok(found.map(|(session_id, user_id)| Owner { session_id, user_id }))
}

/// Ends a session; `None` where it had ended, so that whoever ends it is the one to tell.
pub(crate) async fn end(
    transaction: &mut Transaction,
    session_id: &str,
    now: i64,
) -> sqlx::Result<Option<Owner>> {
    let user_id: Option<i64> = sqlx::query_scalar(
        "UPDATE sessions SET ended_at = $1 WHERE session_id = $2 AND ended_at IS NULL RETURNING user_id",
    )
    .bind(now)
    .bind(session_id)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(user_id.map(|user_id| Owner { session_id: session_id.to_owned(), user_id }))
}

/// Ends all live sessions of a user whose row the caller holds; at most [`MAX_SESSIONS`].
pub(crate) async fn end_all(
    transaction: &mut Transaction,
    user_id: i64,
    now: i64,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "UPDATE sessions SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL AND expires_at > $1
         RETURNING session_id",
    )
    .bind(now)
    .bind(user_id)
    .fetch_all(&mut **transaction)
    .await
}

/// Gives a session its next token.
async fn issue(
    transaction: &mut Transaction,
    session_id: &str,
    now: i64,
    expires_at: i64,
) -> Result<String, Failure> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure(Problem::internal(format!("no randomness: {error}"))))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    sqlx::query(
        "INSERT INTO refresh_tokens (digest, session_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(digest(&token))
    .bind(session_id)
    .bind(now)
    .bind(expires_at)
    .execute(&mut **transaction)
    .await?;
    Ok(token)
}

/// What is kept of a token: who reads the table can't sign in with it.
fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
