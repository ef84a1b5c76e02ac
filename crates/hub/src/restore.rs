//! The hub's order as it was when the process ended: streams, events, state and dropped connections from the store.
//!
//! Events have the places that they had, so that positions of clients hold. A stream that is no longer durable begins
//! another life; after damage all do. Not here: reading the store (the `journal` crate).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use protocol::timestamp::Timestamp;
use protocol::{Epoch, Publication};
use smallvec::SmallVec;

use crate::compact::LiveGroup;
use crate::encoded::{Encoded, Form, Ordered, StreamKey};
use crate::history::{History, next_life};
use crate::journal::{Entry, Group, ResumeChange, ResumeEntry, RetainedChange, Stored, StreamEnd};
use crate::limits::Limits;
use crate::order::{Order, Streams};
use crate::resume::Resumes;
use crate::retained::Retained;
use crate::rules::ChannelRules;

/// An order that is being restored.
struct Restoring<'a> {
    order: Order,
    rules: &'a ChannelRules,
    form: &'a Arc<Form>,
    /// The lives of streams as their ends say: entries of others are of earlier ones.
    lives: HashMap<Arc<str>, Epoch>,
    /// Streams that were durable once and are no longer.
    former: BTreeMap<Arc<str>, Epoch>,
    /// By their numbers.
    events: HashMap<u64, Arc<Encoded>>,
}

impl Order {
    /// What a hub begins with.
    pub(crate) fn restore(
        rules: &ChannelRules,
        limits: &Limits,
        random: &[u8; 32],
        stored: Option<Stored>,
        now: Option<Timestamp>,
        (resumes, form): (&Resumes, &Arc<Form>),
    ) -> Self {
        let stored = stored.unwrap_or_default();
        let mut restoring = Restoring {
            order: empty(limits, random, &stored),
            rules,
            form,
            lives: HashMap::new(),
            former: BTreeMap::new(),
            events: HashMap::new(),
        };
        restoring.ends(stored.ends, stored.is_damaged);
        restoring.entries(stored.groups, stored.is_damaged);
        restoring.order.history.end_restoring(restoring.order.seq);
        restoring.retire();
        restoring.states(stored.retained);
        if let Some(now) = now {
            restoring.resumes(stored.resumes, resumes, now);
        }
        restoring.order
    }
}

/// An order of streams that are not known yet.
fn empty(limits: &Limits, random: &[u8; 32], stored: &Stored) -> Order {
    // Events that are kept as state alone have numbers too.
    let states = stored.retained.iter().filter_map(|change| match change {
        RetainedChange::Set { entry, .. } => Some(entry.seq),
        RetainedChange::Forget { .. } => None,
    });
    let last_seq = states.fold(stored.last_seq, u64::max);
    let resets = stored.resets + u64::from(stored.is_damaged);
    Order {
        seq: last_seq,
        released: last_seq,
        durable: last_seq,
        history: History::new(limits.history, bits(random), bits(&stored.secret), resets),
        retained: Retained::new(limits.retained_bytes),
        pending: VecDeque::new(),
        pending_bytes: 0,
        is_writing: false,
        writing: 0,
        awaited: 0,
        drain: None,
        groups: BTreeMap::new(),
        disk_bytes: 0,
        live_bytes: 0,
        unwritten: Group::default(),
        resumes: HashMap::new(),
        forgotten_state: Vec::new(),
        resets: stored.resets,
        keys_swept: None,
        is_stopped: false,
        cluster: None,
    }
}

impl Restoring<'_> {
    /// Where streams end.
    fn ends(&mut self, mut ends: Vec<StreamEnd>, is_damaged: bool) {
        if is_damaged {
            // What streams had is not known: they all begin anew, and what is left of them is removed.
            self.order.unwritten.forget_streams = ends.drain(..).map(|end| end.stream).collect();
        }
        for end in ends {
            let rule = || self.rules.history(&end.stream);
            let index = self.order.history.restore(&end.stream, end.epoch, end.offset, rule);
            if !self.order.history.is_durable(index) && end.offset > 0 {
                self.former.insert(Arc::clone(&end.stream), end.epoch);
            }
            self.lives.insert(end.stream, end.epoch);
        }
    }

    /// What streams keep.
    fn entries(&mut self, groups: Vec<(u64, Vec<Arc<Entry>>)>, is_damaged: bool) {
        let mut entries: Vec<(u64, Arc<Entry>)> = Vec::new();
        for (number, of_group) in groups {
            self.order.groups.insert(number, LiveGroup::default());
            entries.extend(of_group.into_iter().map(|entry| (number, entry)));
        }
        if is_damaged {
            return;
        }
        // What was moved into a later group stands behind what came after it.
        entries.sort_by_key(|(_, entry)| entry.seq);
        for (number, entry) in entries {
            self.entry(number, &entry);
        }
    }

    fn entry(&mut self, number: u64, entry: &Entry) {
        let order = &mut self.order;
        let mut keys = Vec::new();
        let mut places = SmallVec::new();
        let mut streams = Streams::new();
        for place in &entry.places {
            // As long as it is on disk its stream is not forgotten.
            let earlier = || Arc::new(StreamKey { name: (*place.stream).into(), epoch: place.epoch });
            if self.lives.get(&place.stream).is_some_and(|life| *life != place.epoch) {
                keys.push(earlier());
                continue;
            }
            let rule = || self.rules.history(&place.stream);
            let index = order.history.restore(&place.stream, place.epoch, 0, rule);
            if !order.history.is_durable(index) {
                self.former.insert(Arc::clone(&place.stream), place.epoch);
                keys.push(earlier());
                continue;
            }
            let (key, end) = order.history.end(index);
            places.push(order.history.place(index, place.offset));
            // The others are told with what is kept elsewhere.
            if place.offset > end.offset {
                streams.push(index);
                keys.push(key);
            }
        }
        let is_kept = !streams.is_empty();
        let ordered = Ordered { seq: entry.seq, places, is_kept, group: number };
        let encoded = Arc::new(encoded(entry, ordered, self.form));
        order.history.append_to(&encoded, &streams);
        order.note_entry(number, &encoded, keys);
        self.events.insert(entry.seq, encoded);
    }

    /// Takes out groups of which nothing is kept, and ends the lives of streams that are durable no longer.
    fn retire(&mut self) {
        let order = &mut self.order;
        let dead: Vec<u64> =
            order.groups.iter().filter(|(_, group)| group.live == 0).map(|(&number, _)| number).collect();
        let mut unwritten = std::mem::take(&mut order.unwritten);
        dead.into_iter().for_each(|number| order.retire(number, &mut unwritten));
        order.unwritten = unwritten;
        // Should one of them be durable again, it begins another life: what it has meanwhile is not on disk.
        let begin = |(stream, before)| StreamEnd { stream, epoch: next_life(before), offset: 0 };
        order.unwritten.ends.extend(std::mem::take(&mut self.former).into_iter().map(begin));
    }

    /// Retained state.
    fn states(&mut self, mut states: Vec<RetainedChange>) {
        states.sort_by_key(|change| match change {
            RetainedChange::Set { entry, .. } => entry.seq,
            RetainedChange::Forget { .. } => 0,
        });
        for change in states {
            let RetainedChange::Set { stream, key, expires, entry } = change else { continue };
            let history = &self.order.history;
            let event = self.events.entry(entry.seq).or_insert_with(|| {
                let places = entry.places.iter().filter_map(|place| history.restored_place(place)).collect();
                let ordered = Ordered { seq: entry.seq, places, is_kept: false, group: 0 };
                Arc::new(encoded(&entry, ordered, self.form))
            });
            let event = Arc::clone(event);
            self.order.set_state(&stream, &key, &event, expires);
        }
    }

    /// Connections that can be resumed.
    fn resumes(&mut self, entries: Vec<ResumeEntry>, resumes: &Resumes, now: Timestamp) {
        for mut entry in entries {
            // Those that were open when the process died dropped then.
            entry.dropped = Some(entry.dropped.unwrap_or(now));
            let forgotten = resumes.park(entry, now);
            forgotten.into_iter().for_each(|one| self.order.note_resume(ResumeChange::Forget(one)));
        }
    }
}

fn encoded(entry: &Entry, ordered: Ordered, form: &Arc<Form>) -> Encoded {
    let publication = Arc::new(Publication {
        id: entry.id,
        event_type: entry.event_type.clone(),
        data: entry.data.clone(),
        timestamp: entry.timestamp,
    });
    let durable = ordered.seq;
    let mut encoded = Encoded::new(publication, entry.except, ordered, entry.accepted, Arc::clone(form));
    encoded.restore_addressed(&entry.addressed);
    encoded.set_durable(durable);
    encoded
}

fn bits(random: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = random;
    u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])
}
