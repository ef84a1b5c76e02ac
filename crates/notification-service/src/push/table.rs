//! The tables of push, and what happens to them in others' transactions: a push is planned with its notification
//! ([`schedule`]), and withdrawn with whatever took that away ([`withdraw`]).
//!
//! A row of `pushes` is a notification's push as a whole, one of `push_sends` a message to a device: a notification, a
//! digest, or a withdrawal. Only notifications of users with devices have a push.
//!
//! Locks, beside those of [`crate::table`]: whoever changes rows here, or devices, holds push as a whole to the end of the
//! transaction ([`hold`]), after inboxes and before the relay's counter. Rows that are only added need none.
//!
//! Not here: what becomes of a push that is due ([`super::plan`]), and of a message ([`super::send`]).

use std::collections::{BTreeMap, BTreeSet};

use rest::Failure;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use store::{Migration, Transaction, counter};
use uuid::Uuid;

use super::message::{digest_tag, tag};
use super::{Push, places};
use crate::notification::Stored;
use crate::preferences::{Standing, filled};

/// The tables.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    version: 323,
    name: "push",
    sql: "CREATE TABLE pushes (
              notification_id BIGINT PRIMARY KEY,
              user_key TEXT NOT NULL,
              category TEXT NOT NULL,
              event_id TEXT NOT NULL,
              is_unseen BIGINT NOT NULL,
              state TEXT NOT NULL,
              open BIGINT NOT NULL,
              due_at BIGINT NOT NULL,
              give_up_at BIGINT NOT NULL,
              expires_at BIGINT,
              held_at BIGINT,
              held_until BIGINT,
              reason TEXT,
              digest_id TEXT,
              created_at BIGINT NOT NULL,
              decided_at BIGINT
          );
          CREATE INDEX pushes_due ON pushes (due_at) WHERE open = 1;
          CREATE INDEX pushes_open ON pushes (user_key, notification_id) WHERE open > 0;
          CREATE INDEX pushes_by_digest ON pushes (digest_id) WHERE digest_id IS NOT NULL;
          CREATE INDEX pushes_by_age ON pushes (created_at);
          CREATE TABLE digests (
              digest_id TEXT PRIMARY KEY,
              user_key TEXT NOT NULL,
              title TEXT NOT NULL,
              body TEXT NOT NULL,
              notifications BIGINT NOT NULL,
              by_category TEXT NOT NULL,
              created_at BIGINT NOT NULL
          );
          CREATE INDEX digests_by_age ON digests (created_at);
          CREATE TABLE push_sends (
              send_id TEXT PRIMARY KEY,
              kind TEXT NOT NULL,
              notification_id BIGINT,
              digest_id TEXT,
              body TEXT,
              is_silent BIGINT NOT NULL,
              device_id TEXT NOT NULL,
              platform TEXT NOT NULL,
              device_name TEXT,
              state TEXT NOT NULL,
              live BIGINT NOT NULL,
              due_at BIGINT NOT NULL,
              attempts BIGINT NOT NULL,
              is_unsure BIGINT NOT NULL,
              give_up_at BIGINT NOT NULL,
              reason TEXT,
              withdrawal_id TEXT,
              created_at BIGINT NOT NULL,
              done_at BIGINT
          );
          CREATE INDEX push_sends_due ON push_sends (due_at) WHERE live = 1;
          CREATE INDEX push_sends_by_device ON push_sends (device_id) WHERE live = 1;
          CREATE INDEX push_sends_by_notification ON push_sends (notification_id) WHERE notification_id IS NOT NULL;
          CREATE INDEX push_sends_by_digest ON push_sends (digest_id) WHERE digest_id IS NOT NULL;
          CREATE INDEX push_sends_by_age ON push_sends (created_at);",
}];

/// Rows that one statement reads or writes.
const AT_ONCE: usize = 100;

/// Notifications that one withdrawal names, so that it stays far below Firebase's 4,096 bytes.
const MOST_NAMED: usize = 50;

/// How long a withdrawal is tried, in microseconds: a day, as long as Firebase keeps it for a device that is off.
const WITHDRAWAL_AGE: i64 = 86_400_000_000;

/// Which of a user's notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which<'a> {
    /// These.
    Ids(&'a [i64]),
    /// All that are in the inbox, up to this one.
    UpTo(i64),
}

/// Keeps all others from changing pushes, messages and devices until the transaction ends: on Postgres those who lock several
/// rows would otherwise wait for each other. Nobody holds it for longer than some milliseconds.
///
/// # Errors
/// What the database says.
pub(crate) async fn hold(transaction: &mut Transaction) -> sqlx::Result<()> {
    counter(transaction, "push").await.map(drop)
}

/// A statement with a list of as many places as [`AT_ONCE`], or with one.
fn listed(items: usize) -> usize {
    if items == 1 { 1 } else { AT_ONCE }
}

/// How a push begins: its state, whether it is open, when it is due, and why it is over already.
fn beginning(
    push: &Push,
    stored: &Stored,
    standing: &Standing,
    now: i64,
) -> (&'static str, i64, i64, Option<String>) {
    if push.firebase.is_none() {
        let reason = "push is off: FIREBASE_CREDENTIALS_PATH was unset";
        return ("skipped", 0, now, Some(reason.to_owned()));
    }
    if !standing.push {
        return ("skipped", 0, now, Some(format!("preference:push:{}", stored.category)));
    }
    match standing.quiet_until {
        Some(until) => ("held", 1, until, None),
        // What is in no inbox can't be seen there, and waits for nobody.
        None if !standing.in_app => ("waiting", 1, now, None),
        None => ("waiting", 1, now + push.delay, None),
    }
}

/// Plans the push of notifications that were just stored, each with what its user wants.
///
/// # Errors
/// What the database says.
pub(crate) async fn schedule(
    push: &Push,
    transaction: &mut Transaction,
    stored: &[(&Stored, &Standing)],
    now: i64,
) -> Result<(), Failure> {
    let users: BTreeSet<&str> = stored.iter().map(|(stored, _)| stored.user_key.as_str()).collect();
    let with_devices = with_devices(transaction, &users.into_iter().collect::<Vec<_>>()).await?;
    let wanted: Vec<_> =
        stored.iter().filter(|(stored, _)| with_devices.contains(stored.user_key.as_str())).collect();
    for some in wanted.chunks(AT_ONCE) {
        let rows: Vec<String> = (0..some.len())
            .map(|row| {
                let columns: Vec<String> = (1..=14).map(|column| format!("${}", row * 14 + column)).collect();
                format!("({})", columns.join(", "))
            })
            .collect();
        let sql = format!(
            "INSERT INTO pushes (notification_id, user_key, category, event_id, is_unseen, state, open, due_at, give_up_at,
                 expires_at, held_at, held_until, reason, created_at) VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(matches!(some.len(), 1 | AT_ONCE));
        for (stored, standing) in some {
            let (state, open, due_at, reason) = beginning(push, stored, standing, now);
            let held_until = standing.quiet_until.filter(|_| state == "held");
            query = query
                .bind(stored.id)
                .bind(&stored.user_key)
                .bind(&stored.category)
                .bind(stored.event_id.to_string())
                .bind(i64::from(!standing.in_app))
                .bind(state)
                .bind(open)
                .bind(due_at)
                .bind(due_at.saturating_add(push.max_age).min(stored.expires_at.unwrap_or(i64::MAX)))
                .bind(stored.expires_at)
                .bind(held_until.map(|_| now))
                .bind(held_until)
                .bind(reason)
                .bind(now);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Those of the users who have devices.
async fn with_devices(transaction: &mut Transaction, users: &[&str]) -> sqlx::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for some in users.chunks(AT_ONCE) {
        let places = listed(some.len());
        let sql =
            format!("SELECT DISTINCT user_key FROM devices WHERE user_key IN ({})", super::places(places));
        let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql));
        for user in filled(some, places) {
            query = query.bind(user.to_string());
        }
        found.extend(query.fetch_all(&mut **transaction).await?);
    }
    Ok(found)
}

/// Has what quiet hours hold of a user's looked at again: they may be over.
///
/// # Errors
/// What the database says.
pub(crate) async fn look_again(transaction: &mut Transaction, user_key: &str, now: i64) -> sqlx::Result<()> {
    hold(transaction).await?;
    sqlx::query(
        "UPDATE pushes SET due_at = $1 WHERE user_key = $2 AND open = 1 AND state = 'held' AND due_at > $1",
    )
    .bind(now)
    .bind(user_key)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

/// Cancels what waits for a device that is gone, or is another user's now.
///
/// # Errors
/// What the database says.
pub(crate) async fn forget_device(
    transaction: &mut Transaction,
    device_id: &str,
    reason: &str,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE push_sends SET state = 'cancelled', live = 0, reason = $1, done_at = $2
         WHERE device_id = $3 AND live = 1",
    )
    .bind(reason)
    .bind(now)
    .bind(device_id)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

/// Cancels what waits of these notifications, and takes them back from devices that got them.
///
/// # Errors
/// What the database says.
pub(crate) async fn withdraw(
    transaction: &mut Transaction,
    user_key: &str,
    which: Which<'_>,
    now: i64,
) -> Result<(), Failure> {
    let open: Option<i64> =
        sqlx::query_scalar("SELECT notification_id FROM pushes WHERE user_key = $1 AND open > 0 LIMIT 1")
            .bind(user_key)
            .fetch_optional(&mut **transaction)
            .await?;
    if open.is_none() {
        return Ok(());
    }
    hold(transaction).await?;
    let mut over: Vec<(i64, String, Option<String>)> = Vec::new();
    match which {
        Which::UpTo(last) => {
            // Who reads all means what is in the inbox: what never was in it is only on a phone.
            let sql = format!("{WITHDRAW} AND notification_id <= $3 AND is_unseen = 0 {RETURNING}");
            let query = sqlx::query_as(AssertSqlSafe(sql)).bind(now).bind(user_key).bind(last);
            over.extend(query.fetch_all(&mut **transaction).await?);
        }
        Which::Ids(ids) => {
            for some in ids.chunks(AT_ONCE) {
                let count = listed(some.len());
                let list: Vec<String> = (3..count + 3).map(|place| format!("${place}")).collect();
                let sql = format!("{WITHDRAW} AND notification_id IN ({}) {RETURNING}", list.join(", "));
                let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(now).bind(user_key);
                for id in filled(some, count) {
                    query = query.bind(*id);
                }
                over.extend(query.fetch_all(&mut **transaction).await?);
            }
        }
    }
    let out: Vec<i64> = over.iter().filter(|(_, state, _)| state == "out").map(|(id, _, _)| *id).collect();
    let digests: BTreeSet<&str> = over.iter().filter_map(|(_, _, digest)| digest.as_deref()).collect();
    let mut taken = Taken::default();
    for some in out.chunks(AT_ONCE) {
        let count = listed(some.len());
        let ids: Vec<i64> = filled(some, count).copied().collect();
        taken.add(recall(transaction, Of::Notifications(&ids), now).await?);
    }
    for digest in digests {
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pushes WHERE digest_id = $1 AND open = 2")
            .bind(digest)
            .fetch_one(&mut **transaction)
            .await?;
        if left == 0 {
            taken.add(recall(transaction, Of::Digest(digest), now).await?);
        }
    }
    taken.withdraw(transaction, now).await?;
    Ok(())
}

/// What is still to be planned is cancelled; what is out is taken back once, whatever happens later.
const WITHDRAW: &str = "UPDATE pushes SET state = CASE WHEN open = 1 THEN 'withdrawn' ELSE state END,
     decided_at = CASE WHEN open = 1 THEN $1 ELSE decided_at END, open = 0
     WHERE user_key = $2 AND open > 0";

const RETURNING: &str = "RETURNING notification_id, state, digest_id";

/// Whose messages are taken back.
#[derive(Debug, Clone, Copy)]
enum Of<'a> {
    Notifications(&'a [i64]),
    Digest(&'a str),
}

/// A message that a device has, or may have.
#[derive(Debug, Clone)]
pub(super) struct Had {
    pub(super) send_id: String,
    pub(super) device_id: String,
    pub(super) platform: String,
    pub(super) device_name: Option<String>,
    pub(super) notification_id: Option<i64>,
    pub(super) digest_id: Option<String>,
}

type HadRow = (String, String, String, Option<String>, Option<i64>, Option<String>, String, i64);

/// Stops messages that are on their way, and tells which of them a device has or may have. One that is just being sent is
/// taken back when it is known whether it was ([`super::send`]).
async fn recall(transaction: &mut Transaction, of: Of<'_>, now: i64) -> sqlx::Result<Vec<Had>> {
    const COLUMNS: &str =
        "send_id, device_id, platform, device_name, notification_id, digest_id, state, is_unsure";
    let list = |from: usize, count: usize| -> String {
        (from..from + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
    };
    let which = |from: usize| match of {
        Of::Notifications(ids) => {
            format!("kind = 'notification' AND notification_id IN ({})", list(from, ids.len()))
        }
        Of::Digest(_) => format!("kind = 'digest' AND digest_id IN ({})", list(from, 1)),
    };
    let stop = format!(
        "UPDATE push_sends SET state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE 'recalled' END,
             live = CASE WHEN state = 'waiting' THEN 0 ELSE 1 END, done_at = $1, reason = 'it is not needed any more'
         WHERE live = 1 AND {} RETURNING {COLUMNS}",
        which(2)
    );
    let mut query = sqlx::query_as::<_, HadRow>(AssertSqlSafe(stop)).bind(now);
    query = match of {
        Of::Notifications(ids) => ids.iter().fold(query, |query, id| query.bind(*id)),
        Of::Digest(id) => query.bind(id.to_owned()),
    };
    let mut rows = query.fetch_all(&mut **transaction).await?;
    // Those that may have come; the others are over, or are settled later.
    rows.retain(|(.., state, is_unsure)| state == "cancelled" && *is_unsure == 1);
    let sent = format!("SELECT {COLUMNS} FROM push_sends WHERE state = 'sent' AND {}", which(1));
    let mut query = sqlx::query_as::<_, HadRow>(AssertSqlSafe(sent));
    query = match of {
        Of::Notifications(ids) => ids.iter().fold(query, |query, id| query.bind(*id)),
        Of::Digest(id) => query.bind(id.to_owned()),
    };
    rows.extend(query.fetch_all(&mut **transaction).await?);
    Ok(rows.into_iter().map(had).collect())
}

fn had((send_id, device_id, platform, device_name, notification_id, digest_id, _, _): HadRow) -> Had {
    Had { send_id, device_id, platform, device_name, notification_id, digest_id }
}

/// What a withdrawal names, as its row has it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) ids: Vec<i64>,
    pub(super) tags: Vec<String>,
}

/// Messages to be taken back, by device.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<String, Vec<Had>>);

impl Taken {
    pub(super) fn add(&mut self, had: Vec<Had>) {
        for one in had {
            self.0.entry(one.device_id.clone()).or_default().push(one);
        }
    }

    /// Writes the withdrawals: for each device as few as can be.
    pub(super) async fn withdraw(self, transaction: &mut Transaction, now: i64) -> sqlx::Result<()> {
        for some in self.0.values().flat_map(|had| had.chunks(MOST_NAMED)) {
            let Some(first) = some.first() else { continue };
            let tag_of =
                |had: &Had| had.notification_id.map(tag).or_else(|| had.digest_id.as_deref().map(digest_tag));
            let named = Named {
                ids: some.iter().filter_map(|had| had.notification_id).collect(),
                tags: some.iter().filter_map(tag_of).collect(),
            };
            let body = serde_json::to_string(&named).map_err(|error| sqlx::Error::Encode(error.into()))?;
            let send_id = Uuid::now_v7().to_string();
            sqlx::query(
                "INSERT INTO push_sends (send_id, kind, body, is_silent, device_id, platform, device_name, state, live, due_at,
                     attempts, is_unsure, give_up_at, created_at)
                 VALUES ($1, 'withdrawal', $2, 1, $3, $4, $5, 'waiting', 1, $6, 0, 0, $7, $8)",
            )
            .bind(&send_id)
            .bind(body)
            .bind(&first.device_id)
            .bind(&first.platform)
            .bind(&first.device_name)
            .bind(now)
            .bind(now + WITHDRAWAL_AGE)
            .bind(now)
            .execute(&mut **transaction)
            .await?;
            let places = places(some.len() + 1);
            let (first_place, list) = places.split_once(", ").unwrap_or((&places, ""));
            let sql =
                format!("UPDATE push_sends SET withdrawal_id = {first_place} WHERE send_id IN ({list})");
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(some.len() == 1).bind(&send_id);
            let query = some.iter().fold(query, |query, had| query.bind(&had.send_id));
            query.execute(&mut **transaction).await?;
        }
        Ok(())
    }
}
