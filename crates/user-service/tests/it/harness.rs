//! A running service on a database of its own, with a hub that is away, so that its events stay in the table.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::web::ServiceConfig;
use auth::OriginPolicy;
use hub_client::{HubClient, HubSettings};
use serde_json::{Value, json};
use service_kit::shutdown::Shutdown;
use store::{Location, Store};
use test_kit::Postgres;
use test_kit::http::{self, Answer};
use test_kit::wait::PATIENCE;
use user_service::{Settings, UserService};

pub(crate) const PASSWORD: &str = "correct horse battery";

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// Which database the service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
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
    place: Arc<Place>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

/// Runs a scenario on both databases.
pub(crate) fn on_both(scenario: impl Fn(World)) {
    for database in [Database::Sqlite, Database::Postgres] {
        scenario(World::start(database));
    }
}

impl World {
    /// A service on a new database, with the default settings.
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
                let name = format!("fanfare-users-{}-{number}", std::process::id());
                let directory = std::env::temp_dir().join(name);
                let _not_there = std::fs::remove_dir_all(&directory);
                Place { location: Location::File(directory.join("users.db")), directory: Some(directory) }
            }
        };
        Self::at(Arc::new(place), change)
    }

    /// Another service on the same database.
    pub(crate) fn beside(&self) -> Self {
        Self::at(Arc::clone(&self.place), |_| {})
    }

    /// The same again on the same database, once this one has ended.
    pub(crate) fn restarted(self) -> Self {
        let place = Arc::clone(&self.place);
        drop(self);
        Self::at(place, |_| {})
    }

    fn at(place: Arc<Place>, change: impl FnOnce(&mut Settings)) -> Self {
        // Two tests may both be the first.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shutdown = Shutdown::new();
        let nobody = HubClient::new(&HubSettings::new("http://127.0.0.1:1")).expect("a client");
        let mut settings = Settings::new(place.location.clone(), nobody, shutdown.token());
        change(&mut settings);
        let token = shutdown.token();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let service = UserService::open(settings).await.expect("the service opens");
                let (background, until) = (service.clone(), token.clone());
                let running = actix_web::rt::spawn(async move { background.run(until).await });
                tell.send(()).expect("somebody waits");
                let operations = service.operations();
                let origins = OriginPolicy::new(None, auth::Environment::Development).expect("origins");
                let configure = Arc::new(move |config: &mut ServiceConfig| service.configure(config));
                rest::serve::serve(listener, origins, operations, configure, 2, token)
                    .await
                    .expect("it serves");
                running.await.expect("the background work ends");
            });
        });
        told.recv().expect("the service starts");
        Self { address, place, shutdown, thread: Some(thread) }
    }

    /// `POST` of JSON, perhaps with an access token.
    #[track_caller]
    pub(crate) fn post(&self, token: Option<&str>, path: &str, body: &Value) -> Answer {
        self.send("POST", token, path, "application/json", body.to_string().as_bytes())
    }

    /// Any request.
    #[track_caller]
    pub(crate) fn send(
        &self,
        method: &str,
        token: Option<&str>,
        path: &str,
        media: &str,
        body: &[u8],
    ) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = Vec::new();
        headers.extend((!media.is_empty()).then_some(("content-type", media)));
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        http::request(self.address, method, path, &headers, Some(body))
    }

    /// `GET`.
    #[track_caller]
    pub(crate) fn get(&self, token: Option<&str>, path: &str) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.as_deref().map(|bearer| ("authorization", bearer)).into_iter().collect();
        http::get(self.address, path, &headers)
    }

    /// Registers a worker with [`PASSWORD`].
    #[track_caller]
    pub(crate) fn register(&self, email: &str) -> SignedIn {
        SignedIn::of(&self.post(None, "/auth/register", &registration(email)), 201)
    }

    /// Signs in with [`PASSWORD`].
    #[track_caller]
    pub(crate) fn login(&self, email: &str) -> SignedIn {
        SignedIn::of(&self.try_login(email, PASSWORD), 200)
    }

    /// Tries to sign in, as often as it takes on a machine that is too busy to hash in time.
    #[track_caller]
    pub(crate) fn try_login(&self, email: &str, password: &str) -> Answer {
        let call = || self.post(None, "/auth/login", &json!({"email": email, "password": password}));
        let is_busy = |answer: &Answer| answer.status == 503 && answer.problem_code() == "busy";
        let mut answer = call();
        test_kit::eventually(6 * PATIENCE, || {
            if is_busy(&answer) {
                answer = call();
            }
            !is_busy(&answer)
        });
        answer
    }

    #[track_caller]
    pub(crate) fn try_refresh(&self, refresh_token: &str) -> Answer {
        self.post(None, "/auth/refresh", &json!({"refresh_token": refresh_token}))
    }

    /// The next refresh token.
    #[track_caller]
    pub(crate) fn refresh(&self, refresh_token: &str) -> String {
        let answer = self.try_refresh(refresh_token);
        assert_eq!(answer.status, 200, "{}", answer.text());
        text(&answer.json()["refresh_token"])
    }

    /// The events so far, in order, with their `aggregate`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let rows = self.query("SELECT aggregate || ' ' || body FROM event_relay ORDER BY position");
        let events = rows.iter().map(|row| {
            let (aggregate, body) = row.split_once(' ').expect("an aggregate");
            let mut event: Value = serde_json::from_str(body).expect("JSON");
            event["aggregate"] = json!(aggregate);
            event
        });
        events.collect()
    }

    /// The types of the events so far, in order.
    pub(crate) fn event_types(&self) -> Vec<String> {
        self.events().iter().map(|event| text(&event["type"])).collect()
    }

    /// Reads texts from the tables.
    pub(crate) fn query(&self, sql: &'static str) -> Vec<String> {
        self.with_store(async |store| sqlx::query_scalar(sql).fetch_all(store.reader()).await.expect(sql))
    }

    /// Changes the tables behind the service's back.
    pub(crate) fn tamper(&self, sql: &'static str) {
        self.with_store(async |store| {
            let mut transaction = store.begin().await.expect("a transaction");
            sqlx::query(sql).execute(&mut *transaction).await.expect(sql);
            transaction.commit().await.expect("a commit");
        });
    }

    fn with_store<T>(&self, work: impl AsyncFnOnce(&Store) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = Store::open(&self.place.location, "user_service", &[]).await.expect("a store");
            let done = work(&store).await;
            store.close().await;
            done
        })
    }

    /// The value of a metric, by its name with labels.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.get(None, "/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().expect("a number"))
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

/// Who has signed in.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) user: Value,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl SignedIn {
    #[track_caller]
    pub(crate) fn of(answer: &Answer, status: u16) -> Self {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.json();
        assert_eq!(members(&body), ["access_token", "expires_in", "refresh_token", "user"]);
        assert_eq!(members(&body["user"]), ["created_at", "email", "name", "user_id", "user_type"]);
        let (access, refresh) = (text(&body["access_token"]), text(&body["refresh_token"]));
        Self { user: body["user"].clone(), access, refresh }
    }

    pub(crate) fn id(&self) -> i64 {
        self.user["user_id"].as_i64().expect("a number")
    }

    /// What the access token says.
    pub(crate) fn claims(&self) -> Value {
        use base64::Engine as _;
        let payload = self.access.split('.').nth(1).expect("a payload");
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64");
        serde_json::from_slice(&payload).expect("JSON")
    }

    /// The session that the tokens belong to.
    pub(crate) fn session(&self) -> String {
        text(&self.claims()["sid"])
    }
}

/// A worker's registration.
pub(crate) fn registration(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "name": "Anna", "user_type": "worker"})
}

#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The members of an object, sorted.
#[track_caller]
pub(crate) fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
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
}
