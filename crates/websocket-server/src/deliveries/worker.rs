//! The task of one hook: it posts what waits, a batch at a time, each until the service has it.
//!
//! Not here: what a batch is on the wire (`batch`), and what is dropped (`queue`).

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Line;
use super::batch::{self, Failure};
use super::metrics::DeliveryMetrics;

/// How long a record waits for others to go with it: a quarter of the second that the contract allows, since push waits for
/// what is told here.
const COMPANY: Duration = Duration::from_millis(250);

/// The wait before a batch is tried again, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest, but for chance, which at most doubles it: a service that comes back is told within about so long.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The longest at a drain, which has little time.
const WAIT_IN_DRAIN: Duration = Duration::from_millis(200);

/// The task.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) line: Arc<Line>,
    pub(super) client: reqwest::Client,
    pub(super) flushing: watch::Receiver<bool>,
    pub(super) metrics: DeliveryMetrics,
}

impl Worker {
    /// Tells the service what comes, for as long as it is polled.
    pub(super) async fn run(mut self) {
        loop {
            self.due().await;
            let records = self.line.queue().batch();
            if records.is_empty() {
                continue;
            }
            let body = batch::body(&records);
            let count = records.len() as u64;
            drop(records);
            self.tell(&body).await;
            self.line.queue().arrived();
            self.metrics.told.with_label_values(&[&*self.line.hook.name]).inc_by(count);
        }
    }

    /// Waits until a batch is to go: whole, or with a record that has waited long enough.
    async fn due(&mut self) {
        loop {
            let since = {
                let queue = self.line.queue();
                if queue.has_batch() {
                    return;
                }
                queue.next_since()
            };
            let is_flushing = *self.flushing.borrow_and_update();
            let Some(since) = since else {
                self.line.wake.notified().await;
                continue;
            };
            let end = Instant::from_std(since) + COMPANY;
            if is_flushing || end <= Instant::now() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(end) => {}
                () = self.line.wake.notified() => {}
                _ = self.flushing.changed() => {}
            }
        }
    }

    /// Posts a batch until it has arrived.
    async fn tell(&mut self, body: &[u8]) {
        let hook = &self.line.hook;
        let name = &*hook.name;
        let mut last: Option<Failure> = None;
        let mut waits = backoff(LONGEST_WAIT);
        loop {
            let failure = match batch::post(&self.client, hook, body).await {
                Ok(()) => break,
                Err(failure) => failure,
            };
            self.metrics.batches.with_label_values(&[name, failure.outcome()]).inc();
            if last != Some(failure) {
                tracing::warn!(
                    hook = name,
                    "a batch of delivery records is tried until it arrives: {failure}"
                );
                last = Some(failure);
            }
            let is_flushing = *self.flushing.borrow_and_update();
            let wait = waits.next().unwrap_or(LONGEST_WAIT);
            if is_flushing {
                tokio::time::sleep(wait.min(WAIT_IN_DRAIN)).await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.flushing.changed() => {}
            }
        }
        self.metrics.batches.with_label_values(&[name, "taken"]).inc();
        if last.is_some() {
            tracing::info!(hook = name, "the service takes delivery records again");
        }
    }
}

fn backoff(longest: Duration) -> impl Iterator<Item = Duration> + use<> {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(longest)
        .without_max_times()
        .build()
}
