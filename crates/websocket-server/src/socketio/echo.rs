//! The namespaces of the protocol test, which answer without the hub (contract: socketio, Protocol-test switch).
//!
//! A socket is told the auth that it came with; `message` comes back as `message-back`, `message-with-ack` as its
//! acknowledgement, both with their attachments. Not here: the bare echo of `/engine.io/` (`session`).

use bytes::Bytes;
use protocol::socketio::{Kind, Packet, ack, binary_ack, binary_event, event};
use protocol::websocket::{binary_frame, text_frame};

/// Their names.
pub(crate) const NAMESPACES: [&str; 2] = ["/", "/custom"];

/// The frame that tells a new socket what it came with.
#[must_use]
pub(crate) fn greeting(namespace: &str, auth: Option<&str>) -> Bytes {
    text_frame(&event(namespace, "auth", auth.unwrap_or("{}"), None))
}

/// The frames that answer a packet; none where it asks for nothing.
#[must_use]
pub(crate) fn answer(text: &str, attachments: &[Bytes]) -> Option<Bytes> {
    let packet = Packet::parse(text).ok()?;
    if !matches!(packet.kind, Kind::Event | Kind::BinaryEvent) {
        return None;
    }
    let said = packet.event().ok()?;
    let (namespace, count) = (packet.namespace, u8::try_from(attachments.len()).ok()?);
    let answer = match (&*said.name, packet.ack) {
        ("message", _) if count > 0 => binary_event(namespace, count, "message-back", said.rest),
        ("message", _) => event(namespace, "message-back", said.rest, None),
        ("message-with-ack", Some(id)) if count > 0 => binary_ack(namespace, count, id, said.rest),
        ("message-with-ack", Some(id)) => ack(namespace, id, said.rest),
        _ => return None,
    };
    let mut frames = text_frame(&answer).to_vec();
    for attachment in attachments {
        frames.extend_from_slice(&binary_frame(attachment));
    }
    Some(frames.into())
}
