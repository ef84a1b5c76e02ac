//! A connection to the database: its settings, its tables, and its checkpoints.
//!
//! Not here: what is in the tables' blobs (`codec`), and when a checkpoint is made (`sqlite`).

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::codec::{self, Identity};
use crate::error::OpenError;

/// `Fanf`, by which a file is known as a store of the hub.
const APPLICATION: u32 = 0x4661_6e66;

/// The version of the tables.
const SCHEMA: u32 = 1;

/// How large the log may stay once it was checkpointed, in bytes; a larger group makes it larger until the next.
const LOG_LIMIT: u32 = 64 << 20;

/// The pages that SQLite keeps in memory, in KiB: the upper levels of its trees, and the pages of one group.
const CACHE_KIB: u32 = 8 << 10;

/// A group is one row, since a row a publication costs ten times as much. Names stand outside of the blobs only to be
/// found, inside they stand under the checksum.
const TABLES: &str = "
    CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), entry BLOB NOT NULL) STRICT;
    CREATE TABLE groups (seq INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
    CREATE TABLE keys (at INTEGER, seq INTEGER, entries BLOB NOT NULL, PRIMARY KEY (at, seq))
        STRICT, WITHOUT ROWID;
    CREATE TABLE retained (stream TEXT, key TEXT, entry BLOB NOT NULL, PRIMARY KEY (stream, key)) STRICT;
    CREATE TABLE resumes (connection BLOB PRIMARY KEY, entry BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE ends (stream TEXT PRIMARY KEY, entry BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// What a file is that is no sound store.
#[derive(Debug)]
pub(crate) enum Unsound {
    /// Something else.
    Foreign,
    /// Another process has it open, with SQLite itself.
    InUse,
    /// A store of a later version.
    Newer(u32),
    /// SQLite can't use it.
    Failed(rusqlite::Error),
}

impl Unsound {
    /// As it is told.
    pub(crate) fn told(self, path: &Path) -> OpenError {
        let path = path.to_path_buf();
        match self {
            Self::Foreign => OpenError::Foreign { path },
            Self::InUse => OpenError::InUse { path },
            Self::Newer(found) => OpenError::Newer { path, found, known: SCHEMA },
            Self::Failed(error) => OpenError::Database { path, source: error.into() },
        }
    }
}

impl From<rusqlite::Error> for Unsound {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            _ => Self::Failed(error),
        }
    }
}

/// Opens the database in a file that is there; an empty one gets its tables and this identity.
pub(crate) fn open(path: &Path, new: Identity) -> Result<Connection, Unsound> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    set(&connection)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    match (number("application_id")?, number("user_version")?) {
        // The first page comes with the mode of the log, before the tables do.
        (0, 0) if number("page_count")? <= 1 => make_tables(&mut connection, &new)?,
        (APPLICATION, found) if found > SCHEMA => return Err(Unsound::Newer(found)),
        (APPLICATION, _) => {}
        _ => return Err(Unsound::Foreign),
    }
    Ok(connection)
}

/// Whether a file's head says that it is a store of the hub, when SQLite can't make anything of it. (File format of
/// SQLite, 1.3: the application's id is at 68.)
pub(crate) fn claims_to_be_ours(path: &Path) -> bool {
    let mut head = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head.starts_with(b"SQLite format 3\0") && head.ends_with(&APPLICATION.to_be_bytes())
}

fn set(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(32);
    // First of all: then the log's index is in this process's memory and not in a file, which would need room on a
    // full disk, and no other process can even read.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
        let mode: String = row.get(0)?;
        let wal = mode.eq_ignore_ascii_case("wal");
        if wal { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
    })?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Checkpoints are made where their errors are seen.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", i64::from(LOG_LIMIT))?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Lets the log be checkpointed when the connection is closed, which is not to be while the disk may lack some of it.
pub(crate) fn trust(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

fn make_tables(connection: &mut Connection, identity: &Identity) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    put_identity(&transaction, identity)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}

/// Writes what the store knows of itself.
pub(crate) fn put_identity(connection: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    let mut blob = Vec::new();
    codec::write_identity(&mut blob, identity);
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO identity VALUES (1, ?1)")?;
    put.execute((&blob,)).map(drop)
}

/// What a checkpoint leaves of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Checkpoint {
    /// Its file, to be written again from its beginning: that is faster than a file that grows.
    Keep,
    /// Nothing.
    Empty,
}

/// Moves what is in the log into the database, and syncs it.
pub(crate) fn checkpoint(connection: &Connection, what: Checkpoint) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(match what {
        Checkpoint::Keep => "PRAGMA wal_checkpoint(RESTART)",
        Checkpoint::Empty => "PRAGMA wal_checkpoint(TRUNCATE)",
    })?;
    let busy: bool = statement.query_one((), |row| row.get(0))?;
    // Nobody else can be using it, so it is never busy; if it is, nothing was moved.
    if busy { Err(rusqlite::Error::InvalidQuery) } else { Ok(()) }
}

/// Whether SQLite finds the structure of the database sound; if not, what it finds first.
pub(crate) fn check(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    let found: String = connection.query_one("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    Ok(if found == "ok" { Ok(()) } else { Err(found) })
}
