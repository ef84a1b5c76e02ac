//! How fast the bridge carries messages, beside a bare loop that only pulls and acknowledges, on the same fake
//! Pub/Sub; in turns, since the machine may be busy.
//!
//! ```sh
//! cargo build --release -p websocket-server -p pubsub-bridge
//! cargo run --release -p pubsub-bridge --example throughput -- [MESSAGES] [STREAMS] [ROUNDS]
//! ```
//!
//! The fake gives at most one message on each stream in every 10 ms, so the number of streams bounds both. What the
//! bridge itself could do shows in its processor time.

use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _, poll_fn};
use gcloud_googleapis::pubsub::v1::publisher_client::PublisherClient;
use gcloud_googleapis::pubsub::v1::subscriber_client::SubscriberClient;
use gcloud_googleapis::pubsub::v1::{
    AcknowledgeRequest, PublishRequest, PubsubMessage, StreamingPullRequest, Subscription, Topic,
};
use serde_json::json;
use test_kit::{Launch, PubSub, Server};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};

const PROJECT: &str = "projects/receipt-tracking-application";

/// Deliveries acknowledged in one call, as the bridge does it.
const ACKS: usize = 1000;

fn main() -> anyhow::Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    let number = |n: usize, default: usize| numbers.get(n).copied().unwrap_or(default);
    let (messages, streams, rounds) = (number(0, 20_000), number(1, 64), number(2, 3));
    let fake = PubSub::start();
    let hub = Launch::of("websocket-server").env("RUST_LOG", "error").start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let channel = Endpoint::from_shared(format!("http://{}", fake.address()))?.connect().await?;
        for name in ["bare", "receipt-updates"] {
            subscribe(&channel, name).await?;
        }
        println!("{messages} messages, {streams} streams");
        let mut ratios = Vec::new();
        for round in 1..=rounds {
            publish(&channel, "bare", messages).await?;
            let bare = rate(messages, pull_alone(&fake, messages, streams)?);
            publish(&channel, "receipt-updates", messages).await?;
            let (time, cpu) = bridge(&fake, &hub, messages, streams);
            let carried = rate(messages, time);
            ratios.push(carried / bare);
            let micros = cpu / count(messages) * 1e6;
            println!(
                "round {round}: bare {bare:.0}/s, bridge {carried:.0}/s, ratio {:.2}, {micros:.0} µs of processor \
                 time a message",
                carried / bare
            );
        }
        ratios.sort_by(f64::total_cmp);
        println!("median ratio {:.2}", ratios[ratios.len() / 2]);
        Ok(())
    })
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn count(messages: usize) -> f64 {
    messages as f64
}

fn rate(messages: usize, time: Duration) -> f64 {
    count(messages) / time.as_secs_f64()
}

async fn subscribe(channel: &Channel, name: &str) -> anyhow::Result<()> {
    let topic = Topic { name: format!("{PROJECT}/topics/{name}"), ..Topic::default() };
    PublisherClient::new(channel.clone()).create_topic(topic).await?;
    let subscription = Subscription {
        name: format!("{PROJECT}/subscriptions/{name}-sub"),
        topic: format!("{PROJECT}/topics/{name}"),
        ack_deadline_seconds: 60,
        enable_message_ordering: true,
        ..Subscription::default()
    };
    SubscriberClient::new(channel.clone()).create_subscription(subscription).await?;
    Ok(())
}

async fn publish(channel: &Channel, topic: &str, messages: usize) -> anyhow::Result<()> {
    let mut client = PublisherClient::new(channel.clone());
    let all: Vec<PubsubMessage> = (0..messages)
        .map(|n| {
            let data = json!({"type": "receipt_update", "status": "processed", "receipt_id": format!("r{n}"),
                              "timestamp": "2025-03-26T22:30:00Z"});
            PubsubMessage { data: data.to_string().into_bytes().into(), ..PubsubMessage::default() }
        })
        .collect();
    for part in all.chunks(1000) {
        let request = PublishRequest { topic: format!("{PROJECT}/topics/{topic}"), messages: part.to_vec() };
        client.publish(request).await?;
    }
    Ok(())
}

/// [`pull`] with a connection and threads of its own, which are gone behind it: messages on a stream that nobody reads
/// any more would be waited for.
fn pull_alone(fake: &PubSub, messages: usize, streams: usize) -> anyhow::Result<Duration> {
    let address = format!("http://{}", fake.address());
    let alone = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let channel = Endpoint::from_shared(address)?.connect().await?;
            pull(&channel, messages, streams).await
        })
    });
    alone.join().unwrap_or_else(|_| anyhow::bail!("the bare loop panicked"))
}

/// Pulls and acknowledges, and nothing else.
async fn pull(channel: &Channel, messages: usize, streams: usize) -> anyhow::Result<Duration> {
    let subscription = format!("{PROJECT}/subscriptions/bare-sub");
    let client = SubscriberClient::new(channel.clone());
    // A stream waits where this is full, as Pub/Sub then does for the stream.
    let (sender, mut received) = mpsc::channel(ACKS);
    let began = Instant::now();
    let mut open = FuturesUnordered::new();
    for _ in 0..streams {
        let (mut client, sender) = (client.clone(), sender.clone());
        let mut first = Some(StreamingPullRequest {
            subscription: subscription.clone(),
            stream_ack_deadline_seconds: 60,
            ..StreamingPullRequest::default()
        });
        open.push(async move {
            let requests =
                poll_fn(move |_| first.take().map_or(std::task::Poll::Pending, |it| Some(it).into()));
            let mut stream = client.streaming_pull(requests).await?.into_inner();
            while let Some(answer) = stream.message().await? {
                for message in answer.received_messages {
                    let _ended = sender.send(message.ack_id).await;
                }
            }
            anyhow::Ok(())
        });
    }
    let acknowledge = async {
        let (mut client, mut left) = (client.clone(), messages);
        while left > 0 {
            let mut ack_ids = Vec::new();
            received.recv_many(&mut ack_ids, ACKS).await;
            left = left.saturating_sub(ack_ids.len());
            client.acknowledge(AcknowledgeRequest { subscription: subscription.clone(), ack_ids }).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = acknowledge => ended?,
        ended = open.next() => anyhow::bail!("a stream ended: {ended:?}"),
    }
    Ok(began.elapsed())
}

/// The real bridge: how long it took, and its processor time in seconds.
fn bridge(fake: &PubSub, hub: &Server, messages: usize, streams: usize) -> (Duration, f64) {
    let mut bridge = Launch::of("pubsub-bridge")
        .env("PUBSUB_EMULATOR_HOST", fake.address().to_string())
        .env("WS_SERVICE_URL", hub.http())
        .env("PUBSUB_STREAMS", streams.to_string())
        .env("RUST_LOG", "warn")
        .start();
    let began = Instant::now();
    let acked = || bridge.metric("fanfare_pubsub_acked_total", &[]).unwrap_or_default();
    while acked() < count(messages) {
        assert!(began.elapsed() < Duration::from_secs(120), "{} were acknowledged", acked());
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = (began.elapsed(), processor_time(bridge.pid()));
    bridge.terminate();
    bridge.wait();
    told
}

/// The processor time that a process has had, in seconds: user and system, in ticks of 10 ms (proc(5)).
fn processor_time(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_the_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_the_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
