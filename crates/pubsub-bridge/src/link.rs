//! A connection to Pub/Sub: an emulator's, or Google's with application-default credentials.
//!
//! Connected anew for each session, so that a connection that hangs is left behind with it. Not here: which calls are
//! made, and when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use gcloud_auth::project::Config;
use gcloud_auth::token::DefaultTokenSourceProvider;
use gcloud_googleapis::pubsub::v1::publisher_client::PublisherClient;
use gcloud_googleapis::pubsub::v1::subscriber_client::SubscriberClient;
use gcloud_googleapis::pubsub::v1::{
    AcknowledgeRequest, GetSubscriptionRequest, ModifyAckDeadlineRequest, PublishRequest, PubsubMessage,
    StreamingPullRequest, StreamingPullResponse, Subscription, Topic,
};
use token_source::{TokenSource, TokenSourceProvider as _};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::names::Emulator;

/// Where Google's Pub/Sub is.
const GOOGLE: &str = "https://pubsub.googleapis.com";

/// What tokens are for (Pub/Sub: OAuth scopes).
const AUDIENCE: &str = "https://pubsub.googleapis.com/";
const SCOPES: [&str; 1] = ["https://www.googleapis.com/auth/pubsub"];

/// The largest answer that is taken; as large as Google's own Go client takes.
const LARGEST_ANSWER: usize = 20 << 20;

/// Bytes of a stream that may be on their way. The connection's window has room for every stream and for two more, so
/// that streams that are not read never keep the answers of other calls.
const STREAM_WINDOW: u32 = 512 << 10;

/// The longest time for a call that is no stream, and for a connection to be made.
const CALL: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The address can be none.
    #[error("the address of Pub/Sub: {0}")]
    Address(#[from] tonic::transport::Error),
    /// There are no credentials, or they are not accepted. What the library says may hold parts of them.
    #[error(
        "no application-default credentials: name a file in GOOGLE_APPLICATION_CREDENTIALS, run \
         `gcloud auth application-default login`, or set PUBSUB_EMULATOR_HOST"
    )]
    Credentials,
}

/// A connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    subscriber: SubscriberClient<Channel>,
    publisher: PublisherClient<Channel>,
    tokens: Option<Arc<dyn TokenSource>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("authenticated", &self.tokens.is_some()).finish_non_exhaustive()
    }
}

/// Google's application-default credentials, looked up and tried.
///
/// # Errors
/// There are none that are accepted.
pub(crate) async fn credentials() -> Result<Arc<dyn TokenSource>, LinkError> {
    let config = Config::default().with_audience(AUDIENCE).with_scopes(&SCOPES);
    let found = tokio::time::timeout(CALL, DefaultTokenSourceProvider::new(config)).await;
    let provider = found.map_err(|_| LinkError::Credentials)?.map_err(|_| LinkError::Credentials)?;
    Ok(provider.token_source())
}

impl Link {
    /// A connection that is made with its first call.
    ///
    /// # Errors
    /// The address can't be used.
    pub(crate) fn new(
        emulator: Option<&Emulator>,
        tokens: Option<Arc<dyn TokenSource>>,
        streams: usize,
    ) -> Result<Self, LinkError> {
        let endpoint = match emulator {
            Some(emulator) => Endpoint::from_shared(emulator.url())?,
            None => Endpoint::from_static(GOOGLE).tls_config(ClientTlsConfig::new().with_webpki_roots())?,
        };
        let windows = u32::try_from(streams).unwrap_or(u32::MAX).saturating_add(2);
        let channel = endpoint
            .user_agent(concat!("fanfare-pubsub-bridge/", env!("CARGO_PKG_VERSION")))?
            .connect_timeout(CALL)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(
                STREAM_WINDOW.saturating_mul(windows).min(i32::MAX.unsigned_abs()),
            )
            .connect_lazy();
        Ok(Self {
            subscriber: SubscriberClient::new(channel.clone()).max_decoding_message_size(LARGEST_ANSWER),
            publisher: PublisherClient::new(channel),
            tokens,
        })
    }

    /// A call's request with what every call carries: the resource for Google's routing, and the token.
    async fn request<T>(&self, message: T, routing: &str) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        if let Ok(value) = routing.parse() {
            request.metadata_mut().insert("x-goog-request-params", value);
        }
        if let Some(tokens) = &self.tokens {
            let token = tokens.token().await.map_err(|_| Status::unauthenticated("no access token"))?;
            let value = token.parse().map_err(|_| Status::unauthenticated("the access token is none"))?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }

    async fn call<T>(&self, message: T, routing: String) -> Result<Request<T>, Status> {
        let mut request = self.request(message, &routing).await?;
        request.set_timeout(CALL);
        Ok(request)
    }

    /// The subscription, where it is there.
    pub(crate) async fn subscription(&self, name: &str) -> Result<Subscription, Status> {
        let message = GetSubscriptionRequest { subscription: name.to_owned() };
        let request = self.call(message, format!("subscription={name}")).await?;
        let answer = within(self.subscriber.clone().get_subscription(request)).await?;
        Ok(answer.into_inner())
    }

    /// Makes a subscription.
    pub(crate) async fn create_subscription(&self, subscription: Subscription) -> Result<(), Status> {
        let routing = format!("name={}", subscription.name);
        let request = self.call(subscription, routing).await?;
        within(self.subscriber.clone().create_subscription(request)).await.map(drop)
    }

    /// Makes a topic.
    pub(crate) async fn create_topic(&self, name: &str) -> Result<(), Status> {
        let topic = Topic { name: name.to_owned(), ..Topic::default() };
        let request = self.call(topic, format!("name={name}")).await?;
        within(self.publisher.clone().create_topic(request)).await.map(drop)
    }

    /// Opens a stream; the answer comes with the first message.
    pub(crate) async fn streaming_pull(
        &self,
        requests: impl Stream<Item = StreamingPullRequest> + Send + 'static,
        subscription: &str,
    ) -> Result<Streaming<StreamingPullResponse>, Status> {
        let request = self.request(requests, &format!("subscription={subscription}")).await?;
        Ok(self.subscriber.clone().streaming_pull(request).await?.into_inner())
    }

    /// Acknowledges deliveries.
    pub(crate) async fn acknowledge(&self, subscription: &str, ack_ids: Vec<String>) -> Result<(), Status> {
        let message = AcknowledgeRequest { subscription: subscription.to_owned(), ack_ids };
        let request = self.call(message, format!("subscription={subscription}")).await?;
        within(self.subscriber.clone().acknowledge(request)).await.map(drop)
    }

    /// Gives deliveries back.
    pub(crate) async fn give_back(&self, subscription: &str, ack_ids: Vec<String>) -> Result<(), Status> {
        let subscription = subscription.to_owned();
        let routing = format!("subscription={subscription}");
        let message = ModifyAckDeadlineRequest { subscription, ack_ids, ack_deadline_seconds: 0 };
        let request = self.call(message, routing).await?;
        within(self.subscriber.clone().modify_ack_deadline(request)).await.map(drop)
    }

    /// Publishes a message; its id.
    pub(crate) async fn publish(&self, topic: &str, message: PubsubMessage) -> Result<String, Status> {
        let publish = PublishRequest { topic: topic.to_owned(), messages: vec![message] };
        let request = self.call(publish, format!("topic={topic}")).await?;
        let answer = within(self.publisher.clone().publish(request)).await?.into_inner();
        Ok(answer.message_ids.into_iter().next().unwrap_or_default())
    }
}

/// An answer in time, also from a peer that does not know the call's own time limit.
async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let answer = tokio::time::timeout(CALL, call).await;
    answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_to_google_needs_nothing_but_the_process_one_tls_provider() {
        // Another test of this process may have been faster.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let link = Link::new(None, None, 64).expect("a connection to be made");
        assert_eq!(format!("{link:?}"), "Link { authenticated: false, .. }");
    }
}
