//! Why there is no connection: by whose fault, and whether waiting helps.

use std::io;

use redis::{ServerError, Value};

use crate::form::bytes::FormError;
use crate::settings::SettingsError;

/// Why a node can't start: waiting would not help.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Redis does not take the user or the password, or forbids what is needed.
    #[error("Redis at {place} refused this node: {reason}")]
    Refused {
        /// Where.
        place: String,
        /// What it said.
        reason: String,
    },
    /// It is older than 7.0, which has no sharded channels.
    #[error("Redis at {place} is version {version}; 7.0 or later is needed")]
    TooOld {
        /// Where.
        place: String,
        /// What it said.
        version: String,
    },
    /// The certificates of authorities can't be read.
    #[error("the certificate authorities can't be read: {0}")]
    Authorities(String),
    /// The system gives no thread or no socket.
    #[error("the broker's thread can't be started")]
    Thread(#[source] io::Error),
}

/// Why a connection ended, or was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer within {0} s")]
    Silent(u64),
    #[error("{0}")]
    Server(String),
    #[error("it sent what is no Redis protocol")]
    Protocol,
    #[error("it answered what was not asked: {0}")]
    Unexpected(&'static str),
    #[error("it began a new life")]
    NewLife,
    #[error("the other nodes held this one to be dead")]
    HeldDead,
    #[error("{0}")]
    Nowhere(String),
    #[error(transparent)]
    Start(#[from] ConnectError),
}

impl From<FormError> for LinkError {
    fn from(_: FormError) -> Self {
        Self::Unexpected("numbers that can't be read")
    }
}

/// What an error of Redis' means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The script is not there: it is loaded, and called again.
    NoScript,
    /// The memory is full.
    Full,
    /// It can't write to its disk, or has too few replicas.
    Disk,
    /// This is not, or not now, the server to ask.
    Elsewhere,
    /// Anything else: of this call alone.
    Other,
}

/// Sorts an error.
pub(crate) fn fault(error: &ServerError) -> Fault {
    match error.code() {
        "NOSCRIPT" => Fault::NoScript,
        "OOM" => Fault::Full,
        "MISCONF" | "NOREPLICAS" => Fault::Disk,
        "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" | "NOAUTH"
        | "WRONGPASS" | "BUSY" | "UNBLOCKED" => Fault::Elsewhere,
        _ => Fault::Other,
    }
}

/// An error as a line for the log.
pub(crate) fn said(error: &ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}

/// The answer, where it is no error.
pub(crate) fn answer(value: Value) -> Result<Value, LinkError> {
    match value {
        Value::ServerError(error) => Err(LinkError::Server(said(&error))),
        value => Ok(value),
    }
}
