//! The client: one connection pool to one hub, with a time limit on each call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use backon::{BackoffBuilder as _, ExponentialBuilder, Retryable as _};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::PublishError;

/// How a hub is reached. `Debug` does not show the key.
#[derive(Clone)]
pub struct HubSettings {
    /// Its address (`WS_SERVICE_URL`): `http://` or `https://`; `ws://` and `wss://` are taken for them.
    pub url: String,
    /// The API key, where the hub wants one.
    pub key: Option<String>,
    /// The longest time for a call with its answer. 3 s by default: a hub that is behind makes a call wait for up to
    /// 1 s before it refuses it.
    pub timeout: Duration,
    /// How often [`HubClient::publish`] tries, at least once; 5 by default, over about 2 s.
    pub attempts: usize,
}

impl HubSettings {
    /// The defaults for a hub at this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), key: None, timeout: Duration::from_secs(3), attempts: 5 }
    }
}

impl fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSettings")
            .field("url", &self.url)
            .field("key", &self.key.as_ref().map(|_| "***"))
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .finish()
    }
}

/// Publishes to one hub. Cheap to clone; connections are kept and shared.
#[derive(Debug, Clone)]
pub struct HubClient {
    http: Client,
    base: Url,
    broadcast: Url,
    batch: Url,
    health: Url,
    /// Clones show the same key.
    authorization: Arc<ArcSwapOption<HeaderValue>>,
    attempts: usize,
}

/// A key as the value of `Authorization`, which no log shows; an empty one is none.
fn bearer(key: Option<&str>) -> Result<Option<HeaderValue>, PublishError> {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(None) };
    let value = HeaderValue::from_str(&format!("Bearer {key}"));
    let wrong = |_| PublishError::Settings("the hub's API key can't stand in a header".to_owned());
    let mut value = value.map_err(wrong)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What the hub answered to a publication.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// The publication's id, a UUID of version 7.
    pub id: String,
    /// How many connections of that hub it was queued to.
    pub recipients: u64,
}

/// What the hub answered to an item of a batch.
#[derive(Debug)]
pub enum ItemAnswer {
    /// It is on its way.
    Accepted(Published),
    /// It is not; see [`PublishError::is_temporary`].
    Failed(PublishError),
}

/// The members of a problem that a caller acts on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
    title: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Accepted(Published),
    Failed {
        status: u16,
        #[serde(default)]
        error: Problem,
    },
}

impl HubClient {
    /// A client of the hub that the settings name. Nothing is connected yet.
    ///
    /// # Errors
    /// [`PublishError::Settings`] for an address or a key that can be none.
    pub fn new(settings: &HubSettings) -> Result<Self, PublishError> {
        let wrong = |what: String| PublishError::Settings(what);
        let address = match settings.url.split_once("://") {
            Some(("ws", rest)) => format!("http://{rest}"),
            Some(("wss", rest)) => format!("https://{rest}"),
            _ => settings.url.clone(),
        };
        let base = Url::parse(&address).map_err(|error| wrong(format!("the hub's address: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong("the hub's address begins with neither http:// nor https://".to_owned()));
        }
        let authorization = bearer(settings.key.as_deref())?;
        let authorization = Arc::new(ArcSwapOption::from_pointee(authorization));
        let http = Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout.min(Duration::from_secs(2)))
            .tcp_nodelay(true)
            // Shorter than the hub's 75 s, so that a call never meets a connection that is just being closed.
            .pool_idle_timeout(Duration::from_secs(60))
            .no_proxy()
            .build()
            .map_err(|error| wrong(format!("the HTTP client: {error}")))?;
        let (broadcast, batch) = (below(&base, "broadcast"), below(&base, "broadcast/batch"));
        let (health, attempts) = (below(&base, "health"), settings.attempts.max(1));
        Ok(Self { http, base, broadcast, batch, health, authorization, attempts })
    }

    /// Shows another key from the next call on, and so do all clones.
    ///
    /// # Errors
    /// [`PublishError::Settings`] for a key that can be none; then nothing has changed.
    pub fn set_key(&self, key: Option<&str>) -> Result<(), PublishError> {
        self.authorization.store(bearer(key)?.map(Arc::new));
        Ok(())
    }

    /// A path of the hub.
    pub(crate) fn at(&self, path: &str) -> Url {
        below(&self.base, path)
    }

    /// A call that reads.
    pub(crate) fn get(&self, url: Url) -> reqwest::RequestBuilder {
        self.http.get(url)
    }

    /// Publishes a message, and tries again while the hub is away or busy. Each try has the same idempotency key, so
    /// the hub sends it once.
    ///
    /// `message` is usually a [`Message`](crate::Message); anything that serialises to the body of `POST /broadcast` will do.
    ///
    /// # Errors
    /// [`PublishError`]; a temporary one after the last try.
    pub async fn publish<M: Serialize>(
        &self,
        message: &M,
        key: Option<&str>,
    ) -> Result<Published, PublishError> {
        let body =
            serde_json::to_vec(message).map_err(|error| PublishError::Unexpected(error.to_string()))?;
        let own = Uuid::now_v7().to_string();
        let key = key.unwrap_or(&own);
        let backoff = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(self.attempts - 1);
        (|| async {
            let request =
                self.http.post(self.broadcast.clone()).header("idempotency-key", key).body(body.clone());
            let response = self.send(request).await?;
            read_json(response).await
        })
        .retry(backoff.build())
        .when(PublishError::is_temporary)
        .adjust(|error, delay| {
            delay.map(|delay| delay.max(error.retry_after().unwrap_or_default().min(MOST_PATIENCE)))
        })
        .await
    }

    /// Publishes a batch: a JSON array of messages, each with its `idempotency_key`, as text. One try.
    ///
    /// # Errors
    /// The whole call failed. What became of the items is in the answer, in their order.
    pub async fn publish_batch(&self, items: String, count: usize) -> Result<Vec<ItemAnswer>, PublishError> {
        let response = self.send(self.http.post(self.batch.clone()).body(items)).await?;
        let answers: Vec<Item> = read_json(response).await?;
        if answers.len() != count {
            let what = format!("{} answers to {count} items", answers.len());
            return Err(PublishError::Unexpected(what));
        }
        let answers = answers.into_iter().map(|item| match item {
            Item::Accepted(published) => ItemAnswer::Accepted(published),
            Item::Failed { status, error } => ItemAnswer::Failed(failure(status, error, None)),
        });
        Ok(answers.collect())
    }

    /// Whether the hub answers and takes publications.
    pub async fn is_healthy(&self) -> bool {
        let answer = self.http.get(self.health.clone()).send().await;
        answer.is_ok_and(|response| response.status().is_success())
    }

    pub(crate) async fn send(&self, mut request: reqwest::RequestBuilder) -> Result<Response, PublishError> {
        if let Some(authorization) = self.authorization.load_full() {
            request = request.header(AUTHORIZATION, (*authorization).clone());
        }
        let request = request.header(CONTENT_TYPE, "application/json");
        let response = request.send().await.map_err(PublishError::Unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let problem = response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok());
        Err(failure(status.as_u16(), problem.unwrap_or_default(), seconds.map(Duration::from_secs)))
    }
}

/// A path below the hub's address.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url
}

/// The longest wait that a hub's `Retry-After` brings about.
pub(crate) const MOST_PATIENCE: Duration = Duration::from_secs(5);

fn failure(status: u16, problem: Problem, retry_after: Option<Duration>) -> PublishError {
    let Problem { code, detail, title } = problem;
    if matches!(status, 408 | 429) || !(400..500).contains(&status) {
        return PublishError::Busy { status, code, retry_after };
    }
    PublishError::Refused { status, code, detail: if detail.is_empty() { title } else { detail } }
}

async fn read_json<T: for<'a> Deserialize<'a>>(response: Response) -> Result<T, PublishError> {
    let body = response.bytes().await.map_err(PublishError::Unreachable)?;
    serde_json::from_slice(&body).map_err(|error| PublishError::Unexpected(error.to_string()))
}
