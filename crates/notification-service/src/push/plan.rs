//! What becomes of a push that is due: it is not needed, quiet hours hold it, it is told in a digest, or it goes to each of
//! the user's devices.
//!
//! Here nothing is sent: what is decided, and the messages that follow from it, are one transaction. Everything is asked at
//! the moment when it is due: what its user wants now, whether somebody has had it, which devices there are.
//!
//! A user gets one digest of all that quiet hours held, up to [`MOST_DIGESTED`]; one alone is sent as itself.

use std::collections::{BTreeMap, BTreeSet};

use rest::Failure;
use sqlx::AssertSqlSafe;
use store::{Store, Transaction};
use uuid::Uuid;

use super::metrics::Became;
use super::words;
use crate::desk::Desk;
use crate::ledger;
use crate::preferences::{self, Standing, filled};

/// Pushes that are decided in one transaction: some milliseconds of SQLite's writer.
pub(super) const BATCH: i64 = 100;

/// Notifications of one digest; who got more in a night gets another digest.
const MOST_DIGESTED: i64 = 1_000;

/// Rows that one statement writes.
const AT_ONCE: usize = 100;

/// A push that is to be decided.
#[derive(Debug, Clone)]
struct Due {
    notification_id: i64,
    user_key: String,
    category: String,
    event_id: String,
    is_unseen: bool,
    is_held: bool,
    give_up_at: i64,
    expires_at: Option<i64>,
}

type Row = (i64, String, String, String, i64, String, i64, Option<i64>);

const COLUMNS: &str =
    "notification_id, user_key, category, event_id, is_unseen, state, give_up_at, expires_at";

fn due(
    (notification_id, user_key, category, event_id, is_unseen, state, give_up_at, expires_at): Row,
) -> Due {
    let (is_unseen, is_held) = (is_unseen == 1, state == "held");
    Due { notification_id, user_key, category, event_id, is_unseen, is_held, give_up_at, expires_at }
}

/// A device, as far as its messages tell it.
#[derive(Debug, Clone)]
struct Device {
    device_id: String,
    platform: String,
    device_name: Option<String>,
}

/// A message to be written.
struct Send<'a> {
    kind: &'static str,
    notification_id: Option<i64>,
    digest_id: Option<String>,
    is_silent: bool,
    device: &'a Device,
    give_up_at: i64,
}

/// Whether anything is due.
pub(super) async fn is_due(store: &Store, now: i64) -> sqlx::Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT notification_id FROM pushes WHERE open = 1 AND due_at <= $1 LIMIT 1")
            .bind(now)
            .fetch_optional(store.reader())
            .await?;
    Ok(found.is_some())
}

/// Decides pushes that are due; how many there were. More than [`BATCH`] may be due.
///
/// # Errors
/// What the database says; then nothing is decided.
pub(super) async fn turn(desk: &Desk) -> Result<usize, Failure> {
    let now = desk.clock.now();
    if !is_due(&desk.store, now).await? {
        return Ok(0);
    }
    let mut transaction = desk.store.begin().await?;
    super::hold(&mut transaction).await?;
    let rows = take(&mut transaction, now).await?;
    let wanted: Vec<(&str, &str)> =
        rows.iter().map(|row| (row.user_key.as_str(), row.category.as_str())).collect();
    let standings = preferences::of(&mut transaction, &wanted, now).await?;
    let mut ready = Vec::new();
    let mut counts: BTreeMap<&'static str, (Became, usize)> = BTreeMap::new();
    for (row, standing) in rows.iter().zip(&standings) {
        match verdict(&mut transaction, row, standing, now).await? {
            Verdict::Ready => ready.push((row, standing)),
            Verdict::Over(state, became, reason) => {
                over(&mut transaction, row.notification_id, state, &reason, now).await?;
                counts.entry(state).or_insert((became, 0)).1 += 1;
            }
            Verdict::Held(until) => {
                hold(&mut transaction, row, until, desk.push.max_age, now).await?;
                counts.entry("held").or_insert((Became::Held, 0)).1 += 1;
            }
        }
    }
    let users: BTreeSet<&str> = ready.iter().map(|(row, _)| row.user_key.as_str()).collect();
    let devices = devices(&mut transaction, &users.into_iter().collect::<Vec<_>>()).await?;
    let mut sends = Vec::new();
    let mut held: BTreeMap<&str, Vec<(&Due, &Standing)>> = BTreeMap::new();
    for (row, standing) in ready {
        let Some(targets) = devices.get(row.user_key.as_str()) else {
            let reason = "the user has no device any more";
            over(&mut transaction, row.notification_id, "skipped", reason, now).await?;
            counts.entry("skipped").or_insert((Became::Cancelled, 0)).1 += 1;
            continue;
        };
        if row.is_held {
            held.entry(&row.user_key).or_default().push((row, standing));
        } else {
            sends.extend(alone(&mut transaction, row, standing, targets, now).await?);
        }
    }
    for (user_key, rows) in held {
        let targets = devices.get(user_key).map(Vec::as_slice).unwrap_or_default();
        match rows.as_slice() {
            [(row, standing)] => sends.extend(alone(&mut transaction, row, standing, targets, now).await?),
            rows => {
                counts.entry("digest").or_insert((Became::Digested, 0)).1 += rows.len();
                let give_up_at = now.saturating_add(desk.push.max_age);
                let digest_id = digest(&mut transaction, user_key, rows, now).await?;
                let is_silent = rows.iter().all(|(_, standing)| !standing.sound);
                sends.extend(targets.iter().map(|device| Send {
                    kind: "digest",
                    notification_id: None,
                    digest_id: Some(digest_id.clone()),
                    is_silent,
                    device,
                    give_up_at,
                }));
            }
        }
    }
    write(&mut transaction, &sends, now).await?;
    transaction.commit().await?;
    for (became, count) in counts.into_values() {
        desk.push.metrics.add(became, count);
    }
    Ok(rows.len())
}

/// Locks what is due, and all else that is held of users of whom something held is due.
async fn take(transaction: &mut Transaction, now: i64) -> sqlx::Result<Vec<Due>> {
    // An update that changes nothing locks the row on Postgres; what another instance has decided meanwhile is not taken.
    let sql = format!(
        "UPDATE pushes SET due_at = due_at WHERE open = 1 AND due_at <= $1 AND notification_id IN
             (SELECT notification_id FROM pushes WHERE open = 1 AND due_at <= $1 ORDER BY due_at LIMIT $2)
         RETURNING {COLUMNS}"
    );
    let rows: Vec<Row> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(now).bind(BATCH).fetch_all(&mut **transaction).await?;
    let mut all: BTreeMap<i64, Due> =
        rows.into_iter().map(due).map(|row| (row.notification_id, row)).collect();
    let users: BTreeSet<String> =
        all.values().filter(|row| row.is_held).map(|row| row.user_key.clone()).collect();
    all.retain(|_, row| !row.is_held);
    for user in users {
        let sql = format!(
            "UPDATE pushes SET due_at = due_at WHERE open = 1 AND state = 'held' AND notification_id IN
                 (SELECT notification_id FROM pushes WHERE user_key = $1 AND open > 0 AND state = 'held'
                  ORDER BY notification_id LIMIT $2)
             RETURNING {COLUMNS}"
        );
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(user)
            .bind(MOST_DIGESTED)
            .fetch_all(&mut **transaction)
            .await?;
        all.extend(rows.into_iter().map(due).map(|row| (row.notification_id, row)));
    }
    Ok(all.into_values().collect())
}

/// What is to become of a push.
enum Verdict {
    /// It is to be sent.
    Ready,
    /// It is over: its state, how it is counted, and why.
    Over(&'static str, Became, String),
    /// Quiet hours hold it until then.
    Held(i64),
}

async fn verdict(
    transaction: &mut Transaction,
    row: &Due,
    standing: &Standing,
    now: i64,
) -> Result<Verdict, Failure> {
    let over = |state, became, reason: &str| Ok(Verdict::Over(state, became, reason.to_owned()));
    if row.expires_at.is_some_and(|at| at <= now) {
        return over("cancelled", Became::Cancelled, "the notification expired");
    }
    if !standing.push {
        let reason = format!("preference:push:{}", row.category);
        return Ok(Verdict::Over("skipped", Became::Cancelled, reason));
    }
    if !row.is_unseen {
        let event_id =
            row.event_id.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))?;
        if ledger::delivered(transaction, event_id, &row.user_key).await? {
            return over("cancelled", Became::Cancelled, "a device of the user has had it");
        }
    }
    if let Some(until) = standing.quiet_until {
        return Ok(Verdict::Held(until));
    }
    if row.give_up_at <= now {
        return over("failed", Became::Failed, "it was due for too long");
    }
    Ok(Verdict::Ready)
}

async fn over(
    transaction: &mut Transaction,
    notification_id: i64,
    state: &str,
    reason: &str,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE pushes SET state = $1, open = 0, reason = $2, decided_at = $3 WHERE notification_id = $4",
    )
    .bind(state)
    .bind(reason)
    .bind(now)
    .bind(notification_id)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

async fn hold(
    transaction: &mut Transaction,
    row: &Due,
    until: i64,
    max_age: i64,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE pushes SET state = 'held', due_at = $1, held_until = $1, held_at = COALESCE(held_at, $2), give_up_at = $3
         WHERE notification_id = $4",
    )
    .bind(until)
    .bind(now)
    .bind(until.saturating_add(max_age).min(row.expires_at.unwrap_or(i64::MAX)))
    .bind(row.notification_id)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

/// The devices of users.
async fn devices(
    transaction: &mut Transaction,
    users: &[&str],
) -> sqlx::Result<BTreeMap<String, Vec<Device>>> {
    let mut found: BTreeMap<String, Vec<Device>> = BTreeMap::new();
    for some in users.chunks(AT_ONCE) {
        let sql = format!(
            "SELECT user_key, device_id, platform, device_name FROM devices WHERE user_key IN ({}) ORDER BY device_id",
            super::places(AT_ONCE)
        );
        let mut query = sqlx::query_as::<_, (String, String, String, Option<String>)>(AssertSqlSafe(sql));
        for user in filled(some, AT_ONCE) {
            query = query.bind(user.to_string());
        }
        for (user, device_id, platform, device_name) in query.fetch_all(&mut **transaction).await? {
            found.entry(user).or_default().push(Device { device_id, platform, device_name });
        }
    }
    Ok(found)
}

/// A notification by itself, to each device.
async fn alone<'d>(
    transaction: &mut Transaction,
    row: &Due,
    standing: &Standing,
    targets: &'d [Device],
    now: i64,
) -> sqlx::Result<Vec<Send<'d>>> {
    sqlx::query("UPDATE pushes SET state = 'out', open = 2, decided_at = $1 WHERE notification_id = $2")
        .bind(now)
        .bind(row.notification_id)
        .execute(&mut **transaction)
        .await?;
    let send = |device| Send {
        kind: "notification",
        notification_id: Some(row.notification_id),
        digest_id: None,
        is_silent: !standing.sound,
        device,
        give_up_at: row.give_up_at,
    };
    Ok(targets.iter().map(send).collect())
}

/// Makes a digest of several of a user's; its id.
async fn digest(
    transaction: &mut Transaction,
    user_key: &str,
    rows: &[(&Due, &Standing)],
    now: i64,
) -> sqlx::Result<String> {
    let digest_id = Uuid::now_v7().to_string();
    let mut titles: Vec<String> = Vec::new();
    for (row, _) in rows.iter().take(words::MOST_TITLES) {
        let title: Option<String> = sqlx::query_scalar("SELECT title FROM notifications WHERE id = $1")
            .bind(row.notification_id)
            .fetch_optional(&mut **transaction)
            .await?;
        titles.extend(title);
    }
    for (row, _) in rows {
        sqlx::query(
            "UPDATE pushes SET state = 'digest', open = 2, decided_at = $1, digest_id = $2 WHERE notification_id = $3",
        )
        .bind(now)
        .bind(&digest_id)
        .bind(row.notification_id)
        .execute(&mut **transaction)
        .await?;
    }
    let locale = rows.first().map_or(preferences::LOCALE, |(_, standing)| standing.locale.as_str());
    sqlx::query(
        "INSERT INTO digests (digest_id, user_key, title, body, notifications, by_category, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&digest_id)
    .bind(user_key)
    .bind(words::title(locale, rows.len()))
    .bind(words::body(locale, titles.iter().map(String::as_str), rows.len()))
    .bind(i64::try_from(rows.len()).unwrap_or(i64::MAX))
    .bind(words::by_category(rows.iter().map(|(row, _)| row.category.as_str())))
    .bind(now)
    .execute(&mut **transaction)
    .await?;
    Ok(digest_id)
}

/// Writes messages, all to be sent at once.
async fn write(transaction: &mut Transaction, sends: &[Send<'_>], now: i64) -> sqlx::Result<()> {
    for some in sends.chunks(AT_ONCE) {
        let rows: Vec<String> = (0..some.len())
            .map(|row| {
                let at = |column: usize| row * 10 + column;
                let columns: Vec<String> = (1..=8).map(|column| format!("${}", at(column))).collect();
                let (columns, now, give_up_at) = (columns.join(", "), at(9), at(10));
                format!("({columns}, 'waiting', 1, ${now}, 0, 0, ${give_up_at}, ${now})")
            })
            .collect();
        let sql = format!(
            "INSERT INTO push_sends (send_id, kind, notification_id, digest_id, is_silent, device_id, platform, device_name,
                 state, live, due_at, attempts, is_unsure, give_up_at, created_at) VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(matches!(some.len(), 1 | AT_ONCE));
        for send in some {
            query = query
                .bind(Uuid::now_v7().to_string())
                .bind(send.kind)
                .bind(send.notification_id)
                .bind(&send.digest_id)
                .bind(i64::from(send.is_silent))
                .bind(&send.device.device_id)
                .bind(&send.device.platform)
                .bind(&send.device.device_name)
                .bind(now)
                .bind(send.give_up_at);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}
