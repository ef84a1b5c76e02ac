//! How fast the store is on the disk here: groups of 1, 64 and 512 publications of 264 bytes, as they are committed
//! by a hub that has as much history as it may, so that each group also removes an old one.
//!
//! ```sh
//! cargo run --release -p journal --example rate -- DIRECTORY [SECONDS [CHECKPOINT_BYTES]]
//! ```
//!
//! The directory is made, and emptied at the end. CPU is that of the committing thread, with what the kernel does for it;
//! all figures are of the commits alone. At the end the store is opened again, with 100,000 publications in it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hub::idempotency::ScopedKey;
use hub::journal::{DurablePlace, Entry, Group, Journal, KeyEntry};
use journal::{CHECKPOINT_BYTES, SqliteJournal};
use protocol::timestamp::Timestamp;
use protocol::{Epoch, PublicationId};

/// The history that is kept, in publications.
const KEPT: usize = 100_000;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("which directory?")?);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let checkpoint = arguments.next().map_or(Ok(CHECKPOINT_BYTES), |text| text.parse())?;
    println!(
        "per group  keys   commits/s   entries/s   CPU/entry    p50 ms    p99 ms    max ms   log MB   file MB   open ms"
    );
    for (size, with_keys) in [(1, false), (64, false), (64, true), (512, false), (512, true)] {
        let here = directory.join(format!("{size}-{with_keys}"));
        measure(&here, checkpoint, size, with_keys, Duration::from_secs(seconds))?;
        std::fs::remove_dir_all(&here)?;
    }
    Ok(())
}

fn measure(directory: &Path, checkpoint: u64, size: usize, with_keys: bool, time: Duration) -> Result {
    let (mut journal, _) = SqliteJournal::open_with(directory, checkpoint)?;
    let names: Vec<Arc<str>> = (0..20).map(|number| format!("private:orders-{number}").into()).collect();
    let mut seq = 0;
    let mut kept = VecDeque::new();
    // Until there is as much history as is kept, without the clock. Small groups come from bursts of such, too.
    for first in (0..KEPT).step_by(512.max(size)) {
        seq += 1;
        let group = Group { seq, entries: entries(&names, first, 512.max(size)), ..Group::default() };
        journal.commit(&group)?;
        kept.push_back((seq, 512.max(size)));
    }
    let began = Instant::now();
    let mut cpu = Duration::ZERO;
    let mut latencies = Vec::new();
    let mut number = KEPT;
    let mut count_kept = KEPT;
    while began.elapsed() < time {
        seq += 1;
        let entries = entries(&names, number, size);
        let keys = if with_keys { entries.iter().map(|entry| key(entry)).collect() } else { Vec::new() };
        number += size;
        count_kept += size;
        kept.push_back((seq, size));
        let mut remove = Vec::new();
        while let Some((oldest, old)) = kept.front().copied()
            && count_kept > KEPT + old
        {
            count_kept -= old;
            remove.push(oldest);
            kept.pop_front();
        }
        let forget_keys_before = (seq % 1000 == 0).then(|| at(number.saturating_sub(KEPT)));
        let group = Group { seq, entries, keys, remove, forget_keys_before, ..Group::default() };
        let (before, cpu_before) = (Instant::now(), on_cpu()?);
        journal.commit(&group)?;
        cpu += on_cpu()? - cpu_before;
        latencies.push(before.elapsed());
    }
    let took = latencies.iter().sum::<Duration>().as_secs_f64();
    latencies.sort_unstable();
    let milliseconds = |share: f64| {
        let place = (latencies.len() - 1) as f64 * share;
        latencies[place as usize].as_secs_f64() * 1000.0
    };
    let megabytes = |name| std::fs::metadata(directory.join(name)).map(|file| file.len() as f64 / 1e6);
    let count = latencies.len() * size;
    let (log, file) = (megabytes("hub.db-wal")?, megabytes("hub.db")?);
    drop(journal);
    let before = Instant::now();
    drop(SqliteJournal::open(directory)?);
    let open = before.elapsed().as_secs_f64() * 1000.0;
    println!(
        "{size:9}  {:4}  {:10.0}  {:10.0}  {:7.2} us  {:8.3}  {:8.3}  {:8.3}  {log:7.1}  {file:8.1}  {open:8.0}",
        if with_keys { "yes" } else { "no" },
        latencies.len() as f64 / took,
        count as f64 / took,
        cpu.as_secs_f64() * 1e6 / count as f64,
        milliseconds(0.5),
        milliseconds(0.99),
        milliseconds(1.0),
    );
    Ok(())
}

fn entries(names: &[Arc<str>], first: usize, count: usize) -> Vec<Arc<Entry>> {
    (first..first + count).map(|number| Arc::new(entry(names, number))).collect()
}

fn entry(names: &[Arc<str>], number: usize) -> Entry {
    let stream = Arc::clone(&names[number % names.len()]);
    let place =
        DurablePlace { stream, epoch: Epoch::from_bits(7), offset: (number / names.len()) as u64 + 1 };
    Entry {
        seq: number as u64 + 1,
        id: PublicationId::now(),
        event_type: "order_changed".into(),
        data: format!("{number:0>264}").into(),
        timestamp: at(number),
        accepted: at(number),
        except: None,
        places: vec![place],
        addressed: vec![],
    }
}

fn key(entry: &Entry) -> KeyEntry {
    let key = ScopedKey { scope: "shop".into(), key: entry.id.to_string().into() };
    KeyEntry { key, id: entry.id, recipients: 100, at: entry.accepted }
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + number as i64)
}

/// The time of this thread on a processor: the first number of `schedstat`, in nanoseconds.
fn on_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().ok_or("no time")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
