//! A dashboard of the simulation: what it knows, what has to reach it, and how it judges what it reads.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use protocol::ConnectionId;
use serde_json::Value;

use super::world::{Made, Number, keeps_little};
use crate::link::Pipe;
use crate::wire::{Frame, take};

/// A stream that was asked for: what came to it since, and the state that it had then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) events: BTreeSet<Number>,
    pub(crate) state: BTreeSet<Number>,
    /// Whether it waits behind a wish to come back: it is not known when it is in force.
    pub(crate) is_held: bool,
}

/// A connection of a client, from its side.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) id: ConnectionId,
    pub(crate) shard: usize,
    pub(crate) key: u32,
    pub(crate) pipe: Rc<RefCell<Pipe>>,
    pub(crate) read: usize,
    /// The id that it came back with, until that was answered.
    pub(crate) former: Option<ConnectionId>,
    /// How often it asked for that and was not yet answered. What it says meanwhile is held.
    pub(crate) returns: usize,
    /// Streams that the hub may have it follow, as far as it was told.
    pub(crate) may: BTreeSet<String>,
    /// Streams that it asked for, and what was released to them since.
    pub(crate) pending: BTreeMap<String, Wish>,
    /// Streams that it has left, and was not yet told so.
    pub(crate) leaving: VecDeque<String>,
    /// Streams that it asked for, itself or by the id with which it came.
    pub(crate) wanted: BTreeSet<String>,
    /// What names this connection alone.
    pub(crate) direct: BTreeSet<Number>,
    /// What came since the last answer to a return.
    pub(crate) got: BTreeSet<Number>,
    last: BTreeMap<String, Number>,
    /// Payloads of pings that were not answered.
    pub(crate) pings: VecDeque<Vec<u8>>,
    pub(crate) close: Option<u16>,
    pub(crate) was_narrow: bool,
    /// Whether it came back, and was told what it has again.
    pub(crate) is_restored: bool,
    /// Whether something of what it had is lost, as it was told.
    pub(crate) is_told_of_loss: bool,
    /// Streams that it has left, and was told so.
    left: BTreeSet<String>,
    /// What named it and came while it was in none of its streams.
    own: BTreeSet<Number>,
    /// What came twice because of a stream that it has left.
    again: BTreeSet<Number>,
    heard: VecDeque<String>,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "connection {} from {:?}, may {:?}", self.id, self.former, self.may)?;
        writeln!(f, "  pending {:?}, leaving {:?}, direct {:?}", self.pending, self.leaving, self.direct)?;
        writeln!(f, "  restored {}, told {}, got {:?}", self.is_restored, self.is_told_of_loss, self.got)?;
        self.heard.iter().try_for_each(|frame| writeln!(f, "  {frame}"))
    }
}

/// Frames that a client shows when it finds a fault.
const SHOWN: usize = 14;

impl Connected {
    pub(crate) fn new(id: ConnectionId, shard: usize, key: u32, pipe: Rc<RefCell<Pipe>>) -> Self {
        Self {
            id,
            shard,
            key,
            pipe,
            read: 0,
            former: None,
            returns: 0,
            may: BTreeSet::from(["@all".to_owned()]),
            pending: BTreeMap::new(),
            leaving: VecDeque::new(),
            wanted: BTreeSet::new(),
            direct: BTreeSet::new(),
            got: BTreeSet::new(),
            last: BTreeMap::new(),
            pings: VecDeque::new(),
            close: None,
            was_narrow: false,
            is_restored: false,
            is_told_of_loss: false,
            left: BTreeSet::new(),
            own: BTreeSet::new(),
            again: BTreeSet::new(),
            heard: VecDeque::new(),
        }
    }

    /// One of its wishes to come back is answered.
    fn answer_return(&mut self) {
        self.returns = self.returns.checked_sub(1).expect("it asked for that");
    }

    pub(crate) fn unread(&self) -> usize {
        self.pipe.borrow().received.len() - self.read
    }
}

/// A client over all its connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Its token's user.
    pub(crate) user: Option<&'static str>,
    /// The connection that it can come back to.
    pub(crate) id: Option<ConnectionId>,
    /// Streams of which everything has to come.
    pub(crate) follows: BTreeSet<String>,
    pub(crate) owed: BTreeSet<Number>,
    /// What is owed as state: until there is another.
    pub(crate) owed_state: BTreeSet<Number>,
    pub(crate) link: Option<Connected>,
    /// Whether something may really be lost to it: a crash, or streams that keep little.
    pub(crate) may_lose: bool,
    /// Whether the hub may not know any more what it followed at the end.
    pub(crate) is_stale: bool,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Nothing,
    /// The id that it came with is not known; it may be that the hub forgot it in a crash.
    NotKnown {
        former: ConnectionId,
        was_stale: bool,
    },
}

impl Client {
    pub(crate) fn new(user: Option<&'static str>) -> Self {
        Self {
            user,
            id: None,
            follows: BTreeSet::new(),
            owed: BTreeSet::new(),
            owed_state: BTreeSet::new(),
            link: None,
            may_lose: false,
            is_stale: false,
        }
    }

    /// Forgets all that it had: it begins anew.
    pub(crate) fn forget(&mut self) {
        self.id = None;
        self.follows.clear();
        self.owed.clear();
        self.owed_state.clear();
        self.may_lose = false;
        self.is_stale = false;
    }

    /// Reads up to `most` of the bytes that arrived.
    pub(crate) fn read(&mut self, most: usize, made: &[Made]) -> Outcome {
        let Some(mut link) = self.link.take() else { return Outcome::Nothing };
        let pipe = Rc::clone(&link.pipe);
        let pipe = pipe.borrow();
        let end = link.read.saturating_add(most).min(pipe.received.len());
        let mut outcome = Outcome::Nothing;
        while let Some((frame, length)) = take(&pipe.received[link.read..end]) {
            let bytes = &pipe.received[link.read..link.read + length];
            link.read += length;
            assert_eq!(link.close, None, "nothing follows a Close frame: {frame:?}\n{link:#?}");
            match frame {
                Frame::Ping => link.pings.push_back(bytes[2..].to_vec()),
                Frame::Pong => {}
                Frame::Close(code, reason) => {
                    let is_allowed = match code {
                        1000 | 4029 => true,
                        4009 => false,
                        4010 => link.was_narrow || self.may_lose,
                        _ => false,
                    };
                    assert!(is_allowed, "closed with {code} {reason}: {link:#?}");
                    link.close = Some(code);
                }
                Frame::Json(frame) => {
                    let judged = self.judge(&mut link, &frame, made);
                    outcome = if judged == Outcome::Nothing { outcome } else { judged };
                }
            }
        }
        self.link = Some(link);
        outcome
    }

    fn judge(&mut self, link: &mut Connected, frame: &Value, made: &[Made]) -> Outcome {
        if link.heard.len() == SHOWN {
            link.heard.pop_front();
        }
        link.heard.push_back(frame.to_string().replace("xxxxx", ""));
        match frame["type"].as_str().expect("a type") {
            "subscribed" => self.subscribed(link, frame),
            "unsubscribed" => {
                for name in named(frame) {
                    let place = link.leaving.iter().position(|leaving| *leaving == name);
                    link.leaving.remove(place.expect("it left it"));
                    if !link.pending.contains_key(&name) {
                        link.may.remove(&name);
                    }
                    link.last.remove(&name);
                    link.left.insert(name);
                }
            }
            "error" => {
                let message = frame["message"].as_str().expect("a message");
                if message.contains("no such connection") {
                    link.answer_return();
                    // Where it asked twice it is told so twice.
                    let Some(former) = link.former.take() else { return Outcome::Nothing };
                    let outcome = Outcome::NotKnown { former, was_stale: self.is_stale };
                    self.forget();
                    return outcome;
                }
                if message.contains("fetch anew") {
                    assert!(self.may_lose, "nothing can be lost: {self:#?} {link:#?}");
                    link.is_told_of_loss = true;
                    self.owed.retain(|number| link.got.contains(number));
                    self.owed_state.clear();
                } else {
                    assert!(message.contains("reconnect comes first"), "{frame}");
                    link.answer_return();
                }
            }
            "pong" => {}
            "batch_update" => {
                let messages = frame["messages"].as_array().expect("messages");
                assert!(messages.len() > 1, "a lone message goes out as itself");
                messages.iter().for_each(|event| self.event(link, event, made));
            }
            "e" => self.event(link, frame, made),
            other => panic!("a frame that nobody knows: {other}"),
        }
        Outcome::Nothing
    }

    fn subscribed(&mut self, link: &mut Connected, frame: &Value) {
        let id = ConnectionId::parse(frame["connectionId"].as_str().expect("an id")).expect("an id");
        assert_eq!(id, link.id, "its own connection");
        self.id = Some(id);
        let names = named(frame);
        // What was asked for behind a return is answered behind it.
        if link.former.take().is_some() {
            link.answer_return();
            link.is_restored = true;
            link.got.clear();
            link.own.clear();
            link.last.clear();
        }
        for name in names {
            let is_wanted = link.wanted.contains(&name) || link.leaving.contains(&name);
            assert!(is_wanted || self.is_stale, "{name} was not asked for: {link:#?}");
            link.may.insert(name.clone());
            // Answers come in order: this one is to a wish from before it left.
            if link.leaving.contains(&name) {
                continue;
            }
            self.follows.insert(name.clone());
            self.may_lose |= keeps_little(&name);
            let since = link.pending.remove(&name).unwrap_or_default();
            self.owed.extend(since.events.difference(&link.got));
            self.owed_state.extend(since.state.difference(&link.got));
        }
        self.follows.insert("@all".to_owned());
    }

    fn event(&mut self, link: &mut Connected, event: &Value, made: &[Made]) {
        let number = usize::try_from(event["n"].as_u64().expect("a number")).expect("small");
        let of = &made[number];
        assert!(of.released.is_some(), "{number} was released");
        assert_ne!(of.except, Some(link.id), "{number} is not for it");
        let is_named = of.connection == Some(link.id);
        let is_streams =
            of.streams.iter().any(|name| link.may.contains(name) || link.pending.contains_key(name));
        assert!(is_named || is_streams, "{number} {of:?} came to {link:#?}");
        let is_new = link.got.insert(number);
        let has_left = !link.left.is_empty();
        // What it has left it may come to again, and what named it, or was the state of one stream until there was another,
        // may be that of a further stream to which it comes.
        let is_elsewhere = is_named || of.streams.len() > 1;
        let is_state = of.retain.is_some() && (link.is_restored || has_left || is_elsewhere);
        // What named it and came as a stream's comes as its own once more, if it has left that stream meanwhile; and as a
        // stream's once more, if it came to that while it was told of the past.
        let is_own_again = is_named && (has_left || is_streams && link.own.remove(&number));
        // What is in a stream that keeps nothing and in one that it has left came as one of them, and comes as another once.
        let is_in_left = || of.streams.contains("queue:n") && !of.streams.is_disjoint(&link.left);
        let is_left_again = !is_new && is_in_left() && link.again.insert(number);
        let is_again = is_state || is_own_again || is_left_again;
        assert!(is_new || is_again, "{number} {of:?} came twice: {link:#?}");
        // None that it was told of: of one that it asks for it may not be this stream's yet.
        if is_new && is_named && of.streams.is_disjoint(&link.may) {
            link.own.insert(number);
        }
        // State is told before what it is the state of. In a stream that keeps nothing an event that is also in one that is
        // being told from the past comes with that.
        let is_ordered = |name: &str| of.retain.is_none() && name != "queue:n";
        for name in of.streams.iter().filter(|name| link.may.contains(*name) && is_ordered(name)) {
            let last = link.last.insert(name.clone(), number);
            assert!(last.is_none_or(|last| last < number), "{number} after {last:?} in {name}: {link:#?}");
        }
        self.owed.remove(&number);
        self.owed_state.remove(&number);
        link.direct.remove(&number);
    }
}

/// The streams that a frame names.
fn named(frame: &Value) -> Vec<String> {
    let user = frame.get("userId").map(|id| format!("user:{}", text(id)));
    let queue = frame.get("queueId").map(|id| format!("queue:{}", text(id)));
    user.into_iter().chain(queue).collect()
}

fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
