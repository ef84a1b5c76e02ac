//! Another configuration while the hub runs: what of it holds at once, and what needs a restart.
//!
//! Everything that could fail is made first; only then anything is put in force, so that a reload is all or nothing. What
//! needs a restart is compared with the configuration of the start, what changes with the one in force. No connection ends
//! by a reload, but for those of an endpoint whose channel the rules no longer allow them.
//!
//! Not here: when it is read (`service_kit::reload`), how (`config`), and what new rules do to subscriptions (the engine).

use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use hub::{Bounds, EndpointBounds, EndpointIndex};
use service_kit::arguments::Secret;
use service_kit::reload::{Applied, Differs, differs};
use service_kit::settings::SettingsError;
use service_kit::telemetry;

use crate::config::{Config, Endpoint, Namespace, SocketIo, Warning};
use crate::state::State;
use crate::tls::{self, Certificates};

/// Puts another configuration in force. Clones are the same one.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    certificates: Option<Arc<Certificates>>,
    /// The key of this process' other parts.
    internal: Option<Secret>,
    open_files: u64,
    /// What the process was started with.
    started: Config,
    /// What is in force, as far as it can change. Held while another is put in its place.
    current: Mutex<Config>,
}

impl Reloader {
    pub(crate) fn new(
        state: Arc<State>,
        config: &Config,
        certificates: Option<Arc<Certificates>>,
        internal: Option<Secret>,
        open_files: u64,
    ) -> Self {
        let (started, current) = (config.clone(), Mutex::new(config.clone()));
        Self(Arc::new(Inner { state, certificates, internal, open_files, started, current }))
    }

    /// Puts a checked configuration in force, as far as that needs no restart, and tells what is different.
    ///
    /// # Errors
    /// A key or a certificate of it can't be used; then nothing has changed.
    pub fn apply(&self, mut new: Config) -> Result<Applied, SettingsError> {
        let Inner { state, certificates, internal, open_files, started, current } = &*self.0;
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = |error: anyhow::Error| SettingsError::new(format!("{error:#}"));

        let mut applied = Applied::default();
        tell_restart(&mut applied, started, &new);
        if started.service_key.is_some() != new.service_key.is_some() {
            new.service_key = started.service_key.clone();
        }
        // All that can fail.
        let access = state.access().renewed(&new, internal.as_ref()).map_err(wrong)?;
        let certified = match (certificates, &new.listen.tls) {
            (Some(_), Some(files)) => Some(tls::certified(files).map_err(wrong)?),
            _ => None,
        };
        let (connections, lowered) = new.limits.connections(*open_files);

        // From here on nothing does.
        let is_new = |warning: &&Warning| !current.warnings.contains(warning);
        applied.warnings = new.warnings.iter().filter(is_new).map(ToString::to_string).collect();
        let is_asked_for = current.limits.connections_wanted != new.limits.connections_wanted;
        applied.warnings.extend(lowered.filter(|_| is_asked_for).map(|warning| warning.to_string()));
        // Whether there are users at all stays as it was at the start.
        new.rules = new.rules.with_identities(started.auth.identities());
        let keeps_as = current.rules.keeps_as(&new.rules);
        if state.hub.set_rules(new.rules.clone()) {
            applied.changed.push(if keeps_as {
                "channel rules".to_owned()
            } else {
                "channel rules (history: for streams that begin from now on)".to_owned()
            });
        }
        tell_access(&mut applied, &current, &new);
        state.access.store(Arc::new(access));
        if let (Some(before), Some(now)) = (&started.service_key, &new.service_key) {
            let key = now.get();
            applied.changed("SERVICE_API_KEY", differs(&*before.get(), &*key));
            before.set((*key).clone());
        }
        if let (Some(certificates), Some(certified)) = (certificates, certified)
            && certificates.renew(certified)
        {
            applied.changed.push("TLS_CERT_FILE".to_owned());
        }
        let limits = new.limits.engine(connections, &new.storage, new.idempotency);
        state.hub.set_bounds(Bounds {
            channels: limits.channels,
            outbox_bytes: limits.outbox_bytes,
            outbox_frames: limits.outbox_frames,
            connections: limits.connections,
            queue_publications: limits.queue_publications,
            queue_bytes: limits.queue_bytes,
            offline_grace: limits.offline_grace,
        });
        state.max_body.store(new.limits.body, Ordering::Relaxed);
        tell_limits(&mut applied, &current, &new);
        if has_same_places(started, &new) {
            let places = new.endpoints.iter().map(|endpoint| endpoint.engine(&limits));
            let namespaces = new.socketio.namespaces.iter().map(|namespace| namespace.engine(&limits));
            for (place, endpoint) in places.chain(namespaces).enumerate() {
                let Ok(place) = EndpointIndex::try_from(place) else { break };
                let (rate, connections_per_user) = (endpoint.rate.get(), endpoint.connections_per_user.get());
                state.hub.set_endpoint_bounds(place, EndpointBounds { rate, connections_per_user });
            }
        }
        applied.changed("RUST_LOG", differs(&current.logging.filter, &new.logging.filter));
        telemetry::set_filter(&new.logging.filter);
        *current = new;
        Ok(applied)
    }
}

/// Who may do what: what is different.
fn tell_access(applied: &mut Applied, before: &Config, now: &Config) {
    applied.changed("API keys", differs(&before.auth.api_keys, &now.auth.api_keys));
    applied.changed("CORS_ALLOWED_ORIGINS", differs(&before.browsers.origins, &now.browsers.origins));
    applied.changed("ALLOWED_HOSTS", alike(&before.browsers.allowed_hosts, &now.browsers.allowed_hosts));
    if let (Some(before), Some(now)) = (&before.auth.jwt, &now.auth.jwt) {
        applied.changed("JWT_SECRET", differs(&before.secret, &now.secret));
        applied.changed("JWT_PUBLIC_KEY_FILE", differs(&before.public_key_file, &now.public_key_file));
        applied.changed("JWT_ISSUER", differs(&before.issuers, &now.issuers));
        applied.changed("JWT_AUDIENCE", differs(&before.audiences, &now.audiences));
    }
}

/// Limits that hold at once: what is different.
fn tell_limits(applied: &mut Applied, before: &Config, now: &Config) {
    let (old, new) = (&before.limits, &now.limits);
    applied.changed("WS_RATE_LIMIT", differs(&old.rate, &new.rate));
    applied.changed("MAX_BODY", differs(&old.body, &new.body));
    applied.changed("MAX_CONNECTIONS", differs(&old.connections_wanted, &new.connections_wanted));
    let per_user = differs(&old.connections_per_user, &new.connections_per_user);
    applied.changed("MAX_CONNECTIONS_PER_USER", per_user);
    applied.changed("MAX_CHANNELS", differs(&old.channels, &new.channels));
    applied.changed("OUTBOX_MAX_BYTES", differs(&old.outbox_bytes, &new.outbox_bytes));
    applied.changed("OUTBOX_MAX_FRAMES", differs(&old.outbox_frames, &new.outbox_frames));
    applied.changed("QUEUE_MAX_BYTES", differs(&old.queue_bytes, &new.queue_bytes));
    let publications = differs(&old.queue_publications, &new.queue_publications);
    applied.changed("QUEUE_MAX_PUBLICATIONS", publications);
    applied.changed("SOCKETIO_OFFLINE_GRACE", differs(&old.offline_grace, &new.offline_grace));
    let bounds = |endpoints: &[Endpoint]| -> Vec<_> {
        endpoints.iter().map(|endpoint| (endpoint.rate, endpoint.connections_per_user)).collect()
    };
    applied.changed("limits of [[endpoints]]", differs(&bounds(&before.endpoints), &bounds(&now.endpoints)));
    let bounds = |namespaces: &[Namespace]| -> Vec<_> {
        namespaces.iter().map(|namespace| (namespace.rate, namespace.connections_per_user)).collect()
    };
    let (old, new) = (bounds(&before.socketio.namespaces), bounds(&now.socketio.namespaces));
    applied.changed("limits of [[namespaces]]", differs(&old, &new));
}

/// What the process was made from, and is not made of anew: what is different.
fn tell_restart(applied: &mut Applied, started: &Config, now: &Config) {
    applied.restart("HOST, PORT", differs(&started.listen.address, &now.listen.address));
    let has_tls = |config: &Config| config.listen.tls.is_some();
    applied.restart("TLS_CERT_FILE (on or off)", differs(&has_tls(started), &has_tls(now)));
    applied.restart("SHARDS, WORKERS", alike(&started.threads, &now.threads));
    applied.restart("FANFARE_ENV", differs(&started.environment, &now.environment));
    let has_keys = |config: &Config| config.auth.jwt.is_some();
    applied.restart("JWT keys (some or none)", differs(&has_keys(started), &has_keys(now)));
    let jwks = |config: &Config| config.auth.jwt.as_ref().and_then(|jwt| jwt.jwks_url.clone());
    applied.restart("JWKS_URL", differs(&jwks(started), &jwks(now)));
    let has_key = |config: &Config| config.service_key.is_some();
    applied.restart("SERVICE_API_KEY (set or not)", differs(&has_key(started), &has_key(now)));
    applied.restart("[[endpoints]], WS_AUTH, DASHBOARD_AUTH", alike(&places(started), &places(now)));
    applied.restart("[[namespaces]], SOCKETIO_*", alike(&socketio(started), &socketio(now)));
    applied.restart("[[hooks]], HOOKS_*", alike(&started.hooks, &now.hooks));
    applied.restart("[[delivery_hooks]]", alike(&started.deliveries, &now.deliveries));
    applied.restart("[[feeds]]", alike(&started.feeds, &now.feeds));
    let (old, new) = (&started.limits, &now.limits);
    applied.restart("WS_MAX_MESSAGE", differs(&old.message, &new.message));
    applied.restart("PING_INTERVAL", differs(&old.ping_interval, &new.ping_interval));
    applied.restart("PING_TIMEOUT", differs(&old.ping_timeout, &new.ping_timeout));
    applied.restart("HANDSHAKE_TIMEOUT", differs(&old.handshake, &new.handshake));
    applied.restart("REQUEST_TIMEOUT", differs(&old.request, &new.request));
    applied.restart("DEFLATE_MIN_SIZE", differs(&old.deflate_from, &new.deflate_from));
    applied.restart("IDEMPOTENCY_*", alike(&started.idempotency, &now.idempotency));
    let redis = |config: &Config| config.cluster.as_ref().map(|cluster| cluster.url.clone());
    let is_same_redis =
        redis(started) == redis(now) && format!("{:?}", started.cluster) == format!("{:?}", now.cluster);
    applied.restart("REDIS_*, NODE_NAME", if is_same_redis { Differs::No } else { Differs::Yes });
    applied.restart("NODE_TAG", alike(&started.listen.node_tag, &now.listen.node_tag));
    applied.restart("storage", alike(&started.storage, &now.storage));
    applied.restart("DRAIN_*", alike(&started.drain, &now.drain));
    applied.restart("LOG_FORMAT", differs(&started.logging.format, &now.logging.format));
    applied.restart("--protocol-test", differs(&started.protocol_test, &now.protocol_test));
}

/// Whether two things look the same; secrets in them all look the same, and are compared by those who know them.
fn alike(before: &impl Debug, now: &impl Debug) -> Differs {
    differs(&format!("{before:?}"), &format!("{now:?}"))
}

/// The endpoints without the bounds that can change.
fn places(config: &Config) -> Vec<Endpoint> {
    let without =
        |endpoint: &Endpoint| Endpoint { rate: None, connections_per_user: None, ..endpoint.clone() };
    config.endpoints.iter().map(without).collect()
}

/// Socket.IO without the bounds that can change.
fn socketio(config: &Config) -> SocketIo {
    let without = |name: &Namespace| Namespace { rate: None, connections_per_user: None, ..name.clone() };
    let namespaces = config.socketio.namespaces.iter().map(without).collect();
    SocketIo { namespaces, ..config.socketio.clone() }
}

/// Whether endpoints and namespaces have the places that the hub knows them by.
fn has_same_places(started: &Config, now: &Config) -> bool {
    let names = |config: &Config| -> Vec<String> {
        let endpoints = config.endpoints.iter().map(|endpoint| endpoint.name.clone());
        let namespaces = config.socketio.namespaces.iter().map(|namespace| namespace.name.to_string());
        endpoints.chain(namespaces).collect()
    };
    names(started) == names(now)
}
