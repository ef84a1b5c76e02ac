//! One event to one service and back: the body, the tries, and what the answer means.
//!
//! Bounds: the time that the hook gives, 64 KiB of answer. Not here: whose turn it is, and whether the service is asked at all (`crate::hooks`).

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder, Retryable as _};
use hub::hooks::ClientEvent;
use protocol::PublicationId;
use protocol::trace::{TRACEPARENT, TraceContext};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer;
use super::breaker::Verdict;
use crate::calls::{self, Id, LONGEST_ANSWER};
use crate::config::Post;

/// Tries after the first, and the wait before them: a service that is being restarted behind a proxy is back soon, and
/// 4 s have room for all of them.
const RETRIES: usize = 2;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The flags of a trace that begins here: it may be recorded (W3C Trace Context, §3.2.2.5).
const SAMPLED: u8 = 1;

/// The header by which a service knows a call again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Why a service gave no answer that a client could be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// No connection, or none that held.
    #[error("it can't be reached, or the connection broke")]
    Away,
    /// No answer in time.
    #[error("it does not answer in time")]
    Slow,
    /// It says that it failed, or answers what nobody asked for.
    #[error("it answers with status {0}")]
    Status(u16),
    /// It does not take the hub's key.
    #[error("it does not take the hub's key (401): SERVICE_API_KEY")]
    Key,
    /// More than 64 KiB.
    #[error("its answer is larger than 64 KiB")]
    TooLarge,
    /// An answer that is none.
    #[error("its answer is no JSON object")]
    NoObject,
}

impl Failure {
    /// Whether another try may do better: nobody answered, or a proxy that has nobody.
    fn is_passing(self) -> bool {
        matches!(self, Self::Away | Self::Status(502..=504))
    }

    /// Whether it says that the service is away. One that answers, though wrongly, is there: an event that it can't
    /// bear costs the others nothing.
    fn is_absence(self) -> bool {
        self.is_passing() || self == Self::Slow
    }

    /// As a metric's label.
    pub(super) fn outcome(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Slow => "timeout",
            Self::Status(_) => "error_status",
            Self::Key => "key_refused",
            Self::TooLarge | Self::NoObject => "bad_answer",
        }
    }
}

/// What a service answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The acknowledgement.
    Taken(Box<str>),
    /// A problem, as an acknowledgement.
    Refused(Box<str>),
}

/// What became of a call.
#[derive(Debug)]
pub(super) struct Called {
    /// The answer, or why there is none.
    pub result: Result<Answer, Failure>,
    /// What it says of the service.
    pub verdict: Verdict,
}

/// Asks services; connections are kept and shared.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    client: reqwest::Client,
}

/// What a service gets (contract: socketio, Client → server).
#[derive(Serialize)]
struct Body<'a> {
    event: &'a str,
    data: &'a RawValue,
    user_id: Option<Id<'a>>,
    user_type: Option<&'a str>,
    connection_id: String,
    id: &'a str,
}

/// The body for an event; none where its data is no JSON.
fn body(event: &ClientEvent, id: &str) -> Option<String> {
    let body = Body {
        event: &event.event,
        data: serde_json::from_str(&event.data).ok()?,
        user_id: event.user.as_ref().map(Id::of),
        user_type: event.user_type.as_deref(),
        connection_id: event.connection.to_string(),
        id,
    };
    serde_json::to_string(&body).ok()
}

/// A trace that begins with the event: frames carry none. A system without randomness gives none.
fn trace() -> Option<TraceContext> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).ok()?;
    let [trace, span] = [&bytes[..16], &bytes[16..]]
        .map(|part| part.iter().fold(0_u128, |number, &byte| number << 8 | u128::from(byte)));
    TraceContext::new(trace, u64::try_from(span).ok()?, SAMPLED)
}

impl Caller {
    /// # Errors
    /// The client can't be made.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { client: calls::client()? })
    }

    /// Asks a service, until the hook's time or the event's own is over.
    ///
    /// # Cancel safety
    /// A call that is dropped may have reached the service.
    pub(super) async fn call(&self, post: &Post, event: &ClientEvent, deadline: Instant) -> Called {
        let left = deadline.saturating_duration_since(Instant::now());
        let time = post.timeout.min(left);
        let id = PublicationId::now().to_string();
        let Some(body) = body(event, &id) else {
            return Called { result: Err(Failure::NoObject), verdict: Verdict::Unknown };
        };
        let trace = trace().map(|trace| trace.to_string());
        let once = || self.once(post, &body, &id, trace.as_deref());
        let waits = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(FIRST_WAIT)
            .with_max_times(if post.is_idempotent { RETRIES } else { 0 });
        let tries = once.retry(waits.build()).when(|failure| failure.is_passing());
        let result = tokio::time::timeout(time, tries).await.unwrap_or(Err(Failure::Slow));
        let verdict = match &result {
            // It had less than half of the time that it is promised.
            Err(Failure::Slow) if time < post.timeout / 2 => Verdict::Unknown,
            Err(failure) if failure.is_absence() => Verdict::Bad,
            _ => Verdict::Good,
        };
        Called { result, verdict }
    }

    async fn once(&self, post: &Post, body: &str, id: &str, trace: Option<&str>) -> Result<Answer, Failure> {
        let mut request = self
            .client
            .post(post.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(IDEMPOTENCY_KEY, id)
            .body(body.to_owned());
        if let Some(key) = &post.key {
            request = request.header(AUTHORIZATION, calls::bearer(&key.get()).map_err(|_| Failure::Key)?);
        }
        if let Some(trace) = trace {
            request = request.header(TRACEPARENT, trace);
        }
        let mut answer = request.send().await.map_err(|_| Failure::Away)?;
        let status = answer.status();
        if status.as_u16() == 401 {
            return Err(Failure::Key);
        }
        if !status.is_success() && !status.is_client_error() {
            return Err(Failure::Status(status.as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| Failure::Away)? {
            if bytes.len() + chunk.len() > LONGEST_ANSWER {
                return Err(Failure::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return answer::object(&bytes).map(Answer::Taken).ok_or(Failure::NoObject);
        }
        answer::of_problem(&bytes).map(Answer::Refused).ok_or(Failure::Status(status.as_u16()))
    }
}

#[cfg(test)]
mod tests {
    use hub::hooks::{Origin, Reply};
    use protocol::{ConnectionId, UserId};
    use serde_json::{Value, json};

    use super::*;

    fn event(user: Option<UserId>, data: &str) -> ClientEvent {
        ClientEvent {
            event: "send_message".into(),
            origin: Origin::Ws,
            data: data.into(),
            user,
            user_type: Some("employer".into()),
            connection: ConnectionId::from_random(7),
            shard: 0,
            reply: Reply::None,
        }
    }

    #[test]
    fn the_body_has_exactly_the_members_of_the_contract() {
        let data = r#"{"n":12345678901234567890,"t":"\u00e9\ud83d\ude00"}"#;
        let text = body(&event(UserId::from_number("456").ok(), data), "an-id").expect("a body");
        assert!(text.contains(data), "as it was sent: {text}");
        let connection = ConnectionId::from_random(7).to_string();
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let members: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(members.len(), 6, "{members:?}");
        assert_eq!(value["event"], "send_message");
        assert_eq!(value["user_id"], 456);
        assert_eq!(value["user_type"], "employer");
        assert_eq!((&value["connection_id"], &value["id"]), (&json!(connection), &json!("an-id")));
    }

    #[test]
    fn a_user_is_told_in_the_form_of_the_token() {
        let told = |user| {
            let text = body(&event(user, "{}"), "x").expect("a body");
            serde_json::from_str::<Value>(&text).expect("JSON")["user_id"].take()
        };
        assert_eq!(told(UserId::from_text("456").ok()), "456");
        assert_eq!(told(UserId::from_number("-3").ok()), -3);
        assert_eq!(told(None), Value::Null);
        let large = UserId::from_number("123456789012345678901234567890").ok();
        let text = body(&event(large, "[1]"), "x").expect("a body");
        assert!(text.contains(r#""data":[1],"user_id":123456789012345678901234567890,"#), "{text}");
    }

    #[test]
    fn only_absence_is_counted_against_a_service_and_tried_again() {
        for (failure, is_passing, is_absence) in [
            (Failure::Away, true, true),
            (Failure::Status(503), true, true),
            (Failure::Slow, false, true),
            (Failure::Status(500), false, false),
            (Failure::Status(302), false, false),
            (Failure::Status(404), false, false),
            (Failure::NoObject, false, false),
            (Failure::Key, false, false),
        ] {
            assert_eq!((failure.is_passing(), failure.is_absence()), (is_passing, is_absence), "{failure:?}");
        }
    }

    #[test]
    fn a_trace_is_new_each_time() {
        let (first, second) = (trace().expect("a trace"), trace().expect("a trace"));
        assert_ne!(first.trace_id(), second.trace_id());
        assert_eq!(TraceContext::parse(&first.to_string()), Some(first));
    }
}
