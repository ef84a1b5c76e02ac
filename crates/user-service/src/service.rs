//! The service as a whole: opened from its settings, put behind its paths, kept at work in the background.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use anyhow::Context as _;
use auth::{Jwks, JwtSettings, Verifier};
use hub_client::{Relay, RelayMetrics};
use prometheus::Registry;
use rest::metrics::Watch;
use rest::operations::State;
use rest::{Callers, Health, Operations, Relaying};
use serde_json::json;
use service_kit::shutdown::Token;
use store::Store;

use crate::accounts::{Accounts, Lifetimes};
use crate::api;
use crate::counters::Counters;
use crate::keys::Keys;
use crate::passwords::Passwords;
use crate::peers::Peers;
use crate::settings::Settings;
use crate::tables::{self, MIGRATIONS};

/// The service's name, to operators.
pub const NAME: &str = "user-service";

/// The user service. Cheap to clone.
#[derive(Clone)]
pub struct UserService {
    accounts: Arc<Accounts>,
    watch: Watch,
    registry: Registry,
    relaying: Relaying,
    shutdown: Token,
}

impl std::fmt::Debug for UserService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserService").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

impl UserService {
    /// Opens the database, makes the first signing key where there is none, and gets ready for calls.
    ///
    /// # Errors
    /// The database can't be opened, or a key can't be used.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let store =
            Store::open(&settings.location, "user_service", &[MIGRATIONS, hub_client::relay::MIGRATIONS])
                .await?;
        let keys = Keys::open(store.clone(), settings.key_rotation, settings.access_lifetime).await?;
        let registry = service_kit::metrics::registry()?;
        let watch = Watch::new(NAME, &registry)?;
        let relay = Relay::new(store.clone(), settings.hub, RelayMetrics::new(&registry)?);
        let relaying = Relaying::new(store.clone(), relay);
        let counters = Counters::new(&registry)?;
        let hashes = counters.hashes.clone();
        let at_once = settings.hashes_at_once;
        let passwords = tokio::task::spawn_blocking(move || Passwords::new(at_once, hashes)).await??;
        let (issuer, audience) =
            (settings.jwt.issuers.first().cloned(), settings.jwt.audiences.first().cloned());
        let jwt = JwtSettings { jwks: None, local: Some(Arc::clone(keys.local())), ..settings.jwt };
        let verifier = Verifier::new(jwt).context("the callers' tokens")?;
        let accounts = Accounts {
            store,
            keys,
            callers: Callers::new(Arc::new(verifier), settings.service_key.as_ref()),
            passwords,
            peers: Peers::new(settings.login_rate_limit),
            counters,
            relay: relaying.handle(),
            lifetimes: Lifetimes { access: settings.access_lifetime, refresh: settings.refresh_lifetime },
            issuer,
            audience,
        };
        Ok(Self { accounts: Arc::new(accounts), watch, registry, relaying, shutdown: settings.shutdown })
    }

    /// Adds the service's paths: `/auth`, `/users` and `/.well-known/jwks.json`.
    pub fn configure(&self, config: &mut ServiceConfig) {
        api::configure(config, &self.watch, Data::from(Arc::clone(&self.accounts)));
    }

    /// The public keys of the access tokens, kept up to date by [`UserService::run`]: for verifiers in this process
    /// ([`JwtSettings::local`]).
    #[must_use]
    pub fn keys(&self) -> Arc<Jwks> {
        Arc::clone(self.accounts.keys.local())
    }

    /// Who knows its callers.
    #[must_use]
    pub fn callers(&self) -> &Callers {
        &self.accounts.callers
    }

    /// What operators see.
    #[must_use]
    pub fn operations(&self) -> Operations {
        let this = self.clone();
        Operations {
            name: NAME,
            registry: self.registry.clone(),
            openapi: api::openapi(),
            health: Arc::new(move || {
                let this = this.clone();
                Box::pin(async move { this.health().await })
            }),
            shutdown: self.shutdown.clone(),
        }
    }

    /// The background work: events to the hub, the keys' rotation, and the removal of what has expired. Ends soon after
    /// the shutdown begins. To be called once; a second call does all but the events.
    pub async fn run(&self, shutdown: Token) {
        let keys = &self.accounts.keys;
        tokio::join!(self.relaying.run(shutdown.clone()), keys.run(shutdown.clone()), self.purge(shutdown));
    }

    /// Closes the database once the last statement is done: what SQLite keeps beside its file goes into it. To be called
    /// when nothing is answered any more.
    pub async fn close(&self) {
        self.accounts.store.close().await;
    }

    async fn purge(&self, mut shutdown: Token) {
        loop {
            if let Err(error) = tables::purge(&self.accounts.store).await {
                tracing::warn!(%error, "what has expired can't be removed; trying again later");
            }
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(tables::PURGE_EVERY) => {}
            }
        }
    }

    async fn health(&self) -> Health {
        let keys = self.accounts.keys.status();
        let state = if keys.overdue { State::Degraded } else { State::Healthy };
        let told = json!({"published": keys.published, "newest_age_seconds": keys.newest.as_secs()});
        self.relaying.health().await.and("keys", state, told)
    }
}
