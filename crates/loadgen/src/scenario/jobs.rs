//! Jobs per second through `fanfare up`, and how long a job's event takes from its change to a browser.
//!
//! Each job is posted over HTTP with its hold, commit and event; a WebSocket client gets `job_created`, whose timestamp is
//! the change's. What is measured lies between that timestamp (whole milliseconds, taken before the commit) and the
//! frame's arrival, so it contains the commit, the relay and the hub.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;

use super::DRAIN;
use crate::outcome::Outcome;
use crate::up::{Caller, Up};

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    /// The program to start
    #[arg(long, default_value = "target/release/fanfare")]
    fanfare: PathBuf,
    /// Jobs per second
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// For how long
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Calls at once
    #[arg(long, default_value_t = 8)]
    callers: u64,
    /// A Postgres URL; SQLite files without it
    #[arg(long)]
    database_url: Option<String>,
}

/// Runs it.
pub(crate) fn run(args: &JobsArgs) -> Result<Outcome> {
    let environment = [("DEMO_BALANCE_USD", "1000000000")];
    let up = Up::start(&args.fanfare, args.database_url.as_deref(), &environment)?;
    let body = json!({"email": "bench@example.com", "password": "correct horse", "name": "Bench", "user_type": "employer"});
    let (status, answer) = Caller::connect(up.address, None)?.post("/auth/register", &body)?;
    let token =
        answer["access_token"].as_str().with_context(|| format!("register: {status} {answer}"))?.to_owned();
    let total = args.rate * args.seconds;
    let (ready, is_ready) = mpsc::channel();
    let receiver = {
        let (address, token) = (up.address, token.clone());
        thread::spawn(move || receive(address, &token, total, &ready))
    };
    is_ready.recv().context("the WebSocket client")?;
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let rate = args.rate;
    let callers: Vec<_> = (0..args.callers)
        .map(|_| {
            let (next, token, address) = (Arc::clone(&next), token.clone(), up.address);
            thread::spawn(move || call(address, token, &next, began, rate, total))
        })
        .collect();
    let mut posts = Histogram::<u64>::new(3)?;
    for caller in callers {
        posts.add(caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??)?;
    }
    let elapsed = began.elapsed();
    let events = receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))??;
    let mut outcome = Outcome::new("jobs", "fanfare up");
    outcome.add("jobs_per_second", total as f64 / elapsed.as_secs_f64());
    outcome.add("lost", (total - events.len()) as f64);
    outcome.add_latency("event_", &events);
    outcome.add_latency("post_", &posts);
    Ok(outcome)
}

/// Posts jobs at their times; how long each call took, in µs.
fn call(
    address: SocketAddr,
    token: String,
    next: &AtomicU64,
    began: Instant,
    rate: u64,
    total: u64,
) -> Result<Histogram<u64>> {
    let mut caller = Caller::connect(address, Some(token))?;
    let mut took = Histogram::new(3)?;
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= total {
            return Ok(took);
        }
        let due = began + Duration::from_secs_f64(n as f64 / rate as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let job = json!({"title": format!("job {n}"), "pay_amount_usd": 1.5, "job_type": "other"});
        let (status, answer) = caller.post("/jobs", &job)?;
        if status != 201 {
            bail!("POST /jobs: {status} {answer}");
        }
        // From when it was due, so that waiting for a free caller counts.
        took.record(u64::try_from(due.elapsed().as_micros())?)?;
    }
}

/// Receives as many `job_created`; from the change to here, in µs.
fn receive(address: SocketAddr, token: &str, total: u64, ready: &mpsc::Sender<()>) -> Result<Histogram<u64>> {
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DRAIN))?;
    let (mut socket, _) = tungstenite::client(request, stream).map_err(|error| anyhow::anyhow!("{error}"))?;
    socket.read()?;
    ready.send(())?;
    let mut took = Histogram::new(3)?;
    while took.len() < total {
        let message = socket.read()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let event: Value = serde_json::from_str(message.to_text().unwrap_or_default()).unwrap_or_default();
        if event["type"] == "job_created" {
            let changed: jiff::Timestamp = event["timestamp"].as_str().context("a timestamp")?.parse()?;
            let changed = u128::try_from(changed.as_microsecond())?;
            took.record(u64::try_from(now.saturating_sub(changed))?.max(1))?;
        }
    }
    Ok(took)
}
