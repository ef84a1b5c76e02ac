//! Google's answers: what becomes of a push by status and code, and reading what may be anything within bounds.
//!
//! Pure but for [`body`]. Nothing that a stranger's answer says is repeated but codes of Google's form.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::Response;
use serde_json::Value;

#[cfg(test)]
mod tests;

/// The largest answer that is read; Google's have some hundred bytes.
const MOST_BYTES: usize = 64 * 1024;

/// The longest wait that a `Retry-After` brings about: what goes out later tells nobody anything in time.
const MOST_PATIENCE: Duration = Duration::from_secs(3600);

/// How long to wait after a 429 that does not say (Google's guidance for FCM).
pub(super) const AFTER_429: Duration = Duration::from_secs(60);

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Firebase has it.
    Sent,
    /// The device is gone.
    Unregistered,
    /// Firebase will never take it for this device; why.
    Refused(String),
    /// It is to be tried again.
    Later(Later),
}

/// Why and when a push is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Later {
    pub(super) reason: String,
    /// Not before.
    pub(super) after: Option<Duration>,
    pub(super) whose: Whose,
    pub(super) arrived: Arrived,
}

/// What is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Firebase or the way to it: other pushes would fare the same.
    Endpoint,
    /// Perhaps this push alone.
    Push,
}

/// Whether Firebase may have taken what it gave no good answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It has not.
    No,
    /// Nobody knows.
    Perhaps,
}

impl Outcome {
    /// To be tried again, since Firebase is out of order or away.
    pub(super) fn away(reason: impl Into<String>, arrived: Arrived) -> Self {
        Self::Later(Later { reason: reason.into(), after: None, whose: Whose::Endpoint, arrived })
    }
}

/// What an answer of the send call means. `now` is in microseconds since 1970.
///
/// Only what Google says in its own form is believed where it would cost a push or a device: a 404 of a proxy, or of a
/// wrong address, unregisters nobody.
pub(super) fn judge(status: u16, retry_after: Option<&str>, body: &[u8], now: i64) -> Outcome {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if status == 200 {
        let is_name =
            answer.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with("projects/"));
        if is_name {
            return Outcome::Sent;
        }
        return Outcome::away("the answer is not understood", Arrived::Perhaps);
    }
    let error = answer.get("error");
    let general = code(error.and_then(|error| error.get("status")).and_then(Value::as_str));
    let details = error.and_then(|error| error.get("details")).and_then(Value::as_array);
    let own = details.and_then(|details| details.iter().find_map(|detail| detail.get("errorCode")?.as_str()));
    let own = code(own);
    let told = own.as_deref().or(general.as_deref());
    let reason = match told {
        Some(code) => format!("Firebase says {code}"),
        None => format!("Firebase answers {status}"),
    };
    let asked = retry_after.and_then(|text| wait(text, now));
    let later = |whose, after| {
        let arrived = Arrived::No;
        Outcome::Later(Later { reason: reason.clone(), after, whose, arrived })
    };
    match (status, told) {
        (404, Some("UNREGISTERED")) => Outcome::Unregistered,
        (400, Some("INVALID_ARGUMENT"))
        | (403, Some("SENDER_ID_MISMATCH"))
        | (401, Some("THIRD_PARTY_AUTH_ERROR")) => Outcome::Refused(reason),
        (413, _) | (400, Some(_)) => Outcome::Refused(reason),
        (429, _) => later(Whose::Push, Some(asked.unwrap_or(AFTER_429))),
        (500..=599, _) => later(Whose::Endpoint, asked),
        // No right to send, a project that is not there, an address that is not Firebase's: whoever mends the settings
        // finds everything waiting.
        _ => later(Whose::Endpoint, asked),
    }
}

/// A `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
fn wait(text: &str, now: i64) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::from_micros(u64::try_from(at.as_microsecond() - now).unwrap_or(0))
        }
    };
    Some(wait.min(MOST_PATIENCE))
}

/// A code of Google's form; nothing else is repeated.
pub(super) fn code(text: Option<&str>) -> Option<String> {
    let is_code = |text: &&str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    text.filter(is_code).map(str::to_owned)
}

/// Why a call had no answer, in words that name no address and no secret.
pub(super) fn unreachable(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "nobody answers at the address"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke"
    }
}

/// An answer's body, as far as it is of a size that Google's have.
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MOST_BYTES => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err("the answer is too large"),
            Ok(None) => return Ok(body),
            Err(error) => return Err(unreachable(&error)),
        }
    }
}
