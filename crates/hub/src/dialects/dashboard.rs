//! The world of the case dashboard: users and queues by id, and coming back by a connection's id (contract: dashboard).

use protocol::channel::USER_PREFIX;
use protocol::flat;
use protocol::timestamp::TimestampFormat;
use protocol::{ChannelName, ConnectionId, Disconnect, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Defaults, REVOKED, Step, UNAVAILABLE, View, World, frame};
use crate::endpoint::Naming;

/// The world of the case dashboard.
#[derive(Debug)]
pub(super) struct Dashboard;

/// What a client sends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'m> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'m RawValue>,
    #[serde(borrow, default)]
    user_id: Option<&'m RawValue>,
    #[serde(borrow, default)]
    queue_id: Option<&'m RawValue>,
    #[serde(borrow, default)]
    connection_id: Option<&'m RawValue>,
    #[serde(borrow, default)]
    batch: Option<&'m RawValue>,
}

const FORMAT: TimestampFormat = TimestampFormat::Milliseconds;

/// Connections that a user may have here (contract: dashboard).
const CONNECTIONS_PER_USER: u32 = 5;

/// Seconds between the server's pings (contract: dashboard).
const PING_INTERVAL: u64 = 30;

/// The longest window of a batch, in milliseconds: what waits longer is no live event any more.
pub const MAX_WINDOW: u32 = 10_000;

/// The prefix of a queue's channel (contract: dashboard).
const QUEUE_PREFIX: &str = "queue:";

impl World for Dashboard {
    fn name(&self) -> &'static str {
        "dashboard"
    }

    fn defaults(&self) -> Defaults {
        Defaults {
            flat: Some(FORMAT),
            everyone: true,
            connections_per_user: Some(CONNECTIONS_PER_USER),
            ping_interval: Some(PING_INTERVAL),
            batching: true,
            ..Defaults::default()
        }
    }

    fn welcome(&self, _view: &View<'_>) -> Option<Vec<u8>> {
        None
    }

    fn on_message(&self, message: &[u8], view: &View<'_>) -> Vec<Step> {
        let frame: Frame<'_> = match frame::read(message) {
            Ok(frame) => frame,
            Err(text) => return vec![error(text, view)],
        };
        match frame.kind.map(|kind| serde_json::from_str::<String>(kind.get())) {
            None => vec![error("type is missing", view)],
            Some(Err(_)) => vec![error("type must be a string", view)],
            Some(Ok(kind)) => match &*kind {
                "ping" => {
                    let pong = flat::frame("pong", &[], Some((view.now, format(view))));
                    vec![Step::Reply(pong), Step::Probe]
                }
                "subscribe" => subscribe(&frame, view),
                "unsubscribe" => unsubscribe(&frame, view),
                "reconnect" => reconnect(&frame, view),
                _ => {
                    let known = "this type is not known here; clients send subscribe, unsubscribe, reconnect and ping";
                    vec![error(known, view)]
                }
            },
        }
    }

    fn rate_limited(&self) -> Disconnect {
        Disconnect::TOO_MANY_REQUESTS
    }

    fn restored(&self, streams: &[&str], lost: &[&str], view: &View<'_>) -> Vec<Vec<u8>> {
        let users: Vec<&str> = streams.iter().filter_map(|name| name.strip_prefix(USER_PREFIX)).collect();
        let queues: Vec<&str> = streams.iter().filter_map(|name| name.strip_prefix(QUEUE_PREFIX)).collect();
        // One frame for each user and queue; mostly there is one of each, or one of them.
        // One that has nothing again learns its new id all the same.
        let mut answers: Vec<Vec<u8>> = (0..users.len().max(queues.len()).max(1))
            .map(|place| {
                let user = users.get(place).map(|user| user_json(user, view));
                let queue = queues.get(place).map(|queue| flat::string(queue));
                let named = [("userId", user.as_deref()), ("queueId", queue.as_deref())];
                let named: Vec<(&str, &str)> =
                    named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                answer("subscribed", &named, view)
            })
            .collect();
        if !lost.is_empty() {
            let what =
                "what was published while the connection was gone can no longer be told whole: fetch anew";
            answers.push(flat::error(what, view.now, format(view)));
        }
        answers
    }

    fn revoked(&self, channel: &str, view: &View<'_>) -> Option<Vec<u8>> {
        let queue = channel.strip_prefix(QUEUE_PREFIX).unwrap_or(channel);
        let text = format!("queueId {queue}: {REVOKED}");
        Some(flat::error(&text, view.now, format(view)))
    }

    fn unavailable(&self, view: &View<'_>) -> Option<Vec<u8>> {
        Some(flat::error(UNAVAILABLE, view.now, format(view)))
    }

    fn not_restored(&self, view: &View<'_>) -> Option<Vec<u8>> {
        let text = "there is no such connection to go on from, or not any more: subscribe anew";
        Some(flat::error(text, view.now, format(view)))
    }
}

fn format(view: &View<'_>) -> TimestampFormat {
    view.endpoint.flat.unwrap_or(FORMAT)
}

fn error(text: &str, view: &View<'_>) -> Step {
    Step::Reply(flat::error(text, view.now, format(view)))
}

/// A user's id as the token has it; else as text.
fn user_json(user: &str, view: &View<'_>) -> String {
    match view.identity {
        Some(identity) if identity.user.is_number() && identity.user.as_str() == user => user.to_owned(),
        _ => flat::string(user),
    }
}

fn answer(kind: &str, named: &[(&str, &str)], view: &View<'_>) -> Vec<u8> {
    let id = flat::string(&view.id.to_string());
    let members: Vec<(&str, &str)> = named.iter().copied().chain([("connectionId", &*id)]).collect();
    flat::frame(kind, &members, Some((view.now, format(view))))
}

/// The user that a frame names, if this connection may.
fn user(raw: &RawValue, view: &View<'_>) -> Result<UserId, Step> {
    let user = UserId::from_json(raw.get()).map_err(|fault| error(&format!("userId: {fault}"), view))?;
    let refusal = match (view.naming, view.identity) {
        (Naming::Anyone, _) => return Ok(user),
        (Naming::Own, Some(identity)) if identity.user == user => return Ok(user),
        (Naming::Own, Some(_)) => "userId: it is not the user of this connection's token",
        (Naming::Own, None) => "userId: without a token no user can be named",
    };
    Err(error(refusal, view))
}

/// The queue's channel that a frame names.
fn queue(raw: &RawValue, view: &View<'_>) -> Result<ChannelName, Step> {
    let id =
        UserId::from_json(raw.get()).map_err(|_| error("queueId: it is a string or an integer", view))?;
    ChannelName::new(&format!("{QUEUE_PREFIX}{}", id.as_str()))
        .map_err(|fault| error(&format!("queueId: {fault}"), view))
}

/// The window of a batch.
fn window(raw: &RawValue, view: &View<'_>) -> Result<Step, Step> {
    match serde_json::from_str::<f64>(raw.get()) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in the range")]
        Ok(ms) if (0.0..=f64::from(MAX_WINDOW)).contains(&ms) => Ok(Step::Batch(ms.round() as u32)),
        _ => Err(error(&format!("batch: it is a number of milliseconds from 0 to {MAX_WINDOW}"), view)),
    }
}

fn subscribe(frame: &Frame<'_>, view: &View<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut refusals = Vec::new();
    let mut fresh = Vec::new();
    let mut named = Vec::new();
    let mut room = view.limits.channels.saturating_sub(view.channels + view.users.len());
    let full = || error(&format!("a connection has at most {} subscriptions", view.limits.channels), view);
    if frame.user_id.is_none() && frame.queue_id.is_none() && frame.batch.is_none() {
        return vec![error("subscribe names a userId, a queueId, or both", view)];
    }
    if let Some(raw) = frame.batch {
        match window(raw, view) {
            Ok(step) => steps.push(step),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if let Some(raw) = frame.user_id {
        match user(raw, view) {
            Ok(user) if view.users.contains(&user.as_str()) => named.push(("userId", raw.get())),
            Ok(_) if room == 0 => refusals.push(full()),
            Ok(user) => {
                room -= 1;
                fresh.push(format!("{USER_PREFIX}{}", user.as_str()));
                steps.push(Step::Own(user));
                named.push(("userId", raw.get()));
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    if let Some(raw) = frame.queue_id {
        match queue(raw, view) {
            Ok(queue) if (view.is_subscribed)(queue.as_str()) => named.push(("queueId", raw.get())),
            Ok(queue) if !view.rules.may_subscribe(view.identity, queue.as_str()) => {
                refusals.push(error("queueId: the channel rules do not let you subscribe", view));
            }
            Ok(_) if room == 0 => refusals.push(full()),
            Ok(queue) => {
                fresh.push(queue.as_str().to_owned());
                steps.push(Step::Join(queue));
                named.push(("queueId", raw.get()));
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    steps.append(&mut refusals);
    let only_window = frame.user_id.is_none() && frame.queue_id.is_none() && !steps.is_empty();
    if !named.is_empty() || only_window && matches!(steps[0], Step::Batch(_)) {
        steps.push(Step::Track { answer: answer("subscribed", &named, view), fresh });
    }
    steps
}

fn unsubscribe(frame: &Frame<'_>, view: &View<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut named = Vec::new();
    if frame.user_id.is_none() && frame.queue_id.is_none() {
        return vec![error("unsubscribe names a userId, a queueId, or both", view)];
    }
    if let Some(raw) = frame.user_id {
        match UserId::from_json(raw.get()) {
            Ok(user) => {
                named.push(("userId", raw.get()));
                if view.users.contains(&user.as_str()) {
                    steps.push(Step::Disown(user));
                }
            }
            Err(fault) => steps.push(error(&format!("userId: {fault}"), view)),
        }
    }
    if let Some(raw) = frame.queue_id {
        match queue(raw, view) {
            Ok(queue) => {
                named.push(("queueId", raw.get()));
                if (view.is_subscribed)(queue.as_str()) {
                    steps.push(Step::Leave(queue.as_str().to_owned()));
                }
            }
            Err(refusal) => steps.push(refusal),
        }
    }
    if !named.is_empty() {
        steps.push(Step::Reply(answer("unsubscribed", &named, view)));
    }
    steps
}

fn reconnect(frame: &Frame<'_>, view: &View<'_>) -> Vec<Step> {
    if view.is_recoverable {
        return vec![error("reconnect comes first on a connection, before any subscribe", view)];
    }
    let id = frame
        .connection_id
        .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
        .and_then(|text| ConnectionId::parse(&text));
    match id {
        Some(id) => vec![Step::Return(id)],
        None => vec![error("reconnect names the connectionId that an earlier subscribed told", view)],
    }
}

#[cfg(test)]
mod tests;
