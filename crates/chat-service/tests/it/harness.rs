//! The service in a thread of its own, with a database, and a hub that is away unless the test has one: then events stay
//! where they can be read.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use auth::{Environment, JwtSettings, OriginPolicy, Verifier};
use chat_service::{ChatService, Settings};
use hub_client::{HubClient, HubSettings};
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

/// What the hub calls with.
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

/// What a test wants otherwise than by default.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    pub(crate) hub: String,
    pub(crate) rate_limit: Option<NonZeroUsize>,
    pub(crate) typing_timeout: Duration,
    /// Whether it carries events.
    pub(crate) background: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            hub: NO_HUB.to_owned(),
            rate_limit: NonZeroUsize::new(300),
            typing_timeout: Duration::from_secs(6),
            background: false,
        }
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
                let directory =
                    std::env::temp_dir().join(format!("chat-service-{}-{number}", std::process::id()));
                (Location::File(directory.join("chat.db")), Some(directory))
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { location, directory, runtime, store: None }
    }

    /// A world with one instance in it, and no hub.
    pub(crate) fn with(engine: Engine) -> (Self, Instance) {
        let mut world = Self::new(engine);
        let instance = world.start(Wishes::default());
        (world, instance)
    }

    pub(crate) fn start(&mut self, wishes: Wishes) -> Instance {
        let instance = Instance::start(self.location.clone(), wishes);
        if self.store.is_none() {
            let opened = self.runtime.block_on(Store::open(&self.location, "chat_service", &[]));
            self.store = Some(opened.expect("the database"));
        }
        instance
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

    /// The events that are to be sent, in their order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let store = self.store.as_ref().expect("an instance was started");
        let query = sqlx::query_scalar("SELECT body FROM event_relay ORDER BY position");
        let bodies: Vec<String> =
            self.runtime.block_on(query.fetch_all(store.reader())).expect("the relay's rows");
        bodies.iter().map(|body| serde_json::from_str(body).expect("JSON")).collect()
    }

    /// Those of one type.
    pub(crate) fn events_of(&self, event_type: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["type"] == event_type).collect()
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
    fn start(location: Location, wishes: Wishes) -> Self {
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
                settings.rate_limit = wishes.rate_limit;
                settings.typing_timeout = wishes.typing_timeout;
                let service = ChatService::open(settings).await.expect("the service");
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
            http::try_request(address, None, "GET", "/api/chat/unread", &[], None)
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

    /// Writes by REST; the message.
    #[track_caller]
    pub(crate) fn write(&self, from: impl Into<Value>, to: &str, text: &str) -> Value {
        let path = format!("/api/chat/{to}/messages");
        let answer = self.call(from, "POST", &path, &[], Some(&json!({"message": text})));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// What a client sends, as the hub hands it on; the whole answer.
    pub(crate) fn hook(&self, body: &Value) -> Answer {
        hook_at(self.address, body)
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

    /// Sends over the hub; the message's id.
    #[track_caller]
    pub(crate) fn send(&self, from: impl Into<Value>, to: impl Into<Value>, text: &str) -> i64 {
        let data = json!({"to_user_id": to.into(), "message": text});
        let answer = self.emit(from, "send_message", &data);
        assert_eq!(answer["success"], true, "{answer}");
        answer["id"].as_i64().expect("an id")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

/// A call with a token.
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
    if text.is_some() {
        all.push(("content-type", "application/json"));
    }
    http::request(address, method, path, &all, text.as_deref().map(str::as_bytes))
}

/// A call of the hub.
pub(crate) fn hook_at(address: SocketAddr, body: &Value) -> Answer {
    let bearer = format!("Bearer {KEY}");
    http::post_json(address, "/hooks/chat", &[("authorization", &bearer)], body)
}

/// A user's access token.
pub(crate) fn token(user: impl Into<Value>) -> String {
    Signer::hs256(SECRET).user(user.into())
}

/// The ids of a list of messages.
pub(crate) fn ids(list: &Value) -> Vec<i64> {
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_i64().expect("an id")).collect()
}
