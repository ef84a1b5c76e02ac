//! What the payment service tells of payments (contract: channels, PayChain events).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    AudienceRule, EventData, JobId, PAYMENTS_CHANNEL, PaymentId, PaymentStatus, Service, Usd, UserId,
    nullable,
};

macro_rules! payment_event {
    ($(#[$doc:meta])* $name:ident = $word:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
        pub struct $name {
            /// The payment.
            pub payment_id: PaymentId,
            /// The job that it is for.
            pub job_id: JobId,
            /// How much, in US dollars.
            pub amount_usd: Usd,
            /// Who pays.
            pub employer_id: UserId,
            /// Who is paid, null if no worker ever accepted the job.
            #[serde(deserialize_with = "nullable")]
            pub worker_id: Option<UserId>,
            /// The state that the payment is in now.
            pub status: PaymentStatus,
        }

        impl EventData for $name {
            const TYPE: &'static str = $word;
            const SENDER: Service = Service::Payment;
            const AUDIENCE: AudienceRule = AudienceRule::ChannelAndParties(PAYMENTS_CHANNEL);

            fn users(&self) -> Vec<UserId> {
                std::iter::once(self.employer_id).chain(self.worker_id).collect()
            }
        }
    };
}

payment_event! {
    /// The money of a job was set aside on the employer's wallet.
    PaymentHeld = "payment_held"
}

payment_event! {
    /// The money of a job was released to its worker.
    PaymentConfirmed = "payment_confirmed"
}

payment_event! {
    /// The money of a job went back to its employer.
    PaymentRefunded = "payment_refunded"
}
