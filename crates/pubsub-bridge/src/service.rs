//! The bridge as a whole: what it is made of, what operators see, and its work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::ServiceConfig;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use hub_client::HubClient;
use prometheus::Registry;
use rest::operations::State;
use rest::{Health, Operations};
use serde_json::json;
use service_kit::shutdown::Token;
use tokio::sync::watch;
use utoipa::OpenApi as _;

use crate::ledger::Ledger;
use crate::link::Link;
use crate::metrics::Metrics;
use crate::names::{Emulator, Name, Project};
use crate::{acks, dead, poster, session};

/// The service's name, as its health and its log tell it.
pub const NAME: &str = "pubsub-bridge";

/// A message that waits longer for the hub makes the bridge degraded: a hub that restarts is back well before.
const LATE: Duration = Duration::from_secs(60);

/// How often gauges are set and leases are looked at: a tenth of the shortest lease.
const TICK: Duration = Duration::from_secs(1);

/// How long streams may take to end once they are told to, and giving messages back after that.
const CLOSING: Duration = Duration::from_millis(500);

/// The shortest and the longest wait before another try.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What the service is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub that messages are posted to.
    pub hub: HubClient,
    /// When the process stops: its health says so.
    pub shutdown: Token,
    /// The project of topics and subscription.
    pub project: Project,
    /// Whose messages are published.
    pub topic: Name,
    /// What is pulled.
    pub subscription: Name,
    /// Who gets what can never be published.
    pub dead_letter_topic: Option<Name>,
    /// An emulator in place of Google Cloud.
    pub emulator: Option<Emulator>,
    /// Messages held at once.
    pub max_messages: usize,
    /// Bytes held at once.
    pub max_bytes: usize,
    /// The largest message that is published, in bytes.
    pub max_payload: usize,
    /// How long Pub/Sub leaves a message here without hearing of it; 10 s to 10 min.
    pub ack_deadline: Duration,
    /// Streams pulled at once.
    pub streams: usize,
    /// How long held messages may take at a stop.
    pub drain_timeout: Duration,
}

impl Settings {
    pub(crate) fn subscription_name(&self) -> String {
        self.project.subscription(&self.subscription)
    }

    pub(crate) fn ack_deadline_seconds(&self) -> i32 {
        i32::try_from(self.ack_deadline.as_secs().clamp(10, 600)).unwrap_or(600)
    }
}

/// How Pub/Sub, hub and dead-letter topic were met last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    /// Why nothing is pulled; none while it is.
    pub(crate) pubsub: Option<String>,
    /// Why the last batch did not get through; none where it did.
    pub(crate) hub: Option<String>,
    /// Why the last dead letter did not get through; none where it did.
    pub(crate) dead_letters: Option<String>,
}

/// What the parts of a bridge share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
    /// The present connection to Pub/Sub.
    pub(crate) link: watch::Sender<Option<Link>>,
    /// Whether streams are to be read; false from the stop on.
    pub(crate) pulling: watch::Sender<bool>,
    status: Mutex<Status>,
}

impl Shared {
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, as soon as there is one.
    pub(crate) async fn link(&self) -> Link {
        let mut link = self.link.subscribe();
        loop {
            if let Some(link) = &*link.borrow_and_update() {
                return link.clone();
            }
            // An error means that the sender is gone, which lives as long as this.
            let _ = link.changed().await;
        }
    }
}

/// Waits between tries.
pub(crate) fn backoff() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_jitter().without_max_times();
    builder.with_min_delay(RETRY.0).with_max_delay(RETRY.1).build()
}

/// The next wait.
pub(crate) fn next(delays: &mut ExponentialBackoff) -> Duration {
    delays.next().unwrap_or(RETRY.1).min(RETRY.1)
}

/// From Pub/Sub to the hub. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bridge {
    shared: Arc<Shared>,
    registry: Registry,
}

/// The operators' paths are all that it answers.
#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "pubsub-bridge",
    description = "From Google Cloud Pub/Sub to the hub. It has no calls of its own, only its operators' paths."
))]
struct Description;

impl Bridge {
    /// The settings with which a bridge of the receipts runs where nothing else is said.
    ///
    /// # Errors
    /// None in practice: the names of the contract are names.
    pub fn settings(hub: HubClient, shutdown: Token) -> anyhow::Result<Settings> {
        let name = |text: &str| Name::parse(text).map_err(anyhow::Error::msg);
        Ok(Settings {
            hub,
            shutdown,
            project: Project::parse("receipt-tracking-application").map_err(anyhow::Error::msg)?,
            topic: name("receipt-updates")?,
            subscription: name("receipt-updates-sub")?,
            dead_letter_topic: None,
            emulator: None,
            max_messages: 4000,
            max_bytes: 32 << 20,
            max_payload: 1023 << 10,
            ack_deadline: Duration::from_secs(60),
            streams: 1,
            drain_timeout: Duration::from_secs(5),
        })
    }

    /// Makes everything ready; nothing is connected yet.
    ///
    /// # Errors
    /// The address of Pub/Sub can't be used.
    pub fn open(settings: Settings) -> anyhow::Result<Self> {
        let registry = service_kit::metrics::registry()?;
        let metrics = Metrics::new(&registry)?;
        let ledger = Ledger::new(settings.max_messages, settings.max_bytes, metrics.clone());
        let status = Status { pubsub: Some("not connected yet".to_owned()), ..Status::default() };
        let shared = Shared {
            settings,
            ledger,
            metrics,
            link: watch::Sender::new(None),
            pulling: watch::Sender::new(true),
            status: Mutex::new(status),
        };
        Ok(Self { shared: Arc::new(shared), registry })
    }

    /// Adds its paths: it has none.
    pub fn configure(&self, _config: &mut ServiceConfig) {}

    /// What operators see.
    #[must_use]
    pub fn operations(&self) -> Operations {
        let this = self.clone();
        Operations {
            name: NAME,
            registry: self.registry.clone(),
            openapi: Description::openapi(),
            health: Arc::new(move || {
                let this = this.clone();
                Box::pin(async move { this.health().await })
            }),
            shutdown: self.shared.settings.shutdown.clone(),
        }
    }

    /// Carries messages until `shutdown` begins. Then it stops pulling, brings to an end what it holds within the drain
    /// timeout, and gives the rest back to Pub/Sub.
    pub async fn run(&self, mut shutdown: Token) {
        let shared = &*self.shared;
        let work = async {
            tokio::join!(
                session::run(shared),
                poster::run(shared),
                acks::run(shared),
                dead::run(shared),
                tick(shared)
            )
        };
        let stop = async {
            shutdown.begun().await;
            drain(shared).await;
        };
        tokio::select! {
            _ = work => {}
            () = stop => {}
        }
    }

    async fn health(&self) -> Health {
        let shared = &self.shared;
        let status = shared.status().clone();
        let health = Health::new();
        let health = match status.pubsub {
            None => health.and("pubsub", State::Healthy, "up"),
            Some(cause) => health.and("pubsub", State::Degraded, json!({"status": "down", "cause": cause})),
        };
        let health = match status.hub {
            Some(cause) => health.and("hub", State::Degraded, json!({"status": "down", "cause": cause})),
            // With nothing to post nobody would notice.
            None if !shared.settings.hub.is_healthy().await => health.and("hub", State::Degraded, "down"),
            None => health.and("hub", State::Healthy, "up"),
        };
        let health = match status.dead_letters {
            None => health,
            Some(cause) => {
                health.and("dead_letters", State::Degraded, json!({"status": "down", "cause": cause}))
            }
        };
        let (waiting, oldest) = shared.ledger.waiting();
        let state = if oldest > LATE.as_secs_f64() { State::Degraded } else { State::Healthy };
        health.and("waiting", state, json!({"messages": waiting, "oldest_seconds": oldest.round()}))
    }
}

async fn tick(shared: &Shared) {
    loop {
        let (_, oldest) = shared.ledger.waiting();
        #[expect(clippy::cast_possible_truncation, reason = "an age in seconds")]
        shared.metrics.oldest_seconds.set(oldest as i64);
        tokio::time::sleep(TICK).await;
    }
}

/// The orderly end: no new messages, what is held to its end, the rest back.
async fn drain(shared: &Shared) {
    let end = tokio::time::Instant::now() + shared.settings.drain_timeout;
    shared.pulling.send_replace(false);
    let mut link = shared.link.subscribe();
    // The session closes its streams, and keeps its connection until nothing is left.
    let streams = async {
        let mut streaming = shared.status().pubsub.is_none();
        while streaming {
            tokio::time::sleep(Duration::from_millis(5)).await;
            streaming = shared.status().pubsub.is_none();
        }
    };
    let _ = tokio::time::timeout(CLOSING * 2, streams).await;
    let mut empty = shared.ledger.empty();
    let drained = async {
        // An error means that the ledger is gone, which lives as long as this.
        let _ = empty.wait_for(|empty| *empty).await;
    };
    if tokio::time::timeout_at(end, drained).await.is_ok() {
        tracing::info!("drained: every message held is published and acknowledged");
        return;
    }
    let left = shared.ledger.unsettled();
    let count = left.len();
    let Some(link) = link.borrow_and_update().clone() else {
        tracing::warn!(messages = count, "Pub/Sub is away: what is held comes again when its time is over");
        return;
    };
    let subscription = shared.settings.subscription_name();
    for ack_ids in left.chunks(acks::MOST) {
        let call = tokio::time::timeout(CLOSING, link.give_back(&subscription, ack_ids.to_vec())).await;
        match call {
            Ok(Ok(())) => shared.metrics.nacked.inc_by(ack_ids.len() as u64),
            _ => {
                tracing::warn!(
                    "not all messages could be given back; they come again when their time is over"
                );
                return;
            }
        }
    }
    tracing::warn!(messages = count, "given back to Pub/Sub: the hub did not take them in time");
}
