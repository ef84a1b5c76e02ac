//! A client of the simulation: what the model knows of it, and what it read, judged frame by frame.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use protocol::ConnectionId;
use serde_json::Value;

use crate::link::Pipe;
use crate::wire::{Frame, take};

/// Whom a publication is for, as the model has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audience {
    pub(crate) everyone: bool,
    pub(crate) streams: BTreeSet<String>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) except: Option<ConnectionId>,
}

impl Audience {
    /// Whether a connection belongs to it that is subscribed to `channels`.
    pub(crate) fn has(&self, client: &Client, channels: &BTreeSet<String>) -> bool {
        let own = client.user.as_ref().is_some_and(|user| self.streams.contains(&format!("user:{user}")));
        let named = self.everyone || own || !self.streams.is_disjoint(channels);
        (named || self.connection == Some(client.id)) && self.except != Some(client.id)
    }
}

/// One connection, from both sides.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) shard: usize,
    pub(crate) key: u32,
    pub(crate) pipe: Rc<RefCell<Pipe>>,
    pub(crate) user: Option<String>,
    pub(crate) user_type: &'static str,
    pub(crate) expires_at: Option<u64>,
    /// The session of its token.
    pub(crate) session: Option<&'static str>,
    /// The publication behind which it has to be closed.
    pub(crate) doomed: Option<usize>,
    /// What it has to have got before that close.
    pub(crate) owed_before_close: BTreeSet<usize>,
    /// Channels that the hub has it subscribed to, by the model.
    pub(crate) channels: BTreeSet<String>,
    /// Whether the hub has given its place free.
    pub(crate) has_ended: bool,
    /// Publications that have to arrive: it belongs to their audience since before they were accepted.
    pub(crate) owed: BTreeSet<usize>,
    /// What it did that allows the hub to close it.
    pub(crate) was_narrow: bool,
    pub(crate) is_silent: bool,
    pub(crate) sent_much: bool,
    pub(crate) is_one_too_many: bool,
    pub(crate) said_close: bool,
    /// Whether a publication may end its session.
    pub(crate) may_be_doomed: bool,
    /// Whether it came while a publication that ends sessions was on its way: that may close it, or not.
    pub(crate) came_in_between: bool,
    // What it read.
    read: usize,
    is_welcome: bool,
    told_channels: BTreeSet<String>,
    /// The events that it read.
    pub(crate) got: BTreeSet<usize>,
    pub(crate) close: Option<(u16, String)>,
}

impl Client {
    pub(crate) fn new(id: ConnectionId, shard: usize, key: u32, pipe: Rc<RefCell<Pipe>>) -> Self {
        Self {
            id,
            shard,
            key,
            pipe,
            user: None,
            user_type: "",
            expires_at: None,
            session: None,
            doomed: None,
            owed_before_close: BTreeSet::new(),
            channels: BTreeSet::new(),
            has_ended: false,
            owed: BTreeSet::new(),
            was_narrow: false,
            is_silent: false,
            sent_much: false,
            is_one_too_many: false,
            said_close: false,
            may_be_doomed: false,
            came_in_between: false,
            read: 0,
            is_welcome: false,
            told_channels: BTreeSet::new(),
            got: BTreeSet::new(),
            close: None,
        }
    }

    /// Reads what arrived since the last call, and judges it.
    pub(crate) fn read(&mut self, audiences: &[Audience]) {
        let pipe = Rc::clone(&self.pipe);
        let pipe = pipe.borrow();
        while let Some((frame, length)) = take(&pipe.received[self.read..]) {
            self.read += length;
            assert_eq!(self.close, None, "nothing follows a Close frame: {frame:?}");
            match frame {
                Frame::Ping | Frame::Pong => {}
                Frame::Close(code, reason) => self.judge_close(code, reason),
                Frame::Json(envelope) => self.judge(&envelope, audiences),
            }
        }
        if self.close.is_some() {
            assert_eq!(self.read, pipe.received.len(), "nothing follows a Close frame");
        }
    }

    /// Whether the last frame that arrived is whole.
    pub(crate) fn is_at_border(&self) -> bool {
        self.read == self.pipe.borrow().received.len()
    }

    /// Whether it read a Close with this code.
    pub(crate) fn close_is(&self, code: u16) -> bool {
        self.close.as_ref().is_some_and(|close| close.0 == code)
    }

    fn judge_close(&mut self, code: u16, reason: String) {
        let is_allowed = match code {
            1000 => self.said_close,
            1001 => reason.starts_with("draining; reconnect in "),
            4001 => self.expires_at.is_some() || self.may_be_doomed,
            4008 => self.sent_much,
            4009 => self.is_silent,
            4010 => self.was_narrow,
            4029 => self.is_one_too_many,
            _ => false,
        };
        assert!(is_allowed, "no reason to be closed with {code} {reason:?}: {self:?}");
        self.close = Some((code, reason));
    }

    fn judge(&mut self, envelope: &Value, audiences: &[Audience]) {
        let data = &envelope["data"];
        let kind = envelope["type"].as_str().expect("a type");
        assert_eq!(kind == "connected", !self.is_welcome, "the welcome comes first, and once: {envelope}");
        match kind {
            "connected" => {
                assert!(!self.is_one_too_many, "who is refused is not welcomed");
                assert_eq!(data["connection_id"], self.id.to_string());
                self.is_welcome = true;
            }
            "subscribed" => self.told_channels.extend(names(data)),
            "unsubscribed" => {
                for name in names(data) {
                    self.told_channels.remove(&name);
                }
            }
            "error" if data["message"].as_str().is_some_and(|text| text.ends_with("it is unsubscribed")) => {
                let channel = data["channel"].as_str().expect("a channel");
                assert!(self.told_channels.remove(channel), "only what was followed is taken away");
            }
            "error" | "pong" | "refreshed" | "token_expiring" => {}
            "e" => {
                let number = usize::try_from(data["n"].as_u64().expect("a number")).expect("small");
                let audience = audiences.get(number).expect("only what was accepted is delivered");
                let last = self.got.last().copied();
                assert!(self.doomed.is_none_or(|end| number <= end), "{number} after the session's end");
                assert!(last.is_none_or(|last| last < number), "{number} after {last:?}");
                assert!(
                    audience.has(self, &self.told_channels),
                    "{number} for {audience:?} came to {} with {:?}",
                    self.id,
                    self.told_channels
                );
                self.got.insert(number);
                self.owed.remove(&number);
            }
            other => panic!("a frame that nobody knows: {other}"),
        }
    }
}

fn names(data: &Value) -> Vec<String> {
    data["channels"]
        .as_array()
        .expect("channels")
        .iter()
        .map(|name| name.as_str().expect("name").to_owned())
        .collect()
}
