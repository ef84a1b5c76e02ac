//! The service as a whole: what it is made of, its paths, what operators see, and its background work.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::ServiceConfig;
use hub_client::{Backlog, HubClient, Relay, RelayMetrics, relay};
use prometheus::Registry;
use rest::idempotency::{self, Idempotency};
use rest::metrics::Watch;
use rest::operations::State;
use rest::{Callers, Health, Operations};
use serde_json::json;
use service_kit::shutdown::Token;
use store::{Location, Store, now_micros};
use tokio::sync::Notify;
use utoipa::OpenApi as _;

use crate::desk::Desk;
use crate::metrics::Metrics;
use crate::openapi::Description;
use crate::payment::{PaymentSettings, Payments};
use crate::{http, scheduler, schema, table};

/// The service's name, as its health and its traces tell it.
pub const NAME: &str = "job-service";

/// Its schema on Postgres.
const SCHEMA: &str = "job_service";

/// How often old idempotency keys are looked for.
const PURGE: Duration = Duration::from_secs(600);

/// An event that waits longer, or a step, is told as degraded: a service that restarts is back within a minute.
const OVERDUE: Duration = Duration::from_secs(60);

/// What a row's lease has beyond the longest that its owner can take: time for two commits on a busy machine.
const MARGIN: Duration = Duration::from_secs(1);

/// What the service is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its database is.
    pub location: Location,
    /// The hub that its events go to.
    pub hub: HubClient,
    /// Who may call.
    pub callers: Callers,
    /// How the payment service is reached.
    pub payment: PaymentSettings,
    /// When the process stops: its health says so.
    pub shutdown: Token,
}

/// PayChain's jobs. Cheap to clone.
#[derive(Clone)]
pub struct JobService {
    pub(crate) desk: Desk,
    pub(crate) callers: Callers,
    pub(crate) idempotency: Idempotency,
    pub(crate) watch: Watch,
    registry: Registry,
    shutdown: Token,
    /// Taken by the first [`JobService::run`].
    relay: Arc<Mutex<Option<Relay>>>,
}

impl fmt::Debug for JobService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobService").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl JobService {
    /// Opens the database and makes everything ready; nothing runs yet.
    ///
    /// # Errors
    /// The database can't be opened, or a setting can't be used.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let migrations = [schema::MIGRATIONS, idempotency::MIGRATIONS, relay::MIGRATIONS];
        let store = Store::open(&settings.location, SCHEMA, &migrations).await?;
        let registry = service_kit::metrics::registry()?;
        let relay = Relay::new(store.clone(), settings.hub, RelayMetrics::new(&registry)?);
        let desk = Desk {
            store,
            payments: Payments::new(&settings.payment)?,
            relay: relay.handle(),
            metrics: Metrics::new(&registry)?,
            left: Arc::new(Notify::new()),
            untold: Arc::new(Notify::new()),
            lease: settings.payment.patience + settings.payment.call + MARGIN,
            short_lease: settings.payment.call + MARGIN,
        };
        Ok(Self {
            desk,
            callers: settings.callers,
            idempotency: Idempotency::default(),
            watch: Watch::new(NAME, &registry)?,
            registry,
            shutdown: settings.shutdown,
            relay: Arc::new(Mutex::new(Some(relay))),
        })
    }

    /// Adds the paths under `/jobs`.
    pub fn configure(&self, config: &mut ServiceConfig) {
        http::configure(self, config);
    }

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
            shutdown: self.shutdown.clone(),
        }
    }

    /// Does the background work until `shutdown` begins: carries events to the hub, refunds expired jobs, brings left
    /// steps to their end, tells payments of their workers, forgets old idempotency keys. What is under way is ended
    /// in order, which takes as long as a call to the payment service may take.
    ///
    /// Several instances on one database may run it. Within one process only the first call carries events.
    pub async fn run(&self, shutdown: Token) {
        let relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut stop = shutdown.clone();
        let carry = async {
            if let Some(relay) = relay {
                relay.run(async move { stop.begun().await }).await;
            }
        };
        tokio::join!(
            carry,
            scheduler::run(self.desk.clone(), shutdown.clone()),
            scheduler::tell(self.desk.clone(), shutdown.clone()),
            self.purge(shutdown)
        );
    }

    async fn purge(&self, mut stop: Token) {
        while !stop.is_begun() {
            if let Err(error) = idempotency::purge(&self.desk.store).await {
                tracing::debug!(%error, "old idempotency keys stay for now");
            }
            tokio::select! {
                () = stop.begun() => {}
                () = tokio::time::sleep(PURGE) => {}
            }
        }
    }

    async fn health(&self) -> Health {
        let store = &self.desk.store;
        let overdue = |age: Duration| if age > OVERDUE { State::Degraded } else { State::Healthy };
        let (answers, payment) = tokio::join!(store.answers(), self.desk.payments.answers());
        let mut health = Health::new();
        health = match answers {
            true => health.and("database", State::Healthy, "up"),
            false => health.and("database", State::Unhealthy, "down"),
        };
        health = match payment {
            true => health.and("payment", State::Healthy, "up"),
            false => health.and("payment", State::Degraded, "down"),
        };
        if let Ok(backlog) = Backlog::read(store).await {
            let state = if backlog.parked > 0 { State::Degraded } else { overdue(backlog.oldest) };
            let (waiting, parked) = (backlog.waiting, backlog.parked);
            let value =
                json!({"backlog": waiting, "oldest_seconds": backlog.oldest.as_secs(), "parked": parked});
            health = health.and("relay", state, value);
        }
        if let Ok((pending, since)) = table::steps(store).await {
            let age = since.map_or(0, |since| now_micros().saturating_sub(since).max(0));
            let age = Duration::from_micros(age.unsigned_abs());
            let value = json!({"pending": pending, "oldest_seconds": age.as_secs()});
            health = health.and("steps", overdue(age), value);
        }
        health
    }
}
