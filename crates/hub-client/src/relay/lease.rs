//! The lease: which instance of a service sends.

use store::{Store, Transaction, now_micros};

use super::LEASE;

/// The only lease there is so far; the table has room for others.
const NAME: &str = "relay";

/// Takes or extends the lease; tells until when it is held, in microseconds since 1970, if it is.
pub(super) async fn take(transaction: &mut Transaction, owner: &str) -> sqlx::Result<Option<i64>> {
    let now = now_micros();
    let until = now + i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX);
    let taken = sqlx::query(
        "INSERT INTO relay_lease (name, owner, until) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET owner = $2, until = $3
         WHERE relay_lease.owner = $2 OR relay_lease.until < $4",
    )
    .bind(NAME)
    .bind(owner)
    .bind(until)
    .bind(now)
    .execute(&mut **transaction)
    .await?;
    Ok((taken.rows_affected() == 1).then_some(until))
}

/// Gives the lease back, so that another instance need not wait for its end.
pub(super) async fn give_back(store: &Store, owner: &str) -> sqlx::Result<()> {
    let mut transaction = store.begin().await?;
    sqlx::query("DELETE FROM relay_lease WHERE name = $1 AND owner = $2")
        .bind(NAME)
        .bind(owner)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
