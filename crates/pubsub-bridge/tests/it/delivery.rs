//! What a client is shown of what was published.

use serde_json::{Value, json};
use test_kit::{Client, eventually};

use crate::world::{LONG, World, receipt};

#[test]
fn a_receipt_reaches_its_clients_as_it_was_published() {
    let world = World::start();
    let (mut client, publisher) = (world.client(), world.publisher());
    publisher.receipt("abc123");
    let event = client.next_json();
    assert_eq!(event["type"], "receipt_update");
    // The members beside the type, in their order: what a flat client reads behind it.
    let data = json!({"status": "processed", "receipt_id": "abc123", "timestamp": "2025-03-26T22:30:00Z"});
    assert_eq!(event["data"], data);
    assert_eq!(event["timestamp"], "2025-03-26T22:30:00.000Z");
    world.wait_for_acked(1.0);
    assert_eq!(world.metric("published_total", &[]), 1.0);
}

#[test]
fn a_client_of_the_receipts_sees_exactly_the_contracts_event() {
    let world = World::start();
    let mut clients: Vec<Client> =
        (0..2).map(|_| Client::connect(&world.hub().ws_at("/ws/receipts"))).collect();
    world.hub().wait_for_connections(2);
    let publisher = world.publisher();
    let first = r#"{"type":"receipt_update","status":"processed","receipt_id":"abc123","timestamp":"2025-03-26T22:30:00Z"}"#;
    publisher.publish(first);
    for client in &mut clients {
        assert_eq!(client.next_message().to_text().expect("text"), first);
    }
    // However it is written, with more members, and without a timestamp.
    publisher.publish("{ \"receipt_id\" : \"r2\",\n\"big\":9007199254740993, \"status\":\"failed\", \"type\":\"receipt_upload\" }");
    for client in &mut clients {
        let text = client.next_message().to_text().expect("text").to_owned();
        let begin = r#"{"type":"receipt_upload","receipt_id":"r2","big":9007199254740993,"status":"failed","timestamp":""#;
        assert!(text.starts_with(begin), "{text}");
        let rest = &text[begin.len()..];
        assert!(rest.len() == 22 && rest.ends_with("Z\"}") && !rest.contains('.'), "{text}");
    }
}

#[test]
fn a_missing_timestamp_is_the_second_in_which_it_was_published() {
    let world = World::start();
    let (mut client, publisher) = (world.client(), world.publisher());
    publisher.publish(r#"{"type":"receipt_upload","status":"received","receipt_id":"r1"}"#);
    let event = client.next_json();
    let (second, exact) = (event["data"]["timestamp"].as_str(), event["timestamp"].as_str());
    let (second, exact) = (second.expect("a timestamp"), exact.expect("a timestamp"));
    assert_eq!((second.len(), &second[..19]), (20, &exact[..19]), "{event}");
    assert!(second.ends_with('Z'), "{event}");
}

#[test]
fn whatever_else_is_in_a_message_passes_unharmed() {
    let world = World::start();
    let (mut client, publisher) = (world.client(), world.publisher());
    let more = r#"{"type":"receipt_update","status":"failed","receipt_id":"r\u00e9\ud83d\ude00 \"x\"","timestamp":"t?",
        "big":9223372036854775807,"bigger":18446744073709551615,"exact":0.1000000000000000055511151231257827,
        "nested":{"a":[[],{},null,true,{"b":"\u2028\u0000"}]},"":1,"text":"çø 漢字 🧾","data":{"type":"inner"}}"#;
    publisher.publish(more);
    let event = client.next_json();
    let mut wanted: Value = serde_json::from_str(more).expect("JSON");
    wanted.as_object_mut().expect("an object").remove("type");
    assert_eq!(event["data"], wanted);
    assert_eq!(event["data"]["bigger"].to_string(), "18446744073709551615");
}

#[test]
fn messages_with_an_ordering_key_keep_their_order() {
    let world = World::start();
    let (mut client, publisher) = (world.client(), world.publisher());
    for n in 0..40 {
        let key = ["a", "b"][n % 2];
        publisher.publish_with(&receipt(&format!("{key}{n:02}")).to_string(), key, &[]);
    }
    let mut came = [Vec::new(), Vec::new()];
    for _ in 0..40 {
        let event = client.next_json();
        let id = event["data"]["receipt_id"].as_str().expect("an id").to_owned();
        came[usize::from(id.starts_with('b'))].push(id);
    }
    for ids in came {
        assert!(ids.is_sorted() && ids.len() == 20, "{ids:?}");
    }
}

#[test]
fn a_message_that_comes_again_is_shown_once() {
    let world = World::with(|bridge| bridge.env("PUBSUB_STREAMS", "4"));
    let (mut client, publisher) = (world.client(), world.publisher());
    // Acknowledgements are lost with the connection, and the fake sends what is not acknowledged again.
    for round in 0..5 {
        for n in 0..20 {
            publisher.receipt(&format!("{round}-{n}"));
        }
        world.network.cut();
        world.network.restore();
    }
    publisher.receipt("last");
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..101 {
        ids.push(client.next_json_within(LONG)["data"]["receipt_id"].to_string());
    }
    world.wait_for_acked(101.0);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 101);
    eventually(LONG, || world.hub().metric("fanfare_publications_total", &[]).is_none_or(|all| all <= 101.0));
    assert!(client.ping_barrier().is_empty(), "nothing more came");
}
