//! Names of channels, patterns over them, and the streams that a publication is addressed to.
//!
//! Not here: who may subscribe to what (the engine's rules decide that).

use std::fmt;

use crate::id::UserId;

/// The longest channel name, in bytes (contract: channels, Limits).
pub const MAX_CHANNEL_NAME: usize = 200;

/// The longest pattern, in bytes: a name with a few `*` more.
pub const MAX_PATTERN: usize = 256;

/// A valid channel name: 1–200 bytes of `A–Z a–z 0–9 _ - : . / @ =`, not beginning with `@`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Box<str>);

/// Why a text is no channel name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelNameError {
    /// The name is empty.
    #[error("a channel name may not be empty")]
    Empty,
    /// The name is longer than [`MAX_CHANNEL_NAME`].
    #[error("a channel name has at most 200 bytes")]
    TooLong,
    /// The name has a character outside the set.
    #[error("a channel name consists of A-Z a-z 0-9 _ - : . / @ =")]
    BadCharacter,
    /// The name begins with `@`, which is kept for the hub's own streams.
    #[error("channel names that begin with @ are reserved")]
    Reserved,
}

const fn is_channel_byte(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b':' | b'.' | b'/' | b'@' | b'=')
}

impl ChannelName {
    /// Checks `name` and keeps it.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn new(name: &str) -> Result<Self, ChannelNameError> {
        Self::check(name)?;
        Ok(Self(name.into()))
    }

    /// Checks `name` without keeping it.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn check(name: &str) -> Result<(), ChannelNameError> {
        match name.as_bytes() {
            [] => Err(ChannelNameError::Empty),
            bytes if bytes.len() > MAX_CHANNEL_NAME => Err(ChannelNameError::TooLong),
            bytes if !bytes.iter().copied().all(is_channel_byte) => Err(ChannelNameError::BadCharacter),
            [b'@', ..] => Err(ChannelNameError::Reserved),
            _ => Ok(()),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An audience that a publication can go to. Each is a stream of publications with a name of its own:
/// `jobs`, `user:7`, `@all`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream(Box<str>);

/// The name of the stream that everybody follows.
pub const ALL: &str = "@all";

/// What stands before the user id in the name of a user's stream.
pub const USER_PREFIX: &str = "user:";

/// What stands before a namespace in the name of a stream that is of that namespace alone: `@/chat` for all its sockets,
/// `@/chat:user:7` for those of a user.
const NAMESPACE_PREFIX: char = '@';

/// The namespace of a stream, and the stream that it is part of; none where it is no namespace's.
#[must_use]
pub fn split_namespace(stream: &str) -> Option<(&str, &str)> {
    let named = stream.strip_prefix(NAMESPACE_PREFIX).filter(|named| named.starts_with('/'))?;
    Some(named.split_once(':').unwrap_or((named, ALL)))
}

/// The stream that a namespace's stream is part of; every other one is itself.
#[must_use]
pub fn outside_namespaces(stream: &str) -> &str {
    split_namespace(stream).map_or(stream, |(_, outside)| outside)
}

/// The user whose connections, or sockets in a namespace, follow a stream as their own.
#[must_use]
pub fn user_of(stream: &str) -> Option<&str> {
    outside_namespaces(stream).strip_prefix(USER_PREFIX)
}

/// Whether a text can be the name of a Socket.IO namespace: `/` and up to 199 bytes of `A-Z a-z 0-9 _ - . /`.
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    name.starts_with('/') && name.len() <= MAX_CHANNEL_NAME && name.bytes().all(is_fit)
}

impl Stream {
    /// Everyone.
    #[must_use]
    pub fn all() -> Self {
        Self(ALL.into())
    }

    /// The subscribers of a channel.
    #[must_use]
    pub fn channel(name: ChannelName) -> Self {
        Self(name.0)
    }

    /// All connections of a user.
    #[must_use]
    pub fn user(user: &UserId) -> Self {
        Self(format!("{USER_PREFIX}{}", user.as_str()).into())
    }

    /// The stream of that name, of which the caller knows what it is.
    #[must_use]
    pub fn named(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }

    /// All sockets of a Socket.IO namespace.
    #[must_use]
    pub fn namespace(namespace: &str) -> Self {
        Self(format!("{NAMESPACE_PREFIX}{namespace}").into())
    }

    /// The part of the stream's audience that is in a Socket.IO namespace: a stream of its own.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self(format!("{NAMESPACE_PREFIX}{namespace}:{}", self.0).into())
    }

    /// The stream's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without a copy.
    #[must_use]
    pub fn into_boxed_str(self) -> Box<str> {
        self.0
    }
}

/// A pattern over stream names, in which each `*` stands for any characters, also none.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelPattern(Box<str>);

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern is empty.
    #[error("a channel pattern may not be empty")]
    Empty,
    /// The pattern is longer than [`MAX_PATTERN`].
    #[error("a channel pattern has at most 256 bytes")]
    TooLong,
    /// A character can be in no channel name.
    #[error("a channel pattern consists of * and A-Z a-z 0-9 _ - : . / @ =")]
    BadCharacter,
}

impl ChannelPattern {
    /// Checks `pattern` and keeps it.
    ///
    /// # Errors
    /// Says which rule the pattern breaks.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        match pattern.as_bytes() {
            [] => Err(PatternError::Empty),
            bytes if bytes.len() > MAX_PATTERN => Err(PatternError::TooLong),
            bytes if !bytes.iter().all(|&b| b == b'*' || is_channel_byte(b)) => {
                Err(PatternError::BadCharacter)
            }
            _ => Ok(Self(pattern.into())),
        }
    }

    /// Whether `name` matches. Takes time linear in the product of the lengths at the worst.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where to go on after a mismatch: behind the last `*`, one character further in the name.
        let mut retry: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    retry = Some((p + 1, n));
                    p += 1;
                }
                Some(&byte) if byte == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match retry {
                    Some((after_star, from)) => {
                        retry = Some((after_star, from + 1));
                        p = after_star;
                        n = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&byte| byte == b'*')
    }

    /// What the first `*` stands for in `name`, where the pattern is `prefix*` or `prefix*suffix` and matches.
    #[must_use]
    pub fn rest<'n>(&self, name: &'n str) -> Option<&'n str> {
        if !self.matches(name) {
            return None;
        }
        let (prefix, suffix) = self.0.split_once('*')?;
        let rest = name.strip_prefix(prefix)?;
        // With several `*` the first one stands for everything up to the end.
        if suffix.contains('*') { Some(rest) } else { rest.strip_suffix(suffix) }
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
