//! Why the service does not move money, and how that is answered.

use actix_web::http::StatusCode;
use events::{PaymentStatus, Usd};
use rest::Failure;
use rest::form;
use service_kit::problem::Problem;

/// Why a call changed nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The wallet has less than is to be held.
    #[error("the wallet does not cover the amount")]
    InsufficientFunds,
    /// A deposit would lift the wallet over its bound.
    #[error("a wallet holds at most {0}")]
    WalletFull(Usd),
    /// There is a payment for the job, with another employer or amount.
    #[error("there is another payment for this job")]
    PaymentExists,
    /// The payment's state does not allow it.
    #[error("the payment is {0}")]
    WrongState(PaymentStatus),
    /// The payment has another worker.
    #[error("the payment is another worker's")]
    OtherWorker,
    /// The caller has given this call up before it arrived.
    #[error("this operation was voided under its key")]
    Voided,
    /// There is no such payment, or not for this caller.
    #[error("there is no such payment")]
    NoPayment,
    /// The call's idempotency key stands in the way.
    #[error(transparent)]
    Key(Failure),
    /// The database.
    #[error("the database: {0}")]
    Store(#[from] sqlx::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let conflict = |code| Failure(Problem::new(StatusCode::CONFLICT, code, refusal.to_string()));
        match refusal {
            Refusal::InsufficientFunds => conflict("insufficient_funds"),
            Refusal::PaymentExists => conflict("payment_exists"),
            Refusal::OtherWorker => conflict("other_worker"),
            Refusal::Voided => conflict("voided"),
            Refusal::WrongState(state) => {
                let Failure(problem) = conflict("wrong_state");
                Failure(problem.with("state", state.as_str()))
            }
            Refusal::WalletFull(most) => {
                let message = format!("would lift the wallet over {most}");
                form::invalid(vec![("amount_usd", message)]).err().unwrap_or_else(|| conflict("wallet_full"))
            }
            Refusal::NoPayment => Failure::not_found(refusal.to_string()),
            Refusal::Key(failure) => failure,
            Refusal::Store(error) => error.into(),
        }
    }
}
