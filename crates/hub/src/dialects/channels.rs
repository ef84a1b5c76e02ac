//! The world of `/ws`: channels, recovery, history, presence (contracts: channels, recovery). Server-sent events speak it too.

use std::borrow::Cow;
use std::collections::HashSet;

use protocol::ChannelName;
use protocol::channel::{ALL, ChannelNameError, MAX_CHANNEL_NAME};
use protocol::channels::{self, ClientFrame, ErrorCode, Positions, ServiceFrame, Watch};
use protocol::timestamp::Timestamp;
use serde_json::json;

use super::{Defaults, REVOKED, Step, UNAVAILABLE, View, World};
use crate::hooks::{Origin, Reply};
use crate::identity::Identity;
use crate::inbox::Given;
use crate::limits::Limits;

/// The world of `/ws`.
#[derive(Debug)]
pub(super) struct Channels;

impl World for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn defaults(&self) -> Defaults {
        Defaults { everyone: true, own_user: true, ..Defaults::default() }
    }

    fn welcome(&self, view: &View<'_>) -> Option<Vec<u8>> {
        Some(channels::connected(view.id, view.now))
    }

    fn on_message(&self, message: &[u8], view: &View<'_>) -> Vec<Step> {
        on_message(message, view)
    }

    fn answer(&self, reply: &Reply, body: &str, view: &View<'_>) -> Option<Vec<u8>> {
        match reply {
            Reply::Ref { event, reference } => {
                Some(channels::ack(event, reference.as_deref(), body, view.now))
            }
            Reply::None | Reply::Ack(_) => None,
        }
    }

    fn revoked(&self, channel: &str, view: &View<'_>) -> Option<Vec<u8>> {
        Some(channels::error(ErrorCode::Forbidden, REVOKED, Some(channel), view.now))
    }

    fn unavailable(&self, view: &View<'_>) -> Option<Vec<u8>> {
        Some(channels::error(ErrorCode::Unavailable, UNAVAILABLE, None, view.now))
    }

    fn token_expiring(&self, ends: Timestamp, now: Timestamp) -> Option<Vec<u8>> {
        Some(channels::token_expiring(ends, now))
    }
}

/// Answers one message.
#[must_use]
fn on_message(message: &[u8], view: &View<'_>) -> Vec<Step> {
    let frame = match std::str::from_utf8(message) {
        Ok(text) => ClientFrame::parse(text),
        Err(_) => return vec![error(view, ErrorCode::InvalidJson, "the frame is not UTF-8", None)],
    };
    match frame {
        Ok(ClientFrame::Ping { data }) => vec![Step::Reply(channels::pong(data, view.now))],
        Ok(ClientFrame::Subscribe(wish)) => {
            let wants_recovery = wish.recovery.is_some() || view.is_recoverable;
            let given = wants_recovery.then(|| given(wish.recovery.unwrap_or_default()));
            subscribe(&wish.channels, given, view)
        }
        Ok(ClientFrame::Unsubscribe(names)) => unsubscribe(&names, view),
        Ok(ClientFrame::Refresh { token }) if view.identity.is_some() => {
            vec![Step::Verify(token.into_owned())]
        }
        Ok(ClientFrame::Refresh { .. }) => {
            vec![error(
                view,
                ErrorCode::Forbidden,
                "this connection has no user whose token could be refreshed",
                None,
            )]
        }
        Ok(ClientFrame::Resume { .. }) if view.is_recoverable => {
            let message = "resume comes first on a connection, before any recoverable subscribe";
            vec![error(view, ErrorCode::InvalidFrame, message, None)]
        }
        Ok(ClientFrame::Resume { token, positions }) => {
            vec![Step::Resume { token: token.into_owned(), given: given(positions) }]
        }
        Ok(ClientFrame::History { channel, limit, before }) => match readable(&channel, view) {
            Ok(()) => vec![Step::History { channel: channel.into_owned(), limit, before }],
            Err(refusal) => vec![refusal],
        },
        Ok(ClientFrame::Presence { channel, watch }) => presence(&channel, watch, view),
        Ok(ClientFrame::Ack { ids }) => vec![Step::Acked(ids)],
        Err(fault) => match fault.code {
            ErrorCode::UnknownType => for_service(message, view),
            _ => None,
        }
        .unwrap_or_else(|| vec![error(view, fault.code, &fault.message, None)]),
    }
}

/// A frame of a type that is none of ours, if a service answers it.
fn for_service(message: &[u8], view: &View<'_>) -> Option<Vec<Step>> {
    let hooks = view.hooks?;
    let frame = ServiceFrame::parse(std::str::from_utf8(message).ok()?)?;
    if !hooks.is_mapped(&Origin::Ws, &frame.event) {
        return None;
    }
    let reference = match frame.reference {
        Ok(reference) => reference.map(Into::into),
        Err(text) => {
            let answer = json!({ "success": false, "code": "invalid_frame", "message": text }).to_string();
            return Some(vec![Step::Reply(channels::ack(&frame.event, None, &answer, view.now))]);
        }
    };
    let reply = Reply::Ref { event: frame.event.as_ref().into(), reference };
    Some(vec![Step::Hook {
        event: frame.event.as_ref().into(),
        origin: Origin::Ws,
        data: frame.data.unwrap_or("{}").into(),
        reply,
    }])
}

/// The answer to a refresh, once its token was verified.
pub(crate) fn on_verified(
    current: &Identity,
    verified: Option<&Identity>,
    now: Timestamp,
) -> Result<Vec<u8>, Vec<u8>> {
    let refused = |message| Err(channels::error(ErrorCode::Forbidden, message, None, now));
    match verified {
        None => refused("the new token is not valid; the connection ends with its old one"),
        Some(new) if new.user != current.user => refused("the new token is another user's"),
        Some(new) => Ok(channels::refreshed(Timestamp::from_secs(new.expires_at), now)),
    }
}

fn error(view: &View<'_>, code: ErrorCode, message: &str, channel: Option<&str>) -> Step {
    Step::Reply(channels::error(code, message, channel, view.now))
}

/// The names without repetition, one more than a connection may have at most, so that no frame has more answers
/// than that; and the first name that is left over.
fn distinct<'n>(names: &'n [Cow<'_, str>], limits: &Limits) -> (Vec<&'n str>, Option<&'n str>) {
    let mut seen = HashSet::new();
    let mut distinct = names.iter().map(|name| &**name).filter(|name| seen.insert(*name));
    (distinct.by_ref().take(limits.channels.saturating_add(1)).collect(), distinct.next())
}

fn invalid_channel(view: &View<'_>, name: &str, fault: ChannelNameError) -> Step {
    let shown = (name.len() <= 2 * MAX_CHANNEL_NAME).then_some(name);
    error(view, ErrorCode::InvalidChannel, &fault.to_string(), shown)
}

fn left_over(view: &View<'_>, name: &str) -> Step {
    let message = format!(
        "a frame names at most {} different channels; those after are not looked at",
        view.limits.channels.saturating_add(1)
    );
    let shown = (name.len() <= 2 * MAX_CHANNEL_NAME).then_some(name);
    error(view, ErrorCode::TooManyChannels, &message, shown)
}

fn given(positions: Positions<'_>) -> Given {
    positions.into_iter().map(|(stream, position)| (stream.into_owned().into(), position)).collect()
}

/// Whether a client may read a stream's past; everyone follows that of everyone.
fn readable(name: &str, view: &View<'_>) -> Result<(), Step> {
    if name == ALL {
        return Ok(());
    }
    ChannelName::check(name).map_err(|fault| invalid_channel(view, name, fault))?;
    if view.rules.may_subscribe(view.identity, name) {
        return Ok(());
    }
    Err(forbidden(view, name))
}

fn forbidden(view: &View<'_>, name: &str) -> Step {
    error(view, ErrorCode::Forbidden, "the channel rules do not let you subscribe", Some(name))
}

fn presence(name: &str, watch: Watch, view: &View<'_>) -> Vec<Step> {
    let channel = match ChannelName::new(name) {
        Ok(channel) => channel,
        Err(fault) => return vec![invalid_channel(view, name, fault)],
    };
    if !view.rules.may_subscribe(view.identity, name) {
        return vec![forbidden(view, name)];
    }
    if watch == Watch::Begin && view.watches >= view.limits.channels {
        let message = format!("a connection watches at most {} channels", view.limits.channels);
        return vec![error(view, ErrorCode::TooManyChannels, &message, Some(name))];
    }
    vec![Step::Presence { channel, watch }]
}

/// `given` is there where the client wants recovery.
fn subscribe(names: &[Cow<'_, str>], given: Option<Given>, view: &View<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut in_force = Vec::new();
    let mut fresh = Vec::new();
    let mut channels = view.channels;
    let (names, mut rest) = distinct(names, view.limits);
    for &name in &names {
        if (view.is_subscribed)(name) {
            in_force.push(name);
            continue;
        }
        let channel = match ChannelName::new(name) {
            Ok(channel) => channel,
            Err(fault) => {
                steps.push(invalid_channel(view, name, fault));
                continue;
            }
        };
        if !view.rules.may_subscribe(view.identity, name) {
            steps.push(forbidden(view, name));
            continue;
        }
        if channels >= view.limits.channels {
            let message = format!(
                "a connection has at most {} channels; this one and those named after it are not subscribed",
                view.limits.channels
            );
            steps.push(error(view, ErrorCode::TooManyChannels, &message, Some(name)));
            rest = None;
            break;
        }
        channels += 1;
        in_force.push(name);
        fresh.push(name.to_owned());
        steps.push(Step::Join(channel));
    }
    steps.extend(rest.map(|name| left_over(view, name)));
    if let Some(given) = given {
        let channels = in_force.into_iter().map(str::to_owned).collect();
        steps.push(Step::Recover { channels, fresh, given });
        return steps;
    }
    if !in_force.is_empty() || names.is_empty() {
        steps.push(Step::Reply(channels::subscribed(&in_force, view.now)));
    }
    if !fresh.is_empty() {
        steps.push(Step::State(fresh));
    }
    steps
}

fn unsubscribe(names: &[Cow<'_, str>], view: &View<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut gone = Vec::new();
    let (names, rest) = distinct(names, view.limits);
    for &name in &names {
        match ChannelName::check(name) {
            Ok(()) => {
                gone.push(name);
                if (view.is_subscribed)(name) {
                    steps.push(Step::Leave(name.to_owned()));
                }
            }
            Err(fault) => steps.push(invalid_channel(view, name, fault)),
        }
    }
    steps.extend(rest.map(|name| left_over(view, name)));
    if !gone.is_empty() || names.is_empty() {
        steps.push(Step::Reply(channels::unsubscribed(&gone, view.now)));
    }
    steps
}

#[cfg(test)]
mod tests;
