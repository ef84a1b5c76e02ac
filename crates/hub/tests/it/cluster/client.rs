//! A client of the simulation: it follows, recovers on whichever node it comes to, and judges every frame that it reads.
//!
//! Not here: what it does and when (`world`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use hub::broker::NodeId;
use protocol::{ConnectionId, Epoch};
use serde_json::{Value, json};

use super::model::{Made, Number, is_kept, number};
use super::store::Store;
use crate::link::Pipe;
use crate::wire::{Frame, take};

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Recovering,
}

/// Where a client stands in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    /// What is at or before it may never have come.
    pub(crate) base: u64,
    pub(crate) offset: u64,
    /// It said that it has had what is up to here.
    claimed: u64,
}

/// What a client asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) token: Option<String>,
    pub(crate) given: BTreeMap<String, (String, u64)>,
}

/// What a client can look up: the truth.
pub(crate) struct Truth<'t> {
    pub(crate) store: &'t mut Store,
    pub(crate) made: &'t [Made],
    pub(crate) now: protocol::timestamp::Timestamp,
}

/// Where a connection is: its node, its shard, its place there, and its id.
pub(crate) type At = (NodeId, usize, u32, ConnectionId);

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) at: At,
    pub(crate) former: Option<ConnectionId>,
    pub(crate) pipe: Rc<RefCell<Pipe>>,
    read: usize,
    /// Whether its request was answered.
    pub(crate) is_live: bool,
    pub(crate) follows: BTreeSet<String>,
    pub(crate) asked: VecDeque<Asked>,
    /// What came on this connection.
    pub(crate) got: BTreeSet<Number>,
    pub(crate) close: Option<(u16, String)>,
    pub(crate) was_narrow: bool,
    /// The token that it came with was refused: it has to ask with its positions.
    pub(crate) is_refused: bool,
    /// It was told to try again.
    pub(crate) is_unavailable: bool,
    /// Of a plain client: from where on, in each stream, it has to have got all; and how often its node was cut then.
    pub(crate) since: BTreeMap<String, (Epoch, u64)>,
    pub(crate) cuts: usize,
    heard: VecDeque<String>,
}

/// Frames that a client shows when it finds a fault.
const SHOWN: usize = 14;

/// A client over all its connections.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    pub(crate) user: Option<&'static str>,
    pub(crate) wanted: BTreeSet<&'static str>,
    pub(crate) places: BTreeMap<String, Place>,
    pub(crate) token: Option<(String, ConnectionId)>,
    pub(crate) link: Option<Connected>,
    pub(crate) seen: BTreeSet<Number>,
    /// Tokens that it showed with success.
    pub(crate) resumed: Vec<String>,
    /// What became of its recoveries: recovered, lost.
    pub(crate) recoveries: (usize, usize),
}

impl Connected {
    pub(crate) fn new(at: At, pipe: Rc<RefCell<Pipe>>) -> Self {
        let was_narrow = pipe.borrow().room.is_some();
        Self {
            at,
            former: None,
            was_narrow,
            pipe,
            read: 0,
            is_live: false,
            follows: BTreeSet::new(),
            asked: VecDeque::new(),
            got: BTreeSet::new(),
            close: None,
            is_refused: false,
            is_unavailable: false,
            since: BTreeMap::new(),
            cuts: 0,
            heard: VecDeque::new(),
        }
    }

    /// How many bytes arrived that were not read.
    pub(crate) fn unread(&self) -> usize {
        self.pipe.borrow().received.len() - self.read
    }
}

impl Client {
    pub(crate) fn new(index: usize, kind: Kind, user: Option<&'static str>) -> Self {
        Self {
            index,
            kind,
            user,
            wanted: BTreeSet::new(),
            places: BTreeMap::new(),
            token: None,
            link: None,
            seen: BTreeSet::new(),
            resumed: Vec::new(),
            recoveries: (0, 0),
        }
    }

    /// The streams that it follows once all it asks for is in force.
    pub(crate) fn all_streams(&self) -> BTreeSet<String> {
        let own = self.user.map(|user| format!("user:{user}"));
        self.wanted.iter().map(|&name| name.to_owned()).chain(own).chain(["@all".to_owned()]).collect()
    }

    /// The streams whose positions it gives when it comes back.
    pub(crate) fn known(&self) -> BTreeSet<String> {
        let all = self.all_streams();
        self.places.keys().filter(|name| all.contains(*name)).cloned().collect()
    }

    /// The frame with which it asks to follow `channels`.
    pub(crate) fn ask(
        &self,
        channels: &[&str],
        with: &BTreeSet<String>,
        token: Option<String>,
    ) -> (String, Asked) {
        let place = |(name, place): (&String, &Place)| (name.clone(), (place.epoch.clone(), place.offset));
        let known = self.places.iter().filter(|(name, _)| with.contains(*name));
        let given: BTreeMap<String, (String, u64)> = known.map(place).collect();
        let position = |(name, (epoch, offset)): (&String, &(String, u64))| {
            (name.clone(), json!({"epoch": epoch, "offset": offset}))
        };
        let positions: serde_json::Map<String, Value> = given.iter().map(position).collect();
        let text = match &token {
            Some(token) => json!({"type": "resume", "token": token, "positions": positions}),
            None => {
                json!({"type": "subscribe", "channels": channels, "recoverable": true, "positions": positions})
            }
        };
        (text.to_string(), Asked { token, given })
    }

    /// Reads up to `most` of the bytes that arrived, and judges what they say.
    pub(crate) fn read(&mut self, most: usize, truth: &mut Truth<'_>) {
        let Some(mut link) = self.link.take() else { return };
        let pipe = Rc::clone(&link.pipe);
        let pipe = pipe.borrow();
        let end = (link.read + most).min(pipe.received.len());
        while let Some((frame, length)) = take(&pipe.received[link.read..end]) {
            link.read += length;
            if link.is_unavailable {
                // It leaves.
                continue;
            }
            assert_eq!(link.close, None, "nothing follows a Close frame: {frame:?}");
            match frame {
                Frame::Ping | Frame::Pong => {}
                Frame::Close(code, reason) => self.closed(&mut link, code, reason),
                Frame::Json(envelope) => self.judge(&mut link, &envelope, truth),
            }
        }
        self.link = Some(link);
    }

    fn closed(&mut self, link: &mut Connected, code: u16, reason: String) {
        let is_allowed = match code {
            1000 | 1005 => true,
            // Also where something that it has not had yet is lost: then it has to come back to be told so.
            4010 => link.was_narrow || self.kind != Kind::Plain,
            4011 => self.kind != Kind::Plain,
            _ => false,
        };
        assert!(is_allowed, "client {} is closed with {code} {reason:?}", self.index);
        link.close = Some((code, reason));
    }

    fn judge(&mut self, link: &mut Connected, envelope: &Value, truth: &mut Truth<'_>) {
        if link.heard.len() == SHOWN {
            link.heard.pop_front();
        }
        link.heard.push_back(envelope.to_string().replace("xxxxx", ""));
        let data = &envelope["data"];
        match envelope["type"].as_str().expect("a type") {
            "connected" => assert_eq!(data["connection_id"], link.at.3.to_string()),
            "subscribed" | "resumed" if data.get("positions").is_some() => {
                self.answered(link, envelope, truth)
            }
            "subscribed" => {
                link.is_live = true;
                link.follows = self.all_streams();
            }
            "unsubscribed" => {
                for name in data["channels"].as_array().expect("channels") {
                    let name = name.as_str().expect("a name");
                    link.follows.remove(name);
                    link.got.retain(|&number| !truth.made[number].streams.contains(name));
                }
            }
            "error" => match data["code"].as_str() {
                Some("not_found") => {
                    let asked = link.asked.pop_front().expect("something was asked");
                    assert!(asked.token.is_some(), "only a token is not found");
                    link.is_refused = true;
                }
                Some("unavailable") => {
                    link.asked.pop_front();
                    link.is_unavailable = true;
                }
                _ => panic!("an error that nobody expects: {envelope}"),
            },
            "history" => Self::page(data, truth),
            "e" => self.event(link, envelope, truth),
            other => panic!("a frame that nobody knows: {other}"),
        }
    }

    fn page(data: &Value, truth: &mut Truth<'_>) {
        let channel = data["channel"].as_str().expect("name");
        let log = truth.store.log(channel, data["epoch"].as_str().expect("epoch"));
        let mut last = None;
        for event in data["events"].as_array().expect("events") {
            let offset = event["offset"].as_u64().expect("an offset");
            assert!(last.is_none_or(|last| offset == last - 1), "newest first, without gaps");
            last = Some(offset);
            let place = usize::try_from(offset).expect("small") - 1;
            assert_eq!(log.get(place).copied(), number(&event["data"]), "what stands at {channel} {offset}");
        }
    }

    fn answered(&mut self, link: &mut Connected, envelope: &Value, truth: &mut Truth<'_>) {
        let asked = link.asked.pop_front().expect("something was asked");
        let data = &envelope["data"];
        assert_eq!(envelope["type"] == "resumed", asked.token.is_some(), "{envelope}");
        self.resumed.extend(asked.token.clone());
        let token = data["resume"].as_str().expect("a token");
        self.token = Some((token.to_owned(), link.at.3));
        let positions = data["positions"].as_object().expect("positions");
        let before = link.follows.clone();
        link.follows = positions.keys().cloned().collect();
        assert!(before.is_subset(&link.follows), "what was followed is followed: {envelope}");
        for (name, told) in positions {
            let epoch = told["epoch"].as_str().expect("an epoch");
            let offset = told["offset"].as_u64().expect("an offset");
            let recovered = told.get("recovered").map(|recovered| recovered.as_bool().expect("a bool"));
            let given = asked.given.get(name);
            let index = self.index;
            let why = || format!("client {index} in {name}: {told}, asked {given:?}");
            let end = truth.store.log(name, epoch).len() as u64;
            assert!(offset <= end, "the future: {}, there are {end}", why());
            let is_live = link.is_live && before.contains(name);
            let fresh = Place { epoch: epoch.to_owned(), base: offset, offset, claimed: 0 };
            match (given, recovered) {
                (Some((of, at)), Some(true)) => {
                    self.recoveries.0 += 1;
                    assert!(of == epoch, "another epoch is recovered: {}", why());
                    let place = self.places.get_mut(name).expect("it gave it");
                    place.offset = place.offset.max(*at);
                    place.claimed = *at;
                }
                (Some((of, at)), Some(false)) => {
                    self.recoveries.1 += 1;
                    let stream = truth.store.stream(name, truth.now);
                    let is_there = stream.is_some_and(|stream| {
                        stream.epoch.to_string() == *of && *at >= stream.floor() && *at <= stream.end
                    });
                    assert!(!is_there, "all is there: {}, {:#?}", why(), link.heard);
                    let claimed = if of == epoch { *at } else { 0 };
                    self.places.insert(name.clone(), Place { claimed, ..fresh });
                }
                (Some(_), None) => panic!("a position is answered: {}", why()),
                (None, None) if is_live => {
                    let place = self.places[name].clone();
                    assert!(
                        place.epoch == epoch && offset >= place.offset,
                        "it has had {place:?}: {}",
                        why()
                    );
                    if is_kept(name) {
                        self.skip(link, name, &place, offset + 1, truth);
                    }
                    self.places.get_mut(name).expect("there").offset = offset;
                }
                (None, recovered) => {
                    assert_eq!(recovered, asked.token.as_ref().map(|_| false), "{}", why());
                    self.places.insert(name.clone(), fresh);
                }
            }
            if recovered != Some(true) && !(is_live && recovered.is_none()) {
                link.got.retain(|&number| !truth.made[number].streams.contains(name));
            }
        }
        link.is_live = true;
    }

    fn is_not_for(link: &Connected, number: Number, truth: &Truth<'_>) -> bool {
        let except = truth.made[number].except;
        except.is_some() && (except == Some(link.at.3) || except == link.former)
    }

    /// Whether it said that it has had a publication, in one of the streams that it follows.
    fn claims(&self, link: &Connected, number: Number, truth: &Truth<'_>) -> bool {
        let followed = self.places.iter().filter(|(stream, _)| link.follows.contains(*stream));
        followed.into_iter().any(|(stream, place)| {
            truth.store.offset(number, stream, &place.epoch).is_some_and(|offset| offset <= place.claimed)
        })
    }

    /// Looks whether the client may go on at `offset` from where it stood.
    fn skip(&self, link: &Connected, name: &str, place: &Place, offset: u64, truth: &Truth<'_>) {
        let log = truth.store.log(name, &place.epoch);
        for between in place.offset + 1..offset {
            let number = *log.get(usize::try_from(between).expect("small") - 1).unwrap_or_else(|| {
                panic!("client {} has {offset} of {name} that never was: {place:?} {log:?}", self.index)
            });
            let is_had = self.seen.contains(&number)
                || self.claims(link, number, truth)
                || Self::is_not_for(link, number, truth);
            assert!(
                is_had,
                "client {} at {:?} misses {number} at {name} {between}, goes on at {offset}: {:?}\n{:#?}\nasked {:?}",
                self.index,
                link.at,
                truth.made[number],
                link.heard,
                link.asked.iter().map(|asked| &asked.given).collect::<Vec<_>>(),
            );
        }
    }
}

mod judging;
