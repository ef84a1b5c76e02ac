//! What happens to inboxes by itself: notifications expire, the oldest go, what is too old goes.
//!
//! Expiry needs no sweep to be exact ([`crate::counts`]); the sweep tells devices, and makes room in the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hub_client::relay::{self, Entry};
use rest::Failure;
use rest::idempotency::KEPT;
use service_kit::shutdown::Token;
use sqlx::AssertSqlSafe;
use store::Transaction;

use crate::announce::{self, Mark};
use crate::counts;
use crate::desk::Desk;
use crate::metrics::Did;
use crate::notification::{EXPIRED, read};
use crate::push::{self, Which};
use crate::table::{self, AT_ONCE, ByCategory, Counts, Inbox};

/// How often what is over its time is looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How often what is too old is looked for: often enough that there is never much of it.
const PURGE: Duration = Duration::from_secs(60);

/// Inboxes that one transaction sweeps, so that it holds the writer for some ten milliseconds.
const INBOXES: i64 = 50;

/// Notifications that one transaction sweeps or purges.
const ROWS: i64 = 500;

/// Sweeps and purges until `shutdown` begins.
pub(crate) async fn run(desk: &Desk, mut shutdown: Token) {
    let mut until_purge = Duration::ZERO;
    while !shutdown.is_begun() {
        if let Err(error) = all(&shutdown, async || expire(desk).await).await {
            tracing::warn!(%error, "expired notifications can't be swept; they are out of sight meanwhile");
        }
        if until_purge.is_zero() {
            until_purge = PURGE;
            let done = match all(&shutdown, async || retain(desk).await).await {
                Ok(()) => all(&shutdown, async || forget(desk).await).await,
                wrong => wrong,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "what is too old can't be removed; it is tried again");
            }
        }
        until_purge = until_purge.saturating_sub(SWEEP);
        tokio::select! {
            () = shutdown.begun() => {}
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}

/// Takes steps as long as there is something to do.
async fn all(shutdown: &Token, mut step: impl AsyncFnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    while !shutdown.is_begun() && step().await? {
        // Between two chunks those who wait for the database get it.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A notification that goes, as far as that needs it.
struct Going {
    id: i64,
    user_key: String,
    user: String,
    category: String,
    is_unread: bool,
    /// Whether it is in the inbox by its row.
    is_counted: bool,
    /// Whether its time is over.
    is_over: bool,
}

type Row = (i64, String, String, String, i64, Option<String>, Option<i64>);

/// The columns of a [`Row`].
const GOING: &str = "id, user_key, user_id, category, is_unread, removed, expires_at";

fn going(row: Row, now: i64) -> Going {
    let (id, user_key, user, category, is_unread, removed, expires_at) = row;
    Going {
        id,
        user_key,
        user,
        category,
        is_unread: is_unread == 1,
        is_counted: removed.is_none(),
        is_over: expires_at.is_some_and(|at| at <= now),
    }
}

/// What the going of these takes off the counts.
fn taken<'a>(going: impl IntoIterator<Item = &'a Going>) -> ByCategory {
    let mut by_category = ByCategory::new();
    for one in going.into_iter().filter(|one| one.is_counted) {
        let counts = by_category.entry(one.category.clone()).or_default();
        *counts = *counts - Counts { total: 1, unread: i64::from(one.is_unread) };
    }
    by_category
}

/// Sweeps the inboxes whose first notifications are over their time; whether there may be more.
async fn expire(desk: &Desk) -> Result<bool, Failure> {
    let now = desk.clock.now();
    // One index entry where there is nothing to do.
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT user_key FROM inboxes WHERE next_expires IS NOT NULL AND next_expires <= $1
         ORDER BY next_expires LIMIT $2",
    )
    .bind(now)
    .bind(INBOXES)
    .fetch_all(desk.store.reader())
    .await?;
    if found.is_empty() {
        return Ok(false);
    }
    let users: BTreeSet<String> = found.into_iter().collect();
    let mut transaction = desk.store.begin().await?;
    // All before the first push is taken back: whoever holds that row waits for no inbox.
    let mut held: Vec<(String, Inbox)> = Vec::new();
    for user_key in users {
        if let Some(inbox) = table::hold(&mut transaction, &user_key).await? {
            held.push((user_key, inbox));
        }
    }
    let (mut entries, mut left) = (Vec::new(), ROWS);
    for (user_key, inbox) in held {
        if left == 0 {
            break;
        }
        left -= expire_of(&mut transaction, &user_key, inbox, now, left, &mut entries).await?;
    }
    let swept = usize::try_from(ROWS - left).unwrap_or_default();
    relay::enqueue_many(&mut transaction, &entries).await?;
    transaction.commit().await?;
    desk.relay.wake();
    desk.metrics.add(Did::Expired, swept);
    Ok(true)
}

/// Sweeps up to `most` notifications of an inbox that is held; how many.
async fn expire_of(
    transaction: &mut Transaction,
    user_key: &str,
    inbox: Inbox,
    now: i64,
    most: i64,
    entries: &mut Vec<Entry>,
) -> Result<i64, Failure> {
    let sql = format!(
        "SELECT {GOING} FROM notifications
         WHERE user_key = $1 AND removed IS NULL AND expires_at IS NOT NULL AND expires_at <= $2
         ORDER BY expires_at LIMIT $3"
    );
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(user_key)
        .bind(now)
        .bind(most)
        .fetch_all(&mut **transaction)
        .await?;
    let gone: Vec<Going> = rows.into_iter().map(|row| going(row, now)).collect();
    let ids: Vec<i64> = gone.iter().map(|one| one.id).collect();
    let mut counts = inbox.counts;
    if !ids.is_empty() {
        for ids in ids.chunks(AT_ONCE) {
            let sql = format!(
                "UPDATE notifications SET removed = '{EXPIRED}', deleted_at = expires_at WHERE id IN {}",
                table::places(1, ids.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(ids.len() == 1);
            for id in ids {
                query = query.bind(*id);
            }
            query.execute(&mut **transaction).await?;
        }
        counts = table::adjust(transaction, user_key, &taken(&gone), 0).await?;
        push::withdraw(transaction, user_key, Which::Ids(&ids), now).await?;
    }
    let next_expires: Option<i64> = sqlx::query_scalar(
        "SELECT MIN(expires_at) FROM notifications
         WHERE user_key = $1 AND removed IS NULL AND expires_at IS NOT NULL",
    )
    .bind(user_key)
    .fetch_one(&mut **transaction)
    .await?;
    sqlx::query("UPDATE inboxes SET next_expires = $1 WHERE user_key = $2")
        .bind(next_expires)
        .bind(user_key)
        .execute(&mut **transaction)
        .await?;
    let inbox = Inbox { counts, next_expires, ..inbox };
    let unread = counts::exact(transaction, user_key, &inbox, now).await?.unread;
    for one in &gone {
        entries.push(announce::marked(Mark::Deleted, &read(&one.user)?, one.id, unread, now)?);
    }
    Ok(i64::try_from(gone.len()).unwrap_or(i64::MAX))
}

/// Removes the oldest rows of an inbox that is held, first those that are out of sight already; the others are told. What
/// is in it then.
pub(crate) async fn purge_oldest(
    transaction: &mut Transaction,
    user_key: &str,
    inbox: &Inbox,
    most: i64,
    now: i64,
    entries: &mut Vec<Entry>,
) -> Result<Inbox, Failure> {
    let mut gone: Vec<Going> = Vec::new();
    for state in ["removed IS NOT NULL", "removed IS NULL"] {
        let left = most - i64::try_from(gone.len()).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        let sql =
            format!("SELECT {GOING} FROM notifications WHERE user_key = $1 AND {state} ORDER BY id LIMIT $2");
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(user_key)
            .bind(left)
            .fetch_all(&mut **transaction)
            .await?;
        gone.extend(rows.into_iter().map(|row| going(row, now)));
    }
    purge_of(transaction, user_key, inbox, &gone, now, entries).await
}

/// Removes these rows of an inbox that is held.
async fn purge_of(
    transaction: &mut Transaction,
    user_key: &str,
    inbox: &Inbox,
    gone: &[Going],
    now: i64,
    entries: &mut Vec<Entry>,
) -> Result<Inbox, Failure> {
    let ids: Vec<i64> = gone.iter().map(|one| one.id).collect();
    let kept = i64::try_from(gone.len()).unwrap_or(i64::MAX);
    push::withdraw(transaction, user_key, Which::Ids(&ids), now).await?;
    table::purge(transaction, &ids).await?;
    let counts = table::adjust(transaction, user_key, &taken(gone), -kept).await?;
    let inbox = Inbox { counts, kept: inbox.kept - kept, ..*inbox };
    let told: Vec<&Going> = gone.iter().filter(|one| one.is_counted && !one.is_over).collect();
    if !told.is_empty() {
        let unread = counts::exact(transaction, user_key, &inbox, now).await?.unread;
        for one in told {
            entries.push(announce::marked(Mark::Deleted, &read(&one.user)?, one.id, unread, now)?);
        }
    }
    Ok(inbox)
}

/// Removes the oldest rows of all where they are too old; whether there may be more.
async fn retain(desk: &Desk) -> Result<bool, Failure> {
    let now = desk.clock.now();
    let oldest = now.saturating_sub(desk.limits.retention);
    let sql = format!("SELECT {GOING}, created_at FROM notifications ORDER BY id LIMIT $1");
    type Aged = (i64, String, String, String, i64, Option<String>, Option<i64>, i64);
    let read_aged = |rows: Vec<Aged>| -> Vec<Going> {
        rows.into_iter()
            .filter(|row| row.7 < oldest)
            .map(|(a, b, c, d, e, f, g, _)| going((a, b, c, d, e, f, g), now))
            .collect()
    };
    // Ids rise with time, so what is too old is in front.
    let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(ROWS).fetch_all(desk.store.reader()).await?;
    let gone = read_aged(rows);
    if gone.is_empty() {
        return Ok(false);
    }
    let users: BTreeSet<String> = gone.into_iter().map(|one| one.user_key).collect();
    let mut transaction = desk.store.begin().await?;
    let mut held: BTreeMap<String, Inbox> = BTreeMap::new();
    for user_key in users {
        if let Some(inbox) = table::hold(&mut transaction, &user_key).await? {
            held.insert(user_key, inbox);
        }
    }
    // What they are now that nobody changes them.
    let sql = format!("SELECT {GOING}, created_at FROM notifications ORDER BY id LIMIT $1");
    let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(ROWS).fetch_all(&mut *transaction).await?;
    let mut by_user: BTreeMap<String, Vec<Going>> = BTreeMap::new();
    for one in read_aged(rows) {
        by_user.entry(one.user_key.clone()).or_default().push(one);
    }
    let (mut entries, mut purged) = (Vec::new(), 0);
    for (user_key, gone) in by_user {
        let Some(inbox) = held.get(&user_key) else { continue };
        purge_of(&mut transaction, &user_key, inbox, &gone, now, &mut entries).await?;
        purged += gone.len();
    }
    relay::enqueue_many(&mut transaction, &entries).await?;
    transaction.commit().await?;
    desk.relay.wake();
    desk.metrics.add(Did::Purged, purged);
    Ok(purged > 0)
}

/// Removes answers to bulk calls that nobody repeats any more; whether there may be more.
async fn forget(desk: &Desk) -> Result<bool, Failure> {
    let oldest = desk.clock.now() - i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
    let mut transaction = desk.store.begin().await?;
    let removed = sqlx::query(
        "DELETE FROM bulk_chunks WHERE created_at <= $1 AND scope IN
             (SELECT scope FROM bulk_chunks WHERE created_at <= $1 ORDER BY created_at LIMIT 20)",
    )
    .bind(oldest)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    transaction.commit().await?;
    Ok(removed > 0)
}
