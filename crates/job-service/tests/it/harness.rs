//! The service in a thread of its own, with a database, a payment service that does what the test says, and a hub that is
//! away, so that events stay where they can be read.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use auth::{Environment, JwtSettings, OriginPolicy, Verifier};
use hub_client::{HubClient, HubSettings};
use job_service::{JobService, PaymentSettings, Settings};
use rest::Callers;
use serde_json::{Value, json};
use service_kit::arguments::Secret;
use service_kit::shutdown::Shutdown;
use store::{Location, Store, now_micros};
use test_kit::http::{self, Answer};
use test_kit::{Postgres, Signer, eventually};
use tokio::runtime::{LocalOptions, Runtime};
use tokio::sync::oneshot;

use crate::payment::{FakePayments, KEY};

/// Signs the tests' tokens.
const SECRET: &str = "a secret of the tests, 32 bytes or more";

/// How long a test waits for the background.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Whether an instance does the background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Background {
    Running,
    Off,
}

/// How long an instance waits for the payment service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    /// So short that a test of what is never answered is quick.
    Short,
    /// As in production.
    Default,
    /// So long that a busy machine makes no difference: for tests of what is answered.
    Long,
    /// Each try is short, and there are as many as it takes: for tests of what is answered in the end.
    Patient,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Employer(i64),
    Worker(i64),
    Nobody,
}

/// A running instance.
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    alive: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A database, a payment service, and whoever runs on them.
pub(crate) struct World {
    pub(crate) payments: FakePayments,
    location: Location,
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
                    std::env::temp_dir().join(format!("job-service-{}-{number}", std::process::id()));
                (Location::File(directory.join("jobs.db")), Some(directory))
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { payments: FakePayments::start(), location, directory, runtime, store: None }
    }

    /// A world with one instance in it.
    pub(crate) fn with(engine: Engine, background: Background) -> (Self, Instance) {
        Self::with_limits(engine, background, Limits::Long)
    }

    /// The same with other limits.
    pub(crate) fn with_limits(engine: Engine, background: Background, limits: Limits) -> (Self, Instance) {
        let mut world = Self::new(engine);
        let instance = world.start_with(background, limits);
        (world, instance)
    }

    pub(crate) fn start(&mut self, background: Background) -> Instance {
        self.start_with(background, Limits::Long)
    }

    pub(crate) fn start_with(&mut self, background: Background, limits: Limits) -> Instance {
        let instance = Instance::start(self.location.clone(), self.payments.url(), background, limits);
        if self.store.is_none() {
            let opened = self.runtime.block_on(Store::open(&self.location, "job_service", &[]));
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

    /// The events that are to be sent about a job, in their order.
    pub(crate) fn events(&self, job_id: i64) -> Vec<Value> {
        let store = self.store.as_ref().expect("an instance was started");
        let query = sqlx::query_scalar("SELECT body FROM event_relay WHERE aggregate = $1 ORDER BY position");
        let bodies: Vec<String> = self
            .runtime
            .block_on(query.bind(format!("job:{job_id}")).fetch_all(store.reader()))
            .expect("the relay's rows");
        bodies.iter().map(|body| serde_json::from_str(body).expect("JSON")).collect()
    }

    /// Their types.
    pub(crate) fn event_types(&self, job_id: i64) -> Vec<String> {
        self.events(job_id).iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
    }

    /// Gives another deadline to all jobs that have one.
    pub(crate) fn move_deadlines(&self, deadline: &str) {
        self.change("UPDATE jobs SET deadline = $1 WHERE deadline IS NOT NULL", &[millis(deadline) * 1_000]);
    }

    /// How long after its deadline a job was refunded, once it is.
    #[track_caller]
    pub(crate) fn refunded_after(&self, job_id: i64, deadline: &str) -> i64 {
        let mut told = None;
        eventually(SOON, || {
            told = self.events(job_id).into_iter().find(|event| event["type"] == "job_refunded");
            told.is_some()
        });
        let told = told.unwrap_or_default();
        assert_eq!(told["data"]["reason"], "expired", "{told}");
        millis(told["timestamp"].as_str().expect("a time")) - millis(deadline)
    }

    /// Waits until nothing is under way any more.
    #[track_caller]
    pub(crate) fn settled(&self) {
        eventually(SOON, || {
            self.number("SELECT COUNT(*) FROM jobs WHERE step IS NOT NULL OR party_told = 0") == 0
        });
    }

    /// Checks that every job is where its money is, and that no money is held for what is no job.
    #[track_caller]
    pub(crate) fn is_consistent(&self) {
        let store = self.store.as_ref().expect("an instance was started");
        let query =
            sqlx::query_as("SELECT job_id, status, payment_id, worker_id FROM jobs WHERE step IS NULL");
        let jobs: Vec<(i64, String, i64, Option<i64>)> =
            self.runtime.block_on(query.fetch_all(store.reader())).expect("the jobs");
        let mut payments = self.payments.all();
        for (job_id, status, payment_id, worker_id) in jobs {
            let payment = payments.remove(&job_id).unwrap_or_else(|| panic!("job {job_id} has no payment"));
            let expected = match status.as_str() {
                "completed" => "released",
                "refunded" => "refunded",
                _ => "held",
            };
            assert_eq!(
                (payment.payment_id, payment.status),
                (payment_id, expected),
                "job {job_id} is {status}"
            );
            assert_eq!(payment.worker_id, worker_id, "job {job_id}");
            let last = self.event_types(job_id).pop();
            let event = match status.as_str() {
                "open" => "job_created",
                "accepted" => "job_accepted",
                "completed" => "job_completed",
                _ => "job_refunded",
            };
            assert_eq!(last.as_deref(), Some(event), "the last event of job {job_id}");
        }
        for (job_id, payment) in payments {
            assert_eq!(payment.status, "refunded", "money is held for job {job_id}, which is none");
            assert_eq!(
                self.event_types(job_id),
                Vec::<String>::new(),
                "events of job {job_id}, which is none"
            );
        }
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
    fn start(location: Location, payments: String, background: Background, limits: Limits) -> Self {
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
                let key = Secret::new(KEY);
                let payment = PaymentSettings::new(payments, Some(key.clone()));
                let payment = match limits {
                    Limits::Default => payment,
                    Limits::Short => limited(payment, 900, 1_100),
                    Limits::Long => limited(payment, 5_000, 5_000),
                    Limits::Patient => limited(payment, 500, 10_000),
                };
                let settings = Settings {
                    location,
                    // Nobody listens there.
                    hub: HubClient::new(&HubSettings::new("http://127.0.0.1:9")).expect("a client"),
                    callers: Callers::new(verifier, Some(&key)),
                    payment,
                    shutdown: shutdown.token(),
                };
                let service = JobService::open(settings).await.expect("the service");
                let origins = OriginPolicy::new(None, Environment::Development).expect("origins");
                let (paths, operations) = (service.clone(), service.operations());
                let configure: rest::serve::Configure = Arc::new(move |config| paths.configure(config));
                let token = shutdown.token();
                let served =
                    rest::serve::serve(listener, origins, operations, configure, 2, shutdown.token());
                actix_web::rt::spawn(served);
                if background == Background::Running {
                    actix_web::rt::spawn(async move { service.run(token).await });
                }
                tell.send(()).expect("the test waits");
                let _ended = end.await;
            });
        });
        told.recv().expect("the service starts");
        let mut instance = Self { address, alive: Some(alive), thread: Some(thread) };
        instance.wait();
        instance
    }

    fn wait(&mut self) {
        let address = self.address;
        eventually(SOON, || {
            http::try_request(address, None, "GET", "/jobs", &[], None)
                .is_ok_and(|answer| answer.status == 401)
        });
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

    pub(crate) fn get(&self, caller: Caller, path: &str) -> Answer {
        let token = authorization(caller);
        let headers: Vec<(&str, &str)> =
            token.iter().map(|token| ("authorization", token.as_str())).collect();
        http::get(self.address, path, &headers)
    }

    /// A POST without a body.
    pub(crate) fn post(&self, caller: Caller, path: &str) -> Answer {
        self.post_with(caller, path, &[], None)
    }

    pub(crate) fn post_with(
        &self,
        caller: Caller,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let token = authorization(caller);
        let mut all: Vec<(&str, &str)> =
            token.iter().map(|token| ("authorization", token.as_str())).collect();
        all.extend_from_slice(headers);
        match body {
            Some(body) => http::post_json(self.address, path, &all, body),
            None => http::request(self.address, "POST", path, &all, None),
        }
    }

    /// Posts a job, again where the payment service was not heard in time and there is no such job; its id.
    #[track_caller]
    pub(crate) fn job(&self, employer: i64) -> i64 {
        let post = || self.post_with(Caller::Employer(employer), "/jobs", &[], Some(&draft()));
        let mut answer = post();
        eventually(SOON, || {
            if answer.status == 503 {
                answer = post();
            }
            answer.status != 503
        });
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["job_id"].as_i64().expect("an id")
    }

    /// Posts a job and accepts it.
    #[track_caller]
    pub(crate) fn accepted(&self, employer: i64, worker: i64) -> i64 {
        let job_id = self.job(employer);
        let answer = self.post(Caller::Worker(worker), &format!("/jobs/{job_id}/accept"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        job_id
    }

    /// The job's status; none where there is no such job.
    pub(crate) fn status(&self, job_id: i64) -> Option<String> {
        let answer = self.get(Caller::Worker(1), &format!("/jobs/{job_id}"));
        (answer.status == 200).then(|| answer.json()["status"].as_str().expect("a status").to_owned())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

/// Settings with other limits, in milliseconds: of a call, and of all its tries.
fn limited(payment: PaymentSettings, call: u64, patience: u64) -> PaymentSettings {
    let (call, patience) = (Duration::from_millis(call), Duration::from_millis(patience));
    PaymentSettings { connect: call, call, patience, ..payment }
}

/// A job that can be posted.
pub(crate) fn draft() -> Value {
    json!({"title": "Walk the dog", "pay_amount_usd": 12.5, "job_type": "other"})
}

/// So many milliseconds from now, as a deadline.
pub(crate) fn in_millis(millis: i64) -> String {
    rest::instant::show(now_micros() + millis * 1_000)
}

/// A time as it is written, in milliseconds since 1970.
fn millis(text: &str) -> i64 {
    rest::instant::read(&format!("\"{text}\"")).expect("a time") / 1_000
}

/// Waits until so many milliseconds before a time.
#[track_caller]
pub(crate) fn until_before(millis_before: i64, time: &str) {
    eventually(SOON, || now_micros() / 1_000 >= millis(time) - millis_before);
}

/// An access token; empty for nobody.
pub(crate) fn token(caller: Caller) -> String {
    let signer = Signer::hs256(SECRET);
    match caller {
        Caller::Employer(id) => signer.user_of_type(id, "employer"),
        Caller::Worker(id) => signer.user_of_type(id, "worker"),
        Caller::Nobody => String::new(),
    }
}

fn authorization(caller: Caller) -> Option<String> {
    Some(token(caller)).filter(|token| !token.is_empty()).map(|token| format!("Bearer {token}"))
}
