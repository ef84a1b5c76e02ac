//! Groups as a hub might write them, the same for the same seed, and what a store must hold after them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hub::idempotency::ScopedKey;
use hub::journal::{
    DurablePlace, Entry, Group, KeyEntry, ResumeChange, ResumeEntry, RetainedChange, Stored, StreamEnd,
};
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Epoch, Position, PublicationId};

/// Numbers by chance, the same for the same seed (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What a store must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    groups: BTreeMap<u64, Vec<Arc<Entry>>>,
    keys: BTreeMap<(i64, u64), Vec<KeyEntry>>,
    retained: BTreeMap<(String, String), RetainedChange>,
    resumes: BTreeMap<u128, ResumeEntry>,
    ends: BTreeMap<String, StreamEnd>,
    resets: u64,
}

impl Model {
    /// What holds after a group.
    pub(crate) fn accept(&mut self, group: &Group) {
        for seq in &group.remove {
            self.groups.remove(seq);
        }
        for end in &group.ends {
            self.ends.insert(end.stream.to_string(), end.clone());
        }
        for stream in &group.forget_streams {
            self.ends.remove(&**stream);
        }
        if let Some(before) = group.forget_keys_before {
            self.keys.retain(|(at, _), _| *at >= before.as_millis());
        }
        self.resets = group.resets.unwrap_or(self.resets);
        if !group.entries.is_empty() {
            self.groups.insert(group.seq, group.entries.clone());
        }
        if let Some(latest) = group.keys.iter().map(|key| key.at.as_millis()).max() {
            self.keys.insert((latest, group.seq), group.keys.clone());
        }
        for change in &group.retained {
            match change {
                RetainedChange::Set { stream, key, .. } => {
                    self.retained.insert((stream.to_string(), key.to_string()), change.clone());
                }
                RetainedChange::Forget { stream, key } => {
                    self.retained.remove(&(stream.to_string(), key.to_string()));
                }
            }
        }
        for change in &group.resumes {
            match change {
                ResumeChange::Set(resume) => {
                    self.resumes.insert(resume.connection.as_u128(), resume.clone());
                }
                ResumeChange::Forget(connection) => {
                    self.resumes.remove(&connection.as_u128());
                }
            }
        }
    }

    /// The same as a store tells it.
    pub(crate) fn stored(&self, secret: [u8; 32]) -> Stored {
        let retained = self.retained.values().filter_map(|change| match change {
            RetainedChange::Set { entry, .. } => Some(entry.seq),
            RetainedChange::Forget { .. } => None,
        });
        let groups = self.groups.iter();
        let numbers = groups.flat_map(|(seq, entries)| entries.iter().map(|entry| entry.seq).chain([*seq]));
        let last_seq = numbers.chain(self.keys.keys().map(|(_, seq)| *seq)).chain(retained).max();
        let mut keys: Vec<KeyEntry> = self.keys.values().flatten().cloned().collect();
        keys.sort_by_key(|key| key.at);
        Stored {
            secret,
            resets: self.resets,
            last_seq: last_seq.unwrap_or(0),
            is_damaged: false,
            groups: self.groups.iter().map(|(seq, entries)| (*seq, entries.clone())).collect(),
            ends: self.ends.values().cloned().collect(),
            keys,
            retained: self.retained.values().cloned().collect(),
            resumes: self.resumes.values().cloned().collect(),
        }
    }
}

/// Makes one group after the other.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    random: Random,
    seq: u64,
    clock: i64,
    /// What was accepted so far.
    pub(crate) model: Model,
}

const STREAMS: [&str; 5] = ["jobs", "payments", "user:7", "@all", "größe"];

/// How many groups are kept: little, so that each is soon removed.
const KEPT: usize = 12;

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), seq: 0, clock: 1_700_000_000_000, model: Model::default() }
    }

    /// The next group; whether it counts is told by [`Model::accept`].
    pub(crate) fn group(&mut self) -> Group {
        self.clock += self.random.below(2000) as i64;
        self.seq += 1;
        let mut group = Group { seq: self.seq, ..Group::default() };
        // Now and then one with more than a page, and one without any.
        let count = match self.random.below(8) {
            0 => 0,
            1 => 60,
            _ => self.random.below(6) + 1,
        };
        group.entries = (0..count).map(|_| Arc::new(self.entry())).collect();
        for entry in &group.entries {
            if self.random.one_in(2) {
                group.keys.push(self.key(entry.id));
            }
        }
        if let Some(entry) = group.entries.last()
            && self.random.one_in(2)
        {
            let expires = Timestamp::from_millis(self.clock + 60_000);
            let (stream, key) = (self.stream(), self.text(1).into());
            group.retained.push(RetainedChange::Set { stream, key, expires, entry: Arc::clone(entry) });
        }
        if self.random.one_in(4) {
            group.retained.push(RetainedChange::Forget { stream: self.stream(), key: self.text(1).into() });
        }
        if self.random.one_in(2) {
            group.resumes.push(self.resume());
        }
        while self.model.groups.len() - group.remove.len() > KEPT {
            // Not always the oldest: a stream may need it for longer.
            let place = self.random.below(3) as usize;
            let seq = self.model.groups.keys().filter(|seq| !group.remove.contains(seq)).nth(place);
            group.remove.extend(seq);
            let end = StreamEnd { stream: self.stream(), epoch: Epoch::from_bits(3), offset: self.seq };
            group.ends.push(end);
        }
        if self.random.one_in(16) {
            group.forget_streams.push(self.stream());
            group.resets = Some(self.model.resets + 1);
        }
        if self.random.one_in(8) {
            group.forget_keys_before = Some(Timestamp::from_millis(self.clock - 10_000));
        }
        if group.is_empty() {
            group.resumes.push(self.resume());
        }
        group
    }

    /// So many groups, all accepted.
    pub(crate) fn accepted(&mut self, count: usize) -> Vec<Group> {
        let one = |_| {
            let group = self.group();
            self.model.accept(&group);
            group
        };
        (0..count).map(one).collect()
    }

    fn entry(&mut self) -> Entry {
        self.seq += 1;
        let places = (0..self.random.below(3)).map(|number| DurablePlace {
            stream: STREAMS[number as usize * 2].into(),
            epoch: Epoch::from_bits(3),
            offset: self.seq,
        });
        let places = places.collect();
        let length = self.random.below(400) as usize;
        Entry {
            seq: self.seq,
            id: PublicationId::from_u128(u128::from(self.random.next()) << 64 | u128::from(self.seq)),
            event_type: "job_progress".into(),
            data: format!("\"{}\"", self.text(length)).into(),
            timestamp: Timestamp::from_millis(self.clock - 5),
            accepted: Timestamp::from_millis(self.clock),
            except: self.random.one_in(3).then(|| self.connection()),
            places,
            addressed: if self.seq.is_multiple_of(4) { vec!["user:7".into(), "jobs".into()] } else { vec![] },
        }
    }

    fn key(&mut self, id: PublicationId) -> KeyEntry {
        let scope = if self.random.one_in(2) { "".into() } else { "shop".into() };
        let key = ScopedKey { scope, key: self.text(20).into() };
        KeyEntry { key, id, recipients: self.random.next() as u32, at: Timestamp::from_millis(self.clock) }
    }

    fn resume(&mut self) -> ResumeChange {
        let known = self.model.resumes.values().nth(self.random.below(20) as usize);
        if let Some(resume) = known
            && self.random.one_in(2)
        {
            return ResumeChange::Forget(resume.connection);
        }
        ResumeChange::Set(ResumeEntry {
            connection: self.connection(),
            generation: self.random.next() as u32,
            user: self.random.one_in(2).then(|| "7".into()),
            channels: vec!["jobs".into(), self.text(8).into()],
            dropped: self.random.one_in(2).then(|| Timestamp::from_millis(self.clock)),
            arrived: self.random.one_in(3).then(|| {
                let position = Position { epoch: Epoch::from_bits(self.random.next()), offset: 17 };
                vec![("jobs".into(), position)]
            }),
        })
    }

    fn connection(&mut self) -> ConnectionId {
        ConnectionId::from_random(u128::from(self.random.next()) << 64 | u128::from(self.random.next()))
    }

    fn stream(&mut self) -> Arc<str> {
        STREAMS[self.random.below(STREAMS.len() as u64) as usize].into()
    }

    fn text(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b'a' + self.random.below(6) as u8)).collect()
    }
}
