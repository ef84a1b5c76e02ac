//! A rule's templates: title and message for each locale, and its condition. They are minijinja's, with the members of the
//! event's data as variables, and beside them `event` (`id`, `type`, `timestamp`), `data` as a whole and `recipient`, where no
//! member has that name.
//!
//! A template can neither include nor call anything of this machine. A render has fuel for [`FUEL`] instructions and room for
//! [`MOST_BYTES`] bytes; nothing is escaped, since notifications are plain text. A member that is missing or `null` fails where
//! it is printed, and counts as false in an `if`; `default` gives another value for it.
//!
//! | filter | what it gives |
//! |---|---|
//! | `usd` | an amount in US dollars as the locale writes it: `$1,250.00`, `1.250,00 $` |
//!
//! and minijinja's own, but for `format`, `indent`, `batch` and `slice`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde::Deserialize;

/// Instructions of one render: a text of a hundred members with their conditions takes a few thousand.
const FUEL: u64 = 50_000;

/// The most bytes that a render may give: more than the longest message has (20,000 characters of 4 bytes).
const MOST_BYTES: usize = 128 * 1024;

/// The most bytes of a template.
const MOST_TEMPLATE: usize = 64 * 1024;

/// The most characters of a title and of a message (decided: 1–200, 0–20,000); longer ones end with an ellipsis.
const MOST_TITLE: usize = 200;
const MOST_MESSAGE: usize = 20_000;

/// The locale where a rule has no text in the user's.
const FALLBACK: &str = "en";

/// The text of one locale, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    title: String,
    #[serde(default)]
    message: String,
}

/// What a user reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) title: String,
    pub(crate) message: String,
}

/// Why a text could not be made. It does not tell what the event's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextError {
    /// A variable that the event has no member for.
    #[error("a member that the text or the condition names is missing")]
    Missing,
    /// More instructions than a render may take.
    #[error("the template takes too long")]
    Fuel,
    /// More text than fits.
    #[error("the template gives too much text")]
    TooLong,
    /// A title has at least one character.
    #[error("the title is empty")]
    EmptyTitle,
    /// A filter or an operation got what it does not take.
    #[error("a member is of another kind than the template expects")]
    Kind,
}

/// The compiled templates of a rule. `Debug` tells the locales alone.
pub(crate) struct Texts {
    /// A locale in lower case, with its templates.
    locales: BTreeMap<String, Environment<'static>>,
    has_condition: bool,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.locales.keys()).finish()
    }
}

/// The names of the templates within the environment of a locale.
const TITLE: &str = "title";
const MESSAGE: &str = "message";
const WHEN: &str = "when";

impl Texts {
    /// Compiles the texts by locale, and the condition.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn compile(sources: BTreeMap<String, Source>, when: Option<String>) -> Result<Self, String> {
        let mut locales = BTreeMap::new();
        for (locale, source) in sources {
            if !is_locale(&locale) {
                return Err(format!(
                    "`text.{}`: a locale is like en or de-AT",
                    locale.chars().take(40).collect::<String>()
                ));
            }
            let mut environment = environment(&locale);
            for (name, template) in [(TITLE, source.title), (MESSAGE, source.message)] {
                if name == TITLE && template.trim().is_empty() {
                    return Err(format!("`text.{locale}.title` is empty"));
                }
                if template.len() > MOST_TEMPLATE {
                    return Err(format!("`text.{locale}.{name}` has more than {MOST_TEMPLATE} bytes"));
                }
                environment
                    .add_template_owned(name, template)
                    .map_err(|error| format!("`text.{locale}.{name}`: {}", why(&error)))?;
            }
            if let Some(when) = &when {
                environment.compile_expression(when).map_err(|error| format!("`when`: {}", why(&error)))?;
                environment
                    .add_template_owned(WHEN, format!("{{% if ({when}) %}}1{{% endif %}}"))
                    .map_err(|error| format!("`when`: {}", why(&error)))?;
            }
            let trial = trial(&environment);
            for name in [TITLE, MESSAGE, WHEN] {
                if let Some(error) = unknown(&trial, name) {
                    return Err(format!("`text.{locale}`, its {name}: {}", why(&error)));
                }
            }
            if locales.insert(locale.to_ascii_lowercase(), environment).is_some() {
                return Err(format!("`text.{locale}`: there are two texts for this locale"));
            }
        }
        Ok(Self { locales, has_condition: when.is_some() })
    }

    /// Whether the condition holds; without one it does.
    ///
    /// # Errors
    /// [`TextError`].
    pub(crate) fn holds(&self, context: &Value) -> Result<bool, TextError> {
        if !self.has_condition {
            return Ok(true);
        }
        let Some(environment) = self.locales.values().next() else { return Ok(false) };
        Ok(!render(environment, WHEN, context)?.is_empty())
    }

    /// The text for a user of this locale: its own, else that of its language, else English, else the first.
    ///
    /// # Errors
    /// [`TextError`].
    pub(crate) fn render(&self, locale: Option<&str>, context: &Value) -> Result<Text, TextError> {
        let wanted = locale.unwrap_or(FALLBACK).replace('_', "-").to_ascii_lowercase();
        let language = wanted.split('-').next().unwrap_or_default();
        let found = [wanted.as_str(), language, FALLBACK].into_iter().find_map(|name| self.locales.get(name));
        let Some(environment) = found.or_else(|| self.locales.values().next()) else {
            return Err(TextError::EmptyTitle);
        };
        let title = shortened(&render(environment, TITLE, context)?, MOST_TITLE);
        if title.is_empty() {
            return Err(TextError::EmptyTitle);
        }
        Ok(Text { title, message: shortened(&render(environment, MESSAGE, context)?, MOST_MESSAGE) })
    }
}

fn environment(locale: &str) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.remove_global("range");
    // These make as much text, or as long a list, as a number in the template says, at the price of one instruction.
    for name in ["format", "indent", "batch", "slice"] {
        environment.remove_filter(name);
    }
    let language = locale.split('-').next().unwrap_or_default().to_ascii_lowercase();
    // What is `null` is as good as missing, and truth is as JSON writes it: nobody wants to read Python's words for them.
    environment.set_formatter(|output, state, value| match value.kind() {
        ValueKind::None => Err(minijinja::Error::new(ErrorKind::UndefinedError, "a member is null")),
        ValueKind::Bool => {
            let word = if value.is_true() { "true" } else { "false" };
            minijinja::escape_formatter(output, state, &Value::from(word))
        }
        _ => minijinja::escape_formatter(output, state, value),
    });
    for name in ["default", "d"] {
        environment.add_filter(name, |value: &Value, other: Option<Value>| {
            match value.is_undefined() || value.is_none() {
                true => other.unwrap_or_else(|| Value::from("")),
                false => value.clone(),
            }
        });
    }
    environment.add_filter("usd", move |amount: Value| usd(&language, &amount));
    environment
}

/// The same templates for an event without any member.
fn trial(environment: &Environment<'static>) -> Environment<'static> {
    let mut trial = environment.clone();
    trial.set_undefined_behavior(UndefinedBehavior::Chainable);
    trial
}

/// What a template names that does not exist, as far as a render for an event without any member comes to it.
fn unknown(trial: &Environment<'_>, name: &str) -> Option<minijinja::Error> {
    let error = trial.get_template(name).ok()?.render_captured_to((), Room(Vec::new())).err()?;
    let names = [ErrorKind::UnknownFilter, ErrorKind::UnknownTest, ErrorKind::UnknownFunction];
    names.contains(&error.kind()).then_some(error)
}

fn is_locale(text: &str) -> bool {
    (2..=35).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What is wrong with a template, in one line.
fn why(error: &minijinja::Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("{detail} (its line {line})"),
        _ => detail,
    }
}

fn render(environment: &Environment<'_>, name: &str, context: &Value) -> Result<String, TextError> {
    let sorted = |error: minijinja::Error| match error.kind() {
        ErrorKind::UndefinedError => TextError::Missing,
        ErrorKind::OutOfFuel => TextError::Fuel,
        ErrorKind::WriteFailure => TextError::TooLong,
        _ => TextError::Kind,
    };
    let template = environment.get_template(name).map_err(sorted)?;
    let mut room = Room(Vec::new());
    template.render_captured_to(context.clone(), &mut room).map_err(sorted)?;
    Ok(String::from_utf8_lossy(&room.0).into_owned())
}

/// Takes at most [`MOST_BYTES`].
struct Room(Vec<u8>);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text without what no database takes (U+0000) and without spaces around it, cut to so many characters.
fn shortened(text: &str, most: usize) -> String {
    let text = text.replace('\0', "\u{fffd}");
    let text = text.trim();
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// An amount in US dollars with two decimals: a number, or its text.
fn usd(language: &str, amount: &Value) -> Result<String, minijinja::Error> {
    let wrong = || minijinja::Error::new(ErrorKind::InvalidOperation, "usd takes an amount of money");
    let number = match amount.as_str() {
        Some(text) => text.trim().parse::<f64>().ok(),
        None if amount.is_number() => f64::try_from(amount.clone()).ok(),
        None => None,
    };
    // Below 10^13 dollars a double has its cents.
    let number = number.filter(|number| number.abs() < 1e13).ok_or_else(wrong)?;
    #[expect(clippy::cast_possible_truncation, reason = "below 10^15 cents")]
    let cents = (number * 100.0).round() as i64;
    let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let digits = whole.to_string();
    let (group, point) = match language {
        "de" | "es" | "it" | "nl" | "pt" | "id" | "tr" | "da" => ('.', ','),
        "fr" | "pl" | "cs" | "ru" | "uk" | "sv" | "fi" | "nb" | "no" => ('\u{a0}', ','),
        _ => (',', '.'),
    };
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(group);
        }
        grouped.push(digit);
    }
    let sign = if cents < 0 { "-" } else { "" };
    Ok(match point {
        ',' => format!("{sign}{grouped},{rest:02}\u{a0}$"),
        _ => format!("{sign}${grouped}.{rest:02}"),
    })
}

#[cfg(test)]
mod tests;
