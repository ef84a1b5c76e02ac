//! Lists: `{items, next}`, newest first by id, with an opaque cursor (contract: services, Everywhere).
//!
//! A cursor names the list that it is from, with its filters, and the last id that was shown. One of another list is
//! foreign, and refused.

use actix_web::HttpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::form::MAX_ID;

#[cfg(test)]
mod tests;

/// Items of a page where nothing is asked for.
pub const DEFAULT_LIMIT: i64 = 20;

/// The most items of a page.
pub const MAX_LIMIT: i64 = 100;

/// Bytes of a cursor's digest of its list: enough to tell lists apart; a cursor protects nothing.
const DIGEST: usize = 8;

/// The query's parameters, decoded; of one that is given twice the last counts.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Of a request.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        Self(
            actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string())
                .map(actix_web::web::Query::into_inner)
                .unwrap_or_default(),
        )
    }

    /// A parameter that is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only items with a lower id.
    pub before: i64,
    /// So many of them at most.
    pub limit: i64,
    list: [u8; DIGEST],
}

/// A page, as it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct List<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// The cursor of what follows; `null` on the last page.
    pub next: Option<String>,
}

impl Page {
    /// Reads `limit` and `cursor`. `list` names the list, the caller where it is theirs, and every filter.
    ///
    /// What is wrong is added to `errors`, so that a refusal names all parameters at once.
    pub fn of(query: &Query, list: &[&str], errors: &mut Vec<(&'static str, String)>) -> Self {
        let mut digest = Sha256::new();
        for part in list {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let mut list = [0; DIGEST];
        list.copy_from_slice(&digest.finalize()[..DIGEST]);
        let limit = match query.get("limit").map(str::parse::<i64>) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                errors.push(("limit", format!("must be a whole number from 1 to {MAX_LIMIT}")));
                DEFAULT_LIMIT
            }
        };
        let before = match query.get("cursor").map(|cursor| read(cursor, list)) {
            None => MAX_ID,
            Some(Some(before)) => before,
            Some(None) => {
                errors.push(("cursor", "is not from this list".to_owned()));
                MAX_ID
            }
        };
        Self { before, limit, list }
    }

    /// How many rows to read: one more than shown, which tells whether there is a next page.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// Makes the answer of the rows that were read.
    #[must_use]
    pub fn list<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> i64) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| {
            let mut bytes = self.list.to_vec();
            bytes.extend_from_slice(&id(last).to_be_bytes());
            URL_SAFE_NO_PAD.encode(bytes)
        });
        List { items: rows, next }
    }
}

fn read(cursor: &str, list: [u8; DIGEST]) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (from, id) = bytes.split_at_checked(DIGEST)?;
    let id = i64::from_be_bytes(id.try_into().ok()?);
    (from == list && (1..=MAX_ID).contains(&id)).then_some(id)
}
