//! Client-event hooks: what clients send is handed to services, and what these answer is the acknowledgement (contract:
//! socketio, Client → server).
//!
//! A shard gives an event to [`ClientHooks::take`], which only queues it; one task asks the services and answers through
//! the hub. Of a connection one event at a time is on its way, so that the order is kept. Each event is answered within
//! `HOOKS_ANSWER_WITHIN`: by the service, or with the reason why not. Not here: which events are whose (`config::hooks`),
//! frames and packets (the engine's dialects).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hub::hooks::{Answered, ClientEvent, Origin, Reply};
use hub::{Hub, Outgoing, PublishError};
use prometheus::Registry;
use protocol::{ConnectionId, Publication, PublicationId};
use service_kit::telemetry::LogLimiter;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::clock::time_of_day;
use crate::config::{Action, Hook, Hooks, Rate};
use answer::{refusal, unavailable};
use breaker::{Breaker, Change, Permit, Verdict};
use call::{Answer, Called, Caller};
use metrics::HookMetrics;
use queue::{Bounds, Entry, Full, Queue};
use rate::{Rates, Sender};
use table::Table;

mod answer;
mod breaker;
mod call;
mod metrics;
mod queue;
mod rate;
mod table;

/// Bytes that an event takes beside its name and its data.
const OVERHEAD: usize = 256;

/// The part of the time for an answer that is left to the answer itself: to be written, and to reach the client.
const MARGIN: u32 = 20;

/// How often is looked for what has waited too long, as a part of the time for an answer.
const SWEEPS: u32 = 100;

/// Lines per second about services that do not answer; the counters tell the rest.
static FAILURES: LogLimiter = LogLimiter::new(5);

/// The hub's hooks.
#[derive(Debug)]
pub(crate) struct ClientHooks {
    table: Table,
    hub: Weak<Hub>,
    /// How long an event may take until the hub answers in the service's place.
    patience: Duration,
    hooks: Hooks,
    caller: Caller,
    /// Held for a few instructions by shards and by the task.
    waiting: Mutex<Waiting>,
    rates: Mutex<Rates>,
    /// There is something to hand out.
    wake: Notify,
    /// Nothing waits and nothing is on its way.
    idle: Notify,
    metrics: HookMetrics,
}

#[derive(Debug)]
struct Waiting {
    queue: Queue<Job>,
    /// Nothing more is taken.
    is_closed: bool,
}

/// An event for a hook.
#[derive(Debug)]
struct Job {
    /// The hook's number in the table.
    hook: usize,
    event: ClientEvent,
    taken: Instant,
}

/// What became of an event that was handed out.
struct Done {
    job: Job,
    body: Box<str>,
    outcome: &'static str,
    /// For the breaker of its service.
    told: Option<(Permit, Verdict)>,
}

impl ClientHooks {
    /// The hooks of a configuration, and those of the program that holds the hub, which come second. [`ClientHooks::run`]
    /// is to be spawned.
    ///
    /// # Errors
    /// A hook of the program is none, or the client can't be made.
    pub(crate) fn new(
        hub: &Arc<Hub>,
        hooks: &Hooks,
        of_program: Vec<Hook>,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        for hook in &of_program {
            hook.check().map_err(|fault| anyhow::anyhow!("the hook {:?}: {fault}", hook.name))?;
        }
        let table = Table::new(hooks, of_program);
        let bounds = Bounds {
            waiting: hooks.bounds.waiting.get(),
            waiting_per_connection: hooks.bounds.waiting_per_connection.get(),
            bytes: hooks.bounds.bytes,
            calls: hooks.bounds.calls.get(),
        };
        let queue = Queue::new(table.services(), table.addresses(), bounds);
        let metrics = HookMetrics::new(registry)?;
        for entry in table.hooks() {
            metrics.circuit_open.with_label_values(&[&*entry.hook.name]).set(0);
        }
        let within = hooks.bounds.answer_within;
        Ok(Self {
            table,
            hub: Arc::downgrade(hub),
            patience: within - within / MARGIN,
            hooks: hooks.clone(),
            caller: Caller::new()?,
            waiting: Mutex::new(Waiting { queue, is_closed: false }),
            rates: Mutex::new(Rates::new(Instant::now())),
            wake: Notify::new(),
            idle: Notify::new(),
            metrics,
        })
    }

    /// Asks the services, for as long as it is polled.
    pub(crate) async fn run(self: Arc<Self>) {
        let circuit = self.hooks.bounds.circuit;
        let mut breakers: Vec<Breaker> = (0..self.table.services()).map(|_| Breaker::new(circuit)).collect();
        let mut calls = FuturesUnordered::new();
        // The time that a call has at least; with less, no service answers.
        let tick = self.hooks.bounds.answer_within / SWEEPS;
        let mut sweep = tokio::time::interval(tick);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while let Some(entry) = self.next() {
                let now = Instant::now();
                if entry.deadline < now + tick {
                    self.finish(&Done::without_call(entry.item, "expired"));
                    continue;
                }
                match breakers[entry.service].admit(now) {
                    Some(permit) => calls.push(self.work(entry.item, permit, entry.deadline)),
                    None => self.finish(&Done::without_call(entry.item, "circuit_open")),
                }
            }
            let is_waiting = self.tell_waiting();
            tokio::select! {
                Some(done) = calls.next(), if !calls.is_empty() => {
                    if let Some((permit, verdict)) = &done.told {
                        let service = self.table.hooks()[done.job.hook].service;
                        let change = breakers[service].record(permit, *verdict, Instant::now());
                        self.tell_change(service, change);
                    }
                    self.finish(&done);
                }
                () = self.wake.notified() => {}
                _ = sweep.tick(), if is_waiting => {
                    let late = self.waiting().queue.expired(Instant::now());
                    for entry in late {
                        self.answer(&Done::without_call(entry.item, "expired"));
                    }
                }
            }
        }
    }

    /// Takes no more, and waits until all that was taken is answered, at most for `time`.
    pub(crate) async fn settle(&self, time: Duration) {
        let is_idle = {
            let mut held = self.waiting();
            held.is_closed = true;
            held.queue.is_idle()
        };
        if is_idle {
            return;
        }
        tracing::info!("draining: events of clients that were taken are answered first");
        let settled = async {
            loop {
                let idle = self.idle.notified();
                if self.waiting().queue.is_idle() {
                    return;
                }
                // Whatever the task answers next.
                let _again = tokio::time::timeout(self.hooks.bounds.answer_within / SWEEPS, idle).await;
            }
        };
        if tokio::time::timeout(time, settled).await.is_err() {
            tracing::warn!("drain timeout: events of clients are left that no service has answered");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Entry<Job>> {
        self.waiting().queue.next()
    }

    /// Tells the metric, and whether anything waits.
    fn tell_waiting(&self) -> bool {
        let (waiting, is_idle) = {
            let held = self.waiting();
            (held.queue.waiting(), held.queue.is_idle())
        };
        self.metrics.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        if is_idle {
            self.idle.notify_waiters();
        }
        waiting > 0
    }

    fn tell_change(&self, service: usize, change: Change) {
        if change == Change::None {
            return;
        }
        for entry in self.table.hooks().iter().filter(|entry| entry.service == service) {
            let hook = &*entry.hook.name;
            self.metrics.circuit_open.with_label_values(&[hook]).set(i64::from(change != Change::Closed));
            match change {
                Change::Opened(pause) => {
                    let pause = pause.as_millis();
                    tracing::warn!(hook, "the service does not answer and is not asked for {pause} ms");
                }
                Change::Closed => tracing::info!(hook, "the service answers again"),
                Change::None => {}
            }
        }
    }

    async fn work(&self, job: Job, permit: Permit, deadline: Instant) -> Done {
        match &self.table.hooks()[job.hook].hook.action {
            Action::Emit(event_type) => {
                let emitted = self.emit(event_type, &job.event);
                let (body, outcome) = match tokio::time::timeout_at(deadline.into(), emitted).await {
                    Ok(Ok(())) => (answer::DONE.into(), "emitted"),
                    Ok(Err(error)) => (refusal("unavailable", &error.to_string()), "emit_failed"),
                    Err(_) => (refusal("unavailable", "the hub's store is busy; try again"), "emit_failed"),
                };
                Done { job, body, outcome, told: None }
            }
            Action::Post(post) => {
                let Called { result, verdict } = self.caller.call(post, &job.event, deadline).await;
                let (body, outcome) = match result {
                    Ok(Answer::Taken(body)) => (body, "answered"),
                    Ok(Answer::Refused(body)) => (body, "refused"),
                    Err(failure) => {
                        if let Some(suppressed) = FAILURES.allow() {
                            let hook = &*self.table.hooks()[job.hook].hook.name;
                            tracing::warn!(hook, suppressed, "the service was no help: {failure}");
                        }
                        (unavailable(), failure.outcome())
                    }
                };
                Done { job, body, outcome, told: Some((permit, verdict)) }
            }
        }
    }

    /// Publishes an event to its sender.
    async fn emit(&self, event_type: &str, event: &ClientEvent) -> Result<(), PublishError> {
        let hub = self.hub.upgrade().ok_or(PublishError::Draining)?;
        let now = time_of_day();
        let publication = Publication {
            id: PublicationId::now(),
            event_type: event_type.into(),
            data: event.data.clone(),
            timestamp: now,
        };
        hub.publish(Outgoing::new(publication, event.sender(), now))?.queued().await.map(drop)
    }

    /// Answers, and lets the connection's next one have its turn. Who has the answer finds the place free.
    fn finish(&self, done: &Done) {
        self.waiting().queue.done(done.job.event.connection);
        self.answer(done);
    }

    fn answer(&self, done: &Done) {
        let Done { job, body, outcome, .. } = done;
        let hook = &*self.table.hooks()[job.hook].hook.name;
        self.metrics.calls.with_label_values(&[hook, outcome]).inc();
        self.metrics.seconds.with_label_values(&[hook]).observe(job.taken.elapsed().as_secs_f64());
        self.reply(&job.event, body.clone());
    }

    fn reply(&self, event: &ClientEvent, body: Box<str>) {
        if event.reply == Reply::None {
            return;
        }
        if let Some(hub) = self.hub.upgrade() {
            let answered = Answered { connection: event.connection, reply: event.reply.clone(), body };
            hub.answer(event.shard, answered);
        }
    }

    /// Answers at once what is not taken.
    fn refuse(&self, hook: &Hook, event: &ClientEvent, outcome: &str, body: Box<str>) {
        self.metrics.calls.with_label_values(&[&*hook.name, outcome]).inc();
        self.reply(event, body);
    }

    fn is_too_often(&self, number: usize, rate: Rate, event: &ClientEvent, now: Instant) -> bool {
        let sender = match &event.user {
            Some(user) => Sender::User(user.clone()),
            None => Sender::Connection(event.connection),
        };
        !self.rates.lock().unwrap_or_else(PoisonError::into_inner).allow(number, rate, sender, now)
    }
}

impl Done {
    fn without_call(job: Job, outcome: &'static str) -> Self {
        Self { job, body: unavailable(), outcome, told: None }
    }
}

impl hub::hooks::Hooks for ClientHooks {
    fn is_mapped(&self, origin: &Origin, event: &str) -> bool {
        self.table.find(origin, event).is_some()
    }

    fn take(&self, event: ClientEvent) {
        let Some(number) = self.table.find(&event.origin, &event.event) else {
            return self.reply(&event, unavailable());
        };
        let entry = &self.table.hooks()[number];
        let (hook, service, now) = (&entry.hook, entry.service, Instant::now());
        if let Some(rate) = hook.rate
            && self.is_too_often(number, rate, &event, now)
        {
            let (events, time) = (rate.events, rate.window.as_millis());
            let message = format!("at most {events} of these events in {time} ms");
            return self.refuse(hook, &event, "rate", refusal("too_many_requests", &message));
        }
        let outlives = matches!(&hook.action, Action::Post(post) if post.is_idempotent);
        let entry = Entry {
            connection: event.connection,
            service,
            weight: OVERHEAD + event.event.len() + event.data.len(),
            deadline: now + self.patience,
            outlives,
            item: Job { hook: number, event, taken: now },
        };
        let refused = {
            let mut held = self.waiting();
            if held.is_closed {
                Err((None, entry))
            } else {
                held.queue.push(entry).map_err(|(full, entry)| (Some(full), entry))
            }
        };
        match refused {
            Ok(()) => self.wake.notify_one(),
            Err((None, entry)) => {
                let body = refusal("unavailable", "the hub is shutting down; try again");
                self.refuse(hook, &entry.item.event, "draining", body);
            }
            Err((Some(Full::Service), entry)) => {
                self.refuse(hook, &entry.item.event, "full", unavailable());
            }
            Err((Some(Full::Connection), entry)) => {
                let most = self.hooks.bounds.waiting_per_connection;
                let message = format!(
                    "this connection has as many events waiting as it may, at most {most}; wait for their answers"
                );
                self.refuse(hook, &entry.item.event, "too_many", refusal("too_many_requests", &message));
            }
        }
    }

    fn ended(&self, connection: ConnectionId) {
        let dropped = self.waiting().queue.ended(connection);
        for entry in dropped {
            let hook = &*self.table.hooks()[entry.item.hook].hook.name;
            self.metrics.calls.with_label_values(&[hook, "dropped"]).inc();
        }
    }
}
