//! A session with Pub/Sub: connected, the subscription there, streams open, held messages extended; and a new one when
//! it ends, for as long as it takes.
//!
//! Any stream's end is the session's: Pub/Sub closes streams from time to time, and another is open in milliseconds.
//! Messages and what has to be done with them outlive it ([`crate::ledger`]).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _, poll_fn};
use gcloud_googleapis::pubsub::v1::StreamingPullRequest;
use token_source::TokenSource;
use tokio::sync::mpsc;
use tonic::{Code, Status};

use crate::acks;
use crate::link::{self, Link, LinkError};
use crate::service::{self, Shared};
use crate::setup::{self, Prepared, SetupError, told};

/// How often Pub/Sub is asked whether it is still there, and hears that we are; as often as Google's Go client does it.
const PULSE: Duration = Duration::from_secs(30);

/// A session that lasted so long ended for a reason of its own: the next is tried at once.
const LASTING: Duration = Duration::from_secs(10);

/// How often leases are looked at.
const LEASES: Duration = Duration::from_secs(1);

/// How long a stream may take to end once it is told to.
const CLOSING: Duration = Duration::from_millis(500);

/// The largest message of Pub/Sub, in bytes: a share that is smaller would hold it up.
const LARGEST_MESSAGE: i64 = 10 << 20;

/// Requests that wait to be sent on a stream; who has more to send waits.
const REQUESTS: usize = 4;

/// Why a session ended, or did not begin.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("{0}")]
    Setup(#[from] SetupError),
    #[error("the stream ended: {}", told(.0))]
    Stream(Status),
    #[error("Pub/Sub does not answer any more: {}", told(.0))]
    Pulse(Status),
}

/// Keeps a session. Ends only when it is dropped; once pulling is over it holds the connection for what is left.
pub(crate) async fn run(shared: &Shared) -> Infallible {
    let mut delays = service::backoff();
    let mut tokens = None;
    loop {
        let began = Instant::now();
        let ended = match session(shared, &mut tokens).await {
            Ok(()) => std::future::pending().await,
            Err(ended) => ended,
        };
        shared.link.send_replace(None);
        shared.metrics.streaming.set(0);
        let cause = ended.to_string();
        let before = shared.status().pubsub.replace(cause.clone());
        let (was_up, is_news) = (before.is_none(), before.as_ref() != Some(&cause));
        let lasted = was_up && began.elapsed() > LASTING;
        if lasted {
            delays = service::backoff();
        }
        if was_up && matches!(&ended, Ended::Stream(status) if lasted && is_usual(status)) {
            tracing::info!("Pub/Sub closed the stream; opening another");
        } else if is_news {
            tracing::warn!(cause, "nothing comes from Pub/Sub: trying until it does");
        }
        let mut pulling = shared.pulling.subscribe();
        tokio::select! {
            () = tokio::time::sleep(service::next(&mut delays)) => {}
            _ = pulling.wait_for(|pulling| !pulling) => {}
        }
        if !*pulling.borrow() && !reconnects(shared) {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether a connection is still worth having after the stop: something has to be acknowledged.
fn reconnects(shared: &Shared) -> bool {
    !*shared.ledger.empty().borrow()
}

/// What Pub/Sub ends a stream with to move it to another of its servers.
fn is_usual(status: &Status) -> bool {
    matches!(status.code(), Code::Ok | Code::Unavailable | Code::Cancelled)
}

/// One session. Ends without an error once pulling is over and the streams are closed; its connection stays.
async fn session(shared: &Shared, tokens: &mut Option<Arc<dyn TokenSource>>) -> Result<(), Ended> {
    let settings = &shared.settings;
    if settings.emulator.is_none() && tokens.is_none() {
        *tokens = Some(link::credentials().await?);
    }
    let link = Link::new(settings.emulator.as_ref(), tokens.clone(), settings.streams)?;
    if setup::prepare(&link, settings).await? == Prepared::Made {
        tracing::info!(subscription = settings.subscription_name(), "made the subscription");
        shared.ledger.begin_life();
    }
    shared.link.send_replace(Some(link.clone()));
    if !*shared.pulling.borrow() {
        return Ok(());
    }
    shared.metrics.streams.inc();
    shared.metrics.streaming.set(1);
    shared.status().pubsub = None;
    tracing::info!("Listening to Pub/Sub...");
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..settings.streams).map(|_| mpsc::channel::<StreamingPullRequest>(REQUESTS)).unzip();
    let mut streams: FuturesUnordered<_> =
        receivers.into_iter().map(|requests| stream(shared, &link, requests)).collect();
    let upkeep = async {
        tokio::select! {
            ended = leases(shared, &senders) => ended,
            ended = pulse(shared, &link, &senders) => ended,
        }
    };
    let mut pulling = shared.pulling.subscribe();
    tokio::select! {
        Some(ended) = streams.next() => return Err(ended),
        ended = upkeep => return Err(ended),
        _ = pulling.wait_for(|pulling| !pulling) => {}
    }
    // Without a sender a stream's requests end, and with them the stream; what came before that is still taken.
    extend(shared, &senders).await;
    drop(senders);
    let _ = tokio::time::timeout(CLOSING, streams.count()).await;
    shared.metrics.streaming.set(0);
    shared.status().pubsub = Some("stopping".to_owned());
    Ok(())
}

/// Reads a stream as long as there is room.
async fn stream(shared: &Shared, link: &Link, mut requests: mpsc::Receiver<StreamingPullRequest>) -> Ended {
    let settings = &shared.settings;
    let subscription = settings.subscription_name();
    let share = |most: usize| i64::try_from(most.div_ceil(settings.streams)).unwrap_or(i64::MAX);
    let mut first = Some(StreamingPullRequest {
        subscription: subscription.clone(),
        stream_ack_deadline_seconds: settings.ack_deadline_seconds(),
        max_outstanding_messages: share(settings.max_messages),
        max_outstanding_bytes: share(settings.max_bytes).max(LARGEST_MESSAGE),
        ..StreamingPullRequest::default()
    });
    let outgoing = poll_fn(move |context| match first.take() {
        Some(first) => std::task::Poll::Ready(Some(first)),
        None => requests.poll_recv(context),
    });
    let mut room = shared.ledger.room();
    let mut incoming = match link.streaming_pull(outgoing, &subscription).await {
        Ok(incoming) => incoming,
        Err(status) => return Ended::Stream(status),
    };
    loop {
        // An error means that the ledger is gone, which outlives this.
        let _ = room.wait_for(|room| *room).await;
        let answer = match incoming.message().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ended::Stream(Status::new(Code::Ok, "closed")),
            Err(status) => return Ended::Stream(status),
        };
        for received in answer.received_messages {
            shared.ledger.receive(received, settings.ack_deadline);
        }
    }
}

/// Extends what is held, in time.
async fn leases(shared: &Shared, senders: &[mpsc::Sender<StreamingPullRequest>]) -> Ended {
    loop {
        tokio::time::sleep(LEASES).await;
        extend(shared, senders).await;
    }
}

/// Extends what Pub/Sub would take back soon. On a stream, since that needs no answer; what is lost with it comes again
/// and is recognised.
async fn extend(shared: &Shared, senders: &[mpsc::Sender<StreamingPullRequest>]) {
    let Some(sender) = senders.first() else { return };
    let due = shared.ledger.extend(shared.settings.ack_deadline);
    let seconds = shared.settings.ack_deadline_seconds();
    for ack_ids in due.chunks(acks::MOST) {
        let request = StreamingPullRequest {
            modify_deadline_seconds: vec![seconds; ack_ids.len()],
            modify_deadline_ack_ids: ack_ids.to_vec(),
            ..StreamingPullRequest::default()
        };
        shared.metrics.extended.inc_by(ack_ids.len() as u64);
        if sender.send(request).await.is_err() {
            // The stream is gone, and with it soon the session.
            return;
        }
    }
}

/// Asks now and then, since a connection that hangs tells nothing by itself.
async fn pulse(shared: &Shared, link: &Link, senders: &[mpsc::Sender<StreamingPullRequest>]) -> Ended {
    let subscription = shared.settings.subscription_name();
    loop {
        tokio::time::sleep(PULSE).await;
        for sender in senders {
            // One that has no room is heard anyway, or hangs: the answer to the call below tells which.
            let _full_or_gone = sender.try_send(StreamingPullRequest::default());
        }
        if let Err(status) = link.subscription(&subscription).await {
            let answered = matches!(status.code(), Code::PermissionDenied | Code::ResourceExhausted);
            if !answered {
                return Ended::Pulse(status);
            }
        }
    }
}
