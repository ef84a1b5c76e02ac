//! A running service: its address, its callers, its database, and a hub that remembers what it was told.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use auth::{JwtSettings, OriginPolicy, Verifier};
use hub_client::{HubClient, HubSettings};
use payment_service::{PaymentService, Settings};
use rest::Callers;
use serde_json::{Value, json};
use service_kit::arguments::Secret;
use service_kit::shutdown::Shutdown;
use store::{Location, Store};
use test_kit::http::{self, Answer};
use test_kit::wait::PATIENCE;
use test_kit::{Postgres, Signer, eventually};

const SECRET: &str = "a secret of tests, 32 bytes or more";
const KEY: &str = "service-key-of-tests";

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// Which database the service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Employer(i64),
    Worker(i64),
    Service,
    Nobody,
    /// With this in place of a token.
    Stranger(&'static str),
}

/// A database, and a file's directory to be removed.
struct Place {
    location: Location,
    directory: Option<PathBuf>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            let _left_behind = std::fs::remove_dir_all(directory);
        }
    }
}

/// A running service. Ends when it is dropped.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    hub: Arc<Hub>,
    place: Arc<Place>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Hub {
    told: Mutex<Vec<Value>>,
}

/// Runs a scenario on both databases.
pub(crate) fn on_both(scenario: impl Fn(World)) {
    for database in [Database::Sqlite, Database::Postgres] {
        scenario(World::start(database));
    }
}

impl World {
    /// A service on a new database, with the settings of a developer's machine.
    pub(crate) fn start(database: Database) -> Self {
        Self::with(database, |_| {})
    }

    /// A service on a new database, with further settings.
    pub(crate) fn with(database: Database, change: impl FnOnce(&mut Settings)) -> Self {
        let place = match database {
            Database::Postgres => {
                Place { location: Location::Postgres(Postgres::shared().database()), directory: None }
            }
            Database::Sqlite => {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let name = format!("fanfare-payments-{}-{number}", std::process::id());
                let directory = std::env::temp_dir().join(name);
                let _not_there = std::fs::remove_dir_all(&directory);
                Place { location: Location::File(directory.join("payments.db")), directory: Some(directory) }
            }
        };
        Self::at(Arc::new(place), change)
    }

    /// A service on a database of a server that the test may kill.
    pub(crate) fn on(server: &Postgres) -> Self {
        Self::at(Arc::new(Place { location: Location::Postgres(server.database()), directory: None }), |_| {})
    }

    /// Another service on the same database.
    pub(crate) fn beside(&self) -> Self {
        Self::at(Arc::clone(&self.place), |_| {})
    }

    fn at(place: Arc<Place>, change: impl FnOnce(&mut Settings)) -> Self {
        // Two tests may both be the first.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let hub_listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let hub_url = format!("http://{}", hub_listener.local_addr().expect("an address"));
        let shutdown = Shutdown::new();
        let jwt = JwtSettings { secret: Some(SECRET.to_owned()), ..JwtSettings::default() };
        let verifier = Arc::new(Verifier::new(jwt).expect("a verifier"));
        let callers = Callers::new(verifier, Some(&Secret::new(KEY)));
        let client = HubClient::new(&HubSettings::new(hub_url)).expect("a client");
        let mut settings = Settings::new(place.location.clone(), client, callers, shutdown.token());
        settings.books_check = Duration::from_millis(50);
        change(&mut settings);
        let hub = Arc::new(Hub::default());
        let (listening, token) = (Arc::clone(&hub), shutdown.token());
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                actix_web::rt::spawn(listen(hub_listener, listening));
                let service = PaymentService::open(settings).await.expect("the service opens");
                let background = service.clone();
                let until = token.clone();
                let running = actix_web::rt::spawn(async move { background.run(until).await });
                tell.send(()).expect("somebody waits");
                let operations = service.operations();
                let origins = OriginPolicy::new(None, auth::Environment::Development).expect("origins");
                let configure = Arc::new(move |config: &mut web::ServiceConfig| service.configure(config));
                rest::serve::serve(listener, origins, operations, configure, 2, token)
                    .await
                    .expect("it serves");
                running.await.expect("the background work ends");
            });
        });
        told.recv().expect("the service starts");
        Self { address, hub, place, shutdown, thread: Some(thread) }
    }

    /// `GET`.
    #[track_caller]
    pub(crate) fn get(&self, who: Who, path: &str) -> Answer {
        let token = token(who);
        let headers: Vec<(&str, &str)> =
            token.iter().map(|token| ("authorization", token.as_str())).collect();
        http::get(self.address, path, &headers)
    }

    /// `POST` of JSON.
    #[track_caller]
    pub(crate) fn post(&self, who: Who, path: &str, body: &Value) -> Answer {
        self.send(who, path, None, "application/json", body.to_string().as_bytes())
    }

    /// `POST` of JSON with an idempotency key.
    #[track_caller]
    pub(crate) fn keyed(&self, who: Who, path: &str, key: &str, body: &Value) -> Answer {
        self.send(who, path, Some(key), "application/json", body.to_string().as_bytes())
    }

    /// `POST` of anything.
    #[track_caller]
    pub(crate) fn send(&self, who: Who, path: &str, key: Option<&str>, media: &str, body: &[u8]) -> Answer {
        let token = token(who);
        let mut headers = vec![("content-type", media)];
        headers.extend(token.iter().map(|token| ("authorization", token.as_str())));
        headers.extend(key.map(|key| ("idempotency-key", key)));
        http::request(self.address, "POST", path, &headers, Some(body))
    }

    /// Holds money and tells the payment.
    #[track_caller]
    pub(crate) fn hold(&self, job: i64, employer: i64, amount: f64) -> Value {
        let body = json!({"job_id": job, "employer_id": employer, "amount_usd": amount});
        ok(&self.post(Who::Service, "/payments/hold", &body))
    }

    /// What can be spent and what is held.
    #[track_caller]
    pub(crate) fn balances(&self, who: Who) -> (f64, f64) {
        let wallet = ok(&self.get(who, "/wallet"));
        let amount = |name: &str| wallet[name].as_f64().expect("a number");
        (amount("balance_usd"), amount("held_usd"))
    }

    /// What the hub was told so far, in its order, once there are so many of it.
    #[track_caller]
    pub(crate) fn told(&self, count: usize) -> Vec<Value> {
        let all = || self.hub.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        eventually(PATIENCE, || all().len() >= count);
        all()
    }

    /// Changes the tables behind the service's back.
    pub(crate) fn tamper(&self, sql: &'static str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = Store::open(&self.place.location, "payment_service", &[]).await.expect("a store");
            let mut transaction = store.begin().await.expect("a transaction");
            sqlx::query(sql).execute(&mut *transaction).await.expect(sql);
            transaction.commit().await.expect("a commit");
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "the service ends in order");
        }
    }
}

async fn listen(listener: TcpListener, hub: Arc<Hub>) {
    let batch = |hub: web::Data<Arc<Hub>>, items: web::Json<Vec<Value>>| async move {
        let items = items.into_inner();
        let answers: Vec<Value> =
            items.iter().map(|_| json!({"success": true, "id": "an id", "recipients": 1})).collect();
        let mut told = hub.told.lock().unwrap_or_else(PoisonError::into_inner);
        for item in items {
            // A repeat of a key is answered like the first, and sends nothing (contract: channels, HTTP).
            if told.iter().all(|known| known["idempotency_key"] != item["idempotency_key"]) {
                told.push(item);
            }
        }
        HttpResponse::Ok().json(answers)
    };
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::new(Arc::clone(&hub))).route("/broadcast/batch", web::post().to(batch))
    });
    let server =
        server.workers(1).disable_signals().shutdown_timeout(0).listen(listener).expect("it listens");
    server.run().await.expect("it serves");
}

fn token(who: Who) -> Option<String> {
    let user = |id: i64, user_type: &str| Signer::hs256(SECRET).user_of_type(id, user_type);
    let token = match who {
        Who::Nobody => return None,
        Who::Employer(id) => user(id, "employer"),
        Who::Worker(id) => user(id, "worker"),
        Who::Service => KEY.to_owned(),
        Who::Stranger(token) => token.to_owned(),
    };
    Some(format!("Bearer {token}"))
}

/// The body of a 200.
#[track_caller]
pub(crate) fn ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

/// Asserts a refusal.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.problem_code().as_str()), (status, code), "{}", answer.text());
}

/// Asserts a 422 that names exactly these members.
#[track_caller]
pub(crate) fn invalid(answer: &Answer, members: &[&str]) {
    refused(answer, 422, "invalid");
    let body = answer.json();
    let errors = body["errors"].as_array().expect("errors");
    let named: Vec<&str> = errors.iter().map(|error| error["member"].as_str().expect("a name")).collect();
    assert_eq!(named, members, "{body}");
    assert!(
        errors.iter().all(|error| error["message"].as_str().is_some_and(|text| !text.is_empty())),
        "{body}"
    );
}
