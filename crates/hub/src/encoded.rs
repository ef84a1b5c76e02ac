//! A publication with its place in the hub's order and in its streams, and its bytes on each wire: encoded at most
//! once each, and shared by all who get it, now or from history.
//!
//! A wire on which an event looks different for each connection (server-sent events, and events of several streams for
//! those who recover) gets its bytes through [`Encoded::placed`]; the usual combinations are kept there too.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use compact_str::CompactString;
use protocol::channel::{outside_namespaces, split_namespace};
use protocol::timestamp::Timestamp;
use protocol::websocket::{compress, compressed_text_frame, text_frame};
use protocol::{ConnectionId, Epoch, Position, Publication, UserId, channels, flat};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::dialects::socketio;
use crate::endpoint::{USER_OFFLINE, USER_ONLINE};
use crate::feeds::is_feed;
use crate::metrics::Metrics;
use crate::wire::{ENVELOPES, NamespaceIndex, WIRES, Wire};

/// A stream in one of its lives.
#[derive(Debug, PartialEq, Eq)]
pub struct StreamKey {
    /// The stream's name.
    pub name: CompactString,
    /// Which life.
    pub epoch: Epoch,
}

/// Where an event stands in one of its streams.
#[derive(Debug, Clone)]
pub struct Place {
    /// The stream.
    pub stream: Arc<StreamKey>,
    /// The event's offset there.
    pub offset: u64,
    /// Whether the stream keeps it, so that whoever missed it can be given it again.
    pub is_kept: bool,
    /// Whether the stream is on disk.
    pub is_durable: bool,
}

impl Place {
    /// The position of somebody who has had the event.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.stream.epoch, offset: self.offset }
    }
}

/// Where a socket goes on: behind an event, by its number in the hub's order. Numbers outlive the process only for what is on
/// disk, so in another life the last of those decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketOffset {
    /// The life of the hub.
    pub(crate) life: u32,
    /// The number of the event.
    pub(crate) seq: u64,
    /// The number of the last event on disk up to it.
    pub(crate) durable: u64,
}

impl fmt::Display for SocketOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { life, seq, durable } = self;
        write!(f, "{life:x}.{seq:x}.{durable:x}")
    }
}

impl SocketOffset {
    /// Reads what [`SocketOffset`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            u64::from_str_radix(part, 16).ok()
        };
        let (life, seq, durable) = (u32::try_from(number()?).ok()?, number()?, number()?);
        parts.next().is_none().then_some(Self { life, seq, durable })
    }
}

/// Where an event is.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    /// Its number in the hub's one order.
    pub seq: u64,
    /// Its streams, in the order of their names.
    pub places: SmallVec<[Place; 1]>,
    /// Whether one of them keeps it, so that whoever missed it can be given it again.
    pub is_kept: bool,
    /// The group on disk that it is in; 0 is none.
    pub group: u64,
}

/// A publication on its way, or in history, with its bytes.
#[derive(Debug)]
pub struct Encoded {
    publication: Arc<Publication>,
    except: Option<ConnectionId>,
    /// The user who came to a namespace, or went.
    about: Option<Box<str>>,
    ordered: Ordered,
    /// Of one in a feed that comes from the disk: the channels and users that it was for. Some of their streams may be gone.
    addressed: Option<Box<[Box<str>]>>,
    accepted_at: Instant,
    accepted: Timestamp,
    form: Arc<Form>,
    /// The delivery hook that it is told to: 0 is not looked up yet, 1 is none, all else the hook's number and 2.
    hook: AtomicU16,
    /// Whether its `ack` is understood.
    is_tracked: AtomicBool,
    /// How many streams keep it.
    keepers: AtomicU32,
    group: AtomicU64,
    /// The number of the last event on disk that was released before it, or with it.
    durable: AtomicU64,
    frames: [OnceLock<Bytes>; ENVELOPES],
    /// Frames on the flat wires, made with the first of them: most events have no reader there.
    flat: OnceLock<Box<[OnceLock<Bytes>; WIRES - ENVELOPES]>>,
    /// Frames for sockets, likewise: two for each namespace.
    sockets: OnceLock<Box<[OnceLock<Bytes>]>>,
    /// Frames of an event of several streams, by the set of those that a connection follows.
    subsets: Mutex<SmallVec<[(u64, Wire, Bytes); 0]>>,
}

/// What is the same for all events of a hub.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// Messages of so many bytes and more are compressed for those who can read it.
    pub(crate) deflate_min: Option<usize>,
    /// The names of the namespaces.
    pub(crate) namespaces: Box<[Box<str>]>,
    /// This life of the hub: numbers of events in memory mean nothing in another.
    pub(crate) life: u32,
}

/// Places of an event, by their numbers.
pub(crate) type Seen = SmallVec<[usize; 4]>;

/// Sets of streams for which an event's frames are kept: the usual event has a channel and two parties.
const MOST_SUBSETS: usize = 16;

impl Encoded {
    /// Takes a publication.
    #[must_use]
    pub(crate) fn new(
        publication: Arc<Publication>,
        except: Option<ConnectionId>,
        ordered: Ordered,
        accepted: Timestamp,
        form: Arc<Form>,
    ) -> Self {
        Self {
            about: except.and_then(|_| about(&publication)),
            publication,
            except,
            accepted_at: Instant::now(),
            accepted,
            form,
            hook: AtomicU16::new(0),
            is_tracked: AtomicBool::new(false),
            keepers: AtomicU32::new(0),
            durable: AtomicU64::new(0),
            group: AtomicU64::new(ordered.group),
            ordered,
            addressed: None,
            frames: [const { OnceLock::new() }; ENVELOPES],
            flat: OnceLock::new(),
            sockets: OnceLock::new(),
            subsets: Mutex::default(),
        }
    }

    /// The publication itself.
    #[must_use]
    pub fn publication(&self) -> &Publication {
        &self.publication
    }

    /// The connection that does not get it.
    #[must_use]
    pub fn except(&self) -> Option<ConnectionId> {
        self.except
    }

    /// The delivery hook that it is told to, found by `find` the first time.
    #[must_use]
    pub(crate) fn hook(&self, find: impl FnOnce(&str) -> Option<u8>) -> Option<u8> {
        let known = match self.hook.load(Ordering::Relaxed) {
            0 => {
                let found = find(&self.publication.event_type).map_or(1, |hook| u16::from(hook) + 2);
                self.hook.store(found, Ordering::Relaxed);
                found
            }
            known => known,
        };
        u8::try_from(known.checked_sub(2)?).ok()
    }

    /// Whether its `ack` is still to be made known; said once.
    #[must_use]
    pub(crate) fn begin_tracking(&self) -> bool {
        !self.is_tracked.swap(true, Ordering::Relaxed)
    }

    /// The user of whom it tells the others in a namespace.
    #[must_use]
    pub(crate) fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// It comes from the disk, with those whom it was for.
    pub(crate) fn restore_addressed(&mut self, addressed: &[Box<str>]) {
        if !addressed.is_empty() {
            self.addressed = Some(addressed.into());
        }
    }

    /// Of one in a feed the channels and users that it was for, each once: also those within a namespace alone.
    pub(crate) fn addressed(&self) -> SmallVec<[&str; 4]> {
        if let Some(addressed) = &self.addressed {
            return addressed.iter().map(|name| &**name).collect();
        }
        let names = || self.places().iter().map(|place| &*place.stream.name);
        let mut found = SmallVec::new();
        if names().any(is_feed) {
            found.extend(names().map(outside_namespaces).filter(|name| !name.starts_with('@')));
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    /// Its number in the hub's one order.
    #[must_use]
    pub(crate) fn seq(&self) -> u64 {
        self.ordered.seq
    }

    /// Its streams, in the order of their names.
    #[must_use]
    pub(crate) fn places(&self) -> &[Place] {
        &self.ordered.places
    }

    /// Whether one of its streams keeps it.
    #[must_use]
    pub(crate) fn is_kept(&self) -> bool {
        self.ordered.is_kept
    }

    /// The group on disk that it is in; 0 is none.
    #[must_use]
    pub(crate) fn group(&self) -> u64 {
        self.group.load(Ordering::Relaxed)
    }

    /// It is in another group on disk from now on.
    pub(crate) fn set_group(&self, group: u64) {
        self.group.store(group, Ordering::Relaxed);
    }

    /// It is released, when the event with this number is the last that is on disk.
    pub(crate) fn set_durable(&self, durable: u64) {
        self.durable.store(durable, Ordering::Relaxed);
    }

    /// What a socket that asked for recovery says to go on behind this event.
    fn offset(&self) -> SocketOffset {
        SocketOffset {
            life: self.form.life,
            seq: self.ordered.seq,
            durable: self.durable.load(Ordering::Relaxed),
        }
    }

    /// Whether a stream keeps it at the moment.
    pub(crate) fn is_held(&self) -> bool {
        self.keepers.load(Ordering::Relaxed) > 0
    }

    /// Its place in a stream, by its name.
    fn place_named(&self, name: &str) -> Option<usize> {
        let places = &self.ordered.places;
        if places.len() <= 4 {
            return places.iter().position(|place| place.stream.name == name);
        }
        places.binary_search_by(|place| place.stream.name.as_str().cmp(name)).ok()
    }

    /// Its offset in a stream, if it is there in that life of it.
    pub(crate) fn offset_in(&self, stream: &StreamKey) -> Option<u64> {
        let place = &self.ordered.places[self.place_named(&stream.name)?];
        (place.stream.epoch == stream.epoch).then_some(place.offset)
    }

    /// One more stream keeps it. Returns whether it is the first.
    pub(crate) fn keep(&self) -> bool {
        self.keepers.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// One stream less keeps it. Returns whether it was the last.
    pub(crate) fn let_go(&self) -> bool {
        self.keepers.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// When this process took it.
    #[must_use]
    pub fn accepted_at(&self) -> Instant {
        self.accepted_at
    }

    /// When the hub took it, perhaps before a restart.
    #[must_use]
    pub fn accepted(&self) -> Timestamp {
        self.accepted
    }

    /// About how many bytes it holds on its way, for the bound of the queues.
    #[must_use]
    pub fn weight(&self) -> usize {
        weight(&self.publication)
    }

    /// About how many bytes it holds in history, with its text on the two wires that most clients have.
    #[must_use]
    pub(crate) fn kept_weight(&self) -> usize {
        3 * (self.publication.data.len() + self.publication.event_type.len()) + KEPT_OVERHEAD
    }

    /// The frame for a shared wire, encoded at the first call. On [`Wire::Placed`] only for an event of one stream:
    /// others look different for each set of streams.
    pub(crate) fn frame(&self, wire: Wire, metrics: &Metrics) -> &Bytes {
        let index = wire.index().unwrap_or_default();
        let slot = match (index.checked_sub(ENVELOPES), index.checked_sub(WIRES)) {
            (_, Some(index)) => {
                let namespaces = self.form.namespaces.len();
                &self.sockets.get_or_init(|| (0..2 * namespaces).map(|_| OnceLock::new()).collect())[index]
            }
            (Some(index), None) => &self.flat.get_or_init(Box::default)[index],
            (None, None) => &self.frames[index],
        };
        slot.get_or_init(|| match (wire, wire.timestamps()) {
            (Wire::Namespace(namespace), _) => self.encode_for_sockets(namespace, None, metrics),
            (Wire::NamespaceOffset(namespace), _) => {
                self.encode_for_sockets(namespace, Some(&self.offset().to_string()), metrics)
            }
            (wire, _) if wire.is_deflate() => self.deflated(self.frame(wire.plain(), metrics), metrics),
            (Wire::Placed, _) => self.encode_placed(&self.ordered.places, metrics),
            (_, Some(format)) => {
                metrics.encodings.inc();
                let mut text = Vec::new();
                flat::write_event(&self.publication, format, &mut text);
                text_frame(&text)
            }
            _ => {
                metrics.encodings.inc();
                let mut text = Vec::new();
                channels::write_event(&self.publication, &mut text);
                text_frame(&text)
            }
        })
    }

    /// Which of its places are in streams that a connection follows, in their order.
    pub(crate) fn seen_by<'n>(&self, follows: impl Iterator<Item = &'n str>) -> Seen {
        let mut set: Seen = follows.filter_map(|name| self.place_named(name)).collect();
        set.sort_unstable();
        set.dedup();
        set
    }

    /// Whether the stream of that name keeps it; none where it is not in it.
    pub(crate) fn is_kept_by(&self, stream: &str) -> Option<bool> {
        self.place_named(stream).map(|place| self.ordered.places[place].is_kept)
    }

    /// Whether one of these places is in a stream that keeps it.
    pub(crate) fn is_kept_in(&self, seen: &Seen) -> bool {
        seen.iter().any(|&place| self.ordered.places[place].is_kept)
    }

    /// Whether one of these places is in a stream that does not keep it.
    pub(crate) fn is_unkept_in(&self, seen: &Seen) -> bool {
        seen.iter().any(|&place| !self.ordered.places[place].is_kept)
    }

    /// The frame on a placed wire for a connection that sees these of its places. None where it sees none: then it got
    /// the event as itself alone.
    pub(crate) fn placed(&self, wire: Wire, set: &Seen, metrics: &Metrics) -> Option<Bytes> {
        if wire.timestamps().is_some() || wire.is_socket() {
            return Some(self.frame(wire, metrics).clone());
        }
        if set.is_empty() {
            return None;
        }
        let places = &self.ordered.places;
        if places.len() == 1 {
            return Some(self.frame(wire, metrics).clone());
        }
        let mask = set
            .iter()
            .try_fold(0_u64, |mask, &place| Some(mask | 1_u64.checked_shl(place.try_into().ok()?)?));
        if let Some(found) = mask.and_then(|mask| self.subset(mask, wire)) {
            return Some(found);
        }
        let chosen: SmallVec<[Place; 4]> = set.iter().map(|&place| places[place].clone()).collect();
        let plain = self.encode_placed(&chosen, metrics);
        let frame = if wire.is_deflate() { self.deflated(&plain, metrics) } else { plain };
        let mut subsets = self.subsets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mask) = mask
            && subsets.len() < MOST_SUBSETS
        {
            subsets.push((mask, wire, frame.clone()));
        }
        Some(frame)
    }

    fn subset(&self, mask: u64, wire: Wire) -> Option<Bytes> {
        let subsets = self.subsets.lock().unwrap_or_else(PoisonError::into_inner);
        subsets.iter().find(|(set, on, _)| (*set, *on) == (mask, wire)).map(|(_, _, frame)| frame.clone())
    }

    /// The frame for a connection that got the event as itself alone.
    pub(crate) fn own(&self, position: Position, wire: Wire, metrics: &Metrics) -> Bytes {
        metrics.encodings.inc();
        let mut text = Vec::new();
        channels::write_placed_event(&self.publication, OWN, position, [], &mut text);
        let plain = text_frame(&text);
        if wire.is_deflate() { self.deflated(&plain, metrics) } else { plain }
    }

    fn encode_for_sockets(
        &self,
        namespace: NamespaceIndex,
        offset: Option<&str>,
        metrics: &Metrics,
    ) -> Bytes {
        metrics.encodings.inc();
        let namespace = self.form.namespaces.get(usize::from(namespace)).map_or("/", |name| &**name);
        text_frame(&socketio::event(&self.publication, namespace, offset))
    }

    fn encode_placed(&self, places: &[Place], metrics: &Metrics) -> Bytes {
        metrics.encodings.inc();
        let mut text = Vec::new();
        // Only sockets follow what is a namespace's alone.
        let mut places = places.iter().filter(|place| split_namespace(&place.stream.name).is_none());
        if let Some(first) = places.next() {
            let also = places.map(|place| (place.stream.name.as_str(), place.offset));
            channels::write_placed_event(
                &self.publication,
                &first.stream.name,
                first.position(),
                also,
                &mut text,
            );
        } else {
            channels::write_event(&self.publication, &mut text);
        }
        text_frame(&text)
    }

    fn deflated(&self, plain: &Bytes, metrics: &Metrics) -> Bytes {
        let size = self.publication.data.len() + self.publication.event_type.len();
        if self.form.deflate_min.is_none_or(|min| size < min) {
            return plain.clone();
        }
        packed(plain, metrics)
    }
}

/// The user who came to a namespace, or went, as the hub tells it.
fn about(publication: &Publication) -> Option<Box<str>> {
    #[derive(serde::Deserialize)]
    struct Data<'d> {
        #[serde(borrow)]
        user_id: &'d RawValue,
    }
    if !matches!(&*publication.event_type, USER_ONLINE | USER_OFFLINE) {
        return None;
    }
    let data: Data<'_> = serde_json::from_str(&publication.data).ok()?;
    Some(UserId::from_json(data.user_id.get()).ok()?.as_str().into())
}

/// A text frame compressed, where that makes it smaller.
pub(crate) fn packed(plain: &Bytes, metrics: &Metrics) -> Bytes {
    let packed = compressed_text_frame(&compress(payload(plain)));
    metrics.deflations.inc();
    if packed.len() < plain.len() { packed } else { plain.clone() }
}

/// What stands for the stream of an event that a connection got as itself alone.
pub(crate) const OWN: &str = "@connection";

/// What an event holds in history beside its text, about.
const KEPT_OVERHEAD: usize = 700;

/// About how many bytes a publication holds on its way.
pub(crate) fn weight(publication: &Publication) -> usize {
    publication.data.len() + publication.event_type.len() + 512
}

/// The payload of a whole unmasked frame.
pub(crate) fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}
