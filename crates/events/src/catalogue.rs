//! What there is to know of an event beside its members: who sends it, who gets it, its schema and an example.

use std::fmt;

use schemars::Schema;
use schemars::generate::SchemaSettings;

use crate::{AudienceRule, EventData};

/// The hand-written examples, which the tests hold against the types.
const EXAMPLES: &str = include_str!("../fixtures/events.json");

/// A service that sends events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Jobs.
    Job,
    /// Payments and wallets.
    Payment,
    /// Users and sessions.
    User,
    /// Messages between users.
    Chat,
    /// Notifications of users.
    Notification,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Job => "job service",
            Self::Payment => "payment service",
            Self::User => "user service",
            Self::Chat => "chat service",
            Self::Notification => "notification service",
        })
    }
}

/// One event of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its type on the wire, such as `job_created`.
    pub event_type: &'static str,
    /// The name of its struct here and of its interface in TypeScript.
    pub name: &'static str,
    /// Its version.
    pub version: u16,
    /// Who sends it.
    pub sender: Service,
    /// Who gets it.
    pub audience: AudienceRule,
    schema: fn() -> Schema,
    pub(crate) typescript: fn(&ts_rs::Config) -> String,
}

impl Entry {
    pub(crate) const fn of<T: EventData>(name: &'static str) -> Self {
        Self {
            event_type: T::TYPE,
            name,
            version: T::VERSION,
            sender: T::SENDER,
            audience: T::AUDIENCE,
            schema: || {
                SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
            },
            typescript: T::inline,
        }
    }

    /// The JSON Schema of its data, draft 2020-12, without references. Unknown members are allowed.
    #[must_use]
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// When it is sent, in one sentence.
    #[must_use]
    pub fn description(&self) -> String {
        let schema = self.schema();
        schema.get("description").and_then(|it| it.as_str()).unwrap_or_default().replace('\n', " ")
    }

    /// A hand-written example of its data, as JSON text.
    ///
    /// # Panics
    /// If the examples have none, which a test rules out.
    #[must_use]
    pub fn example(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Example<'a> {
            r#type: &'a str,
            #[serde(borrow)]
            data: &'a serde_json::value::RawValue,
        }
        let examples: Vec<Example<'_>> = serde_json::from_str(EXAMPLES).expect("examples are JSON");
        let mine = examples.iter().find(|it| it.r#type == self.event_type).expect("an example of each event");
        mine.data.get().to_owned()
    }
}
