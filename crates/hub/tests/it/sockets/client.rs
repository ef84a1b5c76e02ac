//! A client of the simulation: it comes back as Socket.IO's own does, and judges every packet that it reads.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::rc::Rc;

use protocol::ConnectionId;
use serde_json::{Value, json};

use super::simulation::Event;
use crate::link::Pipe;

/// A stream that a session follows, by numbers of publications.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    /// What came before is not for it.
    pub(super) from: usize,
    /// What comes from here on has to come; none while that is not certain.
    pub(super) sure: Option<usize>,
    /// What came from here on is not for it.
    pub(super) until: usize,
}

/// All lives of a socket with one pid.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) sid: Option<ConnectionId>,
    pub(super) pid: Option<String>,
    pub(super) offset: Option<String>,
    pub(super) follows: BTreeMap<String, Follow>,
    pub(super) had: BTreeSet<usize>,
    /// The last number of those that come in order.
    last: Option<usize>,
    /// What was sent to it as such, on this connection.
    pub(super) direct: BTreeSet<usize>,
    /// Who is there, as far as it was told.
    there: BTreeMap<String, bool>,
}

/// A connection of a client.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) shard: usize,
    pub(super) key: u32,
    pub(super) pipe: Rc<RefCell<Pipe>>,
    pub(super) read: usize,
    pub(super) is_in: bool,
    /// Publications before it came, all of which were released.
    pub(super) from: usize,
    /// The shown pid has to be good.
    pub(super) must_recover: bool,
    pub(super) shown: Option<String>,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) namespace: &'static str,
    pub(super) user: usize,
    pub(super) recovers: bool,
    pub(super) session: Session,
    pub(super) link: Option<Connected>,
    /// What it asked, by the number of the acknowledgement: whether to follow, what, and from when on.
    pub(super) asked: BTreeMap<u64, (bool, &'static str, usize)>,
    pub(super) asks: u64,
    /// When it dropped.
    pub(super) dropped: u64,
    /// Whether the hub may not have, or not find, what it had.
    pub(super) is_uncertain: bool,
    pub(super) recovered: usize,
}

impl Client {
    pub(super) fn auth(&self) -> Value {
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
    pub(super) fn of_channel(&self, channel: &str) -> [String; 2] {
        [channel.to_owned(), format!("@{}:{channel}", self.namespace)]
    }

    /// Reads up to `most` bytes.
    pub(super) fn read(&mut self, most: usize, events: &[Event], is_calm: bool) {
        let Some(mut link) = self.link.take() else { return };
        let pipe = Rc::clone(&link.pipe);
        let pipe = pipe.borrow();
        let end = (link.read + most).min(pipe.received.len());
        while let Some((first, payload, length)) = frame(&pipe.received[link.read..end]) {
            link.read += length;
            let text = std::str::from_utf8(payload).unwrap_or_default();
            if first == 0x88 {
                return self.lost();
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
                "40" => self.came(&mut link, rest, events.len()),
                "41" => return self.lost(),
                "42" => {
                    assert!(link.is_in, "client {}: nothing comes before its CONNECT: {text}", self.number);
                    self.event(rest, events, is_calm);
                }
                "43" => self.answered(rest, events.len()),
                _ => panic!("client {} got {text}", self.number),
            }
        }
        self.link = Some(link);
    }

    /// Bytes that arrived and were not read.
    pub(super) fn unread(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.pipe.borrow().received.len() - link.read)
    }

    /// Something that changes when it gets something.
    pub(super) fn heard(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.pipe.borrow().received.len() + 1)
    }

    /// It leaves a connection, which the hub still had or not.
    pub(super) fn left(&mut self, now: u64, was_open: bool) {
        self.dropped = now;
        self.is_uncertain |= !was_open;
        self.lost();
    }

    /// The connection is over: what was asked on it may have been done, or not.
    pub(super) fn lost(&mut self) {
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
        assert!(self.session.sid.is_none() || sid != self.session.sid, "another socket");
        let follow = Follow { from: link.from, sure: Some(now), until: usize::MAX };
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

    fn event(&mut self, rest: &str, events: &[Event], is_calm: bool) {
        let arguments: Vec<Value> = serde_json::from_str(rest).expect("JSON");
        let kind = arguments[0].as_str().expect("a type");
        let offset = arguments.get(2);
        assert!(arguments.len() <= 2 + usize::from(self.recovers), "{rest}");
        if let Some(offset) = offset {
            self.session.offset = Some(offset.as_str().expect("an offset").to_owned());
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
        let event = &events[number];
        let who = format!("client {} ({:?}) in {}", self.number, self.session.sid, self.namespace);
        assert!(event.is_released, "{who}: {number} was not released");
        let session = &mut self.session;
        let is_for = |(name, follow): (&String, &Follow)| {
            event.streams.contains(name)
                && (event.is_transient || number >= follow.from)
                && number < follow.until
        };
        let is_named = event.connection.is_some() && event.connection == session.sid;
        assert!(
            is_named || session.follows.iter().any(is_for),
            "{who}: {number} is not for it: {event:?} {:?}",
            session.follows
        );
        assert!(event.except.is_none() || event.except != session.sid, "{who}: {number} leaves it out");
        // What is sent to a socket as such may still be on its way where its successor is.
        let is_own = is_named || event.is_transient;
        assert!(session.had.insert(number) || is_own, "{who}: {number} comes twice");
        session.direct.remove(&number);
        // What can't be read again comes at once, also while other things are still read.
        if !is_own && !event.is_unkept {
            assert!(
                session.last.is_none_or(|last| last < number),
                "{who}: {number} behind {:?}",
                session.last
            );
            session.last = Some(number);
        }
    }

    /// All that had to come has come.
    pub(super) fn settled(&self, events: &[Event]) {
        let Some(link) = &self.link else { return };
        assert!(link.is_in, "client {} was let in", self.number);
        assert!(self.asked.is_empty(), "client {} was answered {:?}", self.number, self.asked);
        for (number, event) in
            events.iter().enumerate().filter(|(_, event)| event.is_released && !event.is_transient)
        {
            let has_to = |(name, follow): (&String, &Follow)| {
                event.streams.contains(name) && follow.sure.is_some_and(|sure| number >= sure)
            };
            let is_out = event.except.is_some() && event.except == self.session.sid;
            assert!(
                is_out || self.session.had.contains(&number) || !self.session.follows.iter().any(has_to),
                "client {} in {} has not had {number}: {event:?} {:?}, recovered {} times, offset {:?}",
                self.number,
                self.namespace,
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
    pub(super) fn forget_users(&mut self) {
        self.session.there.clear();
    }

    /// Whether it follows a channel depends on what was on disk.
    pub(super) fn doubt(&mut self) {
        let own = self.own();
        for (name, follow) in &mut self.session.follows {
            if !own.contains(name) {
                (follow.sure, follow.until) = (None, usize::MAX);
            }
        }
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
