//! The AsyncAPI 3.0.0 document: the events as envelopes on `/ws`.

use serde_json::Value;

use super::ordered::Json;
use super::{schema, title};
use crate::{CATALOGUE, Entry};

/// The version of the document's subject. It rises with the events' versions, not with the product's.
const VERSION: &str = "1.0.0";

/// The time in examples: that of the protocol's.
const TIMESTAMP: &str = "2025-11-01T12:00:00.000Z";

pub(super) fn document() -> String {
    Json::object([
        ("x-generated", super::note().into()),
        ("asyncapi", "3.0.0".into()),
        ("info", info()),
        ("defaultContentType", "application/json".into()),
        ("channels", channels()),
        ("operations", operations()),
        ("components", Json::object([("messages", each(message))])),
    ])
    .to_text()
}

fn info() -> Json {
    Json::object([
        ("title", "Events of PayChain".into()),
        ("version", VERSION.into()),
        (
            "description",
            "What PayChain's services tell over Fanfare's WebSocket `/ws`. Each event is one text frame of JSON. A new \
             member may come at any time: ignore those you do not know."
                .into(),
        ),
        ("license", Json::object([("name", "MIT OR Apache-2.0".into())])),
    ])
}

fn channels() -> Json {
    let ws = Json::object([
        ("address", "/ws".into()),
        ("title", "Events".into()),
        (
            "description",
            "Everything that a connection may see: by its user, and by the channels it subscribed to.".into(),
        ),
        ("messages", each(|entry| reference(&format!("#/components/messages/{}", entry.event_type)))),
    ]);
    Json::object([("ws", ws)])
}

fn operations() -> Json {
    let messages = CATALOGUE.iter().map(|it| reference(&format!("#/channels/ws/messages/{}", it.event_type)));
    let send = Json::object([
        ("action", "send".into()),
        ("channel", reference("#/channels/ws")),
        ("summary", "The hub sends an event to a client.".into()),
        ("messages", Json::Array(messages.collect())),
    ]);
    Json::object([("sendEvent", send)])
}

/// Something for each event, under its type.
fn each(of: impl Fn(&Entry) -> Json) -> Json {
    Json::Object(CATALOGUE.iter().map(|entry| (entry.event_type.to_owned(), of(entry))).collect())
}

fn reference(to: &str) -> Json {
    Json::object([("$ref", to.into())])
}

fn message(entry: &Entry) -> Json {
    let description = format!("From the {} to {}. Version {}.", entry.sender, entry.audience, entry.version);
    Json::object([
        ("name", entry.event_type.into()),
        ("title", title(entry.event_type).into()),
        ("summary", entry.description().into()),
        ("description", description.into()),
        ("contentType", "application/json".into()),
        ("payload", payload(entry)),
        ("examples", Json::Array(vec![Json::object([("payload", example(entry))])])),
    ])
}

fn payload(entry: &Entry) -> Json {
    let timestamp = Json::object([
        ("description", "When it was published: UTC, milliseconds, `Z`.".into()),
        ("type", "string".into()),
        ("format", "date-time".into()),
    ]);
    let properties = Json::object([
        ("type", Json::object([("type", "string".into()), ("const", entry.event_type.into())])),
        ("data", schema::body(entry)),
        ("timestamp", timestamp),
    ]);
    let required = ["type", "data", "timestamp"].map(|it| Json::Plain(Value::from(it)));
    Json::object([
        ("type", "object".into()),
        ("properties", properties),
        ("required", Json::Array(required.to_vec())),
    ])
}

fn example(entry: &Entry) -> Json {
    Json::object([
        ("type", entry.event_type.into()),
        ("data", Json::parse(&entry.example())),
        ("timestamp", TIMESTAMP.into()),
    ])
}
