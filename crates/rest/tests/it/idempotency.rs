use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::http::StatusCode;
use actix_web::test::{self, TestRequest};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use rest::idempotency::{self, Begin, Idempotency, MIGRATIONS};
use rest::{Failure, trace};
use serde_json::{Value, json};
use store::{Location, Migration, Store, counter};
use test_kit::Postgres;
use tokio::sync::{Notify, Semaphore};

const THINGS: &[Migration] = &[Migration {
    version: 100,
    name: "things",
    sql: "CREATE TABLE things (id BIGINT PRIMARY KEY, body TEXT NOT NULL);",
}];

/// A service that makes things, once the test lets it.
#[derive(Clone)]
struct Things {
    store: Store,
    keys: Idempotency,
    gate: Arc<Semaphore>,
    /// Told when the work on one has begun.
    begun: Arc<Notify>,
}

async fn make(request: HttpRequest, body: Bytes, things: Data<Things>) -> Result<HttpResponse, Failure> {
    let caller = request.headers().get("x-caller").and_then(|value| value.to_str().ok()).unwrap_or("anna");
    let fresh = match things.keys.begin(&things.store, &request, caller, &body).await? {
        Begin::Repeat(answer) => return Ok(answer),
        Begin::Fresh(fresh) => fresh,
    };
    let things = things.get_ref().clone();
    trace::uninterrupted(async move {
        things.begun.notify_one();
        things.gate.acquire().await.expect("an open gate").forget();
        if body.starts_with(b"\"bad") {
            return Err(Failure::new(StatusCode::CONFLICT, "bad", "a bad thing"));
        }
        let mut transaction = things.store.begin().await?;
        let id = counter(&mut transaction, "things").await?;
        sqlx::query("INSERT INTO things (id, body) VALUES ($1, $2)")
            .bind(id)
            .bind(String::from_utf8_lossy(&body).into_owned())
            .execute(&mut *transaction)
            .await?;
        let answer = json!({"id": id}).to_string();
        fresh.keep(&mut transaction, StatusCode::CREATED, &answer).await?;
        transaction.commit().await?;
        Ok(idempotency::json(StatusCode::CREATED, answer))
    })
    .await
}

fn locations() -> [Location; 2] {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("fanfare-rest-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let directory: PathBuf = std::env::temp_dir().join(name);
    let _nothing_there = std::fs::remove_dir_all(&directory);
    [Location::File(directory.join("rest.db")), Location::Postgres(Postgres::shared().database())]
}

async fn things(location: &Location, permits: usize) -> Things {
    let store = Store::open(location, "rest_test", &[MIGRATIONS, THINGS]).await.expect("a store");
    let (gate, begun) = (Arc::new(Semaphore::new(permits)), Arc::default());
    Things { store, keys: Idempotency::default(), gate, begun }
}

async fn count(things: &Things) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM things").fetch_one(things.store.reader()).await.expect("a count")
}

fn post(key: &str, body: &'static str) -> TestRequest {
    TestRequest::post().uri("/things").insert_header(("idempotency-key", key)).set_payload(body)
}

macro_rules! app {
    ($things:expr) => {
        test::init_service(
            App::new()
                .app_data(Data::new($things.clone()))
                .route("/things", web::post().to(make))
                .route("/others", web::post().to(make)),
        )
        .await
    };
}

macro_rules! answer {
    ($app:expr, $request:expr) => {{
        let response = test::call_service(&$app, $request.to_request()).await;
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(&test::read_body(response).await).unwrap_or_default();
        (status, body)
    }};
}

#[actix_web::test]
async fn a_repeat_gets_the_first_success_with_its_status_and_changes_nothing() {
    for location in locations() {
        let things = things(&location, 100).await;
        let app = app!(things);
        let first = answer!(app, post("k", "\"a\""));
        assert_eq!(first, (201, json!({"id": 1})));
        assert_eq!(answer!(app, post("k", "\"a\"")), first);
        // Another instance on the same database, and one after a restart.
        let restarted = app!(Things { keys: Idempotency::default(), ..things.clone() });
        assert_eq!(answer!(restarted, post("k", "\"a\"")), first);
        assert_eq!(count(&things).await, 1);
    }
}

#[actix_web::test]
async fn a_key_is_scoped_to_caller_method_and_path() {
    for location in locations() {
        let things = things(&location, 100).await;
        let app = app!(things);
        assert_eq!(answer!(app, post("k", "1")).1, json!({"id": 1}));
        assert_eq!(answer!(app, post("k", "1").insert_header(("x-caller", "ben"))).1, json!({"id": 2}));
        assert_eq!(answer!(app, post("k", "1").uri("/others")).1, json!({"id": 3}));
        assert_eq!(answer!(app, post("other", "1")).1, json!({"id": 4}));
    }
}

#[actix_web::test]
async fn another_body_and_an_unreadable_key_are_422_and_a_failure_is_not_kept() {
    for location in locations() {
        let things = things(&location, 100).await;
        let app = app!(things);
        assert_eq!(answer!(app, post("k", "\"a\"")).0, 201);
        let (status, problem) = answer!(app, post("k", "\"b\""));
        assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
        for key in ["", &"k".repeat(256), "\u{e4}"] {
            let (status, problem) = answer!(app, post(key, "1"));
            assert_eq!(
                (status, &problem["errors"][0]["member"]),
                (422, &json!("Idempotency-Key")),
                "{key:?}"
            );
        }
        let two = post("one", "1").append_header(("idempotency-key", "two"));
        assert_eq!(answer!(app, two).0, 422, "nobody can tell which is meant");
        assert_eq!(answer!(app, post("again", "\"bad\"")).0, 409);
        assert_eq!(answer!(app, post("again", "\"good\"")).0, 201);
    }
}

#[actix_web::test]
async fn while_the_first_runs_a_repeat_is_409_with_a_time_to_come_back() {
    let [location, _] = locations();
    let things = things(&location, 0).await;
    let app = app!(things);
    let first = test::call_service(&app, post("k", "1").to_request());
    tokio::pin!(first);
    tokio::select! {
        biased;
        _ = &mut first => panic!("the gate is shut"),
        () = std::future::ready(()) => {}
    }
    // Whichever step the first has reached, its key is taken.
    let response = tokio::select! {
        biased;
        _ = &mut first => panic!("the gate is shut"),
        response = test::call_service(&app, post("k", "1").to_request()) => response,
    };
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert!(response.headers().contains_key("retry-after"));
    things.gate.add_permits(1);
    assert_eq!(first.await.status(), StatusCode::CREATED);
    assert_eq!(answer!(app, post("k", "1")), (201, json!({"id": 1})));
}

#[actix_web::test]
async fn a_caller_who_goes_away_does_not_stop_the_work() {
    let [location, _] = locations();
    let things = things(&location, 0).await;
    let app = app!(things);
    {
        let gone = test::call_service(&app, post("k", "1").to_request());
        tokio::pin!(gone);
        // Until the work has begun: it waits at the gate, and so does this call.
        tokio::select! {
            biased;
            _ = &mut gone => panic!("the gate is shut"),
            () = things.begun.notified() => {}
        }
    }
    things.gate.add_permits(1);
    let end = std::time::Instant::now() + test_kit::wait::PATIENCE;
    while count(&things).await == 0 {
        assert!(std::time::Instant::now() < end, "the work was not done");
        tokio::task::yield_now().await;
    }
    // The key is free a moment after the change is there.
    let repeated = loop {
        let repeated = answer!(app, post("k", "1"));
        if repeated.0 != 409 {
            break repeated;
        }
        assert!(std::time::Instant::now() < end, "the key was not given back");
        // The work shares this thread.
        tokio::task::yield_now().await;
    };
    assert_eq!(repeated, (201, json!({"id": 1})));
}

#[actix_web::test]
async fn two_instances_with_one_key_make_one_change() {
    for location in locations() {
        let things = things(&location, 100).await;
        let (one, two) = (app!(things), app!(Things { keys: Idempotency::default(), ..things.clone() }));
        let (first, second) = tokio::join!(
            test::call_service(&one, post("k", "1").to_request()),
            test::call_service(&two, post("k", "1").to_request())
        );
        let mut statuses = [first.status().as_u16(), second.status().as_u16()];
        statuses.sort_unstable();
        assert!(statuses == [201, 409] || statuses == [201, 201], "{statuses:?}");
        assert_eq!(count(&things).await, 1);
    }
}

#[actix_web::test]
async fn answers_are_forgotten_after_a_day() {
    let [location, _] = locations();
    let things = things(&location, 100).await;
    let app = app!(things);
    assert_eq!(answer!(app, post("k", "1")).1, json!({"id": 1}));
    let mut transaction = things.store.begin().await.expect("a transaction");
    sqlx::query("UPDATE idempotency_keys SET created_at = created_at - $1")
        .bind(24 * 3600 * 1_000_000_i64)
        .execute(&mut *transaction)
        .await
        .expect("a day passes");
    transaction.commit().await.expect("a commit");
    assert_eq!(answer!(app, post("k", "\"other\"")).1, json!({"id": 2}));
    idempotency::purge(&things.store).await.expect("a purge");
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM idempotency_keys")
        .fetch_one(things.store.reader())
        .await
        .expect("a count");
    assert_eq!(kept, 1);
}
