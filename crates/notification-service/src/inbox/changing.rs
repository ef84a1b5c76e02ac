//! A user's own changes: reading, marking as unread, deleting, bringing back.
//!
//! Each holds the inbox from its first statement, so of two that come at once one is first, and the other finds what it
//! left: a notification is read once, told once and counted once.

use actix_web::http::StatusCode;
use events::AnyUserId;
use hub_client::relay;
use rest::Failure;
use rest::idempotency::Fresh;
use serde::Serialize;
use serde_json::json;
use store::Transaction;
use utoipa::ToSchema;

use crate::announce::{self, Mark};
use crate::counts;
use crate::desk::Desk;
use crate::metrics::Did;
use crate::notification::{DELETED, Stored};
use crate::push::{self, Which};
use crate::table::{self, ByCategory, Counts, Inbox};

/// A notification after a change, and what its user has not read then.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) stored: Stored,
    pub(crate) unread_count: i64,
}

/// Notifications that one transaction marks as read, so that it holds the writer for some ten milliseconds.
const READ_AT_ONCE: usize = 1_000;

/// What marking all as read did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct AllRead {
    /// How many were unread before.
    pub(crate) updated: i64,
    /// What is unread now: 0, unless something came in meanwhile.
    pub(crate) unread_count: i64,
}

/// What a user may do to one notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Read,
    Unread,
    Delete,
    Restore,
}

/// The present state of a notification, as far as its user may know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    InInbox,
    /// Deleted, and it can be brought back.
    Deleted,
}

impl Stored {
    /// What its user sees of it at a moment; `None` where it is not there for them.
    fn seen(&self, user_key: &str, now: i64) -> Option<Seen> {
        if self.user_key != user_key || self.expires_at.is_some_and(|at| at <= now) {
            return None;
        }
        match self.removed.as_deref() {
            None => Some(Seen::InInbox),
            Some(DELETED) => Some(Seen::Deleted),
            Some(_) => None,
        }
    }

    /// Whether it is in its user's inbox at a moment.
    pub(crate) fn is_in_inbox(&self, user_key: &str, now: i64) -> bool {
        self.seen(user_key, now) == Some(Seen::InInbox)
    }
}

/// 404 for what is not there, or not the caller's.
pub(crate) fn no_such_notification() -> Failure {
    Failure::not_found("there is no such notification")
}

/// What a call does to a notification.
enum Outcome {
    /// It is as the call wants it.
    Same,
    /// It has to be changed.
    Do,
}

impl Change {
    fn on(self, stored: &Stored, user_key: &str, now: i64) -> Result<Outcome, Failure> {
        let seen = stored.seen(user_key, now).ok_or_else(no_such_notification)?;
        let is_done = match (self, seen) {
            (Self::Read, Seen::InInbox) => stored.read_at.is_some(),
            (Self::Unread, Seen::InInbox) => stored.read_at.is_none(),
            (Self::Read | Self::Unread, Seen::Deleted) => return Err(no_such_notification()),
            (Self::Delete, seen) => seen == Seen::Deleted,
            (Self::Restore, seen) => seen == Seen::InInbox,
        };
        Ok(if is_done { Outcome::Same } else { Outcome::Do })
    }
}

impl Desk {
    /// Changes a notification of a user, and tells their devices where that is news.
    ///
    /// # Errors
    /// 404 for one that is not there for this user, and what the database says.
    pub(crate) async fn change(&self, user: &AnyUserId, id: i64, change: Change) -> Result<Changed, Failure> {
        let (user_key, now) = (user.text(), self.clock.now());
        let found = table::by_id(self.store.reader(), id).await?.ok_or_else(no_such_notification)?;
        if let Outcome::Same = change.on(&found, &user_key, now)? {
            // Clients say the same again and again; that need not wait for those who write.
            let unread_count = self.unread(&user_key).await?;
            return Ok(Changed { stored: found, unread_count });
        }
        let mut transaction = self.store.begin().await?;
        let inbox = table::hold(&mut transaction, &user_key).await?.ok_or_else(no_such_notification)?;
        let mut stored = table::by_id(&mut *transaction, id).await?.ok_or_else(no_such_notification)?;
        if let Outcome::Same = change.on(&stored, &user_key, now)? {
            let unread_count = counts::exact(&mut transaction, &user_key, &inbox, now).await?.unread;
            return Ok(Changed { stored, unread_count });
        }
        let unread_count = carry_out(&mut transaction, &mut stored, change, &inbox, now).await?;
        let entry = match change {
            Change::Read => announce::marked(Mark::Read, &stored.user, id, unread_count, now),
            Change::Unread => announce::marked(Mark::Unread, &stored.user, id, unread_count, now),
            Change::Delete => announce::marked(Mark::Deleted, &stored.user, id, unread_count, now),
            Change::Restore => announce::restored(&stored, unread_count, now),
        }?;
        relay::enqueue_many(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        self.relay.wake();
        let did = match change {
            Change::Read => Did::Read,
            Change::Unread => Did::Unread,
            Change::Delete => Did::Deleted,
            Change::Restore => Did::Restored,
        };
        self.metrics.add(did, 1);
        Ok(Changed { stored, unread_count })
    }

    /// What a user has not read.
    pub(crate) async fn unread(&self, user_key: &str) -> Result<i64, Failure> {
        let mut snapshot = self.store.snapshot().await?;
        let inbox = counts::inbox(&mut snapshot, user_key).await?;
        Ok(counts::exact(&mut snapshot, user_key, &inbox, self.clock.now()).await?.unread)
    }

    /// Marks all that a user has as read, the oldest first, [`READ_AT_ONCE`] in a transaction, so that nobody waits long
    /// for a large inbox. Each transaction tells up to where; what comes in meanwhile stays unread.
    ///
    /// # Errors
    /// What the database says, and 409 where another instance makes this very call. What was read until then stays so.
    pub(crate) async fn read_all(&self, user: &AnyUserId, fresh: &Fresh) -> Result<AllRead, Failure> {
        let (user_key, now) = (user.text(), self.clock.now());
        let mut last = None;
        let mut done = AllRead { updated: 0, unread_count: 0 };
        loop {
            let mut transaction = self.store.begin().await?;
            let inbox = table::hold(&mut transaction, &user_key).await?;
            // What comes in behind the first look, which holds the inbox, stays unread.
            let until = match last {
                Some(last) => last,
                None => *last.insert(newest_unread(&mut transaction, &user_key).await?),
            };
            let mut unread = oldest_unread(&mut transaction, &user_key, until, now).await?;
            let is_last = unread.len() <= READ_AT_ONCE;
            unread.truncate(READ_AT_ONCE);
            done.updated += i64::try_from(unread.len()).unwrap_or(i64::MAX);
            let mut entries = Vec::new();
            if let (Some(inbox), Some((up_to, _))) = (&inbox, unread.last()) {
                let up_to = *up_to;
                done.unread_count = read_up_to(&mut transaction, &user_key, inbox, unread, now).await?;
                entries.push(announce::all_read(user, up_to, done.unread_count, now)?);
            } else if let Some(inbox) = &inbox {
                done.unread_count = counts::exact(&mut transaction, &user_key, inbox, now).await?.unread;
            }
            if is_last {
                fresh.keep(&mut transaction, StatusCode::OK, &json!(done).to_string()).await?;
            }
            relay::enqueue_many(&mut transaction, &entries).await?;
            transaction.commit().await?;
            if !entries.is_empty() {
                self.relay.wake();
            }
            if is_last {
                self.metrics.add(Did::Read, usize::try_from(done.updated).unwrap_or_default());
                return Ok(done);
            }
            // Those who wait for the database get it in between.
            tokio::task::yield_now().await;
        }
    }
}

/// The last that a user has not read; 0 without any.
async fn newest_unread(transaction: &mut Transaction, user_key: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "SELECT COALESCE(MAX(id), 0) FROM notifications
         WHERE user_key = $1 AND is_unread = 1 AND removed IS NULL",
    )
    .bind(user_key)
    .fetch_one(&mut **transaction)
    .await
}

/// The oldest that a user has not read, up to an id, by id and category: one more than are read at once, where there are.
async fn oldest_unread(
    transaction: &mut Transaction,
    user_key: &str,
    last: i64,
    now: i64,
) -> sqlx::Result<Vec<(i64, String)>> {
    sqlx::query_as(
        "SELECT id, category FROM notifications
         WHERE user_key = $1 AND is_unread = 1 AND removed IS NULL AND id <= $2
               AND (expires_at IS NULL OR expires_at > $3)
         ORDER BY id LIMIT $4",
    )
    .bind(user_key)
    .bind(last)
    .bind(now)
    .bind(i64::try_from(READ_AT_ONCE + 1).unwrap_or(i64::MAX))
    .fetch_all(&mut **transaction)
    .await
}

/// Marks these, which are all up to the last of them, as read; what is unread then.
async fn read_up_to(
    transaction: &mut Transaction,
    user_key: &str,
    inbox: &Inbox,
    unread: Vec<(i64, String)>,
    now: i64,
) -> Result<i64, Failure> {
    let up_to = unread.last().map(|(id, _)| *id).unwrap_or_default();
    sqlx::query(
        "UPDATE notifications SET is_unread = 0, read_at = $2
         WHERE user_key = $1 AND is_unread = 1 AND removed IS NULL AND id <= $3
               AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(user_key)
    .bind(now)
    .bind(up_to)
    .execute(&mut **transaction)
    .await?;
    let mut by_category = ByCategory::new();
    for (_, category) in unread {
        by_category.entry(category).or_default().unread -= 1;
    }
    let counts = table::adjust(transaction, user_key, &by_category, 0).await?;
    push::withdraw(transaction, user_key, Which::UpTo(up_to), now).await?;
    Ok(counts::exact(transaction, user_key, &Inbox { counts, ..*inbox }, now).await?.unread)
}

/// Changes the row and what is counted of it; what is unread then.
async fn carry_out(
    transaction: &mut Transaction,
    stored: &mut Stored,
    change: Change,
    inbox: &Inbox,
    now: i64,
) -> Result<i64, Failure> {
    let unread = i64::from(stored.read_at.is_none());
    let counts = match change {
        Change::Read => {
            stored.read_at = Some(now);
            Counts { total: 0, unread: -1 }
        }
        Change::Unread => {
            stored.read_at = None;
            Counts { total: 0, unread: 1 }
        }
        Change::Delete => {
            (stored.removed, stored.deleted_at) = (Some(DELETED.to_owned()), Some(now));
            Counts { total: -1, unread: -unread }
        }
        Change::Restore => {
            (stored.removed, stored.deleted_at) = (None, None);
            Counts { total: 1, unread }
        }
    };
    sqlx::query(
        "UPDATE notifications SET is_unread = $1, read_at = $2, removed = $3, deleted_at = $4 WHERE id = $5",
    )
    .bind(i64::from(stored.read_at.is_none()))
    .bind(stored.read_at)
    .bind(&stored.removed)
    .bind(stored.deleted_at)
    .bind(stored.id)
    .execute(&mut **transaction)
    .await?;
    let by_category = ByCategory::from([(stored.category.clone(), counts)]);
    let counts = table::adjust(transaction, &stored.user_key, &by_category, 0).await?;
    if let (Change::Restore, Some(at)) = (change, stored.expires_at) {
        table::expires(transaction, &stored.user_key, at).await?;
    }
    if matches!(change, Change::Read | Change::Delete) {
        push::withdraw(transaction, &stored.user_key, Which::Ids(&[stored.id]), now).await?;
    }
    Ok(counts::exact(transaction, &stored.user_key, &Inbox { counts, ..*inbox }, now).await?.unread)
}
