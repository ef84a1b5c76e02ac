//! The service as a whole: what it is told, how it starts, what it does beside answering, and how it is.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use anyhow::Context as _;
use events::Usd;
use hub_client::{HubClient, Relay, RelayMetrics, relay};
use prometheus::Registry;
use rest::idempotency::{self, Idempotency};
use rest::metrics::Watch;
use rest::operations::State;
use rest::{Callers, Health, Operations, Relaying};
use service_kit::settings::values::Environment;
use service_kit::shutdown::Token;
use store::{Location, Store};

use crate::announce::PaymentsChannel;
use crate::books::{Books, CHECK_EVERY};
use crate::http::Api;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::payments::Payments;
use crate::{openapi, schema};

/// Its name in answers and logs.
pub const NAME: &str = "payment-service";

/// Its schema on Postgres.
const SCHEMA: &str = "payment_service";

/// With what a new employer's wallet begins outside production (contract: services, Jobs and money).
pub const DEMO_BALANCE: Usd = Usd::from_cents(1_000_000);

/// What the service is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its database is.
    pub location: Location,
    /// The hub that gets its events.
    pub hub: HubClient,
    /// Whom it believes. Without a service key nobody can hold, release or refund.
    pub callers: Callers,
    /// In production nobody can deposit, and wallets begin empty unless [`Self::demo_balance`] says otherwise.
    pub environment: Environment,
    /// With what a new employer's wallet begins. `None`: [`DEMO_BALANCE`], in production 0.
    pub demo_balance: Option<Usd>,
    /// Who hears of payments. The channel and the parties by default.
    pub payments_channel: PaymentsChannel,
    /// How often the books are checked; [`CHECK_EVERY`] by default.
    pub books_check: Duration,
    /// Tells `/health` that the process is stopping.
    pub shutdown: Token,
}

impl Settings {
    /// The defaults of a development machine.
    #[must_use]
    pub fn new(location: Location, hub: HubClient, callers: Callers, shutdown: Token) -> Self {
        Self {
            location,
            hub,
            callers,
            environment: Environment::Development,
            demo_balance: None,
            payments_channel: PaymentsChannel::default(),
            books_check: CHECK_EVERY,
            shutdown,
        }
    }

    fn first_balance(&self) -> Usd {
        self.demo_balance.unwrap_or(match self.environment {
            Environment::Development => DEMO_BALANCE,
            Environment::Production => Usd::ZERO,
        })
    }
}

/// The payment service. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct PaymentService(Arc<Inner>);

struct Inner {
    store: Store,
    api: Data<Api>,
    watch: Watch,
    books: Books,
    books_check: Duration,
    registry: Registry,
    shutdown: Token,
    relaying: Relaying,
}

impl PaymentService {
    /// Opens the database, brings its tables up to date and looks at the books.
    ///
    /// # Errors
    /// The database can't be opened or read.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let migrations = &[idempotency::MIGRATIONS, relay::MIGRATIONS, schema::MIGRATIONS];
        let store = Store::open(&settings.location, SCHEMA, migrations).await?;
        let registry = service_kit::metrics::registry().context("the metrics")?;
        let watch = Watch::new(NAME, &registry).context("the metrics")?;
        let metrics = Metrics::new(&registry).context("the metrics")?;
        let relay_metrics = RelayMetrics::new(&registry).context("the metrics")?;
        let relay = Relay::new(store.clone(), settings.hub.clone(), relay_metrics);
        let relaying = Relaying::new(store.clone(), relay);
        let ledger = Ledger::open(store.clone(), settings.first_balance()).await.context("the ledger")?;
        let books = Books::open(store.clone(), metrics.clone()).await.context("the books")?;
        let payments = Payments {
            store: store.clone(),
            ledger,
            relay: relaying.handle(),
            channel: settings.payments_channel,
            metrics,
        };
        let api = Api {
            payments,
            callers: settings.callers,
            keys: Idempotency::default(),
            environment: settings.environment,
        };
        Ok(Self(Arc::new(Inner {
            store,
            api: Data::new(api),
            watch,
            books,
            books_check: settings.books_check,
            registry,
            shutdown: settings.shutdown,
            relaying,
        })))
    }

    /// Adds the service's paths to an application.
    pub fn configure(&self, config: &mut ServiceConfig) {
        crate::http::configure(config, &self.0.watch, &self.0.api);
    }

    /// What operators see of it.
    #[must_use]
    pub fn operations(&self) -> Operations {
        let this = self.clone();
        Operations {
            name: NAME,
            registry: self.0.registry.clone(),
            openapi: openapi::description(),
            health: Arc::new(move || {
                let this = this.clone();
                Box::pin(async move { this.health().await })
            }),
            shutdown: self.0.shutdown.clone(),
        }
    }

    /// Carries events to the hub, checks the books and forgets old idempotency keys, until `shutdown` begins. To be
    /// called once; a second call carries no events.
    pub async fn run(&self, shutdown: Token) {
        tokio::join!(
            self.0.relaying.run(shutdown.clone()),
            self.0.books.run(self.0.books_check, shutdown.clone()),
            idempotency::purge_regularly(&self.0.store, shutdown),
        );
    }

    /// Closes the database once the last statement is done: what SQLite keeps beside its file goes into it. To be called
    /// when nothing is answered any more.
    pub async fn close(&self) {
        self.0.store.close().await;
    }

    async fn health(&self) -> Health {
        let health = self.0.relaying.health().await;
        match self.0.books.balance() {
            true => health.and("books", State::Healthy, "balanced"),
            false => health.and("books", State::Unhealthy, "unbalanced"),
        }
    }
}

impl std::fmt::Debug for PaymentService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaymentService").field("store", &self.0.store).finish_non_exhaustive()
    }
}
