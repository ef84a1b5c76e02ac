//! How long the inbox takes: a bulk call, the first page of a large inbox, its numbers, one notification. On SQLite in a
//! directory of its own, or on Postgres by `DATABASE_URL`; the events wait, since there is no hub.
//!
//! `cargo run --profile release -p notification-service --example figures [users] [size of the inbox]`

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Environment, JwtSettings, OriginPolicy, Verifier};
use hub_client::{HubClient, HubSettings};
use notification_service::{NotificationService, Settings};
use rest::Callers;
use serde_json::json;
use service_kit::arguments::Secret;
use service_kit::shutdown::Shutdown;
use store::Location;
use test_kit::{Directory, Signer};

const SECRET: &str = "a secret of the figures, 32 bytes or more";
const KEY: &str = "service-key-of-the-figures";

/// How often a short call is made.
const TIMES: usize = 200;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let users = arguments.next().transpose()?.unwrap_or(10_000);
    let inbox = arguments.next().transpose()?.unwrap_or(100_000);
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let data = Directory::new();
    let location = match std::env::var("DATABASE_URL") {
        Ok(url) => Location::parse(&url)?,
        Err(_) => Location::File(data.path().join("figures.db")),
    };
    println!("{location}");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || serve(listener, location));
    while call(address, "GET", "/api/notifications/stats", None).0 != 200 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let all: Vec<usize> = (1..=users).collect();
    let body =
        json!({"user_ids": all, "title": "News for all", "message": "m".repeat(200), "category": "news"});
    for round in ["empty inboxes", "the same users again"] {
        let (started, bytes) = (Instant::now(), body.to_string());
        let (status, answer) = call(address, "POST", "/api/notifications/bulk", Some(&bytes));
        let took = started.elapsed();
        println!("bulk of {users}, {round}: {:.2} s ({status})", took.as_secs_f64());
        println!("  {}", answer.lines().rev().find(|line| line.contains("done")).unwrap_or_default());
    }
    let mut left = inbox;
    let started = Instant::now();
    while left > 0 {
        let count = left.min(10_000);
        let users = vec![7; count];
        let category = ["jobs", "news", "chat"][left / 10_000 % 3];
        let body = json!({"user_ids": users, "title": "One of many", "message": "m".repeat(200), "category": category});
        call(address, "POST", "/api/notifications/bulk", Some(&body.to_string()));
        left -= count;
    }
    println!("an inbox of {inbox} took {:.1} s", started.elapsed().as_secs_f64());
    for (name, path) in [
        ("page 1", "/api/notifications"),
        ("page 1, unread", "/api/notifications?unread=true"),
        ("page 1, read", "/api/notifications?unread=false"),
        ("page 1 of a category", "/api/notifications?category=jobs"),
        ("page 1 of a category, unread", "/api/notifications?category=jobs&unread=true"),
        ("page 1,000", "/api/notifications?page=1000"),
        ("numbers", "/api/notifications/stats"),
    ] {
        times(name, || call(address, "GET", path, None));
    }
    let one =
        json!({"user_id": 7, "title": "One", "message": "m".repeat(200), "category": "jobs"}).to_string();
    times("create one in it", || call(address, "POST", "/api/notifications", Some(&one)));
    let one = json!({"user_id": 8, "title": "One", "message": "m".repeat(200)}).to_string();
    times("create one in a small one", || call(address, "POST", "/api/notifications", Some(&one)));
    let started = Instant::now();
    let (status, answer) = call_as(address, &user(), "POST", "/api/notifications/read-all", None);
    println!(
        "read all: {:.0} ms ({status}) {}",
        started.elapsed().as_secs_f64() * 1e3,
        answer.lines().last().unwrap_or_default()
    );
    Ok(())
}

fn serve(listener: TcpListener, location: Location) {
    let system = actix_web::rt::System::new();
    let done: anyhow::Result<()> = system.block_on(async {
        let shutdown = Shutdown::new();
        let jwt = JwtSettings { secret: Some(SECRET.to_owned()), ..JwtSettings::default() };
        let callers = Callers::new(Arc::new(Verifier::new(jwt)?), Some(&Secret::new(KEY)));
        let hub = HubClient::new(&HubSettings::new("http://127.0.0.1:9"))?;
        let service =
            NotificationService::open(Settings::new(location, hub, callers, shutdown.token())).await?;
        let origins = OriginPolicy::new(None, Environment::Development)?;
        let (paths, operations) = (service.clone(), service.operations());
        let configure: rest::serve::Configure = Arc::new(move |config| paths.configure(config));
        rest::serve::serve(listener, origins, operations, configure, 2, shutdown.token()).await?;
        Ok(())
    });
    if let Err(error) = done {
        eprintln!("{error:#}");
        std::process::exit(1);
    }
}

/// Makes a call often; the middle and the slowest but one in a hundred.
fn times(name: &str, mut work: impl FnMut() -> (u16, String)) {
    let mut took: Vec<f64> = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            let (status, answer) = work();
            assert!((200..300).contains(&status), "{name}: {answer}");
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("{name}: {:.2} ms, p99 {:.2} ms", took[TIMES / 2], took[TIMES * 99 / 100]);
}

fn user() -> String {
    Signer::hs256(SECRET).user(json!(7))
}

/// As user 7 to read, with the service key to write.
fn call(address: SocketAddr, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
    let bearer = if body.is_some() { KEY.to_owned() } else { user() };
    call_as(address, &bearer, method, path, body)
}

fn call_as(address: SocketAddr, bearer: &str, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
    let body = body.unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let done = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(request.as_bytes())?;
        stream.read_to_string(&mut answer)
    });
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (done.ok().and(status).unwrap_or_default(), answer)
}
