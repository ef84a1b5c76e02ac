//! Starting and stopping: from a checked configuration to a server that answers, and back to nothing.
//!
//! Who owns what: each shard's loop runs on a thread of its own, joined at the end, as does the store; actix's workers run inside
//! the server future; the tasks for tokens and for JWKS end with the runtime that `main` holds.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use anyhow::Context;
use arc_swap::ArcSwap;
use hub::idempotency::IdempotencyKeys;
use hub::{Hub, Metrics, Verify, Wake};
use service_kit::arguments::Secret;
use service_kit::shutdown::Token;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::clock::Clock;
use crate::config::{ADDRESS_NAMES, Config, DeliveryHook, Hook, ProtocolTest, SocketIo};
use crate::deliveries::Deliveries;
use crate::front::{Listeners, Pages, front};
use crate::hooks::ClientHooks;
use crate::identify::Sessions;
use crate::metrics::FrontMetrics;
use crate::reactor::{Bell, Handle, Prepared};
use crate::reload::Reloader;
use crate::socketio::engines::Engines;
use crate::socketio::session::Settings;
use crate::socketio::verify;
use crate::state::State;
use crate::tickets::Tickets;
use crate::tls::Certificates;
use crate::{access, cluster, memory, nodes, ports, storage, tls};

/// Tokens that wait for verification; one more is refused to its client, which keeps its old one.
const VERIFICATIONS: usize = 1024;

/// How often the end of a drain is looked for.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// The most of a drain that delivery records may take once the clients are gone: a service that is away does not hold it
/// up for longer.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Adds routes to the hub's; called once by each HTTP worker.
pub type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Who answers on `/`. The playground is on `/playground` as well, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrontPage {
    /// The playground.
    #[default]
    Playground,
    /// [`Extension::routes`]; where they do not have it, it is a 404.
    Routes,
}

/// What a process adds that holds the hub among other parts. By default nothing.
#[derive(Default)]
pub struct Extension {
    /// The main listener, bound already; else the configured address is bound. Whether it speaks TLS is the
    /// configuration's.
    pub listener: Option<TcpListener>,
    /// One more listener with the same routes, which always speaks plain HTTP: for calls between the parts of this
    /// process, so bound to loopback.
    pub internal: Option<TcpListener>,
    /// Routes on both listeners, with the hub's CORS. Where the hub has the path, the hub's route is taken; what nobody
    /// has is the hub's 404. A drain waits for their running requests too.
    pub routes: Option<Routes>,
    /// Whose `/` is: the one path of the hub that it leaves to the routes where it is told to.
    pub front_page: FrontPage,
    /// An administrator's key named [`access::INTERNAL_KEY`], accepted beside the configured ones. Where none are
    /// configured, requests without this key are judged as if it were not there.
    pub key: Option<Secret>,
    /// Which events of clients go to the services of this process, unless the configuration file has others for them in
    /// the same place. Each has its own key.
    pub hooks: Vec<Hook>,
    /// Which services of this process are told what became of events, unless the configuration file has others for them.
    /// Each has its own key.
    pub delivery_hooks: Vec<DeliveryHook>,
    /// Awaited in a drain once the clients are gone, before the HTTP workers end: for what still runs on their threads
    /// though nobody waits for its answer.
    pub last_work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A server that is bound, and not yet running.
pub struct Server {
    state: Arc<State>,
    reactors: Vec<JoinHandle<io::Result<()>>>,
    committer: Option<JoinHandle<()>>,
    /// The thread that hears the nodes' broker.
    line: Option<broker::Running>,
    handles: Vec<Arc<Handle>>,
    front: actix_server::Server,
    own_addresses: Vec<(String, SocketAddr)>,
    /// Whether all listeners but the internal one speak TLS.
    is_tls: bool,
    drain: crate::config::Drain,
    hooks: Arc<ClientHooks>,
    last_work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    reloader: Reloader,
}

impl Server {
    /// Binds the port and starts the shards. To be called inside the runtime that then runs it.
    ///
    /// # Errors
    /// The port is taken, a key or certificate cannot be used, or the system has no more files.
    pub fn start(config: &Config, open_files: u64) -> anyhow::Result<Self> {
        Self::start_with(config, open_files, Extension::default())
    }

    /// [`Server::start`] in a process that adds something.
    ///
    /// # Errors
    /// As there; and when the extension's key cannot be one, or has the name or the text of a configured one.
    pub fn start_with(config: &Config, open_files: u64, extension: Extension) -> anyhow::Result<Self> {
        let Extension { listener, internal, routes, front_page, key, hooks, delivery_hooks, last_work } =
            extension;
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (connections, warning) = config.limits.connections(open_files);
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        let access = access::Access::new(config, key.as_ref())?;
        let main = match listener {
            Some(listener) => listener,
            None => service_kit::listen::bind(config.listen.address, ADDRESS_NAMES)?,
        };
        let address = main.local_addr()?;
        let registry = service_kit::metrics::registry().context("the process' own metrics")?;
        let metrics = Metrics::new(&registry);
        let shards = config.threads.shards(cores).get();
        let prepared = (0..shards).map(|_| Prepared::new()).collect::<io::Result<Vec<_>>>()?;
        let handles: Vec<Arc<Handle>> = prepared.iter().map(Prepared::handle).collect();
        let bells =
            handles.iter().map(|handle| Box::new(Bell(Arc::clone(handle))) as Box<dyn Wake>).collect();
        let limits = config.limits.engine(connections, &config.storage, config.idempotency);
        let keys = config.idempotency.keys.get();
        let idempotency = Arc::new(IdempotencyKeys::new(config.idempotency.ttl, keys, metrics.clone()));
        let (journal, mut beginning) = storage::open(config, &idempotency)?;
        // Those with a path or a port keep their places; the namespaces of Socket.IO are found by name.
        let endpoints = config.endpoints.iter().map(|endpoint| endpoint.engine(&limits));
        let namespaces = config.socketio.namespaces.iter().map(|namespace| namespace.engine(&limits));
        beginning.endpoints = endpoints.chain(namespaces).collect();
        beginning.feeds = config.feeds.feeds.clone();
        let joined = cluster::join(config, address, &registry)?;
        let node = joined.as_ref().map(|joined| Arc::clone(&joined.broker));
        beginning.broker = joined.as_ref().map(|joined| (Arc::clone(&joined.broker) as _, joined.life));
        let hub = Arc::new(Hub::begin(config.rules.clone(), limits, metrics, bells, beginning));
        let hooks = ClientHooks::new(&hub, &config.hooks, hooks, &registry).context("client-event hooks")?;
        let hooks = Arc::new(hooks);
        hub.set_hooks(Arc::clone(&hooks) as Arc<dyn hub::hooks::Hooks>);
        let deliveries =
            Deliveries::new(&config.deliveries, delivery_hooks, &registry).context("delivery hooks")?;
        let deliveries = Arc::new(deliveries);
        if !deliveries.is_empty() {
            hub.set_delivery_hooks(Arc::clone(&deliveries) as Arc<dyn hub::deliveries::DeliveryHooks>);
        }
        let own = ports::bind(config)?;
        let own_addresses = own.iter().map(|own| own.address(config)).collect::<io::Result<Vec<_>>>()?;
        let committer = journal.map(|journal| storage::committer(&hub, journal)).transpose()?;
        let clock = Clock::start();
        let line = joined.map(|joined| cluster::listen(joined, &hub, clock)).transpose()?;
        let (verify, verifications) = mpsc::channel(VERIFICATIONS);
        let max_message = config.limits.message;
        let (wish, wishes) = mpsc::channel(verify::WISHES);
        let socketio = match config.protocol_test {
            ProtocolTest::On => Settings::protocol_test(),
            ProtocolTest::Off => {
                let SocketIo { ping_interval, ping_timeout, max_payload, .. } = config.socketio;
                let node = config.listen.node_tag;
                Settings { node, ..Settings::new(ping_interval, ping_timeout, max_payload) }
            }
        };
        let is_test = config.protocol_test == ProtocolTest::On;
        let reactors = prepared
            .into_iter()
            .enumerate()
            .map(|(shard, prepared)| {
                let (hub, verify, wish) = (Arc::clone(&hub), verify.clone(), wish.clone());
                std::thread::Builder::new().name(format!("shard-{shard}")).spawn(move || {
                    let engines = Engines::new(socketio, shard, is_test, wish);
                    prepared.into_reactor(&hub, shard, max_message, clock, verify, engines).run()
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        let state = Arc::new(State {
            hub,
            reactors: handles.clone(),
            next_shard: AtomicUsize::new(0),
            access: ArcSwap::from_pointee(access),
            sessions: if config.endpoints.iter().any(|endpoint| endpoint.session_check.is_some()) {
                Some(Sessions::new().context("the client for session checks")?)
            } else {
                None
            },
            endpoints: config.endpoints.clone(),
            broker: node,
            tickets: Tickets::new(config.listen.node_tag),
            idempotency,
            max_body: AtomicUsize::new(config.limits.body),
            request_timeout: config.limits.request,
            protocol_test: config.protocol_test,
            socketio,
            metrics: FrontMetrics::new(&registry)?,
            registry,
            address,
            deliveries: Arc::clone(&deliveries),
            feed_readers: Semaphore::new(config.feeds.waiting.get()),
            most_feed_readers: config.feeds.waiting.get(),
            draining: watch::Sender::new(false),
            last_answers: watch::Sender::new(false),
        });
        nodes::start(&state);
        actix_rt::spawn(memory::give_back(Arc::clone(&state.hub)));
        actix_rt::spawn(storage::keep_house(Arc::clone(&state.hub), clock));
        actix_rt::spawn(Arc::clone(&hooks).run());
        deliveries.spawn().context("the client for delivery hooks")?;
        actix_rt::spawn(verify_tokens(Arc::clone(&state), verifications));
        actix_rt::spawn(verify::verify(Arc::clone(&state), wishes));
        if let Some(jwks) = state.access().verifier.jwks() {
            let jwks = Arc::clone(jwks);
            actix_rt::spawn(async move { jwks.run().await });
        }
        let listeners = Listeners { main, internal, own };
        let certificates = match &config.listen.tls {
            None => None,
            Some(files) => Some(Arc::new(Certificates::new(tls::certified(files)?))),
        };
        let reloader = Reloader::new(Arc::clone(&state), config, certificates.clone(), key, open_files);
        let pages = Pages { routes, front_page, certificates };
        let front = front(&state, config, listeners, pages, config.threads.workers(cores).get())?;
        let (drain, is_tls) = (config.drain, config.listen.tls.is_some());
        Ok(Self {
            state,
            reactors,
            committer,
            line,
            handles,
            front,
            own_addresses,
            is_tls,
            drain,
            hooks,
            last_work,
            reloader,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// The endpoints that have ports of their own, by their names, and where.
    #[must_use]
    pub fn own_addresses(&self) -> &[(String, SocketAddr)] {
        &self.own_addresses
    }

    /// Says where the endpoints are that have ports of their own: in the log, and on standard output.
    pub fn announce_own(&self) {
        for (name, address) in &self.own_addresses {
            let host =
                if address.ip().is_loopback() { "localhost".to_owned() } else { address.ip().to_string() };
            let (ws, http) = if self.is_tls { ("wss", "https") } else { ("ws", "http") };
            tracing::info!(endpoint = name, "WebSocket server started on {ws}://{host}:{}", address.port());
            println!("{name} on {http}://{address}");
        }
    }

    /// Tells whether every shard's loop has turned since it was last asked; they do twice a second. For the supervisor's
    /// watchdog: a shard that is stuck serves none of its clients, though HTTP is answered.
    pub fn vitals(&self) -> impl Fn() -> bool + use<> {
        let handles = self.handles.clone();
        // Each is asked, so that none is judged by an older look.
        move || handles.iter().filter(|handle| !handle.has_turned()).count() == 0
    }

    /// What puts another configuration in force while the server runs.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// The counters of the process, for those that it adds.
    #[must_use]
    pub fn registry(&self) -> &prometheus::Registry {
        &self.state.registry
    }

    /// What the start log says about publishing.
    #[must_use]
    pub fn notice(&self) -> String {
        self.state.access().publishers.notice()
    }

    /// Serves until `shutdown` begins, then drains.
    ///
    /// # Errors
    /// The listener or a shard's loop failed.
    pub async fn run(self, mut shutdown: Token) -> anyhow::Result<()> {
        let Self { state, reactors, committer, line, handles, front, drain, hooks, last_work, .. } = self;
        let stop = front.handle();
        let served = actix_rt::spawn(front);
        shutdown.begun().await;
        // Before the clients are told to go, so that they get their answers.
        let begun = Instant::now();
        hooks.settle(drain.timeout / 2).await;
        let left = drain.timeout.saturating_sub(begun.elapsed());
        drain_all(&state, drain.spread, left, &stop, last_work).await;
        if let Ok(served) = tokio::time::timeout(DRAIN_POLL, served).await {
            served.context("the HTTP front ended early")??;
        }
        for handle in &handles {
            handle.stop();
        }
        for reactor in reactors {
            reactor.join().map_err(|_| anyhow::anyhow!("a shard's thread panicked"))??;
        }
        if let Some(line) = line {
            line.stop();
        }
        state.hub.stop_commits();
        if let Some(committer) = committer {
            committer.join().map_err(|_| anyhow::anyhow!("the thread of the store panicked"))?;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Closes all connections, each with the time of its return; waits until they and the accepted publications are
/// gone, at the latest until the timeout; then stops the HTTP front, which lets the last answers out.
async fn drain_all(
    state: &State,
    spread: Duration,
    timeout: Duration,
    front: &ServerHandle,
    last_work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
) {
    let deadline = Instant::now() + timeout;
    tracing::info!(connections = state.hub.connections(), "draining");
    state.hub.drain(spread);
    state.draining.send_replace(true);
    state.metrics.draining.set(1);
    state.deliveries.hurry();
    let is_busy = || state.hub.connections() > 0 || state.hub.queued() > 0 || state.hub.unwritten() > 0;
    while is_busy() && Instant::now() < deadline {
        tokio::time::sleep(DRAIN_POLL).await;
    }
    let left = state.hub.connections();
    if left > 0 {
        tracing::warn!(connections = left, "drain timeout: cutting the connections that are left");
    }
    // What was told in the last turns of the shards is with the queues by now.
    tokio::time::sleep(DRAIN_POLL).await;
    state.deliveries.settle(deadline.saturating_duration_since(Instant::now()).min(LAST_RECORDS)).await;
    if let Some(last_work) = last_work {
        let rest = deadline.saturating_duration_since(Instant::now());
        if tokio::time::timeout(rest, last_work).await.is_err() {
            tracing::warn!("drain timeout: cutting work that nobody waits for");
        }
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
            let identity = state.access().verifier.verify(&token).await.ok().map(access::identity);
            state.hub.verified(shard, connection, identity);
        });
    }
}
