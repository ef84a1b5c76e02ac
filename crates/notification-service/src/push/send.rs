//! A message to a device: claimed for a time, sent, and settled with its outcome.
//!
//! A claim is a lease: `due_at` of a message that is being sent is when others may take it for left behind. Each claim counts
//! an attempt, and only who made the last attempt settles it. So several instances share what is due, and a crash delays a
//! message by [`LEASE`] at most.
//!
//! States: `waiting` (to be sent when it is due), `sending` (claimed), `recalled` (taken back while it was being sent); and
//! for ever `sent`, `failed`, `cancelled`.

use std::time::Duration;

use rest::Failure;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use store::{Store, Transaction};

use super::client;
use super::message::{self, Digest, Noise, Platform, Subject};
use super::metrics::Became;
use super::reply::{Arrived, Later, Outcome};
use super::table::{Had, Named, Taken};
use crate::desk::Desk;
use crate::devices;
use crate::notification::Priority;

/// How long a claim keeps others away, in microseconds: what a call may take, and some.
pub(super) const LEASE: i64 = 75_000_000;
const _: () = assert!(LEASE > client::TIMEOUT.as_micros() as i64);

/// How long after the first try the second comes, in microseconds; twice as long after each further one, up to [`MOST_WAIT`].
const FIRST_WAIT: i64 = 10_000_000;

/// The longest wait between two tries that nobody asked for, in microseconds.
const MOST_WAIT: i64 = 600_000_000;

/// A claimed message, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) send_id: String,
    pub(super) attempt: i64,
    kind: Kind,
    had: Had,
    give_up_at: i64,
    /// The body, whole.
    pub(super) message: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Notification,
    Digest,
    Withdrawal,
}

impl Kind {
    fn of(text: &str) -> Self {
        match text {
            "digest" => Self::Digest,
            "withdrawal" => Self::Withdrawal,
            _ => Self::Notification,
        }
    }
}

type Row = (
    String,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    i64,
    String,
    String,
    Option<String>,
    String,
    i64,
    i64,
);

/// Whether anything is due, and when the oldest of it was.
pub(super) async fn oldest(store: &Store) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("SELECT due_at FROM push_sends WHERE live = 1 ORDER BY due_at LIMIT 1")
        .fetch_optional(store.reader())
        .await
}

/// Claims up to `most` messages that are due. What can't be sent any more is ended.
///
/// # Errors
/// What the database says; then nothing is claimed.
pub(super) async fn claim(desk: &Desk, most: usize) -> Result<Vec<Claim>, Failure> {
    let now = desk.clock.now();
    if oldest(&desk.store).await?.is_none_or(|due_at| due_at > now) {
        return Ok(Vec::new());
    }
    let mut transaction = desk.store.begin().await?;
    super::hold(&mut transaction).await?;
    // One that is being sent for too long may have been: its instance died.
    let rows: Vec<Row> = sqlx::query_as(
        "UPDATE push_sends SET state = CASE WHEN state = 'recalled' THEN 'recalled' ELSE 'sending' END,
             is_unsure = CASE WHEN state = 'waiting' THEN is_unsure ELSE 1 END,
             due_at = $1, attempts = attempts + 1
         WHERE live = 1 AND due_at <= $2 AND send_id IN
             (SELECT send_id FROM push_sends WHERE live = 1 AND due_at <= $2 ORDER BY due_at, send_id LIMIT $3)
         RETURNING send_id, kind, notification_id, digest_id, body, is_silent, device_id, platform, device_name, state,
             attempts, give_up_at",
    )
    .bind(now + LEASE)
    .bind(now)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(&mut *transaction)
    .await?;
    let (mut claims, mut failed) = (Vec::with_capacity(rows.len()), 0);
    let mut taken = Taken::default();
    for row in rows {
        let (
            send_id,
            kind,
            notification_id,
            digest_id,
            body,
            is_silent,
            device_id,
            platform,
            device_name,
            state,
            attempt,
            give_up_at,
        ) = row;
        let had =
            Had { send_id: send_id.clone(), device_id, platform, device_name, notification_id, digest_id };
        if state == "recalled" {
            end(&mut transaction, &send_id, "cancelled", Some("it is not needed any more"), now).await?;
            taken.add(vec![had]);
            continue;
        }
        if give_up_at <= now {
            let reason = "it was tried for too long";
            sqlx::query(
                "UPDATE push_sends SET state = 'failed', live = 0, done_at = $1,
                     reason = CASE WHEN reason IS NULL THEN $2 ELSE $2 || ': ' || reason END
                 WHERE send_id = $3",
            )
            .bind(now)
            .bind(reason)
            .bind(&send_id)
            .execute(&mut *transaction)
            .await?;
            failed += 1;
            continue;
        }
        let noise = if is_silent == 1 { Noise::Silent } else { Noise::Sound };
        match compose(&mut transaction, Kind::of(&kind), &had, body.as_deref(), noise, now).await? {
            Ok(message) => {
                claims.push(Claim { send_id, attempt, kind: Kind::of(&kind), had, give_up_at, message });
            }
            Err(reason) => end(&mut transaction, &send_id, "cancelled", Some(reason), now).await?,
        }
    }
    taken.withdraw(&mut transaction, now).await?;
    transaction.commit().await?;
    desk.push.metrics.add(Became::Failed, failed);
    Ok(claims)
}

/// The body of a message; why there is none.
async fn compose(
    transaction: &mut Transaction,
    kind: Kind,
    had: &Had,
    body: Option<&str>,
    noise: Noise,
    now: i64,
) -> sqlx::Result<Result<Value, &'static str>> {
    let token: Option<String> = sqlx::query_scalar("SELECT token FROM devices WHERE device_id = $1")
        .bind(&had.device_id)
        .fetch_optional(&mut **transaction)
        .await?;
    let (Some(token), Some(platform)) = (token, Platform::of(&had.platform)) else {
        return Ok(Err("the device is not there any more"));
    };
    let device = (token.as_str(), platform);
    match kind {
        Kind::Notification => {
            let Some(id) = had.notification_id else { return Ok(Err("it is of no notification")) };
            let found = subject(transaction, id).await?;
            Ok(found
                .map(|subject| message::notification(&subject, device, noise, now))
                .ok_or("the notification is gone"))
        }
        Kind::Digest => {
            let Some(id) = &had.digest_id else { return Ok(Err("it is of no digest")) };
            let found: Option<(String, String, i64, String)> = sqlx::query_as(
                "SELECT title, body, notifications, by_category FROM digests WHERE digest_id = $1",
            )
            .bind(id)
            .fetch_optional(&mut **transaction)
            .await?;
            let digest = found.map(|(title, body, count, by_category)| Digest {
                id: id.clone(),
                title,
                body,
                count,
                by_category,
            });
            Ok(digest.map(|digest| message::digest(&digest, device, noise, now)).ok_or("the digest is gone"))
        }
        Kind::Withdrawal => {
            let named: Named = serde_json::from_str(body.unwrap_or_default())
                .map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(Ok(message::withdrawal(&named.ids, &named.tags, device, now)))
        }
    }
}

type SubjectRow = (i64, String, String, String, String, String, String, String, Option<i64>);

async fn subject(transaction: &mut Transaction, id: i64) -> sqlx::Result<Option<Subject>> {
    let row: Option<SubjectRow> = sqlx::query_as(
        "SELECT id, event_id, kind, category, title, message, data, priority, expires_at FROM notifications WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.map(|(id, event_id, kind, category, title, message, data, priority, expires_at)| Subject {
        id,
        event_id,
        kind,
        category,
        title,
        message,
        data,
        priority: Priority::of(&priority),
        expires_at,
    }))
}

/// Settles what was sent, all in one transaction.
///
/// # Errors
/// What the database says; then nothing is settled, and it is to be tried again.
pub(super) async fn settle(desk: &Desk, outcomes: &[(Claim, Outcome)]) -> Result<(), Failure> {
    let now = desk.clock.now();
    let mut transaction = desk.store.begin().await?;
    super::hold(&mut transaction).await?;
    let mut counts = Vec::with_capacity(outcomes.len());
    let mut taken = Taken::default();
    for (claim, outcome) in outcomes {
        if *outcome == Outcome::Unregistered {
            sqlx::query("DELETE FROM devices WHERE device_id = $1")
                .bind(&claim.had.device_id)
                .execute(&mut *transaction)
                .await?;
        }
    }
    for (claim, outcome) in outcomes {
        // Locks it; whoever made a later attempt settles it.
        let found: Option<(String, i64)> = sqlx::query_as(
            "UPDATE push_sends SET attempts = attempts WHERE send_id = $1 AND attempts = $2 AND live = 1
             RETURNING state, is_unsure",
        )
        .bind(&claim.send_id)
        .bind(claim.attempt)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((state, is_unsure)) = found else { continue };
        let is_recalled = state == "recalled";
        let mut may_be_there = is_unsure == 1;
        match outcome {
            Outcome::Sent => {
                end(&mut transaction, &claim.send_id, "sent", None, now).await?;
                counts.push(if claim.kind == Kind::Withdrawal { Became::Withdrawn } else { Became::Sent });
                may_be_there = true;
            }
            Outcome::Unregistered => {
                let reason = "Firebase says UNREGISTERED, the device was removed";
                end(&mut transaction, &claim.send_id, "failed", Some(reason), now).await?;
                let reason = "Firebase says that the device is not registered any more";
                devices::remove(&mut transaction, &claim.had.device_id, reason, now).await?;
                counts.push(Became::Unregistered);
                may_be_there = false;
            }
            Outcome::Refused(reason) => {
                end(&mut transaction, &claim.send_id, "failed", Some(reason), now).await?;
                counts.push(Became::Failed);
            }
            Outcome::Later(later) => {
                may_be_there |= later.arrived == Arrived::Perhaps;
                if is_recalled {
                    let reason = "it is not needed any more";
                    end(&mut transaction, &claim.send_id, "cancelled", Some(reason), now).await?;
                } else {
                    put_off(&mut transaction, claim, later, may_be_there, now).await?;
                    counts.push(Became::Retried);
                }
            }
        }
        if is_recalled && may_be_there {
            taken.add(vec![claim.had.clone()]);
        }
    }
    taken.withdraw(&mut transaction, now).await?;
    transaction.commit().await?;
    for became in counts {
        desk.push.metrics.add(became, 1);
    }
    Ok(())
}

async fn end(
    transaction: &mut Transaction,
    send_id: &str,
    state: &str,
    reason: Option<&str>,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE push_sends SET state = $1, live = 0, reason = $2, done_at = $3 WHERE send_id = $4")
        .bind(state)
        .bind(reason)
        .bind(now)
        .bind(send_id)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

/// Lets a message wait for its next try; not beyond its end, when it is found to have failed.
async fn put_off(
    transaction: &mut Transaction,
    claim: &Claim,
    later: &Later,
    may_be_there: bool,
    now: i64,
) -> sqlx::Result<()> {
    let sql = "UPDATE push_sends SET state = 'waiting', due_at = $1, reason = $2, is_unsure = $3 WHERE send_id = $4";
    sqlx::query(AssertSqlSafe(sql))
        .bind((now + wait(claim.attempt, later.after, chance(&claim.send_id))).min(claim.give_up_at.max(now)))
        .bind(&later.reason)
        .bind(i64::from(may_be_there))
        .bind(&claim.send_id)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

/// How long to wait after so many attempts, in microseconds: what was asked for at least, and up to a quarter more by
/// chance, so that not all come back at once.
fn wait(attempts: i64, asked: Option<Duration>, chance: u8) -> i64 {
    let doublings = attempts.saturating_sub(1).clamp(0, 20);
    let own = (FIRST_WAIT << doublings).min(MOST_WAIT);
    let wait = asked.map_or(own, |asked| own.max(super::micros(asked)));
    wait + wait / 4 * i64::from(chance) / 255
}

/// The last digits of a send's id, which are random.
fn chance(send_id: &str) -> u8 {
    send_id
        .get(send_id.len().saturating_sub(2)..)
        .and_then(|end| u8::from_str_radix(end, 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_minutes_and_are_never_shorter_than_asked() {
        assert_eq!(wait(1, None, 0), FIRST_WAIT);
        assert_eq!(wait(2, None, 0), 2 * FIRST_WAIT);
        assert_eq!(wait(50, None, 0), MOST_WAIT);
        assert_eq!(wait(i64::MAX, None, 255), MOST_WAIT + MOST_WAIT / 4);
        assert_eq!(wait(1, Some(Duration::from_secs(3)), 0), FIRST_WAIT);
        let hour = Duration::from_secs(3600);
        assert_eq!(wait(1, Some(hour), 0), 3_600_000_000);
        for chance in [0, 100, 255] {
            let waited = wait(1, Some(hour), chance);
            assert!((3_600_000_000..=4_500_000_000).contains(&waited));
        }
    }

    #[test]
    fn chance_is_the_end_of_an_id() {
        assert_eq!(chance("0197-ff"), 255);
        assert_eq!(chance(""), 0);
    }
}
