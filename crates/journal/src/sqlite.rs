//! [`SqliteJournal`]: opening it, when its log is checkpointed, and what a failure does.
//!
//! # After a failure
//! The connection is kept, on purpose. It alone knows where the sound part of the log ends: the next transaction is
//! written over the one that failed, byte for byte from its beginning, so that nothing refused comes back, and nothing
//! is built upon pages that the system has dropped after a failed sync. To open the file anew would do both: SQLite
//! would read the failed transaction from the system's cache, and take it for committed. Where that can't be avoided,
//! at the start of a process, the log is written to the disk once more, and moved into the database, before the first
//! commit. (Without that, power cuts at that moment did damage: `tests/it/power.rs`.)
//!
//! # The log
//! It is checkpointed after [`CHECKPOINT_BYTES`]. If that fails, commits go on, and it is tried again after as many
//! more; a log [`PATIENCE`] times that long takes no more until it succeeds. Memory: the index of the log, 8 bytes a
//! page of 4 KiB, and SQLite's cache of 8 MiB.

use std::path::Path;

use hub::journal::{Group, Journal, JournalError, Stored};
use rusqlite::Connection;

use crate::codec::Identity;
use crate::commit::Scribe;
use crate::database::{self, Checkpoint, Unsound};
use crate::error::{self, OpenError, is_full};
use crate::files::{self, Directory};
use crate::load::{self, Loaded};
use crate::salvage;

/// After about how many bytes the log is moved into the database: SQLite's own default, 1000 pages. With 1, 4 and
/// 16 MiB a publication costs the same (`examples/rate`); the pause that it makes, and the log, are longer with more.
pub const CHECKPOINT_BYTES: u64 = 4 << 20;

/// How many times longer than wanted the log may become while it can't be checkpointed.
const PATIENCE: u64 = 8;

/// A durable store on SQLite, in a directory of its own. One thread calls it; each commit waits for the disk.
///
/// Dropped it is closed, which checkpoints its log. It need not be: nothing is lost by a kill.
#[derive(Debug)]
pub struct SqliteJournal {
    // Before the directory, whose lock is to be held until the database is closed.
    connection: Connection,
    directory: Directory,
    scribe: Scribe,
    checkpoint_bytes: u64,
    /// About how many bytes the log has that are not in the database.
    log: u64,
    /// At how many of them the next checkpoint is made.
    due: u64,
    start: Start,
    /// What was told in the log of the process last.
    commits: Health,
    checkpoints: Health,
}

/// How far it is with the log that was found at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The disk may lack some of it.
    Found,
    /// It is on the disk, too.
    Synced,
    /// It is in the database: commits can begin.
    Settled,
}

/// How it goes; each change is logged once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Full,
    Failing,
}

impl SqliteJournal {
    /// Opens the store in `directory`, or makes a new one, and reads all that is in it.
    ///
    /// # Errors
    /// See [`OpenError`]. A disk that is full is no reason, unless the store is new or damaged: then it can be read, and
    /// commits are refused.
    pub fn open(directory: &Path) -> Result<(Self, Stored), OpenError> {
        Self::open_with(directory, CHECKPOINT_BYTES)
    }

    /// The same with another interval of checkpoints, in bytes of the log.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`].
    pub fn open_with(directory: &Path, checkpoint_bytes: u64) -> Result<(Self, Stored), OpenError> {
        let directory = Directory::open(directory)?;
        salvage::finish(&directory)?;
        let (connection, stored) = match read(&directory)? {
            (Some(connection), Loaded { stored, damaged: false, .. }) => (connection, stored),
            (unsound, loaded) => {
                // It may not want to be closed; what matters is that nobody writes to it any longer.
                drop(unsound);
                replaced(&directory, loaded)?
            }
        };
        let identity = Identity { secret: stored.secret, resets: stored.resets };
        let mut journal = Self {
            connection,
            directory,
            scribe: Scribe::new(identity),
            checkpoint_bytes,
            log: 0,
            due: checkpoint_bytes,
            start: Start::Found,
            commits: Health::Well,
            checkpoints: Health::Well,
        };
        // If it fails the first commit tries again, and is refused if that fails, too.
        if let Err(error) = journal.settle() {
            tracing::error!(directory = %journal.directory.path().display(), %error, "the store can't be written");
            journal.commits = Health::of(Some(&error));
        }
        Ok((journal, stored))
    }

    /// Sees to it that what the log held at the start is on the disk, and not only in the system's cache.
    fn settle(&mut self) -> rusqlite::Result<()> {
        if self.start == Start::Found {
            let log = files::log_of(&self.directory.database());
            files::rewrite(&log).and_then(|()| self.directory.sync()).map_err(error::of_file)?;
            self.start = Start::Synced;
        }
        if self.start == Start::Synced {
            self.checkpoint(Checkpoint::Empty)?;
            database::trust(&self.connection)?;
            self.start = Start::Settled;
        }
        Ok(())
    }

    fn checkpoint(&mut self, what: Checkpoint) -> rusqlite::Result<()> {
        let done = database::checkpoint(&self.connection, what);
        if done.is_ok() {
            self.log = 0;
        }
        self.due = self.log.saturating_add(self.checkpoint_bytes);
        let now = Health::of(done.as_ref().err());
        if self.checkpoints.becomes(now) {
            let directory = self.directory.path().display();
            match &done {
                Ok(()) => tracing::info!(%directory, "the store's log can be checkpointed again"),
                Err(error) => tracing::error!(%directory, %error, "the store's log can't be checkpointed"),
            }
        }
        done
    }

    fn write(&mut self, group: &Group) -> rusqlite::Result<()> {
        self.settle()?;
        if self.log > self.checkpoint_bytes.saturating_mul(PATIENCE) {
            self.checkpoint(Checkpoint::Keep)?;
        }
        self.log += self.scribe.write(&self.connection, group)?;
        if self.log >= self.due {
            // The group is committed, whatever comes of this.
            let _ = self.checkpoint(Checkpoint::Keep);
        }
        Ok(())
    }
}

impl Journal for SqliteJournal {
    fn commit(&mut self, group: &Group) -> Result<(), JournalError> {
        if group.is_empty() {
            return Ok(());
        }
        let done = self.write(group);
        let now = Health::of(done.as_ref().err());
        if self.commits.becomes(now) {
            let directory = self.directory.path().display();
            match &done {
                Ok(()) => tracing::info!(%directory, "the store takes publications again"),
                Err(error) => tracing::error!(%directory, %error, "the store takes no publications"),
            }
        }
        done.map_err(error::refusal)
    }
}

impl Health {
    fn of(error: Option<&rusqlite::Error>) -> Self {
        match error {
            None => Self::Well,
            Some(error) if is_full(error) => Self::Full,
            Some(_) => Self::Failing,
        }
    }

    /// Takes the new state, and tells whether it is another.
    fn becomes(&mut self, now: Self) -> bool {
        std::mem::replace(self, now) != now
    }
}

/// Reads what is there; without a connection if that is nothing.
fn read(directory: &Directory) -> Result<(Option<Connection>, Loaded), OpenError> {
    let path = directory.database();
    files::make(&path).map_err(|source| OpenError::Directory { path: path.clone(), source })?;
    let connection = match database::open(&path, Identity { secret: random()?, resets: 0 }) {
        Ok(connection) => connection,
        Err(Unsound::Failed(error)) if error::is_damage(&error) && database::claims_to_be_ours(&path) => {
            tracing::error!(path = %path.display(), %error, "nothing of the store can be read");
            return Ok((None, Loaded { damaged: true, history_lost: true, ..Loaded::default() }));
        }
        Err(unsound) => return Err(unsound.told(&path)),
    };
    let loaded = load::load(&connection);
    let loaded = loaded.map_err(|source| OpenError::Database { path, source: source.into() })?;
    Ok((Some(connection), loaded))
}

/// Makes a new store of what could be read of a damaged one, without what can't be shown any longer.
fn replaced(directory: &Directory, loaded: Loaded) -> Result<(Connection, Stored), OpenError> {
    let Loaded { mut stored, has_secret, history_lost, .. } = loaded;
    if history_lost {
        if !has_secret {
            // Epochs made of it are new, whatever the number of resets was.
            stored.secret = random()?;
        }
        stored.resets = stored.resets.saturating_add(1);
        let (groups, ends) =
            (std::mem::take(&mut stored.groups).len(), std::mem::take(&mut stored.ends).len());
        tracing::error!(groups, ends, "the history of all durable streams is given up: it may have holes");
    }
    stored.is_damaged = history_lost;
    salvage::replace(directory, &stored)?;
    match read(directory)? {
        (Some(connection), Loaded { stored: again, damaged: false, .. }) => {
            let last_seq = stored.last_seq.max(again.last_seq);
            Ok((connection, Stored { is_damaged: stored.is_damaged, last_seq, ..again }))
        }
        _ => {
            let source = "what was just written to it is damaged again".into();
            Err(OpenError::Database { path: directory.database(), source })
        }
    }
}

fn random() -> Result<[u8; 32], OpenError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Random(error.into()))?;
    Ok(bytes)
}
