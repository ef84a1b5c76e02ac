//! What the rules make of an event: for each rule that looks at it, whom it addresses, and the text for each of them.
//!
//! Pure: nothing is read or stored here. A rule that can't be carried out on an event says why without telling its data, and
//! stops no other.

use std::sync::Arc;

use events::AnyUserId;
use hub_client::FeedEvent;
use minijinja::Value as Variable;
use minijinja::value::{Object, Serde};
use protocol::UserId;
use rest::{form, instant};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::file::{Data, Rule, To};
use super::text::{Text, TextError};

/// The most users that one rule tells of one event: as many as a bulk call takes.
pub(crate) const MOST_RECIPIENTS: usize = 10_000;

/// The most bytes of a notification's data (decided: 16 KiB).
const MOST_DATA: usize = 16 * 1024;

/// How deep the data may be nested: as what callers send, well within what the hub takes of the whole.
const MOST_DEPTH: usize = 64;

/// An event as the rules see it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Occasion {
    pub(crate) id: String,
    pub(crate) event_type: String,
    /// When it happened, in microseconds since 1970.
    pub(crate) at: i64,
    data: Arc<Value>,
    users: Vec<String>,
    variables: Arc<Variables>,
}

/// What templates know of an event.
#[derive(Debug)]
struct Variables {
    data: Variable,
    event: Variable,
}

/// The same for one recipient.
#[derive(Debug)]
struct ForRecipient {
    of: Arc<Variables>,
    recipient: Variable,
}

impl Object for ForRecipient {
    fn get_value(self: &Arc<Self>, key: &Variable) -> Option<Variable> {
        // A member that is `null` is there.
        if let Ok(found) = self.of.data.get_item(key)
            && !found.is_undefined()
        {
            return Some(found);
        }
        match key.as_str()? {
            "event" => Some(self.of.event.clone()),
            "data" => Some(self.of.data.clone()),
            "recipient" => Some(self.recipient.clone()),
            _ => None,
        }
    }
}

/// Why a rule makes nothing of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    /// Its condition does not hold for anybody whom it names.
    #[error("its condition does not hold")]
    Condition,
    /// It names nobody: the members are `null` or empty, or the event was addressed to no user.
    #[error("the event names nobody for it")]
    Nobody,
    /// What it would make has expired already.
    #[error("the notification would have expired already")]
    Expired,
    /// A member that says who gets it is missing.
    #[error("a member of `to` is missing")]
    MissingRecipient,
    /// A member that says who gets it holds no user.
    #[error("a member of `to` holds no user")]
    WrongRecipient,
    /// More users than it may tell.
    #[error("it names more than 10,000 users")]
    TooMany,
    /// The text or the condition can't be made.
    #[error("{0}")]
    Text(#[from] TextError),
}

impl Why {
    /// Whether the rule could not be carried out, rather than had nothing to do.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Self::Condition | Self::Nobody | Self::Expired)
    }
}

impl Occasion {
    /// Of an event of a feed. A time that can't be read is taken for `now`.
    pub(crate) fn of(event: FeedEvent, now: i64) -> Self {
        let at = instant::read(&Value::from(event.timestamp.as_str()).to_string()).unwrap_or(now);
        let told = Variable::from_pairs([
            ("id", event.id.as_str()),
            ("type", event.event_type.as_str()),
            ("timestamp", event.timestamp.as_str()),
        ]);
        let variables = Variables { data: Variable::from(Serde(&event.data)), event: told };
        Self {
            id: event.id,
            event_type: event.event_type,
            at,
            data: Arc::new(event.data),
            users: event.user_ids,
            variables: Arc::new(variables),
        }
    }

    /// The users whom a rule tells of it, each once, where its condition holds for them.
    ///
    /// # Errors
    /// Why there is nobody.
    pub(crate) fn recipients(&self, rule: &Rule, now: i64) -> Result<Vec<AnyUserId>, Why> {
        if self.expires_at(rule).is_some_and(|at| at <= now) {
            return Err(Why::Expired);
        }
        let mut found: Vec<AnyUserId> = Vec::new();
        match &rule.to {
            To::Addressed => found.extend(self.users.iter().filter_map(|text| user_of_text(text))),
            To::Members(paths) => {
                for path in paths {
                    let member = path.iter().try_fold(&*self.data, |at, name| at.get(name));
                    match member.ok_or(Why::MissingRecipient)? {
                        Value::Null => {}
                        Value::Array(items) => {
                            for item in items {
                                found.push(user(item).ok_or(Why::WrongRecipient)?);
                            }
                        }
                        one => found.push(user(one).ok_or(Why::WrongRecipient)?),
                    }
                }
            }
        }
        if found.len() > MOST_RECIPIENTS {
            return Err(Why::TooMany);
        }
        let mut seen = std::collections::HashSet::new();
        found.retain(|user| seen.insert(user.clone()));
        if found.is_empty() {
            return Err(Why::Nobody);
        }
        let mut holding = Vec::with_capacity(found.len());
        for user in found {
            if rule.texts.holds(&self.context(&user))? {
                holding.push(user);
            }
        }
        if holding.is_empty() { Err(Why::Condition) } else { Ok(holding) }
    }

    /// What a rule says to a user whose language this is.
    ///
    /// # Errors
    /// [`TextError`].
    pub(crate) fn text(&self, rule: &Rule, user: &AnyUserId, locale: &str) -> Result<Text, TextError> {
        rule.texts.render(Some(locale), &self.context(user))
    }

    /// When a notification that the rule makes of it expires.
    pub(crate) fn expires_at(&self, rule: &Rule) -> Option<i64> {
        let after = i64::try_from(rule.expires_after?.as_micros()).unwrap_or(i64::MAX);
        Some(self.at.saturating_add(after))
    }

    /// The data of a notification that the rule makes of it: an object, empty where the event's does not fit.
    pub(crate) fn data(&self, rule: &Rule) -> Box<RawValue> {
        let text = match (&rule.data, &*self.data) {
            (Data::All, Value::Object(_)) => self.data.to_string(),
            (Data::Members(names), Value::Object(members)) => {
                let chosen: Map<String, Value> = names
                    .iter()
                    .filter_map(|name| members.get(name).map(|value| (name.clone(), value.clone())))
                    .collect();
                Value::Object(chosen).to_string()
            }
            _ => String::new(),
        };
        let fits = Some(text).filter(|text| (2..=MOST_DATA).contains(&text.len()) && is_shallow(text));
        let text = fits.unwrap_or_else(|| "{}".to_owned());
        // Written by serde a moment ago, or two braces.
        RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    fn context(&self, user: &AnyUserId) -> Variable {
        let recipient = match user {
            AnyUserId::Number(id) => Variable::from(*id),
            AnyUserId::Text(id) => Variable::from(id.as_str()),
        };
        Variable::from_object(ForRecipient { of: Arc::clone(&self.variables), recipient })
    }
}

/// Whether JSON text, written by serde, is nested no deeper than [`MOST_DEPTH`].
fn is_shallow(text: &str) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth > MOST_DEPTH {
            return false;
        }
    }
    true
}

/// A user in a member of the data: a string or a whole number, as in tokens and publications.
fn user(value: &Value) -> Option<AnyUserId> {
    let id = UserId::from_json(&value.to_string()).ok()?;
    match id.is_number() {
        false => Some(AnyUserId::Text(id.as_str().to_owned())),
        true => value.as_i64().map(AnyUserId::Number),
    }
}

/// A user to whom the event was addressed, who comes as text: what the services' ids look like is taken for a number.
fn user_of_text(text: &str) -> Option<AnyUserId> {
    match form::id(text) {
        Ok(id) => Some(AnyUserId::Number(id)),
        Err(_) => UserId::from_text(text).ok().map(|id| AnyUserId::Text(id.as_str().to_owned())),
    }
}

#[cfg(test)]
mod tests;
