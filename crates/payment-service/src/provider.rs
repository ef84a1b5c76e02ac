//! The port to whoever keeps the money.
//!
//! There is one implementation, the [`crate::ledger::Ledger`]: no bank, card or wallet company is behind it, and a deposit
//! is money because an employer says so. The port is where one would be attached. It can't be part of a database
//! transaction, so its implementation would book in the ledger what is on its way, write the request as a row in the
//! same transaction, and carry the row out behind it, as the event relay does with events.

use std::future::Future;

use events::{JobId, PaymentId, RefundReason, Usd, UserId};
use store::Transaction;

use crate::refusal::Refusal;

/// The money of a payment that is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Escrow {
    /// The payment.
    pub(crate) payment: PaymentId,
    /// The job that it pays for.
    pub(crate) job: JobId,
    /// Who pays.
    pub(crate) employer: UserId,
    /// How much.
    pub(crate) amount: Usd,
    /// When, in microseconds since 1970.
    pub(crate) at: i64,
}

/// Moves money, in the transaction that changes the payment: both happen or neither.
///
/// Each call is one movement. Whether it may happen at all (states, parties, repeats) has been decided before; that a
/// wallet covers it is decided here.
pub(crate) trait PaymentProvider {
    /// Brings money from outside into an employer's wallet.
    fn deposit(
        &self,
        transaction: &mut Transaction,
        to: UserId,
        amount: Usd,
        at: i64,
    ) -> impl Future<Output = Result<(), Refusal>>;

    /// Sets an employer's money aside.
    fn hold(
        &self,
        transaction: &mut Transaction,
        escrow: Escrow,
    ) -> impl Future<Output = Result<(), Refusal>>;

    /// Gives what was set aside to the worker.
    fn release(
        &self,
        transaction: &mut Transaction,
        escrow: Escrow,
        to: UserId,
    ) -> impl Future<Output = Result<(), Refusal>>;

    /// Gives what was set aside back to the employer.
    fn refund(
        &self,
        transaction: &mut Transaction,
        escrow: Escrow,
        reason: Option<RefundReason>,
    ) -> impl Future<Output = Result<(), Refusal>>;
}
