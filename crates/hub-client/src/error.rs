//! Why a publish call did not succeed, by what the caller does about it.

use std::time::Duration;

/// Why a publish call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The hub says that the call is wrong (4xx but 408 and 429): repeating it changes nothing.
    #[error("the hub refused it: {status} {code}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem's stable code; empty where the answer was no problem.
        code: String,
        /// The problem's sentence for a developer.
        detail: String,
    },
    /// The hub takes no more at the moment (408, 429, 5xx): try again.
    #[error("the hub takes no more at the moment: {status} {code}")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// The problem's stable code; empty where the answer was no problem.
        code: String,
        /// When the hub wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// No answer: the hub is away, or the connection broke, and nobody knows whether it took the call.
    #[error("the hub does not answer: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// An answer of 200 that is none of the hub's.
    #[error("the answer is not the hub's: {0}")]
    Unexpected(String),
    /// The client can't be made of its settings.
    #[error("{0}")]
    Settings(String),
}

impl PublishError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable(_) | Self::Unexpected(_))
    }

    /// When the hub wants to be asked again, where it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
