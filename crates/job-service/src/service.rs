//! The service as a whole: what it is made of, its paths, what operators see, and its background work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use hub_client::{HubClient, Relay, RelayMetrics, relay};
use prometheus::Registry;
use rest::idempotency::{self, Idempotency};
use rest::metrics::Watch;
use rest::operations::State;
use rest::{Callers, Health, Operations, Relaying};
use serde_json::json;
use service_kit::arguments::Secret;
use service_kit::shutdown::Token;
use store::{Location, Store, now_micros};
use tokio::sync::Notify;
use utoipa::OpenApi as _;

use crate::desk::Desk;
use crate::metrics::Metrics;
use crate::openapi::Description;
use crate::payment::{LEAST, PaymentSettings, Payments};
use crate::{http, scheduler, schema, table};

/// The service's name, as its health and its traces tell it.
pub const NAME: &str = "job-service";

/// Its schema on Postgres.
const SCHEMA: &str = "job_service";

/// A step that waits longer is told as degraded: a service that restarts is back within a minute.
const OVERDUE: Duration = Duration::from_secs(60);

/// What a row's lease has beyond the longest that its owner can take: time for two commits on a busy machine. The lease
/// of a call is 2.25 s with that. Where its owner died just before the job's deadline, a turn of the scheduler (0.5 s), the
/// fence and the refund come behind it, well within the 5 s that an expired job may wait (contract: services), also with
/// a payment service that takes a second for each. An owner that takes longer is no harm: see [`crate::desk`].
const MARGIN: Duration = Duration::from_millis(500);

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
    relaying: Relaying,
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
        let relaying = Relaying::new(store.clone(), relay);
        let desk = Desk {
            store,
            payments: Payments::new(&settings.payment)?,
            relay: relaying.handle(),
            metrics: Metrics::new(&registry)?,
            left: Arc::new(Notify::new()),
            untold: Arc::new(Notify::new()),
            lease: settings.payment.patience + LEAST + MARGIN,
            short_lease: settings.payment.call + MARGIN,
        };
        Ok(Self {
            desk,
            callers: settings.callers,
            idempotency: Idempotency::default(),
            watch: Watch::new(NAME, &registry)?,
            registry,
            shutdown: settings.shutdown,
            relaying,
        })
    }

    /// Adds the paths under `/jobs`.
    pub fn configure(&self, config: &mut ServiceConfig) {
        http::configure(self, config);
    }

    /// Shows the payment service another key from now on; one that can't stand in a header changes nothing.
    pub fn set_payment_key(&self, key: Option<&Secret>) {
        if let Err(error) = self.desk.payments.set_key(key) {
            tracing::error!("the payment service is shown the key before: {error}");
        }
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
        tokio::join!(
            self.relaying.run(shutdown.clone()),
            scheduler::run(self.desk.clone(), shutdown.clone()),
            scheduler::tell(self.desk.clone(), shutdown.clone()),
            idempotency::purge_regularly(&self.desk.store, shutdown)
        );
    }

    /// Closes the database once the last statement is done: what SQLite keeps beside its file goes into it. To be called
    /// when nothing is answered any more.
    pub async fn close(&self) {
        self.desk.store.close().await;
    }

    async fn health(&self) -> Health {
        let (health, payment) = tokio::join!(self.relaying.health(), self.desk.payments.answers());
        let mut health = match payment {
            true => health.and("payment", State::Healthy, "up"),
            false => health.and("payment", State::Degraded, "down"),
        };
        if let Ok((pending, since)) = table::steps(&self.desk.store).await {
            let age = since.map_or(0, |since| now_micros().saturating_sub(since).max(0));
            let age = Duration::from_micros(age.unsigned_abs());
            let value = json!({"pending": pending, "oldest_seconds": age.as_secs()});
            let state = if age > OVERDUE { State::Degraded } else { State::Healthy };
            health = health.and("steps", state, value);
        }
        health
    }
}
