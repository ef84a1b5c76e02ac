//! Who gets an event (contract: channels, PayChain events).

use std::fmt;

use crate::UserId;

/// The channel of what happens to jobs.
pub const JOBS_CHANNEL: &str = "jobs";

/// The channel of what happens to payments, which employers may subscribe to.
pub const PAYMENTS_CHANNEL: &str = "payments";

/// How an event's audience follows from its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceRule {
    /// All connections.
    Everyone,
    /// The subscribers of a channel, and the employer and the worker that the event names.
    ChannelAndParties(&'static str),
    /// The user that the event names.
    User,
    /// Users whom the sending service names beside the event, in words. The event alone addresses nobody.
    Told(&'static str),
}

impl AudienceRule {
    /// The audience of an event that names these users. One who is named twice stands once.
    #[must_use]
    pub fn of(self, named: Vec<UserId>) -> Audience {
        let mut users: Vec<UserId> = Vec::with_capacity(named.len());
        for user in named {
            if !users.contains(&user) {
                users.push(user);
            }
        }
        match self {
            Self::Everyone => Audience::Everyone,
            Self::ChannelAndParties(channel) => Audience::Named { channel: Some(channel), users },
            Self::User | Self::Told(_) => Audience::Named { channel: None, users },
        }
    }
}

impl fmt::Display for AudienceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::ChannelAndParties(channel) => write!(f, "the channel `{channel}` and both parties"),
            Self::User => f.write_str("that user"),
            Self::Told(whom) => f.write_str(whom),
        }
    }
}

/// Who gets one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// All connections: a publication without a target.
    Everyone,
    /// Those named, each connection once. Never to be published without a target, even if nobody is named.
    Named {
        /// The channel whose subscribers get it.
        channel: Option<&'static str>,
        /// The users whose connections get it, each once. A party that is null is not among them.
        users: Vec<UserId>,
    },
}

impl Audience {
    /// The same users without the channel's subscribers: `PAYMENTS_CHANNEL=off` tells the parties alone. Everyone
    /// stays everyone.
    #[must_use]
    pub fn without_channel(self) -> Self {
        match self {
            Self::Everyone => Self::Everyone,
            Self::Named { users, .. } => Self::Named { channel: None, users },
        }
    }
}

#[cfg(test)]
mod tests;
