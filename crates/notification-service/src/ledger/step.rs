//! A step in the life of a notification, as its trace tells it: what happened, when, and in plain words.
//!
//! Inbox, connections and push each tell their steps; [`super::trace`] puts them in order, [`super::verdict`] sums them up.

use rest::instant;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// The service took it, from whom.
    Accepted,
    /// It is in the database.
    Stored,
    /// A preference keeps it out of the inbox.
    Filtered,
    /// The hub has not been told of it yet.
    Waiting,
    /// The hub does not take it.
    Refused,
    /// The hub gave it to a connection.
    Sent,
    /// The client of a connection has it.
    Delivered,
    /// The client of a connection says that it was shown.
    Seen,
    /// Its user read it.
    Read,
    /// Its user deleted it.
    Deleted,
    /// Its time is over.
    Expired,
    /// A push will be sent unless somebody gets it before.
    PushWaiting,
    /// Quiet hours hold the push until their end.
    PushHeld,
    /// It was told in a digest.
    PushDigest,
    /// It was pushed to a device.
    Pushed,
    /// A push to a device failed.
    PushFailed,
    /// The push was given up: it is not needed any more, or a device got a withdrawal.
    PushCancelled,
    /// There was nothing to push to, or push is off.
    PushSkipped,
}

impl Kind {
    /// Its name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Stored => "stored",
            Self::Filtered => "filtered",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Seen => "seen",
            Self::Read => "read",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::PushWaiting => "push_waiting",
            Self::PushHeld => "push_held",
            Self::PushDigest => "push_digest",
            Self::Pushed => "pushed",
            Self::PushFailed => "push_failed",
            Self::PushCancelled => "push_cancelled",
            Self::PushSkipped => "push_skipped",
        }
    }
}

/// One step. As JSON `{"step","at",…members,"text"}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// When, in microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) kind: Kind,
    /// A clause in plain words, without a capital and without a full stop: `push to Pixel 8 failed: Firebase says
    /// UNREGISTERED, the device was removed`. Never a token or another secret.
    pub(crate) words: String,
    /// What programs read: `connection_id`, `device`, `until` and so on.
    pub(crate) members: Map<String, Value>,
}

impl Step {
    /// A step without further members.
    pub(crate) fn new(at: i64, kind: Kind, words: impl Into<String>) -> Self {
        Self { at, kind, words: words.into(), members: Map::new() }
    }

    /// The same with a member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(3 + self.members.len()))?;
        map.serialize_entry("step", self.kind.as_str())?;
        map.serialize_entry("at", &instant::show(self.at))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("text", &self.words)?;
        map.end()
    }
}
