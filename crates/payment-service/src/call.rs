//! A POST under way: its idempotency key, which its answer is kept by and by which it may have been voided.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use rest::Failure;
use rest::idempotency::{Begin, Fresh, Idempotency};
use serde::Serialize;
use store::{Store, Transaction};

use crate::refusal::Refusal;

/// A call that is to be made.
#[derive(Debug)]
pub(crate) struct Call {
    key: Option<String>,
    fresh: Fresh,
}

/// What came of looking at a call's key.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is to be made.
    Call(Call),
    /// It was made; this was its answer.
    Repeat(HttpResponse),
}

impl Call {
    /// Looks at a request's key.
    ///
    /// # Errors
    /// As [`Idempotency::begin`].
    pub(crate) async fn begin(
        keys: &Idempotency,
        store: &Store,
        request: &HttpRequest,
        caller: &str,
        body: &[u8],
    ) -> Result<Begun, Failure> {
        let fresh = match keys.begin(store, request, caller, body).await? {
            Begin::Repeat(answer) => return Ok(Begun::Repeat(answer)),
            Begin::Fresh(fresh) => fresh,
        };
        let key =
            request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
        Ok(Begun::Call(Self { key, fresh }))
    }

    /// The key as the caller sent it.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Keeps the answer of 200, in the transaction that makes the change.
    pub(crate) async fn keep(
        &self,
        transaction: &mut Transaction,
        answer: &impl Serialize,
    ) -> Result<(), Refusal> {
        let text = serde_json::to_string(answer).map_err(|error| sqlx::Error::Encode(error.into()))?;
        self.fresh.keep(transaction, StatusCode::OK, &text).await.map_err(Refusal::Key)
    }
}
