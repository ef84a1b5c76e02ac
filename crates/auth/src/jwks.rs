//! The keys that the identity provider publishes (a JWK Set, RFC 7517), fetched and kept fresh.
//!
//! One future, [`Jwks::run`], does all the fetching: at the start, then at every interval, and earlier when a token
//! names a key that is not there yet. Handshakes only read the current set; one that lacks its key asks for a fetch and
//! waits for its end together with all others, so a thousand handshakes after a key change cost one request. A fetch
//! that fails changes nothing: the last good set stays, for as long as it takes.
//!
//! Where the keys are made in the same process ([`Jwks::local`]), whoever makes them hands them over
//! ([`Jwks::feed`]): there is no address and no fetching, and a key that is not there is unknown at once.
//!
//! Who owns what: the caller spawns `run` and ends it by aborting its task; nothing else here runs by itself. After
//! that, verification goes on with the last set, and a wait ends at its time limit.
//!
//! Overload: a fetch that tokens ask for begins at the earliest [`JwksSettings::cooldown`] after the last one ended.
//! Until then a token with an unknown key is refused at once, so tokens with invented key ids neither reach the
//! provider nor pile up here. The queue of waiting handshakes is bounded by the handshakes that the server admits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::host::Host;
use super::jwt::{SignedToken, TokenError};
use super::key::{KeyAlgorithm, VerificationKey};

/// Between two fetches while there is no key at all, unless the cooldown is shorter.
const NO_KEYS_COOLDOWN: Duration = Duration::from_secs(1);

/// The largest answer that is read, in bytes. A hundred RSA keys with their certificates are smaller.
const MAX_BODY: usize = 256 * 1024;

/// The most keys of one set; what is behind them is passed over.
const MAX_KEYS: usize = 100;

/// Where the keys are and how often they are fetched.
#[derive(Clone)]
pub struct JwksSettings {
    /// `JWKS_URL`. `https`, or `http` for a provider on the same machine or private network.
    pub url: String,
    /// The time between two fetches while no token asks for one; 5 min by default. How long a key that the provider
    /// has withdrawn goes on being accepted.
    pub refresh: Duration,
    /// The least time between the end of one fetch and the begin of another, and between attempts while the provider
    /// does not answer; 10 s by default.
    pub cooldown: Duration,
    /// How long one fetch may take, from connecting to the last byte; 5 s by default.
    pub timeout: Duration,
}

impl JwksSettings {
    /// The defaults for an address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            refresh: Duration::from_secs(5 * 60),
            cooldown: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for JwksSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksSettings")
            .field("url", &Url::parse(&self.url).map_or_else(|_| "(no URL)".into(), |url| shown(&url)))
            .field("refresh", &self.refresh)
            .field("cooldown", &self.cooldown)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Why no keys can be fetched with these settings, ever.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not a URL.
    #[error("not a URL: {0}")]
    NotAUrl(String),
    /// A URL of another scheme.
    #[error("its scheme is `{0}`; https and http are supported")]
    Scheme(String),
    /// The process has installed no TLS provider, which its `main` has to do first.
    #[error("no TLS provider is installed in this process")]
    NoTlsProvider,
    /// The HTTP client cannot be set up; without certificate authorities on this machine, for example.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Why one fetch brought no keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(String),
    #[error("it answered {0}")]
    Status(reqwest::StatusCode),
    #[error("its answer is larger than 256 KiB")]
    TooLarge,
    #[error("its answer is not a JWK Set")]
    NotASet,
    #[error("its answer holds no key that can be used here")]
    NoKeys,
}

/// How the published keys are doing, for `/metrics` and `/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JwksStatus {
    /// The usable keys of the current set; 0 until the first fetch has succeeded.
    pub keys: usize,
    /// The fetches that have ended, well or not.
    pub fetches: u64,
    /// Those of them that brought no keys.
    pub failures: u64,
    /// Whether the last fetch failed, so that the set is older than it should be.
    pub stale: bool,
}

/// The keys of an identity provider.
pub struct Jwks {
    /// Where they are fetched; `None` for those that are handed over in this process.
    provider: Option<Provider>,
    keys: ArcSwap<Vec<VerificationKey>>,
    progress: watch::Sender<Progress>,
    /// A handshake wants a fetch. Holds one permit at most, however many ask.
    wanted: Notify,
}

/// Where keys are fetched, and with what.
struct Provider {
    url: Url,
    settings: JwksSettings,
    client: reqwest::Client,
}

/// A text that holds no keys for us, handed to [`Jwks::feed`].
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Not a JWK Set.
    #[error("it is not a JWK Set")]
    NotASet,
    /// None of its keys is of a kind that is used here.
    #[error("it holds no key that can be used here")]
    NoKeys,
}

/// What the fetching future tells the waiting handshakes.
#[derive(Debug, Clone, Copy)]
struct Progress {
    fetches: u64,
    failures: u64,
    stale: bool,
    /// Before this, asking is in vain.
    next_allowed: Instant,
}

impl Jwks {
    /// Checks the address and prepares the client. Fetches nothing: that is [`run`](Self::run)'s.
    ///
    /// # Errors
    /// Says what is wrong with the address or the machine.
    pub fn new(settings: JwksSettings) -> Result<Self, JwksError> {
        let url = Url::parse(&settings.url).map_err(|error| JwksError::NotAUrl(error.to_string()))?;
        let mut client = reqwest::Client::builder()
            .timeout(settings.timeout)
            // The address is configuration: whoever answers with another one has no say in it.
            .redirect(reqwest::redirect::Policy::none())
            // One request in five minutes needs no connection kept.
            .pool_max_idle_per_host(0);
        match url.scheme() {
            "https" if rustls::crypto::CryptoProvider::get_default().is_none() => {
                return Err(JwksError::NoTlsProvider);
            }
            "https" => {}
            // Without TLS nothing needs the certificate authorities of this machine, and a slim image has none.
            "http" => client = client.tls_backend_preconfigured(trust_nobody()?),
            other => return Err(JwksError::Scheme(other.to_owned())),
        }
        if url.host_str().and_then(Host::parse).is_some_and(|host| host.is_loopback()) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| JwksError::Client(describe(error)))?;
        Ok(Self::of(Some(Provider { url, settings, client })))
    }

    /// Keys that are made in this process: none until they are [fed](Self::feed), and none ever fetched. Until then
    /// nobody can tell what a token is worth ([`TokenError::KeysUnavailable`]).
    #[must_use]
    pub fn local() -> Self {
        Self::of(None)
    }

    fn of(provider: Option<Provider>) -> Self {
        let progress = Progress { fetches: 0, failures: 0, stale: false, next_allowed: Instant::now() };
        Self {
            provider,
            keys: ArcSwap::from_pointee(Vec::new()),
            progress: watch::Sender::new(progress),
            wanted: Notify::new(),
        }
    }

    /// Puts the keys of a JWK Set, as text, in place of those that are there. Holds for tokens that are verified from
    /// now on.
    ///
    /// # Errors
    /// The text holds no keys; those that were there stay.
    pub fn feed(&self, set: &str) -> Result<(), FeedError> {
        let keys = parse(set.as_bytes()).map_err(|error| match error {
            FetchError::NoKeys => FeedError::NoKeys,
            _ => FeedError::NotASet,
        })?;
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// Fetches for ever. The caller spawns it once and aborts it at the end of the drain. Keys that are handed over in
    /// this process need it not; it does nothing then.
    ///
    /// # Cancel safety
    /// May be dropped at any point: a set is replaced at once or not at all.
    pub async fn run(&self) {
        let Some(Provider { settings, .. }) = &self.provider else { return std::future::pending().await };
        loop {
            let outcome = self.fetch().await;
            let ended = Instant::now();
            let failed = outcome.is_err();
            self.report(outcome);
            // Without any key nobody gets in: whoever starts before the provider tries again soon.
            let none = failed && self.keys.load().is_empty();
            let cooldown = if none { settings.cooldown.min(NO_KEYS_COOLDOWN) } else { settings.cooldown };
            // Whoever asked while this fetch ran is answered by it.
            let _ = self.wanted.notified().now_or_never();
            self.progress.send_modify(|progress| {
                progress.fetches += 1;
                progress.failures += u64::from(failed);
                progress.stale = failed;
                progress.next_allowed = ended + cooldown;
            });
            let due = ended + if failed { cooldown } else { settings.refresh };
            self.until_due_or_wanted(due, ended + cooldown).await;
        }
    }

    async fn until_due_or_wanted(&self, due: Instant, allowed: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.wanted.notified() => {}
            }
            // Asked for in the moment in which the last fetch ended, and answered by it.
            if Instant::now() >= allowed {
                return;
            }
        }
    }

    /// How the keys are doing.
    #[must_use]
    pub fn status(&self) -> JwksStatus {
        let Progress { fetches, failures, stale, .. } = *self.progress.borrow();
        JwksStatus { keys: self.keys.load().len(), fetches, failures, stale }
    }

    /// What the start log should warn of: keys that come unprotected over a network.
    pub(super) fn warning(&self) -> Option<String> {
        let url = &self.provider.as_ref()?.url;
        let host = url.host_str().and_then(Host::parse)?;
        // A name without a dot is one of a private network (a service in a container network).
        if url.scheme() == "https" || host.is_loopback() || host.is_private() {
            return None;
        }
        Some(format!("JWKS_URL is unencrypted ({}): whoever is on the way can sign tokens", shown(url)))
    }

    /// Looks for the key that signed `token`; waits for one fetch where it is not there.
    pub(super) async fn check(
        &self,
        token: &SignedToken<'_>,
        algorithm: KeyAlgorithm,
    ) -> Result<(), TokenError> {
        match search(&self.keys.load(), token, algorithm) {
            Search::Found => return Ok(()),
            Search::Refuted => return Err(TokenError::BadSignature),
            Search::Unsuitable => return Err(TokenError::UnknownKey),
            Search::Unknown => {}
        }
        let Some(provider) = &self.provider else {
            let fed = !self.keys.load().is_empty();
            return Err(if fed { TokenError::UnknownKey } else { TokenError::KeysUnavailable });
        };
        let fetched = self.fetched(provider).await;
        let keys = self.keys.load_full();
        match search(&keys, token, algorithm) {
            Search::Found => Ok(()),
            Search::Refuted => Err(TokenError::BadSignature),
            // Without a fresh set nobody can tell whether the provider has such a key.
            Search::Unknown if keys.is_empty() || !fetched => Err(TokenError::KeysUnavailable),
            Search::Unknown | Search::Unsuitable => Err(TokenError::UnknownKey),
        }
    }

    /// Waits for the end of a fetch, unless one has just been. Whether the set is as fresh as it can be.
    async fn fetched(&self, provider: &Provider) -> bool {
        let mut progress = self.progress.subscribe();
        let Progress { fetches: seen, stale, next_allowed, .. } = *progress.borrow();
        if Instant::now() < next_allowed {
            return !stale;
        }
        self.wanted.notify_one();
        let limit = provider.settings.timeout + Duration::from_secs(1);
        match timeout(limit, progress.wait_for(|progress| progress.fetches > seen)).await {
            Ok(Ok(progress)) => !progress.stale,
            // `run` is not there, or not any more.
            _ => false,
        }
    }

    async fn fetch(&self) -> Result<Vec<VerificationKey>, FetchError> {
        let Some(Provider { url, client, .. }) = &self.provider else { return Err(FetchError::NoKeys) };
        let http = |error| FetchError::Http(describe(error));
        let mut response =
            client.get(url.clone()).header("accept", "application/json").send().await.map_err(http)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(http)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        parse(&body)
    }

    fn report(&self, outcome: Result<Vec<VerificationKey>, FetchError>) {
        let url = self.provider.as_ref().map(|provider| shown(&provider.url)).unwrap_or_default();
        match outcome {
            Ok(keys) => {
                let ids = |keys: &[VerificationKey]| {
                    keys.iter().map(|key| key.id().map(str::to_owned)).collect::<Vec<_>>()
                };
                if ids(&keys) == ids(&self.keys.load()) {
                    tracing::debug!(url, keys = keys.len(), "fetched the token keys");
                } else {
                    tracing::info!(url, keys = keys.len(), "the token keys have changed");
                }
                self.keys.store(Arc::new(keys));
            }
            Err(error) => {
                let kept = self.keys.load().len();
                if self.progress.borrow().stale {
                    tracing::debug!(url, %error, kept, "still cannot fetch the token keys");
                } else {
                    tracing::warn!(url, %error, kept, "cannot fetch the token keys, keeping those that are there");
                }
            }
        }
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.provider.as_ref().map(|provider| &provider.settings);
        f.debug_struct("Jwks").field("settings", &settings).field("status", &self.status()).finish()
    }
}

/// What a set says about a token.
enum Search {
    /// A key of the set made the signature.
    Found,
    /// Keys that the token can mean are in the set, and none of them did.
    Refuted,
    /// The keys that the token can mean are all for another algorithm. A fetch would bring nothing new.
    Unsuitable,
    /// The key that the token means is not in the set.
    Unknown,
}

/// A token with a key id is tried with the keys of that id, and with those that have none; one without with all. The
/// key's algorithm has to be the token's in either case.
fn search(keys: &[VerificationKey], token: &SignedToken<'_>, algorithm: KeyAlgorithm) -> Search {
    let mut outcome = Search::Unknown;
    for key in keys {
        let meant = token.key_id().is_none_or(|wanted| key.id() == Some(wanted));
        let candidate = meant || key.id().is_none();
        if candidate && key.algorithm() == algorithm {
            if token.is_signed_by(key) {
                return Search::Found;
            }
            if meant {
                outcome = Search::Refuted;
            }
        } else if meant && matches!(outcome, Search::Unknown) {
            outcome = Search::Unsuitable;
        }
    }
    outcome
}

/// Reads a JWK Set. Keys that are not for us are passed over; a set without any other is an error.
fn parse(body: &[u8]) -> Result<Vec<VerificationKey>, FetchError> {
    #[derive(Deserialize)]
    struct Set<'a> {
        #[serde(borrow)]
        keys: Vec<&'a RawValue>,
    }
    let set: Set<'_> = serde_json::from_slice(body).map_err(|_| FetchError::NotASet)?;
    if set.keys.len() > MAX_KEYS {
        tracing::warn!(
            keys = set.keys.len(),
            "the set of token keys is too large, using the first {MAX_KEYS}"
        );
    }
    let mut keys = Vec::new();
    for (at, raw) in set.keys.into_iter().take(MAX_KEYS).enumerate() {
        match VerificationKey::from_jwk(raw.get()) {
            Ok(key) => keys.push(key),
            Err(reason) => tracing::debug!(at, %reason, "passed over a token key"),
        }
    }
    if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
}

/// A TLS configuration for a client that speaks none.
fn trust_nobody() -> Result<rustls::ClientConfig, JwksError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| JwksError::Client(error.to_string()))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// An address without what may be secret in it: user, password, query.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// An error with its causes, without the address.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
