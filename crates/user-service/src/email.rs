//! E-mail addresses: what may be one, and when two are the same.
//!
//! What is one in truth only a message to it would show, so the form is checked for slips alone.

use sha2::{Digest as _, Sha256};

#[cfg(test)]
mod tests;

/// The longest address, in characters (RFC 5321 §4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;

/// An address, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// Reads a member of a form.
    ///
    /// # Errors
    /// What it must be.
    pub(crate) fn read(raw: &str) -> Result<Self, String> {
        let text: String = serde_json::from_str(raw).map_err(|_| "must be a string".to_owned())?;
        let sides: Vec<&str> = text.split('@').collect();
        let [name, domain] = sides[..] else {
            return Err("must be an e-mail address, with one @".to_owned());
        };
        if name.is_empty() || domain.is_empty() {
            return Err("must be an e-mail address, with something on both sides of the @".to_owned());
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("must be an e-mail address, without spaces and control characters".to_owned());
        }
        if text.chars().count() > LONGEST {
            return Err(format!("must have at most {LONGEST} characters"));
        }
        Ok(Self(text))
    }

    /// The address as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address have in common (contract: services, Users).
    ///
    /// Each character for itself, unlike [`str::to_lowercase`], which writes the last sigma of a word in another way. By
    /// the upper case, since two small letters may share it (`σ` and `ς`); and by the lower case before that, for
    /// capitals that are nobody's upper case (`ẞ`, where that of `ß` is `SS`).
    pub(crate) fn key(&self) -> String {
        let small = self.0.chars().flat_map(char::to_lowercase);
        small.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
    }

    /// The SHA-256 of the key, in hex: for tables that shall not tell who tried to sign in.
    pub(crate) fn digest(&self) -> String {
        hex(&Sha256::digest(self.key().as_bytes()))
    }
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
