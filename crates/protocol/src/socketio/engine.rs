//! Engine.IO packets and payloads (Engine.IO protocol, revision 4).
//!
//! Over a WebSocket a packet is a message: text with its type in front, or bytes, which are always a message's. Over long
//! polling several packets are one payload of text: joined by [`SEPARATOR`], bytes in base64 behind a `b`.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::packet::PacketError;

/// The revision of the protocol, as it stands in the query (`EIO=4`).
pub const VERSION: &str = "4";

/// Bytes of a message and of a payload, unless configured (contract: socketio, protocol-test switch; the default of
/// Socket.IO's own server).
pub const MAX_PAYLOAD: usize = 1_000_000;

/// What stands between the packets of a payload (Engine.IO protocol, HTTP long-polling).
pub const SEPARATOR: char = '\u{1e}';

/// A packet of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnginePacket<'a> {
    /// `0`: only servers send it.
    Open,
    /// `1`: the client closes the session.
    Close,
    /// `2` with what stands behind it: a probe's is `probe`.
    Ping(&'a str),
    /// `3`, the answer to the server's ping.
    Pong,
    /// `4` with the text of a message.
    Message(&'a str),
    /// A message of bytes.
    Binary(Cow<'a, [u8]>),
    /// `5`: the session moves to this transport.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

impl<'a> EnginePacket<'a> {
    /// Reads the text of one packet, as it comes over a WebSocket.
    ///
    /// # Errors
    /// It is empty, or of no known type.
    pub fn parse(text: &'a str) -> Result<Self, PacketError> {
        let mut characters = text.chars();
        let kind = characters.next().ok_or(PacketError::Empty)?;
        let rest = characters.as_str();
        Ok(match kind {
            '0' => Self::Open,
            '1' => Self::Close,
            '2' => Self::Ping(rest),
            '3' => Self::Pong,
            '4' => Self::Message(rest),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            _ => return Err(PacketError::UnknownKind),
        })
    }

    /// Reads one packet of a payload, where bytes stand in base64.
    ///
    /// # Errors
    /// As [`EnginePacket::parse`]; and what stands behind a `b` is no base64.
    pub fn parse_polled(text: &'a str) -> Result<Self, PacketError> {
        match text.strip_prefix('b') {
            None => Self::parse(text),
            Some(encoded) => {
                let bytes = STANDARD.decode(encoded).map_err(|_| PacketError::Base64)?;
                Ok(Self::Binary(bytes.into()))
            }
        }
    }
}

/// The packets of a payload, each read when it is asked for.
pub fn payload(text: &str) -> impl Iterator<Item = Result<EnginePacket<'_>, PacketError>> {
    text.split(SEPARATOR).map(EnginePacket::parse_polled)
}

/// Appends a packet of text, its type in front, to a payload.
pub fn push_text(payload: &mut Vec<u8>, packet: &[u8]) {
    separate(payload);
    payload.extend_from_slice(packet);
}

/// Appends a message of bytes to a payload.
pub fn push_binary(payload: &mut Vec<u8>, bytes: &[u8]) {
    separate(payload);
    payload.push(b'b');
    payload.extend_from_slice(STANDARD.encode(bytes).as_bytes());
}

fn separate(payload: &mut Vec<u8>) {
    if !payload.is_empty() {
        payload.push(SEPARATOR as u8);
    }
}

/// The members of the first packet, in the order of Engine.IO's own server.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open<'a> {
    sid: &'a str,
    upgrades: &'a [&'a str],
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: usize,
}

/// The first packet of a session: its id, the transports that it can move to, the heartbeat in milliseconds, and the
/// bytes that a payload may have.
#[must_use]
pub fn open(
    sid: &str,
    upgrades: &[&str],
    ping_interval: Duration,
    ping_timeout: Duration,
    max_payload: usize,
) -> Vec<u8> {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let open =
        Open { sid, upgrades, ping_interval: ms(ping_interval), ping_timeout: ms(ping_timeout), max_payload };
    let mut packet = vec![b'0'];
    // Numbers and texts always become JSON.
    packet.extend(serde_json::to_vec(&open).unwrap_or_default());
    packet
}
