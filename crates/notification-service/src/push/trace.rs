//! What became of a notification's push, step by step, for its trace.

use serde_json::Value;
use store::Pool;

use crate::ledger::{Kind, Step};

type PushRow = (String, i64, i64, Option<i64>, Option<i64>, Option<String>, Option<String>, i64, Option<i64>);

type SendRow =
    (String, Option<String>, String, Option<String>, i64, i64, Option<i64>, Option<String>, Option<i64>);

/// The steps, in the order in which they happened.
///
/// # Errors
/// What the database says.
pub(crate) async fn trace(reader: &Pool, notification_id: i64) -> sqlx::Result<Vec<Step>> {
    let found: Option<PushRow> = sqlx::query_as(
        "SELECT state, open, due_at, held_at, held_until, reason, digest_id, created_at, decided_at FROM pushes
         WHERE notification_id = $1",
    )
    .bind(notification_id)
    .fetch_optional(reader)
    .await?;
    let Some(push) = found else { return Ok(Vec::new()) };
    let mut steps = decided(&push);
    let (_, _, _, _, _, _, digest_id, ..) = push;
    let sends: Vec<SendRow> = sqlx::query_as(
        "SELECT s.platform, s.device_name, s.state, s.reason, s.attempts, s.created_at, s.done_at, w.state, w.done_at
         FROM push_sends s LEFT JOIN push_sends w ON w.send_id = s.withdrawal_id
         WHERE (s.kind = 'notification' AND s.notification_id = $1) OR (s.kind = 'digest' AND s.digest_id = $2)
         ORDER BY s.send_id",
    )
    .bind(notification_id)
    .bind(digest_id.unwrap_or_default())
    .fetch_all(reader)
    .await?;
    steps.extend(sends.into_iter().flat_map(sent));
    steps.sort_by_key(|step| step.at);
    Ok(steps)
}

/// The end of a zone-free time, for words.
fn show(micros: i64) -> String {
    rest::instant::show(micros)
}

fn decided(
    (state, open, due_at, held_at, held_until, reason, digest_id, created_at, decided_at): &PushRow,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let at = decided_at.unwrap_or(*created_at);
    let reason = reason.clone().unwrap_or_default();
    if let (Some(held_at), Some(until)) = (held_at, held_until) {
        let words = format!("quiet hours hold the push until {}", show(*until));
        steps.push(Step::new(*held_at, Kind::PushHeld, words).with("until", show(*until)));
    }
    match state.as_str() {
        "waiting" if *open == 1 => {
            let words = format!("it is pushed at {} unless a device has shown it before", show(*due_at));
            steps.push(Step::new(*created_at, Kind::PushWaiting, words).with("until", show(*due_at)));
        }
        "skipped" => {
            let words = match reason.strip_prefix("preference:push:") {
                Some(category) => format!("it is not pushed: the user wants no push of {category}"),
                None => format!("it is not pushed: {reason}"),
            };
            steps.push(Step::new(at, Kind::PushSkipped, words).with("reason", reason));
        }
        "withdrawn" => {
            let words = "the push was cancelled: the notification was read, deleted or expired before";
            steps.push(Step::new(at, Kind::PushCancelled, words).with("reason", "withdrawn"));
        }
        "cancelled" => {
            let words = format!("the push was cancelled: {reason}");
            steps.push(Step::new(at, Kind::PushCancelled, words).with("reason", reason));
        }
        "failed" => {
            let words = format!("the push failed: {reason}");
            steps.push(Step::new(at, Kind::PushFailed, words).with("reason", reason));
        }
        "digest" => {
            let words = "it is told in a digest after quiet hours";
            steps.push(Step::new(at, Kind::PushDigest, words).with("digest_id", digest_id.clone()));
        }
        _ => {}
    }
    steps
}

fn sent(
    (platform, name, state, reason, attempts, created_at, done_at, withdrawal, withdrawn_at): SendRow,
) -> Vec<Step> {
    let device = name.clone().unwrap_or_else(|| format!("a device ({platform})"));
    let reason = reason.unwrap_or_default();
    let at = done_at.unwrap_or(created_at);
    let told = |at, kind, words: String| {
        Step::new(at, kind, words)
            .with("device", name.clone().map_or(Value::Null, Value::from))
            .with("platform", platform.clone())
            .with("attempts", attempts)
    };
    let first = match state.as_str() {
        "sent" => told(at, Kind::Pushed, format!("it was pushed to {device}")),
        "failed" => {
            told(at, Kind::PushFailed, format!("push to {device} failed: {reason}")).with("reason", reason)
        }
        "cancelled" | "recalled" => {
            let words = format!("push to {device} was cancelled: {reason}");
            told(at, Kind::PushCancelled, words).with("reason", reason)
        }
        _ if reason.is_empty() => {
            told(created_at, Kind::PushWaiting, format!("the push to {device} is on its way"))
        }
        _ => {
            let words = format!("the push to {device} is tried again after {attempts} tries: {reason}");
            told(created_at, Kind::PushWaiting, words).with("reason", reason)
        }
    };
    let mut steps = vec![first];
    if let Some(withdrawal) = withdrawal {
        let words = match withdrawal.as_str() {
            "sent" => format!("it was taken back from {device}"),
            "failed" | "cancelled" => format!("it could not be taken back from {device}"),
            _ => format!("it is being taken back from {device}"),
        };
        steps.push(told(withdrawn_at.unwrap_or(at), Kind::PushCancelled, words).with("reason", "withdrawn"));
    }
    steps
}
