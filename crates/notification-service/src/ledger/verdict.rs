//! A notification's story in one sentence: the answer to "why didn't Anna get it?".
//!
//! Pure: it is made of the steps and of a few facts. What got furthest is told first; where nobody has had the notification,
//! why not, and what became of the push.

use rest::instant;

use super::step::{Kind, Step};

/// What the sentence needs to know beside the steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The user, as their id.
    pub(crate) user: &'a str,
    pub(crate) category: &'a str,
    /// When it was made, in microseconds since 1970.
    pub(crate) created_at: i64,
    /// On how many connections the hub sent it.
    pub(crate) connections: i64,
    /// Whether the hub tells of deliveries at all, as far as is known.
    pub(crate) hub_tells: bool,
    /// Now, in microseconds since 1970.
    pub(crate) now: i64,
}

/// An event is called unsent or unanswered only after this long, in microseconds: the hub's ping and the batch
/// that tells of its pong take up to 2 s (contract: batches of at most 1 s).
const PATIENCE: i64 = 5 * 1_000_000;

/// The sentence.
pub(crate) fn verdict(facts: &Facts<'_>, steps: &[Step]) -> String {
    let first = |kind: Kind| steps.iter().filter(|step| step.kind == kind).min_by_key(|step| step.at);
    let user = facts.user;
    if first(Kind::Filtered).is_some() {
        let off =
            format!("User {user} has turned off in-app notifications of the category {}", facts.category);
        return sentence(&[Some(off), push(steps)]);
    }
    let deleted = first(Kind::Deleted);
    if let Some(read) = first(Kind::Read) {
        let after = deleted.map(|step| format!("and deleted it {}", at(step)));
        return sentence_of(&[Some(format!("User {user} read it {}", at(read))), after], " ");
    }
    let after = || match (deleted, first(Kind::Expired)) {
        (Some(step), _) => format!("; the user deleted it {}", at(step)),
        (None, Some(step)) => format!(" and expired {} without being read", at(step)),
        (None, None) => " and is not read yet".to_owned(),
    };
    if let Some(seen) = first(Kind::Seen) {
        return format!("It was shown to user {user} {}{}.", at(seen), after());
    }
    if let Some(delivered) = first(Kind::Delivered) {
        let count = steps.iter().filter(|step| step.kind == Kind::Delivered).count();
        let reached = connections(i64::try_from(count).unwrap_or(i64::MAX));
        return format!("It reached {reached} of user {user} {}{}.", at(delivered), after());
    }
    if let Some(deleted) = deleted {
        return sentence(&[Some(format!("User {user} deleted it {}", at(deleted)))]);
    }
    let expired = first(Kind::Expired).map(|step| format!("it expired {}", at(step)));
    let told = if let Some(refused) = first(Kind::Refused) {
        capital(&refused.words)
    } else if let Some(waiting) = first(Kind::Waiting) {
        capital(&waiting.words)
    } else if let Some(sent) = first(Kind::Sent) {
        let none = match (facts.now - sent.at < PATIENCE, facts.connections) {
            (true, _) => "which may still answer",
            (false, 1) => "which did not answer",
            (false, _) => "none of which answered",
        };
        format!("Sent to {} of user {user} {}, {none}", connections(facts.connections), at(sent))
    } else if facts.now - facts.created_at < PATIENCE {
        "The hub has it, and has not told yet to whom it went".to_owned()
    } else if facts.hub_tells {
        format!("The hub told of no connection of user {user}")
    } else {
        format!("The hub told of no connection of user {user}, or it has no delivery hook")
    };
    sentence(&[Some(told), push(steps), expired])
}

/// What became of the push, as a clause.
fn push(steps: &[Step]) -> Option<String> {
    let of = |kind: Kind| steps.iter().filter(move |step| step.kind == kind);
    let pushed: Vec<&Step> = of(Kind::Pushed).collect();
    if let Some(first) = pushed.iter().min_by_key(|step| step.at) {
        return Some(match pushed.len() {
            1 => format!("{} {}", first.words, at(first)),
            count => format!("it was pushed to {count} devices {}", at(first)),
        });
    }
    let last = end_of_push(steps);
    // A step of waiting is there while the push waits.
    let waits = held(steps).or_else(|| of(Kind::PushWaiting).next_back()).map(|step| step.words.clone());
    // Of a device that was tried again and again, the last try tells.
    let failed = of(Kind::PushFailed).next_back().map(|step| step.words.clone());
    match (failed, waits) {
        (Some(failed), Some(waits)) => Some(format!("{failed}; {waits}")),
        (None, Some(waits)) => Some(waits),
        (Some(failed), None) if last.is_none_or(|last| last.kind == Kind::PushFailed) => Some(failed),
        (_, None) => last.map(|step| step.words.clone()),
    }
}

/// The last that ended a push in any way but by reaching a device.
fn end_of_push(steps: &[Step]) -> Option<&Step> {
    let ends = [Kind::PushDigest, Kind::PushFailed, Kind::PushCancelled, Kind::PushSkipped];
    steps.iter().filter(|step| ends.contains(&step.kind)).max_by_key(|step| (step.at, step.kind))
}

/// The step of quiet hours that hold the push now: it stays among the steps, whatever comes behind it.
pub(crate) fn held(steps: &[Step]) -> Option<&Step> {
    let held = steps.iter().rev().find(|step| step.kind == Kind::PushHeld)?;
    end_of_push(steps).is_none_or(|end| end.at < held.at).then_some(held)
}

fn connections(count: i64) -> String {
    match count {
        1 => "1 connection".to_owned(),
        count => format!("{count} connections"),
    }
}

fn at(step: &Step) -> String {
    format!("at {}", instant::show(step.at))
}

fn sentence(clauses: &[Option<String>]) -> String {
    sentence_of(clauses, "; ")
}

fn sentence_of(clauses: &[Option<String>], between: &str) -> String {
    let clauses: Vec<&str> = clauses.iter().flatten().map(String::as_str).collect();
    format!("{}.", clauses.join(between))
}

/// With a capital.
pub(crate) fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
