//! Client-event hooks: what a client sends goes to a service, and what that answers is the acknowledgement.

mod calls;
mod circuit;
mod emit;
mod failures;
mod limits;
mod order;
pub(crate) mod service;
mod slips;
mod socketio;

use serde_json::{Value, json};
use test_kit::{Client, Launch, Server, Signer};

use super::{SECRET, TextFile, launch, with_token};
use service::Service;

/// The key that the hub shows.
const KEY: &str = "key-of-the-services-of-tests";

/// A hub with these hooks, and without a limit on frames.
fn hub(toml: &str) -> Server {
    start(toml, |launch| launch)
}

/// [`hub`] with more settings.
fn start(toml: &str, more: impl FnOnce(Launch) -> Launch) -> Server {
    let file = TextFile::new("fanfare.toml", toml);
    let launch = launch()
        .env("JWT_SECRET", SECRET)
        .env("SERVICE_API_KEY", KEY)
        .env("WS_RATE_LIMIT", "off")
        .env("FANFARE_CONFIG", file.path());
    more(launch).start()
}

/// A table for an event on `/ws` that a service gets.
fn hook(event: &str, service: &Service, more: &str) -> String {
    let url = service.url("/hooks");
    format!("[[hooks]]\nevent = \"{event}\"\nws = true\nurl = \"{url}\"\n{more}\n")
}

fn token(user: impl Into<Value>) -> String {
    Signer::hs256(SECRET).user(user)
}

fn client(server: &Server, user: impl Into<Value>) -> Client {
    Client::welcomed(&with_token(server, &token(user)))
}

/// Sends an event; its acknowledgement comes later.
fn send(client: &mut Client, event: &str, reference: impl Into<Value>, data: &Value) {
    client.send_json(&json!({ "type": event, "data": data, "ref": reference.into() }));
}

/// The next frame, which must be an acknowledgement: its reference and the answer.
#[track_caller]
fn acknowledged(client: &mut Client) -> (Value, Value) {
    let mut frame = client.expect_type("ack");
    (frame["data"]["ref"].take(), frame["data"]["answer"].take())
}

/// Sends an event and waits for its answer.
#[track_caller]
fn ask(client: &mut Client, event: &str, data: &Value) -> Value {
    send(client, event, "only", data);
    let (reference, answer) = acknowledged(client);
    assert_eq!(reference, "only");
    answer
}

/// An answer of the hub's, in place of a service's.
#[track_caller]
fn expect_refusal(answer: &Value, code: &str) {
    assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(code)), "{answer}");
    assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
}
