//! What users see: wallets, deposits, payments.

use payment_service::Settings;
use serde_json::{Value, json};
use service_kit::settings::values::Environment;

use crate::harness::{Database, Who, World, invalid, ok, on_both, refused};

fn production(settings: &mut Settings) {
    settings.environment = Environment::Production;
}

fn ids(items: &Value, name: &str) -> Vec<i64> {
    items.as_array().expect("a list").iter().map(|item| item[name].as_i64().expect("an id")).collect()
}

#[test]
fn a_new_employer_begins_with_the_demo_balance_and_a_worker_with_nothing() {
    on_both(|world| {
        let wallet = ok(&world.get(Who::Employer(7), "/wallet"));
        assert_eq!((&wallet["balance_usd"], &wallet["held_usd"]), (&json!(10000), &json!(0)));
        let entry = &wallet["entries"]["items"][0];
        assert_eq!((&entry["kind"], &entry["amount_usd"]), (&json!("deposit"), &json!(10000)));
        assert_eq!((&entry["job_id"], &entry["payment_id"]), (&Value::Null, &Value::Null));
        let mut members: Vec<&String> = entry.as_object().expect("an object").keys().collect();
        members.sort();
        assert_eq!(members, ["amount_usd", "created_at", "entry_id", "job_id", "kind", "payment_id"]);
        let time = entry["created_at"].as_str().expect("a time");
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        assert_eq!(wallet["entries"]["next"], Value::Null);
        assert_eq!(ok(&world.get(Who::Employer(7), "/wallet")), wallet, "only once");
        let empty = json!({"balance_usd": 0, "held_usd": 0, "entries": {"items": [], "next": null}});
        assert_eq!(ok(&world.get(Who::Worker(8), "/wallet")), empty);
        ok(&world.post(Who::Employer(9), "/wallet/deposit", &json!({"amount_usd": 0.01})));
        assert_eq!(world.balances(Who::Employer(9)), (10000.01, 0.0));
        world.hold(1, 10, 10000.0);
        assert_eq!(world.balances(Who::Employer(10)), (0.0, 10000.0));
    });
}

#[test]
fn in_production_a_wallet_begins_empty_and_nobody_deposits() {
    let world = World::with(Database::Sqlite, production);
    assert_eq!(world.balances(Who::Employer(7)), (0.0, 0.0));
    let body = json!({"amount_usd": 1});
    refused(&world.post(Who::Employer(7), "/wallet/deposit", &body), 403, "deposits_disabled");
    refused(&world.post(Who::Worker(8), "/wallet/deposit", &body), 403, "forbidden");
    let hold = json!({"job_id": 1, "employer_id": 7, "amount_usd": 0.01});
    refused(&world.post(Who::Service, "/payments/hold", &hold), 409, "insufficient_funds");
    let world = World::with(Database::Sqlite, |settings| {
        production(settings);
        settings.demo_balance = Some(events::Usd::from_cents(550));
    });
    assert_eq!(world.balances(Who::Employer(7)), (5.5, 0.0));
}

#[test]
fn a_deposit_is_the_employers_and_exact_to_the_cent() {
    on_both(|world| {
        for amount in ["0.01", "1000000000.00", "2.5e1", "19.99"] {
            let body = format!("{{\"amount_usd\":{amount}}}");
            let answer =
                world.send(Who::Employer(1), "/wallet/deposit", None, "application/json", body.as_bytes());
            ok(&answer);
        }
        let wallet = world.get(Who::Employer(1), "/wallet");
        assert!(wallet.text().contains("\"balance_usd\":1000010045,"), "{}", wallet.text());
        refused(&world.post(Who::Worker(2), "/wallet/deposit", &json!({"amount_usd": 1})), 403, "forbidden");
        assert_eq!(world.balances(Who::Worker(2)), (0.0, 0.0));
    });
}

#[test]
fn a_wallet_has_an_upper_bound() {
    on_both(|world| {
        world.hold(1, 1, 10000.0);
        world.tamper("UPDATE accounts SET balance = 99999999999999 WHERE kind = 'wallet'");
        let body = |amount: f64| json!({"amount_usd": amount});
        invalid(&world.post(Who::Employer(1), "/wallet/deposit", &body(0.02)), &["amount_usd"]);
        let wallet = world.post(Who::Employer(1), "/wallet/deposit", &body(0.01));
        ok(&wallet);
        assert!(wallet.text().contains("\"balance_usd\":1000000000000,"), "{}", wallet.text());
        invalid(&world.post(Who::Employer(1), "/wallet/deposit", &body(0.01)), &["amount_usd"]);
    });
}

#[test]
fn the_entries_of_a_wallet_come_in_pages_and_add_up_to_the_balance() {
    on_both(|world| {
        for n in 0..22 {
            ok(&world.post(Who::Employer(1), "/wallet/deposit", &json!({"amount_usd": 1.25})));
            if n % 2 == 0 {
                world.hold(n + 1, 1, 3.1);
            }
        }
        // Another's entries between them.
        world.hold(100, 2, 1.0);
        let (mut all, mut path, mut pages) = (Vec::new(), "/wallet?limit=10".to_owned(), 0);
        loop {
            let wallet = ok(&world.get(Who::Employer(1), &path));
            assert_eq!((&wallet["balance_usd"], &wallet["held_usd"]), (&json!(9993.4), &json!(34.1)));
            all.extend(wallet["entries"]["items"].as_array().expect("items").clone());
            pages += 1;
            let Some(next) = wallet["entries"]["next"].as_str() else { break };
            path = format!("/wallet?limit=10&cursor={next}");
        }
        assert_eq!((all.len(), pages), (34, 4));
        let ids = ids(&Value::Array(all.clone()), "entry_id");
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {ids:?}");
        let cents = |entry: &Value| (entry["amount_usd"].as_f64().expect("an amount") * 100.0).round();
        assert_eq!(all.iter().map(cents).sum::<f64>(), 999_340.0);
        let held: Vec<&Value> = all.iter().filter(|entry| entry["kind"] == "hold").collect();
        assert_eq!(held.len(), 11);
        assert!(held.iter().all(|entry| entry["amount_usd"] == json!(-3.1) && entry["job_id"].is_i64()));
        assert_eq!(
            ok(&world.get(Who::Employer(1), "/wallet"))["entries"]["items"].as_array().map(Vec::len),
            Some(20)
        );
    });
}

#[test]
fn a_foreign_cursor_and_a_limit_out_of_bounds_are_refused_by_name() {
    let world = World::start(Database::Sqlite);
    for _ in 0..2 {
        ok(&world.post(Who::Employer(1), "/wallet/deposit", &json!({"amount_usd": 1})));
    }
    let wallet = ok(&world.get(Who::Employer(1), "/wallet?limit=1"));
    let cursor = wallet["entries"]["next"].as_str().expect("a next page");
    ok(&world.get(Who::Employer(1), &format!("/wallet?cursor={cursor}")));
    invalid(&world.get(Who::Employer(2), &format!("/wallet?cursor={cursor}")), &["cursor"]);
    invalid(&world.get(Who::Employer(1), &format!("/payments?cursor={cursor}")), &["cursor"]);
    for limit in ["0", "101", "-1", "1.5", "x"] {
        invalid(&world.get(Who::Employer(1), &format!("/wallet?limit={limit}")), &["limit"]);
    }
    invalid(
        &world.get(Who::Employer(1), "/payments?job_id=x&limit=0&cursor=!"),
        &["job_id", "limit", "cursor"],
    );
    invalid(&world.get(Who::Employer(1), "/payments?job_id=0"), &["job_id"]);
}

#[test]
fn a_payment_is_seen_by_its_parties_alone() {
    on_both(|world| {
        let payment = world.hold(5, 1, 25.5);
        let id = payment["payment_id"].as_i64().expect("an id");
        let expected = json!({
            "payment_id": id, "job_id": 5, "employer_id": 1, "worker_id": null, "amount_usd": 25.5, "status": "held",
            "created_at": payment["created_at"], "updated_at": payment["created_at"],
        });
        assert_eq!(payment, expected);
        let one = format!("/payments/{id}");
        let of_job = "/payments?job_id=5";
        let (none, the_one) = (json!({"items": [], "next": null}), json!({"items": [payment], "next": null}));
        assert_eq!(ok(&world.get(Who::Employer(1), &one)), payment);
        assert_eq!(ok(&world.get(Who::Employer(1), of_job)), the_one);
        for stranger in [Who::Employer(2), Who::Worker(3)] {
            refused(&world.get(stranger, &one), 404, "not_found");
            assert_eq!(ok(&world.get(stranger, of_job)), none);
            assert_eq!(ok(&world.get(stranger, "/payments")), none);
        }
        assert_eq!(ok(&world.get(Who::Employer(1), "/payments?job_id=6")), none);
        ok(&world.post(Who::Service, &format!("/payments/{id}/worker"), &json!({"worker_id": 3})));
        let seen = ok(&world.get(Who::Worker(3), &one));
        assert_eq!(seen["worker_id"], 3);
        assert_eq!(ok(&world.get(Who::Worker(3), of_job))["items"], json!([seen]));
        assert_eq!(ok(&world.get(Who::Worker(3), "/payments"))["items"], json!([seen]));
        refused(&world.get(Who::Worker(4), &one), 404, "not_found");
        for nothing in ["999", "x", "0", "-1", "1.0", "01", "9007199254740992", "99999999999999999999", "%00"]
        {
            refused(&world.get(Who::Employer(1), &format!("/payments/{nothing}")), 404, "not_found");
        }
    });
}

#[test]
fn the_payments_of_a_user_come_in_pages_from_both_sides() {
    on_both(|world| {
        // User 1 pays for odd jobs and is paid for even ones.
        for job in 1..=9 {
            let (employer, worker) = if job % 2 == 1 { (1, 2) } else { (2, 1) };
            let id = world.hold(job, employer, 1.0)["payment_id"].clone();
            ok(&world.post(Who::Service, &format!("/payments/{id}/worker"), &json!({"worker_id": worker})));
        }
        world.hold(10, 3, 1.0);
        let (mut jobs, mut path) = (Vec::new(), "/payments?limit=4".to_owned());
        loop {
            let page = ok(&world.get(Who::Employer(1), &path));
            jobs.push(ids(&page["items"], "job_id"));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/payments?limit=4&cursor={next}");
        }
        assert_eq!(jobs, [vec![9, 8, 7, 6], vec![5, 4, 3, 2], vec![1]]);
    });
}
