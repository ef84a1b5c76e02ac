//! A change of preferences: what a body names is set, what it does not name stays. `null` takes back what was set.
//!
//! Read by hand and not by `rest::Form`, for which an absent member and `null` are the same, and which has no members of
//! members.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use rest::Failure;
use serde_json::{Map, Value};
use service_kit::problem::Problem;

use super::{Channels, MOST_CATEGORIES, Preferences};
use crate::quiet::{self, DAYS, Quiet};

/// Wrong members that are told; a body can have thousands.
const MOST_TOLD: usize = 20;

/// What a body asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change(Map<String, Value>);

/// The members that are wrong.
#[derive(Default)]
struct Errors(Vec<(String, &'static str)>);

impl Errors {
    fn add(&mut self, member: impl Into<String>, message: &'static str) {
        self.0.push((member.into(), message));
    }
}

impl Change {
    /// Reads a body; one that is empty is `{}`.
    ///
    /// # Errors
    /// 400 for what is no JSON, 422 for what is no object.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        if body.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => {
                let detail = "the body is no JSON object";
                Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail))
            }
            Err(error) => {
                let detail = format!("the body is not JSON: {error}");
                Err(Failure::new(StatusCode::BAD_REQUEST, "malformed_json", detail))
            }
        }
    }

    /// Makes the change.
    ///
    /// # Errors
    /// 422 with every wrong member; then nothing is changed.
    pub(super) fn apply(&self, preferences: &mut Preferences) -> Result<(), Failure> {
        let mut errors = Errors::default();
        let mut changed = preferences.clone();
        if let Some(value) = self.0.get("categories") {
            categories(value, &mut changed.categories, &mut errors);
        }
        match self.0.get("default") {
            None => {}
            Some(Value::Null) => changed.default = Channels::default(),
            Some(value) => channels("default", value, &mut changed.default, &mut errors),
        }
        match self.0.get("quiet_hours") {
            None => {}
            Some(Value::Null) => changed.quiet_hours = None,
            Some(value) => quiet_hours(value, &mut changed.quiet_hours, &mut errors),
        }
        match self.0.get("locale") {
            None => {}
            Some(Value::Null) => changed.locale = None,
            Some(Value::String(tag)) if is_locale(tag) => changed.locale = Some(tag.clone()),
            Some(_) => errors.add("locale", "must be a language tag such as en or de-AT"),
        }
        let Some((member, message)) = errors.0.first() else {
            *preferences = changed;
            return Ok(());
        };
        let problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("{member} {message}"));
        let errors = errors.0.into_iter().take(MOST_TOLD);
        Err(Failure(errors.fold(problem, |problem, (member, message)| problem.error(member, message))))
    }
}

/// A language tag by its shape (RFC 5646 §2.1): parts of 1 to 8 letters or digits, the first of 2 to 8 letters.
fn is_locale(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    tag.len() <= 35
        && (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// As the names of categories in notifications (1–64 of `A-Z a-z 0-9 _ - . :`).
fn is_category(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
}

fn categories(value: &Value, all: &mut BTreeMap<String, Channels>, errors: &mut Errors) {
    let members = match value {
        Value::Null => return all.clear(),
        Value::Object(members) => members,
        _ => return errors.add("categories", "must be an object of categories"),
    };
    for (name, value) in members {
        if !is_category(name) {
            // The name itself may be anything and is not repeated.
            errors.add("categories", "has a name that is none: 1 to 64 of A-Z a-z 0-9 _ - . :");
            continue;
        }
        if value.is_null() {
            all.remove(name);
            continue;
        }
        let mut own = all.get(name).copied().unwrap_or_default();
        channels(&format!("categories.{name}"), value, &mut own, errors);
        if own.is_empty() {
            all.remove(name)
        } else {
            all.insert(name.clone(), own)
        };
    }
    if all.len() > MOST_CATEGORIES {
        errors.add("categories", "must not be more than 100");
    }
}

fn channels(member: &str, value: &Value, own: &mut Channels, errors: &mut Errors) {
    let Value::Object(members) = value else {
        return errors.add(member, "must be an object with in_app, push, sound");
    };
    let mut set = |name: &str, slot: &mut Option<bool>| match members.get(name) {
        None => {}
        Some(Value::Null) => *slot = None,
        Some(Value::Bool(value)) => *slot = Some(*value),
        Some(_) => errors.add(format!("{member}.{name}"), "must be true or false"),
    };
    set("in_app", &mut own.in_app);
    set("push", &mut own.push);
    set("sound", &mut own.sound);
}

fn quiet_hours(value: &Value, slot: &mut Option<Quiet>, errors: &mut Errors) {
    let Value::Object(members) = value else {
        return errors.add("quiet_hours", "must be an object, or null for none");
    };
    let before = errors.0.len();
    let old = slot.as_ref();
    let mut text =
        |name: &'static str, old: Option<&String>, is_right: fn(&str) -> bool, message: &'static str| {
            match members.get(name) {
                None => match old {
                    Some(old) => old.clone(),
                    None => {
                        errors.add(format!("quiet_hours.{name}"), "is required");
                        String::new()
                    }
                },
                Some(Value::String(text)) if is_right(text) => text.clone(),
                Some(_) => {
                    errors.add(format!("quiet_hours.{name}"), message);
                    String::new()
                }
            }
        };
    let clock = "must be a time of day from 00:00 to 23:59";
    let is_time = |text: &str| quiet::time(text).is_some();
    let start = text("start", old.map(|old| &old.start), is_time, clock);
    let end = text("end", old.map(|old| &old.end), is_time, clock);
    let known = |text: &str| quiet::zone(text).is_some();
    let zone = "must be a time zone of the IANA database, such as Europe/Berlin";
    let time_zone = text("time_zone", old.map(|old| &old.time_zone), known, zone);
    if start == end && !start.is_empty() {
        errors.add("quiet_hours.end", "must not be the start");
    }
    let enabled = match members.get("enabled") {
        None => old.is_none_or(|old| old.enabled),
        Some(Value::Bool(enabled)) => *enabled,
        Some(_) => {
            errors.add("quiet_hours.enabled", "must be true or false");
            false
        }
    };
    let days = match members.get("days") {
        None => old.and_then(|old| old.days.clone()),
        Some(Value::Null) => None,
        Some(value) => days(value, errors),
    };
    if errors.0.len() == before {
        *slot = Some(Quiet { enabled, start, end, time_zone, days });
    }
}

/// The days in the order of the week, each once; all of them are as none named.
fn days(value: &Value, errors: &mut Errors) -> Option<Vec<String>> {
    let named: Option<Vec<&str>> = value.as_array().and_then(|days| days.iter().map(Value::as_str).collect());
    let Some(named) = named.filter(|named| !named.is_empty() && named.iter().all(|day| DAYS.contains(day)))
    else {
        errors
            .add("quiet_hours.days", "must be an array of at least one of mon, tue, wed, thu, fri, sat, sun");
        return None;
    };
    let days: Vec<String> = DAYS.iter().filter(|day| named.contains(day)).map(ToString::to_string).collect();
    (days.len() < DAYS.len()).then_some(days)
}
