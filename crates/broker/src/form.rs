//! How nodes write what they give each other: publications, and connections that can be resumed.
//!
//! ```text
//! publication = version (1 byte), flags (LEB128), id, time, accepted, type, data, streams, node, ticket,
//!               then what the flags say: connection, namespace, except, users and sessions to close, retain
//! connection  = "version node generation kind user\n", then flags, user, channels, dropped, positions
//! number = LEB128        text = number of bytes, the bytes        id = 16 bytes        time = milliseconds, zigzag
//! ```
//!
//! A version is read by every later node; a node that meets one that it does not know leaves that out and says so, so
//! that nodes of two versions can live side by side. Not here: the head that the scripts write (`message`).

pub(crate) mod bytes;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use hub::broker::{NodeId, Shared};
use hub::journal::ResumeEntry;
use protocol::channel::{Stream, split_namespace};
use protocol::publication::{CloseSessions, ConnectionTarget, Retain};
use protocol::{ConnectionId, Epoch, Position, Publication, PublicationId};

use bytes::{FormError, Reader, Writer};

/// The version of both forms.
pub(crate) const VERSION: u8 = 1;

const TO_CONNECTION: u64 = 1;
const TO_UNKNOWN: u64 = 1 << 1;
const NAMESPACE: u64 = 1 << 2;
const EXCEPT: u64 = 1 << 3;
const CLOSE: u64 = 1 << 4;
const RETAIN: u64 = 1 << 5;
const FINAL: u64 = 1 << 6;
const TRANSIENT: u64 = 1 << 7;
const KNOWN: u64 = (1 << 8) - 1;

/// Writes a publication.
pub(crate) fn write_shared(shared: &Shared) -> Vec<u8> {
    let Publication { id, event_type, data, timestamp } = &*shared.publication;
    let names: usize = shared.streams.iter().map(|name| name.len() + 2).sum();
    let mut out = Writer(Vec::with_capacity(96 + event_type.len() + data.len() + names));
    out.byte(VERSION);
    let flag = |is_there: bool, flag: u64| if is_there { flag } else { 0 };
    out.number(
        flag(matches!(shared.connection, Some(ConnectionTarget::Id(_))), TO_CONNECTION)
            | flag(matches!(shared.connection, Some(ConnectionTarget::Unknown)), TO_UNKNOWN)
            | flag(shared.namespace.is_some(), NAMESPACE)
            | flag(shared.except.is_some(), EXCEPT)
            | flag(shared.close_sessions.is_some(), CLOSE)
            | flag(shared.retain.is_some(), RETAIN)
            | flag(shared.retain.as_ref().is_some_and(|retain| retain.is_final), FINAL)
            | flag(shared.is_transient, TRANSIENT),
    );
    out.id(id.as_u128());
    out.time(*timestamp);
    out.time(shared.accepted);
    out.text(event_type);
    out.text(data);
    out.texts(shared.streams.iter());
    out.number(shared.origin.0.into());
    out.number(shared.origin.1);
    if let Some(ConnectionTarget::Id(connection)) = shared.connection {
        out.id(connection.as_u128());
    }
    if let Some(namespace) = &shared.namespace {
        out.text(namespace);
    }
    if let Some(except) = shared.except {
        out.id(except.as_u128());
    }
    if let Some(close) = &shared.close_sessions {
        out.texts(close.users.iter().map(Stream::as_str));
        out.texts(close.sessions.iter());
    }
    if let Some(retain) = &shared.retain {
        out.text(&retain.key);
        out.number(u64::try_from(retain.keep.as_millis()).unwrap_or(u64::MAX));
    }
    out.0
}

/// Reads a publication.
pub(crate) fn read_shared(bytes: &[u8]) -> Result<Shared, FormError> {
    let mut reader = Reader(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(FormError::Version(version));
    }
    let flags = reader.number()?;
    if flags & !KNOWN != 0 {
        return Err(FormError::Content("a flag that nobody knows"));
    }
    let has = |flag: u64| flags & flag != 0;
    let id = PublicationId::from_u128(reader.id()?);
    let (timestamp, accepted) = (reader.time()?, reader.time()?);
    let (event_type, data) = (reader.text()?.into(), reader.text()?.into());
    let streams = reader.texts()?;
    let origin = (reader.small()?, reader.number()?);
    let connection = if has(TO_CONNECTION) {
        Some(ConnectionTarget::Id(connection(&mut reader)?))
    } else {
        has(TO_UNKNOWN).then_some(ConnectionTarget::Unknown)
    };
    let namespace = if has(NAMESPACE) { Some(reader.text()?.into()) } else { None };
    let except = if has(EXCEPT) { Some(self::connection(&mut reader)?) } else { None };
    let close_sessions = if has(CLOSE) {
        let users = reader.texts()?.into_iter().map(Stream::named).collect();
        Some(CloseSessions { users, sessions: reader.texts()? })
    } else {
        None
    };
    let retain = if has(RETAIN) {
        let key = reader.text()?.into();
        Some(Retain { key, keep: Duration::from_millis(reader.number()?), is_final: has(FINAL) })
    } else {
        None
    };
    reader.end()?;
    Ok(Shared {
        publication: Arc::new(Publication { id, event_type, data, timestamp }),
        accepted,
        streams,
        connection,
        namespace,
        except,
        close_sessions,
        retain,
        is_transient: has(TRANSIENT),
        origin,
    })
}

fn connection(reader: &mut Reader<'_>) -> Result<ConnectionId, FormError> {
    // From its text, since an id may be any UUID, and `from_random` makes a v4 of it.
    ConnectionId::parse(&format!("{:032x}", reader.id()?)).ok_or(FormError::Content("no connection's id"))
}

/// A user as the script compares it.
pub(crate) fn whose(user: Option<&str>) -> String {
    user.map_or_else(|| "-".into(), |user| format!("u{user}"))
}

const USER: u64 = 1;
const DROPPED: u64 = 1 << 1;
const ARRIVED: u64 = 1 << 2;

/// Writes a connection of `node`: first what the scripts ask, then all of it.
pub(crate) fn write_entry(node: NodeId, entry: &ResumeEntry) -> Vec<u8> {
    let ResumeEntry { connection: _, generation, user, channels, dropped, arrived } = entry;
    let is_of_socket = arrived.iter().flatten().any(|(stream, _)| split_namespace(stream).is_some());
    let kind = match (arrived, is_of_socket) {
        (None, _) => 't',
        (Some(_), false) => 'i',
        (Some(_), true) => 's',
    };
    let head = format!("{VERSION} {node} {generation} {kind} {}\n", whose(user.as_deref()));
    let mut out = Writer(head.into_bytes());
    let flag = |is_there: bool, flag: u64| if is_there { flag } else { 0 };
    out.number(
        flag(user.is_some(), USER) | flag(dropped.is_some(), DROPPED) | flag(arrived.is_some(), ARRIVED),
    );
    out.texts(channels.iter());
    if let Some(dropped) = dropped {
        out.time(*dropped);
    }
    if let Some(arrived) = arrived {
        out.number(arrived.len() as u64);
        for (stream, position) in arrived {
            out.text(stream);
            out.number(position.epoch.bits());
            out.number(position.offset);
        }
    }
    out.0
}

/// Reads a connection.
pub(crate) fn read_entry(connection: ConnectionId, bytes: &[u8]) -> Result<ResumeEntry, FormError> {
    let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(FormError::CutOff)?;
    let head =
        std::str::from_utf8(&bytes[..end]).map_err(|_| FormError::Content("a head that is no text"))?;
    let mut words = head.splitn(5, ' ');
    let mut word = || words.next().ok_or(FormError::CutOff);
    let version = word()?.parse().map_err(|_| FormError::Content("no version"))?;
    if version != VERSION {
        return Err(FormError::Version(version));
    }
    let (_node, generation, _kind, whose) = (word()?, word()?, word()?, word()?);
    let generation = generation.parse().map_err(|_| FormError::Content("no generation"))?;
    let mut reader = Reader(&bytes[end + 1..]);
    let flags = reader.number()?;
    let user = (flags & USER != 0).then(|| whose.get(1..).unwrap_or_default().into());
    let channels = reader.texts()?;
    let dropped = if flags & DROPPED == 0 { None } else { Some(reader.time()?) };
    let arrived = if flags & ARRIVED == 0 { None } else { Some(positions(&mut reader)?) };
    reader.end()?;
    Ok(ResumeEntry { connection, generation, user, channels, dropped, arrived })
}

fn positions(reader: &mut Reader<'_>) -> Result<Vec<(Box<str>, Position)>, FormError> {
    let count = reader.count(3)?;
    let mut positions = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = reader.text()?.into();
        let epoch = Epoch::from_bits(reader.number()?);
        positions.push((stream, Position { epoch, offset: reader.number()? }));
    }
    Ok(positions)
}
