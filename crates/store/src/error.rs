//! What can go wrong with a database, by what the caller does about it.

use std::path::PathBuf;

use sqlx::error::ErrorKind;

use crate::location::Location;

/// Why a database can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of the file can't be made.
    #[error("the directory {} can't be made: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database does not let us in, or does not answer.
    #[error("the database {location} can't be opened: {source}")]
    Connect {
        /// Which one.
        location: Location,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// A step to the present shape of the tables failed.
    #[error("the tables of {location} can't be brought up to date: {source}")]
    Migrate {
        /// Which one.
        location: Location,
        /// What the driver says.
        source: sqlx::migrate::MigrateError,
    },
}

/// What a failed statement means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A row with the same unique value is there already.
    Duplicate,
    /// The database is away, too busy, or chose this transaction to give way: the same call may succeed later.
    Unavailable,
    /// Anything else: a fault of ours.
    Fault,
}

impl Trouble {
    /// Sorts an error.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            // What answers at the address does not speak as the database does: another server took its port, or a proxy answers for it.
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unavailable,
            sqlx::Error::Database(error) => {
                if error.kind() == ErrorKind::UniqueViolation {
                    return Self::Duplicate;
                }
                let code = error.code();
                // Postgres: connection lost (08), gave way (40), out of resources (53), being stopped (57), lock not
                // available (55P03). SQLite: busy (5) and locked (6) with their extended codes, full (13), I/O (10).
                let away = ["08", "40", "53", "57", "55P03"];
                let busy = |code: &str| {
                    code.parse::<u32>()
                        .is_ok_and(|code| code < 10_000 && [5, 6, 10, 13].contains(&(code & 0xFF)))
                };
                match code.as_deref() {
                    Some(code) if code.len() == 5 && away.iter().any(|class| code.starts_with(class)) => {
                        Self::Unavailable
                    }
                    Some(code) if code.len() < 5 && busy(code) => Self::Unavailable,
                    _ => Self::Fault,
                }
            }
            _ => Self::Fault,
        }
    }
}
