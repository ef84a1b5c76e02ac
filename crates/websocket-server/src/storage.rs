//! What outlives the process: the store's thread, and what is looked after now and then.
//!
//! The thread owns the store alone: it takes groups from the hub, writes them, and tells the hub. It ends when the hub
//! has stopped and all is written. Not here: what is in a group (the engine), and how it is on disk (`journal`).

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hub::idempotency::{Answer, IdempotencyKeys};
use hub::journal::Journal;
use hub::{Beginning, Hub, Wait};
use journal::SqliteJournal;

use crate::clock::{Clock, time_of_day};
use crate::config::Config;

/// How often the hub looks for what is too old, and tells who came and went.
const HOUSEKEEPING: Duration = Duration::from_millis(250);

/// Opens the store, where there is one, and says what the hub begins with.
///
/// # Errors
/// The store cannot be opened, or another process uses it.
pub(crate) fn open(
    config: &Config,
    keys: &Arc<IdempotencyKeys>,
) -> anyhow::Result<(Option<SqliteJournal>, Beginning)> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the system gives no random bits")?;
    let now = time_of_day();
    // A node of a cluster keeps nothing: that is its broker's.
    let directory = config.storage.directory.as_ref().filter(|_| config.cluster.is_none());
    let Some(directory) = directory else {
        return Ok((None, Beginning { now: Some(now), random, ..Beginning::default() }));
    };
    let began = Instant::now();
    let (journal, mut stored) = SqliteJournal::open(directory)
        .with_context(|| format!("FANFARE_DATA: the hub's store in {}", directory.display()))?;
    for entry in stored.keys.drain(..) {
        let ago = now.as_millis().saturating_sub(entry.at.as_millis());
        let ago = Duration::from_millis(u64::try_from(ago).unwrap_or(0));
        keys.restore(entry.key, Answer { id: entry.id, recipients: entry.recipients }, ago);
    }
    let events: usize = stored.groups.iter().map(|(_, entries)| entries.len()).sum();
    tracing::info!(events, ms = began.elapsed().as_millis(), "the store is open");
    if stored.is_damaged {
        tracing::error!(
            "the store was damaged: durable streams begin anew, and their clients fetch what they show"
        );
    }
    Ok((Some(journal), Beginning { stored: Some(stored), now: Some(now), random, ..Beginning::default() }))
}

/// Starts the thread that writes.
///
/// # Errors
/// The system has no more threads.
pub(crate) fn committer(hub: &Arc<Hub>, mut journal: SqliteJournal) -> std::io::Result<JoinHandle<()>> {
    let hub = Arc::clone(hub);
    std::thread::Builder::new().name("store".into()).spawn(move || {
        while hub.wait_for_commit() == Wait::Work {
            let Some(commit) = hub.begin_commit(time_of_day()) else { continue };
            // What only waited for its turn needs no sync.
            let group = commit.group();
            let written = if group.is_empty() { Ok(()) } else { journal.commit(group) };
            let has_failed = written.is_err();
            hub.end_commit(commit, written.as_ref().map(|&()| ()));
            if has_failed && hub.is_stopped() {
                // Nobody waits any longer, and a disk that takes nothing must not hold up the end.
                return;
            }
        }
    })
}

/// Looks after the hub until the runtime ends.
pub(crate) async fn keep_house(hub: Arc<Hub>, clock: Clock) {
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        hub.keep_house(clock.now());
    }
}
