//! Rules: notifications that are made from events of the hub, without a line of code.
//!
//! A rule names an event's type, whom it tells, and what it says in which language. The rules are read once, at the start,
//! and a wrong file stops it. The events come from a feed of the hub, which has to carry their types.
//!
//! | module | what it is |
//! |---|---|
//! | `file` | a file of rules, read and checked; `built-in.toml` are those that hold by default |
//! | `text` | templates of titles, messages and conditions |
//! | `apply` | what the rules make of an event |
//! | `follow` | the feed, and how each event is carried out exactly once |
//! | `table` | the rows |
//!
//! Not here: what a user wants to hear of, which `inbox::store_many` asks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hub_client::{FeedPage, FeedPosition};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use rest::operations::{Health, State};
use serde_json::json;
use service_kit::settings::SettingsError;
use store::Store;

pub(crate) use file::RuleSet;
pub(crate) use table::MIGRATIONS;

mod apply;
pub(crate) mod file;
mod follow;
pub(crate) mod table;
mod text;

pub use follow::FEED;
pub(crate) use follow::run;

/// What was made of an event that no rule made anything of is remembered for so long, in microseconds: a week, as long as the
/// hub keeps the feed.
const LOOKS_KEPT: i64 = 7 * 86_400 * 1_000_000;

/// The rules' own flags.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct RulesFlags {
    /// The rules by which notifications are made from events of the hub.
    ///
    /// Values: the path of a TOML file.
    ///
    /// Unset: rules for PayChain's jobs and payments and for uploads, which --print-rules prints.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "FILE", value_parser = read, help_heading = "Notifications")]
    pub notification_rules: Option<RulesSettings>,

    /// Print the rules that hold by default, to begin a file of one's own with, and exit.
    #[arg(long, help_heading = "Process")]
    pub print_rules: bool,
}

impl RulesFlags {
    /// The types of the events that the rules need ([`RulesSettings::event_types`]).
    #[must_use]
    pub fn event_types(&self) -> Vec<String> {
        self.notification_rules.clone().unwrap_or_default().event_types()
    }

    /// Puts them into the settings.
    ///
    /// # Errors
    /// One that can't be used.
    pub fn apply(&self, settings: &mut RulesSettings) -> Result<(), SettingsError> {
        if let Some(rules) = &self.notification_rules {
            *settings = rules.clone();
        }
        Ok(())
    }
}

/// The rules that hold by default, as the text of a file.
pub const BUILT_IN_RULES: &str = file::BUILT_IN;

/// Which rules there are: those that are built in by default. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RulesSettings {
    rules: Option<Arc<RuleSet>>,
}

impl RulesSettings {
    /// Rules from the text of a file.
    ///
    /// # Errors
    /// What is wrong with it, in one line that names the rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules = RuleSet::parse(text).map_err(|error| error.to_string())?;
        Ok(Self { rules: Some(Arc::new(rules)) })
    }

    /// The types of the events that the rules need, each once; a `*` at the end of one stands for any rest. The hub's feed
    /// `notifications` has to have them.
    #[must_use]
    pub fn event_types(&self) -> Vec<String> {
        match &self.rules {
            Some(rules) => rules.event_types(),
            None => RuleSet::parse(BUILT_IN_RULES).map(|rules| rules.event_types()).unwrap_or_default(),
        }
    }
}

/// Reads the file that `NOTIFICATION_RULES` names.
fn read(path: &str) -> Result<RulesSettings, String> {
    let path = PathBuf::from(path);
    let text = text(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    RulesSettings::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn text(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > file::MOST_BYTES as u64 {
        return Err(format!("a file of rules has at most {} bytes", file::MOST_BYTES));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// What became of a rule on an event, for one user or on the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A notification was made.
    Made,
    /// There was nothing to tell.
    Nothing,
    /// The rule could not be carried out.
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
        }
    }
}

/// How the feed is.
#[derive(Debug, Clone, Default)]
struct Feed {
    is_following: bool,
    /// The last trouble, while there is one.
    trouble: Option<String>,
    /// Types of rules that the feed does not have.
    missing: Vec<String>,
}

/// The rules, read, and how the feed is. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rules {
    set: Arc<RuleSet>,
    feed: Arc<Mutex<Feed>>,
    carried: IntCounterVec,
    failures: IntCounter,
    lost: IntCounter,
    behind: IntGauge,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("rules", &self.set.all().len()).finish_non_exhaustive()
    }
}

impl Rules {
    /// Makes them ready; nothing runs yet.
    ///
    /// # Errors
    /// The registry has the metrics already.
    pub(crate) fn new(settings: RulesSettings, registry: &Registry) -> anyhow::Result<Self> {
        let set = match settings.rules {
            Some(rules) => rules,
            None => Arc::new(RuleSet::parse(BUILT_IN_RULES)?),
        };
        let carried = IntCounterVec::new(
            Opts::new(
                "fanfare_notification_rules_total",
                "Events that rules looked at, by rule and by what came of it (made: for each notification)",
            ),
            &["rule", "outcome"],
        )?;
        let failures = IntCounter::new(
            "fanfare_notification_feed_failures_total",
            "Times that the hub's feed could not be read or carried out",
        )?;
        let lost = IntCounter::new(
            "fanfare_notification_feed_lost_total",
            "Times that the hub's feed did not go on where it was left, so that events may be missing",
        )?;
        let behind = IntGauge::new(
            "fanfare_notification_feed_behind",
            "Events of the hub's feed that wait to be read",
        )?;
        registry.register(Box::new(carried.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(lost.clone()))?;
        registry.register(Box::new(behind.clone()))?;
        Ok(Self { set, feed: Arc::default(), carried, failures, lost, behind })
    }

    /// The rules.
    fn set(&self) -> &RuleSet {
        &self.set
    }

    fn feed(&self) -> std::sync::MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, rule: &str, outcome: Outcome) {
        self.carried.with_label_values(&[rule, outcome.as_str()]).inc();
    }

    fn is_following(&self) -> bool {
        self.feed().is_following
    }

    /// The feed could not be read, or not carried out.
    fn trouble(&self, why: &str) {
        self.failures.inc();
        let mut feed = self.feed();
        if feed.trouble.is_none() {
            tracing::warn!(
                why,
                "the hub's feed can't be followed: events wait, and are tried again until it gets through"
            );
        }
        feed.trouble = Some(why.to_owned());
        feed.is_following = false;
    }

    /// The hub answered with a page of a feed that has these types.
    fn following(&self, types: &[String]) {
        let wanted = self.set.event_types();
        let missing: Vec<String> = wanted.into_iter().filter(|wanted| !is_covered(wanted, types)).collect();
        let mut feed = self.feed();
        if feed.trouble.take().is_some() {
            tracing::info!("the hub's feed is followed again");
        }
        if !missing.is_empty() && feed.missing != missing {
            let types = missing.join(", ");
            tracing::warn!(
                types,
                "the hub's feed does not have the types of some rules, which will never be carried out"
            );
        }
        feed.missing = missing;
        feed.is_following = true;
    }

    /// The feed does not go on where it was left.
    fn lost(&self, from: &FeedPosition, page: &FeedPage) {
        self.lost.inc();
        let (epoch, offset) = (&from.epoch, from.offset);
        let oldest = page.events.first().map(|event| event.offset);
        tracing::warn!(
            epoch,
            offset,
            new_epoch = page.next.epoch,
            oldest,
            "the hub's feed does not go on where it was left: events may have made no notifications"
        );
    }

    fn behind(&self, events: u64) {
        self.behind.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// Adds how the feed is to the service's health: `feed`.
    pub(crate) fn health(&self, health: Health) -> Health {
        if self.set.all().is_empty() {
            return health;
        }
        let feed = self.feed().clone();
        if let Some(why) = feed.trouble {
            return health.and("feed", State::Degraded, json!({"state": "away", "why": why}));
        }
        if !feed.missing.is_empty() {
            let told = json!({"state": "incomplete", "missing_types": feed.missing});
            return health.and("feed", State::Degraded, told);
        }
        let state = if feed.is_following { "following" } else { "starting" };
        health.and("feed", State::Healthy, json!({"state": state}))
    }
}

/// Whether a feed of these types has all events of a rule's type.
fn is_covered(wanted: &str, types: &[String]) -> bool {
    let beginning = wanted.strip_suffix('*').unwrap_or(wanted);
    types.iter().any(|has| match has.strip_suffix('*') {
        Some(rest) => beginning.starts_with(rest),
        None => has == wanted,
    })
}

/// Deletes what is too old to be told, at `now`, where notifications are kept for `retention` (both in microseconds): some
/// of it. Whether there is more.
///
/// # Errors
/// What the database says.
pub(crate) async fn prune(store: &Store, now: i64, retention: i64) -> sqlx::Result<bool> {
    let looks = crate::ledger::first_id(now.saturating_sub(LOOKS_KEPT));
    let made = crate::ledger::first_id(now.saturating_sub(retention.max(LOOKS_KEPT)));
    table::prune(store, &looks, &made).await
}

#[cfg(test)]
mod tests;
