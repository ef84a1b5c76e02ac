//! The devices that users have registered for push: tokens that Firebase knows phones and browsers by.
//!
//! A token belongs to who registered it last: a phone with a new sign-in is no longer its last user's. It then gets a new id,
//! so nothing that waits for its former user goes to it. Tokens are found by their digest, since an index takes no 4,096
//! characters; they are never shown whole, logged or told in errors.
//!
//! Whoever changes devices holds push as a whole ([`push::hold`]), so that no two go beyond a bound at once.

use rest::Failure;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::{Any, Executor};
use store::{Migration, Transaction};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::push;

pub(crate) mod http;

/// The tables of devices.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 321,
    name: "devices",
    sql: "CREATE TABLE devices (
              device_id TEXT PRIMARY KEY,
              token_digest TEXT NOT NULL UNIQUE,
              token TEXT NOT NULL,
              user_key TEXT NOT NULL,
              platform TEXT NOT NULL,
              device_name TEXT,
              created_at BIGINT NOT NULL,
              seen_at BIGINT NOT NULL
          );
          CREATE INDEX devices_by_user ON devices (user_key, seen_at);",
}];

/// Devices of one user; with one more the one goes that was registered or renewed the longest ago. Chosen: who has more has
/// forgotten most of them.
pub(crate) const MOST_DEVICES: i64 = 20;

/// The longest token, in characters; chosen, far beyond Firebase's some 160.
pub(crate) const MOST_TOKEN: usize = 4096;

/// The longest name of a device, in characters.
pub(crate) const MOST_NAME: usize = 100;

/// A token from this length on is told by its last four characters.
const HINTED: usize = 16;

/// A device as it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Device {
    /// Its id here, which no call takes.
    pub(crate) id: String,
    /// What it runs: `web`, `android` or `ios`.
    pub(crate) platform: String,
    /// As it was named; `null` where it was not.
    #[schema(required = true)]
    pub(crate) device_name: Option<String>,
    /// The end of its token; never the whole.
    pub(crate) token: String,
    /// When it was registered for this user.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "rest::instant::serialize")]
    pub(crate) created_at: i64,
    /// When it was registered last.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "rest::instant::serialize")]
    pub(crate) last_seen_at: i64,
}

type Row = (String, String, Option<String>, String, i64, i64);

fn device((id, platform, device_name, token, created_at, last_seen_at): Row) -> Device {
    Device { id, platform, device_name, token: hint(&token), created_at, last_seen_at }
}

/// The end of a token, which tells two apart and is good for nothing.
fn hint(token: &str) -> String {
    let characters = token.chars().count();
    let end: String =
        token.chars().skip(if characters < HINTED { characters } else { characters - 4 }).collect();
    format!("…{end}")
}

/// What tokens are found by.
fn digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Somebody registers a device.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) token: String,
    pub(crate) platform: push::Platform,
    pub(crate) device_name: Option<String>,
}

/// Whether a registration was the first of its token by this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    New,
    Known,
}

/// Registers a device for a user, whosever it was.
///
/// # Errors
/// What the database says.
pub(crate) async fn register(
    transaction: &mut Transaction,
    user_key: &str,
    registration: &Registration,
    now: i64,
) -> sqlx::Result<(Device, Registered)> {
    push::hold(transaction).await?;
    let token_digest = digest(&registration.token);
    let fresh = Uuid::now_v7().to_string();
    // Makes the row or, changing nothing, locks it.
    let (id, owner): (String, String) = sqlx::query_as(
        "INSERT INTO devices (device_id, token_digest, token, user_key, platform, device_name, created_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (token_digest) DO UPDATE SET token_digest = devices.token_digest
         RETURNING device_id, user_key",
    )
    .bind(&fresh)
    .bind(&token_digest)
    .bind(&registration.token)
    .bind(user_key)
    .bind(registration.platform.as_str())
    .bind(&registration.device_name)
    .bind(now)
    .bind(now)
    .fetch_one(&mut **transaction)
    .await?;
    let known = if id == fresh || owner != user_key { Registered::New } else { Registered::Known };
    if id != fresh {
        let (id_now, created_now) = match known {
            Registered::Known => (&id, 0),
            Registered::New => {
                push::forget_device(transaction, &id, "the device was registered by another user", now)
                    .await?;
                (&fresh, now)
            }
        };
        sqlx::query(
            "UPDATE devices SET device_id = $1, user_key = $2, platform = $3, device_name = $4, seen_at = $5,
                 created_at = CASE WHEN $6 > 0 THEN $6 ELSE created_at END
             WHERE token_digest = $7",
        )
        .bind(id_now)
        .bind(user_key)
        .bind(registration.platform.as_str())
        .bind(&registration.device_name)
        .bind(now)
        .bind(created_now)
        .bind(&token_digest)
        .execute(&mut **transaction)
        .await?;
    }
    if known == Registered::New {
        drop_oldest(transaction, user_key, &token_digest, now).await?;
    }
    let row: Row = sqlx::query_as(
        "SELECT device_id, platform, device_name, token, created_at, seen_at FROM devices WHERE token_digest = $1",
    )
    .bind(&token_digest)
    .fetch_one(&mut **transaction)
    .await?;
    Ok((device(row), known))
}

/// Forgets what a user has too many of, but not the one that was just registered.
async fn drop_oldest(
    transaction: &mut Transaction,
    user_key: &str,
    kept: &str,
    now: i64,
) -> sqlx::Result<()> {
    let too_many: Vec<String> = sqlx::query_scalar(
        "SELECT device_id FROM devices WHERE user_key = $1 AND token_digest <> $2
         ORDER BY seen_at DESC, device_id DESC LIMIT 1000 OFFSET $3",
    )
    .bind(user_key)
    .bind(kept)
    .bind(MOST_DEVICES - 1)
    .fetch_all(&mut **transaction)
    .await?;
    for id in too_many {
        remove(transaction, &id, "the user registered too many other devices", now).await?;
    }
    Ok(())
}

/// Forgets a device, and what waits for it, for a reason.
///
/// # Errors
/// What the database says.
pub(crate) async fn remove(
    transaction: &mut Transaction,
    device_id: &str,
    reason: &str,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM devices WHERE device_id = $1")
        .bind(device_id)
        .execute(&mut **transaction)
        .await?;
    push::forget_device(transaction, device_id, reason, now).await
}

/// Forgets a user's device by its token; another's, and one that nobody registered, is left alone.
async fn unregister(
    transaction: &mut Transaction,
    user_key: &str,
    token: &str,
    now: i64,
) -> sqlx::Result<()> {
    push::hold(transaction).await?;
    let found: Option<String> = sqlx::query_scalar(
        "DELETE FROM devices WHERE token_digest = $1 AND user_key = $2 RETURNING device_id",
    )
    .bind(digest(token))
    .bind(user_key)
    .fetch_optional(&mut **transaction)
    .await?;
    match found {
        Some(id) => push::forget_device(transaction, &id, "the device was unregistered", now).await,
        None => Ok(()),
    }
}

/// Forgets all devices of a user; how many there were.
async fn unregister_all(transaction: &mut Transaction, user_key: &str, now: i64) -> sqlx::Result<usize> {
    push::hold(transaction).await?;
    let found: Vec<String> =
        sqlx::query_scalar("DELETE FROM devices WHERE user_key = $1 RETURNING device_id")
            .bind(user_key)
            .fetch_all(&mut **transaction)
            .await?;
    for id in &found {
        push::forget_device(transaction, id, "the device was unregistered", now).await?;
    }
    Ok(found.len())
}

/// A user's devices, the last seen first.
pub(crate) async fn list<'e>(
    database: impl Executor<'e, Database = Any>,
    user_key: &str,
) -> Result<Vec<Device>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT device_id, platform, device_name, token, created_at, seen_at FROM devices WHERE user_key = $1
         ORDER BY seen_at DESC, device_id DESC LIMIT $2",
    )
    .bind(user_key.to_owned())
    .bind(MOST_DEVICES)
    .fetch_all(database)
    .await?;
    Ok(rows.into_iter().map(device).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_never_a_token() {
        assert_eq!(hint("0123456789abcdef"), "…cdef");
        for short in ["", "a", "abcd", "0123456789abcde"] {
            assert_eq!(hint(short), "…");
        }
        assert_eq!(hint(&"ü".repeat(20)), "…üüüü");
    }
}
