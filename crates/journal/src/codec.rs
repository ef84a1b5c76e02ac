//! The binary form of what is in the database's blobs: sealed with a version, a kind and a checksum, so that what a
//! disk gives back wrongly is noticed, whatever it is.
//!
//! ```text
//! blob   = version (1 byte), kind (1 byte), checksum (CRC-32 of the rest, 4 bytes, least significant first), body
//! number = LEB128, at most 10 bytes        text = number of bytes, the bytes        id = 16 bytes, as it is written
//! time   = milliseconds, as a number with the sign in its lowest bit
//! entry  = seq less that of the entry before (in a group at first: less the group's), id, time, accepted, flags (1 byte),
//!          with flag 1 the connection that is left out, with flag 2 a number of texts and they: whom it was for,
//!          type, data, number of places, places
//! place  = number of the stream in this blob, offset; a stream's first place has its name and epoch in between
//! ```
//!
//! What was read is never trusted with an allocation: a list has room for what the bytes left can hold, no more.
//! Not here: which blob stands where (`commit` writes them, `load` reads them).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hub::idempotency::ScopedKey;
use hub::journal::{DurablePlace, Entry, KeyEntry, ResumeEntry, StreamEnd};
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Epoch, Position, PublicationId};

pub(crate) mod blob;

use blob::{Blob, DecodeError, Reader};

/// What a blob holds. A blob in the wrong place is damage like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The entries of a group.
    Group = 1,
    /// Idempotency keys.
    Keys = 2,
    /// A retained event, with its stream and key.
    Retained = 3,
    /// What a connection can be resumed to.
    Resume = 4,
    /// The end of a stream.
    End = 5,
    /// What the store knows of itself.
    Identity = 6,
}

/// What the store knows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Random bits, made when the store was created.
    pub(crate) secret: [u8; 32],
    /// How often streams were forgotten.
    pub(crate) resets: u64,
}

/// An entry's flags.
const EXCEPT: u8 = 1;
const ADDRESSED: u8 = 2;

/// Names that were read, each kept once, however often it comes.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.0.get(text) {
            return Arc::clone(name);
        }
        let name: Arc<str> = text.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

/// The streams of the blob that is being written, by the numbers that they have in it.
type Numbered<'e> = HashMap<(&'e str, Epoch), u64>;

/// Writes the number and the entries of a group.
pub(crate) fn write_group(out: &mut Vec<u8>, seq: u64, entries: &[Arc<Entry>]) {
    let mut blob = Blob::begin(out, Kind::Group);
    blob.number(seq);
    blob.number(entries.len() as u64);
    let mut streams = Numbered::new();
    let mut before = seq;
    for entry in entries {
        write_entry(&mut blob, entry, before, &mut streams);
        before = entry.seq;
    }
    blob.seal();
}

/// Reads the number and the entries of a group.
pub(crate) fn read_group(bytes: &[u8], names: &mut Names) -> Result<(u64, Vec<Arc<Entry>>), DecodeError> {
    let mut reader = Reader::open(bytes, Kind::Group)?;
    let seq = reader.number()?;
    // Seq, id, two times, except, type, data, places: one byte each at least, and the id has 16.
    let count = reader.count(23)?;
    let mut entries = Vec::with_capacity(count);
    let mut streams = Vec::new();
    let mut before = seq;
    for _ in 0..count {
        let entry = read_entry(&mut reader, before, &mut streams, names)?;
        before = entry.seq;
        entries.push(Arc::new(entry));
    }
    reader.end()?;
    Ok((seq, entries))
}

fn write_entry<'e>(blob: &mut Blob<'_>, entry: &'e Entry, before: u64, streams: &mut Numbered<'e>) {
    blob.number(entry.seq.wrapping_sub(before));
    blob.id(entry.id.as_u128());
    blob.time(entry.timestamp);
    blob.time(entry.accepted);
    let flags = u8::from(entry.except.is_some()) * EXCEPT + u8::from(!entry.addressed.is_empty()) * ADDRESSED;
    blob.byte(flags);
    if let Some(connection) = entry.except {
        blob.id(connection.as_u128());
    }
    if !entry.addressed.is_empty() {
        blob.number(entry.addressed.len() as u64);
        entry.addressed.iter().for_each(|name| blob.text(name));
    }
    blob.text(&entry.event_type);
    blob.text(&entry.data);
    blob.number(entry.places.len() as u64);
    for DurablePlace { stream, epoch, offset } in &entry.places {
        let next = streams.len() as u64;
        let number = *streams.entry((stream, *epoch)).or_insert(next);
        blob.number(number);
        if number == next {
            blob.text(stream);
            blob.number(epoch.bits());
        }
        blob.number(*offset);
    }
}

fn read_entry(
    reader: &mut Reader<'_>,
    before: u64,
    streams: &mut Vec<(Arc<str>, Epoch)>,
    names: &mut Names,
) -> Result<Entry, DecodeError> {
    let seq = before.wrapping_add(reader.number()?);
    let id = PublicationId::from_u128(reader.id()?);
    let timestamp = reader.time()?;
    let accepted = reader.time()?;
    let flags = reader.byte()?;
    if flags & !(EXCEPT | ADDRESSED) != 0 {
        return Err(DecodeError::Content("a flag that nobody knows"));
    }
    let except = if flags & EXCEPT == 0 { None } else { Some(connection(reader)?) };
    let mut addressed = Vec::new();
    if flags & ADDRESSED != 0 {
        for _ in 0..reader.count(1)? {
            addressed.push(reader.text()?.into());
        }
    }
    let event_type = reader.text()?.into();
    let data = reader.text()?.into();
    let count = reader.count(2)?;
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        let number = reader.number()?;
        if number == streams.len() as u64 {
            let name = names.one(reader.text()?);
            streams.push((name, Epoch::from_bits(reader.number()?)));
        }
        let known = usize::try_from(number).ok().and_then(|number| streams.get(number));
        let (stream, epoch) = known.ok_or(DecodeError::Content("a stream without a name"))?;
        places.push(DurablePlace { stream: Arc::clone(stream), epoch: *epoch, offset: reader.number()? });
    }
    Ok(Entry { seq, id, event_type, data, timestamp, accepted, except, places, addressed })
}

fn connection(reader: &mut Reader<'_>) -> Result<ConnectionId, DecodeError> {
    // From its text, since an id may be any UUID, and `from_random` makes a v4 of it.
    ConnectionId::parse(&format!("{:032x}", reader.id()?)).ok_or(DecodeError::Content("no connection's id"))
}

/// Writes idempotency keys.
pub(crate) fn write_keys(out: &mut Vec<u8>, keys: &[KeyEntry]) {
    let mut blob = Blob::begin(out, Kind::Keys);
    blob.number(keys.len() as u64);
    for KeyEntry { key, id, recipients, at } in keys {
        blob.text(&key.scope);
        blob.text(&key.key);
        blob.id(id.as_u128());
        blob.number((*recipients).into());
        blob.time(*at);
    }
    blob.seal();
}

/// Reads idempotency keys.
pub(crate) fn read_keys(bytes: &[u8], names: &mut Names) -> Result<Vec<KeyEntry>, DecodeError> {
    let mut reader = Reader::open(bytes, Kind::Keys)?;
    // Scope, key, id, recipients, time.
    let count = reader.count(20)?;
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        let key = ScopedKey { scope: names.one(reader.text()?), key: reader.text()?.into() };
        let id = PublicationId::from_u128(reader.id()?);
        let recipients = reader.small()?;
        keys.push(KeyEntry { key, id, recipients, at: reader.time()? });
    }
    reader.end()?;
    Ok(keys)
}

/// A retained event with the stream and the key under which it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RetainedRow {
    pub(crate) stream: Arc<str>,
    pub(crate) key: Box<str>,
    pub(crate) expires: Timestamp,
    pub(crate) entry: Arc<Entry>,
}

/// Writes a retained event.
pub(crate) fn write_retained(out: &mut Vec<u8>, stream: &str, key: &str, expires: Timestamp, entry: &Entry) {
    let mut blob = Blob::begin(out, Kind::Retained);
    blob.text(stream);
    blob.text(key);
    blob.time(expires);
    write_entry(&mut blob, entry, 0, &mut Numbered::new());
    blob.seal();
}

/// Reads a retained event.
pub(crate) fn read_retained(bytes: &[u8], names: &mut Names) -> Result<RetainedRow, DecodeError> {
    let mut reader = Reader::open(bytes, Kind::Retained)?;
    let stream = names.one(reader.text()?);
    let key = reader.text()?.into();
    let expires = reader.time()?;
    let entry = Arc::new(read_entry(&mut reader, 0, &mut Vec::new(), names)?);
    reader.end()?;
    Ok(RetainedRow { stream, key, expires, entry })
}

fn positions(reader: &mut Reader<'_>) -> Result<Vec<(Box<str>, Position)>, DecodeError> {
    let count = reader.count(3)?;
    let mut positions = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = reader.text()?.into();
        let epoch = Epoch::from_bits(reader.number()?);
        positions.push((stream, Position { epoch, offset: reader.number()? }));
    }
    Ok(positions)
}

/// Writes what a connection can be resumed to.
pub(crate) fn write_resume(out: &mut Vec<u8>, resume: &ResumeEntry) {
    let ResumeEntry { connection, generation, user, channels, dropped, arrived } = resume;
    let mut blob = Blob::begin(out, Kind::Resume);
    blob.id(connection.as_u128());
    blob.number((*generation).into());
    let there = [user.is_some(), dropped.is_some(), arrived.is_some()];
    blob.byte(there.iter().rev().fold(0, |bits, &there| bits << 1 | u8::from(there)));
    if let Some(user) = user {
        blob.text(user);
    }
    if let Some(dropped) = dropped {
        blob.time(*dropped);
    }
    blob.number(channels.len() as u64);
    for channel in channels {
        blob.text(channel);
    }
    if let Some(arrived) = arrived {
        blob.number(arrived.len() as u64);
        for (stream, position) in arrived {
            blob.text(stream);
            blob.number(position.epoch.bits());
            blob.number(position.offset);
        }
    }
    blob.seal();
}

/// Reads what a connection can be resumed to.
pub(crate) fn read_resume(bytes: &[u8]) -> Result<ResumeEntry, DecodeError> {
    let mut reader = Reader::open(bytes, Kind::Resume)?;
    let connection = connection(&mut reader)?;
    let generation = reader.small()?;
    let there = reader.byte()?;
    if there > 7 {
        return Err(DecodeError::Content("user, time and positions are there or not"));
    }
    let user = if there & 1 == 0 { None } else { Some(reader.text()?.into()) };
    let dropped = if there & 2 == 0 { None } else { Some(reader.time()?) };
    let count = reader.count(1)?;
    let mut channels = Vec::with_capacity(count);
    for _ in 0..count {
        channels.push(reader.text()?.into());
    }
    let arrived = if there & 4 == 0 { None } else { Some(positions(&mut reader)?) };
    reader.end()?;
    Ok(ResumeEntry { connection, generation, user, channels, dropped, arrived })
}

/// Writes the end of a stream.
pub(crate) fn write_end(out: &mut Vec<u8>, end: &StreamEnd) {
    let mut blob = Blob::begin(out, Kind::End);
    blob.text(&end.stream);
    blob.number(end.epoch.bits());
    blob.number(end.offset);
    blob.seal();
}

/// Reads the end of a stream.
pub(crate) fn read_end(bytes: &[u8], names: &mut Names) -> Result<StreamEnd, DecodeError> {
    let mut reader = Reader::open(bytes, Kind::End)?;
    let stream = names.one(reader.text()?);
    let epoch = Epoch::from_bits(reader.number()?);
    let end = StreamEnd { stream, epoch, offset: reader.number()? };
    reader.end()?;
    Ok(end)
}

/// Writes what the store knows of itself.
pub(crate) fn write_identity(out: &mut Vec<u8>, identity: &Identity) {
    let mut blob = Blob::begin(out, Kind::Identity);
    blob.bytes(&identity.secret);
    blob.number(identity.resets);
    blob.seal();
}

/// Reads what the store knows of itself.
pub(crate) fn read_identity(bytes: &[u8]) -> Result<Identity, DecodeError> {
    let mut reader = Reader::open(bytes, Kind::Identity)?;
    let identity = Identity { secret: reader.array()?, resets: reader.number()? };
    reader.end()?;
    Ok(identity)
}

#[cfg(test)]
mod tests;
