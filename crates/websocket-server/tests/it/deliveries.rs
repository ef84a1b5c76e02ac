//! Delivery hooks: a service is told to which connections an event was sent, which of them have it, and which have shown
//! it; and nothing of that is lost, within the bound.

mod failures;
mod states;
mod worlds;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Launch, RawClient, Server, eventually};

use super::hooks::service::{Act, Service};
use super::recovery::as_user;
use super::{SECRET, TextFile, launch};

/// The key that the hub shows.
const KEY: &str = "key-of-the-services-of-tests";

/// Less than the 25 s after which a connection is asked for a sign of life in any case.
const SOON: Duration = Duration::from_secs(15);

/// A service that keeps what it is told.
struct Ledger(Service);

impl Ledger {
    fn new() -> Self {
        Self(Service::answering(Act::ok(&json!({}))))
    }

    /// All records, in the order in which they came.
    fn records(&self) -> Vec<Value> {
        let calls = self.0.calls();
        calls.iter().flat_map(|call| call.body().as_array().expect("an array").clone()).collect()
    }

    /// What is told of an event: the connections, and how far it has come there.
    fn of(&self, id: &str) -> Vec<(String, String)> {
        let records = self.records().into_iter().filter(|record| record["id"] == id);
        records.map(|record| (text(&record["connection_id"]), text(&record["state"]))).collect()
    }

    fn states(&self, id: &str, connection: &str) -> Vec<String> {
        let of = self.of(id).into_iter().filter(|(known, _)| known == connection);
        of.map(|(_, state)| state).collect()
    }

    /// Waits until it is told that an event has come so far on a connection.
    #[track_caller]
    fn wait_for(&self, id: &str, connection: &str, state: &str) {
        eventually(PATIENCE, || self.states(id, connection).iter().any(|known| known == state));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A table for these types.
fn table(types: &str, service: &Service, more: &str) -> String {
    let url = service.url("/hooks/deliveries");
    format!("[[delivery_hooks]]\ntypes = [{types}]\nurl = \"{url}\"\n{more}\n")
}

/// A hub with these hooks, users and one shard, so that what is told has one order.
fn start(toml: &str, more: impl FnOnce(Launch) -> Launch) -> Server {
    let file = TextFile::new("fanfare.toml", toml);
    let launch = launch()
        .env("JWT_SECRET", SECRET)
        .env("SERVICE_API_KEY", KEY)
        .env("FANFARE_CONFIG", file.path())
        .env("SHARDS", "1");
    more(launch).start()
}

/// A hub that tells a ledger of notifications.
fn hub(ledger: &Ledger) -> Server {
    start(&table("\"notification\"", &ledger.0, ""), |launch| launch)
}

/// Publishes a notification for user 7; its id.
#[track_caller]
fn notify(server: &Server, number: u64) -> String {
    let published = server.broadcast(&json!({ "type": "notification", "user_id": 7, "data": number }));
    text(&published["id"])
}

/// A client of `/ws` that never answers anything by itself, and its connection's id.
#[track_caller]
fn silent(server: &Server, user: u64) -> (RawClient, String) {
    let token = test_kit::Signer::hs256(SECRET).user(user);
    let mut client = RawClient::upgraded(server.address(), &format!("/ws?token={token}"), &[]);
    let welcome = client.next_frame().expect("a welcome");
    let welcome: Value = serde_json::from_slice(&welcome.payload).expect("JSON");
    (client, text(&welcome["data"]["connection_id"]))
}

/// Reads, and so answers the hub's pings, until the ledger knows.
#[track_caller]
fn read_until(client: &mut Client, mut known: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !known() {
        assert!(Instant::now() < end, "the service was not told");
        client.read_for(Duration::from_millis(20));
    }
}
