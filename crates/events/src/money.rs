//! Money: US dollars as a whole number of cents. In JSON it is a number of dollars with at most two decimals, read and
//! written by its digits, never through a float.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

/// The decimals of a dollar.
const DECIMALS: i64 = 2;

/// The most digits that a number of cents can have: those of `i64::MAX`.
const MAX_DIGITS: i64 = 19;

/// An exponent beyond this is as good as endless; no text is so long that its digits make up for it.
const ENDLESS: i64 = 1 << 60;

/// An amount or a balance in US dollars, kept in cents. It may be negative: an entry of a ledger often is.
///
/// As JSON it is a number: `25`, `25.5`, `0.01`. It is read and written exactly by `serde_json` from and to text; a
/// `serde_json::Value` holds floats and is exact below 70 trillion dollars. Other formats are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(i64);

/// Why a text is no sum of money. The texts are fit for the `message` of a wrong member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsdError {
    /// No JSON number.
    #[error("must be a number")]
    NotANumber,
    /// Part of a cent.
    #[error("must have at most two decimals")]
    TooManyDecimals,
    /// Below the least that is allowed.
    #[error("must be at least {0}")]
    TooSmall(Usd),
    /// Above the most that is allowed.
    #[error("must be at most {0}")]
    TooLarge(Usd),
}

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The least amount of a job, a payment or a deposit: 0.01 (contract: services, Everywhere).
    pub const MIN_AMOUNT: Self = Self(1);

    /// The largest amount of a job, a payment or a deposit: 1,000,000,000.00 (contract: services, Everywhere).
    pub const MAX_AMOUNT: Self = Self(100_000_000_000);

    /// A sum of so many cents.
    #[must_use]
    pub const fn from_cents(cents: i64) -> Self {
        Self(cents)
    }

    /// The sum in cents.
    #[must_use]
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// Reads a JSON number of dollars by its digits: `25`, `25.5`, `2.50` and `1e2` are sums, `0.001` is not. Takes
    /// time by the text's length, whatever its exponent.
    ///
    /// # Errors
    /// Says which rule the text breaks. Too small and too large is what 64 bits of cents cannot hold.
    pub fn parse_json(text: &str) -> Result<Self, UsdError> {
        let number = Decimal::parse(text).ok_or(UsdError::NotANumber)?;
        let beyond = if number.negative {
            UsdError::TooSmall(Self(i64::MIN))
        } else {
            UsdError::TooLarge(Self(i64::MAX))
        };
        if number.digits.is_empty() {
            return Ok(Self::ZERO);
        }
        let zeros = number.exponent.saturating_add(DECIMALS);
        if zeros < 0 {
            return Err(UsdError::TooManyDecimals);
        }
        if length(number.digits.len()).saturating_add(zeros) > MAX_DIGITS {
            return Err(beyond);
        }
        // Both loops are at most 19 digits long by now.
        let digits = number.digits.iter().fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let cents = (0..zeros).fold(digits, |sum, _| sum * 10);
        i64::try_from(if number.negative { -cents } else { cents }).map(Self).map_err(|_| beyond)
    }

    /// Reads an amount of a job, a payment or a deposit: as [`Usd::parse_json`], from [`Usd::MIN_AMOUNT`] to
    /// [`Usd::MAX_AMOUNT`].
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn amount(text: &str) -> Result<Self, UsdError> {
        match Self::parse_json(text) {
            Ok(sum) if sum < Self::MIN_AMOUNT => Err(UsdError::TooSmall(Self::MIN_AMOUNT)),
            Ok(sum) if sum > Self::MAX_AMOUNT => Err(UsdError::TooLarge(Self::MAX_AMOUNT)),
            Err(UsdError::TooSmall(_)) => Err(UsdError::TooSmall(Self::MIN_AMOUNT)),
            Err(UsdError::TooLarge(_)) => Err(UsdError::TooLarge(Self::MAX_AMOUNT)),
            other => other,
        }
    }

    /// The sum of both, if 64 bits of cents can hold it.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(cents) => Some(Self(cents)),
            None => None,
        }
    }

    /// The difference, if 64 bits of cents can hold it.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(cents) => Some(Self(cents)),
            None => None,
        }
    }

    /// The same sum with the other sign, if 64 bits of cents can hold it.
    #[must_use]
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(cents) => Some(Self(cents)),
            None => None,
        }
    }
}

/// Always with two decimals: `25.50`, `-0.01`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, cents) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            return to.serialize_i64(self.0 / 100);
        }
        let mut text = self.to_string();
        if text.ends_with('0') {
            text.pop();
        }
        RawValue::from_string(text).map_err(ser::Error::custom)?.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(from)?;
        Self::parse_json(text.get()).map_err(de::Error::custom)
    }
}

impl JsonSchema for Usd {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "multipleOf": 0.01 })
    }
}

impl ts_rs::TS for Usd {
    type WithoutGenerics = Self;
    type OptionInnerType = Self;

    fn name(_: &ts_rs::Config) -> String {
        "number".to_owned()
    }

    fn inline(_: &ts_rs::Config) -> String {
        "number".to_owned()
    }
}

/// A JSON number taken apart: its digits times ten to the power of the exponent.
struct Decimal {
    negative: bool,
    /// ASCII, with zeros neither at the start nor at the end; none at all for zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads a number by the grammar of RFC 8259 §6.
    fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, exponent(power)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leads_with_zero || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let mut digits: Vec<u8> =
            whole.bytes().chain(fraction.bytes()).skip_while(|&it| it == b'0').collect();
        let written = digits.len();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let exponent = power - length(fraction.len()) + length(written - digits.len());
        Some(Self { negative, digits, exponent })
    }
}

/// The exponent of a number, as far as [`ENDLESS`].
fn exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0_i64, |size, digit| {
        size.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(ENDLESS)
    });
    Some(sign * size)
}

/// A count of characters, which fits as texts are held in memory.
fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(ENDLESS)
}

#[cfg(test)]
mod tests;
