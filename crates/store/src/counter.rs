//! Numbers that only grow: the ids of rows, which the two databases would number differently.

use crate::open::Transaction;

/// Takes the next number of the counter `name`; the first is 1.
///
/// The counter's row stays locked until the transaction ends, so numbers are given in the order of commits: who
/// reads rows by number never finds a lower one later. A transaction that is rolled back gives its numbers back.
///
/// # Errors
/// What the database says.
pub async fn counter(transaction: &mut Transaction, name: &'static str) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO counters (name, value) VALUES ($1, 1)
         ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value",
    )
    .bind(name)
    .fetch_one(&mut **transaction)
    .await
}

/// Takes the next `count` numbers of the counter `name` at once, and returns the last of them; the others are those
/// right below it. What holds of [`counter`] holds of each.
///
/// # Errors
/// What the database says.
pub async fn counters(transaction: &mut Transaction, name: &'static str, count: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO counters (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = counters.value + $2 RETURNING value",
    )
    .bind(name)
    .bind(count)
    .fetch_one(&mut **transaction)
    .await
}
