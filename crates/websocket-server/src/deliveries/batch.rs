//! One batch to one service: its body, and what the answer means.
//!
//! Nothing but 200 is an arrival; what the answer says besides does not matter. Not here: when it is tried again
//! (`worker`).

use hub::deliveries::DeliveryRecord;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde::Serialize;

use crate::calls::{Id, LONGEST_ANSWER, bearer};
use crate::config::DeliveryHook;

/// Why a batch is not known to have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// No connection, or none that held.
    #[error("it can't be reached, or the connection broke")]
    Away,
    /// No answer in time.
    #[error("it does not answer in time")]
    Slow,
    /// Anything but 200.
    #[error("it answers with status {0}")]
    Status(u16),
    /// It does not take the hub's key.
    #[error("it does not take the hub's key ({0}): SERVICE_API_KEY")]
    Key(u16),
}

impl Failure {
    /// As a metric's label.
    pub(super) fn outcome(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Slow => "timeout",
            Self::Status(_) => "error_status",
            Self::Key(_) => "key_refused",
        }
    }
}

/// A record as a service reads it (contract: socketio).
#[derive(Serialize)]
struct Told<'a> {
    id: String,
    user_id: Option<Id<'a>>,
    connection_id: String,
    state: &'static str,
    at: String,
}

/// The body of a batch, a JSON array.
pub(super) fn body(records: &[DeliveryRecord]) -> Vec<u8> {
    let told: Vec<Told<'_>> = records
        .iter()
        .map(|record| Told {
            id: record.id.to_string(),
            user_id: record.user.as_ref().map(Id::of),
            connection_id: record.connection.to_string(),
            state: record.state.as_str(),
            at: String::from_utf8_lossy(&record.at.encode()).into_owned(),
        })
        .collect();
    // Texts and numbers: serialising them can't fail.
    serde_json::to_vec(&told).unwrap_or_default()
}

/// Posts a batch once.
///
/// # Errors
/// Why it is not known to have arrived. It may have.
pub(super) async fn post(client: &reqwest::Client, hook: &DeliveryHook, body: &[u8]) -> Result<(), Failure> {
    let answered = async {
        let mut request = client
            .post(hook.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body.to_vec());
        if let Some(key) = &hook.key {
            request = request.header(AUTHORIZATION, bearer(&key.get()).map_err(|_| Failure::Key(0))?);
        }
        request.send().await.map_err(|_| Failure::Away)
    };
    let begun = tokio::time::Instant::now();
    let mut answer = tokio::time::timeout(hook.timeout, answered).await.unwrap_or(Err(Failure::Slow))?;
    match answer.status().as_u16() {
        200 => {}
        status @ (401 | 403) => return Err(Failure::Key(status)),
        status => return Err(Failure::Status(status)),
    }
    // Read to its end, so that the connection serves again; an answer without an end is left.
    let rest = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = answer.chunk().await {
            read += chunk.len();
            if read > LONGEST_ANSWER {
                return;
            }
        }
    };
    let _late = tokio::time::timeout_at(begun + hook.timeout, rest).await;
    Ok(())
}
