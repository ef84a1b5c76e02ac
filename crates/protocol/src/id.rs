//! Ids of connections, users and publications.

use std::fmt;

use compact_str::CompactString;
use uuid::{Uuid, Variant, Version};

/// A connection's id: a UUID v4 from the system's generator. It is a secret of that connection's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(Uuid);

impl ConnectionId {
    /// A new id. The bits come from the caller: a server's from the system's generator, a simulation's from a seed.
    #[must_use]
    pub const fn from_random(bits: u128) -> Self {
        Self(uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid())
    }

    /// Reads an id in any of UUID's usual spellings.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The id as a number, for hashing.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

/// A publication's id: a UUID v7, so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicationId(Uuid);

impl PublicationId {
    /// A new id, later than all that this process made before.
    #[must_use]
    pub fn now() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id from its 128 bits, for tests and stores.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// Reads an id in any of UUID's usual spellings.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// Whether it is one that a hub could have made: a UUID of version 7 (RFC 9562 §5.7).
    #[must_use]
    pub fn is_of_version_7(self) -> bool {
        self.0.get_version() == Some(Version::SortRand) && self.0.get_variant() == Variant::RFC4122
    }

    /// Its 128 bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// Writes the 36 characters into `buffer`.
    pub fn encode(self, buffer: &mut [u8; 36]) -> &str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

/// The longest session, in bytes: room for a UUID, or 256 bits in hexadecimal.
pub const MAX_SESSION: usize = 64;

/// A text that names no session: sessions have 1 to [`MAX_SESSION`] bytes of visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session has 1 to 64 bytes of visible ASCII")]
pub struct SessionError;

/// Checks the text of a session: the claim `sid` of a token, or an element of `close_sessions`.
///
/// # Errors
/// [`SessionError`], which says what is accepted.
pub fn check_session(text: &str) -> Result<(), SessionError> {
    let valid = (1..=MAX_SESSION).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if valid { Ok(()) } else { Err(SessionError) }
}

/// The longest user id, in bytes: as long as a channel name.
pub const MAX_USER_ID: usize = 194;

/// A user's id: the text of a number or a string. `456` and `"456"` are the same user; whether it was a
/// number is kept so that it goes out as it came in.
#[derive(Clone)]
pub struct UserId {
    /// Kept in place up to 24 bytes: most ids are numbers or UUIDs' worth of text.
    text: CompactString,
    spelling: Spelling,
}

/// How a user id was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Number,
    Text,
}

/// Why a text is no user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// Empty.
    #[error("a user id may not be empty")]
    Empty,
    /// Longer than [`MAX_USER_ID`].
    #[error("a user id has at most 194 bytes")]
    TooLong,
    /// A control character.
    #[error("a user id has no control characters")]
    Control,
    /// Neither a string nor an integer.
    #[error("a user id is a string or an integer")]
    NotAnId,
}

impl UserId {
    /// A user id that was written as a string.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn from_text(text: &str) -> Result<Self, UserIdError> {
        match text {
            "" => Err(UserIdError::Empty),
            _ if text.len() > MAX_USER_ID => Err(UserIdError::TooLong),
            _ if text.chars().any(char::is_control) => Err(UserIdError::Control),
            _ => Ok(Self { text: text.into(), spelling: Spelling::Text }),
        }
    }

    /// A user id that was written as a JSON number; only integers are ids.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn from_number(text: &str) -> Result<Self, UserIdError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        if digits.is_empty() || leading_zero || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(UserIdError::NotAnId);
        }
        Ok(Self { spelling: Spelling::Number, ..Self::from_text(text)? })
    }

    /// A user id from the text of a JSON value.
    ///
    /// # Errors
    /// Says which rule the value breaks.
    pub fn from_json(raw: &str) -> Result<Self, UserIdError> {
        match raw.as_bytes().first() {
            Some(b'"') => {
                let text: String = serde_json::from_str(raw).map_err(|_| UserIdError::NotAnId)?;
                Self::from_text(&text)
            }
            Some(b'-' | b'0'..=b'9') => Self::from_number(raw),
            _ => Err(UserIdError::NotAnId),
        }
    }

    /// The id's text, the same for both spellings.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the id came as a number.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.spelling == Spelling::Number
    }
}

impl PartialEq for UserId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for UserId {}

impl std::hash::Hash for UserId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spelling {
            Spelling::Number => f.write_str(&self.text),
            Spelling::Text => fmt::Debug::fmt(&self.text, f),
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_text_are_one_user_and_keep_their_spelling() {
        let number = UserId::from_json("456").expect("number");
        let text = UserId::from_json("\"456\"").expect("text");
        assert_eq!(number, text);
        assert!(number.is_number() && !text.is_number());
        assert_eq!(UserId::from_json("18446744073709551615").expect("big").as_str(), "18446744073709551615");
    }

    #[test]
    fn a_publications_id_is_read_back() {
        let id = PublicationId::from_u128(0x019a_3f5e_7b00_7c31_9d0f_2f6f_3a1c_4e55);
        assert_eq!(id.to_string(), "019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55");
        assert_eq!(PublicationId::parse(&id.to_string()), Some(id));
        assert_eq!(PublicationId::from_u128(id.as_u128()), id);
        assert_eq!(PublicationId::parse("42"), None);
    }

    #[test]
    fn what_is_no_id_is_refused_by_cause() {
        for (raw, why) in [
            ("1.5", UserIdError::NotAnId),
            ("1e3", UserIdError::NotAnId),
            ("true", UserIdError::NotAnId),
            ("[1]", UserIdError::NotAnId),
            ("\"\"", UserIdError::Empty),
            ("\"a\\u0000\"", UserIdError::Control),
        ] {
            assert_eq!(UserId::from_json(raw).expect_err(raw), why, "{raw}");
        }
        assert_eq!(UserId::from_number("007").expect_err("no JSON"), UserIdError::NotAnId);
        assert_eq!(UserId::from_text(&"x".repeat(195)).expect_err("long"), UserIdError::TooLong);
    }
}
