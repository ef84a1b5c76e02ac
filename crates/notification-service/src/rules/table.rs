//! The rows of the rules: how far the feed has been read, which notification was made of which event, and which rules looked
//! at an event and made nothing of it.

use std::collections::HashSet;

use hub_client::FeedPosition;
use sqlx::AssertSqlSafe;
use store::{Migration, Store, Transaction};

/// Rows of one statement.
const ROWS: usize = 64;

/// Rows that one statement deletes when they are too old.
const PRUNED: i64 = 1000;

/// The rules' own steps.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 360,
    name: "rules",
    sql: "CREATE TABLE feed_positions (
              name TEXT PRIMARY KEY,
              epoch TEXT NOT NULL,
              last_offset BIGINT NOT NULL,
              moved_at BIGINT NOT NULL
          );
          CREATE TABLE rule_notifications (
              event_id TEXT NOT NULL,
              rule TEXT NOT NULL,
              user_key TEXT NOT NULL,
              notification_id BIGINT NOT NULL,
              event_type TEXT NOT NULL,
              event_at BIGINT NOT NULL,
              PRIMARY KEY (event_id, rule, user_key)
          );
          CREATE INDEX rule_notifications_by_id ON rule_notifications (notification_id);
          CREATE TABLE rule_looks (
              event_id TEXT NOT NULL,
              rule TEXT NOT NULL,
              event_type TEXT NOT NULL,
              outcome TEXT NOT NULL,
              looked_at BIGINT NOT NULL,
              PRIMARY KEY (event_id, rule)
          );",
}];

/// Whether a statement for so many rows is worth a place among the prepared ones.
fn is_common(rows: usize) -> bool {
    matches!(rows, 1 | 2 | ROWS)
}

/// How far the feed has been read.
pub(crate) async fn position(store: &Store, name: &str) -> sqlx::Result<Option<FeedPosition>> {
    let found: Option<(String, i64)> =
        sqlx::query_as("SELECT epoch, last_offset FROM feed_positions WHERE name = $1")
            .bind(name)
            .fetch_optional(store.reader())
            .await?;
    Ok(found.map(|(epoch, offset)| FeedPosition { epoch, offset: u64::try_from(offset).unwrap_or(0) }))
}

/// Moves the position, where it still is where this reader found it; false where another instance was ahead. First in a
/// transaction: it holds the feed for this reader to the end.
pub(crate) async fn advance(
    transaction: &mut Transaction,
    name: &str,
    from: Option<&FeedPosition>,
    to: &FeedPosition,
    now: i64,
) -> sqlx::Result<bool> {
    let offset = |position: &FeedPosition| i64::try_from(position.offset).unwrap_or(i64::MAX);
    let done = match from {
        None => {
            sqlx::query(
                "INSERT INTO feed_positions (name, epoch, last_offset, moved_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (name) DO NOTHING",
            )
            .bind(name)
            .bind(&to.epoch)
            .bind(offset(to))
            .bind(now)
            .execute(&mut **transaction)
            .await?
        }
        Some(from) => {
            sqlx::query(
                "UPDATE feed_positions SET epoch = $2, last_offset = $3, moved_at = $4
                 WHERE name = $1 AND epoch = $5 AND last_offset = $6",
            )
            .bind(name)
            .bind(&to.epoch)
            .bind(offset(to))
            .bind(now)
            .bind(&from.epoch)
            .bind(offset(from))
            .execute(&mut **transaction)
            .await?
        }
    };
    Ok(done.rows_affected() == 1)
}

/// What a rule made for a user of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) event_id: String,
    pub(crate) rule: String,
    pub(crate) user_key: String,
}

/// Which of these are there already.
pub(crate) async fn made(transaction: &mut Transaction, keys: &[Key]) -> sqlx::Result<HashSet<Key>> {
    let mut found = HashSet::new();
    for keys in keys.chunks(ROWS) {
        let groups: Vec<String> =
            (0..keys.len()).map(|n| format!("(${}, ${}, ${})", 3 * n + 1, 3 * n + 2, 3 * n + 3)).collect();
        let sql = format!(
            "SELECT event_id, rule, user_key FROM rule_notifications
             WHERE (event_id, rule, user_key) IN (VALUES {})",
            groups.join(", ")
        );
        let mut query = sqlx::query_as(AssertSqlSafe(sql)).persistent(is_common(keys.len()));
        for key in keys {
            query = query.bind(&key.event_id).bind(&key.rule).bind(&key.user_key);
        }
        let rows: Vec<(String, String, String)> = query.fetch_all(&mut **transaction).await?;
        found.extend(rows.into_iter().map(|(event_id, rule, user_key)| Key { event_id, rule, user_key }));
    }
    Ok(found)
}

/// A notification that a rule made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) key: Key,
    pub(crate) notification_id: i64,
    pub(crate) event_type: String,
    /// When the event happened, in microseconds since 1970.
    pub(crate) event_at: i64,
}

/// Writes down what was made.
pub(crate) async fn keep(transaction: &mut Transaction, made: &[Made]) -> sqlx::Result<()> {
    for rows in made.chunks(ROWS) {
        let places: Vec<String> = (0..rows.len())
            .map(|row| {
                let names: Vec<String> = (1..=6).map(|n| format!("${}", row * 6 + n)).collect();
                format!("({})", names.join(", "))
            })
            .collect();
        let sql = format!(
            "INSERT INTO rule_notifications (event_id, rule, user_key, notification_id, event_type, event_at) VALUES {}",
            places.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(is_common(rows.len()));
        for row in rows {
            query = query
                .bind(&row.key.event_id)
                .bind(&row.key.rule)
                .bind(&row.key.user_key)
                .bind(row.notification_id)
                .bind(&row.event_type)
                .bind(row.event_at);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// A rule that looked at an event and made nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) event_id: String,
    pub(crate) rule: String,
    pub(crate) event_type: String,
    /// Why, as a clause.
    pub(crate) outcome: String,
    pub(crate) looked_at: i64,
}

/// Writes down that a rule looked at an event.
pub(crate) async fn looked(transaction: &mut Transaction, look: &Look) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO rule_looks (event_id, rule, event_type, outcome, looked_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (event_id, rule) DO UPDATE SET outcome = $4, looked_at = $5",
    )
    .bind(&look.event_id)
    .bind(&look.rule)
    .bind(&look.event_type)
    .bind(&look.outcome)
    .bind(look.looked_at)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

/// The rules that looked at an event and made nothing of it.
pub(crate) async fn looks(store: &Store, event_id: &str) -> sqlx::Result<Vec<Look>> {
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT rule, event_type, outcome, looked_at FROM rule_looks WHERE event_id = $1 ORDER BY looked_at, rule",
    )
    .bind(event_id)
    .fetch_all(store.reader())
    .await?;
    let looks = rows.into_iter().map(|(rule, event_type, outcome, looked_at)| Look {
        event_id: event_id.to_owned(),
        rule,
        event_type,
        outcome,
        looked_at,
    });
    Ok(looks.collect())
}

/// Which rule made a notification: its name, the event, its type, and when that happened.
pub(crate) async fn origin(store: &Store, notification_id: i64) -> sqlx::Result<Option<Made>> {
    let row: Option<(String, String, String, String, i64)> = sqlx::query_as(
        "SELECT event_id, rule, user_key, event_type, event_at FROM rule_notifications WHERE notification_id = $1",
    )
    .bind(notification_id)
    .fetch_optional(store.reader())
    .await?;
    Ok(row.map(|(event_id, rule, user_key, event_type, event_at)| Made {
        key: Key { event_id, rule, user_key },
        notification_id,
        event_type,
        event_at,
    }))
}

/// The most notifications of one event and user that are looked up: a rule each.
const MOST_OF_ONE: i64 = 20;

/// The notifications that rules made of an event for a user.
pub(crate) async fn of_event(store: &Store, event_id: &str, user_key: &str) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar(
        "SELECT notification_id FROM rule_notifications WHERE event_id = $1 AND user_key = $2
         ORDER BY notification_id LIMIT $3",
    )
    .bind(event_id)
    .bind(user_key)
    .bind(MOST_OF_ONE)
    .fetch_all(store.reader())
    .await
}

/// The rules that made notifications of an event, with how many each.
pub(crate) async fn makers(store: &Store, event_id: &str) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "SELECT rule, COUNT(*) FROM rule_notifications WHERE event_id = $1 GROUP BY rule ORDER BY rule",
    )
    .bind(event_id)
    .fetch_all(store.reader())
    .await
}

/// Deletes what is of events before an id: some of it. Whether there is more.
pub(crate) async fn prune(store: &Store, looks: &str, made: &str) -> sqlx::Result<bool> {
    let mut transaction = store.begin().await?;
    let oldest_looks: Option<String> = sqlx::query_scalar(
        "SELECT MAX(event_id) FROM (SELECT event_id FROM rule_looks WHERE event_id < $1 ORDER BY event_id LIMIT $2) AS oldest",
    )
    .bind(looks)
    .bind(PRUNED)
    .fetch_one(&mut *transaction)
    .await?;
    let oldest_made: Option<String> = sqlx::query_scalar(
        "SELECT MAX(event_id) FROM (SELECT event_id FROM rule_notifications WHERE event_id < $1 ORDER BY event_id LIMIT $2) AS oldest",
    )
    .bind(made)
    .bind(PRUNED)
    .fetch_one(&mut *transaction)
    .await?;
    if let Some(last) = &oldest_looks {
        sqlx::query("DELETE FROM rule_looks WHERE event_id <= $1")
            .bind(last)
            .execute(&mut *transaction)
            .await?;
    }
    if let Some(last) = &oldest_made {
        sqlx::query("DELETE FROM rule_notifications WHERE event_id <= $1")
            .bind(last)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(oldest_looks.is_some() || oldest_made.is_some())
}
