//! Delivery hooks: services are told what became of events at each connection (contract: socketio, Delivery hooks).
//!
//! A shard gives records to [`Deliveries::take`], which only queues them; a task for each hook posts them in batches, in
//! their order, one at a time, each until the service says 200. What does not fit into a queue takes the place of the
//! oldest there, and is counted. A service that is away needs no circuit breaker: it is asked by one call at a time, later
//! and later. Not here: which events are whose (`config::deliveries`), what a record says (the engine's `deliveries`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hub::deliveries::{DeliveryHooks, DeliveryRecord};
use prometheus::Registry;
use service_kit::telemetry::LogLimiter;
use tokio::sync::{Notify, watch};

use crate::calls;
use crate::config::{self, DeliveryHook};
use metrics::DeliveryMetrics;
use queue::Queue;

mod batch;
mod metrics;
mod queue;
mod worker;

/// How often is looked whether all is told, at a drain.
const LOOK: Duration = Duration::from_millis(10);

/// Lines per second about records that are dropped; the counter tells the rest.
static DROPPED: LogLimiter = LogLimiter::new(1);

/// The hub's delivery hooks.
#[derive(Debug)]
pub(crate) struct Deliveries {
    lines: Vec<Arc<Line>>,
    /// The lines for types that are named whole.
    by_type: HashMap<Box<str>, u8>,
    /// And for those of which only the beginning is.
    by_beginning: Vec<(Box<str>, u8)>,
    /// Becomes true when nothing is to wait for company any longer.
    flushing: watch::Sender<bool>,
    metrics: DeliveryMetrics,
}

/// A hook and what waits for it.
#[derive(Debug)]
struct Line {
    hook: DeliveryHook,
    /// Held for a few instructions by shards and by the task.
    queue: Mutex<Queue>,
    /// There is something to tell.
    wake: Notify,
}

impl Line {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deliveries {
    /// The hooks of a configuration, and those of the program that holds the hub, which come second; one with the name of
    /// a configured one is left out. [`Deliveries::spawn`] sets them to work.
    ///
    /// # Errors
    /// A hook of the program is none, there are too many, or counters can't be made.
    pub(crate) fn new(
        config: &config::Deliveries,
        of_program: Vec<DeliveryHook>,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let mut hooks = config.hooks.clone();
        for hook in of_program {
            hook.check().map_err(|fault| anyhow::anyhow!("the delivery hook {:?}: {fault}", hook.name))?;
            if hooks.iter().all(|known| known.name != hook.name) {
                hooks.push(hook);
            }
        }
        let mut deliveries = Self {
            lines: Vec::with_capacity(hooks.len()),
            by_type: HashMap::new(),
            by_beginning: Vec::new(),
            flushing: watch::Sender::new(false),
            metrics: DeliveryMetrics::new(registry)?,
        };
        for hook in hooks {
            let number = u8::try_from(deliveries.lines.len())
                .map_err(|_| anyhow::anyhow!("there are too many delivery hooks"))?;
            for one in &hook.types {
                match one.strip_suffix('*') {
                    Some(beginning) => deliveries.by_beginning.push((beginning.into(), number)),
                    None => {
                        deliveries.by_type.entry(one.clone()).or_insert(number);
                    }
                }
            }
            deliveries.metrics.begin(&hook.name);
            let queue = Mutex::new(Queue::new(config.queue.get()));
            deliveries.lines.push(Arc::new(Line { hook, queue, wake: Notify::new() }));
        }
        Ok(deliveries)
    }

    /// Whether nobody wants to know anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Starts the tasks; they end with the runtime.
    ///
    /// # Errors
    /// The client can't be made.
    pub(crate) fn spawn(&self) -> anyhow::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let client = calls::client()?;
        for line in &self.lines {
            let worker = worker::Worker {
                line: Arc::clone(line),
                client: client.clone(),
                flushing: self.flushing.subscribe(),
                metrics: self.metrics.clone(),
            };
            actix_rt::spawn(worker.run());
        }
        Ok(())
    }

    /// From now on nothing waits for company.
    pub(crate) fn hurry(&self) {
        self.flushing.send_replace(true);
    }

    /// Waits until all is told, at most for `time`.
    pub(crate) async fn settle(&self, time: Duration) {
        self.hurry();
        let end = Instant::now() + time;
        while self.left() > 0 && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
        for line in &self.lines {
            let (left, hook) = (line.queue().len(), &*line.hook.name);
            if left > 0 {
                tracing::warn!(
                    hook,
                    left,
                    "drain: the service did not take the delivery records that are left"
                );
            }
        }
    }

    fn left(&self) -> usize {
        self.lines.iter().map(|line| line.queue().len()).sum()
    }

    /// Sets the gauges, for somebody who reads them now.
    pub(crate) fn measure(&self) {
        for line in &self.lines {
            let (length, age) = {
                let queue = line.queue();
                (queue.len(), queue.oldest().map_or(Duration::ZERO, |oldest| oldest.elapsed()))
            };
            let label = [&*line.hook.name];
            self.metrics.waiting.with_label_values(&label).set(i64::try_from(length).unwrap_or(i64::MAX));
            self.metrics.oldest.with_label_values(&label).set(age.as_secs_f64());
        }
    }
}

impl DeliveryHooks for Deliveries {
    fn hook(&self, event_type: &str) -> Option<u8> {
        let whole = self.by_type.get(event_type).copied();
        let begun = self.by_beginning.iter().filter(|(beginning, _)| event_type.starts_with(&**beginning));
        // The first of those that are for it, as they stand in the configuration.
        begun.map(|&(_, number)| number).chain(whole).min()
    }

    fn take(&self, records: Vec<DeliveryRecord>) {
        let now = Instant::now();
        let mut records = records.into_iter().peekable();
        while let Some(first) = records.next() {
            let number = first.hook;
            let Some(line) = self.lines.get(usize::from(number)) else { continue };
            let dropped = {
                let mut queue = line.queue();
                let mut dropped = queue.push(first, now);
                while let Some(record) = records.next_if(|record| record.hook == number) {
                    dropped += queue.push(record, now);
                }
                dropped
            };
            line.wake.notify_one();
            if dropped > 0 {
                let hook = &*line.hook.name;
                self.metrics.dropped.with_label_values(&[hook]).inc_by(dropped);
                if let Some(suppressed) = DROPPED.allow() {
                    tracing::warn!(
                        hook,
                        dropped,
                        suppressed,
                        "too many delivery records wait; the oldest are dropped"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
