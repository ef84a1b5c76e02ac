//! A call of Firebase: one message to one device, with a token, and once more with another where the first is void.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use serde_json::Value;
use url::Url;

use super::access::Access;
use super::credentials::Credentials;
use super::reply::{self, Arrived, Outcome};
use crate::clock::Clock;

/// How long a call may take, with all that it needs. Longer than a slow Firebase does: what is given up may have been taken,
/// and comes again. Waiting costs nothing but one of the calls that may be under way.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// How long it may take until somebody answers at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Firebase, as far as we call it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Firebase {
    access: Arc<Access>,
    http: Client,
    send: Url,
}

impl std::fmt::Debug for Firebase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Firebase").field("send", &self.send.as_str()).finish_non_exhaustive()
    }
}

impl Firebase {
    /// Firebase at an address, for an account. Nothing is called yet.
    ///
    /// # Errors
    /// The HTTP client can't be made.
    pub(super) fn new(credentials: Credentials, endpoint: &Url) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .redirect(Policy::none())
            .pool_idle_timeout(Duration::from_secs(60))
            .build()?;
        let access = Arc::new(Access::new(credentials, http.clone()));
        let send =
            rest::settings::at(endpoint, &format!("v1/projects/{}/messages:send", access.project_id()));
        Ok(Self { access, http, send })
    }

    /// Sends a message.
    pub(super) async fn send(&self, message: &Value, clock: &Clock) -> Outcome {
        let sent = tokio::time::timeout(TIMEOUT, self.try_send(message, clock)).await;
        sent.unwrap_or_else(|_| Outcome::away("no answer in time", Arrived::Perhaps))
    }

    async fn try_send(&self, message: &Value, clock: &Clock) -> Outcome {
        let body = message.to_string();
        let first = match self.access.bearer(clock).await {
            Ok(bearer) => bearer,
            Err(error) => return Outcome::away(error.to_string(), Arrived::No),
        };
        let (status, outcome) = self.post(&first, body.clone(), clock).await;
        if status != Some(401) || !matches!(outcome, Outcome::Later(_)) {
            return outcome;
        }
        self.access.void(&first).await;
        match self.access.bearer(clock).await {
            Ok(bearer) => self.post(&bearer, body, clock).await.1,
            Err(error) => Outcome::away(error.to_string(), Arrived::No),
        }
    }

    async fn post(&self, bearer: &HeaderValue, body: String, clock: &Clock) -> (Option<u16>, Outcome) {
        let request = self.http.post(self.send.clone()).header("authorization", bearer.clone());
        let sent = request.header("content-type", "application/json").body(body).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                let arrived = if error.is_connect() { Arrived::No } else { Arrived::Perhaps };
                return (None, Outcome::away(reply::unreachable(&error), arrived));
            }
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        match reply::body(response).await {
            Ok(body) => (Some(status), reply::judge(status, retry_after.as_deref(), &body, clock.now())),
            Err(reason) => (Some(status), Outcome::away(reason, Arrived::Perhaps)),
        }
    }
}
