//! The service's tables, and what is removed from them when. Times are microseconds since 1970.
//!
//! Not here: the statements that read and write them, which stand with what they are for.

use std::time::Duration;

use store::{Migration, Store, now_micros};

use crate::lockout;

/// The tables.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 100,
    name: "users and sessions",
    sql: "CREATE TABLE users (
              user_id BIGINT PRIMARY KEY,
              email TEXT NOT NULL,
              email_key TEXT NOT NULL UNIQUE,
              name TEXT NOT NULL,
              user_type TEXT NOT NULL,
              password_hash TEXT NOT NULL,
              created_at BIGINT NOT NULL
          );
          CREATE TABLE sessions (
              session_id TEXT PRIMARY KEY,
              user_id BIGINT NOT NULL,
              created_at BIGINT NOT NULL,
              expires_at BIGINT NOT NULL,
              ended_at BIGINT
          );
          CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
          CREATE INDEX sessions_by_end ON sessions (expires_at);
          CREATE TABLE refresh_tokens (
              digest TEXT PRIMARY KEY,
              session_id TEXT NOT NULL,
              created_at BIGINT NOT NULL,
              expires_at BIGINT NOT NULL,
              used_at BIGINT
          );
          CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);
          CREATE TABLE sign_in_failures (
              address TEXT PRIMARY KEY,
              times TEXT NOT NULL,
              last_at BIGINT NOT NULL
          );
          CREATE INDEX sign_in_failures_by_age ON sign_in_failures (last_at);
          CREATE TABLE signing_keys (
              kid TEXT PRIMARY KEY,
              algorithm TEXT NOT NULL,
              private_key TEXT NOT NULL,
              public_jwk TEXT NOT NULL,
              created_at BIGINT NOT NULL,
              signs_from BIGINT NOT NULL
          );",
}];

/// How often ended rows are removed.
pub(crate) const PURGE_EVERY: Duration = Duration::from_secs(600);

/// Rows removed at once, so that a purge holds the writer for milliseconds only.
const PURGE_ROWS: i64 = 1_000;

/// What is removed: rows whose time `$1` has passed, `$2` of them at once. A session lasts as long as the longest of its
/// tokens, so that no token is there without its session.
const PURGES: [&str; 3] = [
    "DELETE FROM refresh_tokens WHERE digest IN
         (SELECT digest FROM refresh_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM sessions WHERE session_id IN
         (SELECT session_id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM sign_in_failures WHERE address IN
         (SELECT address FROM sign_in_failures WHERE last_at <= $1 ORDER BY last_at LIMIT $2)",
];

/// Removes tokens and sessions that have expired, and wrong passwords that count no more.
///
/// # Errors
/// What the database says.
pub(crate) async fn purge(store: &Store) -> sqlx::Result<()> {
    let now = now_micros();
    let [tokens, sessions, failures] = PURGES;
    for (statement, before) in [(tokens, now), (sessions, now), (failures, now - micros(lockout::WINDOW))] {
        loop {
            let mut transaction = store.begin().await?;
            let removed =
                sqlx::query(statement).bind(before).bind(PURGE_ROWS).execute(&mut *transaction).await?;
            transaction.commit().await?;
            if removed.rows_affected() < PURGE_ROWS.unsigned_abs() {
                break;
            }
        }
    }
    Ok(())
}

/// A duration as it stands in the tables.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
