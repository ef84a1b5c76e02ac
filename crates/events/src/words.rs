//! The closed sets of words in events: kinds of job, states, reasons, kinds of user (contract: services, Jobs and money),
//! priorities (contract: socketio, Inbox REST).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is none of the words that a member may have. Its text is fit for the `message` of a wrong member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", allowed.join(", "))]
pub struct UnknownWord {
    /// The words that would do.
    pub allowed: &'static [&'static str],
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            const WORDS: &[&str] = &[$($word),+];

            /// The word as it stands in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { allowed: Self::WORDS }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
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
                json_schema!({ "type": "string", "enum": Self::WORDS })
            }
        }

        impl ts_rs::TS for $name {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;

            fn name(_: &ts_rs::Config) -> String {
                stringify!($name).to_owned()
            }

            fn inline(_: &ts_rs::Config) -> String {
                Self::WORDS.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" | ")
            }
        }
    };
}

words! {
    /// What kind of work a job is.
    JobType {
        /// Software.
        Development = "development",
        /// Design.
        Design = "design",
        /// Texts.
        Writing = "writing",
        /// Marketing.
        Marketing = "marketing",
        /// Entering data.
        DataEntry = "data_entry",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// The state of a job: open, then accepted, then completed; refunded from either of the first two.
    JobStatus {
        /// Posted, and its money held.
        Open = "open",
        /// A worker has it.
        Accepted = "accepted",
        /// Done and paid.
        Completed = "completed",
        /// Expired or cancelled, and the money back with the employer.
        Refunded = "refunded",
    }
}

words! {
    /// Why a job's money went back.
    RefundReason {
        /// The deadline passed.
        Expired = "expired",
        /// The employer cancelled.
        Cancelled = "cancelled",
    }
}

words! {
    /// The state of a payment.
    PaymentStatus {
        /// Set aside on the employer's wallet.
        Held = "held",
        /// Paid to the worker.
        Released = "released",
        /// Back with the employer.
        Refunded = "refunded",
    }
}

words! {
    /// What a user is on the platform.
    UserType {
        /// Posts jobs and pays for them.
        Employer = "employer",
        /// Accepts jobs and is paid.
        Worker = "worker",
    }
}

words! {
    /// How much a notification matters.
    NotificationPriority {
        /// Can wait.
        Low = "low",
        /// As most.
        Normal = "normal",
        /// Soon.
        High = "high",
        /// At once.
        Urgent = "urgent",
    }
}

#[cfg(test)]
mod tests;
