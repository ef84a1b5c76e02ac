//! Following the hub's feed: from its events to notifications, each exactly once.
//!
//! The position stands in the database and moves in the transaction that makes the notifications, so neither a crash of this
//! side nor one of the hub loses an event or makes a notification twice. What was made of an event is remembered besides, by
//! event, rule and user: where the hub lost its feed, what comes again makes nothing again. Several instances may follow; who
//! finds the position moved begins anew from it.
//!
//! Bounds: a page of at most [`PAGE`] events (and 1 MiB, by the hub), at most [`AT_ONCE`] of what they make in a transaction. An
//! event that the database refuses to make anything of is set aside as failed, and stops no other.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use events::AnyUserId;
use hub_client::{FeedEvent, FeedPage, FeedPosition, PublishError};
use rest::Failure;
use service_kit::shutdown::Token;
use service_kit::telemetry::LogLimiter;

use super::apply::Occasion;
use super::file::Rule;
use super::table::{self, Key, Look, Made};
use super::{Outcome, Rules};
use crate::desk::Desk;
use crate::notification::{Draft, Maker};
use crate::{inbox, preferences};

/// The name of the hub's feed that has the events which notifications are made from.
pub const FEED: &str = "notifications";

/// Events of a page.
const PAGE: u32 = 500;

/// Notifications of a transaction: some milliseconds on SQLite, so that calls do not wait behind an event for thousands.
const AT_ONCE: usize = 100;

/// How long the hub is asked to wait for the next event.
const WAIT: Duration = Duration::from_secs(25);

/// Waits between tries while the hub is away: a restart is over in a second, an outage is asked about now and then.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest wait where the hub refuses the feed: somebody has to change a setting.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

/// At the very first start older events are passed over, in microseconds (decided: 1 h): nobody wants a bell full of last
/// week's news.
const NEWS: i64 = 3_600 * 1_000_000;

/// Lines about rules that fail per second; the counters tell the rest.
static FAILED: LogLimiter = LogLimiter::new(5);

/// Why a page could not be carried out.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Hub(#[from] PublishError),
    #[error("the database: {0}")]
    Store(#[from] sqlx::Error),
    #[error("{0}")]
    Failure(Failure),
}

/// A step of carrying out a page, in the order of the feed.
#[derive(Debug, Clone)]
enum Step {
    /// A rule tells a user of an event.
    Tell { occasion: Occasion, rule: usize, user: AnyUserId },
    /// A rule looked at an event and has nothing to tell.
    Look(Look),
    /// All of the event with this offset is done.
    Done(u64),
}

/// Whether a step was the last look at the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Carried,
    /// Another instance was ahead.
    Overtaken,
}

/// Makes notifications from the hub's feed until `shutdown` begins.
pub(crate) async fn run(desk: &Desk, mut shutdown: Token) {
    if desk.rules.set().all().is_empty() {
        shutdown.begun().await;
        return;
    }
    let backoff = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LONGEST_WAIT)
        .without_max_times();
    let mut delays = backoff.build();
    loop {
        let turn = tokio::select! {
            () = shutdown.begun() => return,
            turn = turn(desk) => turn,
        };
        let Err(trouble) = turn else {
            delays = backoff.build();
            continue;
        };
        desk.rules.trouble(&trouble.to_string());
        let is_refused = matches!(&trouble, Trouble::Hub(error) if !error.is_temporary());
        let wait = if is_refused { REFUSED_WAIT } else { delays.next().unwrap_or(LONGEST_WAIT) };
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Reads a page and carries it out.
async fn turn(desk: &Desk) -> Result<(), Trouble> {
    let rules = &desk.rules;
    let from = table::position(&desk.store, FEED).await?;
    // An answer that says at once whether the hub is there, before the first long wait.
    let wait = if rules.is_following() { WAIT } else { Duration::ZERO };
    let page = desk.hub.feed(FEED, from.as_ref(), PAGE, wait).await?;
    rules.following(&page.types);
    let is_first_ever = from.is_none();
    let mut at = match from {
        Some(from) if page.recovered => from,
        from => {
            if let Some(from) = &from {
                rules.lost(from, &page);
            }
            let Some(at) = begin(desk, from, &page).await? else { return Ok(()) };
            at
        }
    };
    let now = desk.clock.now();
    let next = page.next.clone();
    rules.behind(page.end.saturating_sub(next.offset));
    let mut steps = Vec::new();
    let mut events = page.events.into_iter().peekable();
    while let Some(event) = events.next() {
        let is_news = |occasion: &Occasion| !is_first_ever || occasion.at >= now - NEWS;
        plan(rules, event, now, is_news, &mut steps);
        // What is planned of one event is carried out before much more is.
        if steps.len() >= AT_ONCE || events.peek().is_none() {
            for steps in in_turns(std::mem::take(&mut steps)) {
                if carry_out(desk, &mut at, &steps).await? == Turn::Overtaken {
                    return Ok(());
                }
            }
        }
    }
    if at.offset < next.offset {
        // What the feed passed over.
        carry_out(desk, &mut at, &[Step::Done(next.offset)]).await?;
    }
    Ok(())
}

/// Sets the position before the first event of a page: where there was none yet, or the feed is another one.
async fn begin(
    desk: &Desk,
    from: Option<FeedPosition>,
    page: &FeedPage,
) -> Result<Option<FeedPosition>, Trouble> {
    let offset = page.events.first().map_or(page.next.offset, |first| first.offset.saturating_sub(1));
    let to = FeedPosition { epoch: page.next.epoch.clone(), offset };
    let mut transaction = desk.store.begin().await?;
    let is_ours = table::advance(&mut transaction, FEED, from.as_ref(), &to, desk.clock.now()).await?;
    transaction.commit().await?;
    Ok(is_ours.then_some(to))
}

/// What is to be done about an event.
fn plan(
    rules: &Rules,
    event: FeedEvent,
    now: i64,
    is_wanted: impl FnOnce(&Occasion) -> bool,
    steps: &mut Vec<Step>,
) {
    let offset = event.offset;
    let looking: Vec<(usize, &Rule)> =
        rules.set().all().iter().enumerate().filter(|(_, rule)| rule.takes(&event.event_type)).collect();
    if !looking.is_empty() {
        let occasion = Occasion::of(event, now);
        if is_wanted(&occasion) {
            for (index, rule) in looking {
                match occasion.recipients(rule, now) {
                    Ok(users) => {
                        let tell = |user| Step::Tell { occasion: occasion.clone(), rule: index, user };
                        steps.extend(users.into_iter().map(tell));
                    }
                    Err(why) => {
                        let outcome = if why.is_failure() { Outcome::Failed } else { Outcome::Nothing };
                        steps.push(Step::Look(look(rules, &occasion, rule, outcome, &why.to_string(), now)));
                    }
                }
            }
        }
    }
    steps.push(Step::Done(offset));
}

/// Counts that a rule made nothing of an event, and what is written down of it.
fn look(rules: &Rules, occasion: &Occasion, rule: &Rule, outcome: Outcome, why: &str, now: i64) -> Look {
    rules.count(&rule.name, outcome);
    if outcome == Outcome::Failed
        && let Some(suppressed) = FAILED.allow()
    {
        let (rule, event_id) = (&rule.name, &occasion.id);
        tracing::warn!(rule, event_id, why, suppressed, "a rule could not be carried out on an event");
    }
    Look {
        event_id: occasion.id.clone(),
        rule: rule.name.clone(),
        event_type: occasion.event_type.clone(),
        outcome: why.to_owned(),
        looked_at: now,
    }
}

/// Cuts the steps into transactions.
fn in_turns(steps: Vec<Step>) -> Vec<Vec<Step>> {
    let (mut turns, mut turn, mut rows) = (Vec::new(), Vec::new(), 0);
    for step in steps {
        rows += usize::from(!matches!(step, Step::Done(_)));
        turn.push(step);
        if rows >= AT_ONCE {
            turns.push(std::mem::take(&mut turn));
            rows = 0;
        }
    }
    turns.extend(Some(turn).filter(|turn| !turn.is_empty()));
    turns
}

/// Carries out steps in one transaction; where that can never succeed, event by event, and sets aside what is at fault.
async fn carry_out(desk: &Desk, at: &mut FeedPosition, steps: &[Step]) -> Result<Turn, Trouble> {
    match transact(desk, at, steps).await {
        Err(Trouble::Failure(failure)) if !is_temporary(&failure) => {}
        result => return result,
    }
    for one in steps.split_inclusive(|step| matches!(step, Step::Done(_))) {
        let turn = match transact(desk, at, one).await {
            Err(Trouble::Failure(failure)) if !is_temporary(&failure) => {
                tracing::error!(%failure, "an event of the feed is set aside: nothing can be made of it");
                let now = desk.clock.now();
                let without: Vec<Step> = one
                    .iter()
                    .map(|step| match step {
                        Step::Tell { occasion, rule, .. } => {
                            let rule = &desk.rules.set().all()[*rule];
                            let why = "the notification could not be stored";
                            Step::Look(look(&desk.rules, occasion, rule, Outcome::Failed, why, now))
                        }
                        other => other.clone(),
                    })
                    .collect();
                transact(desk, at, &without).await?
            }
            turn => turn?,
        };
        if turn == Turn::Overtaken {
            return Ok(turn);
        }
    }
    Ok(Turn::Carried)
}

/// Whether the same may succeed later. What the database says otherwise, it says for ever.
fn is_temporary(failure: &Failure) -> bool {
    failure.0.status() == actix_web::http::StatusCode::SERVICE_UNAVAILABLE
}

async fn transact(desk: &Desk, at: &mut FeedPosition, steps: &[Step]) -> Result<Turn, Trouble> {
    let now = desk.clock.now();
    let rules = &desk.rules;
    let done = steps.iter().rev().find_map(|step| match step {
        Step::Done(offset) => Some(*offset),
        _ => None,
    });
    let to = FeedPosition { epoch: at.epoch.clone(), offset: done.unwrap_or(at.offset) };
    let failed = |error: sqlx::Error| Trouble::Failure(error.into());
    let mut transaction = desk.store.begin().await?;
    if !table::advance(&mut transaction, FEED, Some(at), &to, now).await.map_err(failed)? {
        return Ok(Turn::Overtaken);
    }
    let mut tells = Vec::new();
    for step in steps {
        match step {
            Step::Look(look) => table::looked(&mut transaction, look).await.map_err(failed)?,
            Step::Tell { occasion, rule, user } => {
                let rule = &rules.set().all()[*rule];
                let key = Key {
                    event_id: occasion.id.clone(),
                    rule: rule.name.clone(),
                    user_key: user.text().into_owned(),
                };
                tells.push((key, occasion, rule, user));
            }
            Step::Done(_) => {}
        }
    }
    let keys: Vec<Key> = tells.iter().map(|(key, ..)| key.clone()).collect();
    let before = table::made(&mut transaction, &keys).await.map_err(failed)?;
    tells.retain(|(key, ..)| !before.contains(key));
    let wanted: Vec<(&str, &str)> =
        tells.iter().map(|(key, _, rule, _)| (key.user_key.as_str(), rule.category.as_str())).collect();
    let standings = match wanted.is_empty() {
        true => Vec::new(),
        false => preferences::of(&mut transaction, &wanted, now).await.map_err(Trouble::Failure)?,
    };
    let (mut drafts, mut made) = (Vec::new(), Vec::new());
    for ((key, occasion, rule, user), standing) in tells.into_iter().zip(&standings) {
        match draft(occasion, rule, user, &standing.locale) {
            Ok(draft) => {
                drafts.push(draft);
                let (event_type, event_at) = (occasion.event_type.clone(), occasion.at);
                made.push(Made { key, notification_id: 0, event_type, event_at });
            }
            Err(why) => {
                let look = look(rules, occasion, rule, Outcome::Failed, &why, now);
                table::looked(&mut transaction, &look).await.map_err(failed)?;
            }
        }
    }
    let notifications =
        inbox::store_many(desk, &mut transaction, drafts, now).await.map_err(Trouble::Failure)?;
    for (made, stored) in made.iter_mut().zip(&notifications.stored) {
        made.notification_id = stored.id;
    }
    table::keep(&mut transaction, &made).await.map_err(failed)?;
    notifications.announce(&mut transaction).await.map_err(failed)?;
    transaction.commit().await?;
    *at = to;
    if !made.is_empty() {
        made.iter().for_each(|made| rules.count(&made.key.rule, Outcome::Made));
        inbox::told(desk, &notifications.stored);
    }
    Ok(Turn::Carried)
}

fn draft(occasion: &Occasion, rule: &Rule, user: &AnyUserId, locale: &str) -> Result<Draft, String> {
    let text = occasion.text(rule, user, locale).map_err(|error| error.to_string())?;
    Ok(Draft {
        user: user.clone(),
        kind: rule.kind.clone().unwrap_or_else(|| word(&occasion.event_type)),
        category: rule.category.clone(),
        title: text.title,
        message: text.message,
        data: occasion.data(rule),
        priority: rule.priority,
        expires_at: occasion.expires_at(rule),
        source: occasion.id.parse().ok(),
        made_by: Maker::Rule,
    })
}

/// An event's type as a notification's: within its characters and its length.
fn word(event_type: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    event_type.chars().map(|c| if fits(c) { c } else { '_' }).take(64).collect()
}
