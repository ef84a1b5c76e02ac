//! The parts as processes, in both shapes: each on a port of its own, or all in `fanfare up`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::http::{self, Answer};
use test_kit::wait::holds_within;
use test_kit::{Client, Launch, Server};

/// The key by which services know each other in the tests.
pub(crate) const SERVICE_KEY: &str = "service-key-of-the-tests";

/// The hub's rules: what it accepts is on disk before it answers, and stays for longer than a test.
const EVERYTHING_IS_KEPT: &str =
    "[[channels]]\npattern = \"*\"\nhistory = { size = 1000000, age = \"24h\", durable = true }\n";

/// Long enough for anything that ought to happen, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A process on a fixed port that can be killed and started again.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    launch: Launch,
    address: SocketAddr,
    server: Mutex<Option<Server>>,
}

impl Slot {
    fn new(name: &'static str, address: SocketAddr, launch: Launch) -> Self {
        let launch = launch.env("PORT", address.port().to_string());
        Self { name, launch, address, server: Mutex::new(None) }
    }

    pub(crate) fn start(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if server.is_none() {
            *server = Some(self.launch.start());
        }
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&self) {
        drop(self.server.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Tells it to stop in order.
    pub(crate) fn terminate(&self) {
        if let Some(server) = &*self.server.lock().unwrap_or_else(PoisonError::into_inner) {
            server.terminate();
        }
    }

    /// The exit code that it ends with.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(Server::wait)
    }

    /// Its health, as far as it answers.
    pub(crate) fn health(&self, prefix: &str) -> Value {
        try_call(self.address, "GET", &format!("{prefix}/health"), &[], None)
            .map(|answer| serde_json::from_slice(&answer.body).unwrap_or_default())
            .unwrap_or_default()
    }
}

/// Where the four parts answer.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) hub: Slot,
    /// The services; none of their own where `fanfare up` has all.
    pub(crate) services: Vec<Slot>,
}

/// Which part a path belongs to.
fn service_of(path: &str) -> &'static str {
    match path.split(['/', '?']).nth(1).unwrap_or_default() {
        "jobs" => "job-service",
        "payments" | "wallet" => "payment-service",
        _ => "user-service",
    }
}

impl Stack {
    /// Each part as a process of its own. `database` is a Postgres URL, or nothing for SQLite files; `hub_seen_at` below
    /// is where the services are told that the hub is, if not where it is.
    pub(crate) fn separate(database: Option<&str>) -> Self {
        let [hub] = free_addresses();
        Self::separate_with_hub_at(hub, database, None)
    }

    /// The same with the hub at an address of the test's choice.
    pub(crate) fn separate_with_hub_at(
        hub: SocketAddr,
        database: Option<&str>,
        hub_seen_at: Option<SocketAddr>,
    ) -> Self {
        let [users, jobs, payments] = free_addresses();
        let data = directory();
        let service = |name: &'static str, address| {
            let mut launch = Launch::of(name)
                .env("SERVICE_API_KEY", SERVICE_KEY)
                .env("WS_SERVICE_URL", format!("http://{}", hub_seen_at.unwrap_or(hub)))
                .env("USER_SERVICE_URL", format!("http://{users}"))
                .env("FANFARE_DATA", &data);
            if let Some(database) = database {
                launch = launch.env("DATABASE_URL", database);
            }
            if name == "job-service" {
                launch = launch.env("PAYMENT_SERVICE_URL", format!("http://{payments}"));
            }
            Slot::new(name, address, launch)
        };
        let hub_data = directory();
        std::fs::create_dir_all(&hub_data).expect("a directory");
        let rules = hub_data.join("rules.toml");
        std::fs::write(&rules, EVERYTHING_IS_KEPT).expect("a file");
        let hub_launch = Launch::of("websocket-server")
            .env("FANFARE_DATA", &hub_data)
            .env("FANFARE_CONFIG", &rules)
            .env("FANFARE_API_KEYS", format!("services:{SERVICE_KEY}:*|@all|user:*|+admin"))
            .env("JWKS_URL", format!("http://{users}/.well-known/jwks.json"));
        let stack = Self {
            hub: Slot::new("websocket-server", hub, hub_launch),
            services: vec![
                service("user-service", users),
                service("payment-service", payments),
                service("job-service", jobs),
            ],
        };
        for slot in stack.services.iter().chain([&stack.hub]) {
            slot.start();
        }
        stack
    }

    /// All parts in one process.
    pub(crate) fn up(configure: impl FnOnce(Launch) -> Launch) -> Self {
        let [address] = free_addresses();
        let launch = Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", directory());
        let stack = Self { hub: Slot::new("fanfare", address, configure(launch)), services: Vec::new() };
        stack.hub.start();
        stack
    }

    fn address_of(&self, path: &str) -> SocketAddr {
        let name = service_of(path);
        self.services.iter().find(|slot| slot.name == name).map_or(self.hub.address, |slot| slot.address)
    }

    /// The health of a service.
    pub(crate) fn health_of(&self, name: &str) -> Value {
        match self.services.iter().find(|slot| slot.name == name) {
            Some(slot) => slot.health(""),
            None => self.hub.health(&format!("/svc/{name}")),
        }
    }

    /// A call that may fail.
    pub(crate) fn try_call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Answer> {
        try_call(self.address_of(path), method, path, headers, body)
    }

    /// A call as somebody; the JSON of its answer.
    #[track_caller]
    pub(crate) fn call(
        &self,
        who: &Person,
        method: &str,
        path: &str,
        body: Option<&Value>,
        status: u16,
    ) -> Value {
        let bearer = format!("Bearer {}", who.token);
        let answer = self.try_call(method, path, &[("authorization", &bearer)], body);
        let answer = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Registers somebody.
    #[track_caller]
    pub(crate) fn register(&self, name: &str, user_type: &str) -> Person {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": "correct horse", "name": name, "user_type": user_type});
        let answer = self.try_call("POST", "/auth/register", &[], Some(&body)).expect("an answer");
        assert_eq!(answer.status, 201, "{}", answer.text());
        Person::of(&answer.json(), email)
    }

    /// A WebSocket of somebody.
    pub(crate) fn connect(&self, who: &Person) -> Client {
        Client::dial(&format!("ws://{}/ws", self.hub.address)).bearer(&who.token).welcomed()
    }

    /// Waits until nothing waits to be sent.
    pub(crate) fn wait_until_relayed(&self) {
        for name in ["user-service", "job-service", "payment-service"] {
            eventually(&format!("{name} has relayed all"), || self.health_of(name)["relay"]["backlog"] == 0);
        }
    }
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
}

impl Person {
    pub(crate) fn of(answer: &Value, email: String) -> Self {
        let text = |name: &str| answer[name].as_str().expect("a token").to_owned();
        Self {
            id: answer["user"]["user_id"].as_i64().expect("an id"),
            email,
            token: text("access_token"),
            refresh_token: text("refresh_token"),
        }
    }
}

/// Any call that may fail.
pub(crate) fn try_call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Option<Answer> {
    let text = body.map(ToString::to_string);
    let mut all = headers.to_vec();
    if text.is_some() {
        all.push(("content-type", "application/json"));
    }
    http::try_request(address, None, method, path, &all, text.as_deref().map(str::as_bytes)).ok()
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(PATIENCE, condition), "waited in vain until {what}");
}

/// Addresses that nobody listens on.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    std::array::from_fn(|_| test_kit::free_address())
}

/// A directory of the test's own.
pub(crate) fn directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("fanfare-stack-{}-{number}", std::process::id()));
    let _nothing_there = std::fs::remove_dir_all(&path);
    path
}
