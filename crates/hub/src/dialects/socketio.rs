//! The world of Socket.IO: a socket is a user's place in a namespace (contract: socketio).
//!
//! What it is given are whole Socket.IO packets, with the Engine.IO type in front, one to a frame. Not here: sessions,
//! transports and heartbeats, which several sockets share (the server's `socketio`), and which events reach a namespace
//! (`namespaces`).

use protocol::Publication;
use protocol::channel::ChannelName;
use protocol::json;
use protocol::socketio::{self, Kind, Packet};
use serde_json::json;

use super::{Defaults, REVOKED, Step, UNAVAILABLE, View, World};
use crate::hooks::{Origin, Reply};

/// The world of Socket.IO.
#[derive(Debug)]
pub(super) struct SocketIo;

impl World for SocketIo {
    fn name(&self) -> &'static str {
        "socketio"
    }

    fn defaults(&self) -> Defaults {
        Defaults { own_user: true, ..Defaults::default() }
    }

    fn welcome(&self, view: &View<'_>) -> Option<Vec<u8>> {
        Some(socketio::connect(view.endpoint.namespace_name(), &view.id.to_string(), None))
    }

    fn on_message(&self, message: &[u8], view: &View<'_>) -> Vec<Step> {
        let packet = std::str::from_utf8(message).ok().and_then(|text| Packet::parse(text).ok());
        let Some(packet) = packet else { return Vec::new() };
        match packet.kind {
            Kind::Event | Kind::BinaryEvent => on_event(&packet, view),
            // The hub asks for no acknowledgements; the session has answered the others.
            _ => Vec::new(),
        }
    }

    fn revoked(&self, channel: &str, view: &View<'_>) -> Option<Vec<u8>> {
        let data = json!({ "code": "forbidden", "message": REVOKED, "channel": channel }).to_string();
        Some(socketio::event(view.endpoint.namespace_name(), "error", &data, None))
    }

    fn unavailable(&self, view: &View<'_>) -> Option<Vec<u8>> {
        let data = json!({ "code": "unavailable", "message": UNAVAILABLE }).to_string();
        Some(socketio::event(view.endpoint.namespace_name(), "error", &data, None))
    }

    fn answer(&self, reply: &Reply, body: &str, view: &View<'_>) -> Option<Vec<u8>> {
        match reply {
            Reply::Ack(id) => Some(socketio::ack(view.endpoint.namespace_name(), *id, body)),
            Reply::None | Reply::Ref { .. } => None,
        }
    }
}

/// The event whose data gets the time of the publication where it has none (contract: socketio, Server → client).
const TIMED: &str = "notification";

/// What a client makes nothing of (Engine.IO protocol, `noop`).
const NOTHING: &[u8] = b"6";

/// A publication as the event of a namespace; `offset` is one argument more. One whose type no event may have there, since
/// it would end the connections of all who get it, is nothing.
pub(crate) fn event(publication: &Publication, namespace: &str, offset: Option<&str>) -> Vec<u8> {
    let (name, data) = (&*publication.event_type, &*publication.data);
    if socketio::is_reserved(name) {
        return NOTHING.to_vec();
    }
    if name != TIMED || !has_no_time(data) {
        return socketio::event(namespace, name, data, offset);
    }
    let object = data.trim_ascii();
    let members = object.get(1..object.len() - 1).unwrap_or_default();
    let comma = if members.trim_ascii().is_empty() { "" } else { "," };
    let data = format!("{{{members}{comma}\"timestamp\":\"{}\"}}", publication.timestamp);
    socketio::event(namespace, name, &data, offset)
}

/// Whether data is an object without the member `timestamp`; one that is `null` stays what its publisher said.
fn has_no_time(data: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Timed {
        #[serde(default)]
        timestamp: There,
    }
    json::is_object(data) && serde_json::from_str::<Timed>(data).is_ok_and(|timed| !timed.timestamp.0)
}

/// Whether a member is there, whatever it is.
#[derive(Default)]
struct There(bool);

impl<'de> serde::Deserialize<'de> for There {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// Answers an event.
fn on_event(packet: &Packet<'_>, view: &View<'_>) -> Vec<Step> {
    let reply = packet.ack.map_or(Reply::None, Reply::Ack);
    let refuse = |code: &str, message: &str| refusal(view, &reply, code, message);
    let event = match packet.event() {
        Ok(event) => event,
        Err(error) => return refuse("invalid", &error.to_string()),
    };
    if packet.kind == Kind::BinaryEvent {
        return refuse("binary", "services are handed JSON; send no binary data");
    }
    let data = event.data.unwrap_or("{}");
    match &*event.name {
        "subscribe" => subscribe(data, &reply, view),
        "unsubscribe" => unsubscribe(data, &reply, view),
        _ => {
            let origin = Origin::Namespace(view.endpoint.namespace_name().into());
            if view.hooks.is_some_and(|hooks| hooks.is_mapped(&origin, &event.name)) {
                return vec![Step::Hook { event: event.name.into(), origin, data: data.into(), reply }];
            }
            refuse("unknown_event", "nothing here answers this event")
        }
    }
}

fn refusal(view: &View<'_>, reply: &Reply, code: &str, message: &str) -> Vec<Step> {
    told(view, reply, &json!({ "success": false, "code": code, "message": message }).to_string())
}

fn told(view: &View<'_>, reply: &Reply, body: &str) -> Vec<Step> {
    SocketIo.answer(reply, body, view).map(Step::Reply).into_iter().collect()
}

/// The channels that a payload names: `{channels:[…]}`, also one string, or `channel`.
fn named(data: &str) -> Option<Vec<String>> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Several(Vec<String>),
    }
    #[derive(serde::Deserialize)]
    struct Payload {
        #[serde(alias = "channel")]
        channels: Names,
    }
    let names = match serde_json::from_str::<Payload>(data).ok()?.channels {
        Names::One(name) => vec![name],
        Names::Several(names) => names,
    };
    let mut distinct = Vec::with_capacity(names.len().min(256));
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
        if distinct.len() > MOST_NAMED {
            return None;
        }
    }
    Some(distinct)
}

/// Channels that one event may name: more than a connection may have.
const MOST_NAMED: usize = 1_000;

const WRONG_CHANNELS: &str = "channels is an array of at most 1000 channel names";

fn subscribe(data: &str, reply: &Reply, view: &View<'_>) -> Vec<Step> {
    let Some(names) = named(data) else { return refusal(view, reply, "invalid", WRONG_CHANNELS) };
    let mut steps = Vec::new();
    let (mut in_force, mut fresh, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut channels = view.channels;
    for name in names {
        if (view.is_subscribed)(&name) {
            in_force.push(name);
            continue;
        }
        match may_join(&name, channels, view) {
            Ok(channel) => {
                channels += 1;
                steps.push(Step::Join(channel));
                fresh.push(name.clone());
                in_force.push(name);
            }
            Err((code, message)) => errors.push((name, code, message)),
        }
    }
    let answer = told(view, reply, &outcome(&in_force, &errors));
    if fresh.is_empty() {
        steps.extend(answer);
    } else if view.is_recoverable {
        let inside = |name: &String| format!("@{}:{name}", view.endpoint.namespace_name());
        let fresh = fresh.iter().map(inside).chain(fresh.iter().cloned()).collect();
        let answer = SocketIo.answer(reply, &outcome(&in_force, &errors), view).unwrap_or_default();
        steps.push(Step::Track { answer, fresh });
    } else {
        steps.extend(answer);
        steps.push(Step::State(fresh));
    }
    steps
}

type Fault = (&'static str, String);

fn may_join(name: &str, channels: usize, view: &View<'_>) -> Result<ChannelName, Fault> {
    let channel = ChannelName::new(name).map_err(|fault| ("invalid_channel", fault.to_string()))?;
    if !view.rules.may_subscribe(view.identity, name) {
        return Err(("forbidden", "the channel rules do not let you subscribe".into()));
    }
    if channels >= view.limits.channels {
        let message = format!("a connection has at most {} channels", view.limits.channels);
        return Err(("too_many_channels", message));
    }
    Ok(channel)
}

fn unsubscribe(data: &str, reply: &Reply, view: &View<'_>) -> Vec<Step> {
    let Some(names) = named(data) else { return refusal(view, reply, "invalid", WRONG_CHANNELS) };
    let mut steps: Vec<Step> = names
        .iter()
        .filter(|name| (view.is_subscribed)(name))
        .map(|name| Step::Leave(name.clone()))
        .collect();
    steps.extend(told(view, reply, &outcome(&names, &[])));
    steps
}

/// `{success, channels}`; where a channel was refused also `code` and `message` of the first, and all of them in `errors`.
fn outcome(in_force: &[String], errors: &[(String, &'static str, String)]) -> String {
    let Some((_, code, message)) = errors.first() else {
        return json!({ "success": true, "channels": in_force }).to_string();
    };
    let errors: Vec<_> = errors
        .iter()
        .map(|(channel, code, message)| json!({ "channel": channel, "code": code, "message": message }))
        .collect();
    json!({ "success": false, "code": code, "message": message, "channels": in_force, "errors": errors })
        .to_string()
}

#[cfg(test)]
mod tests;
