//! What the tests stand on: a Pub/Sub that can be cut off, a hub whose store survives its death, a bridge between them,
//! and a publisher.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use gcloud_googleapis::pubsub::v1::publisher_client::PublisherClient;
use gcloud_googleapis::pubsub::v1::subscriber_client::SubscriberClient;
use gcloud_googleapis::pubsub::v1::{
    AcknowledgeRequest, DeleteTopicRequest, GetSubscriptionRequest, PublishRequest, PubsubMessage,
    PullRequest, Subscription, Topic,
};
use serde_json::{Value, json};
use test_kit::{Client, Directory, Follower, Launch, Proxy, PubSub, Server, eventually};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

/// The topic of the contract.
pub(crate) const TOPIC: &str = "projects/receipt-tracking-application/topics/receipt-updates";

/// How long a test waits for what takes a machine with two cores a while.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The key by which the hub knows the bridge.
pub(crate) const KEY: &str = "key-of-the-bridge-0123456789";

/// Every event on the channel is on disk: what was shown is known after the hub's death.
const RULES: &str = r#"
[[channels]]
pattern = "receipts"
history = { size = 20000, age = "1h", durable = true }
"#;

/// A Pub/Sub, a hub and a bridge.
pub(crate) struct World {
    pub(crate) fake: PubSub,
    /// Between the bridge and the fake.
    pub(crate) network: Proxy,
    hub_launch: Launch,
    hub_address: SocketAddr,
    pub(crate) hub: Option<Server>,
    bridge_launch: Launch,
    pub(crate) bridge: Option<Server>,
    _data: Directory,
}

impl World {
    /// All three, listening.
    pub(crate) fn start() -> Self {
        Self::with(|bridge| bridge)
    }

    /// All three, the bridge with further settings.
    pub(crate) fn with(settings: impl FnOnce(Launch) -> Launch) -> Self {
        let mut world = Self::without_bridge(settings);
        world.start_bridge();
        world
    }

    /// A Pub/Sub and a hub, and a bridge to be started.
    pub(crate) fn without_bridge(settings: impl FnOnce(Launch) -> Launch) -> Self {
        Self::on(PubSub::start(), settings)
    }

    /// The same on a Pub/Sub that was started before.
    pub(crate) fn on(fake: PubSub, settings: impl FnOnce(Launch) -> Launch) -> Self {
        let network = Proxy::to(fake.address());
        let data = Directory::new();
        let rules = data.write("rules.toml", RULES);
        let hub_address = test_kit::free_address();
        let hub_launch = Launch::of("websocket-server")
            .env("PORT", hub_address.port().to_string())
            .env("FANFARE_DATA", data.path().join("hub"))
            .env("FANFARE_CONFIG", rules)
            .env("FANFARE_API_KEYS", format!("bridge:{KEY}:receipts,other:key-of-another-0123456789:jobs"));
        let bridge_launch = Launch::new(env!("CARGO_BIN_EXE_pubsub-bridge"))
            .env("PUBSUB_EMULATOR_HOST", network.address().to_string())
            .env("PUBSUB_ACK_DEADLINE", "10s")
            .env("SERVICE_API_KEY", KEY)
            .env("WS_SERVICE_URL", format!("http://{hub_address}"));
        let bridge_launch = settings(bridge_launch);
        let mut world = Self {
            fake,
            network,
            hub_launch,
            hub_address,
            hub: None,
            bridge_launch,
            bridge: None,
            _data: data,
        };
        world.start_hub();
        world
    }

    pub(crate) fn start_hub(&mut self) {
        self.hub = Some(self.hub_launch.start());
    }

    /// As a crash would end it.
    pub(crate) fn kill_hub(&mut self) {
        self.hub = None;
    }

    pub(crate) fn start_bridge(&mut self) {
        let bridge = self.bridge_launch.start();
        bridge.wait_for_log("Listening to Pub/Sub...");
        self.bridge = Some(bridge);
    }

    /// As a crash would end it.
    pub(crate) fn kill_bridge(&mut self) {
        self.bridge = None;
    }

    /// One that need not get as far as to listen.
    pub(crate) fn start_bridge_unheard(&mut self) {
        self.bridge = Some(self.bridge_launch.start());
    }

    /// The bridge with other settings.
    pub(crate) fn restart_bridge_with(&mut self, settings: impl FnOnce(Launch) -> Launch) {
        self.kill_bridge();
        self.bridge_launch = settings(self.bridge_launch.clone());
        self.start_bridge();
    }

    /// The hub with other settings.
    pub(crate) fn restart_hub_with(&mut self, settings: impl FnOnce(Launch) -> Launch) {
        self.kill_hub();
        self.hub_launch = settings(self.hub_launch.clone());
        self.start_hub();
    }

    pub(crate) fn bridge(&self) -> &Server {
        self.bridge.as_ref().expect("a running bridge")
    }

    pub(crate) fn hub(&self) -> &Server {
        self.hub.as_ref().expect("a running hub")
    }

    /// A bridge that reaches the hub through a network of its own.
    pub(crate) fn start_bridge_behind(&mut self, network: &Proxy) {
        let url = format!("http://{}", network.address());
        self.bridge_launch = self.bridge_launch.clone().env("WS_SERVICE_URL", url);
        self.start_bridge();
    }

    pub(crate) fn hub_address(&self) -> SocketAddr {
        self.hub_address
    }

    /// The address of the hub's WebSocket, also while it is away.
    pub(crate) fn ws(&self) -> String {
        format!("ws://{}/ws", self.hub_address)
    }

    /// A client that gets receipts and nothing else.
    pub(crate) fn client(&self) -> Client {
        let mut client = Client::welcomed(&self.ws());
        client.subscribe(&["receipts"]);
        client
    }

    /// A counter or gauge of the bridge; 0 where it has none yet.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        self.bridge().metric(&format!("fanfare_pubsub_{name}"), labels).unwrap_or_default()
    }

    /// Waits until the bridge holds nothing and has acknowledged so many.
    #[track_caller]
    pub(crate) fn wait_for_acked(&self, count: f64) {
        eventually(LONG, || {
            self.metric("acked_total", &[]) >= count && self.metric("outstanding_messages", &[]) == 0.0
        });
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::to(self.fake.address())
    }
}

/// A receipt's message.
pub(crate) fn receipt(id: &str) -> Value {
    json!({"type": "receipt_update", "status": "processed", "receipt_id": id, "timestamp": "2025-03-26T22:30:00Z"})
}

/// Publishes and pulls as anybody may.
pub(crate) struct Publisher {
    runtime: Runtime,
    publisher: PublisherClient<Channel>,
    subscriber: SubscriberClient<Channel>,
}

impl Publisher {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = {
            let _entered = runtime.enter();
            endpoint.connect_lazy()
        };
        Self {
            runtime,
            publisher: PublisherClient::new(channel.clone()),
            subscriber: SubscriberClient::new(channel).max_decoding_message_size(20 << 20),
        }
    }

    /// Publishes messages; their ids.
    pub(crate) fn publish_all(&self, messages: Vec<PubsubMessage>) -> Vec<String> {
        let request = PublishRequest { topic: TOPIC.to_owned(), messages };
        let answer = self.runtime.block_on(self.publisher.clone().publish(request));
        answer.expect("published").into_inner().message_ids
    }

    /// Publishes one; its id.
    pub(crate) fn publish(&self, data: impl Into<Vec<u8>>) -> String {
        let message = PubsubMessage { data: data.into().into(), ..PubsubMessage::default() };
        self.publish_all(vec![message]).remove(0)
    }

    /// Publishes a receipt's update; its id.
    pub(crate) fn receipt(&self, id: &str) -> String {
        self.publish(receipt(id).to_string())
    }

    /// Publishes so many receipts with the ids `first…`.
    pub(crate) fn receipts(&self, range: std::ops::Range<usize>) {
        let messages: Vec<PubsubMessage> = range
            .map(|n| PubsubMessage {
                data: receipt(&format!("r{n}")).to_string().into_bytes().into(),
                ..PubsubMessage::default()
            })
            .collect();
        for part in messages.chunks(500) {
            self.publish_all(part.to_vec());
        }
    }

    /// Publishes with an ordering key and attributes; its id.
    pub(crate) fn publish_with(&self, data: &str, key: &str, attributes: &[(&str, &str)]) -> String {
        let attributes: HashMap<String, String> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let data = data.as_bytes().to_vec().into();
        let message =
            PubsubMessage { data, attributes, ordering_key: key.to_owned(), ..PubsubMessage::default() };
        self.publish_all(vec![message]).remove(0)
    }

    /// Makes a topic, unless it is there, and a subscription of it.
    pub(crate) fn subscribe(&self, topic: &str, name: &str) -> String {
        let topic = format!("projects/receipt-tracking-application/topics/{topic}");
        let name = format!("projects/receipt-tracking-application/subscriptions/{name}");
        let made = Topic { name: topic.clone(), ..Topic::default() };
        let _there_already = self.runtime.block_on(self.publisher.clone().create_topic(made));
        let made = Subscription { name: name.clone(), topic, ..Subscription::default() };
        self.runtime.block_on(self.subscriber.clone().create_subscription(made)).expect("a subscription");
        name
    }

    /// A subscription as Pub/Sub has it.
    pub(crate) fn look_at(&self, name: &str) -> Subscription {
        let subscription = format!("projects/receipt-tracking-application/subscriptions/{name}");
        let request = GetSubscriptionRequest { subscription };
        let answer = self.runtime.block_on(self.subscriber.clone().get_subscription(request));
        answer.expect("a subscription").into_inner()
    }

    /// Deletes a topic.
    pub(crate) fn delete_topic(&self, topic: &str) {
        let topic = format!("projects/receipt-tracking-application/topics/{topic}");
        let answer = self.runtime.block_on(self.publisher.clone().delete_topic(DeleteTopicRequest { topic }));
        answer.expect("deleted");
    }

    /// Pulls and acknowledges messages of a subscription until there are so many.
    pub(crate) fn pull(&self, subscription: &str, count: usize) -> Vec<PubsubMessage> {
        let mut messages = Vec::new();
        eventually(LONG, || {
            #[expect(deprecated, reason = "there is no other way to ask without waiting")]
            let request = PullRequest {
                subscription: subscription.to_owned(),
                return_immediately: true,
                max_messages: 100,
            };
            let answer = self.runtime.block_on(self.subscriber.clone().pull(request)).expect("pulled");
            let received = answer.into_inner().received_messages;
            let ack_ids: Vec<String> = received.iter().map(|received| received.ack_id.clone()).collect();
            if !ack_ids.is_empty() {
                let request = AcknowledgeRequest { subscription: subscription.to_owned(), ack_ids };
                self.runtime.block_on(self.subscriber.clone().acknowledge(request)).expect("acknowledged");
            }
            messages.extend(received.into_iter().filter_map(|received| received.message));
            messages.len() >= count
        });
        messages
    }
}

/// A client that comes back and recovers, and what it was shown.
pub(crate) struct Witness {
    follower: Follower,
    client: Option<Client>,
    url: String,
    /// How often each receipt was shown.
    pub(crate) shown: HashMap<String, usize>,
}

impl Witness {
    pub(crate) fn of(world: &World) -> Self {
        let mut witness =
            Self { follower: Follower::new(), client: None, url: world.ws(), shown: HashMap::new() };
        witness.connect();
        assert!(witness.client.is_some(), "the hub is there");
        witness
    }

    fn connect(&mut self) {
        let mut client = None;
        eventually(LONG, || {
            client = Client::dial(&self.url).try_connect();
            client.is_some()
        });
        let mut client = client.expect("connected");
        client.welcome();
        self.follower.subscribe(&mut client, &["receipts"]);
        self.client = Some(client);
    }

    /// Reads one event, or comes back where the connection is gone. The follower judges each event.
    fn look(&mut self) {
        let Some(client) = &mut self.client else { return self.connect() };
        match client.try_next_json(LONG) {
            Some(event) => {
                self.follower.take(&event);
                let id = event["data"]["receipt_id"].as_str().expect("a receipt").to_owned();
                *self.shown.entry(id).or_default() += 1;
            }
            None => self.client = None,
        }
    }

    /// Looks until so many different receipts were shown.
    #[track_caller]
    pub(crate) fn see(&mut self, count: usize) {
        while self.shown.len() < count {
            self.look();
        }
    }

    /// Nothing was lost, and nothing was shown twice.
    #[track_caller]
    pub(crate) fn judge(&self, range: std::ops::Range<usize>) {
        let missing: Vec<String> =
            range.clone().map(|n| format!("r{n}")).filter(|id| !self.shown.contains_key(id)).collect();
        assert!(missing.is_empty(), "lost: {} {:?}", missing.len(), &missing[..missing.len().min(10)]);
        let doubled: Vec<_> = self.shown.iter().filter(|(_, times)| **times > 1).take(10).collect();
        assert!(doubled.is_empty(), "shown twice: {doubled:?}");
        assert_eq!(self.shown.len(), range.len());
        let lost = self.follower.lost();
        assert!(lost.iter().all(|stream| stream != "receipts"), "a gap was told: {lost:?}");
    }
}
