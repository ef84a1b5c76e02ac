//! What the simulation's broker stores: streams with what they keep, and states; and what was ever placed where.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hub::broker::{Event, Following, NodeId, Shared, StreamState};
use hub::rules::HistoryRule;
use protocol::timestamp::Timestamp;
use protocol::{Epoch, Position};

use super::model::Number;
use crate::random::Random;

/// A stream of the present life.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) epoch: Epoch,
    pub(crate) end: u64,
    rule: Option<HistoryRule>,
    kept: VecDeque<Event>,
    /// The number of the last event that is not kept.
    dropped: u64,
}

impl Stream {
    pub(crate) fn floor(&self) -> u64 {
        self.end - self.kept.len() as u64
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.rule.is_some()
    }

    fn drop_oldest(&mut self) {
        if let Some(gone) = self.kept.pop_front() {
            self.dropped = gone.seq;
        }
    }

    fn trim(&mut self, now: Timestamp) {
        let Some(rule) = self.rule else { return };
        let oldest = now.as_millis() - i64::try_from(rule.age.as_millis()).expect("short");
        while self.kept.len() > rule.size as usize
            || self.kept.front().is_some_and(|event| event.event.accepted.as_millis() < oldest)
        {
            self.drop_oldest();
        }
    }
}

/// What is stored.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) seq: u64,
    life: u64,
    made: u64,
    streams: BTreeMap<Box<str>, Stream>,
    states: BTreeMap<(Box<str>, Box<str>), (Timestamp, Event)>,
    /// All that was ever placed, in all lives: by a stream and its epoch.
    log: BTreeMap<(Box<str>, String), Vec<Number>>,
    /// Where each publication stands, and its number in the one order.
    places: BTreeMap<Number, (u64, BTreeMap<Box<str>, Position>)>,
    /// The same by these numbers.
    order: BTreeMap<u64, Number>,
    /// Up to where each node was told, in a stream, that something is gone.
    gaps: BTreeMap<(NodeId, Box<str>, Epoch), u64>,
}

impl Store {
    pub(crate) fn new(life: u64) -> Self {
        Self {
            seq: 1_000,
            life,
            made: 0,
            streams: BTreeMap::new(),
            states: BTreeMap::new(),
            log: BTreeMap::new(),
            places: BTreeMap::new(),
            order: BTreeMap::new(),
            gaps: BTreeMap::new(),
        }
    }

    /// Another life begins.
    pub(crate) fn lose(&mut self, life: u64, jump: u64) {
        self.life = life;
        self.seq += jump;
        self.streams.clear();
        self.states.clear();
    }

    fn open(&mut self, name: &str, rule: Option<HistoryRule>) -> &mut Stream {
        let (life, made) = (self.life, &mut self.made);
        let rule = rule.filter(|rule| rule.size > 0);
        let stream = self.streams.entry(name.into()).or_insert_with(|| {
            *made += 1;
            let epoch = Epoch::from_bits(Random::new(life * 1_000_003 + *made).next());
            Stream { epoch, end: 0, rule, kept: VecDeque::new(), dropped: 0 }
        });
        stream.rule = rule;
        stream
    }

    /// Gives a publication its number and its places, and keeps what is to be kept.
    pub(crate) fn place(&mut self, event: Shared, rules: &[Option<HistoryRule>], now: Timestamp) -> Event {
        self.seq += 1;
        let number = super::model::number_of(&event.publication);
        let names: Vec<Box<str>> = if event.is_transient { Vec::new() } else { event.streams.clone() };
        let mut places = Vec::new();
        for (name, rule) in names.iter().zip(rules) {
            let stream = self.open(name, *rule);
            stream.end += 1;
            places.push(Position { epoch: stream.epoch, offset: stream.end });
        }
        for (name, position) in names.iter().zip(&places) {
            let log = self.log.entry((name.clone(), position.epoch.to_string())).or_default();
            log.push(number);
            assert_eq!(log.len() as u64, position.offset, "an offset is one event for ever");
        }
        let at = names.iter().cloned().zip(places.iter().copied()).collect();
        self.order.insert(self.seq, number);
        // One for a connection alone that nobody has may be sent again under its key.
        let is_new = self.places.insert(number, (self.seq, at)).is_none();
        assert!(is_new || names.is_empty(), "{number} is placed twice");
        let event = Event { seq: self.seq, event: Arc::new(event), places };
        for name in &names {
            let stream = self.streams.get_mut(name).expect("it has a place there");
            if stream.is_kept() {
                stream.kept.push_back(event.clone());
                stream.trim(now);
            } else {
                stream.dropped = event.seq;
            }
            if let Some(retain) = &event.event.retain {
                let keep = i64::try_from(retain.keep.as_millis()).expect("short");
                let expires = Timestamp::from_millis(event.event.accepted.as_millis() + keep);
                self.states.insert((name.clone(), retain.key.clone()), (expires, event.clone()));
            }
        }
        event
    }

    /// What a node is told of a stream that it follows.
    pub(crate) fn state(
        &mut self,
        node: NodeId,
        following: &Following,
        now: Timestamp,
        random: &mut Random,
    ) -> StreamState {
        let Following { stream: name, rule, after } = following;
        let last = self.seq;
        let stream = self.open(name, *rule);
        stream.trim(now);
        let (epoch, floor, end) = (stream.epoch, stream.floor(), stream.end);
        let behind = after.filter(|at| at.epoch == epoch && at.offset >= floor).map_or(floor, |at| at.offset);
        assert!(behind <= end, "{node} has more of {name} than there is: {after:?} {end}");
        let skipped = usize::try_from(behind - floor).expect("few");
        let events: Vec<Event> = stream.kept.iter().skip(skipped).cloned().collect();
        // It need not be known exactly.
        let about = match stream.kept.front() {
            Some(oldest) if floor > 0 => oldest.seq - 1,
            None if floor > 0 => last,
            _ => 0,
        };
        let dropped = if random.percent(50) { stream.dropped } else { about };
        let gap = self.gaps.entry((node, name.clone(), epoch)).or_default();
        if after.is_none_or(|at| at.epoch != epoch || at.offset < floor) {
            *gap = floor;
        }
        let retained = self
            .states
            .range((name.clone(), "".into())..)
            .take_while(|((of, _), _)| of == name)
            .filter(|(_, (expires, _))| *expires > now)
            .map(|((_, key), (expires, event))| (key.clone(), *expires, event.clone()));
        let mut retained: Vec<_> = retained.collect();
        retained.sort_by_key(|(.., event)| event.seq);
        StreamState { stream: name.clone(), end: Position { epoch, offset: end }, dropped, events, retained }
    }

    /// A stream that keeps nothing any longer is forgotten, if nobody follows it.
    pub(crate) fn forget(&mut self, name: &str, now: Timestamp) {
        let Some(stream) = self.streams.get_mut(name) else { return };
        stream.trim(now);
        let is_empty = stream.kept.is_empty() && !self.states.keys().any(|(of, _)| &**of == name);
        // It is known for as long as an event is kept anywhere that names it.
        let mut events = self.streams.values().flat_map(|stream| &stream.kept);
        let is_named = events.any(|event| event.event.streams.iter().any(|of| &**of == name));
        let mut states = self.states.values();
        let is_told = states.any(|(_, event)| event.event.streams.iter().any(|of| &**of == name));
        if is_empty && !is_named && !is_told {
            self.streams.remove(name);
        }
    }

    pub(crate) fn stream(&mut self, name: &str, now: Timestamp) -> Option<&Stream> {
        let stream = self.streams.get_mut(name)?;
        stream.trim(now);
        Some(stream)
    }

    /// The publications of a stream in an epoch, by their offsets from 1 on.
    pub(crate) fn log(&self, stream: &str, epoch: &str) -> &[Number] {
        self.log.get(&(stream.into(), epoch.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Where a publication stands in a stream, if in that epoch.
    pub(crate) fn offset(&self, number: Number, stream: &str, epoch: &str) -> Option<u64> {
        let at = self.places.get(&number)?.1.get(stream)?;
        (at.epoch.to_string() == epoch).then_some(at.offset)
    }

    /// Whether a publication was ever placed.
    pub(crate) fn is_placed(&self, number: Number) -> bool {
        self.places.contains_key(&number)
    }

    /// Its number in the one order.
    pub(crate) fn seq_of(&self, number: Number) -> Option<u64> {
        self.places.get(&number).map(|(seq, _)| *seq)
    }

    /// The publications with numbers in the one order from the first on and before the second.
    pub(crate) fn between(&self, from: u64, until: u64) -> impl Iterator<Item = Number> {
        self.order.range(from..until.max(from)).map(|(_, number)| *number)
    }

    /// Up to where a node was told that something is gone.
    pub(crate) fn gap(&self, node: NodeId, stream: &str, epoch: Epoch) -> u64 {
        self.gaps.get(&(node, stream.into(), epoch)).copied().unwrap_or(0)
    }

    /// The states of a stream for so long at least.
    pub(crate) fn states(&self, stream: &str, until: i64) -> Vec<Number> {
        let is_it = |of: &str, expires: &Timestamp| of == stream && expires.as_millis() > until;
        self.states
            .iter()
            .filter(|((of, _), (expires, _))| is_it(of, expires))
            .map(|(_, (_, event))| super::model::number_of(&event.event.publication))
            .collect()
    }

    /// The present epoch of a stream.
    pub(crate) fn epoch(&self, name: &str) -> Option<Epoch> {
        self.streams.get(name).map(|stream| stream.epoch)
    }

    /// All streams of the present life.
    pub(crate) fn names(&self) -> Vec<Box<str>> {
        self.streams.keys().cloned().collect()
    }
}
