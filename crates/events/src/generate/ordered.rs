//! JSON whose members keep their order. A `serde_json::Map` sorts them or not, as some crate of the build wishes;
//! generated files must not change with that.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// A JSON value.
#[derive(Debug, Clone)]
pub(super) enum Json {
    /// Anything but an object or an array.
    Plain(Value),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// An object as it is written in a text, without arrays.
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).expect("an object of plain members")
    }

    /// As a text of lines, with one break at its end.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("JSON") + "\n"
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Plain(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Plain(text.into())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(to),
            Self::Array(items) => items.serialize(to),
            Self::Object(members) => {
                let mut map = to.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    members.push((name, Json::Plain(value)));
                }
                Ok(Json::Object(members))
            }
        }

        from.deserialize_map(Object)
    }
}
