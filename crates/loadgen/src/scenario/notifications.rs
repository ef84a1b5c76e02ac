//! Notifications through `fanfare up`: how long one takes from its call to a bell, how long many at once take, and how fast
//! an inbox is read that is full.
//!
//! Everything is in one process, as on one's own machine: the notification service with its database, the relay, the hub
//! with its store. A bell is a WebSocket of the user. Calls are made when they are due, whether or not earlier ones have
//! been answered, and measured from then: a service that stands still for a moment is seen in all that waits for it.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest as _;

use super::DRAIN;
use crate::outcome::Outcome;
use crate::up::{Caller, Up};
use crate::{jwt, sys};

/// The secret of the tokens.
const SECRET: &str = "bench-secret-of-at-least-32-bytes";

/// The key by which a back end creates notifications.
const SERVICE_KEY: &str = "bench-service-key-0123456789abcdef";

/// Users of one bulk call (the service's bound).
const AT_ONCE: usize = 10_000;

/// Of so many users of the bulk call one has a bell; the last of them always.
const BELL_OF: usize = 50;

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct NotificationsArgs {
    /// The program to start
    #[arg(long, default_value = "target/release/fanfare")]
    fanfare: PathBuf,
    /// A Postgres URL; SQLite files without it
    #[arg(long)]
    database_url: Option<String>,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["create", "bulk", "list"])]
    parts: Vec<Part>,
    /// Notifications created per second
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// For how long
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Users who get them, each with a bell
    #[arg(long, default_value_t = 50)]
    users: u64,
    /// Calls at once
    #[arg(long, default_value_t = 8)]
    callers: u64,
    /// Users of the bulk call
    #[arg(long, default_value_t = AT_ONCE, value_parser = at_once)]
    bulk: usize,
    /// Notifications of the inbox that is read
    #[arg(long, default_value_t = 100_000)]
    held: usize,
    /// Times that it is read
    #[arg(long, default_value_t = 500)]
    calls: usize,
}

fn at_once(text: &str) -> Result<usize, String> {
    let count: usize = text.parse().map_err(|_| "a whole number".to_owned())?;
    if (1..=AT_ONCE).contains(&count) { Ok(count) } else { Err(format!("a number from 1 to {AT_ONCE}")) }
}

/// A part of the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From a call to a bell, at a rate.
    Create,
    /// Many users in one call.
    Bulk,
    /// Page 1, unread counts and numbers of a full inbox beside a small one.
    List,
}

/// Runs it.
pub(crate) fn run(args: &NotificationsArgs) -> Result<Outcome> {
    let environment = [
        ("JWT_SECRET", SECRET),
        ("SERVICE_API_KEY", SERVICE_KEY),
        ("DASHBOARD_PORT", "off"),
        ("RECEIPTS_PORT", "off"),
    ];
    let up = Up::start(&args.fanfare, args.database_url.as_deref(), &environment)?;
    let mut outcome = Outcome::new("notifications", "fanfare up");
    let wants = |part| args.parts.contains(&part);
    if wants(Part::Create) {
        create(args, up.address, &mut outcome)?;
    }
    if wants(Part::Bulk) {
        bulk(args, up.address, &mut outcome)?;
    }
    if wants(Part::List) {
        list(args, up.address, &mut outcome)?;
    }
    Ok(outcome)
}

/// A token of a user.
fn token(user: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    jwt::mint(SECRET, user, now + 3_600)
}

/// Back end's calls.
fn back_end(address: SocketAddr) -> Result<Caller> {
    Caller::connect(address, Some(SERVICE_KEY.to_owned()))
}

/// A user's WebSocket.
struct Bell(WebSocket<TcpStream>);

impl Bell {
    /// Connected and welcomed.
    fn open(address: SocketAddr, user: &str) -> Result<Self> {
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", token(user)).parse()?);
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DRAIN))?;
        let (mut socket, _) =
            tungstenite::client(request, stream).map_err(|error| anyhow::anyhow!("{error}"))?;
        socket.read()?;
        Ok(Self(socket))
    }

    /// The next notification.
    fn ring(&mut self) -> Result<Value> {
        loop {
            let message = self.0.read()?;
            let mut event: Value =
                serde_json::from_str(message.to_text().unwrap_or_default()).unwrap_or_default();
            if event["type"] == "notification" {
                return Ok(event["data"].take());
            }
        }
    }
}

/// Joins a thread.
fn joined<Value>(thread: JoinHandle<Result<Value>>) -> Result<Value> {
    thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?
}

/// From the moment at which a call was due until its event is at a WebSocket of the user.
fn create(args: &NotificationsArgs, address: SocketAddr, outcome: &mut Outcome) -> Result<()> {
    let total = args.rate * args.seconds;
    let ready = Arc::new(Barrier::new(usize::try_from(args.users)? + 1));
    let bells: Vec<_> = (0..args.users)
        .map(|user| {
            let due = total / args.users + u64::from(user < total % args.users);
            let ready = Arc::clone(&ready);
            thread::spawn(move || listen(address, &format!("bell-{user}"), due, &ready))
        })
        .collect();
    ready.wait();
    let next = Arc::new(AtomicU64::new(0));
    let (rate, users) = (args.rate, args.users);
    let began = (Instant::now(), sys::monotonic_ns());
    let callers: Vec<_> = (0..args.callers)
        .map(|_| {
            let next = Arc::clone(&next);
            thread::spawn(move || {
                let mut caller = back_end(address)?;
                let mut took = Histogram::<u64>::new(3)?;
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= total {
                        return Ok(took);
                    }
                    let behind = Duration::from_secs_f64(n as f64 / rate as f64);
                    let due = began.0 + behind;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let due_ns = began.1 + u64::try_from(behind.as_nanos())?;
                    post(&mut caller, &format!("bell-{}", n % users), due_ns)?;
                    took.record(u64::try_from(due.elapsed().as_micros())?)?;
                }
            })
        })
        .collect();
    let mut posts = Histogram::<u64>::new(3)?;
    for caller in callers {
        posts.add(joined(caller)?)?;
    }
    let mut rings = Histogram::<u64>::new(3)?;
    for bell in bells {
        rings.add(joined(bell)?)?;
    }
    outcome.add("create_per_second", total as f64 / began.0.elapsed().as_secs_f64());
    outcome.add("create_lost", (total - rings.len()) as f64);
    outcome.add_latency("create_to_bell_", &rings);
    outcome.add_latency("create_post_", &posts);
    Ok(())
}

fn post(caller: &mut Caller, user: &str, due_ns: u64) -> Result<()> {
    let notification = json!({
        "user_id": user, "title": "Your order is on its way", "category": "orders",
        "message": "It was handed over to the carrier today and comes within three days.",
        "data": {"due_ns": due_ns, "order_id": 981, "url": "/orders/981"},
    });
    let (status, answer) = caller.post("/api/notifications", &notification)?;
    if status != 201 {
        bail!("POST /api/notifications: {status} {answer}");
    }
    Ok(())
}

/// Hears so many notifications; from when each was due to here, in µs.
fn listen(address: SocketAddr, user: &str, due: u64, ready: &Barrier) -> Result<Histogram<u64>> {
    let bell = Bell::open(address, user);
    ready.wait();
    let mut bell = bell?;
    let mut took = Histogram::new(3)?;
    while took.len() < due {
        let notification = bell.ring()?;
        let due_ns = notification["data"]["due_ns"].as_u64().context("when it was due")?;
        took.record((sys::monotonic_ns().saturating_sub(due_ns) / 1_000).max(1))?;
    }
    Ok(took)
}

/// One call for many users: until its first and its last line, and until the last of the bells has rung.
fn bulk(args: &NotificationsArgs, address: SocketAddr, outcome: &mut Outcome) -> Result<()> {
    let users: Vec<String> = (0..args.bulk).map(|user| format!("many-{user}")).collect();
    let with_bell = (0..args.bulk).rev().step_by(BELL_OF);
    let bells: Vec<Bell> = with_bell.map(|user| Bell::open(address, &users[user])).collect::<Result<_>>()?;
    let count = bells.len();
    let began = Instant::now();
    let bells: Vec<_> = bells
        .into_iter()
        .map(|mut bell| {
            thread::spawn(move || {
                bell.ring()?;
                Ok(began.elapsed())
            })
        })
        .collect();
    let answered = many(&mut back_end(address)?, &json!(users), began)?;
    let mut delivered = Duration::ZERO;
    for bell in bells {
        delivered = delivered.max(joined(bell)?);
    }
    outcome.add("bulk_users", args.bulk as f64);
    outcome.add("bulk_bells", count as f64);
    outcome.add("bulk_answered_ms", ms(answered));
    outcome.add("bulk_delivered_ms", ms(delivered));
    Ok(())
}

/// Creates a notification for each of these users in one call; how long it took from `began`.
fn many(caller: &mut Caller, users: &Value, began: Instant) -> Result<Duration> {
    let notification = json!({
        "user_ids": users, "title": "We are back", "category": "news",
        "message": "The maintenance is over, everything works again.", "data": {"url": "/news/17"},
    });
    let answer = caller.post_until("/api/notifications/bulk", &notification, "\"done\":true")?;
    let took = began.elapsed();
    let refused = memchr::memmem::find(&answer, b"\"success\":false");
    if !answer.starts_with(b"HTTP/1.1 200") || refused.is_some() {
        let start = &answer[refused.unwrap_or(0)..];
        bail!("POST /api/notifications/bulk: {}", String::from_utf8_lossy(&start[..start.len().min(300)]));
    }
    Ok(took)
}

/// Reads the inbox of a user who has many notifications, and of one who has ten.
fn list(args: &NotificationsArgs, address: SocketAddr, outcome: &mut Outcome) -> Result<()> {
    let mut service = back_end(address)?;
    let began = Instant::now();
    let mut left = args.held;
    while left > 0 {
        let some = left.min(AT_ONCE);
        many(&mut service, &json!(vec!["full"; some]), Instant::now())?;
        left -= some;
    }
    many(&mut service, &json!(vec!["small"; 10]), Instant::now())?;
    outcome.add("list_filled_s", began.elapsed().as_secs_f64());
    settle(address)?;
    for (name, user, held) in [("full", "full", args.held), ("small", "small", 10)] {
        let mut caller = Caller::connect(address, Some(token(user)))?;
        let (status, page) = caller.get("/api/notifications?page=1&per_page=20")?;
        if status != 200 || page["total"] != held || page["unread_count"] != held {
            bail!("{name}: {status} total {} unread_count {}", page["total"], page["unread_count"]);
        }
        for (what, path) in [
            ("page", "/api/notifications?page=1&per_page=20"),
            ("unread_page", "/api/notifications?page=1&per_page=20&unread=true&category=news"),
            ("stats", "/api/notifications/stats"),
        ] {
            let took = calls(&mut caller, path, args.calls)?;
            outcome.add_latency(&format!("list_{name}_{what}_"), &took);
        }
    }
    Ok(())
}

/// Waits until the relay has carried everything, so that reading is measured alone.
fn settle(address: SocketAddr) -> Result<()> {
    let mut bell = Bell::open(address, "settled")?;
    let mut service = back_end(address)?;
    post(&mut service, "settled", 0)?;
    // The relay keeps the order of what was stored.
    bell.0.get_ref().set_read_timeout(Some(DRAIN * 10))?;
    bell.ring().map(drop)
}

/// Calls a path again and again; how long each took, in µs.
fn calls(caller: &mut Caller, path: &str, count: usize) -> Result<Histogram<u64>> {
    let mut took = Histogram::<u64>::new(3)?;
    for _ in 0..count {
        let began = Instant::now();
        let (status, answer) = caller.get(path)?;
        if status != 200 {
            bail!("GET {path}: {status} {answer}");
        }
        took.record(u64::try_from(began.elapsed().as_micros())?.max(1))?;
    }
    Ok(took)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
