//! The service in a thread of its own, with a database, a clock that tests set forward, and a hub that is away unless the
//! test has one: then events stay where they can be read.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use auth::{Environment, JwtSettings, OriginPolicy, Verifier};
use hub_client::{HubClient, HubSettings};
use notification_service::{Clock, NotificationService, Settings};
use rest::Callers;
use serde_json::{Value, json};
use service_kit::arguments::Secret;
use service_kit::shutdown::Shutdown;
use store::{Location, Store};
use test_kit::http::{self, Answer};
use test_kit::{Postgres, Signer, eventually};
use tokio::runtime::{LocalOptions, Runtime};
use tokio::sync::oneshot;

/// Signs the tests' tokens.
pub(crate) const SECRET: &str = "a secret of the tests, 32 bytes or more";

/// The service key.
pub(crate) const KEY: &str = "service-key-of-the-tests";

/// How long a test waits for the background.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Where nobody listens.
pub(crate) const NO_HUB: &str = "http://127.0.0.1:9";

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Both.
pub(crate) const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// What a test wants otherwise than by default.
pub(crate) struct Wishes {
    pub(crate) hub: String,
    /// Whether the background work is done: events carried, notifications swept, pushed, made by rules.
    pub(crate) background: bool,
    /// Changes any other setting.
    pub(crate) tune: Box<dyn FnOnce(&mut Settings) + Send>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { hub: NO_HUB.to_owned(), background: false, tune: Box::new(|_| ()) }
    }
}

impl Wishes {
    /// With the background work, and a hub at this address.
    pub(crate) fn with_hub(hub: &str) -> Self {
        Self { hub: hub.to_owned(), background: true, ..Self::default() }
    }

    pub(crate) fn background() -> Self {
        Self { background: true, ..Self::default() }
    }

    pub(crate) fn tuned(tune: impl FnOnce(&mut Settings) + Send + 'static) -> Self {
        Self { tune: Box::new(tune), ..Self::default() }
    }
}

/// A running instance.
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    alive: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A database and whoever runs on it.
pub(crate) struct World {
    pub(crate) location: Location,
    /// The time of all instances.
    pub(crate) clock: Clock,
    directory: Option<PathBuf>,
    runtime: Runtime,
    /// Opened with the first instance.
    store: Option<Store>,
}

impl World {
    pub(crate) fn new(engine: Engine) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        // What was installed already is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (location, directory) = match engine {
            Engine::Postgres => (Location::Postgres(Postgres::shared().database()), None),
            Engine::Sqlite => {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let directory = std::env::temp_dir()
                    .join(format!("notification-service-{}-{number}", std::process::id()));
                (Location::File(directory.join("notifications.db")), Some(directory))
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { location, clock: Clock::movable(), directory, runtime, store: None }
    }

    /// The database of a process that was killed.
    pub(crate) fn of(file: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self {
            location: Location::File(file),
            clock: Clock::movable(),
            directory: None,
            runtime,
            store: None,
        }
    }

    /// A world with one instance in it, without background work and hub.
    pub(crate) fn with(engine: Engine) -> (Self, Instance) {
        let mut world = Self::new(engine);
        let instance = world.start(Wishes::default());
        (world, instance)
    }

    pub(crate) fn start(&mut self, wishes: Wishes) -> Instance {
        let instance = Instance::start(self.location.clone(), self.clock.clone(), wishes);
        self.open();
        instance
    }

    /// Opens the database for the test itself, where an instance has made it.
    pub(crate) fn open(&mut self) {
        if self.store.is_none() {
            let opened = self.runtime.block_on(Store::open(&self.location, "notification_service", &[]));
            self.store = Some(opened.expect("the database"));
        }
    }

    /// Runs a statement in the service's database.
    pub(crate) fn change(&self, sql: &'static str, values: &[i64]) {
        let store = self.store.as_ref().expect("an instance was started");
        self.runtime.block_on(async {
            let mut transaction = store.begin().await.expect("a transaction");
            let mut query = sqlx::query(sql);
            for value in values {
                query = query.bind(*value);
            }
            query.execute(&mut *transaction).await.expect(sql);
            transaction.commit().await.expect("a commit");
        });
    }

    /// What a statement counts in the service's database.
    pub(crate) fn number(&self, sql: &'static str) -> i64 {
        let store = self.store.as_ref().expect("an instance was started");
        self.runtime.block_on(sqlx::query_scalar(sql).fetch_one(store.reader())).expect(sql)
    }

    /// The same of a statement with one value.
    pub(crate) fn number_by(&self, sql: &'static str, value: i64) -> i64 {
        let store = self.store.as_ref().expect("an instance was started");
        self.runtime.block_on(sqlx::query_scalar(sql).bind(value).fetch_one(store.reader())).expect(sql)
    }

    /// The texts that a statement finds in the service's database.
    pub(crate) fn texts(&self, sql: &'static str) -> Vec<String> {
        let store = self.store.as_ref().expect("an instance was started");
        self.runtime.block_on(sqlx::query_scalar(sql).fetch_all(store.reader())).expect(sql)
    }

    /// The events that are to be sent, in their order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let bodies = self.texts("SELECT body FROM event_relay ORDER BY position");
        bodies.iter().map(|body| serde_json::from_str(body).expect("JSON")).collect()
    }

    /// Those of one type.
    pub(crate) fn events_of(&self, event_type: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["type"] == event_type).collect()
    }

    /// Looks whether what is counted is what is there, for all users.
    #[track_caller]
    pub(crate) fn counts_agree(&self) {
        let wrong = self.number(
            "SELECT COUNT(*) FROM inboxes i LEFT JOIN
                 (SELECT user_key, COUNT(*) AS kept, SUM(CASE WHEN removed IS NULL THEN 1 ELSE 0 END) AS total,
                         SUM(CASE WHEN removed IS NULL AND read_at IS NULL THEN 1 ELSE 0 END) AS unread
                  FROM notifications GROUP BY user_key) n ON n.user_key = i.user_key
             WHERE i.kept <> COALESCE(n.kept, 0) OR i.total <> COALESCE(n.total, 0) OR i.unread <> COALESCE(n.unread, 0)",
        );
        assert_eq!(wrong, 0, "inboxes whose counts are not those of their rows");
        let rows = self.number("SELECT COUNT(*) FROM (SELECT DISTINCT user_key, category FROM notifications WHERE removed IS NULL) c");
        assert_eq!(self.number("SELECT COUNT(*) FROM categories"), rows, "categories with something in them");
        let wrong = self.number(
            "SELECT COUNT(*) FROM categories c JOIN
                 (SELECT user_key, category, COUNT(*) AS total, SUM(is_unread) AS unread
                  FROM notifications WHERE removed IS NULL GROUP BY user_key, category) n
                 ON n.user_key = c.user_key AND n.category = c.category
             WHERE c.total <> n.total OR c.unread <> n.unread",
        );
        assert_eq!(wrong, 0, "categories whose counts are not those of their rows");
    }

    /// Forgets the events that are to be sent.
    pub(crate) fn forget_events(&self) {
        self.change("DELETE FROM event_relay", &[]);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            let _left_behind = std::fs::remove_dir_all(directory);
        }
    }
}

impl Instance {
    fn start(location: Location, clock: Clock, wishes: Wishes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (tell, told) = mpsc::channel();
        let (alive, end) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            // Without a system of actix: its threads would drop what runs outside of any runtime, which the database's
            // pool does not take.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .expect("a runtime");
            runtime.block_on(async {
                let shutdown = Shutdown::new();
                let jwt = JwtSettings { secret: Some(SECRET.to_owned()), ..JwtSettings::default() };
                let verifier = Arc::new(Verifier::new(jwt).expect("a verifier"));
                let callers = Callers::new(verifier, Some(&Secret::new(KEY)));
                let hub = HubSettings { key: Some(KEY.to_owned()), ..HubSettings::new(wishes.hub) };
                let hub = HubClient::new(&hub).expect("a client");
                let mut settings = Settings::new(location, hub, callers, shutdown.token());
                settings.clock = clock;
                (wishes.tune)(&mut settings);
                let service = NotificationService::open(settings).await.expect("the service");
                let origins = OriginPolicy::new(None, Environment::Development).expect("origins");
                let (paths, operations) = (service.clone(), service.operations());
                let configure: rest::serve::Configure = Arc::new(move |config| paths.configure(config));
                let token = shutdown.token();
                let served =
                    rest::serve::serve(listener, origins, operations, configure, 2, shutdown.token());
                actix_web::rt::spawn(served);
                if wishes.background {
                    actix_web::rt::spawn(async move { service.run(token).await });
                }
                tell.send(()).expect("the test waits");
                let _ended = end.await;
            });
        });
        told.recv().expect("the service starts");
        let instance = Self { address, alive: Some(alive), thread: Some(thread) };
        eventually(SOON, || {
            http::try_request(address, None, "GET", "/api/notifications/stats", &[], None)
                .is_ok_and(|answer| answer.status == 401)
        });
        instance
    }

    /// Ends it between two instructions, as a crash would: no call is brought to its end.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }

    /// A call as a user.
    pub(crate) fn call(
        &self,
        user: impl Into<Value>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        call_at(self.address, &token(user), method, path, headers, body)
    }

    /// A call with the service key.
    pub(crate) fn serve(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        call_at(self.address, KEY, method, path, headers, body)
    }

    pub(crate) fn get(&self, user: impl Into<Value>, path: &str) -> Answer {
        self.call(user, "GET", path, &[], None)
    }

    /// The JSON of what is there.
    #[track_caller]
    pub(crate) fn read(&self, user: impl Into<Value>, path: &str) -> Value {
        let answer = self.get(user, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Creates a notification with the service key; the notification.
    #[track_caller]
    pub(crate) fn create(&self, body: &Value) -> Value {
        let answer = self.serve("POST", "/api/notifications", &[], Some(body));
        assert_eq!(answer.status, 201, "{body}: {}", answer.text());
        answer.json()
    }

    /// One with a title alone; its id.
    #[track_caller]
    pub(crate) fn notify(&self, user: impl Into<Value>, title: &str) -> i64 {
        let made = self.create(&json!({"user_id": user.into(), "title": title, "message": ""}));
        made["id"].as_i64().expect("an id")
    }

    /// What a client sends, as the hub hands it on; the whole answer.
    pub(crate) fn hook(&self, body: &Value) -> Answer {
        self.serve("POST", "/hooks/notifications", &[], Some(body))
    }

    /// The acknowledgement of what a user's client sends.
    #[track_caller]
    pub(crate) fn emit(&self, user: impl Into<Value>, event: &str, data: &Value) -> Value {
        let answer = self.hook(&json!({
            "event": event, "data": data, "user_id": user.into(), "user_type": null,
            "connection_id": "8b8f5d9e-58a3-4c2c-9f4c-6a6a0ad0a001"
        }));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

/// A call with a token or the service key.
pub(crate) fn call_at(
    address: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    let text = body.map(Value::to_string);
    if text.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
        all.push(("content-type", "application/json"));
    }
    http::request(address, method, path, &all, text.as_deref().map(str::as_bytes))
}

/// A user's access token.
pub(crate) fn token(user: impl Into<Value>) -> String {
    Signer::hs256(SECRET).user(user.into())
}
