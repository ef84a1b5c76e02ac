//! ② A publication gets its place in the hub's one order, then goes to the shards that have an audience.
//!
//! Where it must be on disk first it waits for its group (`commit`), and what comes after it waits behind it. Not here:
//! HTTP, permissions, what streams keep (`history`), and what a shard does with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Position, Stream, Target};
use tokio::sync::oneshot;

use crate::broker::{Broker, Life};
use crate::cluster::{Cluster, NodeCalls};
use crate::deliveries::{Deliveries, DeliveryHooks};
use crate::dialects::Dialect;
use crate::encoded::{Encoded, Form, StreamKey};
use crate::endpoint::{Endpoint, EndpointIndex};
use crate::feeds::{Feed, Feeds};
use crate::history::keeps_something;
use crate::hooks::{Answered, Hooks};
use crate::identity::Identity;
use crate::inbox::{Caller, DrainPlan, Inbox, Message, Roll, Wake};
use crate::journal::Stored;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::order::{Disk, Order, Pending, Streams};
use crate::outgoing::{Accepted, Outgoing, PublishError};
use crate::presence::Presence;
use crate::registry::Registry;
use crate::resume::Resumes;
use crate::rules::{ChannelRules, HistoryRule};
use crate::tunable::Tunable;
use crate::wire::Wire;

/// The hub of one node: its registry, its shards' inboxes, and the order of publications.
#[derive(Debug)]
pub struct Hub {
    registry: Registry,
    inboxes: Vec<Inbox>,
    /// Held while a publication is put into the inboxes, so that all shards see one order.
    order: Mutex<Order>,
    /// Told when there is something to write.
    pub(crate) commits: Condvar,
    /// Whether there is a disk.
    pub(crate) has_journal: bool,
    presence: Presence,
    resumes: Resumes,
    connections: AtomicUsize,
    /// Connections that were welcomed and have not ended.
    open: AtomicUsize,
    endpoints: Vec<Endpoint>,
    namespaces: Namespaces,
    feeds: Feeds,
    /// Whom it is told how far events come.
    deliveries: Deliveries,
    /// Where clients' events go.
    hooks: OnceLock<Arc<dyn Hooks>>,
    form: ArcSwap<Form>,
    /// Whether it is a node of a cluster.
    pub(crate) is_clustered: bool,
    /// What its server does for other nodes.
    node_calls: OnceLock<Arc<dyn NodeCalls>>,
    draining: AtomicBool,
    tunable: Tunable,
    metrics: Metrics,
}

/// The right to one connection of the node's bound; it returns when this is dropped.
#[derive(Debug)]
pub struct Admission(Arc<Hub>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a hub is made of, beside its rules and bounds.
#[derive(Debug, Default)]
pub struct Beginning {
    /// What the store holds, where there is one.
    pub stored: Option<Stored>,
    /// When it begins.
    pub now: Option<Timestamp>,
    /// Random bits of this process: epochs of streams in memory are made from them.
    pub random: [u8; 32],
    /// Where clients come in; none is that of `/ws` alone.
    pub endpoints: Vec<Endpoint>,
    /// What services read.
    pub feeds: Vec<Feed>,
    /// Where it is a node of a cluster: the broker, and what is known of the life of its data. Then nothing is stored here.
    pub broker: Option<(Arc<dyn Broker>, Option<Life>)>,
}

impl Hub {
    /// A hub with one shard for each of `wakes`, and nothing stored.
    #[must_use]
    pub fn new(rules: ChannelRules, limits: Limits, metrics: Metrics, wakes: Vec<Box<dyn Wake>>) -> Self {
        Self::begin(rules, limits, metrics, wakes, Beginning::default())
    }

    /// A hub that goes on from what is stored. Keys are not its own: take them from `stored` before.
    #[must_use]
    pub fn begin(
        rules: ChannelRules,
        limits: Limits,
        metrics: Metrics,
        wakes: Vec<Box<dyn Wake>>,
        beginning: Beginning,
    ) -> Self {
        let Beginning { stored, now, random, mut endpoints, feeds, broker } = beginning;
        if endpoints.is_empty() {
            endpoints.push(Endpoint::new(Dialect::CHANNELS, &limits));
        }
        let namespaces = Namespaces::of(&mut endpoints);
        let has_journal = stored.is_some();
        let life = broker.as_ref().and_then(|(_, life)| *life);
        let secret = stored.as_ref().map(|stored| stored.secret).or(life.map(|life| life.secret));
        let secret = secret.unwrap_or(random);
        let [a, b, c, d, e, f, g, h, ..] = random;
        let process = u32::from_be_bytes([a, b, c, d]);
        let process = broker.as_ref().map_or(process, |(broker, _)| broker.node());
        let resumes = Resumes::new(&secret, process, wakes.len(), limits.resumable);
        let form = Arc::new(Form {
            deflate_min: limits.deflate_min,
            namespaces: namespaces.names(),
            life: life.map_or(u32::from_be_bytes([e, f, g, h]), |life| short_life(life.life)),
        });
        let mut order = Order::restore(&rules, &limits, &random, stored, now, (&resumes, &form));
        let is_clustered = broker.is_some();
        if let Some((broker, life)) = broker {
            let own = [protocol::channel::ALL.into()].into_iter();
            let spaces = namespaces.names();
            let own = own.chain(spaces.iter().map(|name| Stream::namespace(name).as_str().into()));
            order.cluster = Some(Box::new(Cluster::new(broker, life, own.collect())));
            order.history.allow_for_skew(crate::cluster::MOST_SKEW_MS);
        }
        let presence = Presence::new(limits.presence_grace);
        let mut registry = Registry::new(wakes.len());
        if is_clustered {
            registry.remember_left();
        }
        let hub = Self {
            registry,
            inboxes: wakes.into_iter().map(Inbox::new).collect(),
            order: Mutex::new(order),
            commits: Condvar::new(),
            has_journal,
            presence,
            resumes,
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            endpoints,
            namespaces,
            feeds: Feeds::of(feeds),
            deliveries: Deliveries::default(),
            hooks: OnceLock::new(),
            form: ArcSwap::new(form),
            is_clustered,
            node_calls: OnceLock::new(),
            draining: AtomicBool::new(false),
            tunable: Tunable::new(rules, limits),
            metrics,
        };
        hub.tell_history(&mut hub.order());
        hub
    }

    pub(crate) fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is in which channel.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    pub(crate) fn resumes(&self) -> &Resumes {
        &self.resumes
    }

    /// Which streams have followers.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What can change while it runs.
    pub(crate) fn tunable(&self) -> &Tunable {
        &self.tunable
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inboxes.len()
    }

    /// The inbox of a shard.
    ///
    /// # Panics
    /// When there is no such shard.
    #[must_use]
    pub fn inbox(&self, shard: usize) -> &Inbox {
        &self.inboxes[shard]
    }

    /// Connections that are open, or about to be.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that were welcomed and have not ended.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Where a connection came in.
    ///
    /// # Panics
    /// When there is no such endpoint.
    #[must_use]
    pub fn endpoint(&self, index: EndpointIndex) -> &Endpoint {
        &self.endpoints[usize::from(index)]
    }

    /// What metrics, logs and operators call a connection's kind: `events` for server-sent events, otherwise its endpoint's name.
    ///
    /// # Panics
    /// When there is no such endpoint.
    #[must_use]
    pub fn dialect(&self, index: EndpointIndex, wire: Wire) -> &str {
        if wire == Wire::Events { "events" } else { &self.endpoint(index).name }
    }

    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    pub(crate) fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    pub(crate) fn inboxes(&self) -> &[Inbox] {
        &self.inboxes
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// Tells these how far events of their types come; the first call counts.
    pub fn set_delivery_hooks(&self, hooks: Arc<dyn DeliveryHooks>) {
        self.deliveries.set(hooks);
    }

    /// What is the same for all events.
    pub(crate) fn event_form(&self) -> Arc<Form> {
        self.form.load_full()
    }

    /// Another life of the cluster's data begins, or is heard of.
    pub(crate) fn set_life(&self, life: u64) {
        let (form, life) = (self.event_form(), short_life(life));
        if form.life != life {
            let (deflate_min, namespaces) = (form.deflate_min, form.namespaces.clone());
            self.form.store(Arc::new(Form { deflate_min, namespaces, life }));
            self.inboxes.iter().for_each(|inbox| inbox.push([Message::Recall]));
        }
    }

    /// Answers the servers of other nodes with this from now on; the first call counts.
    pub fn set_node_calls(&self, calls: Arc<dyn NodeCalls>) {
        // A second call changes nothing.
        let _ = self.node_calls.set(calls);
    }

    pub(crate) fn node_calls(&self) -> Option<&Arc<dyn NodeCalls>> {
        self.node_calls.get()
    }

    /// Takes clients' events there from now on; the first call counts.
    pub fn set_hooks(&self, hooks: Arc<dyn Hooks>) {
        // A second call changes nothing.
        let _ = self.hooks.set(hooks);
    }

    pub(crate) fn hooks(&self) -> Option<&Arc<dyn Hooks>> {
        self.hooks.get()
    }

    /// Gives a connection the answer to what it sent.
    pub fn answer(&self, shard: usize, answered: Answered) {
        self.tell(shard, Message::Answered(Box::new(answered)));
    }

    /// Publications that wait in all shards' queues.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inboxes.iter().map(Inbox::publications).sum()
    }

    /// Publications that wait for the disk.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        let order = self.order();
        order.pending.len() + order.writing + order.cluster.as_ref().map_or(0, |cluster| cluster.unanswered())
    }

    /// Whether the hub is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// A place for one more connection, if the node has one.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<Admission> {
        let most = self.limits().connections;
        self.connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then_some(now + 1))
            .ok()
            .map(|_| Admission(Arc::clone(self)))
    }

    /// Takes a publication and queues it to the shards that have followers for it, or to the disk first.
    ///
    /// # Errors
    /// The hub drains, or a queue is full; then nothing was queued.
    pub fn publish(&self, mut outgoing: Outgoing) -> Result<Accepted, PublishError> {
        let kind = &outgoing.publication.event_type;
        outgoing.target = self.namespaces.route(outgoing.target, kind);
        if !outgoing.is_transient {
            outgoing.target = self.feeds.route(outgoing.target, kind);
        }
        self.publish_routed(outgoing)
    }

    /// The same for a target that names all streams that it reaches.
    pub(crate) fn publish_routed(&self, outgoing: Outgoing) -> Result<Accepted, PublishError> {
        let mut order = self.order();
        let weight = crate::encoded::weight(&outgoing.publication);
        self.check(&order, &outgoing, weight).inspect_err(|refusal| {
            self.metrics.publications_refused.with_label_values(&[refusal.reason()]).inc();
        })?;
        if self.is_clustered {
            return self.publish_shared(&mut order, outgoing, weight);
        }
        order.forget_some(|name| self.registry.get(name).is_some());
        let streams = match outgoing.is_transient {
            true => Streams::new(),
            false => self.streams_of(&mut order, &outgoing.target),
        };
        let disk = if self.has_journal
            && (outgoing.key.is_some()
                || outgoing.retain.is_some()
                || streams.iter().any(|&stream| order.history.is_durable(stream)))
        {
            Disk::Needed
        } else {
            Disk::Behind
        };
        if disk == Disk::Behind && !order.is_waiting() {
            let encoded = self.encode(&mut order, &outgoing, &streams, 0);
            return Ok(Accepted::Now(self.release(&mut order, outgoing, encoded, &streams, None)));
        }
        let (reply, waiting) = oneshot::channel();
        let was_empty = order.pending.is_empty();
        order.pending_bytes += weight;
        order.history.await_in(&streams);
        order.pending.push_back(Pending { outgoing, streams, disk, reply });
        let is_whole = order.pending.len() == order.awaited;
        drop(order);
        if was_empty || is_whole {
            self.commits.notify_one();
        }
        Ok(Accepted::Waiting(waiting))
    }

    /// What a stream keeps, and whether on disk.
    pub(crate) fn keeps(&self, name: &str) -> (Option<HistoryRule>, bool) {
        let rule = self.rules().history(name).filter(keeps_something);
        (rule, self.has_journal && rule.is_some_and(|rule| rule.durable))
    }

    /// The streams of a target, known from now on.
    fn streams_of(&self, order: &mut Order, target: &Target) -> Streams {
        let mut open = |name: &str| order.history.open(name, || self.keeps(name));
        match target {
            Target::Everyone => Streams::from_slice(&[open(protocol::channel::ALL)]),
            Target::Named(audience) => audience.streams.iter().map(|stream| open(stream.as_str())).collect(),
        }
    }

    /// Gives a publication its place.
    pub(crate) fn encode(
        &self,
        order: &mut Order,
        outgoing: &Outgoing,
        streams: &Streams,
        group: u64,
    ) -> Arc<Encoded> {
        let ordered = order.place(streams, group);
        let publication = Arc::clone(&outgoing.publication);
        let form = self.event_form();
        Arc::new(Encoded::new(publication, outgoing.except, ordered, outgoing.accepted, form))
    }

    /// Refuses a publication for which there is no room: in a shard that it may go to, or before the disk.
    fn check(&self, order: &Order, outgoing: &Outgoing, weight: usize) -> Result<(), PublishError> {
        if self.is_draining() {
            return Err(PublishError::Draining);
        }
        if let Some(error) = outgoing.fate.as_ref().and_then(|fate| fate.failure()) {
            return Err(error);
        }
        let is_full = order.pending.len() >= self.limits().queue_publications
            || !order.pending.is_empty() && order.pending_bytes + weight > self.limits().queue_bytes;
        let has_room = |inbox: &Inbox| inbox.has_room(weight, &self.limits());
        if is_full || !self.inboxes.iter().all(has_room) && self.visits_a_full_shard(outgoing, weight) {
            return Err(PublishError::Overloaded);
        }
        Ok(())
    }

    /// Whether a shard without room has followers of the target.
    fn visits_a_full_shard(&self, outgoing: &Outgoing, weight: usize) -> bool {
        let mut entries = match &outgoing.target {
            Target::Everyone => vec![Arc::clone(self.registry.everyone())],
            Target::Named(audience) => self.followed(&audience.streams),
        };
        if let Some(sessions) = &outgoing.close_sessions {
            let users: Vec<Stream> =
                sessions.users.iter().flat_map(|user| self.namespaces.of_user(user)).collect();
            entries.extend(self.followed(&users));
        }
        let is_for_one = matches!(&outgoing.target, Target::Named(audience) if audience.connection.is_some());
        self.inboxes.iter().enumerate().any(|(shard, inbox)| {
            (is_for_one || entries.iter().any(|entry| entry.is_on(shard)))
                && !inbox.has_room(weight, &self.limits())
        })
    }

    /// Tells a connection what became of the token that it sent.
    pub fn verified(&self, shard: usize, connection: ConnectionId, identity: Option<Identity>) {
        self.inboxes[shard].push([Message::Verified(connection, identity.map(Box::new))]);
    }

    /// Begins to shut down: what was accepted is delivered, then each connection is closed and told when to
    /// come back, no two at the same time, spread over at least `spread`. Publications are refused from now on.
    pub fn drain(&self, spread: Duration) {
        let mut order = self.order();
        if self.draining.swap(true, Ordering::AcqRel) {
            return;
        }
        // Whole milliseconds, rounded up: what clients are told differs, and spans the spread.
        let gaps = self.open_connections().saturating_sub(1).max(1) as u128;
        let step = u64::try_from(spread.as_millis().div_ceil(gaps)).unwrap_or(u64::MAX).max(1);
        let step = Duration::from_millis(step);
        let shards = u32::try_from(self.inboxes.len()).unwrap_or(1);
        let plans = (0..shards)
            .map(|shard| DrainPlan { first: FIRST_RETURN + step * shard, step: step * shards })
            .collect();
        order.drain = Some(plans);
        self.begin_farewell(&mut order);
    }

    /// Tells the shards of a drain, once nothing waits for the disk.
    pub(crate) fn begin_farewell(&self, order: &mut Order) {
        if order.is_waiting() {
            return;
        }
        for (inbox, plan) in self.inboxes.iter().zip(order.drain.take().into_iter().flatten()) {
            inbox.push([Message::Drain(plan)]);
        }
    }

    /// Has all shards tell who is in a channel, and who comes and goes from now on.
    pub(crate) fn call_roll(&self, channel: &str, caller: Caller) {
        let roll = Roll { channel: channel.into(), left: AtomicUsize::new(self.inboxes.len()), caller };
        let roll = Arc::new(roll);
        for inbox in &self.inboxes {
            inbox.push([Message::Roll(Arc::clone(&roll))]);
        }
    }

    /// Puts a message into a shard's queue.
    pub(crate) fn tell(&self, shard: usize, message: Message) {
        if let Some(inbox) = self.inboxes.get(shard) {
            inbox.push([message]);
        }
    }

    /// A stream's key and end.
    pub(crate) fn standing(&self, name: &str) -> (Arc<StreamKey>, Position) {
        let mut order = self.order();
        let index = order.history.open(name, || self.keeps(name));
        order.history.end(index)
    }

    pub(crate) fn tell_history(&self, order: &mut Order) {
        let metrics = &self.metrics;
        metrics.history_bytes.set(i64::try_from(order.history.bytes()).unwrap_or(i64::MAX));
        metrics.history_events.set(i64::try_from(order.history.events()).unwrap_or(i64::MAX));
        metrics.history_streams.set(i64::try_from(order.history.len()).unwrap_or(i64::MAX));
        metrics.history_evictions.inc_by(order.history.take_evicted());
    }

    pub(crate) fn opened(&self, label: &str) {
        self.metrics.connections_opened.inc();
        self.metrics.connections.with_label_values(&[label]).inc();
    }

    /// A connection was welcomed.
    pub(crate) fn welcomed(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was welcomed has ended.
    pub(crate) fn departed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A life as it stands in the offsets of sockets.
fn short_life(life: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "half of the random bits are enough")]
    let low = life as u32;
    low
}

/// The earliest return after a drain: a process needs about so long to be replaced.
const FIRST_RETURN: Duration = Duration::from_secs(1);
