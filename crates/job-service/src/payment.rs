//! The payment service, as a job needs it: hold, release, refund, name the worker, and the fence.
//!
//! Every call has an idempotency key that belongs to one step of one job, so trying again is safe. What matters to the
//! caller is which of four things an answer means: the money moved; it did not and never will; it did not move and
//! nothing of this call is on its way; nobody knows. Only the fence ([`Payments::void`]) turns the last into the first
//! or the second: it says whether the call of a key was carried out, and if not, the payment service refuses it from
//! then on, however late it arrives.
//!
//! Not here: what becomes of a job by an answer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use events::{PaymentStatus, RefundReason, Usd};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::arguments::Secret;

#[cfg(test)]
mod tests;

/// The least time that a try is given at the end of the caller's patience: a healthy service answers in milliseconds. So a
/// call takes this much longer than the patience at most.
pub(crate) const LEAST: Duration = Duration::from_millis(250);

/// How the payment service is reached. `Debug` does not show the key.
#[derive(Debug, Clone)]
pub struct PaymentSettings {
    /// Its address (`PAYMENT_SERVICE_URL`).
    pub url: String,
    /// The key by which services know each other (`SERVICE_API_KEY`).
    pub key: Option<Secret>,
    /// The longest time for a connection; [`PaymentSettings::CONNECT`] by default.
    pub connect: Duration,
    /// The longest time for a call with its answer; [`PaymentSettings::CALL`] by default.
    pub call: Duration,
    /// For how long a call whose answer was not heard is tried again, with the same key, while its caller waits;
    /// [`PaymentSettings::PATIENCE`] by default.
    pub patience: Duration,
}

impl PaymentSettings {
    /// A connection to a service of the same installation takes milliseconds; one that takes longer will not come.
    pub const CONNECT: Duration = Duration::from_secs(1);
    /// Room for a payment service that takes a second, where a healthy one takes milliseconds. It can't be much longer:
    /// behind a step that its process left just before the job's deadline come a lease, the fence and the refund, and the
    /// refund comes at most 5 s after the deadline (contract: services).
    pub const CALL: Duration = Duration::from_millis(1_500);
    /// Several tries where an answer is lost, and one call where it is slow. A step's lease is a little longer.
    pub const PATIENCE: Duration = Duration::from_millis(1_500);

    /// The defaults for a payment service at this address.
    pub fn new(url: impl Into<String>, key: Option<Secret>) -> Self {
        Self { url: url.into(), key, connect: Self::CONNECT, call: Self::CALL, patience: Self::PATIENCE }
    }
}

/// Why no client can be made of the settings.
#[derive(Debug, thiserror::Error)]
pub enum PaymentSettingsError {
    /// The address is none.
    #[error("PAYMENT_SERVICE_URL is no http or https address")]
    Address,
    /// The key has characters that no header can have.
    #[error("SERVICE_API_KEY can't stand in a header")]
    Key,
    /// The HTTP client.
    #[error("the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// A payment, as far as a job is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Payment {
    pub(crate) payment_id: i64,
    pub(crate) job_id: i64,
    pub(crate) status: PaymentStatus,
}

/// What came of a call that moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was carried out, now or when it was first heard.
    Done(Payment),
    /// It was not: the money is elsewhere already.
    WrongState(PaymentStatus),
    /// It was not: the wallet has too little. Nothing of this call is on its way.
    Insufficient,
    /// As [`Answer::Insufficient`], but an earlier try may still arrive.
    InsufficientNow,
    /// It was not and never will be: somebody has fenced it off.
    Voided,
    /// It surely was not carried out: nobody took it, or it was refused as wrong.
    NotTaken,
    /// Nobody knows.
    Unknown,
}

/// What the fence says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    /// It was carried out; this is the payment now.
    Executed(Payment),
    /// It was not and never will be.
    Never,
    /// The payment service is away.
    Unknown,
}

/// Whether the payment knows its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It does.
    Yes,
    /// Not yet: try again.
    Later,
    /// It refuses, and will do so again.
    Refused,
}

/// One of the three calls that move money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Hold,
    Release,
    Refund,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Refund => "refund",
        }
    }

    /// The idempotency key of a step. A job is posted once, so its hold has no number.
    pub(crate) fn key(self, job_id: i64, attempt: i64) -> String {
        match self {
            Self::Hold => format!("job-{job_id}-hold"),
            Self::Release | Self::Refund => format!("job-{job_id}-{}-{attempt}", self.as_str()),
        }
    }
}

/// How long a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tries {
    /// Once: whoever asks comes again.
    One,
    /// While a caller waits for the answer.
    WhileCallerWaits,
}

/// A call that moves money, ready to be sent as often as it takes.
struct Call {
    url: Url,
    key: String,
    body: Value,
}

/// What one try brought.
enum Try {
    Heard(Answer),
    NotTaken,
    Unheard,
}

/// The members of a problem that decide what it means.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    state: Option<String>,
}

#[derive(Deserialize)]
struct Voided {
    executed: bool,
    payment: Option<Payment>,
}

/// A client of the payment service. Cheap to clone; connections are kept and shared.
#[derive(Clone)]
pub(crate) struct Payments {
    http: Client,
    base: Url,
    authorization: Arc<ArcSwapOption<HeaderValue>>,
    call: Duration,
    patience: Duration,
}

impl fmt::Debug for Payments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payments").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// A key as the value of `Authorization`, which no log shows; an empty one is none.
fn bearer(key: Option<&Secret>) -> Result<Option<HeaderValue>, PaymentSettingsError> {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(None) };
    let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
    let mut value = value.map_err(|_| PaymentSettingsError::Key)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

impl Payments {
    /// Shows another key from the next call on.
    ///
    /// # Errors
    /// The key can't stand in a header; then nothing has changed.
    pub(crate) fn set_key(&self, key: Option<&Secret>) -> Result<(), PaymentSettingsError> {
        self.authorization.store(bearer(key)?.map(Arc::new));
        Ok(())
    }

    /// Nothing is connected yet.
    pub(crate) fn new(settings: &PaymentSettings) -> Result<Self, PaymentSettingsError> {
        let base = Url::parse(&settings.url).map_err(|_| PaymentSettingsError::Address)?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(PaymentSettingsError::Address);
        }
        let authorization = Arc::new(ArcSwapOption::from_pointee(bearer(settings.key.as_ref())?));
        let http = Client::builder()
            .timeout(settings.call)
            .connect_timeout(settings.connect)
            .tcp_nodelay(true)
            // Shorter than the 75 s that our services keep a connection open.
            .pool_idle_timeout(Duration::from_secs(60))
            .no_proxy()
            .build()?;
        Ok(Self { http, base, authorization, call: settings.call, patience: settings.patience })
    }

    /// Sets the employer's money aside for a job.
    pub(crate) async fn hold(&self, job_id: i64, employer_id: i64, amount: Usd) -> Answer {
        let body = json!({"job_id": job_id, "employer_id": employer_id, "amount_usd": amount});
        let call = Call { url: self.at("payments/hold"), key: Operation::Hold.key(job_id, 0), body };
        self.send(&call, Tries::WhileCallerWaits).await
    }

    /// Gives the money to the worker.
    pub(crate) async fn release(
        &self,
        job_id: i64,
        attempt: i64,
        payment_id: i64,
        worker_id: Option<i64>,
    ) -> Answer {
        let body = json!({"worker_id": worker_id});
        let url = self.at(&format!("payments/{payment_id}/release"));
        let call = Call { url, key: Operation::Release.key(job_id, attempt), body };
        self.send(&call, Tries::WhileCallerWaits).await
    }

    /// Gives the money back to the employer.
    pub(crate) async fn refund(
        &self,
        job_id: i64,
        attempt: i64,
        payment_id: i64,
        worker_id: Option<i64>,
        reason: RefundReason,
        tries: Tries,
    ) -> Answer {
        let body = json!({"worker_id": worker_id, "reason": reason.as_str()});
        let url = self.at(&format!("payments/{payment_id}/refund"));
        let call = Call { url, key: Operation::Refund.key(job_id, attempt), body };
        self.send(&call, tries).await
    }

    /// Makes the worker a party of the payment.
    pub(crate) async fn tell_worker(&self, job_id: i64, payment_id: i64, worker_id: i64) -> Told {
        let url = self.at(&format!("payments/{payment_id}/worker"));
        let call = Call {
            url,
            key: format!("job-{job_id}-worker-{worker_id}"),
            body: json!({"worker_id": worker_id}),
        };
        match self.once(&call, self.call).await {
            // Where the money has moved, the call that moved it named the worker.
            Try::Heard(Answer::Done(_) | Answer::WrongState(_)) => Told::Yes,
            Try::Unheard => Told::Later,
            Try::Heard(_) => Told::Refused,
            Try::NotTaken => Told::Later,
        }
    }

    /// Asks whether a call was carried out, and fences it off if not.
    pub(crate) async fn void(&self, job_id: i64, attempt: i64, operation: Operation) -> Fence {
        let key = operation.key(job_id, attempt);
        let body = json!({"job_id": job_id, "key": key, "operation": operation.as_str()});
        // Without an idempotency key of its own: what it says of the payment is to be of this moment.
        let request = self.request(self.at("payments/void"), &body);
        let answer = async {
            let response = request.send().await?.error_for_status()?;
            response.json::<Voided>().await
        };
        match answer.await {
            Ok(Voided { executed: true, payment: Some(payment) }) if payment.job_id == job_id => {
                Fence::Executed(payment)
            }
            Ok(Voided { executed: false, .. }) => Fence::Never,
            Ok(_) => {
                tracing::error!(job_id, key, "the fence's answer is about no payment of this job");
                Fence::Unknown
            }
            Err(error) => {
                if error.status().is_some_and(|status| status.is_client_error()) {
                    tracing::error!(job_id, key, %error, "the payment service refuses the fence");
                }
                Fence::Unknown
            }
        }
    }

    /// Whether the payment service answers, within a second. It need not like the question: behind a proxy that is all
    /// that can be asked without an account.
    pub(crate) async fn answers(&self) -> bool {
        let mut request = self.http.get(self.at("payments")).timeout(Duration::from_secs(1));
        if let Some(authorization) = self.authorization.load_full() {
            request = request.header(AUTHORIZATION, (*authorization).clone());
        }
        request.send().await.is_ok_and(|response| !response.status().is_server_error())
    }

    async fn send(&self, call: &Call, tries: Tries) -> Answer {
        let end = Instant::now() + self.patience;
        let left = || end.saturating_duration_since(Instant::now()).clamp(LEAST, self.call.max(LEAST));
        let mut pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_millis(500))
            .without_max_times()
            .build();
        let mut doubt = false;
        loop {
            match self.once(call, left()).await {
                Try::Heard(Answer::Insufficient) if doubt => return Answer::InsufficientNow,
                Try::Heard(answer) => return answer,
                Try::NotTaken if !doubt => return Answer::NotTaken,
                // What is refused now says nothing about an earlier try.
                Try::NotTaken | Try::Unheard => doubt = true,
            }
            let pause = pauses.next().unwrap_or_default();
            if tries == Tries::One || Instant::now() + pause >= end {
                return Answer::Unknown;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, call: &Call, limit: Duration) -> Try {
        let request = self.request(call.url.clone(), &call.body).header("idempotency-key", &call.key);
        let request = request.timeout(limit);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(key = call.key, %error, "the payment service does not answer");
                // Without a connection nothing was sent.
                return if error.is_connect() { Try::NotTaken } else { Try::Unheard };
            }
        };
        let status = response.status();
        let Ok(body) = response.bytes().await else { return Try::Unheard };
        let meaning = meaning(status, &body);
        if matches!(meaning, Try::NotTaken) {
            let answer = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            tracing::error!(
                key = call.key,
                status = status.as_u16(),
                answer,
                "the payment service refuses a call"
            );
        }
        meaning
    }

    fn request(&self, url: Url, body: &Value) -> reqwest::RequestBuilder {
        let mut request = self.http.post(url).json(body);
        if let Some(authorization) = self.authorization.load_full() {
            request = request.header(AUTHORIZATION, (*authorization).clone());
        }
        match rest::trace::current() {
            Some(traceparent) => request.header("traceparent", traceparent),
            None => request,
        }
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url.set_query(None);
        url
    }
}

/// What an answer to a call that moves money means.
fn meaning(status: StatusCode, body: &[u8]) -> Try {
    if status.is_success() {
        return serde_json::from_slice(body)
            .map_or(Try::Unheard, |payment| Try::Heard(Answer::Done(payment)));
    }
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    match (status.as_u16(), problem.code.as_str()) {
        (409, "insufficient_funds") => Try::Heard(Answer::Insufficient),
        (409, "voided") => Try::Heard(Answer::Voided),
        (409, "wrong_state") => match problem.state.as_deref().unwrap_or_default().parse() {
            Ok(state) => Try::Heard(Answer::WrongState(state)),
            Err(_) => Try::Unheard,
        },
        // The first of two calls with this key is under way.
        (409, "idempotency_key_in_flight") => Try::Unheard,
        (408 | 429, _) => Try::Unheard,
        (400..=499, _) => Try::NotTaken,
        _ => Try::Unheard,
    }
}
