//! The trace id that follows an event: from the request that caused it, through the relay's row, into the hub's
//! publication (W3C Trace Context, `traceparent`).
//!
//! Each request runs with its trace: the one that it came with, or a new one. [`current`] tells it to whoever writes
//! an event's row or calls another service.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use protocol::trace::{TRACEPARENT, TraceContext};
use service_kit::problem::Problem;
use tracing::Instrument as _;

use crate::failure::Failure;

#[cfg(test)]
mod tests;

/// The trace of a request, with a span of this service's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace(TraceContext);

tokio::task_local! {
    static CURRENT: Trace;
}

/// The flags of a trace that begins here: it may be recorded (W3C Trace Context, §3.2.2.5).
const SAMPLED: u8 = 1;

impl Trace {
    /// A new trace.
    #[must_use]
    pub fn new() -> Self {
        Self::part_of(random::<16>().max(1), SAMPLED)
    }

    /// The trace that a request is part of, or a new one where its header has none that can be read.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let header = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let came = header.and_then(TraceContext::parse);
        came.map_or_else(Self::new, |came| Self::part_of(came.trace_id().number(), came.flags()))
    }

    fn part_of(trace_id: u128, flags: u8) -> Self {
        let span = u64::try_from(random::<8>()).unwrap_or(1).max(1);
        // Neither is zero.
        TraceContext::new(trace_id, span, flags).map_or_else(Self::new, Self)
    }

    /// The trace's id alone, for log lines.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// The value of the `traceparent` header.
    #[must_use]
    pub fn header(&self) -> String {
        self.0.to_string()
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

/// The `traceparent` of the request that this task works for.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(|trace| trace.header()).ok()
}

/// Runs a future as part of a trace.
pub async fn within<F: Future>(trace: Trace, work: F) -> F::Output {
    CURRENT.scope(trace, work).await
}

/// Runs work to its end even if the caller goes away meanwhile, as part of the present trace and span: for what
/// must not stop between two steps.
///
/// # Errors
/// What the work fails with; 500 where it panicked.
pub async fn uninterrupted<T: 'static>(
    work: impl Future<Output = Result<T, Failure>> + 'static,
) -> Result<T, Failure> {
    let trace = CURRENT.try_with(|trace| *trace).unwrap_or_default();
    let running = Running::begin();
    let work = async move {
        let _running = running;
        work.await
    };
    let task = actix_web::rt::spawn(within(trace, work).in_current_span());
    task.await.unwrap_or_else(|error| Err(Failure(Problem::internal(format!("a step ended early: {error}")))))
}

/// How much work runs that is not to be interrupted, in this process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

struct Running;

impl Running {
    fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::AcqRel);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How often [`settled`] looks.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until no work runs that is not to be interrupted, at most for `patience`: before the threads end that it runs
/// on.
pub async fn settled(patience: Duration) {
    let end = Instant::now() + patience;
    while RUNNING.load(Ordering::Acquire) > 0 && Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
}

/// A number of so many random bytes. A system without randomness gives zeros, which costs a reader of logs, and nobody
/// else.
fn random<const BYTES: usize>() -> u128 {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes[16 - BYTES..]);
    u128::from_be_bytes(bytes)
}
