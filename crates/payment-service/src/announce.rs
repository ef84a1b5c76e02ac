//! The events of a payment, as the hub is told them (contract: channels, PayChain events).

use events::{Audience, Event, JobId, PaymentConfirmed, PaymentHeld, PaymentRefunded, PaymentStatus};
use hub_client::Message;

use crate::payment::Payment;

/// Whether every follower of the channel `payments` hears of a payment, or its parties alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PaymentsChannel {
    /// The channel `payments` and both parties.
    #[default]
    On,
    /// Both parties.
    Off,
}

/// What the events of a job keep their order by.
pub(crate) fn aggregate(job: JobId) -> String {
    format!("job:{job}")
}

/// The event that a payment's present state is news of, part of the present trace.
pub(crate) fn message(payment: &Payment, channel: PaymentsChannel) -> Message {
    let event = event(payment);
    let audience = match channel {
        PaymentsChannel::On => event.audience(),
        PaymentsChannel::Off => event.audience().without_channel(),
    };
    let mut message = Message::new(event.event_type(), event.data());
    // A payment's event names its employer, so it always has a target.
    if let Audience::Named { channel, users } = audience {
        message.channels = channel.map(|channel| vec![channel.to_owned()]);
        message.user_ids = Some(users.into_iter().map(|user| user.get().into()).collect());
    }
    message.timestamp = Some(rest::instant::show(payment.updated_at));
    message.traceparent = rest::trace::current();
    message
}

fn event(payment: &Payment) -> Event {
    let Payment { payment_id, job_id, employer_id, worker_id, amount_usd, status, .. } = *payment;
    match status {
        PaymentStatus::Held => {
            PaymentHeld { payment_id, job_id, amount_usd, employer_id, worker_id, status }.into()
        }
        PaymentStatus::Released => {
            PaymentConfirmed { payment_id, job_id, amount_usd, employer_id, worker_id, status }.into()
        }
        PaymentStatus::Refunded => {
            PaymentRefunded { payment_id, job_id, amount_usd, employer_id, worker_id, status }.into()
        }
    }
}
