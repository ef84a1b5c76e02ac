//! Every way to be refused: who, what, how large, which members.

use serde_json::{Value, json};
use test_kit::http;

use crate::harness::{Database, Who, World, invalid, ok, refused};

/// The calls of services, with a body that would do.
fn internal(payment: &Value) -> Vec<(String, Value)> {
    vec![
        ("/payments/hold".to_owned(), json!({"job_id": 2, "employer_id": 7, "amount_usd": 1})),
        (format!("/payments/{payment}/release"), json!({"worker_id": 8})),
        (format!("/payments/{payment}/refund"), json!({"worker_id": 8})),
        (format!("/payments/{payment}/worker"), json!({"worker_id": 8})),
        ("/payments/void".to_owned(), json!({"job_id": 3, "operation": "hold", "key": "k"})),
    ]
}

#[test]
fn nobody_is_401_and_the_wrong_kind_of_caller_403() {
    let world = World::start(Database::Sqlite);
    let payment = world.hold(1, 7, 1.0)["payment_id"].clone();
    for (path, body) in internal(&payment) {
        for nobody in [Who::Nobody, Who::Stranger("nonsense"), Who::Stranger("a.b.c")] {
            let answer = world.post(nobody, &path, &body);
            refused(&answer, 401, "unauthorized");
            assert!(answer.header("www-authenticate").is_some());
        }
        for user in [Who::Employer(7), Who::Worker(8)] {
            refused(&world.post(user, &path, &body), 403, "forbidden");
        }
    }
    for path in ["/wallet", "/payments", "/payments?job_id=1", "/payments/1"] {
        refused(&world.get(Who::Nobody, path), 401, "unauthorized");
        refused(&world.get(Who::Stranger("nonsense"), path), 401, "unauthorized");
        refused(&world.get(Who::Service, path), 403, "forbidden");
    }
    let body = json!({"amount_usd": 1});
    refused(&world.post(Who::Nobody, "/wallet/deposit", &body), 401, "unauthorized");
    refused(&world.post(Who::Service, "/wallet/deposit", &body), 403, "forbidden");
    assert_eq!(world.balances(Who::Employer(7)), (9999.0, 1.0));
}

#[test]
fn a_body_that_is_no_json_object_is_refused_before_anything_else_about_it() {
    let world = World::start(Database::Sqlite);
    let payment = world.hold(1, 7, 1.0)["payment_id"].clone();
    let mut calls: Vec<(Who, String)> =
        internal(&payment).into_iter().map(|(path, _)| (Who::Service, path)).collect();
    calls.push((Who::Employer(7), "/wallet/deposit".to_owned()));
    for (who, path) in calls {
        let send = |media: &str, body: &[u8]| world.send(who, &path, Some("a key"), media, body);
        refused(&send("text/plain", b"{}"), 415, "not_json");
        refused(&send("application/x-www-form-urlencoded", b"amount_usd=1"), 415, "not_json");
        for malformed in [&b""[..], b"{", b"{\"amount_usd\":01}", b"\xff\xfe", b"{} {}"] {
            refused(&send("application/json", malformed), 400, "malformed_json");
        }
        for no_object in [&b"[]"[..], b"null", b"1", b"\"{}\""] {
            refused(&send("application/json; charset=utf-8", no_object), 422, "invalid");
        }
        let large = format!("{{\"amount_usd\":1,\"more\":\"{}\"}}", "x".repeat(1 << 20));
        refused(&send("application/json", large.as_bytes()), 413, "too_large");
    }
}

#[test]
fn every_wrong_member_is_named_and_only_those() {
    let world = World::start(Database::Sqlite);
    let payment = world.hold(1, 7, 1.0)["payment_id"].clone();
    let service = |path: &str, body: Value| world.post(Who::Service, path, &body);
    invalid(&service("/payments/hold", json!({})), &["job_id", "employer_id", "amount_usd"]);
    let wrong = json!({"job_id": "1", "employer_id": 0, "amount_usd": -1, "unknown": 1});
    invalid(&service("/payments/hold", wrong), &["job_id", "employer_id", "amount_usd"]);
    invalid(
        &service("/payments/hold", json!({"job_id": 2, "employer_id": 1.5, "amount_usd": 1})),
        &["employer_id"],
    );
    let beyond = json!({"job_id": 9_007_199_254_740_992_i64, "employer_id": 1, "amount_usd": 1});
    invalid(&service("/payments/hold", beyond), &["job_id"]);
    for path in [format!("/payments/{payment}/release"), format!("/payments/{payment}/worker")] {
        for wrong in
            [json!({}), json!({"worker_id": null}), json!({"worker_id": "8"}), json!({"worker_id": -8})]
        {
            invalid(&service(&path, wrong), &["worker_id"]);
        }
    }
    let refund = format!("/payments/{payment}/refund");
    invalid(&service(&refund, json!({"worker_id": [], "reason": "bored"})), &["worker_id", "reason"]);
    invalid(&service(&refund, json!({"reason": 1})), &["reason"]);
    invalid(&service("/payments/void", json!({})), &["job_id", "operation", "key"]);
    let wrong = json!({"job_id": 1, "operation": "worker", "key": ""});
    invalid(&service("/payments/void", wrong), &["operation", "key"]);
    for key in [json!("x".repeat(256)), json!("ä"), json!("a\nb"), json!(7)] {
        invalid(&service("/payments/void", json!({"job_id": 1, "operation": "hold", "key": key})), &["key"]);
    }
    assert_eq!(world.balances(Who::Employer(7)), (9999.0, 1.0));
}

#[test]
fn an_amount_is_a_number_of_at_most_two_decimals_within_its_bounds() {
    let world = World::start(Database::Sqlite);
    let wrong = [
        "0",
        "-0.01",
        "0.001",
        "0.009",
        "1.005",
        "1000000000.01",
        "1e10",
        "1e400",
        "-1e400",
        "1e-400",
        "null",
        "true",
        "\"1.00\"",
        "[1]",
        "{}",
        "99999999999999999999999999",
    ];
    for amount in wrong {
        let deposit = format!("{{\"amount_usd\":{amount}}}");
        let answer =
            world.send(Who::Employer(1), "/wallet/deposit", None, "application/json", deposit.as_bytes());
        invalid(&answer, &["amount_usd"]);
        let hold = format!("{{\"job_id\":1,\"employer_id\":1,\"amount_usd\":{amount}}}");
        let answer = world.send(Who::Service, "/payments/hold", None, "application/json", hold.as_bytes());
        invalid(&answer, &["amount_usd"]);
    }
    assert_eq!(world.balances(Who::Employer(1)), (10000.0, 0.0));
}

#[test]
fn an_unknown_payment_is_404_for_services_too() {
    let world = World::start(Database::Sqlite);
    for id in ["1", "999", "x", "0", "-1", "9007199254740992"] {
        for call in ["release", "refund", "worker"] {
            let answer =
                world.post(Who::Service, &format!("/payments/{id}/{call}"), &json!({"worker_id": 8}));
            refused(&answer, 404, "not_found");
        }
    }
    refused(&world.post(Who::Service, "/payments/1/steal", &json!({})), 404, "not_found");
    refused(&world.get(Who::Employer(1), "/wallet/other"), 404, "not_found");
}

#[test]
fn another_method_is_405_and_a_page_of_an_allowed_origin_may_ask() {
    let world = World::start(Database::Sqlite);
    let put = http::request(world.address, "PUT", "/wallet", &[], None);
    refused(&put, 405, "method_not_allowed");
    assert_eq!(put.header("allow"), Some("GET"));
    refused(&http::get(world.address, "/payments/hold", &[]), 405, "method_not_allowed");
    let origin = [("origin", "http://localhost:5173")];
    let answer = http::get(world.address, "/wallet", &origin);
    refused(&answer, 401, "unauthorized");
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"), "on errors too");
    ok(&world.get(Who::Employer(1), "/wallet"));
}
