//! A JSON object, read member by member, so that an answer of 422 names every wrong member and only those.
//!
//! ```
//! # use rest::{Form, Failure, form};
//! fn read(body: &[u8]) -> Result<(String, Option<String>), Failure> {
//!     let mut members = Form::parse(body)?;
//!     let title = members.required("title", form::text(1, 200));
//!     let description = members.optional("description", form::text(0, 20_000));
//!     members.finish()?;
//!     Ok((title?, description?))
//! }
//! assert_eq!(read(br#"{"title":"Walk"}"#).unwrap().0, "Walk");
//! assert_eq!(read(br#"{"title":7,"description":[]}"#).unwrap_err().0.members().len(), 2);
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::value::RawValue;
use service_kit::problem::Problem;

use crate::failure::Failure;

#[cfg(test)]
mod tests;

/// The members of an object that have not been read yet, and what was wrong with those that have.
#[derive(Debug)]
pub struct Form<'b> {
    members: BTreeMap<Cow<'b, str>, &'b RawValue>,
    errors: Vec<(&'static str, String)>,
}

/// Stands for a member that was wrong; [`Form::finish`] has told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong;

impl From<Wrong> for Failure {
    fn from(Wrong: Wrong) -> Self {
        Self(Problem::internal("a form was read and not finished"))
    }
}

impl<'b> Form<'b> {
    /// Takes an object apart. Unknown members are ignored; of one that is given twice the last counts.
    ///
    /// # Errors
    /// 400 `malformed_json` for what is no JSON at all, 422 `invalid` for JSON that is no object.
    pub fn parse(body: &'b [u8]) -> Result<Self, Failure> {
        let malformed = |detail: String| Failure::new(StatusCode::BAD_REQUEST, "malformed_json", detail);
        if body.trim_ascii().is_empty() {
            return Err(malformed("the body is empty; send a JSON object".to_owned()));
        }
        let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8".to_owned()))?;
        let whole: &RawValue = serde_json::from_str(text)
            .map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
        if !whole.get().starts_with('{') {
            let detail = "the body is no JSON object";
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail));
        }
        let members = serde_json::from_str(whole.get())
            .map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
        Ok(Self { members, errors: Vec::new() })
    }

    /// Reads a member that has to be there and not `null`.
    ///
    /// # Errors
    /// [`Wrong`]; what is wrong is told by [`Form::finish`].
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Wrong> {
        match self.optional(name, read) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(self.wrong(name, "is required")),
            Err(wrong) => Err(wrong),
        }
    }

    /// Reads a member that may be absent or `null`.
    ///
    /// # Errors
    /// [`Wrong`]; what is wrong is told by [`Form::finish`].
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Wrong> {
        match self.members.remove(name) {
            None => Ok(None),
            Some(value) if value.get() == "null" => Ok(None),
            Some(value) => match read(value.get()) {
                Ok(value) => Ok(Some(value)),
                Err(message) => Err(self.wrong(name, message)),
            },
        }
    }

    /// Says that a member is wrong, for what only several members together show.
    pub fn wrong(&mut self, name: &'static str, message: impl Into<String>) -> Wrong {
        self.errors.push((name, message.into()));
        Wrong
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 422 `invalid` with all wrong members.
    pub fn finish(self) -> Result<(), Failure> {
        invalid(self.errors)
    }
}

/// 422 `invalid` with these members, unless there are none.
///
/// # Errors
/// That one.
pub fn invalid(errors: Vec<(&'static str, String)>) -> Result<(), Failure> {
    let Some((name, message)) = errors.first() else { return Ok(()) };
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("{name} {message}"));
    Err(Failure(errors.into_iter().fold(problem, |problem, (name, message)| problem.error(name, message))))
}

/// A string of `least` to `most` characters without U+0000; what it is otherwise is data.
pub fn text(least: usize, most: usize) -> impl FnOnce(&str) -> Result<String, String> {
    move |raw| {
        let text: String = serde_json::from_str(raw).map_err(|_| "must be a string".to_owned())?;
        let length = text.chars().count();
        if length < least || length > most {
            return Err(format!("must have {least} to {most} characters"));
        }
        if text.contains('\0') {
            return Err("must not contain U+0000".to_owned());
        }
        Ok(text)
    }
}

/// One of a list of words, as its own type.
pub fn word<T: Copy>(
    words: &'static [T],
    name: fn(T) -> &'static str,
) -> impl FnOnce(&str) -> Result<T, String> {
    move |raw| {
        let text: String = serde_json::from_str(raw).unwrap_or_default();
        words.iter().copied().find(|word| name(*word) == text).ok_or_else(|| {
            let all: Vec<&str> = words.iter().map(|word| name(*word)).collect();
            format!("must be one of {}", all.join(", "))
        })
    }
}

/// An id: a whole number from 1 to 2^53 − 1 (contract: services, Everywhere).
///
/// # Errors
/// What it must be.
pub fn id(raw: &str) -> Result<i64, String> {
    // One spelling: what has a sign or leading zeros is no id.
    let plain = raw.bytes().all(|byte| byte.is_ascii_digit()) && !raw.starts_with('0');
    let id = raw.parse::<i64>().ok().filter(|id| plain && (1..=MAX_ID).contains(id));
    id.ok_or_else(|| "must be an id: a whole number from 1 to 2^53 - 1".to_owned())
}

/// The largest id: below 2^53, so that it is exact in JavaScript.
pub const MAX_ID: i64 = (1 << 53) - 1;
