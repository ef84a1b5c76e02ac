//! The configuration file (`FANFARE_CONFIG`, TOML): channel rules, API keys, endpoints, namespaces,
//! hooks of both kinds and feeds.
//!
//! What a rule means is the engine's (`hub::rules`); limits and everything else are flags. An unknown member is
//! an error with its line, since a rule with a slip in it would otherwise silently protect nothing.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use hub::rules::{ChannelRule, HistoryRule, PublishRule, SubscribeRule};
use protocol::ChannelPattern;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use service_kit::arguments::parse_duration;
use toml::Spanned;

use super::deliveries::DeliveryTable;
use super::endpoints::EndpointTable;
use super::feeds::FeedTable;
use super::hooks::HookTable;
use super::keys::{ApiKey, KeyTable};
use super::namespaces::NamespaceTable;
use service_kit::settings::values::cause;

#[cfg(test)]
mod tests;

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) rules: Vec<ChannelRule>,
    pub(super) api_keys: Vec<ApiKey>,
    /// With their lines.
    pub(super) endpoints: Vec<(usize, EndpointTable)>,
    /// With their lines.
    pub(super) namespaces: Vec<(usize, NamespaceTable)>,
    /// With their lines.
    pub(super) hooks: Vec<(usize, HookTable)>,
    /// With their lines.
    pub(super) delivery_hooks: Vec<(usize, DeliveryTable)>,
    /// With their lines.
    pub(super) feeds: Vec<(usize, FeedTable)>,
}

/// Reads and checks the file at `path`. An error is one line that begins with the path and the line number.
pub(super) fn read(path: &Path) -> Result<File, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{shown}: it can't be read ({})", cause(&error)))?;
    parse(&text, path.parent().unwrap_or(Path::new("."))).map_err(|fault| match fault.line {
        Some(line) => format!("{shown}:{line}: {}", fault.message),
        None => format!("{shown}: {}", fault.message),
    })
}

/// What is wrong with the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Counted from 1.
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

/// Reads the text of a file that stands in `folder`.
pub(super) fn parse(text: &str, folder: &Path) -> Result<File, Fault> {
    let line_at = |byte: usize| text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count() + 1;
    let tables: Tables = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_at(span.start));
        let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
        let member = line.and_then(|line| text.lines().nth(line - 1)).and_then(member_on);
        let message = match member {
            // The reader repeats what it can't take, and this must not be repeated.
            Some("secret") => "secret takes a text in quotes".to_owned(),
            Some(member) if !message.contains(member) => format!("{message} (at {member})"),
            _ => message,
        };
        Fault { line, message }
    })?;
    let mut file = File::default();
    for table in tables.channels {
        let line = Some(line_at(table.span().start));
        file.rules.push(table.into_inner().into_rule().map_err(|message| Fault { line, message })?);
    }
    for table in tables.api_keys {
        let line = Some(line_at(table.span().start));
        file.api_keys.push(table.into_inner().into_key(folder).map_err(|message| Fault { line, message })?);
    }
    for table in tables.endpoints {
        file.endpoints.push((line_at(table.span().start), table.into_inner()));
    }
    for table in tables.namespaces {
        file.namespaces.push((line_at(table.span().start), table.into_inner()));
    }
    for table in tables.hooks {
        file.hooks.push((line_at(table.span().start), table.into_inner()));
    }
    for table in tables.delivery_hooks {
        file.delivery_hooks.push((line_at(table.span().start), table.into_inner()));
    }
    for table in tables.feeds {
        file.feeds.push((line_at(table.span().start), table.into_inner()));
    }
    Ok(file)
}

/// The member that a line of the file sets.
fn member_on(line: &str) -> Option<&str> {
    let member = line.split_once('=')?.0.trim();
    let plain = !member.is_empty()
        && member.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    plain.then_some(member)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default)]
    channels: Vec<Spanned<RuleTable>>,
    #[serde(default)]
    api_keys: Vec<Spanned<KeyTable>>,
    #[serde(default)]
    endpoints: Vec<Spanned<EndpointTable>>,
    #[serde(default)]
    namespaces: Vec<Spanned<NamespaceTable>>,
    #[serde(default)]
    hooks: Vec<Spanned<HookTable>>,
    #[serde(default)]
    delivery_hooks: Vec<Spanned<DeliveryTable>>,
    #[serde(default)]
    feeds: Vec<Spanned<FeedTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    pattern: Pattern,
    subscribe: Option<Subscribe>,
    publish: Option<Publish>,
    history: Option<History>,
}

impl RuleTable {
    fn into_rule(self) -> Result<ChannelRule, String> {
        let pattern = self.pattern.0;
        if let Some(Subscribe(SubscribeRule::User(template))) = &self.subscribe
            && template.contains("{rest}")
            && !pattern.as_str().contains('*')
        {
            return Err(format!("subscribe wants {{rest}}, and the pattern {} has no *", pattern.as_str()));
        }
        if self.subscribe.is_none() && self.publish.is_none() && self.history.is_none() {
            return Err(format!(
                "the rule for {} answers none of subscribe, publish and history",
                pattern.as_str()
            ));
        }
        Ok(ChannelRule {
            pattern,
            subscribe: self.subscribe.map(|rule| rule.0),
            publish: self.publish.map(|rule| rule.0),
            history: self.history.map(|rule| rule.0),
        })
    }
}

struct Pattern(ChannelPattern);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        ChannelPattern::new(&text).map(Self).map_err(D::Error::custom)
    }
}

struct Subscribe(SubscribeRule);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscribeTable {
    user_type: Option<Vec<String>>,
    user: Option<String>,
}

impl<'de> Deserialize<'de> for Subscribe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = SubscribeRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "subscribe as \"anyone\", \"signed-in\", \"nobody\", { user_type = [\"…\"] } or { user = \"{rest}\" }",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SubscribeRule, E> {
                match text {
                    "anyone" => Ok(SubscribeRule::Anyone),
                    "signed-in" => Ok(SubscribeRule::SignedIn),
                    "nobody" => Ok(SubscribeRule::Nobody),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SubscribeRule, A::Error> {
                let table = SubscribeTable::deserialize(MapAccessDeserializer::new(map))?;
                match (table.user_type, table.user) {
                    (Some(types), None) if types.is_empty() || types.iter().any(String::is_empty) => {
                        Err(A::Error::custom("user_type lists nothing, or an empty type"))
                    }
                    (Some(types), None) => Ok(SubscribeRule::UserTypes(types)),
                    (None, Some(template)) if valid_template(&template) => Ok(SubscribeRule::User(template)),
                    (None, Some(_)) => {
                        Err(A::Error::custom("user takes a user id, or {rest} for what * matched"))
                    }
                    _ => Err(A::Error::custom("exactly one of user_type and user is to be given")),
                }
            }
        }

        deserializer.deserialize_any(Reader).map(Self)
    }
}

/// Whether nothing but `{rest}` stands in braces.
fn valid_template(template: &str) -> bool {
    !template.is_empty() && !template.replace("{rest}", "").contains(['{', '}'])
}

struct Publish(PublishRule);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishTable {
    keys: Vec<String>,
}

impl<'de> Deserialize<'de> for Publish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = PublishRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("publish as \"anyone\", \"nobody\" or { keys = [\"…\"] }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PublishRule, E> {
                match text {
                    "anyone" => Ok(PublishRule::Anyone),
                    "nobody" => Ok(PublishRule::Nobody),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PublishRule, A::Error> {
                let table = PublishTable::deserialize(MapAccessDeserializer::new(map))?;
                if table.keys.is_empty() {
                    return Err(A::Error::custom("keys lists nothing; \"nobody\" says so"));
                }
                Ok(PublishRule::Keys(table.keys))
            }
        }

        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct History(HistoryRule);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryTable {
    #[serde(default = "default_size")]
    size: u32,
    #[serde(default)]
    age: Age,
    #[serde(default)]
    durable: bool,
}

/// Events that a stream keeps unless a rule says otherwise (protocol, channel rules).
const fn default_size() -> u32 {
    1_000
}

/// As `10m`, or a number of seconds.
#[derive(Debug)]
pub(super) struct Age(pub(super) Duration);

impl Default for Age {
    /// What a stream keeps unless a rule says otherwise (protocol, channel rules).
    fn default() -> Self {
        Self(Duration::from_secs(600))
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration above zero, such as \"10m\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                let age = parse_duration(text).ok().filter(|age| !age.is_zero());
                age.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
                let age = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
                age.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(seconds), &self))
            }
        }

        deserializer.deserialize_any(Reader).map(Self)
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let HistoryTable { size, age, durable } = HistoryTable::deserialize(deserializer)?;
        Ok(Self(HistoryRule { size, age: age.0, durable }))
    }
}
