//! Acknowledgements: in batches, confirmed by Pub/Sub, tried again while it does not answer.
//!
//! They go out as calls of their own and not on a stream: a stream confirms nothing, and a message counts as held until
//! its acknowledgement is confirmed.

use std::convert::Infallible;

use service_kit::telemetry::LogLimiter;
use tonic::Code;

use crate::service::{self, Shared};
use crate::setup::told;

/// Deliveries named in one call; as many as Google's own clients name within the limit of 512 KiB.
pub(crate) const MOST: usize = 1000;

/// Lines per second about acknowledgements that failed.
static FAILURES: LogLimiter = LogLimiter::new(1);

/// Sends what is to be acknowledged. Ends only when it is dropped.
pub(crate) async fn run(shared: &Shared) -> Infallible {
    let subscription = shared.settings.subscription_name();
    let mut delays = service::backoff();
    loop {
        let acks = shared.ledger.acks(MOST).await;
        let link = shared.link().await;
        let ids = acks.iter().map(|ack| ack.ack_id.clone()).collect();
        match link.acknowledge(&subscription, ids).await {
            Ok(()) => {
                shared.metrics.acked.inc_by(acks.len() as u64);
                shared.ledger.acknowledged(&acks);
                delays = service::backoff();
            }
            Err(status) => {
                shared.metrics.ack_failures.inc_by(acks.len() as u64);
                if let Some(suppressed) = FAILURES.allow() {
                    let cause = told(&status);
                    tracing::warn!(messages = acks.len(), cause, suppressed, "acknowledging failed");
                }
                if is_final(status.code()) {
                    // They come again, and are recognised and acknowledged then.
                    shared.ledger.acknowledged(&acks);
                } else {
                    shared.ledger.unacknowledged(acks);
                }
                tokio::time::sleep(service::next(&mut delays)).await;
            }
        }
    }
}

/// Whether the same acknowledgement would fail again: its delivery is over, or its subscription gone.
fn is_final(code: Code) -> bool {
    matches!(code, Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound | Code::OutOfRange)
}
