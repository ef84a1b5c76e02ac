//! Where a service's database is.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file, or a Postgres server. `Debug` and `Display` never show a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// SQLite in this file, made where it is missing.
    File(PathBuf),
    /// Postgres at this URL (`postgres://user:password@host:port/database`).
    Postgres(String),
}

/// A `DATABASE_URL` that is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Neither `postgres:` nor `sqlite:`.
    #[error("it begins with neither postgres:// nor sqlite:")]
    Scheme,
    /// `sqlite:` without a file, or one in memory, which would be another database for each connection.
    #[error("sqlite: needs the path of a file")]
    File,
}

impl Location {
    /// Reads `postgres://…`, `postgresql://…`, `sqlite:path` or `sqlite://path`.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn parse(url: &str) -> Result<Self, LocationError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let path = url.strip_prefix("sqlite:").ok_or(LocationError::Scheme)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
            return Err(LocationError::File);
        }
        Ok(Self::File(PathBuf::from(path)))
    }

    /// The URL as the driver reads it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite://{}?mode=rwc", encoded(path)),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// A path as it stands in a URL.
fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                text.push(char::from(*byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            // What stands before the last @ may be a password.
            Self::Postgres(url) => {
                let place = url.rsplit_once('@').map_or_else(
                    || url.split_once("://").map_or(url.as_str(), |(_, rest)| rest),
                    |(_, place)| place,
                );
                write!(f, "postgres://{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
