//! API keys: which publisher an `Authorization: Bearer` header belongs to, and where that publisher may publish.
//!
//! Keys come from `FANFARE_API_KEYS` and from `[[api_keys]]` of the configuration file. The variable holds entries
//! separated by commas or blanks, each
//!
//! ```text
//! [name:]secret[;channels=pattern|pattern…][;admin]
//! ```
//!
//! for example `shop:s3cret-of-the-shop;channels=orders:*|user:*, ops:another-s3cret;admin`. An entry without a name is
//! `key-1`, `key-2`, … by its place. What stands before the first colon is the name, so a secret with a colon needs one.
//!
//! In memory there is only the SHA-256 of a secret, which suffices for what is random; it is compared in constant
//! time with all keys, whichever matches. Not here: who may publish without any key ([`super::publisher`]), and the
//! channel rules that name keys (`publish = { keys = […] }`).

use std::fmt;
use std::path::{Path, PathBuf};

use protocol::ChannelPattern;
use protocol::channel::PatternError;
use serde::Deserialize;
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

/// The largest `secret_file`, in bytes.
const MAX_SECRET_FILE: u64 = 4096;

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
        Ok(Self { digest: digest_of(name, secret)?, ..Self::from_sha256(name, [0; 32], scope, rights)? })
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
            return Err(ApiKeyError::BadName { place: 1 });
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

/// A key as it stands in the configuration file. Exactly one of `secret`, `secret_file` and `sha256` is given.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyEntry {
    /// 1–64 of `A–Z a–z 0–9 _ . -`; unique.
    pub name: String,
    /// The secret itself.
    pub secret: Option<String>,
    /// A file that holds it, read at the start; a line end behind it is not part of it.
    pub secret_file: Option<PathBuf>,
    /// The SHA-256 of the secret, in hex: `printf %s "$SECRET" | sha256sum`.
    pub sha256: Option<String>,
    /// Where it may publish. Left out: everywhere. An empty list: nowhere.
    pub channels: Option<Vec<String>>,
    /// Whether it may use the operator API; not by default.
    #[serde(default)]
    pub admin: bool,
}

impl fmt::Debug for ApiKeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |text: &Option<String>| text.as_ref().map(|_| format_args!("***"));
        f.debug_struct("ApiKeyEntry")
            .field("name", &self.name)
            .field("secret", &hidden(&self.secret))
            .field("secret_file", &self.secret_file)
            .field("sha256", &hidden(&self.sha256))
            .field("channels", &self.channels)
            .field("admin", &self.admin)
            .finish()
    }
}

/// What is wrong with the keys. Names the key by its name, or its place where it has none; never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// `FANFARE_API_KEYS` is set and names no key. Not the same as unset, which would open publishing to this machine.
    #[error("FANFARE_API_KEYS is set but holds no key")]
    NoKey,
    /// More keys than are compared.
    #[error("there are more than {MAX_KEYS} API keys")]
    TooMany,
    /// What stands as a name is none.
    #[error("API key {place}: its name is not 1 to {MAX_NAME} characters of A-Z a-z 0-9 _ . -")]
    BadName {
        /// The place in its list, from 1.
        place: usize,
    },
    /// Two keys with one name.
    #[error("API key `{0}`: there are two of that name")]
    DuplicateName(Box<str>),
    /// Two keys with one secret, so that nobody can say which one a request used.
    #[error("API keys `{0}` and `{1}` have the same secret")]
    DuplicateSecret(Box<str>, Box<str>),
    /// A secret that can be guessed, or is none at all.
    #[error("API key `{0}`: its secret has fewer than {MIN_SECRET} characters")]
    TooShort(Box<str>),
    /// A secret that no header would carry.
    #[error("API key `{0}`: its secret has more than {MAX_SECRET} characters")]
    TooLong(Box<str>),
    /// A secret that a header cannot carry, or only differently.
    #[error("API key `{0}`: its secret has a character that is not visible ASCII")]
    BadSecret(Box<str>),
    /// Not 64 hex digits.
    #[error("API key `{0}`: its sha256 is not 64 hexadecimal digits")]
    BadDigest(Box<str>),
    /// None or several of the three ways to give a secret.
    #[error("API key `{0}`: give exactly one of secret, secret_file and sha256")]
    OneSecret(Box<str>),
    /// The secret's file cannot be read.
    #[error("API key `{name}`: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The key.
        name: Box<str>,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something behind a `;` that is not understood.
    #[error("API key `{0}`: behind its secret only ;channels=… and ;admin may follow")]
    BadOption(Box<str>),
    /// `;channels=` without a pattern.
    #[error("API key `{0}`: channels= names no channel; leave it out to allow all")]
    NoChannels(Box<str>),
    /// A pattern that can match nothing.
    #[error("API key `{name}`: {source}")]
    BadPattern {
        /// The key.
        name: Box<str>,
        /// What is wrong with it.
        source: PatternError,
    },
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
    /// Reads the keys of `FANFARE_API_KEYS` (`None` or empty where unset) and those of the configuration file. A
    /// relative `secret_file` is looked for in `directory`, that of the configuration file.
    ///
    /// # Errors
    /// Says which key is wrong and why.
    pub fn load(
        variable: Option<&str>,
        entries: &[ApiKeyEntry],
        directory: &Path,
    ) -> Result<Self, ApiKeyError> {
        let mut keys = match variable {
            None | Some("") => Vec::new(),
            Some(text) => from_variable(text)?,
        };
        for (at, entry) in entries.iter().enumerate() {
            keys.push(from_entry(at + 1, entry, directory)?);
        }
        Self::new(keys)
    }

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

fn from_variable(text: &str) -> Result<Vec<ApiKey>, ApiKeyError> {
    let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    let keys: Vec<_> =
        entries.zip(1..).map(|(entry, place)| from_text(place, entry)).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(ApiKeyError::NoKey) } else { Ok(keys) }
}

fn from_text(place: usize, entry: &str) -> Result<ApiKey, ApiKeyError> {
    let mut parts = entry.split(';');
    let head = parts.next().unwrap_or_default();
    let (name, secret) = match head.split_once(':') {
        Some((name, secret)) => (checked_name(place, name)?, secret),
        None => (format!("key-{place}").into(), head),
    };
    let digest = digest_of(&name, secret)?;
    let (mut scope, mut rights) = (ChannelScope::All, Rights::Publish);
    for part in parts {
        // What is not understood is never shown: it may be the rest of a secret with a semicolon in it.
        match part.split_once('=') {
            Some(("channels", list)) if scope == ChannelScope::All => {
                if list.is_empty() {
                    return Err(ApiKeyError::NoChannels(name));
                }
                scope = ChannelScope::Matching(patterns(&name, list.split('|'))?);
            }
            None if part == "admin" => rights = Rights::Admin,
            _ => return Err(ApiKeyError::BadOption(name)),
        }
    }
    Ok(ApiKey { name, scope, rights, digest })
}

fn from_entry(place: usize, entry: &ApiKeyEntry, directory: &Path) -> Result<ApiKey, ApiKeyError> {
    let name = checked_name(place, &entry.name)?;
    let digest = match (&entry.secret, &entry.secret_file, &entry.sha256) {
        (Some(secret), None, None) => digest_of(&name, secret)?,
        (None, Some(file), None) => {
            let path = directory.join(file);
            match read_bounded(&path) {
                Ok(text) => digest_of(&name, text.trim_end_matches(['\n', '\r']))?,
                Err(source) => return Err(ApiKeyError::Unreadable { name, path, source }),
            }
        }
        (None, None, Some(hex)) => match from_hex(hex) {
            Some(digest) => digest,
            None => return Err(ApiKeyError::BadDigest(name)),
        },
        _ => return Err(ApiKeyError::OneSecret(name)),
    };
    let scope = match &entry.channels {
        None => ChannelScope::All,
        Some(list) => ChannelScope::Matching(patterns(&name, list.iter().map(String::as_str))?),
    };
    let rights = if entry.admin { Rights::Admin } else { Rights::Publish };
    Ok(ApiKey { name, scope, rights, digest })
}

fn checked_name(place: usize, name: &str) -> Result<Box<str>, ApiKeyError> {
    if !is_name(name) {
        return Err(ApiKeyError::BadName { place });
    }
    Ok(name.into())
}

fn is_name(name: &str) -> bool {
    let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_name_byte)
}

fn digest_of(name: &str, secret: &str) -> Result<[u8; 32], ApiKeyError> {
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ApiKeyError::BadSecret(name.into()));
    }
    match secret.len() {
        0..MIN_SECRET => Err(ApiKeyError::TooShort(name.into())),
        MIN_SECRET..=MAX_SECRET => Ok(Sha256::digest(secret).into()),
        _ => Err(ApiKeyError::TooLong(name.into())),
    }
}

fn patterns<'a>(name: &str, list: impl Iterator<Item = &'a str>) -> Result<Vec<ChannelPattern>, ApiKeyError> {
    list.map(ChannelPattern::new)
        .collect::<Result<_, _>>()
        .map_err(|source| ApiKeyError::BadPattern { name: name.into(), source })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(MAX_SECRET_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_SECRET_FILE {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 4 KiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
