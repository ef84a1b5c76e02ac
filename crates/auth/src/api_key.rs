//! API keys: which publisher an `Authorization: Bearer` header belongs to, and where that publisher may publish.
//!
//! How keys are written is the affair of each program's settings; this is what requests are compared with.
//!
//! In memory there is only the SHA-256 of a secret, which suffices for what is random; it is compared in constant
//! time with all keys, whichever matches. Not here: who may publish without any key ([`super::publisher`]), and the
//! channel rules that name keys (`publish = { keys = […] }`).

use std::fmt;

use protocol::ChannelPattern;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// The shortest secret, in characters. Short enough for a test, too long to be tried out over HTTP; real ones should
/// be random and have 32.
pub const MIN_SECRET: usize = 8;

/// The longest secret, in characters.
pub const MAX_SECRET: usize = 200;

/// The most keys. Each costs a comparison of 32 bytes per request.
pub const MAX_KEYS: usize = 100;

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// Where a key may publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelScope {
    /// Everywhere.
    All,
    /// To the streams that match one of these. Empty: nowhere, for a key that is only there to operate.
    Matching(Vec<ChannelPattern>),
}

/// What a key may do besides publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rights {
    /// Nothing.
    #[default]
    Publish,
    /// Use the operator API.
    Admin,
}

/// A key, without its secret.
#[derive(Clone)]
pub struct ApiKey {
    name: Box<str>,
    scope: ChannelScope,
    rights: Rights,
    digest: [u8; 32],
}

impl ApiKey {
    /// A key from its secret, of which only the digest is kept.
    ///
    /// # Errors
    /// Says what is wrong with the name or the secret.
    pub fn from_secret(
        name: &str,
        secret: &str,
        scope: ChannelScope,
        rights: Rights,
    ) -> Result<Self, ApiKeyError> {
        check_secret(secret).map_err(|error| ApiKeyError::BadSecret(name.into(), error))?;
        Self::from_sha256(name, Sha256::digest(secret).into(), scope, rights)
    }

    /// A key from the SHA-256 of its secret.
    ///
    /// # Errors
    /// Says that the name is none.
    pub fn from_sha256(
        name: &str,
        digest: [u8; 32],
        scope: ChannelScope,
        rights: Rights,
    ) -> Result<Self, ApiKeyError> {
        if !is_name(name) {
            return Err(ApiKeyError::BadName);
        }
        Ok(Self { name: name.into(), scope, rights, digest })
    }

    /// The name, by which channel rules, logs and idempotency scopes know it. Not a secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it may publish.
    #[must_use]
    pub fn scope(&self) -> &ChannelScope {
        &self.scope
    }

    /// Whether it may use the operator API.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.rights == Rights::Admin
    }

    /// Whether it may publish to a stream: a channel, `user:<id>`, or `@all` for everyone.
    #[must_use]
    pub fn may_publish(&self, stream: &str) -> bool {
        match &self.scope {
            ChannelScope::All => true,
            ChannelScope::Matching(patterns) => patterns.iter().any(|pattern| pattern.matches(stream)),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("rights", &self.rights)
            .field("secret", &format_args!("***"))
            .finish()
    }
}

/// What is wrong with a secret. Never shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It can be guessed, or is none at all.
    #[error("has fewer than {MIN_SECRET} characters")]
    TooShort,
    /// No header would carry it.
    #[error("has more than {MAX_SECRET} characters")]
    TooLong,
    /// A header cannot carry it, or only differently.
    #[error("has a character that is not visible ASCII")]
    NotVisible,
}

/// Whether a text can be the secret of a key: 8 to 200 characters of visible ASCII.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_secret(secret: &str) -> Result<(), SecretError> {
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(SecretError::NotVisible);
    }
    match secret.len() {
        0..MIN_SECRET => Err(SecretError::TooShort),
        MIN_SECRET..=MAX_SECRET => Ok(()),
        _ => Err(SecretError::TooLong),
    }
}

/// What is wrong with the keys. Names a key by its name; never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// More keys than are compared.
    #[error("there are more than {MAX_KEYS} API keys")]
    TooMany,
    /// What stands as a name is none.
    #[error("an API key's name is not 1 to {MAX_NAME} characters of A-Z a-z 0-9 _ . -")]
    BadName,
    /// Two keys with one name.
    #[error("API key `{0}`: there are two of that name")]
    DuplicateName(Box<str>),
    /// Two keys with one secret, so that nobody can say which one a request used.
    #[error("API keys `{0}` and `{1}` have the same secret")]
    DuplicateSecret(Box<str>, Box<str>),
    /// A secret that is none.
    #[error("API key `{0}`: its secret {1}")]
    BadSecret(Box<str>, SecretError),
}

/// Why a request has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No `Authorization: Bearer`.
    #[error("an API key is needed: send it as `Authorization: Bearer <key>`")]
    Missing,
    /// A key that is not configured.
    #[error("the API key is not known here")]
    Unknown,
}

/// All API keys.
#[derive(Debug, Clone, Default)]
pub struct ApiKeys(Vec<ApiKey>);

impl ApiKeys {
    /// These keys, in this order.
    ///
    /// # Errors
    /// Says which two keys have a name or a secret in common, or that there are too many.
    pub fn new(keys: Vec<ApiKey>) -> Result<Self, ApiKeyError> {
        if keys.len() > MAX_KEYS {
            return Err(ApiKeyError::TooMany);
        }
        for (at, key) in keys.iter().enumerate() {
            for earlier in &keys[..at] {
                if earlier.name == key.name {
                    return Err(ApiKeyError::DuplicateName(key.name.clone()));
                }
                if earlier.digest == key.digest {
                    return Err(ApiKeyError::DuplicateSecret(earlier.name.clone(), key.name.clone()));
                }
            }
        }
        Ok(Self(keys))
    }

    /// Whether no key is configured, so that only this machine may publish.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.0.iter()
    }

    /// The key of a request, by its `Authorization` header.
    ///
    /// Takes the same time for every key and for none: one SHA-256 and a comparison with each key; measured at 0.1 µs
    /// and 50 ns for each further key.
    ///
    /// # Errors
    /// [`KeyError::Missing`] without a bearer token, [`KeyError::Unknown`] with one of somebody else.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<&ApiKey, KeyError> {
        let presented = authorization.and_then(bearer).ok_or(KeyError::Missing)?;
        if presented.len() > MAX_SECRET {
            return Err(KeyError::Unknown);
        }
        let digest: [u8; 32] = Sha256::digest(presented).into();
        // 0 is none, else the place from 1.
        let mut found = 0_u32;
        for (place, key) in (1_u32..).zip(&self.0) {
            found.conditional_assign(&place, key.digest.ct_eq(&digest));
        }
        let index = (found as usize).checked_sub(1).ok_or(KeyError::Unknown)?;
        self.0.get(index).ok_or(KeyError::Unknown)
    }
}

/// The token of `Bearer <token>` (RFC 6750 §2.1; the scheme's case does not matter, RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn is_name(name: &str) -> bool {
    let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_name_byte)
}

#[cfg(test)]
mod tests;
