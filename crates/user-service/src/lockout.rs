//! Wrong passwords for one address: after ten within 15 min the address is refused, whether or not it exists
//! (contract: services, Users).
//!
//! A row per address keeps the times of its last ten, so instances that share the database count together. Guesses that
//! run at once may all pass [`check`], but what they learn is bounded: [`record`] and [`clear`] look again with the row
//! locked, and beyond the tenth a guess is answered like any other refused one, right or wrong.

use std::time::Duration;

use rest::Failure;
use service_kit::problem::Problem;
use store::{Store, Transaction, now_micros};

use actix_web::http::StatusCode;

use crate::tables::micros;

#[cfg(test)]
mod tests;

/// Wrong passwords that an address takes.
pub(crate) const MOST: usize = 10;

/// How long each of them counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Why an address is not asked for its password: for how long it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locked(Duration);

impl From<Locked> for Failure {
    fn from(Locked(left): Locked) -> Self {
        let detail = "too many wrong passwords for this address; try again later";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail);
        Self(problem.retry_after(left))
    }
}

/// What became of a look at an address.
pub(crate) type Looked = sqlx::Result<Result<(), Locked>>;

/// Whether an address is refused.
pub(crate) async fn check(store: &Store, address: &str) -> Looked {
    let times: Option<String> = sqlx::query_scalar("SELECT times FROM sign_in_failures WHERE address = $1")
        .bind(address)
        .fetch_optional(store.reader())
        .await?;
    let now = now_micros();
    Ok(locked(&read(&times.unwrap_or_default(), now), now))
}

/// Counts a wrong password, unless the address is refused by now.
pub(crate) async fn record(transaction: &mut Transaction, address: &str) -> Looked {
    // Locks the row on both databases, also where it is new.
    let times: String = sqlx::query_scalar(
        "INSERT INTO sign_in_failures (address, times, last_at) VALUES ($1, '', $2)
         ON CONFLICT (address) DO UPDATE SET times = sign_in_failures.times RETURNING times",
    )
    .bind(address)
    .bind(now_micros())
    .fetch_one(&mut **transaction)
    .await?;
    let now = now_micros();
    let mut times = read(&times, now);
    if let Err(locked) = locked(&times, now) {
        return Ok(Err(locked));
    }
    times.push(now);
    let text = times.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    sqlx::query("UPDATE sign_in_failures SET times = $1, last_at = $2 WHERE address = $3")
        .bind(text)
        .bind(now)
        .bind(address)
        .execute(&mut **transaction)
        .await?;
    Ok(Ok(()))
}

/// Forgets an address' wrong passwords, unless it is refused by now: the transaction is then to be dropped.
pub(crate) async fn clear(transaction: &mut Transaction, address: &str) -> Looked {
    let times: Option<String> =
        sqlx::query_scalar("DELETE FROM sign_in_failures WHERE address = $1 RETURNING times")
            .bind(address)
            .fetch_optional(&mut **transaction)
            .await?;
    let now = now_micros();
    Ok(locked(&read(&times.unwrap_or_default(), now), now))
}

/// The times that still count, oldest first; those of a clock that was ahead of ours included.
fn read(times: &str, now: i64) -> Vec<i64> {
    let oldest = now - micros(WINDOW);
    let times = times.split(',').filter_map(|time| time.parse::<i64>().ok());
    times.filter(|time| *time > oldest).map(|time| time.min(now)).collect()
}

fn locked(times: &[i64], now: i64) -> Result<(), Locked> {
    let Some(first) = times.len().checked_sub(MOST).and_then(|at| times.get(at)) else { return Ok(()) };
    let left = first + micros(WINDOW) - now;
    Err(Locked(Duration::from_micros(u64::try_from(left).unwrap_or(0))))
}
