//! A client of the simulations: it comes back as Socket.IO's own does, and judges every packet that it reads.
//!
//! Not here: what really happened ([`Truth`]), which each simulation knows for itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::rc::Rc;

use protocol::ConnectionId;
use serde_json::{Value, json};

use crate::link::Pipe;

/// A publication, as the model has it.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) streams: BTreeSet<String>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) except: Option<ConnectionId>,
    /// Whether one of its streams keeps nothing.
    pub(crate) is_unkept: bool,
    /// Whether it is kept for nobody.
    pub(crate) is_transient: bool,
    /// Whether it went to the sockets of one node alone, without a place anywhere.
    pub(crate) is_local: bool,
}

/// What really happened. Publications have numbers, by which their data names them, and places in the one order of all.
pub(crate) trait Truth {
    /// A place before which nothing more comes.
    fn next(&self) -> usize;
    /// A publication.
    fn event(&self, number: usize) -> &Event;
    /// Its place; none where it never got one, or not yet.
    fn place(&self, number: usize) -> Option<usize>;
    /// The publications that have their places from the first on and before the second, in their order.
    fn between(&self, from: usize, until: usize) -> Vec<usize>;
}

/// How the hub ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a Close frame and this code.
    Closed(u16),
    /// The socket alone: another one goes on from it.
    TakenOver,
}

/// A stream that a session follows, by places of publications.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    /// What came before is not for it.
    pub(crate) from: usize,
    /// What comes from here on has to come; none while that is not certain.
    pub(crate) sure: Option<usize>,
    /// What came from here on is not for it.
    pub(crate) until: usize,
}

/// All lives of a socket with one pid.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) sid: Option<ConnectionId>,
    pub(crate) pid: Option<String>,
    pub(crate) offset: Option<String>,
    pub(crate) follows: BTreeMap<String, Follow>,
    pub(crate) had: BTreeSet<usize>,
    /// The place of the last of those that come in order.
    last: Option<usize>,
    /// What was sent to it as such, on this connection.
    pub(crate) direct: BTreeSet<usize>,
    /// Who is there, as far as it was told.
    there: BTreeMap<String, bool>,
}

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connected {
    /// The node of a cluster.
    pub(crate) node: u32,
    pub(crate) shard: usize,
    pub(crate) key: u32,
    pub(crate) pipe: Rc<RefCell<Pipe>>,
    pub(crate) read: usize,
    pub(crate) is_in: bool,
    /// What has a place before this one reached all who were there before it came.
    pub(crate) from: usize,
    /// The shown pid has to be good.
    pub(crate) must_recover: bool,
    /// Whether all has to come, where it is let in anew.
    pub(crate) is_certain: bool,
    pub(crate) shown: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) namespace: &'static str,
    pub(crate) user: usize,
    pub(crate) recovers: bool,
    pub(crate) session: Session,
    pub(crate) link: Option<Connected>,
    /// What it asked, by the number of the acknowledgement: whether to follow, what, and from when on.
    pub(crate) asked: BTreeMap<u64, (bool, &'static str, usize)>,
    pub(crate) asks: u64,
    /// When it dropped.
    pub(crate) dropped: u64,
    /// Whether the hub may not have, or not find, what it had.
    pub(crate) is_uncertain: bool,
    pub(crate) recovered: usize,
    /// How often it was let in anew though it showed a pid.
    pub(crate) lost: usize,
    /// Its next connection has to be recovered.
    pub(crate) must_recover: bool,
    /// How the hub ended its last connection, if it did.
    pub(crate) ended: Option<Ended>,
}

impl Client {
    pub(crate) fn new(number: usize, namespace: &'static str, user: usize, recovers: bool) -> Self {
        Self {
            number,
            namespace,
            user,
            recovers,
            session: Session::default(),
            link: None,
            asked: BTreeMap::new(),
            asks: 0,
            dropped: 0,
            is_uncertain: false,
            recovered: 0,
            lost: 0,
            must_recover: false,
            ended: None,
        }
    }

    pub(crate) fn auth(&self) -> Value {
        let mut auth = json!({ "token": "t" });
        if self.recovers {
            auth["recover"] = true.into();
        }
        if let Some(pid) = &self.session.pid {
            auth["pid"] = pid.as_str().into();
        }
        if let Some(offset) = &self.session.offset {
            auth["offset"] = offset.as_str().into();
        }
        auth
    }

    fn own(&self) -> [String; 2] {
        [format!("@{}", self.namespace), format!("@{}:user:{}", self.namespace, self.user)]
    }

    /// The streams that a channel is for it.
    pub(crate) fn of_channel(&self, channel: &str) -> [String; 2] {
        [channel.to_owned(), format!("@{}:{channel}", self.namespace)]
    }

    /// Reads up to `most` bytes.
    pub(crate) fn read(&mut self, most: usize, truth: &impl Truth, is_calm: bool) {
        let Some(mut link) = self.link.take() else { return };
        let pipe = Rc::clone(&link.pipe);
        let pipe = pipe.borrow();
        let end = (link.read + most).min(pipe.received.len());
        while let Some((first, payload, length)) = frame(&pipe.received[link.read..end]) {
            link.read += length;
            let text = std::str::from_utf8(payload).unwrap_or_default();
            if first == 0x88 {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                self.ended = Some(Ended::Closed(code));
                return self.leave();
            }
            assert_eq!(first, 0x81, "client {} reads only packets", self.number);
            let (kind, rest) = text.split_at(2);
            let rest = match self.namespace {
                "/" => rest,
                name => {
                    rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(',')).expect("its namespace")
                }
            };
            match kind {
                "40" => self.came(&mut link, rest, truth.next()),
                "41" => {
                    self.ended = Some(Ended::TakenOver);
                    return self.leave();
                }
                "42" => {
                    assert!(link.is_in, "client {}: nothing comes before its CONNECT: {text}", self.number);
                    self.event(rest, truth, is_calm);
                }
                "43" => self.answered(rest, truth.next()),
                _ => panic!("client {} got {text}", self.number),
            }
        }
        self.link = Some(link);
    }

    /// Bytes that arrived and were not read.
    pub(crate) fn unread(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.pipe.borrow().received.len() - link.read)
    }

    /// Something that changes when it gets something.
    pub(crate) fn heard(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.pipe.borrow().received.len() + 1)
    }

    /// It leaves a connection, which the hub still had or not.
    pub(crate) fn left(&mut self, now: u64, was_open: bool) {
        self.dropped = now;
        self.is_uncertain |= !was_open;
        self.leave();
    }

    /// The connection is over: what was asked on it may have been done, or not.
    pub(crate) fn leave(&mut self) {
        self.link = None;
        self.session.direct.clear();
        for (_, (_, channel, from)) in std::mem::take(&mut self.asked) {
            for stream in self.of_channel(channel) {
                let follow = Follow { from, sure: None, until: usize::MAX };
                let known = self.session.follows.entry(stream).or_insert(follow);
                (known.sure, known.until) = (None, usize::MAX);
            }
        }
    }

    fn came(&mut self, link: &mut Connected, data: &str, now: usize) {
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert!(!std::mem::replace(&mut link.is_in, true), "one CONNECT");
        let pid = data.get("pid").map(|pid| pid.as_str().expect("text").to_owned());
        self.is_uncertain = false;
        assert_eq!(pid.is_some(), self.recovers, "{data}");
        let sid = ConnectionId::parse(data["sid"].as_str().expect("a sid"));
        if pid.is_some() && pid == link.shown {
            assert_eq!(sid, self.session.sid, "the same socket");
            self.recovered += 1;
            return;
        }
        assert!(!link.must_recover, "client {} has to be recovered", self.number);
        self.lost += usize::from(link.shown.is_some());
        assert!(self.session.sid.is_none() || sid != self.session.sid, "another socket");
        let follow = Follow { from: link.from, sure: link.is_certain.then_some(now), until: usize::MAX };
        let follows = self.own().into_iter().map(|stream| (stream, follow.clone())).collect();
        self.session = Session { sid, pid, follows, ..Session::default() };
    }

    fn answered(&mut self, rest: &str, now: usize) {
        let at = rest.find('[').expect("arguments");
        let id: u64 = rest[..at].parse().expect("a number");
        let answer: Value = serde_json::from_str(&rest[at..]).expect("JSON");
        assert_eq!(answer[0]["success"], true, "{answer}");
        let (is_join, channel, from) = self.asked.remove(&id).expect("asked once");
        // Only the last word counts.
        let is_last = !self.asked.values().any(|(_, other, _)| *other == channel);
        for stream in self.of_channel(channel) {
            let vague = Follow { from, sure: None, until: usize::MAX };
            let follow = match self.session.follows.entry(stream) {
                Entry::Vacant(_) if !is_join => continue,
                Entry::Vacant(place) => place.insert(vague),
                Entry::Occupied(place) => place.into_mut(),
            };
            match (is_join, is_last) {
                (true, true) if follow.sure.is_some() && follow.until == usize::MAX => {}
                (true, _) => (follow.sure, follow.until) = (is_last.then_some(now), usize::MAX),
                (false, true) => (follow.sure, follow.until) = (None, now),
                (false, false) => follow.sure = None,
            }
        }
    }

    fn event(&mut self, rest: &str, truth: &impl Truth, is_calm: bool) {
        let arguments: Vec<Value> = serde_json::from_str(rest).expect("JSON");
        let kind = arguments[0].as_str().expect("a type");
        let offset = arguments.get(2);
        assert!(arguments.len() <= 2 + usize::from(self.recovers), "{rest}");
        if let Some(offset) = offset {
            self.session.offset = Some(offset.as_str().expect("an offset").to_owned());
        }
        if kind == "error" {
            return self.refused(&arguments[1]);
        }
        if let "user_online" | "user_offline" = kind {
            let user = arguments[1]["user_id"].to_string();
            assert_ne!(user, self.user.to_string(), "client {} is told of its own user: {rest}", self.number);
            let before = self.session.there.insert(user, kind == "user_online");
            assert!(
                !is_calm || before.is_none_or(|before| before != (kind == "user_online")),
                "client {}: twice {rest}",
                self.number
            );
            return;
        }
        let number = usize::try_from(arguments[1]["n"].as_u64().expect("a number")).expect("small");
        let event = truth.event(number);
        let who = format!("client {} ({:?}) in {}", self.number, self.session.sid, self.namespace);
        let place = truth.place(number);
        assert!(event.is_local || place.is_some(), "{who}: {number} was not released");
        let session = &mut self.session;
        let is_for = |(name, follow): (&String, &Follow)| {
            let is_within = |place| event.is_transient || place >= follow.from;
            event.streams.contains(name) && place.is_none_or(|place| is_within(place) && place < follow.until)
        };
        let is_named = event.connection.is_some() && event.connection == session.sid;
        assert!(
            is_named || session.follows.iter().any(is_for),
            "{who}: {number} is not for it: {event:?} {:?}",
            session.follows
        );
        assert!(event.except.is_none() || event.except != session.sid, "{who}: {number} leaves it out");
        // What is sent to a socket as such may still be on its way where its successor is.
        let is_own = is_named || event.is_transient || event.is_local;
        assert!(session.had.insert(number) || is_own, "{who}: {number} comes twice");
        session.direct.remove(&number);
        // What can't be read again comes at once, also while other things are still read.
        let Some(place) = place.filter(|_| !is_own && !event.is_unkept) else { return };
        let last = session.last.replace(place);
        assert!(last.is_none_or(|last| last < place), "{who}: {number} at {place} behind {last:?}");
        let Some(last) = last else { return };
        let passed = truth.between(last + 1, place).into_iter();
        let gap: Vec<usize> =
            passed.filter(|&number| !truth.event(number).is_unkept && self.misses(number, truth)).collect();
        assert!(gap.is_empty(), "{who}: {number} at {place} comes before {gap:?}: {:?}", self.session);
    }

    /// What it asked first is not done: the cluster did not answer.
    fn refused(&mut self, why: &Value) {
        assert_eq!(why["code"], "unavailable", "{why}");
        let (_, (_, channel, from)) = self.asked.pop_first().expect("it asked for something");
        for stream in self.of_channel(channel) {
            let vague = Follow { from, sure: None, until: usize::MAX };
            self.session.follows.entry(stream).or_insert(vague);
        }
    }

    /// Whether it has not had a publication that has to have come by now.
    fn misses(&self, number: usize, truth: &impl Truth) -> bool {
        let (event, place) = (truth.event(number), truth.place(number));
        let has_to = |(name, follow): (&String, &Follow)| {
            let is_sure = follow.sure.zip(place).is_some_and(|(sure, place)| place >= sure);
            is_sure && event.streams.contains(name)
        };
        let is_out = event.except.is_some() && event.except == self.session.sid;
        !event.is_transient
            && !is_out
            && !self.session.had.contains(&number)
            && self.session.follows.iter().any(has_to)
    }

    /// All that had to come has come.
    pub(crate) fn settled(&self, truth: &impl Truth) {
        let Some(link) = &self.link else { return };
        assert!(link.is_in, "client {} was let in", self.number);
        assert!(self.asked.is_empty(), "client {} was answered {:?}", self.number, self.asked);
        for number in truth.between(0, usize::MAX) {
            assert!(
                !self.misses(number, truth),
                "client {} in {} has not had {number}: {:?} {:?}, recovered {} times, offset {:?}",
                self.number,
                self.namespace,
                truth.event(number),
                self.session.follows,
                self.recovered,
                self.session.offset
            );
        }
        assert!(
            self.session.direct.is_empty(),
            "client {} was named by {:?}",
            self.number,
            self.session.direct
        );
    }

    /// The hub begins again: who is there is told again.
    pub(crate) fn forget_users(&mut self) {
        self.session.there.clear();
    }

    /// Whether it follows a channel depends on what was on disk.
    pub(crate) fn doubt(&mut self) {
        let own = self.own();
        for (name, follow) in &mut self.session.follows {
            if !own.contains(name) {
                (follow.sure, follow.until) = (None, usize::MAX);
            }
        }
    }

    /// Of these streams nothing has to come.
    pub(crate) fn doubt_streams(&mut self, is_such: impl Fn(&str) -> bool) {
        let follows = self.session.follows.iter_mut();
        follows.filter(|(name, _)| is_such(name)).for_each(|(_, follow)| follow.sure = None);
    }

    /// All is quiet: what comes from here on in its own streams has to come.
    pub(crate) fn stands(&mut self, next: usize) {
        let own = self.own();
        for name in own.iter().filter(|_| self.link.is_some()) {
            if let Some(follow) = self.session.follows.get_mut(name) {
                follow.sure.get_or_insert(next);
            }
        }
    }

    /// It joins a channel, or leaves it; what came before `from` is not for it. Returns the packet.
    pub(crate) fn ask(&mut self, is_join: bool, channel: &'static str, from: usize) -> String {
        self.asks += 1;
        self.asked.insert(self.asks, (is_join, channel, from));
        // From now on nothing of it has to come, until it is answered that it does.
        if !is_join {
            for stream in self.of_channel(channel) {
                if let Some(follow) = self.session.follows.get_mut(&stream) {
                    follow.sure = None;
                }
            }
        }
        let name = if self.namespace == "/" { String::new() } else { format!("{},", self.namespace) };
        let what = if is_join { "subscribe" } else { "unsubscribe" };
        format!("2{name}{}{}", self.asks, json!([what, { "channels": [channel] }]))
    }
}

/// The first byte of a frame, its payload and its length.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (length, head) = match second {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        short => (usize::from(short), 2),
    };
    Some((first, bytes.get(head..head + length)?, head + length))
}
