//! One type for all events: what a service hands to its relay, and what a reader gets.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::Value;
use ts_rs::TS;

use crate::{
    Audience, AudienceRule, Entry, JobAccepted, JobCompleted, JobCreated, JobRefunded, MessageRead,
    MessageReceived, NotificationCreated, NotificationDeleted, NotificationRead, NotificationRestored,
    NotificationUnread, PaymentConfirmed, PaymentHeld, PaymentRefunded, Service, SessionRevoked, UserId,
    UserLoggedIn, UserLoggedOut, UserRegistered, UserTyping,
};

/// The data of one kind of event, and what holds for all of that kind.
pub trait EventData: Serialize + DeserializeOwned + JsonSchema + TS + 'static {
    /// Its type on the wire, such as `job_created`.
    const TYPE: &'static str;
    /// Its version: see the crate's head.
    const VERSION: u16 = 1;
    /// Who sends it.
    const SENDER: Service;
    /// How its audience follows from it.
    const AUDIENCE: AudienceRule;

    /// The users that it is addressed to. A party that is null is not among them.
    fn users(&self) -> Vec<UserId>;
}

/// Why a reader cannot take an event. The sender is at fault, or newer than the reader.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// No event of this catalogue; others may share the stream.
    #[error("no event has this type")]
    UnknownType,
    /// The data is not what the type says.
    #[error("the data of {event_type} is wrong")]
    Data {
        /// The event's type.
        event_type: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

macro_rules! events {
    ($($name:ident,)+) => {
        /// An event. As JSON it is `{"type":T,"data":D}`, to which a publisher adds the targets and the hub the time.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event {
            $(#[doc = concat!("[`", stringify!($name), "`](crate::", stringify!($name), ")")] $name($name),)+
        }

        /// All events, in the order of the contract.
        pub const CATALOGUE: &[Entry] = &[$(Entry::of::<$name>(stringify!($name))),+];

        impl Event {
            /// Its type on the wire, such as `job_created`.
            #[must_use]
            pub const fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $name::TYPE,)+
                }
            }

            /// Its version: see the crate's head.
            #[must_use]
            pub const fn version(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $name::VERSION,)+
                }
            }

            /// Who gets it.
            #[must_use]
            pub fn audience(&self) -> Audience {
                match self {
                    $(Self::$name(data) => $name::AUDIENCE.of(data.users()),)+
                }
            }

            /// Its data as JSON text, the members in the order of the contract.
            ///
            /// # Panics
            /// Never: every event can be written.
            #[must_use]
            pub fn data_json(&self) -> String {
                match self {
                    $(Self::$name(data) => serde_json::to_string(data),)+
                }
                .expect("an event can be written")
            }

            /// Its data as a JSON value, the members in no order that can be relied on.
            ///
            /// # Panics
            /// Never: every event can be written.
            #[must_use]
            pub fn data(&self) -> Value {
                match self {
                    $(Self::$name(data) => serde_json::to_value(data),)+
                }
                .expect("an event can be written")
            }

            /// Reads an event from its type and the JSON text of its data. Members that it does not know are ignored.
            ///
            /// # Errors
            /// If the type is none of these, or the data lacks a member or has a wrong one.
            pub fn parse(event_type: &str, data: &str) -> Result<Self, ParseError> {
                match event_type {
                    $($name::TYPE => serde_json::from_str(data)
                        .map(Self::$name)
                        .map_err(|source| ParseError::Data { event_type: $name::TYPE, source }),)+
                    _ => Err(ParseError::UnknownType),
                }
            }
        }

        impl Serialize for Event {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let mut event = to.serialize_struct("Event", 2)?;
                event.serialize_field("type", self.event_type())?;
                match self {
                    $(Self::$name(data) => event.serialize_field("data", data)?,)+
                }
                event.end()
            }
        }

        $(impl From<$name> for Event {
            fn from(data: $name) -> Self {
                Self::$name(data)
            }
        })+
    };
}

events! {
    JobCreated,
    JobAccepted,
    JobCompleted,
    JobRefunded,
    PaymentHeld,
    PaymentConfirmed,
    PaymentRefunded,
    UserRegistered,
    UserLoggedIn,
    UserLoggedOut,
    SessionRevoked,
    MessageReceived,
    UserTyping,
    MessageRead,
    NotificationCreated,
    NotificationRead,
    NotificationDeleted,
    NotificationUnread,
    NotificationRestored,
}

#[cfg(test)]
mod tests;
