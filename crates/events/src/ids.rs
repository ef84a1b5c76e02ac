//! Ids of users, jobs, payments, messages and notifications: whole numbers that every JSON reader keeps exactly.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The largest id: ids are numbers below 2^53 (contract: services, Everywhere), which JavaScript keeps exactly.
pub const MAX_ID: i64 = (1 << 53) - 1;

/// Why a number or a text is no id. The texts are fit for the `message` of a wrong member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Zero or negative.
    #[error("must be at least 1")]
    NotPositive,
    /// Above [`MAX_ID`].
    #[error("must be below 2^53")]
    TooLarge,
    /// A text that is not the plain digits of a whole number.
    #[error("must be a whole number")]
    NotANumber,
}

/// The id in a number.
fn checked(id: i64) -> Result<i64, IdError> {
    match id {
        ..=0 => Err(IdError::NotPositive),
        1..=MAX_ID => Ok(id),
        _ => Err(IdError::TooLarge),
    }
}

/// The id in a text. Only the plain digits count, so that an id has one spelling.
fn parsed(text: &str) -> Result<i64, IdError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return Err(IdError::NotANumber);
    }
    checked(text.parse().map_err(|_| IdError::TooLarge)?)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id that is this number, from 1 to [`MAX_ID`].
            ///
            /// # Errors
            /// Says on which side the number is outside.
            pub fn new(id: i64) -> Result<Self, IdError> {
                checked(id).map(Self)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        /// Reads the plain digits, as they stand in a path.
        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parsed(text).map(Self)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = IdError;

            fn try_from(id: i64) -> Result<Self, IdError> {
                Self::new(id)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_i64(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::new(i64::deserialize(from)?).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_ID })
            }
        }

        impl ts_rs::TS for $name {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;

            fn name(_: &ts_rs::Config) -> String {
                "number".to_owned()
            }

            fn inline(_: &ts_rs::Config) -> String {
                "number".to_owned()
            }
        }
    };
}

id! {
    /// A user's id: a number from 1 to [`MAX_ID`].
    UserId
}

id! {
    /// A job's id: a number from 1 to [`MAX_ID`].
    JobId
}

id! {
    /// A payment's id: a number from 1 to [`MAX_ID`].
    PaymentId
}

id! {
    /// A chat message's id: a number from 1 to [`MAX_ID`].
    MessageId
}

id! {
    /// A notification's id: a number from 1 to [`MAX_ID`].
    NotificationId
}

#[cfg(test)]
mod tests;
