//! What all handlers and endpoints share: the hub, who may use it, and the counters of the front.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::{ApiKeys, OriginPolicy, PublisherPolicy, Verifier};
use hub::Hub;
use hub::idempotency::IdempotencyKeys;
use prometheus::Registry;
use tokio::sync::{Semaphore, watch};

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
    /// Who may publish.
    pub publishers: PublisherPolicy,
    /// The key of the services, where there is one.
    pub services: ApiKeys,
    /// Which pages may connect.
    pub origins: OriginPolicy,
    /// How tokens are checked.
    pub verifier: Verifier,
    /// Where clients come in, each in the place that the hub knows it by; the first is that of `/ws` and `/events`.
    pub endpoints: Vec<Endpoint>,
    /// Who is asked for sessions, where an endpoint wants that.
    pub sessions: Option<Sessions>,
    /// Tickets that stand for tokens on `/events`.
    pub tickets: Tickets,
    /// Answers by idempotency key.
    pub idempotency: Arc<IdempotencyKeys>,
    /// The largest body of a request.
    pub max_body: usize,
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
