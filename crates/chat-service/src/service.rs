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
use utoipa::OpenApi as _;

use crate::desk::Desk;
use crate::metrics::Metrics;
use crate::openapi::Description;
use crate::typing::Typing;
use crate::{http, schema};

/// The service's name, as its health and its traces tell it.
pub const NAME: &str = "chat-service";

/// Its schema on Postgres.
const SCHEMA: &str = "chat_service";

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
    /// The longest message, in bytes of UTF-8; 4,096 by default (issue 8: 4 KB text limit).
    pub max_message: usize,
    /// Messages that one user may send in any 10 s, any number without; 300 by default (contract: socketio).
    pub rate_limit: Option<NonZeroUsize>,
    /// How long somebody counts as typing after the last that was heard of it; 6 s by default (contract: socketio).
    pub typing_timeout: Duration,
}

impl Settings {
    /// The contract's numbers for all that has a default.
    #[must_use]
    pub fn new(location: Location, hub: HubClient, callers: Callers, shutdown: Token) -> Self {
        Self {
            location,
            hub,
            callers,
            shutdown,
            max_message: 4096,
            rate_limit: NonZeroUsize::new(300),
            typing_timeout: Duration::from_secs(6),
        }
    }
}

/// Messages between two users. Cheap to clone.
#[derive(Clone)]
pub struct ChatService {
    pub(crate) desk: Desk,
    pub(crate) callers: Callers,
    pub(crate) watch: Watch,
    hub: HubClient,
    registry: Registry,
    shutdown: Token,
    relaying: Relaying,
}

impl fmt::Debug for ChatService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatService").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl ChatService {
    /// Opens the database and makes everything ready; nothing runs yet.
    ///
    /// # Errors
    /// The database can't be opened, or a setting can't be used.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let migrations = [schema::MIGRATIONS, idempotency::MIGRATIONS, relay::MIGRATIONS];
        let store = Store::open(&settings.location, SCHEMA, &migrations).await?;
        let registry = service_kit::metrics::registry()?;
        let relay = Relay::new(store.clone(), settings.hub.clone(), RelayMetrics::new(&registry)?);
        let relaying = Relaying::new(store.clone(), relay);
        let metrics = Metrics::new(&registry)?;
        let desk = Desk {
            store,
            relay: relaying.handle(),
            idempotency: Idempotency::default(),
            rate: RateLimit::new("messages", settings.rate_limit),
            typing: Typing::new(settings.typing_timeout, metrics.clone()),
            metrics,
            max_message: settings.max_message,
        };
        Ok(Self {
            desk,
            callers: settings.callers,
            watch: Watch::new(NAME, &registry)?,
            hub: settings.hub,
            registry,
            shutdown: settings.shutdown,
            relaying,
        })
    }

    /// Adds the paths under `/api/chat`, and `/hooks/chat`, which takes calls with the service key alone.
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
                Box::pin(async move { this.relaying.health().await })
            }),
            shutdown: self.shutdown.clone(),
        }
    }

    /// Does the background work until `shutdown` begins: carries events to the hub, tells it who types, forgets old
    /// idempotency keys.
    ///
    /// Several instances on one database may run it; each tells of those who type by calls that it took.
    pub async fn run(&self, shutdown: Token) {
        tokio::join!(
            self.relaying.run(shutdown.clone()),
            self.desk.typing.run(&self.hub, shutdown.clone()),
            idempotency::purge_regularly(&self.desk.store, shutdown)
        );
    }

    /// Closes the database once the last statement is done: what SQLite keeps beside its file goes into it. To be called
    /// when nothing is answered any more.
    pub async fn close(&self) {
        self.desk.store.close().await;
    }
}
