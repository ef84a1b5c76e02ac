//! How fast the relay carries a backlog into a hub, and what memory it takes.
//!
//! ```sh
//! cargo run --release -p hub-client --example relay-throughput -- http://127.0.0.1:8080 100000 [DATABASE_URL]
//! ```
//!
//! Writes so many events (SQLite in a temporary file unless a database is named), as job events are, addressed to a channel
//! and two users; then sends them and prints events per second, and the process' resident memory before and at most.

use std::time::{Duration, Instant};

use hub_client::{Backlog, HubClient, HubSettings, Message, Relay, RelayMetrics, relay};
use serde_json::json;
use store::{Location, Store};

/// Events of a transaction while the table is filled.
const FILL: u64 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "a TLS provider is there already")?;
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let events: u64 = args.next().map_or(Ok(100_000), |text| text.parse())?;
    let file = std::env::temp_dir().join(format!("relay-throughput-{}.db", std::process::id()));
    let location = match args.next() {
        Some(url) => Location::parse(&url)?,
        None => Location::File(file.clone()),
    };
    let store = Store::open(&location, "relay_throughput", &[relay::MIGRATIONS]).await?;
    let began = Instant::now();
    for first in (0..events).step_by(usize::try_from(FILL)?) {
        let mut transaction = store.begin().await?;
        for n in first..(first + FILL).min(events) {
            let data = json!({"job_id": n, "worker_id": 8, "employer_id": 7, "title": "Walk two dogs around the lake"});
            let mut message = Message::new("job_accepted", data);
            message.channels = Some(vec!["jobs".to_owned()]);
            message.user_ids = Some(vec![7.into(), 8.into()]);
            message.timestamp = Some("2025-11-01T12:00:00.000Z".to_owned());
            relay::enqueue(&mut transaction, &format!("job:{n}"), &message).await?;
        }
        transaction.commit().await?;
    }
    println!("written    {events} events in {:.1} s", began.elapsed().as_secs_f64());
    let before = resident();
    let client = HubClient::new(&HubSettings::new(&url))?;
    let metrics = RelayMetrics::new(&prometheus::Registry::new())?;
    let began = Instant::now();
    let mut most = before;
    let sent = metrics.sent.clone();
    Relay::new(store.clone(), client, metrics)
        .run(async {
            while sent.get() < events {
                tokio::time::sleep(Duration::from_millis(20)).await;
                most = most.max(resident());
            }
        })
        .await;
    let elapsed = began.elapsed().as_secs_f64();
    let left = Backlog::read(&store).await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = events as f64 / elapsed;
    println!(
        "relayed    {events} events in {elapsed:.1} s: {rate:.0} events/s; {} left, {} parked",
        left.waiting, left.parked
    );
    println!("memory     {:.1} MiB before, {:.1} MiB at most", mebibytes(before), mebibytes(most));
    let _only_a_temporary = std::fs::remove_file(file);
    Ok(())
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
