//! What the hub is told of payments, and for whom.

use payment_service::PaymentsChannel;
use serde_json::{Value, json};
use test_kit::http;

use crate::harness::{Database, Who, World, ok, on_both};

#[test]
fn each_movement_is_told_once_to_the_channel_and_both_parties_in_the_order_of_the_job() {
    on_both(|world| {
        let first = world.hold(1, 7, 12.5);
        let id = first["payment_id"].clone();
        ok(&world.post(Who::Service, &format!("/payments/{id}/worker"), &json!({"worker_id": 8})));
        let released =
            ok(&world.post(Who::Service, &format!("/payments/{id}/release"), &json!({"worker_id": 8})));
        // Repeats and refusals tell nothing.
        world.hold(1, 7, 12.5);
        ok(&world.post(Who::Service, &format!("/payments/{id}/release"), &json!({"worker_id": 8})));
        let second = world.hold(2, 7, 1.0);
        let refund = format!("/payments/{}/refund", second["payment_id"]);
        ok(&world.post(Who::Service, &refund, &json!({})));
        let told = world.told(4);
        let types: Vec<&str> = told.iter().map(|event| event["type"].as_str().expect("a type")).collect();
        assert_eq!(types, ["payment_held", "payment_confirmed", "payment_held", "payment_refunded"]);
        let data = |status: &str, worker: Value| {
            json!({
                "payment_id": id, "job_id": 1, "amount_usd": 12.5, "employer_id": 7, "worker_id": worker,
                "status": status,
            })
        };
        assert_eq!(told[0]["data"], data("held", Value::Null));
        assert_eq!(told[1]["data"], data("released", json!(8)));
        assert_eq!(told[3]["data"]["status"], "refunded");
        assert_eq!(told[0]["user_ids"], json!([7]), "a party that is null is nobody");
        assert_eq!(told[1]["user_ids"], json!([7, 8]));
        assert!(told.iter().all(|event| event["channels"] == json!(["payments"])));
        assert_eq!(told[0]["timestamp"], first["created_at"]);
        assert_eq!(told[1]["timestamp"], released["updated_at"]);
        assert!(
            told.iter().all(|event| event["traceparent"].is_string() && event["idempotency_key"].is_string())
        );
    });
}

#[test]
fn an_event_belongs_to_the_trace_of_its_request() {
    let world = World::start(Database::Sqlite);
    let body = json!({"job_id": 1, "employer_id": 7, "amount_usd": 1});
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let header = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [("authorization", "Bearer service-key-of-tests"), ("traceparent", header.as_str())];
    ok(&http::post_json(world.address, "/payments/hold", &headers, &body));
    let told = world.told(1);
    let part = told[0]["traceparent"].as_str().expect("a trace");
    assert!(part.starts_with(&format!("00-{trace}-")) && part != header, "{part}");
}

#[test]
fn with_the_channel_off_the_parties_alone_are_told() {
    let world = World::with(Database::Sqlite, |settings| settings.payments_channel = PaymentsChannel::Off);
    world.hold(1, 7, 1.0);
    let told = world.told(1);
    assert_eq!((&told[0]["channels"], &told[0]["user_ids"]), (&Value::Null, &json!([7])));
}
