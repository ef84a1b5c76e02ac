//! Why a store can't be opened, and which of SQLite's errors are which of the engine's.

use std::io;
use std::path::PathBuf;

use hub::journal::JournalError;
use rusqlite::{ErrorCode, ffi};

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory can't be made or used.
    #[error("the directory of the store, {}, can't be used", path.display())]
    Directory {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process has the store.
    #[error("another process uses the store, {}", path.display())]
    InUse {
        /// The directory, or the file.
        path: PathBuf,
    },
    /// A newer version of the hub has written it.
    #[error("the store {} has schema {found}, and this version knows none after {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema's version.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// The file is no store of the hub.
    #[error("{} is not a store of the hub; move it away to begin a new one", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database can't be read, or not be made.
    #[error("the database {} can't be opened", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the engine is told of a write that failed.
pub(crate) fn refusal(error: rusqlite::Error) -> JournalError {
    if is_full(&error) { JournalError::Full(error.into()) } else { JournalError::Failed(error.into()) }
}

/// Whether the disk has no room.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// What SQLite would say of this, so that a full disk is told apart here, too.
pub(crate) fn of_file(error: io::Error) -> rusqlite::Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ffi::SQLITE_FULL,
        _ => ffi::SQLITE_IOERR,
    };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(error.to_string()))
}

/// Whether the database's content is at fault. A disk that can't be read just now is not: who gave up history for
/// that would lose it to a loose cable.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    match error {
        Error::SqliteFailure(..) | Error::SqlInputError { .. } => {
            // A table that is gone is a plain error to SQLite.
            let code = error.sqlite_error_code();
            matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown))
        }
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..)
        | Error::QueryReturnedNoRows => true,
        _ => false,
    }
}
