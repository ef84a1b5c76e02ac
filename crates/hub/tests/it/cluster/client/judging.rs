//! What a client thinks of an event, and of what it has had in the end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::model::{Number, Sent, is_kept, number};
use super::{Client, Connected, Kind, Place, Truth};

impl Client {
    pub(super) fn event(&mut self, link: &mut Connected, envelope: &Value, truth: &mut Truth<'_>) {
        let number = number(&envelope["data"]).expect("a number");
        let made = &truth.made[number];
        let is_safe = truth.store.is_placed(number) || made.sent == Sent::Here;
        assert!(
            is_safe && made.sent != Sent::Refused,
            "{number} is seen before it is safe: {envelope}, {made:?}"
        );
        assert!(made.except != Some(link.at.3), "{number} is not for client {}", self.index);
        if !link.is_live || self.kind == Kind::Plain {
            assert!(envelope.get("offset").is_none(), "the plain form comes before the answer: {envelope}");
            if self.kind == Kind::Plain {
                assert!(
                    link.got.insert(number) || made.retain.is_some(),
                    "client {}: {number} comes twice: {:#?}",
                    self.index,
                    link.heard
                );
            }
            return;
        }
        let (index, heard) = (self.index, link.heard.clone());
        let why = || format!("client {index} at {envelope}: {made:?}, {heard:#?}");
        let channel = envelope["channel"].as_str().expect("a channel");
        let epoch = envelope["epoch"].as_str().expect("an epoch");
        let offset = envelope["offset"].as_u64().expect("an offset");
        if channel == "@connection" {
            let is_alone = made.is_transient || made.connection.is_some() || made.sent == Sent::Here;
            assert!(is_alone || made.retain.is_some(), "{}", why());
        } else {
            self.placed(link, envelope, number, (channel, epoch, offset), truth);
        }
        assert!(link.got.insert(number), "it comes twice: {}", why());
        self.seen.insert(number);
    }

    fn placed(
        &mut self,
        link: &Connected,
        envelope: &Value,
        number: Number,
        (channel, epoch, offset): (&str, &str, u64),
        truth: &mut Truth<'_>,
    ) {
        let made = &truth.made[number];
        let (index, heard) = (self.index, &link.heard);
        let why = || format!("client {index} at {:?}, {envelope}: {made:?}, {heard:#?}", link.at);
        let mut named = BTreeMap::from([(channel.to_owned(), offset)]);
        for (name, offset) in envelope.get("also").and_then(Value::as_object).into_iter().flatten() {
            let offset = offset.as_u64().expect("an offset");
            assert!(named.insert(name.clone(), offset).is_none(), "{}", why());
        }
        assert_eq!(truth.store.offset(number, channel, epoch), Some(offset), "{}", why());
        if let Some(place) = self.places.get(channel).filter(|_| link.follows.contains(channel)) {
            assert_eq!(place.epoch, epoch, "the epoch told: {}", why());
        }
        let mut is_state = true;
        let mut goes_on: Vec<(String, u64)> = Vec::new();
        for (name, &offset) in &named {
            assert!(made.streams.contains(name), "it is not in {name}: {}", why());
            let Some(place) = self.places.get(name).filter(|_| link.follows.contains(name)) else {
                // A stream that it asked for meanwhile.
                assert!(!link.asked.is_empty(), "it does not follow {name}: {}", why());
                continue;
            };
            assert_eq!(
                truth.store.offset(number, name, &place.epoch),
                Some(offset),
                "its offset in {name}: {}",
                why()
            );
            let is_repeat = place.base < offset && offset <= place.offset;
            assert!(!is_repeat || !is_kept(name), "it has had {name} {offset} at {place:?}: {}", why());
            is_state &= is_kept(name) || offset <= place.base;
            if offset > place.offset {
                is_state = false;
                if is_kept(name) {
                    self.skip(link, name, place, offset, truth);
                }
                goes_on.push((name.clone(), offset));
            }
        }
        for name in made.streams.iter().filter(|name| link.follows.contains(*name)) {
            let is_of_it = truth.store.offset(number, name, &self.places[name].epoch).is_some();
            assert!(!is_of_it || named.contains_key(name), "it is in {name} too: {}", why());
        }
        let is_old = is_state && made.retain.is_none() && link.asked.front().is_none();
        assert!(!is_old, "of the past: {}", why());
        for (name, offset) in goes_on {
            self.places.get_mut(&name).expect("there").offset = offset;
        }
    }

    /// Looks whether it has all, where it reads and nothing is on its way.
    pub(crate) fn settled(&self, cuts: usize, truth: &mut Truth<'_>) {
        let Some(link) = self.link.as_ref().filter(|link| link.close.is_none()) else { return };
        assert!(link.asked.is_empty(), "client {} waits for an answer: {:#?}", self.index, link.heard);
        if self.kind == Kind::Plain {
            return self.settled_plain(link, cuts, truth);
        }
        if !link.is_live {
            return;
        }
        for name in &link.follows {
            let place = &self.places[name];
            let Some(stream) = truth.store.stream(name, truth.now) else { continue };
            let (epoch, end) = (stream.epoch.to_string(), stream.end);
            assert_eq!(
                epoch, place.epoch,
                "client {} at {:?} in {name}, {:#?}",
                self.index, link.at, link.heard
            );
            let from = match is_kept(name) {
                true => place.offset,
                // Of a stream that keeps nothing events may come late, but they come, unless the node was away.
                false if link.cuts == cuts => place.base.max(place.claimed),
                false => continue,
            };
            self.skip(link, name, &Place { offset: from, ..place.clone() }, end + 1, truth);
        }
        for name in &link.follows {
            for number in truth.store.states(name, truth.now.as_millis() + 10_000) {
                let is_had = self.seen.contains(&number)
                    || self.claims(link, number, truth)
                    || Self::is_not_for(link, number, truth);
                let made = &truth.made[number];
                assert!(
                    is_had,
                    "client {} lacks the state {number} of {name}: {made:?} {:#?}",
                    self.index, link.heard
                );
            }
        }
    }

    fn settled_plain(&self, link: &Connected, cuts: usize, truth: &mut Truth<'_>) {
        let streams = link.since.iter().filter(|(name, _)| link.follows.contains(*name));
        for (name, &(epoch, offset)) in streams.filter(|(name, _)| is_kept(name) || link.cuts == cuts) {
            // A new life is told from where it can be.
            let Some(present) = truth.store.epoch(name) else { continue };
            let gap = truth.store.gap(link.at.0, name, present);
            let from = if present == epoch { offset.max(gap) } else { gap };
            let log = truth.store.log(name, &present.to_string());
            let is_had = |number: &&Number| {
                link.got.contains(*number) || truth.made[**number].except == Some(link.at.3)
            };
            let behind = log.iter().skip(usize::try_from(from).expect("few"));
            let missed: Vec<&Number> = behind.filter(|number| !is_had(number)).collect();
            assert!(
                missed.is_empty(),
                "client {} at {:?}, plain, misses {missed:?} of {name} behind {from}: {:#?}",
                self.index,
                link.at,
                link.heard
            );
        }
    }

    /// What comes from here on has to come.
    pub(crate) fn stands(&mut self, cuts: usize, truth: &mut Truth<'_>) {
        let now = truth.now;
        let Some(link) = self.link.as_mut().filter(|link| link.is_live && link.close.is_none()) else {
            return;
        };
        link.cuts = cuts;
        if self.kind == Kind::Plain {
            let end = |name: &String| {
                let stream = truth.store.stream(name, now)?;
                Some((name.clone(), (stream.epoch, stream.end)))
            };
            link.since = link.follows.iter().filter_map(end).collect();
        } else {
            for name in link.follows.iter().filter(|name| !is_kept(name)) {
                let end = truth.store.log(name, &self.places[name].epoch).len() as u64;
                self.places.get_mut(name).expect("there").claimed = end;
            }
        }
    }
}
