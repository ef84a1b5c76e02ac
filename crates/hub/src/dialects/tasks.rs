//! The world of long tasks: a signed-in user's connections get that user's events (contract: tasks).

use protocol::flat;
use protocol::timestamp::TimestampFormat;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Defaults, Step, View, World, frame};

/// The world of long tasks.
#[derive(Debug)]
pub(super) struct Tasks;

/// What a client sends.
#[derive(Deserialize)]
struct Frame<'m> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'m RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    timestamp: Option<&'m RawValue>,
}

/// What stands there, `null` too: it is the client's own value.
fn given<'de: 'm, 'm, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'m RawValue>, D::Error> {
    <&'m RawValue>::deserialize(deserializer).map(Some)
}

const FORMAT: TimestampFormat = TimestampFormat::Microseconds;

/// Connections that a user may have here (contract: tasks).
const CONNECTIONS_PER_USER: u32 = 10;

impl World for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn defaults(&self) -> Defaults {
        Defaults {
            flat: Some(FORMAT),
            own_user: true,
            connections_per_user: Some(CONNECTIONS_PER_USER),
            ..Defaults::default()
        }
    }

    fn welcome(&self, view: &View<'_>) -> Option<Vec<u8>> {
        let user = &view.identity?.user;
        let id = if user.is_number() { user.as_str().to_owned() } else { flat::string(user.as_str()) };
        let message = flat::string("WebSocket connected successfully");
        Some(flat::frame("connection_established", &[("message", &message), ("user_id", &id)], None))
    }

    fn on_message(&self, message: &[u8], view: &View<'_>) -> Vec<Step> {
        let format = view.endpoint.flat.unwrap_or(FORMAT);
        let error = |text: &str| vec![Step::Reply(flat::error(text, view.now, format))];
        let Frame { kind, timestamp } = match frame::read(message) {
            Ok(frame) => frame,
            Err(text) => return error(text),
        };
        match kind.map(|kind| serde_json::from_str::<String>(kind.get())) {
            Some(Ok(kind)) if kind == "ping" => {
                let pong = match timestamp {
                    Some(theirs) => flat::frame("pong", &[("timestamp", theirs.get())], None),
                    None => flat::frame("pong", &[], Some((view.now, format))),
                };
                vec![Step::Reply(pong)]
            }
            Some(Ok(_)) => error("this type is not known here; clients send ping"),
            Some(Err(_)) => error("type must be a string"),
            None => error("type is missing"),
        }
    }
}

#[cfg(test)]
mod tests;
