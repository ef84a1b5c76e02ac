//! What those get who asked for recovery, history or presence: positions, events with their places, pages, users.
//!
//! Not here: which events a client has missed, and who is present (the engine knows).

use super::server::{envelope, push_event, push_string, push_strings};
use crate::id::UserId;
use crate::position::{EPOCH_LENGTH, Epoch, Position};
use crate::publication::Publication;
use crate::timestamp::Timestamp;

/// Where a client stands in a stream, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPosition<'a> {
    /// The stream's name.
    pub stream: &'a str,
    /// Its end, or the event after which live events begin.
    pub position: Position,
    /// Whether all that the client has missed follows; only where it gave a position.
    pub recovered: Option<bool>,
}

/// What is behind a page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// There are older events.
    More,
    /// There are none that the hub still has.
    Last,
}

/// Whether a list of users holds all that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It does.
    Whole,
    /// There were too many to list.
    Truncated,
}

/// The answer to a recoverable `subscribe`. `resume` is the token of a later `resume`, where there is one.
#[must_use]
pub fn subscribed_recoverable<'a>(
    channels: &[&str],
    resume: Option<&str>,
    positions: impl IntoIterator<Item = StreamPosition<'a>>,
    now: Timestamp,
) -> Vec<u8> {
    standing("subscribed", channels, resume, positions, now)
}

/// The answer to `resume`: the channels that are in force again, and the next token.
#[must_use]
pub fn resumed<'a>(
    channels: &[&str],
    resume: Option<&str>,
    positions: impl IntoIterator<Item = StreamPosition<'a>>,
    now: Timestamp,
) -> Vec<u8> {
    standing("resumed", channels, resume, positions, now)
}

fn standing<'a>(
    kind: &str,
    channels: &[&str],
    resume: Option<&str>,
    positions: impl IntoIterator<Item = StreamPosition<'a>>,
    now: Timestamp,
) -> Vec<u8> {
    envelope(kind, now, |out| {
        out.extend_from_slice(b"{\"channels\":");
        push_strings(out, channels);
        out.extend_from_slice(b",\"positions\":{");
        push_list(out, positions, |out, StreamPosition { stream, position, recovered }| {
            push_string(out, stream);
            out.extend_from_slice(b":{\"epoch\":\"");
            out.extend_from_slice(&position.epoch.encode());
            out.extend_from_slice(b"\",\"offset\":");
            push_number(out, position.offset);
            out.extend_from_slice(match recovered {
                None => b"}",
                Some(true) => b",\"recovered\":true}",
                Some(false) => b",\"recovered\":false}",
            });
        });
        out.push(b'}');
        if let Some(token) = resume {
            out.extend_from_slice(b",\"resume\":");
            push_string(out, token);
        }
        out.push(b'}');
    })
}

/// The length of what an event's place adds to it, without the name and the offset.
const PLACE: usize = r#","id":"","channel":"","offset":,"epoch":""}"#.len() + 36 + EPOCH_LENGTH;

/// The longest offset, in digits.
const OFFSET: usize = 20;

/// An event for a client that asked for recovery, appended to `out`: `channel` is one of the client's streams that it is
/// in, at `position`, and `also` names the others with its offsets there.
pub fn write_placed_event<'a>(
    publication: &Publication,
    channel: &str,
    position: Position,
    also: impl IntoIterator<Item = (&'a str, u64)>,
    out: &mut Vec<u8>,
) {
    push_event(publication, PLACE + channel.len() + OFFSET, out);
    out.extend_from_slice(b",\"id\":\"");
    out.extend_from_slice(publication.id.encode(&mut [0; 36]).as_bytes());
    out.extend_from_slice(b"\",\"channel\":");
    push_string(out, channel);
    out.extend_from_slice(b",\"offset\":");
    push_number(out, position.offset);
    out.extend_from_slice(b",\"epoch\":\"");
    out.extend_from_slice(&position.epoch.encode());
    out.push(b'"');
    let mut also = also.into_iter().peekable();
    if also.peek().is_some() {
        out.extend_from_slice(b",\"also\":{");
        push_list(out, also, |out, (stream, offset)| {
            push_string(out, stream);
            out.push(b':');
            push_number(out, offset);
        });
        out.push(b'}');
    }
    out.push(b'}');
}

/// The answer to `history`: events of one epoch with their offsets, newest first.
#[must_use]
pub fn history<'a>(
    channel: &str,
    epoch: Epoch,
    events: impl IntoIterator<Item = (&'a Publication, u64)>,
    page: Page,
    now: Timestamp,
) -> Vec<u8> {
    envelope("history", now, |out| {
        out.extend_from_slice(b"{\"channel\":");
        push_string(out, channel);
        out.extend_from_slice(b",\"epoch\":\"");
        out.extend_from_slice(&epoch.encode());
        out.extend_from_slice(b"\",\"events\":[");
        push_list(out, events, |out, (publication, offset)| {
            write_placed_event(publication, channel, Position { epoch, offset }, [], out);
        });
        out.extend_from_slice(match page {
            Page::More => b"],\"more\":true}",
            Page::Last => b"],\"more\":false}",
        });
    })
}

/// The answer to `presence`: users with the time since which each is there, and how many there are. It says
/// `"truncated":true` where fewer are listed than counted.
#[must_use]
pub fn presence<'a>(
    channel: &str,
    users: impl IntoIterator<Item = (&'a UserId, Timestamp)>,
    count: usize,
    now: Timestamp,
) -> Vec<u8> {
    envelope("presence", now, |out| {
        out.extend_from_slice(b"{\"channel\":");
        push_string(out, channel);
        out.extend_from_slice(b",\"users\":[");
        let listed = push_list(out, users, push_present);
        let listing = if listed < count { Listing::Truncated } else { Listing::Whole };
        finish_users(out, count, listing);
    })
}

/// The JSON of the `data` of a `presence_changed`: who came since when, who went, and how many are there now. A user is
/// in one of the lists at most.
#[must_use]
pub fn presence_changed_data<'a>(
    channel: &str,
    joined: impl IntoIterator<Item = (&'a UserId, Timestamp)>,
    left: impl IntoIterator<Item = &'a UserId>,
    count: usize,
    listing: Listing,
) -> Box<str> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"channel\":");
    push_string(&mut out, channel);
    out.extend_from_slice(b",\"joined\":[");
    push_list(&mut out, joined, push_present);
    out.extend_from_slice(b"],\"left\":[");
    push_list(&mut out, left, |out, user| {
        push_user(out, user);
        out.push(b'}');
    });
    finish_users(&mut out, count, listing);
    // All of it came from `str`s; were it not so, a reader would be told of nobody.
    String::from_utf8(out).unwrap_or_else(|_| "{}".into()).into()
}

/// Closes a list of users and the object around it.
fn finish_users(out: &mut Vec<u8>, count: usize, listing: Listing) {
    out.extend_from_slice(b"],\"count\":");
    push_number(out, count as u64);
    out.extend_from_slice(match listing {
        Listing::Whole => b"}",
        Listing::Truncated => b",\"truncated\":true}",
    });
}

fn push_present(out: &mut Vec<u8>, (user, since): (&UserId, Timestamp)) {
    push_user(out, user);
    out.extend_from_slice(b",\"since\":\"");
    out.extend_from_slice(&since.encode());
    out.extend_from_slice(b"\"}");
}

/// The beginning of an object with a user's id, spelled as it came.
fn push_user(out: &mut Vec<u8>, user: &UserId) {
    out.extend_from_slice(b"{\"user_id\":");
    if user.is_number() {
        out.extend_from_slice(user.as_str().as_bytes());
    } else {
        push_string(out, user.as_str());
    }
}

/// Writes items with commas between them; returns how many there were.
fn push_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut Vec<u8>, T),
) -> usize {
    let mut count = 0;
    for item in items {
        if count > 0 {
            out.push(b',');
        }
        push(out, item);
        count += 1;
    }
    count
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
