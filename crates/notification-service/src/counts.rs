//! What a user has and has not read, without counting it.
//!
//! The rows of `inboxes` and `categories` are changed in the transaction of each change. What has expired since, and was
//! not swept yet, is still in them: it is looked up, where there can be any, and taken off.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use store::Transaction;

use crate::table::{Counts, Inbox};

/// What a user has in each category.
pub(crate) type Stats = BTreeMap<String, Counts>;

/// Whether anything of an inbox may be over its time and not swept yet.
fn may_be_overdue(inbox: &Inbox, now: i64) -> bool {
    inbox.next_expires.is_some_and(|at| at <= now)
}

/// What of an inbox is over its time and not swept yet, in a category or in all.
async fn overdue(
    transaction: &mut Transaction,
    user_key: &str,
    category: Option<&str>,
    now: i64,
) -> sqlx::Result<Counts> {
    let narrowed = if category.is_some() { "AND category = $3" } else { "" };
    let sql = format!(
        "SELECT COUNT(*), CAST(COALESCE(SUM(is_unread), 0) AS BIGINT) FROM notifications
         WHERE user_key = $1 AND removed IS NULL AND expires_at IS NOT NULL AND expires_at <= $2 {narrowed}"
    );
    let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(user_key).bind(now);
    if let Some(category) = category {
        query = query.bind(category);
    }
    let (total, unread) = query.fetch_one(&mut **transaction).await?;
    Ok(Counts { total, unread })
}

/// What is in an inbox now.
pub(crate) async fn exact(
    transaction: &mut Transaction,
    user_key: &str,
    inbox: &Inbox,
    now: i64,
) -> sqlx::Result<Counts> {
    if !may_be_overdue(inbox, now) {
        return Ok(inbox.counts);
    }
    Ok(inbox.counts - overdue(transaction, user_key, None, now).await?)
}

/// A user's inbox as it is read: nothing of a user who never got anything.
pub(crate) async fn inbox(transaction: &mut Transaction, user_key: &str) -> sqlx::Result<Inbox> {
    let row: Option<(i64, i64, i64, Option<i64>)> =
        sqlx::query_as("SELECT total, unread, kept, next_expires FROM inboxes WHERE user_key = $1")
            .bind(user_key)
            .fetch_optional(&mut **transaction)
            .await?;
    let (total, unread, kept, next_expires) = row.unwrap_or_default();
    Ok(Inbox { counts: Counts { total, unread }, kept, next_expires })
}

/// What is in one category of an inbox now.
pub(crate) async fn of_category(
    transaction: &mut Transaction,
    user_key: &str,
    category: &str,
    inbox: &Inbox,
    now: i64,
) -> sqlx::Result<Counts> {
    let row: Option<(i64, i64)> =
        sqlx::query_as("SELECT total, unread FROM categories WHERE user_key = $1 AND category = $2")
            .bind(user_key)
            .bind(category)
            .fetch_optional(&mut **transaction)
            .await?;
    let (total, unread) = row.unwrap_or_default();
    let counts = Counts { total, unread };
    if !may_be_overdue(inbox, now) {
        return Ok(counts);
    }
    Ok(counts - overdue(transaction, user_key, Some(category), now).await?)
}

/// What is in each category of an inbox now; those with nothing in them are left out.
pub(crate) async fn stats(
    transaction: &mut Transaction,
    user_key: &str,
    inbox: &Inbox,
    now: i64,
) -> sqlx::Result<Stats> {
    let rows: Vec<(String, i64, i64)> =
        sqlx::query_as("SELECT category, total, unread FROM categories WHERE user_key = $1")
            .bind(user_key)
            .fetch_all(&mut **transaction)
            .await?;
    let mut stats: Stats =
        rows.into_iter().map(|(category, total, unread)| (category, Counts { total, unread })).collect();
    if may_be_overdue(inbox, now) {
        let over: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT category, COUNT(*), CAST(SUM(is_unread) AS BIGINT) FROM notifications
             WHERE user_key = $1 AND removed IS NULL AND expires_at IS NOT NULL AND expires_at <= $2
             GROUP BY category",
        )
        .bind(user_key)
        .bind(now)
        .fetch_all(&mut **transaction)
        .await?;
        for (category, total, unread) in over {
            if let Some(counts) = stats.get_mut(&category) {
                *counts = *counts - Counts { total, unread };
            }
        }
    }
    stats.retain(|_, counts| counts.total > 0);
    Ok(stats)
}
