//! Values as people write them in a flag, a variable or a file: durations, sizes, secrets.
//!
//! Only their text forms: which settings exist, and what each accepts, is the binary's own affair.

use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Text that must not appear in a log, an error or a debug print.
///
/// `Debug` prints `***`, there is no `Display`, and reading it takes an explicit [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a duration or a size could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The text has no number in front.
    #[error("it does not begin with a number")]
    NoNumber,
    /// The text behind the number is no unit of this kind.
    #[error("its unit is unknown")]
    UnknownUnit,
    /// The number does not fit.
    #[error("it is too large")]
    TooLarge,
}

/// The units of a duration with their length in milliseconds; the first that divides a value prints it.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a size with their length in bytes. `KB` and `MB` are left out on purpose: half of the world
/// reads them as 1,000 and the other half as 1,024.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `30s`, `500ms`, `10m`, `2h`, `1d`; a plain number is seconds. Blanks around it are ignored.
///
/// # Errors
/// [`UnitError`], which says what is wrong but not what the setting accepts.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    quantity(text, &TIME_UNITS, 1_000).map(Duration::from_millis)
}

/// Reads `64KiB`, `1MiB`, `2GiB`, `100B` in any case; a plain number is bytes. Blanks around it are ignored.
///
/// # Errors
/// [`UnitError`], which says what is wrong but not what the setting accepts.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    quantity(text, &SIZE_UNITS, 1)
}

/// Writes a duration as [`parse_duration`] reads it: `10m`, `90s`, `1500ms`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(millis, &TIME_UNITS, "0s")
}

/// Writes a size as [`parse_bytes`] reads it: `64KiB`, `1500B`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS, "0B")
}

fn quantity(text: &str, units: &[(&str, u64)], plain: u64) -> Result<u64, UnitError> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: String = number.chars().filter(|c| *c != '_').collect();
    if number.is_empty() {
        return Err(UnitError::NoNumber);
    }
    let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
    let unit = unit.trim_start();
    let factor = if unit.is_empty() {
        plain
    } else {
        let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        known.ok_or(UnitError::UnknownUnit)?.1
    };
    number.checked_mul(factor).ok_or(UnitError::TooLarge)
}

fn show(value: u64, units: &[(&str, u64)], zero: &str) -> String {
    if value == 0 {
        return zero.to_owned();
    }
    let fitting = units.iter().find(|(_, factor)| value.is_multiple_of(*factor));
    fitting.map_or_else(|| value.to_string(), |(name, factor)| format!("{}{name}", value / factor))
}
