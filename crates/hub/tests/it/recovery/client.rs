//! A client of the simulation: it recovers as the SDK does, and judges every frame that it reads.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use protocol::ConnectionId;
use protocol::events::read_id;
use serde_json::{Value, json};

use super::model::{Model, Number};
use crate::link::Pipe;
use crate::wire::{Frame, take};

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Recovering,
    Events,
}

/// Where a client stands in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    /// What is at or before it may never have come.
    base: u64,
    pub(crate) offset: u64,
    /// It said that it has had what is up to here.
    claimed: u64,
}

/// A stream as it was when a client asked.
#[derive(Debug, Clone)]
struct Then {
    epoch: Option<String>,
    floor: u64,
    end: u64,
}

/// What a client asked for, and what it has to be answered.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) token: Option<String>,
    given: BTreeMap<String, (String, u64)>,
    then: BTreeMap<String, Then>,
    state: BTreeMap<String, BTreeSet<Number>>,
}

/// A connection's shard, its place there, and its id, since places are used again.
pub(crate) type At = (usize, u32, ConnectionId);

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) id: ConnectionId,
    pub(crate) former: Option<ConnectionId>,
    pub(crate) shard: usize,
    pub(crate) key: u32,
    pub(crate) pipe: Rc<RefCell<Pipe>>,
    read: usize,
    /// Whether its recoverable request was answered.
    pub(crate) is_live: bool,
    pub(crate) follows: BTreeSet<String>,
    pub(crate) asked: VecDeque<Asked>,
    /// What came since the answer.
    got: BTreeSet<Number>,
    /// State that has to come.
    owed: BTreeSet<Number>,
    pub(crate) close: Option<(u16, String)>,
    pub(crate) was_narrow: bool,
    /// The token that it came with was refused: it has to ask with its positions.
    pub(crate) is_refused: bool,
    /// The last frames that it read.
    heard: VecDeque<String>,
}

/// Frames that a client shows when it finds a fault.
const SHOWN: usize = 12;

/// A client over all its connections.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    pub(crate) user: Option<&'static str>,
    pub(crate) wanted: BTreeSet<&'static str>,
    pub(crate) places: BTreeMap<String, Place>,
    pub(crate) token: Option<(String, ConnectionId)>,
    pub(crate) link: Option<Connected>,
    seen: BTreeSet<Number>,
    /// Tokens that it showed with success.
    pub(crate) resumed: Vec<String>,
    /// Whether a token that it stole was answered.
    pub(crate) is_answered: bool,
}

impl Connected {
    pub(crate) fn new(id: ConnectionId, shard: usize, key: u32, pipe: Rc<RefCell<Pipe>>) -> Self {
        Self {
            id,
            former: None,
            shard,
            key,
            pipe,
            read: 0,
            is_live: false,
            follows: BTreeSet::new(),
            asked: VecDeque::new(),
            got: BTreeSet::new(),
            owed: BTreeSet::new(),
            close: None,
            was_narrow: false,
            is_refused: false,
            heard: VecDeque::new(),
        }
    }

    fn hear(&mut self, envelope: &Value) {
        if self.heard.len() == SHOWN {
            self.heard.pop_front();
        }
        self.heard.push_back(envelope.to_string().replace("xxxxx", ""));
    }

    /// Where the hub has it.
    pub(crate) fn at(&self) -> At {
        (self.shard, self.key, self.id)
    }

    /// How many bytes arrived that were not read.
    pub(crate) fn unread(&self) -> usize {
        self.pipe.borrow().received.len() - self.read
    }
}

impl Client {
    pub(crate) fn new(number: usize, kind: Kind, user: Option<&'static str>) -> Self {
        Self {
            number,
            kind,
            user,
            wanted: BTreeSet::new(),
            places: BTreeMap::new(),
            token: None,
            link: None,
            seen: BTreeSet::new(),
            resumed: Vec::new(),
            is_answered: false,
        }
    }

    /// The streams that it follows once all it asks for is in force.
    fn all_streams(&self) -> BTreeSet<String> {
        let own = self.user.map(|user| format!("user:{user}"));
        self.wanted.iter().map(|&name| name.to_owned()).chain(own).chain(["@all".to_owned()]).collect()
    }

    /// The frame with which it asks to follow `channels`, and what has to come of it.
    pub(crate) fn ask(
        &self,
        channels: &[&str],
        with: &BTreeSet<String>,
        token: Option<String>,
        model: &Model,
        now: i64,
    ) -> (String, Asked) {
        let given: BTreeMap<String, (String, u64)> = self
            .places
            .iter()
            .filter(|(name, _)| with.contains(*name))
            .map(|(name, place)| (name.clone(), (place.epoch.clone(), place.offset)))
            .collect();
        let positions: serde_json::Map<String, Value> = given
            .iter()
            .map(|(name, (epoch, offset))| (name.clone(), json!({"epoch": epoch, "offset": offset})))
            .collect();
        let text = match &token {
            Some(token) => json!({"type": "resume", "token": token, "positions": positions}),
            None => {
                json!({"type": "subscribe", "channels": channels, "recoverable": true, "positions": positions})
            }
        };
        let names = model.streams.iter();
        let then = names
            .map(|(name, stream)| {
                let life = stream.life();
                (name.clone(), Then { epoch: life.epoch.clone(), floor: life.floor(), end: life.end() })
            })
            .collect();
        let state = model
            .streams
            .keys()
            .map(|name| (name.clone(), model.state_of(name, now).collect::<BTreeSet<Number>>()))
            .collect();
        (text.to_string(), Asked { token, given, then, state })
    }

    /// The streams whose positions it gives when it comes back.
    pub(crate) fn known(&self) -> BTreeSet<String> {
        let all = self.all_streams();
        self.places.keys().filter(|name| all.contains(*name)).cloned().collect()
    }

    /// Reads up to `most` of the bytes that arrived, and judges what they say.
    pub(crate) fn read(&mut self, most: usize, model: &Model, now: i64) {
        let Some(mut link) = self.link.take() else { return };
        let pipe = Rc::clone(&link.pipe);
        let pipe = pipe.borrow();
        let end = (link.read + most).min(pipe.received.len());
        while link.close.is_none() || link.read < end {
            let bytes = &pipe.received[link.read..end];
            if self.kind == Kind::Events {
                let Some(at) = bytes.windows(2).position(|two| two == b"\n\n") else { break };
                let text = std::str::from_utf8(&bytes[..at]).expect("text").to_owned();
                link.read += at + 2;
                assert_eq!(link.close, None, "nothing follows a close: {text}");
                self.message(&mut link, &text, model, now);
            } else {
                let Some((frame, length)) = take(bytes) else { break };
                link.read += length;
                assert_eq!(link.close, None, "nothing follows a Close frame: {frame:?}");
                match frame {
                    Frame::Ping | Frame::Pong => {}
                    Frame::Close(code, reason) => self.closed(&mut link, code, reason),
                    Frame::Json(envelope) => self.judge(&mut link, &envelope, model, now),
                }
            }
        }
        self.link = Some(link);
    }

    /// Reads no more than what became of the token that it showed.
    pub(crate) fn read_answer(&mut self) {
        let Some(link) = &mut self.link else { return };
        let pipe = link.pipe.borrow();
        while let Some((frame, length)) = take(&pipe.received[link.read..]) {
            link.read += length;
            match frame {
                Frame::Json(envelope) if envelope["type"] == "resumed" => {
                    self.resumed.extend(link.asked.pop_front().and_then(|asked| asked.token));
                    self.is_answered = true;
                    return;
                }
                Frame::Json(envelope) if envelope["type"] == "error" => self.is_answered = true,
                _ => {}
            }
        }
    }

    fn message(&mut self, link: &mut Connected, text: &str, model: &Model, now: i64) {
        let (mut data, mut id, mut kind) = (Vec::new(), None, "message");
        for line in text.lines().filter(|line| !line.starts_with(':')) {
            match line.split_once(": ").expect("a field") {
                ("data", value) => data.push(value),
                ("id", value) => id = Some(read_id(value).expect("an id")),
                ("event", value) => kind = value,
                ("retry", value) => assert!(value.parse::<u64>().is_ok()),
                other => panic!("an unknown field {other:?}"),
            }
        }
        if data.is_empty() {
            return;
        }
        let envelope: Value = serde_json::from_str(&data.join("\n")).expect("JSON");
        if kind == "close" {
            let code = envelope["code"].as_u64().and_then(|code| code.try_into().ok()).expect("a code");
            return self.closed(link, code, envelope["reason"].as_str().expect("a reason").to_owned());
        }
        self.judge(link, &envelope, model, now);
        let Some(id) = id else {
            assert!(!link.is_live, "each message tells where the client stands: {text}");
            return;
        };
        let told: BTreeMap<String, (String, u64)> =
            id.into_iter().map(|(name, at)| (name, (at.epoch.to_string(), at.offset))).collect();
        let held: BTreeMap<String, (String, u64)> = self
            .places
            .iter()
            .filter(|(name, _)| link.follows.contains(*name))
            .map(|(name, place)| (name.clone(), (place.epoch.clone(), place.offset)))
            .collect();
        assert_eq!(told, held, "the id is where the client stands, at {text}");
    }

    fn closed(&mut self, link: &mut Connected, code: u16, reason: String) {
        let is_allowed = match code {
            1000 | 1005 => true,
            1001 => reason.starts_with("draining; reconnect in "),
            // Also where history drops what it has not had yet: then it has to come back to be told so.
            4010 => link.was_narrow || self.kind != Kind::Plain,
            4011 => true,
            _ => false,
        };
        assert!(is_allowed, "client {} is closed with {code} {reason:?}", self.number);
        link.close = Some((code, reason));
    }

    fn judge(&mut self, link: &mut Connected, envelope: &Value, model: &Model, now: i64) {
        link.hear(envelope);
        let data = &envelope["data"];
        match envelope["type"].as_str().expect("a type") {
            "connected" => assert_eq!(data["connection_id"], link.id.to_string()),
            "subscribed" | "resumed" if data.get("positions").is_some() => {
                self.answered(link, envelope, model, now)
            }
            "subscribed" => {}
            "unsubscribed" => {
                for name in data["channels"].as_array().expect("channels") {
                    let name = name.as_str().expect("a name");
                    link.follows.remove(name);
                    link.got.retain(|&number| !model.made(number).streams.contains(name));
                    link.owed.retain(|&number| !model.made(number).streams.contains(name));
                }
            }
            "error" => {
                assert_eq!(data["code"], "not_found", "{envelope}");
                let asked = link.asked.pop_front().expect("something was asked");
                assert!(asked.token.is_some(), "only a token is not found");
                link.is_refused = true;
            }
            "history" => self.page(data, model),
            "e" | "fed" => self.event(link, envelope, model),
            other => panic!("a frame that nobody knows: {other}"),
        }
    }

    fn page(&self, data: &Value, model: &Model) {
        let (channel, epoch) =
            (data["channel"].as_str().expect("name"), data["epoch"].as_str().expect("epoch"));
        let Some(life) = model.streams[channel].of_epoch(epoch) else { return };
        let mut last = u64::MAX;
        for event in data["events"].as_array().expect("events") {
            let offset = event["offset"].as_u64().expect("an offset");
            assert!(last == u64::MAX || offset == last - 1, "newest first, without gaps");
            last = offset;
            let place = usize::try_from(offset).expect("small") - 1;
            assert_eq!(Some(life.log[place].0), number(event), "what stands at {channel} {offset}");
            assert_eq!((&event["channel"], &event["epoch"]), (&data["channel"], &data["epoch"]));
        }
    }

    fn answered(&mut self, link: &mut Connected, envelope: &Value, model: &Model, now: i64) {
        let asked = link.asked.pop_front().expect("something was asked");
        let data = &envelope["data"];
        assert_eq!(envelope["type"] == "resumed", asked.token.is_some(), "{envelope}");
        if let Some(token) = &asked.token {
            self.resumed.push(token.clone());
        }
        let token = data.get("resume").and_then(Value::as_str);
        assert_eq!(token.is_some(), self.kind == Kind::Recovering, "a token for those who can use it");
        self.token = token.map(|token| (token.to_owned(), link.id));
        let positions = data["positions"].as_object().expect("positions");
        let before = link.follows.clone();
        link.follows = positions.keys().cloned().collect();
        assert!(before.is_subset(&link.follows), "what was followed is followed: {envelope}");
        for (name, told) in positions {
            let epoch = told["epoch"].as_str().expect("an epoch");
            let offset = told["offset"].as_u64().expect("an offset");
            let recovered = told.get("recovered").map(|recovered| recovered.as_bool().expect("a bool"));
            let (then, life) = (&asked.then[name], model.streams[name].life());
            let why = || {
                format!(
                    "client {} in {name}: {told}, asked {:?}, {then:?}",
                    self.number,
                    asked.given.get(name)
                )
            };
            let is_live = link.is_live && before.contains(name);
            // What was told after a crash is of the hub that is gone.
            let is_now = life.epoch.as_deref() == Some(epoch);
            let fresh = Place { epoch: epoch.to_owned(), base: offset, offset, claimed: 0 };
            match (asked.given.get(name), recovered) {
                (Some((of, at)), Some(true)) => {
                    assert!(of == epoch, "another epoch is recovered: {}", why());
                    assert!(
                        then.epoch.as_deref() != Some(epoch) || *at >= then.floor,
                        "it is gone: {}",
                        why()
                    );
                    assert!(
                        !is_now || offset >= then.end && offset <= life.end(),
                        "the stream's end: {}",
                        why()
                    );
                    let place = self.places.get_mut(name).expect("it gave it");
                    place.offset = place.offset.max(*at);
                    place.claimed = *at;
                }
                (Some((of, at)), Some(false)) => {
                    let is_lost = of != epoch || *at < life.floor() || *at > life.end();
                    assert!(
                        is_lost || !is_now || life.kept == 0 && *at < life.end(),
                        "all is there: {}",
                        why()
                    );
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
                    if model.streams[name].rule.is_some() {
                        self.skip(link, name, &place, offset + 1, model);
                    }
                    self.places.get_mut(name).expect("there").offset = offset;
                }
                (None, recovered) => {
                    assert_eq!(recovered, asked.token.as_ref().map(|_| false), "{}", why());
                    // It begins where the client stands in the hub's order: not at the end, where others are behind.
                    let is_behind = !asked.given.is_empty() || link.is_live;
                    assert!(
                        !is_now || (offset >= then.end || is_behind) && offset <= life.end(),
                        "where live begins: {}",
                        why()
                    );
                    self.places.insert(name.clone(), fresh);
                }
            }
            let begins = recovered != Some(true) && !(is_live && recovered.is_none());
            if begins {
                link.got.retain(|&number| !model.made(number).streams.contains(name));
                // State that it had, or that ended meanwhile, is not owed; nor what another stream told it.
                let state = asked.state[name]
                    .iter()
                    .filter(|&&number| model.state_of(name, now).any(|one| one == number));
                let state: Vec<Number> =
                    state.copied().filter(|&number| !Self::is_not_for(link, number, model)).collect();
                link.owed.extend(state);
            }
        }
        link.is_live = true;
        let owed = std::mem::take(&mut link.owed);
        let is_had = |&number: &Number| self.seen.contains(&number) || self.claims(link, number, model);
        link.owed = owed.into_iter().filter(|number| !is_had(number)).collect();
    }

    fn is_not_for(link: &Connected, number: Number, model: &Model) -> bool {
        let except = model.made(number).except;
        except.is_some() && (except == Some(link.id) || except == link.former)
    }

    /// Whether it said that it has had a publication, in one of the streams that it follows.
    fn claims(&self, link: &Connected, number: Number, model: &Model) -> bool {
        let followed = self.places.iter().filter(|(stream, _)| link.follows.contains(*stream));
        followed.into_iter().any(|(stream, place)| {
            model.offset(number, stream, &place.epoch).is_some_and(|offset| offset <= place.claimed)
        })
    }

    /// Looks whether the client may go on at `offset` from where it stood.
    fn skip(&self, link: &Connected, name: &str, place: &Place, offset: u64, model: &Model) {
        let life = model.streams[name].of_epoch(&place.epoch).expect("the epoch of a stream");
        for between in place.offset + 1..offset {
            let event = life.log.get(usize::try_from(between).expect("small") - 1);
            let (number, _) = *event.unwrap_or_else(|| {
                panic!("client {} has {offset} of {name} that never was: {place:?} {life:?}", self.number)
            });
            let is_had = self.seen.contains(&number)
                || self.claims(link, number, model)
                || Self::is_not_for(link, number, model);
            assert!(
                is_had,
                "client {} misses {number} at {name} {between}, goes on at {offset}: {:?}\n{:#?}\nasked {:?}",
                self.number,
                model.made(number),
                link.heard,
                link.asked.iter().map(|asked| &asked.given).collect::<Vec<_>>(),
            );
        }
    }

    fn event(&mut self, link: &mut Connected, envelope: &Value, model: &Model) {
        let number = number(envelope).expect("a number");
        let made = model.made(number);
        assert!(made.is_released, "{number} is seen before it is safe: {envelope}, {made:?}");
        assert!(made.except != Some(link.id), "{number} is not for client {}", self.number);
        if !link.is_live {
            assert!(envelope.get("offset").is_none(), "the plain form comes before the answer: {envelope}");
            if self.kind == Kind::Plain {
                assert!(link.got.insert(number) || made.retain.is_some(), "{number} comes twice");
            }
            return;
        }
        let why = || format!("client {} at {envelope}: {made:?}, {:#?}", self.number, link.heard);
        let channel = envelope["channel"].as_str().expect("a channel");
        let epoch = envelope["epoch"].as_str().expect("an epoch");
        let offset = envelope["offset"].as_u64().expect("an offset");
        if channel == "@connection" {
            // State that the hub kept over a restart for a stream in memory.
            assert!(made.retain.is_some(), "{}", why());
        } else {
            let mut named = BTreeMap::from([(channel.to_owned(), offset)]);
            for (name, offset) in envelope.get("also").and_then(Value::as_object).into_iter().flatten() {
                assert!(
                    named.insert(name.clone(), offset.as_u64().expect("an offset")).is_none(),
                    "{}",
                    why()
                );
            }
            if let Some(place) = self.places.get(channel).filter(|_| link.follows.contains(channel)) {
                assert_eq!(place.epoch, epoch, "the epoch told: {}", why());
            }
            let mut is_state = true;
            for (name, &offset) in &named {
                assert!(made.streams.contains(name), "it is not in {name}: {}", why());
                let Some(place) = self.places.get(name).filter(|_| link.follows.contains(name)).cloned()
                else {
                    // A stream that it asked for meanwhile.
                    assert!(!link.asked.is_empty(), "it does not follow {name}: {}", why());
                    continue;
                };
                assert_eq!(
                    model.offset(number, name, &place.epoch),
                    Some(offset),
                    "its offset in {name}: {}",
                    why()
                );
                let is_kept = model.streams[name].rule.is_some();
                let is_repeat = place.base < offset && offset <= place.offset;
                assert!(!is_repeat || !is_kept, "it has had {name} {offset} at {place:?}: {}", why());
                // Of a stream that keeps nothing, what is in others too may come late: with their replay.
                is_state &= is_kept || offset <= place.base;
                if offset > place.offset {
                    is_state = false;
                    if is_kept {
                        self.skip(link, name, &place, offset, model);
                    }
                    self.places.get_mut(name).expect("there").offset = offset;
                }
            }
            for name in made.streams.iter().filter(|name| link.follows.contains(*name)) {
                let is_of_it = model.offset(number, name, &self.places[name].epoch).is_some();
                assert!(!is_of_it || named.contains_key(name), "it is in {name} too: {}", why());
            }
            assert!(
                !is_state || made.retain.is_some() || link.asked.front().is_some(),
                "of the past: {}",
                why()
            );
        }
        assert!(link.got.insert(number), "it comes twice: {}", why());
        link.owed.remove(&number);
        self.seen.insert(number);
    }

    /// Looks whether it has all, where it reads and nothing is on its way.
    pub(crate) fn settled(&self, model: &Model) {
        let Some(link) = self.link.as_ref().filter(|link| link.is_live && link.close.is_none()) else {
            return;
        };
        for name in &link.follows {
            let place = &self.places[name];
            let life = model.streams[name].life();
            assert_eq!(life.epoch.as_deref(), Some(&*place.epoch), "client {} in {name}", self.number);
            // Of a stream that keeps nothing events may come late, but they come.
            let is_kept = model.streams[name].rule.is_some();
            let from = if is_kept { place.offset } else { place.base.max(place.claimed) };
            self.skip(link, name, &Place { offset: from, ..place.clone() }, life.end() + 1, model);
        }
        let lacking: Vec<_> = link.owed.iter().map(|&number| (number, model.made(number))).collect();
        assert!(lacking.is_empty(), "client {} lacks the state {lacking:?}, {:#?}", self.number, link.heard);
        assert!(link.asked.is_empty(), "client {} waits for an answer", self.number);
    }
}

fn number(event: &Value) -> Option<Number> {
    usize::try_from(event["data"]["n"].as_u64()?).ok()
}
