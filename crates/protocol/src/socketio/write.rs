//! What the server sends, with the Engine.IO type `4` in front: the text of a WebSocket message, or a packet of a payload.
//!
//! The namespace `/` is not named on the wire (Socket.IO protocol, packet encoding). What is given as JSON goes out as it
//! is. Not here: frames (`websocket`) and payloads (`engine`).

use serde::Serialize;

/// The bytes of a packet's head: types, namespace and id.
const HEAD: usize = 32;

/// The packet that welcomes a socket into a namespace. `pid` is there where it can be recovered.
#[must_use]
pub fn connect(namespace: &str, sid: &str, pid: Option<&str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Data<'a> {
        sid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<&'a str>,
    }
    let mut packet = head(b'0', None, namespace, None);
    push_json(&mut packet, &Data { sid, pid });
    packet
}

/// The packet that refuses one: its client calls it `connect_error`.
#[must_use]
pub fn connect_error(namespace: &str, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Data<'a> {
        message: &'a str,
    }
    let mut packet = head(b'4', None, namespace, None);
    push_json(&mut packet, &Data { message });
    packet
}

/// The packet that ends a socket; the session goes on.
#[must_use]
pub fn disconnect(namespace: &str) -> Vec<u8> {
    head(b'1', None, namespace, None)
}

/// An event with its arguments, usually one, which are JSON with commas between them; and behind them a text where `extra` is there (connection state recovery has
/// the offset there).
#[must_use]
pub fn event(namespace: &str, name: &str, data: &str, extra: Option<&str>) -> Vec<u8> {
    let mut packet = head(b'2', None, namespace, None);
    packet.reserve(name.len() + data.len() + extra.map_or(0, str::len) + 8);
    packet.push(b'[');
    push_json(&mut packet, name);
    if !data.is_empty() {
        packet.push(b',');
        packet.extend_from_slice(data.as_bytes());
    }
    if let Some(extra) = extra {
        packet.push(b',');
        push_json(&mut packet, extra);
    }
    packet.push(b']');
    packet
}

/// The acknowledgement of the event with that number. `arguments` are JSON, with commas between them; usually one.
#[must_use]
pub fn ack(namespace: &str, id: u64, arguments: &str) -> Vec<u8> {
    let mut packet = head(b'3', None, namespace, Some(id));
    push_array(&mut packet, arguments);
    packet
}

/// An event with attachments, which are to follow. `arguments` are JSON, with commas between them.
#[must_use]
pub fn binary_event(namespace: &str, attachments: u8, name: &str, arguments: &str) -> Vec<u8> {
    let mut packet = head(b'5', Some(attachments), namespace, None);
    packet.push(b'[');
    push_json(&mut packet, name);
    if !arguments.is_empty() {
        packet.push(b',');
        packet.extend_from_slice(arguments.as_bytes());
    }
    packet.push(b']');
    packet
}

/// An acknowledgement with attachments, which are to follow.
#[must_use]
pub fn binary_ack(namespace: &str, attachments: u8, id: u64, arguments: &str) -> Vec<u8> {
    let mut packet = head(b'6', Some(attachments), namespace, Some(id));
    push_array(&mut packet, arguments);
    packet
}

fn head(kind: u8, attachments: Option<u8>, namespace: &str, id: Option<u64>) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEAD + namespace.len());
    packet.extend_from_slice(&[b'4', kind]);
    if let Some(attachments) = attachments {
        packet.extend_from_slice(itoa::Buffer::new().format(attachments).as_bytes());
        packet.push(b'-');
    }
    if namespace != "/" {
        packet.extend_from_slice(namespace.as_bytes());
        packet.push(b',');
    }
    if let Some(id) = id {
        packet.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    }
    packet
}

fn push_array(packet: &mut Vec<u8>, elements: &str) {
    packet.push(b'[');
    packet.extend_from_slice(elements.as_bytes());
    packet.push(b']');
}

fn push_json(packet: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // A text, or an object of texts, always becomes JSON.
    packet.extend(serde_json::to_vec(value).unwrap_or_default());
}
