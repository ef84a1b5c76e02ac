//! The event relay inside a service: run until the process stops, and told about in `/health`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hub_client::{Backlog, Relay, RelayHandle};
use serde_json::json;
use service_kit::shutdown::Token;
use store::Store;

use crate::operations::{Health, State};

/// An event that waits longer makes its service degraded: a hub that restarts is back well before.
pub const LATE: Duration = Duration::from_secs(60);

/// A service's relay. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Relaying {
    store: Store,
    handle: RelayHandle,
    /// Until [`Relaying::run`] takes it.
    relay: Arc<Mutex<Option<Relay>>>,
}

impl Relaying {
    /// The relay of this database.
    #[must_use]
    pub fn new(store: Store, relay: Relay) -> Self {
        Self { store, handle: relay.handle(), relay: Arc::new(Mutex::new(Some(relay))) }
    }

    /// For those who write events.
    #[must_use]
    pub fn handle(&self) -> RelayHandle {
        self.handle.clone()
    }

    /// Carries events to the hub until `shutdown` begins. A second call does nothing.
    pub async fn run(&self, mut shutdown: Token) {
        let relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(relay) = relay {
            relay.run(async move { shutdown.begun().await }).await;
        }
    }

    /// How the database is, the relay, and the hub as far as the relay knows: `database`, `relay` with `backlog`,
    /// `oldest_seconds` and `parked`, and `hub`.
    pub async fn health(&self) -> Health {
        if !self.store.answers().await {
            return Health::new().and("database", State::Unhealthy, "down");
        }
        let health = Health::new().and("database", State::Healthy, "up");
        let health = match self.handle.gets_through() {
            true => health.and("hub", State::Healthy, "up"),
            false => health.and("hub", State::Degraded, "down"),
        };
        match Backlog::read(&self.store).await {
            Ok(backlog) => {
                let wrong = backlog.parked > 0 || backlog.oldest > LATE;
                let state = if wrong { State::Degraded } else { State::Healthy };
                let told = json!({
                    "backlog": backlog.waiting,
                    "oldest_seconds": backlog.oldest.as_secs(),
                    "parked": backlog.parked,
                });
                health.and("relay", state, told)
            }
            Err(error) => {
                tracing::warn!(%error, "the relay's backlog can't be read");
                health.and("relay", State::Unhealthy, "unknown")
            }
        }
    }
}
