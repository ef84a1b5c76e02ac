//! What all handlers and endpoints share: the hub, who may use it, and the counters of the front.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use hub::Hub;
use hub::idempotency::IdempotencyKeys;
use prometheus::Registry;
use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::config::{Endpoint, ProtocolTest};
use crate::deliveries::Deliveries;
use crate::identify::Sessions;
use crate::metrics::FrontMetrics;
use crate::reactor::{Arrival, Handle};
use crate::socketio::session::Settings;
use crate::tickets::Tickets;

/// Told to publishers and handshakes that are refused for the moment.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Shared by all threads of the server.
pub(crate) struct State {
    /// The engine.
    pub hub: Arc<Hub>,
    /// The shards' loops.
    pub reactors: Vec<Arc<Handle>>,
    /// The shard that the next connection goes to.
    pub next_shard: AtomicUsize,
    /// Who may do what; see [`State::access`].
    pub access: ArcSwap<Access>,
    /// Where clients come in, each in the place that the hub knows it by; the first is that of `/ws` and `/events`.
    pub endpoints: Vec<Endpoint>,
    /// Who is asked for sessions, where an endpoint wants that.
    pub sessions: Option<Sessions>,
    /// The nodes' broker, where the hub is a node of a cluster.
    pub broker: Option<Arc<broker::RedisBroker>>,
    /// Tickets that stand for tokens on `/events`.
    pub tickets: Tickets,
    /// Answers by idempotency key.
    pub idempotency: Arc<IdempotencyKeys>,
    /// The largest body of a request, in bytes.
    pub max_body: AtomicUsize,
    /// How long a request may take to come whole.
    pub request_timeout: Duration,
    /// Whether `/echo` is there.
    pub protocol_test: ProtocolTest,
    /// What holds for sessions of Socket.IO.
    pub socketio: Settings,
    /// The counters of the front.
    pub metrics: FrontMetrics,
    /// All counters.
    pub registry: Registry,
    /// Where the server listens.
    pub address: SocketAddr,
    /// Services that are told what became of events.
    pub deliveries: Arc<Deliveries>,
    /// Places for readers of feeds that wait.
    pub feed_readers: Semaphore,
    /// How many there are.
    pub most_feed_readers: usize,
    /// Becomes true when the hub drains.
    pub draining: watch::Sender<bool>,
    /// Becomes true when HTTP connections are to end with the answer that they are giving.
    pub last_answers: watch::Sender<bool>,
}

impl State {
    /// Who may do what, as it holds now; a reload of the configuration puts another in its place.
    pub(crate) fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    /// The largest body of a request, in bytes, as it holds now.
    pub(crate) fn max_body(&self) -> usize {
        self.max_body.load(Ordering::Relaxed)
    }

    /// The loop of the next shard in turn.
    pub(crate) fn next_reactor(&self) -> &Arc<Handle> {
        let turn = self.next_shard.fetch_add(1, Ordering::Relaxed);
        &self.reactors[turn % self.reactors.len()]
    }

    /// Gives a socket to the next shard in turn.
    pub(crate) fn open(&self, arrival: Arrival) {
        self.next_reactor().open(arrival);
    }
}
