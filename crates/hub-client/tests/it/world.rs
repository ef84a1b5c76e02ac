//! What the tests share: a database of their own, a hub that can be away, a runtime.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hub_client::{HubClient, HubSettings, Message, Relay, RelayHandle, RelayMetrics, relay};
use prometheus::Registry;
use serde_json::json;
use store::{Location, Store};
use test_kit::{Launch, Postgres, Server};
use tokio::sync::oneshot;

/// Long enough for anything that ought to happen, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test on a runtime of its own.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    provide_tls();
    runtime().block_on(test)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The HTTP client wants a TLS provider even for plain HTTP.
fn provide_tls() {
    let _second_time = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A directory of the test's own.
pub(crate) fn directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("fanfare-relay-{}-{number}", std::process::id()));
    let _nothing_there = std::fs::remove_dir_all(&path);
    path
}

/// Where the database of a test is.
pub(crate) fn sqlite() -> Location {
    Location::File(directory().join("relay.db"))
}

/// The same on the tests' Postgres.
pub(crate) fn postgres() -> Location {
    Location::Postgres(Postgres::shared().database())
}

pub(crate) async fn open(location: &Location) -> Store {
    Store::open(location, "relay_test", &[relay::MIGRATIONS]).await.expect("a database")
}

pub(crate) fn hub() -> Launch {
    Launch::of("websocket-server")
}

pub(crate) fn hub_at(address: SocketAddr) -> Server {
    hub().env("PORT", address.port().to_string()).start()
}

pub(crate) fn client(address: SocketAddr, key: Option<&str>) -> HubClient {
    let settings =
        HubSettings { key: key.map(str::to_owned), ..HubSettings::new(format!("http://{address}")) };
    HubClient::new(&settings).expect("a client")
}

/// A relay at work, on a thread of its own: what the tests do may block theirs.
pub(crate) struct Running {
    pub(crate) handle: RelayHandle,
    pub(crate) metrics: RelayMetrics,
    stop: oneshot::Sender<()>,
    kill: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(location: &Location, client: HubClient) -> Self {
        let metrics = RelayMetrics::new(&Registry::new()).expect("metrics");
        let (stop, stopped) = oneshot::channel::<()>();
        let (kill, killed) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let (location, own_metrics) = (location.clone(), metrics.clone());
        let thread = thread::spawn(move || {
            runtime().block_on(async move {
                let relay = Relay::new(open(&location).await, client, own_metrics);
                tell.send(relay.handle()).expect("a test that waits");
                let orderly = relay.run(async {
                    let _either_way = stopped.await;
                });
                tokio::select! {
                    () = orderly => {}
                    Ok(()) = killed => {}
                }
            });
        });
        let handle = told.recv().expect("a relay that starts");
        Self { handle, metrics, stop, kill, thread }
    }

    /// Ends it in order: the lease is given back.
    pub(crate) fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("an orderly end");
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(self) {
        self.kill.send(()).expect("a relay that runs");
        self.thread.join().expect("an end");
    }
}

/// Writes events `first..=last` of an aggregate, each in a transaction of its own.
pub(crate) async fn write(store: &Store, aggregate: &str, first: u32, last: u32) {
    for n in first..=last {
        let mut message = Message::new("step", json!({"of": aggregate, "n": n}));
        message.channels = Some(vec!["steps".to_owned()]);
        put(store, aggregate, &message).await;
    }
}

pub(crate) async fn put(store: &Store, aggregate: &str, message: &Message) {
    let mut transaction = store.begin().await.expect("a transaction");
    relay::enqueue(&mut transaction, aggregate, message).await.expect("a row");
    transaction.commit().await.expect("a commit");
}

/// Waits until a condition holds that takes a look at the database.
pub(crate) async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < end, "the condition did not come to hold");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
