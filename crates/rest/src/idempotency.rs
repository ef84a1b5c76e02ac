//! `Idempotency-Key`: a POST that is repeated with its key gets the first success again (contract: services).
//!
//! A key is scoped to caller, method and path, and kept for 24 h. The answer is written in the transaction that makes
//! the change ([`Fresh::keep`]), so there is never a change without its answer, nor the other way round, whatever dies
//! when. While the first call runs, others with its key get 409; a failure leaves nothing behind. Two instances of a
//! service meet at the table's primary key: the later one rolls its change back.
//!
//! A service that may learn the outcome of a call after its caller has gone keeps what identifies the call with its
//! own rows ([`Fresh::stored`]); whoever learns the outcome keeps the answer by that ([`Stored::keep`]).
//!
//! Overload: keys in flight are as many as requests in flight; rows are removed after 24 h ([`purge_regularly`]).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use service_kit::problem::Problem;
use service_kit::shutdown::Token;
use sha2::{Digest as _, Sha256};
use store::{Migration, Store, Transaction, Trouble, now_micros};

use crate::failure::Failure;
use crate::form;

/// How long an answer is kept (contract: services, Everywhere).
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The longest key, in bytes: as long as the hub's.
pub const MAX_KEY: usize = 255;

/// Told to whoever repeats a call while its first is under way.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The code of a call whose first is under way.
pub const IN_FLIGHT: &str = "idempotency_key_in_flight";

/// How often old rows are removed; chosen, against a life of a day.
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// Rows removed at once, so that a purge holds the writer for milliseconds only.
const PURGE_ROWS: i64 = 1_000;

/// The table of answers.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 10,
    name: "idempotency keys",
    sql: "CREATE TABLE idempotency_keys (
              scope TEXT PRIMARY KEY,
              body TEXT NOT NULL,
              status BIGINT NOT NULL,
              answer TEXT NOT NULL,
              created_at BIGINT NOT NULL
          );
          CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);",
}];

/// The keys of calls that run in this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Idempotency(Arc<Mutex<HashSet<String>>>);

/// What a call with or without a key may do.
#[derive(Debug)]
pub enum Begin {
    /// Do it.
    Fresh(Fresh),
    /// It was done; this was the answer.
    Repeat(HttpResponse),
}

/// A call that is to be made. Dropped, its key is free again.
#[derive(Debug)]
pub struct Fresh {
    key: Option<(Running, String)>,
}

/// What identifies a call and its body, for a service that has to remember both until the answer is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Caller, method, path and key, as a digest.
    pub scope: String,
    /// The body, as a digest.
    pub body: String,
}

#[derive(Debug)]
struct Running {
    scope: String,
    all: Idempotency,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.scope);
    }
}

impl Idempotency {
    /// Looks at a request's key. `caller` is the user's id or a service's name.
    ///
    /// # Errors
    /// 422 for a key that is unreadable or came with another body, 409 while its first call runs.
    pub async fn begin(
        &self,
        store: &Store,
        request: &HttpRequest,
        caller: &str,
        body: &[u8],
    ) -> Result<Begin, Failure> {
        let Some(key) = request.headers().get("idempotency-key") else {
            return Ok(Begin::Fresh(Fresh::without_key()));
        };
        // Of two keys nobody can tell which is meant.
        let only = request.headers().get_all("idempotency-key").count() == 1;
        let key = key.to_str().ok().filter(|_| only).unwrap_or_default();
        if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            let message = format!("must stand there once, with 1 to {MAX_KEY} visible ASCII characters");
            return Err(form::invalid(vec![("Idempotency-Key", message)]).err().unwrap_or_else(in_flight));
        }
        self.begin_with_key(store, [caller, request.method().as_str(), request.path(), key], body).await
    }

    /// The same where the key, readable already, came otherwise than in a header. `scope` is caller, method, path and key.
    ///
    /// # Errors
    /// 422 for a key that came with another body, 409 while its first call runs.
    pub async fn begin_with_key(
        &self,
        store: &Store,
        scope: [&str; 4],
        body: &[u8],
    ) -> Result<Begin, Failure> {
        let scope = digest(scope);
        let body = hex(&Sha256::digest(body));
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.clone()) {
            return Err(in_flight());
        }
        let running = Running { scope: scope.clone(), all: self.clone() };
        Ok(match kept(store, &scope, &body).await? {
            Some(answer) => Begin::Repeat(answer),
            None => Begin::Fresh(Fresh { key: Some((running, body)) }),
        })
    }
}

impl Fresh {
    /// A call that nobody will repeat, or whose repeat does no harm.
    #[must_use]
    pub const fn without_key() -> Self {
        Self { key: None }
    }

    /// Keeps the answer, in the transaction that makes the change.
    ///
    /// # Errors
    /// 409 where another instance was first; the transaction is then to be dropped.
    pub async fn keep(
        &self,
        transaction: &mut Transaction,
        status: StatusCode,
        answer: &str,
    ) -> Result<(), Failure> {
        let Some((running, body)) = &self.key else { return Ok(()) };
        let now = now_micros();
        forget(transaction, &running.scope, now).await?;
        let kept = sqlx::query(
            "INSERT INTO idempotency_keys (scope, body, status, answer, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&running.scope)
        .bind(body)
        .bind(i64::from(status.as_u16()))
        .bind(answer)
        .bind(now)
        .execute(&mut **transaction)
        .await;
        match kept {
            Ok(_) => Ok(()),
            Err(error) if Trouble::of(&error) == Trouble::Duplicate => Err(in_flight()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is to be remembered where somebody else may learn the outcome; none for a call without a key.
    #[must_use]
    pub fn stored(&self) -> Option<Stored> {
        let (running, body) = self.key.as_ref()?;
        Some(Stored { scope: running.scope.clone(), body: body.clone() })
    }

    /// The answer that somebody else has kept for this call since it began.
    ///
    /// # Errors
    /// 422 where that was a call with another body; what the database says.
    pub async fn repeat(&self, store: &Store) -> Result<Option<HttpResponse>, Failure> {
        match &self.key {
            Some((running, body)) => kept(store, &running.scope, body).await,
            None => Ok(None),
        }
    }
}

impl Stored {
    /// Keeps the answer, in the transaction that makes the change. One that is kept already stays.
    ///
    /// # Errors
    /// What the database says.
    pub async fn keep(
        &self,
        transaction: &mut Transaction,
        status: StatusCode,
        answer: &str,
    ) -> sqlx::Result<()> {
        let now = now_micros();
        forget(transaction, &self.scope, now).await?;
        sqlx::query(
            "INSERT INTO idempotency_keys (scope, body, status, answer, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (scope) DO NOTHING",
        )
        .bind(&self.scope)
        .bind(&self.body)
        .bind(i64::from(status.as_u16()))
        .bind(answer)
        .bind(now)
        .execute(&mut **transaction)
        .await
        .map(drop)
    }
}

/// The answer that is kept for a call; 422 for a call with another body.
async fn kept(store: &Store, scope: &str, body: &str) -> Result<Option<HttpResponse>, Failure> {
    let found: Option<(String, i64, String)> = sqlx::query_as(
        "SELECT body, status, answer FROM idempotency_keys WHERE scope = $1 AND created_at > $2",
    )
    .bind(scope)
    .bind(now_micros() - micros(KEPT))
    .fetch_optional(store.reader())
    .await?;
    let Some((first_body, status, answer)) = found else { return Ok(None) };
    if first_body != body {
        let detail = "the key was used with another body; use a new key for another call";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
    }
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    Ok(Some(json(status.unwrap_or(StatusCode::OK), answer)))
}

/// Forgets the answer of a scope where it is too old, so that the key can be used again.
async fn forget(transaction: &mut Transaction, scope: &str, now: i64) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM idempotency_keys WHERE scope = $1 AND created_at <= $2")
        .bind(scope)
        .bind(now - micros(KEPT))
        .execute(&mut **transaction)
        .await
        .map(drop)
}

/// Removes what is too old every 10 min, until `shutdown` begins.
pub async fn purge_regularly(store: &Store, mut shutdown: Token) {
    while !shutdown.is_begun() {
        if let Err(error) = purge(store).await {
            tracing::warn!(%error, "old idempotency keys can't be removed; they are ignored meanwhile");
        }
        tokio::select! {
            () = shutdown.begun() => {}
            () = tokio::time::sleep(PURGE_EVERY) => {}
        }
    }
}

/// Removes what is older than 24 h.
///
/// # Errors
/// What the database says.
pub async fn purge(store: &Store) -> sqlx::Result<()> {
    loop {
        let mut transaction = store.begin().await?;
        let removed = sqlx::query(
            "DELETE FROM idempotency_keys WHERE scope IN
                 (SELECT scope FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
        )
        .bind(now_micros() - micros(KEPT))
        .bind(PURGE_ROWS)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        if removed < PURGE_ROWS.unsigned_abs() {
            return Ok(());
        }
    }
}

/// A JSON answer from its text.
#[must_use]
pub fn json(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(text)
}

fn in_flight() -> Failure {
    let detail = "a call with this key is under way; repeat it for its answer";
    let problem = Problem::new(StatusCode::CONFLICT, IN_FLIGHT, detail);
    Failure(problem.retry_after(RETRY_AFTER))
}

fn digest(scope: [&str; 4]) -> String {
    let mut digest = Sha256::new();
    for part in scope {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
