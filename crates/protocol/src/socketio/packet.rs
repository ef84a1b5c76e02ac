//! Socket.IO packets of a client, read where they lie (Socket.IO protocol, revision 5).
//!
//! `<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]`, without the Engine.IO type. [`Packet::parse`] finds the
//! parts and bounds them; [`Packet::check`] and [`Packet::event`] look at the JSON. Not here: writing (`write`).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;

/// The longest name of a namespace that is looked at, in bytes: as much as a channel's may have.
pub const MAX_NAMESPACE: usize = 200;

/// Attachments that a packet may announce. Socket.IO's own server takes 10.
pub const MAX_ATTACHMENTS: u8 = 16;

/// Names that no event may have, since clients and servers have a meaning of their own for them (Socket.IO protocol).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether no event may have that name: a client that gets one takes it for a broken packet, and ends its connection.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `0`: a wish to be in a namespace, and its granting.
    Connect,
    /// `1`: the end of being in one.
    Disconnect,
    /// `2`: an event.
    Event,
    /// `3`: the acknowledgement of an event.
    Ack,
    /// `4`: only servers send it.
    ConnectError,
    /// `5`: an event with attachments, which follow as messages of bytes.
    BinaryEvent,
    /// `6`: an acknowledgement with attachments.
    BinaryAck,
}

impl Kind {
    /// Whether attachments may follow.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// What is wrong with a packet. It is the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// There is nothing.
    #[error("a packet is empty")]
    Empty,
    /// The type is none.
    #[error("a packet is of no known type")]
    UnknownKind,
    /// What stands behind a `b` in a payload.
    #[error("a binary packet is no base64")]
    Base64,
    /// The number before the `-`.
    #[error("the number of attachments is missing, or is no number up to 16")]
    Attachments,
    /// The name of the namespace.
    #[error("the name of a namespace is longer than 200 bytes")]
    Namespace,
    /// The number before the JSON.
    #[error("an acknowledgement id has more than 64 bits")]
    AckId,
    /// The JSON is none, or not what the type of packet has.
    #[error("the payload of a packet is not what its type has")]
    Payload,
    /// The JSON is nested too deep.
    #[error("the payload of a packet is nested deeper than 128 levels")]
    TooDeep,
    /// The event's name is not for events.
    #[error("the name of an event is a reserved one")]
    ReservedName,
}

/// A packet, with its parts marked in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub kind: Kind,
    /// How many attachments follow.
    pub attachments: u8,
    /// The namespace; `/` where none is named.
    pub namespace: &'a str,
    /// The number under which the peer waits for an acknowledgement, or that of the event that this one is of.
    pub ack: Option<u64>,
    /// The JSON, not yet looked at.
    pub data: Option<&'a str>,
}

impl<'a> Packet<'a> {
    /// Finds the parts of a packet. The JSON is only cut off: see [`Packet::check`].
    ///
    /// # Errors
    /// The type is unknown, or a part is not what it should be.
    pub fn parse(text: &'a str) -> Result<Self, PacketError> {
        let (&first, _) = text.as_bytes().split_first().ok_or(PacketError::Empty)?;
        let kind = match first {
            b'0' => Kind::Connect,
            b'1' => Kind::Disconnect,
            b'2' => Kind::Event,
            b'3' => Kind::Ack,
            b'4' => Kind::ConnectError,
            b'5' => Kind::BinaryEvent,
            b'6' => Kind::BinaryAck,
            _ => return Err(PacketError::UnknownKind),
        };
        let mut rest = &text[1..];
        let mut attachments = 0;
        if kind.is_binary() {
            let (number, behind) = rest.split_once('-').ok_or(PacketError::Attachments)?;
            attachments = number
                .parse()
                .ok()
                .filter(|&count| count <= MAX_ATTACHMENTS && number.bytes().all(|b| b.is_ascii_digit()))
                .ok_or(PacketError::Attachments)?;
            rest = behind;
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
            if namespace.len() > MAX_NAMESPACE {
                return Err(PacketError::Namespace);
            }
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, data) = rest.split_at(digits);
        let ack = match number {
            "" => None,
            number => Some(number.parse().map_err(|_| PacketError::AckId)?),
        };
        let data = Some(data).filter(|data| !data.is_empty());
        Ok(Self { kind, attachments, namespace, ack, data })
    }

    /// Whether the JSON is what a packet of this type has: an object or nothing in a CONNECT, nothing in a DISCONNECT, an
    /// array in all others, that of an event with its name first.
    ///
    /// # Errors
    /// It is not, or it is nested deeper than [`json::MAX_DEPTH`].
    pub fn check(&self) -> Result<(), PacketError> {
        let begins = |text: &str, with: char| {
            text.trim_ascii_start().starts_with(with) && serde_json::from_str::<IgnoredAny>(text).is_ok()
        };
        if self.data.is_some_and(|data| json::is_deeper_than(data.as_bytes(), json::MAX_DEPTH)) {
            return Err(PacketError::TooDeep);
        }
        let is_good = match self.kind {
            Kind::Connect => self.data.is_none_or(|data| begins(data, '{')),
            Kind::Disconnect => self.data.is_none(),
            Kind::Event | Kind::BinaryEvent => return self.event().map(drop),
            Kind::Ack | Kind::BinaryAck => self.data.is_some_and(|data| begins(data, '[')),
            Kind::ConnectError => self.data.is_some_and(|data| begins(data, '{')),
        };
        if is_good { Ok(()) } else { Err(PacketError::Payload) }
    }

    /// The event in it.
    ///
    /// # Errors
    /// The JSON is no array with a name in front, or is nested deeper than [`json::MAX_DEPTH`].
    pub fn event(&self) -> Result<Event<'a>, PacketError> {
        let data = self.data.ok_or(PacketError::Payload)?;
        if json::is_deeper_than(data.as_bytes(), json::MAX_DEPTH) {
            return Err(PacketError::TooDeep);
        }
        let parts: Parts<'a> = serde_json::from_str(data).map_err(|_| PacketError::Payload)?;
        let name: Cow<'a, str> = match parts.name.get().as_bytes().first() {
            Some(b'"') => {
                serde_json::from_str::<Name<'a>>(parts.name.get()).map_err(|_| PacketError::Payload)?.0
            }
            Some(b'0'..=b'9' | b'-') => Cow::Borrowed(parts.name.get()),
            _ => return Err(PacketError::Payload),
        };
        if is_reserved(&name) {
            return Err(PacketError::ReservedName);
        }
        // The name is a part of the text, so it is found where it lies.
        let end = (parts.name.get().as_ptr() as usize + parts.name.get().len())
            .saturating_sub(data.as_ptr() as usize);
        let behind = data.get(end..).unwrap_or_default().trim_ascii();
        let rest = behind.strip_suffix(']').unwrap_or(behind).trim_ascii();
        let rest = rest.strip_prefix(',').unwrap_or(rest).trim_ascii_start();
        Ok(Event { name, data: parts.first.map(RawValue::get), rest })
    }
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its name. A number, which is allowed too, stands as its text.
    pub name: Cow<'a, str>,
    /// The first argument, as JSON.
    pub data: Option<&'a str>,
    /// All arguments, as JSON with commas between them.
    pub rest: &'a str,
}

/// A string of a JSON text, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The beginning of an event's array.
struct Parts<'a> {
    name: &'a RawValue,
    first: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array with a name in front")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let name = elements.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let first = elements.next_element()?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Parts { name, first })
            }
        }

        deserializer.deserialize_seq(Reader)
    }
}
