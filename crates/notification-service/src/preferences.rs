//! What a user wants in which category: in the app, pushed, with a sound; when they want quiet, and their language.
//!
//! A user's preferences are one row of JSON, so that making a notification costs one look by key; who never changed any has
//! none. A category's member that was not set goes by `default`, and what was not set there is on.
//!
//! Not here: the calls ([`http`]) and how their bodies are read ([`change`]); when quiet hours are ([`crate::quiet`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use actix_web::web::ServiceConfig;
use rest::Failure;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use store::{Migration, Transaction};

use crate::quiet::Quiet;

mod change;
pub(crate) mod http;

#[cfg(test)]
mod tests;

/// The tables of preferences.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 320,
    name: "preferences",
    sql: "CREATE TABLE preferences (
              user_key TEXT PRIMARY KEY,
              settings TEXT NOT NULL,
              changed_at BIGINT NOT NULL
          );",
}];

/// Categories for which one user may have preferences; chosen, beyond what a page can show.
pub(crate) const MOST_CATEGORIES: usize = 100;

/// The language of who never chose one.
pub(crate) const LOCALE: &str = "en";

/// What a user wants in a category at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether the notification is in the inbox.
    pub(crate) in_app: bool,
    /// Whether it may be pushed.
    pub(crate) push: bool,
    /// Whether it sounds; never in quiet hours.
    pub(crate) sound: bool,
    /// The end of the quiet hours that it falls into, in microseconds since 1970.
    pub(crate) quiet_until: Option<i64>,
    /// The user's language.
    pub(crate) locale: String,
}

impl Default for Standing {
    fn default() -> Self {
        Self { in_app: true, push: true, sound: true, quiet_until: None, locale: LOCALE.to_owned() }
    }
}

/// What was set for a category, or by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Channels {
    #[serde(skip_serializing_if = "Option::is_none")]
    in_app: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sound: Option<bool>,
}

impl Channels {
    /// Itself, and where it says nothing the other.
    fn or(self, other: Self) -> Self {
        Self {
            in_app: self.in_app.or(other.in_app),
            push: self.push.or(other.push),
            sound: self.sound.or(other.sound),
        }
    }

    /// Itself, and where it says nothing: on.
    fn full(self) -> Self {
        self.or(Self { in_app: Some(true), push: Some(true), sound: Some(true) })
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// All that a user has set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Preferences {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    categories: BTreeMap<String, Channels>,
    #[serde(skip_serializing_if = "is_unset")]
    default: Channels,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_hours: Option<Quiet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
}

fn is_unset(channels: &Channels) -> bool {
    channels.is_empty()
}

impl Preferences {
    /// What holds in a category at a moment.
    pub(crate) fn standing(&self, category: &str, now: i64) -> Standing {
        let channels = self.categories.get(category).copied().unwrap_or_default().or(self.default);
        let quiet_until = self.quiet_hours.as_ref().and_then(|quiet| quiet.until(now));
        Standing {
            in_app: channels.in_app.unwrap_or(true),
            push: channels.push.unwrap_or(true),
            sound: channels.sound.unwrap_or(true) && quiet_until.is_none(),
            quiet_until,
            locale: self.locale.clone().unwrap_or_else(|| LOCALE.to_owned()),
        }
    }

    /// As they are answered: every member with what holds.
    fn shown(&self) -> Shown<'_> {
        let default = self.default.full();
        let categories = self.categories.iter();
        Shown {
            categories: categories.map(|(name, own)| (name.as_str(), own.or(default))).collect(),
            default,
            quiet_hours: self.quiet_hours.as_ref(),
            locale: self.locale.as_deref().unwrap_or(LOCALE),
        }
    }
}

/// Preferences as they are answered.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    categories: BTreeMap<&'a str, Channels>,
    default: Channels,
    quiet_hours: Option<&'a Quiet>,
    locale: &'a str,
}

/// Users asked for with one statement.
const AT_ONCE: usize = 100;

/// The statement for one user, and the one for as many as [`AT_ONCE`].
static ONE: LazyLock<String> = LazyLock::new(|| select(1));
static MANY: LazyLock<String> = LazyLock::new(|| select(AT_ONCE));

fn select(users: usize) -> String {
    format!("SELECT user_key, settings FROM preferences WHERE user_key IN ({})", crate::push::places(users))
}

/// What each of these users (by the text of their ids) wants in the category beside it, in their order.
///
/// # Errors
/// What the database says.
pub(crate) async fn of(
    transaction: &mut Transaction,
    wanted: &[(&str, &str)],
    now: i64,
) -> Result<Vec<Standing>, Failure> {
    let mut known: HashMap<String, Preferences> = HashMap::new();
    for users in wanted.chunks(AT_ONCE) {
        let sql = if users.len() == 1 { &*ONE } else { &*MANY };
        let mut query = sqlx::query_as::<_, (String, String)>(AssertSqlSafe(sql.as_str()));
        for (user, _) in filled(users, if users.len() == 1 { 1 } else { AT_ONCE }) {
            query = query.bind(*user);
        }
        for (user, settings) in query.fetch_all(&mut **transaction).await? {
            known.insert(user, parse(&settings)?);
        }
    }
    let none = Preferences::default();
    let standing =
        |(user, category): &(&str, &str)| known.get(*user).unwrap_or(&none).standing(category, now);
    Ok(wanted.iter().map(standing).collect())
}

/// The items, and the last of them again and again until there are as many as a statement has places.
pub(crate) fn filled<T>(items: &[T], places: usize) -> impl Iterator<Item = &T> {
    items.iter().chain(items.last().into_iter().cycle()).take(places)
}

/// All that a user has set.
///
/// # Errors
/// What the database says.
pub(crate) async fn read<'e>(
    database: impl sqlx::Executor<'e, Database = sqlx::Any>,
    user_key: &str,
) -> sqlx::Result<Preferences> {
    let found: Option<String> = sqlx::query_scalar("SELECT settings FROM preferences WHERE user_key = $1")
        .bind(user_key.to_owned())
        .fetch_optional(database)
        .await?;
    found.map_or_else(|| Ok(Preferences::default()), |settings| parse(&settings))
}

fn parse(settings: &str) -> sqlx::Result<Preferences> {
    serde_json::from_str(settings).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Adds `/preferences` to the scope `/api/notifications`.
pub(crate) fn configure(config: &mut ServiceConfig) {
    http::configure(config);
}
