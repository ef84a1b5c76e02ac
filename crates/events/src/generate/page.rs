//! `docs/events.md`: a table of all events, and a section for each.

use std::fmt::Write;

use super::schema::{Member, members};
use crate::{CATALOGUE, Entry};

const INTRODUCTION: &str = "\
# Events

What PayChain's services tell over the hub. On `/ws` an event is one text frame `{\"type\":T,\"data\":D,\"timestamp\":S}`
([protocol.md](protocol.md)); this page is about `T` and `D`. The same in other forms: a JSON Schema for each event in
[crates/events/schemas](../crates/events/schemas), [asyncapi.json](asyncapi.json), and TypeScript types in
[web/packages/events](../web/packages/events/events.ts).

Every member is always there unless it says when it is absent; one that can be null says so. Money is a number of US dollars with at most two decimals,
ids are whole numbers from 1 to below 2^53; in chat and in notifications a user's id stands as it was given, a number or a string.
Events of one job, of one conversation, and of one inbox, keep their order within a service; between the job and the payment service none is promised.

**Versions.** Each event has a version. A new member keeps it, so ignore members that you do not know. Any other change
is a new type beside the old one.

**Audience.** The parties are the event's employer and worker; one that is null addresses nobody, and a connection gets an
event once. `PAYMENTS_CHANNEL=off` tells of payments to the parties alone.

";

pub(super) fn document() -> String {
    let mut page = format!("<!-- {} -->\n{INTRODUCTION}", super::note());
    page.push_str("| Event | Version | When | From | To |\n|---|---|---|---|---|\n");
    for entry in CATALOGUE {
        let Entry { event_type, version, sender, audience, .. } = entry;
        let when = entry.description();
        line(
            &mut page,
            &format!("| [`{event_type}`](#{event_type}) | {version} | {when} | {sender} | {audience} |"),
        );
    }
    for entry in CATALOGUE {
        section(&mut page, entry);
    }
    page
}

fn section(page: &mut String, entry: &Entry) {
    let Entry { event_type, version, sender, audience, .. } = entry;
    line(page, &format!("\n## {event_type}\n\n{}", entry.description()));
    line(page, &format!("From the {sender} to {audience}. Version {version}.\n"));
    line(page, "| Member | Type | Meaning |\n|---|---|---|");
    for member in members(entry) {
        line(page, &format!("| `{}` | {} | {} |", member.name, kind(&member), member.description));
    }
    line(page, &format!("\n```json\n{}\n```", entry.example()));
}

/// A member's type in words.
fn kind(member: &Member) -> String {
    if !member.words.is_empty() {
        return member.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    member.types.join(" or ")
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("memory takes every text");
}
