//! Starting and stopping: from a checked configuration to a server that answers, and back to nothing.
//!
//! Who owns what: each shard's loop runs on a thread of its own, joined at the end; actix's workers run inside
//! the server future; the tasks for tokens and for JWKS end with the runtime that `main` holds.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_rt::net::TcpStream;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, ServerHandle};
use actix_web::{App, middleware, web};
use anyhow::Context;
use hub::idempotency::IdempotencyKeys;
use hub::{Hub, Metrics, Verify, Wake};
use service_kit::shutdown::Token;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::config::{ADDRESS_NAMES, Config};
use crate::metrics::FrontMetrics;
use crate::patience::Patience;
use crate::reactor::{Bell, Handle, Prepared};
use crate::state::State;
use crate::upgrade::upgrade;
use crate::{access, http, memory, tls};

/// Tokens that wait for verification; one more is refused to its client, which keeps its old one.
const VERIFICATIONS: usize = 1024;

/// HTTP connections at once per worker beyond which new ones wait in the listener's backlog. High enough that half
/// a file limit of connections that never finish their request keep nobody out.
const HTTP_CONNECTIONS: usize = 1 << 20;

/// How often the end of a drain is looked for.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// A server that is bound, and not yet running.
pub struct Server {
    state: Arc<State>,
    reactors: Vec<JoinHandle<io::Result<()>>>,
    handles: Vec<Arc<Handle>>,
    front: actix_server::Server,
    drain: crate::config::Drain,
}

impl Server {
    /// Binds the port and starts the shards. To be called inside the runtime that then runs it.
    ///
    /// # Errors
    /// The port is taken, a key or certificate cannot be used, or the system has no more files.
    pub fn start(config: &Config, open_files: u64) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (connections, warning) = config.limits.connections(open_files);
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        let access = access::Access::new(config)?;
        let registry = service_kit::metrics::registry().context("the process' own metrics")?;
        let metrics = Metrics::new(&registry);
        let shards = config.threads.shards(cores).get();
        let prepared = (0..shards).map(|_| Prepared::new()).collect::<io::Result<Vec<_>>>()?;
        let handles: Vec<Arc<Handle>> = prepared.iter().map(Prepared::handle).collect();
        let bells =
            handles.iter().map(|handle| Box::new(Bell(Arc::clone(handle))) as Box<dyn Wake>).collect();
        let limits = config.limits.engine(connections);
        let hub = Arc::new(Hub::new(config.rules.clone(), limits, metrics.clone(), bells));
        let listener = service_kit::listen::bind(config.listen.address, ADDRESS_NAMES)?;
        let address = listener.local_addr()?;
        let (verify, verifications) = mpsc::channel(VERIFICATIONS);
        let max_message = config.limits.message;
        let reactors = prepared
            .into_iter()
            .enumerate()
            .map(|(shard, prepared)| {
                let reactor = prepared.into_reactor(&hub, shard, max_message, verify.clone());
                std::thread::Builder::new().name(format!("shard-{shard}")).spawn(move || reactor.run())
            })
            .collect::<io::Result<Vec<_>>>()?;
        let state = Arc::new(State {
            hub,
            reactors: handles.clone(),
            next_shard: AtomicUsize::new(0),
            publishers: access.publishers,
            origins: access.origins,
            verifier: access.verifier,
            policy: config.auth.websocket,
            idempotency: IdempotencyKeys::new(config.idempotency.ttl, config.idempotency.keys.get(), metrics),
            max_body: config.limits.body,
            request_timeout: config.limits.request,
            protocol_test: config.protocol_test,
            metrics: FrontMetrics::new(&registry)?,
            registry,
            address,
            last_answers: watch::Sender::new(false),
        });
        actix_rt::spawn(memory::give_back(Arc::clone(&state.hub)));
        actix_rt::spawn(verify_tokens(Arc::clone(&state), verifications));
        if let Some(jwks) = state.verifier.jwks() {
            let jwks = Arc::clone(jwks);
            actix_rt::spawn(async move { jwks.run().await });
        }
        let front = front(&state, config, listener, config.threads.workers(cores).get())?;
        Ok(Self { state, reactors, handles, front, drain: config.drain })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// What the start log says about publishing.
    #[must_use]
    pub fn notice(&self) -> String {
        self.state.publishers.notice()
    }

    /// Serves until `shutdown` begins, then drains.
    ///
    /// # Errors
    /// The listener or a shard's loop failed.
    pub async fn run(self, mut shutdown: Token) -> anyhow::Result<()> {
        let Self { state, reactors, handles, front, drain } = self;
        let stop = front.handle();
        let served = actix_rt::spawn(front);
        shutdown.begun().await;
        drain_all(&state, drain.spread, drain.timeout, &stop).await;
        if let Ok(served) = tokio::time::timeout(DRAIN_POLL, served).await {
            served.context("the HTTP front ended early")??;
        }
        for handle in &handles {
            handle.stop();
        }
        for reactor in reactors {
            reactor.join().map_err(|_| anyhow::anyhow!("a shard's thread panicked"))??;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Closes all connections, each with the time of its return; waits until they and the accepted publications are
/// gone, at the latest until the timeout; then stops the HTTP front, which lets the last answers out.
async fn drain_all(state: &State, spread: Duration, timeout: Duration, front: &ServerHandle) {
    let deadline = Instant::now() + timeout;
    tracing::info!(connections = state.hub.connections(), "draining");
    state.hub.drain(spread);
    while (state.hub.connections() > 0 || state.hub.queued() > 0) && Instant::now() < deadline {
        tokio::time::sleep(DRAIN_POLL).await;
    }
    let left = state.hub.connections();
    if left > 0 {
        tracing::warn!(connections = left, "drain timeout: cutting the connections that are left");
    }
    // Calls that are under way finish; idle keep-alive connections end at this word and are not waited for.
    state.last_answers.send_replace(true);
    let rest = deadline.saturating_duration_since(Instant::now()).max(DRAIN_POLL);
    if tokio::time::timeout(rest, front.stop(true)).await.is_err() {
        tracing::warn!("drain timeout: cutting the HTTP calls that are left");
    }
}

/// Verifies the tokens that clients want to go on with, and tells their shards.
async fn verify_tokens(state: Arc<State>, mut waiting: mpsc::Receiver<(usize, Verify)>) {
    while let Some((shard, Verify { connection, token })) = waiting.recv().await {
        let state = Arc::clone(&state);
        // Each on its own: one that waits for a JWKS must not hold up the others.
        actix_rt::spawn(async move {
            let identity = state.verifier.verify(&token).await.ok().map(Into::into);
            state.hub.verified(shard, connection, identity);
        });
    }
}

/// The HTTP front: TLS where there is a certificate, upgrades taken out before routing.
fn front(
    state: &Arc<State>,
    config: &Config,
    listener: std::net::TcpListener,
    workers: usize,
) -> anyhow::Result<actix_server::Server> {
    let (handshake, patience) = (config.limits.handshake, config.limits.request);
    let builder = actix_server::Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(config.drain.timeout.as_secs().max(1))
        .max_concurrent_connections(HTTP_CONNECTIONS);
    macro_rules! service {
        ($state:expr) => {{
            let state: Arc<State> = $state;
            let data = web::Data::from(Arc::clone(&state));
            let last_answers = state.last_answers.subscribe();
            HttpService::build()
                .client_request_timeout(handshake)
                .client_disconnect_timeout(Duration::from_secs(1))
                .keep_alive(Duration::from_secs(75))
                .tcp_nodelay(true)
                .graceful_shutdown_signal(move || {
                    let mut last_answers = last_answers.clone();
                    async move {
                        // An error is the end of the whole server, which is the signal as well.
                        let _ = last_answers.wait_for(|&last| last).await;
                    }
                })
                .upgrade(fn_service(move |upgraded| upgrade(Arc::clone(&state), upgraded)))
                .finish(map_config(
                    App::new()
                        .app_data(data)
                        .wrap(middleware::from_fn(http::cors))
                        .configure(http::configure),
                    |()| AppConfig::default(),
                ))
        }};
    }
    let state = Arc::clone(state);
    let builder = match &config.listen.tls {
        None => builder.listen("http", listener, move || {
            fn_service(move |socket: TcpStream| async move {
                let peer = socket.peer_addr().ok();
                // Only delays small answers, and only where it fails.
                let _ = socket.set_nodelay(true);
                Ok::<_, DispatchError>((Patience::new(socket, patience), Protocol::Http1, peer))
            })
            .and_then(service!(Arc::clone(&state)))
        })?,
        Some(files) => {
            let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(files)?));
            builder.listen("https", listener, move || {
                let acceptor = acceptor.clone();
                fn_service(move |socket| tls::accept(acceptor.clone(), socket, handshake, patience))
                    .and_then(service!(Arc::clone(&state)))
            })?
        }
    };
    Ok(builder.run())
}
