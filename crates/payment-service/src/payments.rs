//! What happens to payments: hold, release, refund, the worker's entry, and the fence before a call that may still arrive.
//!
//! ```text
//! hold ──► held ──► released
//!            └────► refunded
//! ```
//!
//! Each operation is one transaction: the payment, the ledger's transfer, the answer by its idempotency key and the event
//! are there together or not at all. Operations on one job take turns: each begins by locking the job's row, whether or
//! not there is a payment yet, so of two that exclude each other exactly one wins, on either database.
//!
//! Repeats are harmless without a key as well: what an operation would bring about and finds done is answered as done.

use events::{JobId, PaymentId, PaymentStatus, RefundReason, Usd, UserId};
use hub_client::{RelayHandle, relay};
use serde::Serialize;
use store::{Store, Transaction, counter, now_micros};

use crate::announce::{self, PaymentsChannel};
use crate::call::Call;
use crate::ledger::{Ledger, Role};
use crate::metrics::{Metrics, Operation};
use crate::payment::Payment;
use crate::provider::PaymentProvider as _;
use crate::refusal::Refusal;

#[cfg(test)]
mod tests;

/// What is to be held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) job: JobId,
    pub(crate) employer: UserId,
    pub(crate) amount: Usd,
}

/// What a caller gives up.
#[derive(Debug, Clone)]
pub(crate) struct Void {
    pub(crate) job: JobId,
    pub(crate) operation: Voidable,
    pub(crate) key: String,
}

/// The operations that can be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voidable {
    Hold,
    Release,
    Refund,
}

impl Voidable {
    pub(crate) const ALL: &[Self] = &[Self::Hold, Self::Release, Self::Refund];

    /// The word in requests and in the tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Refund => "refund",
        }
    }

    /// Whether a job with this payment, or none, shows what the operation brings about.
    fn is_done(self, payment: Option<&Payment>) -> bool {
        payment.is_some_and(|payment| match self {
            Self::Hold => true,
            Self::Release => payment.status == PaymentStatus::Released,
            Self::Refund => payment.status == PaymentStatus::Refunded,
        })
    }
}

/// What became of an operation that its caller gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Voided {
    /// Whether the operation had been carried out. If not, it never will be under that key.
    pub executed: bool,
    /// The job's payment as it stands; null where there is none.
    #[schema(required = true)]
    pub payment: Option<Payment>,
}

/// The payments. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Payments {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) relay: RelayHandle,
    pub(crate) channel: PaymentsChannel,
    pub(crate) metrics: Metrics,
}

impl Payments {
    /// Sets an employer's money aside for a job.
    pub(crate) async fn hold(&self, call: &Call, order: Hold) -> Result<Payment, Refusal> {
        self.ledger.open_accounts(order.employer, Role::Employer).await?;
        let mut transaction = self.begin(order.job).await?;
        refuse_voided(&mut transaction, order.job, Voidable::Hold, call).await?;
        if let Some(found) = Payment::of_job(&mut *transaction, order.job).await? {
            if (found.employer_id, found.amount_usd) != (order.employer, order.amount) {
                return Err(Refusal::PaymentExists);
            }
            return self.unchanged(transaction, call, found).await;
        }
        let now = now_micros();
        let id = counter(&mut transaction, "payments").await?;
        let payment = Payment {
            payment_id: PaymentId::new(id).map_err(|error| sqlx::Error::Encode(error.into()))?,
            job_id: order.job,
            employer_id: order.employer,
            worker_id: None,
            amount_usd: order.amount,
            status: PaymentStatus::Held,
            created_at: now,
            updated_at: now,
        };
        self.ledger.hold(&mut transaction, payment.escrow()).await?;
        payment.insert(&mut transaction).await?;
        self.changed(transaction, call, payment, Operation::Hold).await
    }

    /// Gives the money to the worker, who becomes a party of the payment.
    pub(crate) async fn release(
        &self,
        call: &Call,
        id: PaymentId,
        worker: UserId,
    ) -> Result<Payment, Refusal> {
        let job = self.job_of(id).await?;
        self.ledger.open_accounts(worker, Role::Worker).await?;
        let mut transaction = self.begin(job).await?;
        refuse_voided(&mut transaction, job, Voidable::Release, call).await?;
        let mut payment = present(&mut transaction, id).await?;
        match payment.status {
            PaymentStatus::Held => {}
            PaymentStatus::Released if payment.worker_id == Some(worker) => {
                return self.unchanged(transaction, call, payment).await;
            }
            state => return Err(Refusal::WrongState(state)),
        }
        payment.worker_id = Some(same_worker(&payment, worker)?);
        payment.status = PaymentStatus::Released;
        payment.updated_at = now_micros();
        payment.update(&mut transaction).await?;
        self.ledger.release(&mut transaction, payment.escrow(), worker).await?;
        self.changed(transaction, call, payment, Operation::Release).await
    }

    /// Gives the money back to the employer. A worker that is named becomes a party of the payment.
    pub(crate) async fn refund(
        &self,
        call: &Call,
        id: PaymentId,
        worker: Option<UserId>,
        reason: Option<RefundReason>,
    ) -> Result<Payment, Refusal> {
        let job = self.job_of(id).await?;
        let mut transaction = self.begin(job).await?;
        refuse_voided(&mut transaction, job, Voidable::Refund, call).await?;
        let mut payment = present(&mut transaction, id).await?;
        match payment.status {
            PaymentStatus::Held => {}
            PaymentStatus::Refunded if worker.is_none() || payment.worker_id == worker => {
                return self.unchanged(transaction, call, payment).await;
            }
            state => return Err(Refusal::WrongState(state)),
        }
        if let Some(worker) = worker {
            payment.worker_id = Some(same_worker(&payment, worker)?);
        }
        payment.status = PaymentStatus::Refunded;
        payment.updated_at = now_micros();
        payment.update(&mut transaction).await?;
        self.ledger.refund(&mut transaction, payment.escrow(), reason).await?;
        self.changed(transaction, call, payment, Operation::Refund).await
    }

    /// Makes the worker a party of the payment, whatever its state; tells nobody.
    pub(crate) async fn set_worker(
        &self,
        call: &Call,
        id: PaymentId,
        worker: UserId,
    ) -> Result<Payment, Refusal> {
        let job = self.job_of(id).await?;
        let mut transaction = self.begin(job).await?;
        let mut payment = present(&mut transaction, id).await?;
        same_worker(&payment, worker)?;
        if payment.worker_id.is_none() {
            payment.worker_id = Some(worker);
            payment.updated_at = now_micros();
            payment.update(&mut transaction).await?;
        }
        let payment = self.unchanged(transaction, call, payment).await?;
        self.metrics.count(Operation::Worker);
        Ok(payment)
    }

    /// Makes sure that an operation whose answer was never heard has been carried out or never will be, and says which.
    pub(crate) async fn void(&self, call: &Call, void: &Void) -> Result<Voided, Refusal> {
        let mut transaction = self.begin(void.job).await?;
        let payment = Payment::of_job(&mut *transaction, void.job).await?;
        let executed = void.operation.is_done(payment.as_ref());
        if !executed {
            sqlx::query(
                "INSERT INTO voided_operations (job_id, operation, key, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (job_id, operation, key) DO NOTHING",
            )
            .bind(void.job.get())
            .bind(void.operation.as_str())
            .bind(&void.key)
            .bind(now_micros())
            .execute(&mut *transaction)
            .await?;
        }
        let voided = Voided { executed, payment };
        call.keep(&mut transaction, &voided).await?;
        transaction.commit().await?;
        self.metrics.count(Operation::Void);
        Ok(voided)
    }

    /// The job of a payment, which never changes.
    async fn job_of(&self, id: PaymentId) -> Result<JobId, Refusal> {
        let payment = Payment::find(self.store.reader(), id).await?;
        payment.map(|payment| payment.job_id).ok_or(Refusal::NoPayment)
    }

    /// A transaction that has the job to itself until its end.
    async fn begin(&self, job: JobId) -> sqlx::Result<Transaction> {
        let mut transaction = self.store.begin().await?;
        // Makes the row or updates it to what it is: either way it is locked, also on Postgres.
        sqlx::query(
            "INSERT INTO job_locks (job_id) VALUES ($1) ON CONFLICT (job_id) DO UPDATE SET job_id = excluded.job_id",
        )
        .bind(job.get())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction)
    }

    /// Ends an operation that has nothing to tell.
    async fn unchanged(
        &self,
        mut transaction: Transaction,
        call: &Call,
        payment: Payment,
    ) -> Result<Payment, Refusal> {
        call.keep(&mut transaction, &payment).await?;
        transaction.commit().await?;
        Ok(payment)
    }

    /// Ends an operation that moved money, with its event.
    async fn changed(
        &self,
        mut transaction: Transaction,
        call: &Call,
        payment: Payment,
        operation: Operation,
    ) -> Result<Payment, Refusal> {
        call.keep(&mut transaction, &payment).await?;
        let message = announce::message(&payment, self.channel);
        relay::enqueue(&mut transaction, &announce::aggregate(payment.job_id), &message).await?;
        transaction.commit().await?;
        self.relay.wake();
        self.metrics.count(operation);
        Ok(payment)
    }
}

/// The payment as it stands once its job is locked.
async fn present(transaction: &mut Transaction, id: PaymentId) -> Result<Payment, Refusal> {
    Payment::find(&mut **transaction, id).await?.ok_or(Refusal::NoPayment)
}

/// The worker, unless the payment has another.
fn same_worker(payment: &Payment, worker: UserId) -> Result<UserId, Refusal> {
    match payment.worker_id {
        Some(other) if other != worker => Err(Refusal::OtherWorker),
        _ => Ok(worker),
    }
}

async fn refuse_voided(
    transaction: &mut Transaction,
    job: JobId,
    operation: Voidable,
    call: &Call,
) -> Result<(), Refusal> {
    let Some(key) = call.key() else { return Ok(()) };
    let voided: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM voided_operations WHERE job_id = $1 AND operation = $2 AND key = $3",
    )
    .bind(job.get())
    .bind(operation.as_str())
    .bind(key)
    .fetch_one(&mut **transaction)
    .await?;
    if voided > 0 { Err(Refusal::Voided) } else { Ok(()) }
}
