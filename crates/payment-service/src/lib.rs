//! PayChain's payments: an escrow ledger with double entry in whole cents, and the HTTP in front of it.
//!
//! Posting a job holds its money, completing it gives the money to the worker, cancelling or expiry gives it back. The
//! job service asks for each of these; users look at their payments and wallets. Every movement is one transaction with
//! the payment's change, the answer by idempotency key and the event for the hub.
//!
//! | module | what it is |
//! |---|---|
//! | [`service`] | settings, start, background work, health |
//! | [`flags`] | the service's own settings on the command line |
//! | `http`, `forms`, `openapi` | the calls, what they read, and their description |
//! | `payments` | what happens to a payment, and which of two calls wins |
//! | `wallet` | a user's balance and entries, deposits |
//! | `ledger` | accounts, transfers, entries |
//! | `provider` | the port to whoever keeps the money; the ledger is the only one |
//! | `books` | whether it all adds up |
//!
//! **What holds, at every commit:** all balances add up to 0; what is held on accounts is what payments say is held; no
//! account of a user is below 0; a balance is the sum of its entries; a transfer's entries add up to 0; a job has at
//! most one payment, which is released or refunded at most once.
//!
//! Not here: what a job is and when its money moves (the job service), who users are (the user service), real money.

mod announce;
mod books;
mod call;
pub mod flags;
mod forms;
mod http;
mod ledger;
mod metrics;
mod openapi;
mod payment;
mod payments;
mod provider;
mod refusal;
mod schema;
pub mod service;
mod wallet;

pub use announce::PaymentsChannel;
pub use books::CHECK_EVERY;
pub use flags::PaymentFlags;
pub use payment::Payment;
pub use payments::Voided;
pub use service::{PaymentService, Settings};
pub use wallet::{Entry, Wallet};
