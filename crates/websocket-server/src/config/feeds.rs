//! Feeds: which events services may read by position (`docs/feeds.md`).
//!
//! A feed is a table `[[feeds]]` of the configuration file, or made by a program that holds the hub and a service. Not
//! here: what a feed keeps (the engine's `feeds`), and how it is read (`crate::feeds`).

use std::num::NonZeroUsize;

use hub::feeds::Feed;
use service_kit::settings::values;

use super::types;

#[cfg(test)]
mod tests;

/// The most feeds: each is a stream of its own, and a back end has few that read them.
pub const MOST_FEEDS: usize = 16;

/// The longest name, in bytes.
const MOST_NAME: usize = 64;

/// All feeds of the configuration, and the bound of their readers.
#[derive(Debug, Clone)]
pub struct Feeds {
    /// The feeds; no two have the same name.
    pub feeds: Vec<Feed>,
    /// Readers that may wait for events at once.
    pub waiting: NonZeroUsize,
}

impl Feeds {
    /// Adds a feed, unless there is one with its name: that of the configuration file is meant instead.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn offer(&mut self, name: &str, types: &[&str]) -> Result<(), String> {
        let feed = Feed { name: name.into(), types: types.iter().map(|&one| one.into()).collect() };
        check(&feed)?;
        if self.feeds.iter().any(|other| other.name == feed.name) {
            return Ok(());
        }
        if self.feeds.len() >= MOST_FEEDS {
            return Err(format!("there are at most {MOST_FEEDS} feeds"));
        }
        self.feeds.push(feed);
        Ok(())
    }
}

/// The flags of [`Feeds`].
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Feeds")]
pub(super) struct FeedFlags {
    /// Readers of feeds that may wait for events at once; one more is answered 503.
    ///
    /// Values: a whole number from 1 to 10000.
    ///
    /// Source: chosen; each is an HTTP connection of a service.
    #[arg(long, env, value_name = "COUNT", default_value = "64", value_parser = values::count(10_000))]
    feeds_max_waiting: NonZeroUsize,
}

/// A table `[[feeds]]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedTable {
    name: String,
    types: Vec<String>,
}

/// The feeds of a configuration file.
///
/// # Errors
/// A table is wrong: its line, and what is wrong with it.
pub(super) fn assemble(flags: &FeedFlags, tables: Vec<(usize, FeedTable)>) -> Result<Feeds, (usize, String)> {
    let mut feeds = Feeds { feeds: Vec::new(), waiting: flags.feeds_max_waiting };
    for (line, FeedTable { name, types }) in tables {
        let is_known = feeds.feeds.iter().any(|feed| *feed.name == *name);
        if is_known {
            return Err((line, format!("the feed {name} stands there twice")));
        }
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        feeds.offer(&name, &types).map_err(|message| (line, message))?;
    }
    Ok(feeds)
}

fn check(feed: &Feed) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !(1..=MOST_NAME).contains(&feed.name.len()) || !feed.name.bytes().all(plain) {
        return Err(format!("name has 1 to {MOST_NAME} of A-Z a-z 0-9 _ - ."));
    }
    types::check(&feed.types)
}
