//! The service as a whole: what it is made of, its paths, what operators see, and its background work.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use hub_client::{HubClient, Relay, RelayMetrics, relay};
use prometheus::Registry;
use rest::idempotency::{self, Idempotency};
use rest::metrics::Watch;
use rest::{Callers, Operations, RateLimit, Relaying};
use service_kit::shutdown::Token;
use store::{Location, Store};

use crate::clock::Clock;
use crate::desk::{Desk, Limits};
use crate::inbox::{topic, upkeep};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::push::{Push, PushSettings};
use crate::rules::{Rules, RulesSettings};
use crate::{devices, http, ledger, openapi, preferences, push, rules, schema, topics};

/// The service's name, as its health and its traces tell it.
pub const NAME: &str = "notification-service";

/// Its schema on Postgres.
const SCHEMA: &str = "notification_service";

/// What the service is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where its database is.
    pub location: Location,
    /// The hub that its events go to.
    pub hub: HubClient,
    /// Who may call.
    pub callers: Callers,
    /// When the process stops: its health says so.
    pub shutdown: Token,
    /// The time; the system's by default.
    pub clock: Clock,
    /// How long a notification is kept; 90 days by default.
    pub retention: Duration,
    /// Notifications kept for one user; 100,000 by default. Beyond it the oldest go.
    pub per_user: NonZeroUsize,
    /// Notifications that a user may create for themselves in any 10 s, any number without; 100 by default.
    pub rate_limit: Option<NonZeroUsize>,
    /// How phones are reached.
    pub push: PushSettings,
    /// What is made from events.
    pub rules: RulesSettings,
}

impl Settings {
    /// The defaults for all that has one.
    #[must_use]
    pub fn new(location: Location, hub: HubClient, callers: Callers, shutdown: Token) -> Self {
        Self {
            location,
            hub,
            callers,
            shutdown,
            clock: Clock::system(),
            retention: Duration::from_secs(90 * 86_400),
            per_user: NonZeroUsize::new(100_000).unwrap_or(NonZeroUsize::MAX),
            rate_limit: NonZeroUsize::new(100),
            push: PushSettings::default(),
            rules: RulesSettings::default(),
        }
    }
}

/// Notifications of users. Cheap to clone.
#[derive(Clone)]
pub struct NotificationService {
    pub(crate) desk: Desk,
    pub(crate) callers: Callers,
    pub(crate) watch: Watch,
    registry: Registry,
    shutdown: Token,
    relaying: Relaying,
}

impl fmt::Debug for NotificationService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationService").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl NotificationService {
    /// Opens the database and makes everything ready; nothing runs yet.
    ///
    /// # Errors
    /// The database can't be opened, or a setting can't be used.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let migrations = [
            schema::MIGRATIONS,
            push::MIGRATIONS,
            devices::MIGRATIONS,
            topics::MIGRATIONS,
            preferences::MIGRATIONS,
            ledger::MIGRATIONS,
            rules::MIGRATIONS,
            idempotency::MIGRATIONS,
            relay::MIGRATIONS,
        ];
        let registry = service_kit::metrics::registry()?;
        let push = Push::new(settings.push, &registry)?;
        let rules = Rules::new(settings.rules, &registry)?;
        let store = Store::open(&settings.location, SCHEMA, &migrations).await?;
        let relay = Relay::new(store.clone(), settings.hub.clone(), RelayMetrics::new(&registry)?);
        let relaying = Relaying::new(store.clone(), relay);
        let desk = Desk {
            store,
            relay: relaying.handle(),
            idempotency: Idempotency::default(),
            metrics: Metrics::new(&registry)?,
            rate: RateLimit::new("notifications", settings.rate_limit),
            topics: Arc::default(),
            clock: settings.clock,
            hub: settings.hub,
            push,
            ledger: Ledger::new(&registry)?,
            rules,
            limits: Limits {
                retention: i64::try_from(settings.retention.as_micros()).unwrap_or(i64::MAX),
                per_user: i64::try_from(settings.per_user.get()).unwrap_or(i64::MAX),
            },
        };
        Ok(Self {
            desk,
            callers: settings.callers,
            watch: Watch::new(NAME, &registry)?,
            registry,
            shutdown: settings.shutdown,
            relaying,
        })
    }

    /// Adds the paths under `/api/notifications` and `/api/fcm`, and `/hooks/notifications` and `/hooks/deliveries`, which
    /// take calls with the service key alone.
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
            openapi: openapi::document(),
            health: Arc::new(move || {
                let this = this.clone();
                Box::pin(async move { this.desk.rules.health(this.relaying.health().await) })
            }),
            shutdown: self.shutdown.clone(),
        }
    }

    /// Does the background work until `shutdown` begins: carries events to the hub, lets notifications expire, removes what
    /// is too old, carries out topics' jobs, pushes, follows the hub's feed.
    ///
    /// Several instances on one database may run it.
    pub async fn run(&self, shutdown: Token) {
        tokio::join!(
            self.relaying.run(shutdown.clone()),
            upkeep::run(&self.desk, shutdown.clone()),
            topic::run(&self.desk, shutdown.clone()),
            push::run(&self.desk, shutdown.clone()),
            ledger::run(&self.desk, shutdown.clone()),
            rules::run(&self.desk, shutdown.clone()),
            idempotency::purge_regularly(&self.desk.store, shutdown)
        );
    }

    /// Closes the database once the last statement is done: what SQLite keeps beside its file goes into it. To be called
    /// when nothing is answered any more.
    pub async fn close(&self) {
        self.desk.store.close().await;
    }
}
