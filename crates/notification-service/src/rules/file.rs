//! A file of rules, read and checked once, at the start. What is wrong with it is told in one line that names the rule.
//!
//! Not here: what a template or a condition may say ([`super::text`]), and what a rule does with an event
//! ([`super::apply`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use serde::Deserialize;

use crate::notification::Priority;

use super::text::{Source, Texts};

/// The rules that hold where no file is named.
pub(crate) const BUILT_IN: &str = include_str!("built-in.toml");

/// The most rules of a file: each is a label of a metric, and is looked for with every event.
const MOST_RULES: usize = 200;

/// The most characters of a rule's name, an event's type, a category (decided: 1–64).
const MOST_NAME: usize = 64;

/// The most members that a rule names in `to` or `data`, and the most locales of its text.
const MOST_MEMBERS: usize = 32;

/// The most bytes of a file.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// The longest time after which a notification may expire.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The events that notifications themselves make: a rule for them would make notifications without end.
const OWN_EVENTS: [&str; 5] = [
    "notification",
    "notification_read",
    "notification_unread",
    "notification_deleted",
    "notification_restored",
];

/// What is wrong with a file, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RuleError(String);

/// Who gets the notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    /// Those whom the event was addressed to.
    Addressed,
    /// Those who stand in these members of its data, each a path of names.
    Members(Vec<Vec<String>>),
}

/// Which part of the event's data the notification has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// All of it, where it is an object that fits.
    All,
    /// These members, where they are there.
    Members(Vec<String>),
}

/// One rule: from an event to a notification.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name: part of what makes a notification the same, so it should stay.
    pub(crate) name: String,
    /// The type of its events; a `*` at the end stands for any rest.
    pub(crate) event: String,
    pub(crate) to: To,
    pub(crate) category: String,
    /// The notification's type; the event's where none is named.
    pub(crate) kind: Option<String>,
    pub(crate) priority: Priority,
    /// How long after the event it expires.
    pub(crate) expires_after: Option<Duration>,
    pub(crate) data: Data,
    pub(crate) texts: Texts,
}

impl Rule {
    /// Whether it looks at events of this type.
    pub(crate) fn takes(&self, event_type: &str) -> bool {
        if OWN_EVENTS.contains(&event_type) {
            return false;
        }
        match self.event.strip_suffix('*') {
            Some(beginning) => event_type.starts_with(beginning),
            None => self.event == event_type,
        }
    }
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rules: Vec<toml::Table>,
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    event: String,
    to: WrittenTo,
    #[serde(default = "general")]
    category: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    priority: Option<String>,
    expires_after: Option<String>,
    when: Option<String>,
    data: Option<Vec<String>>,
    text: BTreeMap<String, Source>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WrittenTo {
    Word(String),
    Members(Vec<String>),
}

fn general() -> String {
    "general".to_owned()
}

/// The rules of a file.
#[derive(Debug, Default)]
pub(crate) struct RuleSet {
    all: Vec<Rule>,
}

impl RuleSet {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong first.
    pub(crate) fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > MOST_BYTES {
            return Err(RuleError(format!("a file of rules has at most {MOST_BYTES} bytes")));
        }
        let file: File = toml::from_str(text).map_err(|error| RuleError(place(text, &error)))?;
        if file.rules.len() > MOST_RULES {
            return Err(RuleError(format!(
                "there are {} rules; the most are {MOST_RULES}",
                file.rules.len()
            )));
        }
        let mut names = BTreeMap::new();
        let mut all = Vec::with_capacity(file.rules.len());
        for (index, table) in file.rules.into_iter().enumerate() {
            let named =
                |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
            let name = Some(named("name")).filter(|name| !name.is_empty()).unwrap_or_else(|| named("event"));
            let title = match name.is_empty() {
                true => format!("rule {}", index + 1),
                false => format!("rule {} ({})", index + 1, shown(&name)),
            };
            let wrong = |what: String| RuleError(format!("{title}: {what}"));
            let written: Written =
                table.try_into().map_err(|error: toml::de::Error| wrong(one_line(error.message())))?;
            let rule = rule(written).map_err(wrong)?;
            match names.entry(rule.name.clone()) {
                Entry::Vacant(entry) => drop(entry.insert(index)),
                Entry::Occupied(first) => {
                    let first = first.get() + 1;
                    return Err(wrong(format!(
                        "rule {first} has this name as well; give one of them another `name`"
                    )));
                }
            }
            all.push(rule);
        }
        Ok(Self { all })
    }

    /// All of them, in the order of the file.
    pub(crate) fn all(&self) -> &[Rule] {
        &self.all
    }

    /// The types of their events, each once; a `*` at the end of one stands for any rest, and none is among another.
    pub(crate) fn event_types(&self) -> Vec<String> {
        let mut types: Vec<String> = self.all.iter().map(|rule| rule.event.clone()).collect();
        types.sort_unstable();
        types.dedup();
        let all = types.clone();
        types.retain(|one| {
            let beginning = one.strip_suffix('*').unwrap_or(one);
            !all.iter().any(|other| {
                other != one && other.strip_suffix('*').is_some_and(|wider| beginning.starts_with(wider))
            })
        });
        types
    }
}

fn rule(written: Written) -> Result<Rule, String> {
    let beginning = written.event.strip_suffix('*').unwrap_or(&written.event);
    if !written.event.ends_with('*') || !beginning.is_empty() {
        word("event", beginning)?;
    }
    if OWN_EVENTS.contains(&written.event.as_str()) {
        return Err(format!("`event`: {} is told of notifications, and makes none", written.event));
    }
    let name = written.name.unwrap_or_else(|| written.event.trim_end_matches('*').to_owned());
    word("name", if name.is_empty() { "all" } else { &name })?;
    word("category", &written.category)?;
    if let Some(kind) = &written.kind {
        word("type", kind)?;
    }
    let to = match written.to {
        WrittenTo::Word(word) if word == "addressed" => To::Addressed,
        WrittenTo::Word(_) => {
            return Err("`to` is \"addressed\", or a list of members such as [\"employer_id\"]".to_owned());
        }
        WrittenTo::Members(members) => {
            few("to", members.len())?;
            let paths = members.iter().map(|member| path(member)).collect::<Result<_, _>>()?;
            To::Members(paths)
        }
    };
    let data = match written.data {
        None => Data::All,
        Some(members) if members.is_empty() => Data::Members(members),
        Some(members) => {
            few("data", members.len())?;
            Data::Members(members)
        }
    };
    let expires_after = match &written.expires_after {
        None => None,
        Some(text) => {
            let read = service_kit::arguments::parse_duration(text).map_err(|_| {
                format!("`expires_after` is a duration such as 30m, 12h or 7d, and not {:?}", shown(text))
            })?;
            if read.is_zero() || read > LONGEST {
                return Err("`expires_after` is longer than nothing and at most 10 years".to_owned());
            }
            Some(read)
        }
    };
    if written.text.is_empty() {
        return Err("it has no text; give it at least [rules.text.en] with title and message".to_owned());
    }
    few("text", written.text.len())?;
    let priority = match &written.priority {
        None => Priority::default(),
        Some(text) => {
            let found = Priority::ALL.iter().copied().find(|priority| priority.as_str() == text);
            found.ok_or("`priority` is low, normal, high or urgent")?
        }
    };
    let texts = Texts::compile(written.text, written.when)?;
    Ok(Rule {
        name: if name.is_empty() { "all".to_owned() } else { name },
        event: written.event,
        to,
        category: written.category,
        kind: written.kind,
        priority,
        expires_after,
        data,
        texts,
    })
}

/// A name as notifications have it in `type` and `category`.
fn word(member: &str, text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    if (1..=MOST_NAME).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "`{member}` has 1 to {MOST_NAME} characters of A-Z a-z 0-9 _ - . :, unlike {:?}",
        shown(text)
    ))
}

fn few(member: &str, count: usize) -> Result<(), String> {
    match count {
        1..=MOST_MEMBERS => Ok(()),
        0 => Err(format!("`{member}` names nobody")),
        _ => Err(format!("`{member}` has {count} entries; the most are {MOST_MEMBERS}")),
    }
}

/// A dotted path.
fn path(text: &str) -> Result<Vec<String>, String> {
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    if text.len() > 200 || parts.iter().any(String::is_empty) {
        return Err(format!(
            "`to` has paths of members such as employer_id or job.owner.id, unlike {:?}",
            shown(text)
        ));
    }
    Ok(parts)
}

/// The beginning of a text that may be long.
fn shown(text: &str) -> String {
    text.chars().take(MOST_NAME).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong with the file as a whole, with the line.
fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", one_line(error.message())),
        None => one_line(error.message()),
    }
}

#[cfg(test)]
mod tests;
