//! Statements about notifications and what is counted of them.
//!
//! Locks, in this order and in no other: the counter of notifications, the rows of inboxes by the texts of their users'
//! ids, what hangs on these (categories, notifications, pushes), the relay's counter. Who changes a notification of a user
//! holds that user's inbox, so two changes of one inbox are one after the other, and the counts that events tell are in
//! their order.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Add, Sub};

use serde_json::value::RawValue;
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, AssertSqlSafe, Row as _};
use store::Transaction;
use uuid::Uuid;

use crate::notification::{Maker, Priority, Stored, read, written};

/// Rows that one statement writes; with their columns far below the parameters that SQLite (32,766) takes.
pub(crate) const AT_ONCE: usize = 500;

/// The columns of a notification, as [`stored`] reads them.
pub(crate) const COLUMNS: &str = "id, user_key, user_id, kind, category, title, message, data, priority, created_at, \
     expires_at, read_at, removed, deleted_at, event_id, source, filtered, made_by";

/// What a user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Notifications in the inbox.
    pub(crate) total: i64,
    /// Those of them that are not read.
    pub(crate) unread: i64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { total: self.total + other.total, unread: self.unread + other.unread }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { total: self.total - other.total, unread: self.unread - other.unread }
    }
}

/// A user's inbox, held by the transaction that got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inbox {
    pub(crate) counts: Counts,
    /// Rows, those that are removed included.
    pub(crate) kept: i64,
    /// When the first of its notifications expires, or earlier.
    pub(crate) next_expires: Option<i64>,
}

/// The notification of a row of [`COLUMNS`].
pub(crate) fn stored(row: &AnyRow) -> sqlx::Result<Stored> {
    let user: String = row.try_get(2)?;
    let data: String = row.try_get(7)?;
    let priority: String = row.try_get(8)?;
    let (event_id, source): (String, Option<String>) = (row.try_get(14)?, row.try_get(15)?);
    let wrong = |error: serde_json::Error| sqlx::Error::Decode(error.into());
    Ok(Stored {
        id: row.try_get(0)?,
        user_key: row.try_get(1)?,
        user: read(&user)?,
        kind: row.try_get(3)?,
        category: row.try_get(4)?,
        title: row.try_get(5)?,
        message: row.try_get(6)?,
        data: RawValue::from_string(data).map_err(wrong)?,
        priority: Priority::of(&priority),
        created_at: row.try_get(9)?,
        expires_at: row.try_get(10)?,
        read_at: row.try_get(11)?,
        removed: row.try_get(12)?,
        deleted_at: row.try_get(13)?,
        event_id: uuid(&event_id)?,
        source: source.as_deref().map(uuid).transpose()?,
        filtered: row.try_get(16)?,
        made_by: Maker::of(&row.try_get::<String, _>(17)?),
    })
}

fn uuid(text: &str) -> sqlx::Result<Uuid> {
    text.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))
}

/// A notification by its id, whosever it is and whatever became of it.
pub(crate) async fn by_id<'c>(reader: impl AnyExecutor<'c>, id: i64) -> sqlx::Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM notifications WHERE id = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_optional(reader).await?;
    row.as_ref().map(stored).transpose()
}

/// Holds a user's inbox to the end of the transaction; `None` of a user who never got anything.
pub(crate) async fn hold(transaction: &mut Transaction, user_key: &str) -> sqlx::Result<Option<Inbox>> {
    // An update that changes nothing locks the row on Postgres; SQLite's writer is alone anyway.
    let row: Option<(i64, i64, i64, Option<i64>)> = sqlx::query_as(
        "UPDATE inboxes SET kept = kept WHERE user_key = $1 RETURNING total, unread, kept, next_expires",
    )
    .bind(user_key)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.map(|(total, unread, kept, next_expires)| Inbox {
        counts: Counts { total, unread },
        kept,
        next_expires,
    }))
}

/// What is added to an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Addition {
    /// Notifications that its user sees, all unread.
    pub(crate) visible: i64,
    /// All of them.
    pub(crate) kept: i64,
    /// When the first of them expires.
    pub(crate) expires: Option<i64>,
}

/// The parameters of so many rows of so many columns: `($1, $2), ($3, $4)`.
pub(crate) fn places(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row > 0 { ", (" } else { "(" });
        for column in 1..=columns {
            let number = row * columns + column;
            text.push_str(&if column > 1 { format!(", ${number}") } else { format!("${number}") });
        }
        text.push(')');
    }
    text
}

/// Adds to inboxes, and holds them: what each has then.
pub(crate) async fn add(
    transaction: &mut Transaction,
    additions: &BTreeMap<&str, Addition>,
) -> sqlx::Result<HashMap<String, Inbox>> {
    let sql = format!(
        "INSERT INTO inboxes (user_key, total, unread, kept, next_expires) VALUES {}
         ON CONFLICT (user_key) DO UPDATE SET total = inboxes.total + excluded.total,
             unread = inboxes.unread + excluded.unread, kept = inboxes.kept + excluded.kept,
             next_expires = CASE WHEN inboxes.next_expires IS NULL OR excluded.next_expires < inboxes.next_expires
                            THEN excluded.next_expires ELSE inboxes.next_expires END
         RETURNING user_key, total, unread, kept, next_expires",
        places(additions.len(), 5)
    );
    let mut query = sqlx::query_as::<_, (String, i64, i64, i64, Option<i64>)>(AssertSqlSafe(sql))
        .persistent(common(additions.len()));
    for (user_key, addition) in additions {
        query = query
            .bind(user_key.to_string())
            .bind(addition.visible)
            .bind(addition.visible)
            .bind(addition.kept)
            .bind(addition.expires);
    }
    let rows = query.fetch_all(&mut **transaction).await?;
    Ok(rows
        .into_iter()
        .map(|(user_key, total, unread, kept, next_expires)| {
            (user_key, Inbox { counts: Counts { total, unread }, kept, next_expires })
        })
        .collect())
}

/// Adds unread notifications to the counts of categories, by user and category.
pub(crate) async fn add_categories(
    transaction: &mut Transaction,
    additions: &BTreeMap<(&str, &str), i64>,
) -> sqlx::Result<()> {
    if additions.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO categories (user_key, category, total, unread) VALUES {}
         ON CONFLICT (user_key, category) DO UPDATE SET total = categories.total + excluded.total,
             unread = categories.unread + excluded.unread",
        places(additions.len(), 4)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(common(additions.len()));
    for ((user_key, category), count) in additions {
        query = query.bind(user_key.to_string()).bind(category.to_string()).bind(*count).bind(*count);
    }
    query.execute(&mut **transaction).await.map(drop)
}

/// Stores notifications that are new.
pub(crate) async fn insert(transaction: &mut Transaction, notifications: &[Stored]) -> sqlx::Result<()> {
    let sql = format!(
        "INSERT INTO notifications (id, user_key, user_id, kind, category, title, message, data, priority, created_at,
             expires_at, is_unread, removed, event_id, source, filtered, made_by) VALUES {}",
        places(notifications.len(), 17)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(common(notifications.len()));
    for stored in notifications {
        query = query
            .bind(stored.id)
            .bind(&stored.user_key)
            .bind(written(&stored.user))
            .bind(&stored.kind)
            .bind(&stored.category)
            .bind(&stored.title)
            .bind(&stored.message)
            .bind(stored.data.get())
            .bind(stored.priority.as_str())
            .bind(stored.created_at)
            .bind(stored.expires_at)
            .bind(1_i64)
            .bind(&stored.removed)
            .bind(stored.event_id.to_string())
            .bind(stored.source.map(|id| id.to_string()))
            .bind(&stored.filtered)
            .bind(stored.made_by.as_str());
    }
    query.execute(&mut **transaction).await.map(drop)
}

/// A change of what is counted of one category.
pub(crate) type ByCategory = BTreeMap<String, Counts>;

/// Changes what is counted of a user whose inbox is held: the inbox as it is then.
pub(crate) async fn adjust(
    transaction: &mut Transaction,
    user_key: &str,
    by_category: &ByCategory,
    kept: i64,
) -> sqlx::Result<Counts> {
    for (category, change) in by_category {
        let left: i64 = sqlx::query_scalar(
            "INSERT INTO categories (user_key, category, total, unread) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_key, category) DO UPDATE SET total = categories.total + excluded.total,
                 unread = categories.unread + excluded.unread
             RETURNING total",
        )
        .bind(user_key)
        .bind(category)
        .bind(change.total)
        .bind(change.unread)
        .fetch_one(&mut **transaction)
        .await?;
        if left == 0 {
            sqlx::query("DELETE FROM categories WHERE user_key = $1 AND category = $2")
                .bind(user_key)
                .bind(category)
                .execute(&mut **transaction)
                .await?;
        }
    }
    let change = by_category.values().fold(Counts::default(), |sum, one| sum + *one);
    let (total, unread) = sqlx::query_as(
        "UPDATE inboxes SET total = total + $1, unread = unread + $2, kept = kept + $3 WHERE user_key = $4
         RETURNING total, unread",
    )
    .bind(change.total)
    .bind(change.unread)
    .bind(kept)
    .bind(user_key)
    .fetch_one(&mut **transaction)
    .await?;
    Ok(Counts { total, unread })
}

/// Takes note that a notification of a user expires then.
pub(crate) async fn expires(transaction: &mut Transaction, user_key: &str, at: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE inboxes SET next_expires = $1 WHERE user_key = $2 AND (next_expires IS NULL OR next_expires > $1)",
    )
    .bind(at)
    .bind(user_key)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

/// Removes rows for good.
pub(crate) async fn purge(transaction: &mut Transaction, ids: &[i64]) -> sqlx::Result<()> {
    for ids in ids.chunks(AT_ONCE) {
        let sql = format!("DELETE FROM notifications WHERE id IN {}", places(1, ids.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(common(ids.len()));
        for id in ids {
            query = query.bind(*id);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Only what comes often in the same length is worth a place among the prepared statements.
fn common(rows: usize) -> bool {
    matches!(rows, 1 | AT_ONCE)
}
