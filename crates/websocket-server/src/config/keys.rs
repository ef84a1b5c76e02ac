//! API keys as they are configured: in `FANFARE_API_KEYS`, or as `[[api_keys]]` of the configuration file.
//!
//! Comparing a request's key with them, and what a key may do, is the publish API's.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use auth::check_secret;
use protocol::ChannelPattern;
use service_kit::arguments::Secret;
use service_kit::settings::given::secret_in;
use service_kit::settings::values::Reason;

#[cfg(test)]
mod tests;

/// The longest name of an API key, in bytes; it is a value in logs.
const MAX_NAME: usize = 64;

/// What a request has to show.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// The key itself.
    Text(Secret),
    /// The SHA-256 of the key, so that the configuration holds nothing that can be used.
    Sha256([u8; 32]),
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(***)",
            Self::Sha256(_) => "Sha256(***)",
        })
    }
}

/// The key that all hooks show, which can change while the hub runs. Clones are the same key; `Debug` does not show it.
#[derive(Clone)]
pub struct SharedKey(Arc<ArcSwap<Secret>>);

impl SharedKey {
    /// With this text.
    #[must_use]
    pub fn new(key: Secret) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(key)))
    }

    /// The text that holds at the moment.
    #[must_use]
    pub fn get(&self) -> Arc<Secret> {
        self.0.load_full()
    }

    /// All that show it show this from now on.
    pub fn set(&self, key: Secret) {
        self.0.store(Arc::new(key));
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One key that may publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name in rules and logs: 1–64 of `A–Z a–z 0–9 _ - .`.
    pub name: String,
    /// What a request has to show.
    pub material: KeyMaterial,
    /// The only channels that it may publish to; none is all of them.
    pub channels: Option<Vec<ChannelPattern>>,
    /// Whether it is an administrator's.
    pub admin: bool,
}

/// The keys of one variable, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiKeyList(pub(super) Vec<ApiKey>);

impl FromStr for ApiKeyList {
    type Err = Reason;

    /// Reasons name a key by its place, never by its text.
    fn from_str(text: &str) -> Result<Self, Reason> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let keys: Vec<ApiKey> = entries
            .enumerate()
            .map(|(at, entry)| {
                entry_of(at + 1, entry).map_err(|reason| format!("in key {} {reason}", at + 1))
            })
            .collect::<Result<_, _>>()?;
        match duplicate(&keys) {
            _ if keys.is_empty() => Err("it lists nothing".to_owned()),
            Some(name) => Err(format!("two keys are named {name}")),
            None => Ok(Self(keys)),
        }
    }
}

/// The first name that stands twice.
pub(super) fn duplicate(keys: &[ApiKey]) -> Option<&str> {
    let twice =
        keys.iter().enumerate().find(|(at, key)| keys[..*at].iter().any(|other| other.name == key.name));
    twice.map(|(_, key)| key.name.as_str())
}

fn entry_of(place: usize, entry: &str) -> Result<ApiKey, Reason> {
    let mut parts = entry.splitn(3, ':').map(str::trim);
    let (first, second, rest) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let (name, text) = match second {
        Some(text) => (name(first)?, text),
        None => (format!("key-{place}"), first),
    };
    let mut key = ApiKey { name, material: KeyMaterial::Text(checked(text)?), channels: None, admin: false };
    let mut channels = Vec::new();
    for item in rest.unwrap_or_default().split('|').map(str::trim).filter(|item| !item.is_empty()) {
        if item == "+admin" {
            key.admin = true;
        } else {
            channels.push(ChannelPattern::new(item).map_err(|error| error.to_string())?);
        }
    }
    key.channels = (!channels.is_empty()).then_some(channels);
    Ok(key)
}

fn name(text: &str) -> Result<String, Reason> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(valid) {
        return Err("the name is not 1 to 64 of A-Z a-z 0-9 _ - .".to_owned());
    }
    Ok(text.to_owned())
}

/// `[[api_keys]]` as it stands in the file. Exactly one of the three ways to give the key is set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyTable {
    name: String,
    secret: Option<String>,
    secret_file: Option<PathBuf>,
    sha256: Option<String>,
    channels: Option<Vec<String>>,
    #[serde(default)]
    admin: bool,
}

impl KeyTable {
    /// Checks the table; a relative `secret_file` is looked for beside the configuration file, in `folder`.
    pub(super) fn into_key(self, folder: &std::path::Path) -> Result<ApiKey, Reason> {
        let name = name(&self.name)?;
        let material = match (self.secret, self.secret_file, self.sha256) {
            (Some(text), None, None) => KeyMaterial::Text(checked(&text)?),
            (None, Some(path), None) => {
                let path = folder.join(path);
                let read = secret_in(&path);
                let text = read.map_err(|reason| format!("secret_file {}: {reason}", path.display()))?;
                KeyMaterial::Text(checked(&text)?)
            }
            (None, None, Some(hex)) => KeyMaterial::Sha256(digest(&hex)?),
            _ => return Err("exactly one of secret, secret_file and sha256 is to be given".to_owned()),
        };
        let patterns = self.channels.map(|channels| {
            let patterns = channels.iter().map(|pattern| ChannelPattern::new(pattern));
            patterns.collect::<Result<Vec<_>, _>>()
        });
        let channels = patterns.transpose().map_err(|error| error.to_string())?;
        if channels.as_ref().is_some_and(Vec::is_empty) {
            return Err("channels lists nothing; leave it out for all channels".to_owned());
        }
        Ok(ApiKey { name, material, channels, admin: self.admin })
    }
}

/// `SERVICE_API_KEY`. Reasons do not repeat it.
pub(super) fn service_key(text: &str) -> Result<Secret, Reason> {
    check_secret(text).map_err(|error| format!("it {error}"))?;
    Ok(Secret::new(text))
}

fn checked(text: &str) -> Result<Secret, Reason> {
    check_secret(text).map_err(|error| format!("the text of the key {error}"))?;
    Ok(Secret::new(text))
}

fn digest(hex: &str) -> Result<[u8; 32], Reason> {
    let wrong = || "sha256 is not 64 hexadecimal digits".to_owned();
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}
