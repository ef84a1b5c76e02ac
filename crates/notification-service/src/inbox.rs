//! What the calls do with notifications.
//!
//! [`store_many`] is the one way in: for REST, for bulk, for topics' jobs and for the rules.

use std::collections::BTreeMap;

use hub_client::relay::{self, Entry};
use rest::Failure;
use service_kit::problem::Problem;
use store::{Transaction, counters};
use uuid::Uuid;

use crate::desk::Desk;
use crate::metrics::Did;
use crate::notification::{Draft, FILTERED, Stored};
use crate::preferences::{self, Standing};
use crate::table::{self, Addition};
use crate::{announce, counts, push};

pub(crate) mod bulk;
pub(crate) mod changing;
pub(crate) mod listing;
pub(crate) mod topic;
pub(crate) mod upkeep;

/// Notifications of one user that go at once where there are too many: where the bound was made smaller, the rest goes
/// with the next ones.
const PURGED_AT_ONCE: i64 = 500;

/// Notifications that were stored, and the events that tell of it.
#[derive(Debug)]
pub(crate) struct Made {
    /// In the order of their drafts.
    pub(crate) stored: Vec<Stored>,
    entries: Vec<Entry>,
}

impl Made {
    /// The first one, where there has to be one.
    ///
    /// # Errors
    /// 500 without any.
    pub(crate) fn first(&self) -> Result<&Stored, Failure> {
        let missing = || Failure(Problem::internal("a notification was made and is not there"));
        self.stored.first().ok_or_else(missing)
    }

    /// Writes the events. Last in the transaction, which from here on holds the relay's counter.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn announce(&self, transaction: &mut Transaction) -> sqlx::Result<()> {
        relay::enqueue_many(transaction, &self.entries).await
    }
}

/// Wakes the relay and counts what was created; to be called after the commit.
pub(crate) fn told(desk: &Desk, stored: &[Stored]) {
    desk.relay.wake();
    let filtered = stored.iter().filter(|one| one.filtered.is_some()).count();
    desk.metrics.add(Did::Filtered, filtered);
    desk.metrics.add(Did::Created, stored.len() - filtered);
}

/// Stores up to [`table::AT_ONCE`] notifications with all that goes with them, the users' counts and the pushes, with as
/// many statements as for one. In the same transaction [`Made::announce`] comes last, which writes their events; after its
/// commit [`told`].
///
/// # Errors
/// What the database says; the transaction is then to be dropped.
pub(crate) async fn store_many(
    desk: &Desk,
    transaction: &mut Transaction,
    drafts: Vec<Draft>,
    now: i64,
) -> Result<Made, Failure> {
    if drafts.is_empty() {
        return Ok(Made { stored: Vec::new(), entries: Vec::new() });
    }
    let keys: Vec<String> = drafts.iter().map(|draft| draft.user.text().into_owned()).collect();
    let wanted: Vec<(&str, &str)> =
        keys.iter().zip(&drafts).map(|(key, draft)| (key.as_str(), draft.category.as_str())).collect();
    let standings = preferences::of(transaction, &wanted, now).await?;
    let count = i64::try_from(drafts.len()).unwrap_or(i64::MAX);
    let last = counters(transaction, "notifications", count).await?;
    let stored: Vec<Stored> = (last - count + 1..)
        .zip(drafts.into_iter().zip(keys))
        .zip(&standings)
        .map(|((id, (draft, user_key)), standing)| new(id, draft, user_key, standing, now))
        .collect();
    let mut additions: BTreeMap<&str, Addition> = BTreeMap::new();
    let mut categories: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for one in &stored {
        let addition = additions.entry(&one.user_key).or_default();
        addition.kept += 1;
        if one.removed.is_none() {
            addition.visible += 1;
            *categories.entry((&one.user_key, &one.category)).or_default() += 1;
            addition.expires = match (addition.expires, one.expires_at) {
                (Some(first), Some(other)) => Some(first.min(other)),
                (first, other) => first.or(other),
            };
        }
    }
    let inboxes = table::add(transaction, &additions).await?;
    table::add_categories(transaction, &categories).await?;
    table::insert(transaction, &stored).await?;
    let pairs: Vec<(&Stored, &Standing)> = stored.iter().zip(&standings).collect();
    push::schedule(&desk.push, transaction, &pairs, now).await?;
    let mut entries = Vec::with_capacity(stored.len());
    let mut unread: BTreeMap<&str, i64> = BTreeMap::new();
    for user_key in additions.keys().copied() {
        let Some(inbox) = inboxes.get(user_key) else { continue };
        let too_many = (inbox.kept - desk.limits.per_user).min(PURGED_AT_ONCE);
        let inbox = match too_many {
            1.. => upkeep::purge_oldest(transaction, user_key, inbox, too_many, now, &mut entries).await?,
            _ => *inbox,
        };
        unread.insert(user_key, counts::exact(transaction, user_key, &inbox, now).await?.unread);
    }
    // What is unread after all of them is known: each event tells what was after its own.
    let mut behind: BTreeMap<&str, i64> =
        additions.iter().map(|(user_key, addition)| (*user_key, addition.visible)).collect();
    for (one, standing) in stored.iter().zip(&standings).filter(|(one, _)| one.removed.is_none()) {
        let unread = unread.get(one.user_key.as_str()).copied().unwrap_or_default();
        let behind = behind.entry(&one.user_key).or_default();
        *behind -= 1;
        entries.push(announce::created(one, unread - *behind, standing.sound, now)?);
    }
    Ok(Made { stored, entries })
}

fn new(id: i64, draft: Draft, user_key: String, standing: &Standing, now: i64) -> Stored {
    let filtered = (!standing.in_app).then(|| format!("preference:in_app:{}", draft.category));
    Stored {
        id,
        user_key,
        user: draft.user,
        kind: draft.kind,
        category: draft.category,
        title: draft.title,
        message: draft.message,
        data: draft.data,
        priority: draft.priority,
        read_at: None,
        created_at: now,
        expires_at: draft.expires_at,
        event_id: Uuid::now_v7(),
        source: draft.source,
        made_by: draft.made_by,
        removed: filtered.is_some().then(|| FILTERED.to_owned()),
        deleted_at: None,
        filtered,
    }
}
