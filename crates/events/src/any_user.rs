//! A user's id as any system writes it: a number or a string. Chat connects users of whoever signs tokens, and they need
//! not be the user service's.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::UserId;

/// A user's id in the JSON form in which it was given. `456` and `"456"` are one user, so they are equal.
#[derive(Debug, Clone)]
pub enum AnyUserId {
    /// A whole number of 64 bits.
    Number(i64),
    /// A string.
    Text(String),
}

impl AnyUserId {
    /// The id's text, the same for both forms.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Number(id) => Cow::Owned(id.to_string()),
            Self::Text(id) => Cow::Borrowed(id),
        }
    }
}

impl PartialEq for AnyUserId {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for AnyUserId {}

impl Hash for AnyUserId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl fmt::Display for AnyUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl From<UserId> for AnyUserId {
    fn from(id: UserId) -> Self {
        Self::Number(id.get())
    }
}

impl Serialize for AnyUserId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(id) => to.serialize_i64(*id),
            Self::Text(id) => to.serialize_str(id),
        }
    }
}

impl<'de> Deserialize<'de> for AnyUserId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = AnyUserId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a user's id: a whole number or a string")
            }

            fn visit_i64<E: de::Error>(self, id: i64) -> Result<AnyUserId, E> {
                Ok(AnyUserId::Number(id))
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<AnyUserId, E> {
                i64::try_from(id).map(AnyUserId::Number).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<AnyUserId, E> {
                match id {
                    "" => Err(E::custom("a user's id is not empty")),
                    id => Ok(AnyUserId::Text(id.to_owned())),
                }
            }
        }

        from.deserialize_any(Visitor)
    }
}

impl JsonSchema for AnyUserId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnyUserId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minLength": 1 })
    }
}

impl ts_rs::TS for AnyUserId {
    type WithoutGenerics = Self;
    type OptionInnerType = Self;

    fn name(_: &ts_rs::Config) -> String {
        "number | string".to_owned()
    }

    fn inline(_: &ts_rs::Config) -> String {
        "number | string".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_goes_out_as_it_came_in_and_is_one_in_both_forms() {
        for text in ["456", "\"456\"", "-3", "\"é\""] {
            let id: AnyUserId = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&id).expect("JSON"), text);
        }
        assert_eq!(AnyUserId::Number(456), AnyUserId::Text("456".to_owned()));
        for text in ["null", "1.5", "\"\"", "[1]", "18446744073709551615", "true"] {
            assert!(serde_json::from_str::<AnyUserId>(text).is_err(), "{text}");
        }
    }
}
