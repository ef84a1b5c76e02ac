//! What has to be: every stream with its lives, every publication with its places, what is kept, and the state.

use std::collections::{BTreeMap, BTreeSet};

use hub::rules::HistoryRule;
use hub::{Hub, Limits};
use protocol::ConnectionId;
use protocol::timestamp::Timestamp;

/// The stream of the simulation's feed.
pub(crate) const FEED: &str = "@feed:f";

/// A publication's number; it stands in its data.
pub(crate) type Number = usize;

/// One life of a stream: an epoch.
#[derive(Debug, Default, Clone)]
pub(crate) struct Life {
    /// Learned when the hub first tells it.
    pub(crate) epoch: Option<String>,
    /// Its events with the times at which they were accepted; the first has offset 1.
    pub(crate) log: Vec<(Number, i64)>,
    /// How many of the last are kept.
    pub(crate) kept: usize,
}

impl Life {
    pub(crate) fn end(&self) -> u64 {
        self.log.len() as u64
    }

    pub(crate) fn floor(&self) -> u64 {
        (self.log.len() - self.kept) as u64
    }
}

/// A stream: its lives, the last of them the present one.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) rule: Option<HistoryRule>,
    pub(crate) lives: Vec<Life>,
}

impl Stream {
    pub(crate) fn is_durable(&self) -> bool {
        self.rule.is_some_and(|rule| rule.durable)
    }

    pub(crate) fn life(&self) -> &Life {
        self.lives.last().expect("a life")
    }

    fn life_mut(&mut self) -> &mut Life {
        self.lives.last_mut().expect("a life")
    }

    pub(crate) fn of_epoch(&self, epoch: &str) -> Option<&Life> {
        self.lives.iter().rev().find(|life| life.epoch.as_deref() == Some(epoch))
    }

    fn trim(&mut self, now: i64) {
        let Some(rule) = self.rule else { return };
        let oldest = now - i64::try_from(rule.age.as_millis()).expect("short");
        let life = self.life_mut();
        while life.kept > 0 && life.log[life.log.len() - life.kept].1 < oldest {
            life.kept -= 1;
        }
    }

    fn push(&mut self, number: Number, accepted: i64) {
        let rule = self.rule;
        let life = self.life_mut();
        life.log.push((number, accepted));
        life.kept = rule.map_or(0, |rule| (life.kept + 1).min(rule.size as usize));
        self.trim(accepted);
    }
}

/// A publication, as its publisher made it.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) streams: BTreeSet<String>,
    pub(crate) except: Option<ConnectionId>,
    pub(crate) key: Option<String>,
    pub(crate) retain: Option<(String, u64)>,
    pub(crate) size: usize,
    /// Where it stands, in which life of which stream, once it was released.
    pub(crate) places: BTreeMap<String, (usize, u64)>,
    pub(crate) is_released: bool,
}

impl Made {
    /// The JSON text of its data.
    pub(crate) fn data(&self, number: Number) -> String {
        format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(self.size))
    }
}

/// A state under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) number: Number,
    pub(crate) expires: i64,
}

/// All that has to be.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) streams: BTreeMap<String, Stream>,
    pub(crate) made: Vec<Made>,
    pub(crate) state: BTreeMap<(String, String), State>,
    /// Whether the bounds over all streams are so low that they drop something.
    pub(crate) is_scarce: bool,
}

impl Model {
    pub(crate) fn made(&self, number: Number) -> &Made {
        &self.made[number]
    }

    /// A publication goes out: from here on clients see it.
    pub(crate) fn release(&mut self, number: Number, accepted: i64) {
        let made = &mut self.made[number];
        assert!(!made.is_released, "{number} goes out twice: {made:?}");
        made.is_released = true;
        for name in &made.streams {
            let stream = self.streams.get_mut(name).expect("known");
            stream.push(number, accepted);
            made.places.insert(name.clone(), (stream.lives.len() - 1, stream.life().end()));
        }
        if let Some((key, keep_ms)) = &made.retain {
            let expires = accepted + i64::try_from(*keep_ms).expect("short");
            for name in made.streams.iter().filter(|name| *name != FEED) {
                self.state.insert((name.clone(), key.clone()), State { number, expires });
            }
        }
    }

    /// To make room for a publication's streams others are forgotten, and that may be one of them: it begins anew.
    pub(crate) fn renew(
        &mut self,
        number: Number,
        hub: &Hub,
        now: Timestamp,
        followed: impl Fn(&str) -> bool,
    ) {
        for name in &self.made[number].streams {
            let info = hub.stream_info(name, now).and_then(|info| info.history).expect("it has an event");
            let stream = self.streams.get_mut(name).expect("known");
            stream.trim(now.as_millis());
            if stream.life().epoch.as_ref().is_some_and(|epoch| *epoch != info.epoch) {
                assert!(self.is_scarce && !followed(name), "{name} lost its epoch in use");
                assert_eq!((stream.life().kept, info.offset), (0, 1), "what {name} has in its new life");
                stream.lives.push(Life::default());
            }
        }
    }

    /// A publication's offset in the life of a stream with that epoch.
    pub(crate) fn offset(&self, number: Number, stream: &str, epoch: &str) -> Option<u64> {
        let &(life, offset) = self.made[number].places.get(stream)?;
        (self.streams[stream].lives[life].epoch.as_deref() == Some(epoch)).then_some(offset)
    }

    /// The state that a stream has.
    pub(crate) fn state_of<'m>(&'m self, name: &'m str, now: i64) -> impl Iterator<Item = Number> + 'm {
        let is_its =
            move |((stream, _), state): &(&(String, String), &State)| stream == name && state.expires > now;
        self.state.iter().filter(is_its).map(|(_, state)| state.number)
    }

    /// The publications that streams keep.
    pub(crate) fn kept(&self) -> BTreeSet<Number> {
        let lives = self.streams.values().map(Stream::life);
        lives.flat_map(|life| &life.log[life.log.len() - life.kept..]).map(|&(number, _)| number).collect()
    }

    /// Compares all streams with the hub's.
    pub(crate) fn compare(&mut self, hub: &Hub, now: Timestamp, followed: impl Fn(&str) -> bool) {
        for (name, stream) in &mut self.streams {
            stream.trim(now.as_millis());
            let info = hub.stream_info(name, now).and_then(|info| info.history);
            let Some(info) = info else {
                if !stream.life().log.is_empty() {
                    assert!(self.is_scarce, "{name} is forgotten without need");
                    assert!(
                        !followed(name) && stream.life().kept == 0,
                        "{name} is forgotten though it is in use"
                    );
                    stream.lives.push(Life::default());
                }
                continue;
            };
            if stream.life().epoch.as_ref().is_some_and(|epoch| *epoch != info.epoch) {
                let is_new = stream.life().log.is_empty();
                assert!(self.is_scarce, "{name} has another epoch");
                assert!(is_new || !followed(name) && stream.life().kept == 0, "{name} lost its epoch in use");
                stream.lives.push(Life::default());
            }
            let is_old = stream
                .lives
                .iter()
                .rev()
                .skip(1)
                .any(|life| life.epoch.as_deref() == Some(&*info.epoch) && !life.log.is_empty());
            assert!(!is_old, "{name} has an epoch again that it had before");
            let life = stream.life_mut();
            life.epoch.get_or_insert(info.epoch);
            assert_eq!(life.end(), info.offset, "the end of {name}");
            if self.is_scarce {
                assert!(info.kept <= life.kept, "{name} keeps {} of {}", info.kept, life.kept);
                life.kept = info.kept;
            }
            assert_eq!(life.kept, info.kept, "what {name} keeps");
        }
        let most = hub.limits().history.bytes;
        let bytes = usize::try_from(hub.metrics().history_bytes.get()).expect("not negative");
        assert!(bytes <= most, "{bytes} bytes of history, of {most}");
    }

    /// The hub died, and another one begins: what is in memory is gone.
    pub(crate) fn restart(&mut self, hub: &Hub, now: Timestamp, rule: impl Fn(&str) -> Option<HistoryRule>) {
        for (name, stream) in &mut self.streams {
            let was_durable = stream.is_durable();
            let before = stream.rule;
            stream.rule = rule(name).filter(|rule| rule.size > 0);
            if !(was_durable && stream.is_durable()) {
                stream.lives.push(Life::default());
                continue;
            }
            let Some(info) = hub.stream_info(name, now).and_then(|info| info.history) else {
                if !stream.life().log.is_empty() {
                    assert!(self.is_scarce && stream.life().kept == 0, "{name} is lost");
                    stream.lives.push(Life::default());
                }
                continue;
            };
            // That it was forgotten was not written yet: it is as it was.
            while stream.lives.len() > 1
                && stream.life().log.is_empty()
                && stream.life().epoch.as_deref() != Some(&*info.epoch)
                && stream.of_epoch(&info.epoch).is_some()
            {
                stream.lives.pop();
            }
            stream.trim(now.as_millis());
            let is_same_rule = before == stream.rule;
            let life = stream.life_mut();
            if life.log.is_empty() && life.epoch.as_deref() != Some(&*info.epoch) {
                assert!(life.epoch.is_none() || self.is_scarce, "{name} keeps its epoch over a restart");
                stream.lives.push(Life { epoch: Some(info.epoch), ..Life::default() });
                continue;
            }
            assert_eq!(life.epoch.as_deref(), Some(&*info.epoch), "the epoch of {name} over a restart");
            assert_eq!(life.end(), info.offset, "the end of {name} over a restart");
            // What was dropped may still be on disk, and is there again.
            assert!(
                !is_same_rule || self.is_scarce || info.kept >= life.kept,
                "{name} has {} of {}",
                info.kept,
                life.kept
            );
            life.kept = info.kept;
            let oldest = info.between.map(|(oldest, _)| oldest.as_millis());
            let expected = (life.kept > 0).then(|| life.log[life.log.len() - life.kept].1);
            assert_eq!(oldest, expected, "the oldest that {name} keeps over a restart");
        }
        let streams = &self.streams;
        let made = &self.made;
        // State is on disk whatever the stream; what was dropped to make room is not looked at here.
        self.state.retain(|(name, _), state| streams.contains_key(name) && made[state.number].is_released);
    }
}

/// Bytes that are left alone on disk: a few publications, so that groups are moved.
const SPARE: usize = 400;

/// The bounds of the simulation: small, so that they are met.
pub(crate) fn limits(is_scarce: bool, is_narrow: bool) -> Limits {
    let spare = SPARE;
    let history = if is_scarce {
        hub::HistoryLimits { bytes: 40_000, streams: 6, spare }
    } else {
        hub::HistoryLimits { spare, ..hub::HistoryLimits::default() }
    };
    let (outbox_bytes, outbox_frames) = if is_narrow { (8 << 10, 24) } else { (1 << 20, 1024) };
    Limits {
        rate: None,
        outbox_bytes,
        outbox_frames,
        deflate_min: Some(600),
        history,
        resumable: 50,
        ..Limits::default()
    }
}
