//! The TypeScript types: an interface for each event, and what joins them.

use std::fmt::Write;

use ts_rs::{Config, TS};

use super::schema::members;
use crate::{
    CATALOGUE, Entry, JobStatus, JobType, NotificationPriority, PaymentStatus, RefundReason, UserType,
};

const JOINED: &str = "
/** The data of each event by its type. */
export interface EventMap {
";

const TAIL: &str = "}

/** The type of an event. */
export type EventType = keyof EventMap;

/** An event as it comes on `/ws`. */
export interface EventOf<T extends EventType> {
  type: T;
  data: EventMap[T];
  /** When it was published: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** Any event; its `type` tells which. */
export type AnyEvent = { [T in EventType]: EventOf<T> }[EventType];
";

pub(super) fn document() -> String {
    let config = Config::new();
    let mut text = format!("// {}\n", super::note());
    for (name, words, about) in [
        (JobType::name(&config), JobType::inline(&config), "What kind of work a job is."),
        (JobStatus::name(&config), JobStatus::inline(&config), "The state of a job."),
        (RefundReason::name(&config), RefundReason::inline(&config), "Why a job's money went back."),
        (PaymentStatus::name(&config), PaymentStatus::inline(&config), "The state of a payment."),
        (UserType::name(&config), UserType::inline(&config), "What a user is on the platform."),
        (
            NotificationPriority::name(&config),
            NotificationPriority::inline(&config),
            "How much a notification matters.",
        ),
    ] {
        line(&mut text, &format!("\n/** {about} */\nexport type {name} = {words};"));
    }
    for entry in CATALOGUE {
        interface(&mut text, &config, entry);
    }
    text.push_str(JOINED);
    for entry in CATALOGUE {
        line(&mut text, &format!("  {}: {};", entry.event_type, entry.name));
    }
    text + TAIL
}

fn interface(text: &mut String, config: &Config, entry: &Entry) {
    let inline = without_comments(&(entry.typescript)(config));
    line(text, &format!("\n/** {} */\nexport interface {} {{", entry.description(), entry.name));
    for member in members(entry) {
        let name = if member.is_required { member.name.clone() } else { format!("{}?", member.name) };
        let kind = type_of(&inline, &name);
        line(text, &format!("  /** {} */\n  {name}: {kind};", member.description));
    }
    line(text, "}");
}

/// The text without its comments, in which a word with a colon may stand.
fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let mut code = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| code.push_str(part.split_once("*/").map_or("", |(_, behind)| behind)));
    code
}

/// The type of a member in `{ a: number, b: string | null, }`.
fn type_of<'a>(inline: &'a str, member: &str) -> &'a str {
    let mark = format!("{member}: ");
    let starts = |at: usize| inline[..at].ends_with([' ', '\n', '{']);
    let (at, _) = inline.match_indices(&mark).find(|(at, _)| starts(*at)).expect("a member of the interface");
    let rest = &inline[at + mark.len()..];
    rest.split(',').next().unwrap_or(rest).trim()
}

fn line(text: &mut String, more: &str) {
    writeln!(text, "{more}").expect("memory takes every text");
}
