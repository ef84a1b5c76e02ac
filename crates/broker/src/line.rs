//! The connection for channels: what comes through them, and in the same line what streams have.
//!
//! A script that is called on the connection that subscribes answers in the order of what is pushed there: everything that was
//! published before stands in the answer, everything later is pushed behind it. That is all that makes
//! [`Told::Streams`] and [`Told::Table`] come at their place.
//!
//! Wishes that stand behind one another become one question, and one that is not full waits for the answer to the one
//! before: so whoever is alone is served at once, and many who connect at the same time cost one subscription and one
//! script together.
//!
//! What one stream keeps can be more than an answer should hold: then its first parts are gathered here, and it is told
//! with the last one, which is read at its place in the line. Bounds: [`CHUNK`] streams and [`PART`] bytes an answer and one
//! page more, [`WINDOW`] questions under way; Redis itself ends a subscriber for whom 32 MiB wait.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use hub::broker::{Event, Following, NodeId, StreamState, Ticket, Told, Wish};
use protocol::timestamp::Timestamp;
use protocol::{Epoch, Position};
use redis::{PushKind, ServerError, Value};
use tracing::warn;

use crate::commands::millis;
use crate::error::{Fault, LinkError, fault, said};
use crate::form::bytes::FormError;
use crate::message::{Message, Messages, number};
use crate::resolve::text;
use crate::scripts::{self, Call};
use crate::wire::Wire;

/// Streams of one question.
const CHUNK: usize = 256;

/// Bytes of an answer from which on nothing more is put into it.
const PART: usize = 1024 * 1024;

/// Questions under way.
const WINDOW: usize = 4;

/// How often those who follow a stream say so.
const TOUCH: Duration = Duration::from_secs(3600);

/// For how long a stream is known beyond what it keeps, in ms (as in the scripts).
const KNOWN: u64 = 86_400_000;

/// For how long a stream in which nothing ever was is known after the last who followed it. Whoever comes back later is told that it may have
/// missed something. 2,000 made-up names a second, as much as four clients can ask one node for, are 3.6 million then, some 450 MB.
const FORGOTTEN: Duration = Duration::from_secs(1800);

/// A stream that is asked for.
#[derive(Debug)]
struct Want {
    ticket: Ticket,
    stream: Box<str>,
    size: u32,
    age: u64,
    after: Option<Position>,
    /// What was told of it already, and up to where.
    gathered: Vec<Event>,
    reached: Option<Position>,
}

/// Streams that are asked for together, of one wish or several.
#[derive(Debug, Default)]
struct Question {
    wants: Vec<Want>,
    /// Wishes for no stream at all: they are answered as well, at their place.
    empty: Vec<Ticket>,
}

/// Something to be done in its order.
#[derive(Debug)]
enum Turn {
    /// Subscribe to these and ask for them.
    Follow(Question),
    /// Ask for these, that are subscribed to.
    Read(Question),
    Unfollow(Vec<Box<str>>),
    /// Ask for a table, once so many commands are answered.
    Table {
        ticket: Ticket,
        table: Box<str>,
        behind: u64,
    },
}

#[derive(Debug)]
enum Asked {
    Streams(Question),
    Table(Ticket, Box<str>),
    Ping,
    /// Nothing comes of it.
    Done,
}

/// What was heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Something for the engine, with the greatest number in it.
    Told(Told, u64),
    /// What streams have, for each wish that asked for some of them, and the number of the last event.
    Streams(Vec<Told>, u64),
    /// Nodes came or went.
    Nodes,
    /// Something of another version, or broken.
    Unreadable(FormError),
    Nothing,
}

/// The connection.
pub(crate) struct Line {
    pub(crate) wire: Wire,
    node: NodeId,
    life: u64,
    key: String,
    channels: String,
    turns: VecDeque<Turn>,
    asked: VecDeque<Asked>,
    /// What is followed, and how long it is kept, in ms.
    followed: HashMap<Box<str>, u64>,
    /// Channels that are let go, and not confirmed yet.
    leaving: usize,
    /// When the last round of signs began, and what is left of it.
    touched: Instant,
    to_touch: Vec<Box<str>>,
    /// Streams of each wish that are not told yet.
    left: HashMap<Ticket, usize>,
    messages: Messages,
    pinged: Option<Instant>,
    /// Redis could not answer: not asked again before the next tick.
    is_resting: bool,
}

impl Line {
    pub(crate) fn new(wire: Wire, prefix: &str, node: NodeId, life: u64) -> Self {
        Self {
            wire,
            node,
            life,
            key: format!("{{{prefix}}}:life"),
            channels: format!("{{{prefix}}}:c:"),
            turns: VecDeque::new(),
            asked: VecDeque::new(),
            followed: HashMap::new(),
            touched: Instant::now(),
            to_touch: Vec::new(),
            leaving: 0,
            left: HashMap::new(),
            messages: Messages::default(),
            pinged: None,
            is_resting: false,
        }
    }

    /// For how long a question has not been answered.
    pub(crate) fn silent(&self) -> Duration {
        self.pinged.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Asks whether Redis is there, unless it has not answered yet.
    pub(crate) fn tick(&mut self) {
        self.is_resting = false;
        if self.pinged.is_none() {
            self.pinged = Some(Instant::now());
            self.ask(&redis::cmd("PING"), Asked::Ping);
        }
        if self.touched.elapsed() >= TOUCH && self.to_touch.is_empty() {
            self.touched = Instant::now();
            self.to_touch = self.followed.keys().cloned().collect();
        }
        let some = self.to_touch.split_off(self.to_touch.len().saturating_sub(CHUNK));
        if !some.is_empty() {
            let mut command = Call::Touch.with(&self.key);
            for (stream, age) in some.iter().filter_map(|stream| self.followed.get_key_value(stream)) {
                command.arg(&**stream).arg(age.saturating_add(KNOWN));
            }
            self.ask(&command, Asked::Done);
        }
    }

    fn ask(&mut self, command: &redis::Cmd, asked: Asked) {
        self.wire.write(&command.get_packed_command());
        self.asked.push_back(asked);
    }

    /// Takes a wish that belongs into the line; `behind` is how many commands were sent before it.
    pub(crate) fn wish(&mut self, wish: Wish, behind: u64) {
        match wish {
            Wish::Follow(ticket, streams) => {
                if streams.is_empty() {
                    self.question().empty.push(ticket);
                    return;
                }
                *self.left.entry(ticket).or_default() += streams.len();
                for following in streams {
                    self.question().wants.push(Want::new(ticket, following));
                }
            }
            Wish::Unfollow(streams) => self.turns.push_back(Turn::Unfollow(streams)),
            Wish::Table(ticket, table) => self.turns.push_back(Turn::Table { ticket, table, behind }),
            // The others are commands.
            _ => {}
        }
    }

    /// The last question that waits, if nothing stands behind it and it has room, or else a new one.
    fn question(&mut self) -> &mut Question {
        let has_room = |turn: &Turn| matches!(turn, Turn::Follow(question) if question.len() < CHUNK);
        if !self.turns.back().is_some_and(has_room) {
            self.turns.push_back(Turn::Follow(Question::default()));
        }
        match self.turns.back_mut() {
            Some(Turn::Follow(question)) => question,
            _ => unreachable!("it was put there"),
        }
    }

    /// Does what is next, as far as the window allows; so many commands are answered.
    pub(crate) fn go_on(&mut self, answered: u64) {
        while !self.is_resting && self.asked.len() < WINDOW + 1 {
            let must_wait = match self.turns.front() {
                Some(Turn::Table { behind, .. }) => *behind > answered,
                // More may join it.
                Some(Turn::Follow(question)) => question.len() < CHUNK && self.is_reading(),
                _ => false,
            };
            if must_wait {
                return;
            }
            let Some(turn) = self.turns.pop_front() else { return };
            match turn {
                Turn::Follow(question) => {
                    self.subscribe(&question);
                    self.read(question);
                }
                Turn::Read(question) => self.read(question),
                Turn::Unfollow(streams) => self.unfollow(&streams),
                Turn::Table { ticket, table, .. } => {
                    let mut command = Call::Table.with(&self.key);
                    command.arg(&*table);
                    self.ask(&command, Asked::Table(ticket, table));
                }
            }
        }
    }

    /// Whether streams are asked for.
    fn is_reading(&self) -> bool {
        self.asked.iter().any(|asked| matches!(asked, Asked::Streams(_)))
    }

    fn subscribe(&mut self, question: &Question) {
        if question.wants.is_empty() {
            return;
        }
        let mut subscribe = redis::cmd("SSUBSCRIBE");
        for want in &question.wants {
            subscribe.arg(format!("{}{}", self.channels, want.stream));
            self.followed.insert(want.stream.clone(), want.age);
        }
        self.wire.write(&subscribe.get_packed_command());
    }

    fn read(&mut self, question: Question) {
        let mut command = Call::Read.with(&self.key);
        command.arg(self.life).arg(PART);
        for want in &question.wants {
            command.arg(&*want.stream).arg(want.size).arg(want.age);
            match want.reached.or(want.after) {
                Some(after) => command.arg(after.epoch.bits()).arg(after.offset),
                None => command.arg("").arg(""),
            };
        }
        self.ask(&command, Asked::Streams(question));
    }

    fn unfollow(&mut self, streams: &[Box<str>]) {
        for chunk in streams.chunks(CHUNK) {
            let mut unsubscribe = redis::cmd("SUNSUBSCRIBE");
            for stream in chunk {
                self.followed.remove(stream);
                self.leaving += 1;
                unsubscribe.arg(format!("{}{stream}", self.channels));
            }
            self.wire.write(&unsubscribe.get_packed_command());
            let mut release = Call::Release.with(&self.key);
            release.arg(millis(FORGOTTEN));
            chunk.iter().for_each(|stream| _ = release.arg(&**stream));
            self.ask(&release, Asked::Done);
        }
    }

    /// Takes the next value; `tell` hears what is for the engine.
    pub(crate) fn hear(&mut self, value: Value) -> Result<Heard, LinkError> {
        match value {
            Value::Push { kind: PushKind::SMessage, data } => {
                let [_, Value::BulkString(message)] = data.as_slice() else {
                    return Err(LinkError::Unexpected("no message"));
                };
                Ok(match self.messages.read(message) {
                    Ok(Message::Event(event)) => {
                        let seq = event.seq;
                        Heard::Told(Told::Event(event), seq)
                    }
                    Ok(Message::Said(node, words)) if node != self.node => {
                        Heard::Told(Told::Said(node, words.into()), 0)
                    }
                    Ok(Message::Said(..)) => Heard::Nothing,
                    Ok(Message::Nodes) => Heard::Nodes,
                    Err(error) => Heard::Unreadable(error),
                })
            }
            Value::Push { kind: PushKind::SUnsubscribe, .. } => {
                // Not asked for: the slot has moved to another server.
                let moved = || LinkError::Server("MOVED the channels are at another server".into());
                self.leaving = self.leaving.checked_sub(1).ok_or_else(moved)?;
                Ok(Heard::Nothing)
            }
            Value::Push { .. } => Ok(Heard::Nothing),
            Value::ServerError(error) => self.refused(&error),
            value => self.answer(value),
        }
    }

    fn next_asked(&mut self) -> Result<Asked, LinkError> {
        self.asked.pop_front().ok_or(LinkError::Unexpected("more than was asked"))
    }

    fn refused(&mut self, error: &ServerError) -> Result<Heard, LinkError> {
        let fault = fault(error);
        if !matches!(fault, Fault::NoScript | Fault::Full | Fault::Disk) {
            return Err(LinkError::Server(said(error)));
        }
        match self.next_asked()? {
            Asked::Streams(question) => self.turns.push_front(Turn::Read(question)),
            Asked::Table(ticket, table) => self.turns.push_front(Turn::Table { ticket, table, behind: 0 }),
            Asked::Ping => self.pinged = None,
            // Its turn comes again.
            Asked::Done => {}
        }
        if fault == Fault::NoScript {
            for load in scripts::load() {
                self.ask(&load, Asked::Done);
            }
        } else {
            warn!(error = said(error), "Redis can't tell what streams have");
            self.is_resting = true;
        }
        Ok(Heard::Nothing)
    }

    fn answer(&mut self, value: Value) -> Result<Heard, LinkError> {
        match self.next_asked()? {
            Asked::Ping => {
                self.pinged = None;
                Ok(Heard::Nothing)
            }
            Asked::Done => Ok(Heard::Nothing),
            Asked::Table(ticket, _) => {
                let table = table(&value).ok_or(LinkError::Unexpected("no table"))?;
                Ok(Heard::Told(Told::Table(ticket, table), 0))
            }
            Asked::Streams(question) => self.streams(question, value),
        }
    }

    fn streams(&mut self, question: Question, value: Value) -> Result<Heard, LinkError> {
        let Value::Array(parts) = value else { return Err(LinkError::Unexpected("no streams")) };
        let (seq, told) = match <[Value; 3]>::try_from(parts) {
            Ok([Value::Int(1), seq, Value::Array(told)]) => (text(&seq).map_or(Ok(0), number)?, told),
            _ => return Err(LinkError::NewLife),
        };
        let mut told = told.into_iter();
        let mut answers = Answers::default();
        let mut rest = Vec::new();
        for mut want in question.wants {
            let Some(value) = told.next() else {
                rest.push(want);
                continue;
            };
            let Value::Array(parts) = value else { return Err(LinkError::Unexpected("no stream")) };
            match self.state(&mut want, &parts)? {
                Some(state) => answers.of(want.ticket).streams.push(state),
                None => rest.push(want),
            }
        }
        rest.retain(|want| {
            let is_followed = self.followed.contains_key(&want.stream);
            if !is_followed {
                answers.of(want.ticket).gone += 1;
            }
            is_followed
        });
        if !rest.is_empty() {
            self.turns.push_front(Turn::Read(Question { wants: rest, empty: Vec::new() }));
        }
        question.empty.iter().for_each(|ticket| _ = answers.of(*ticket));
        let mut heard = Vec::with_capacity(answers.0.len());
        for Answer { ticket, streams, gone } in answers.0 {
            let left = self.left.get(&ticket).copied().unwrap_or_default();
            let left = left.saturating_sub(streams.len() + gone);
            let is_last = left == 0;
            if is_last {
                self.left.remove(&ticket);
            } else {
                self.left.insert(ticket, left);
            }
            if is_last || !streams.is_empty() {
                heard.push(Told::Streams { ticket, seq, streams, is_last });
            }
        }
        Ok(Heard::Streams(heard, seq))
    }

    /// A stream's state; none where more of it has to be read.
    fn state(&mut self, want: &mut Want, parts: &[Value]) -> Result<Option<StreamState>, LinkError> {
        let [epoch, offset, last, first, Value::Int(is_whole), Value::Array(events), Value::Array(kept)] =
            parts
        else {
            return Err(LinkError::Unexpected("no stream"));
        };
        let decimal = |value: &Value| text(value).map_or(Err(FormError::Content("no number")), number);
        let end = Position { epoch: Epoch::from_bits(decimal(epoch)?), offset: decimal(offset)? };
        let last = decimal(last)?;
        if want.reached.is_some_and(|reached| reached.epoch != end.epoch) {
            want.gathered.clear();
        }
        for message in events {
            let Value::BulkString(message) = message else { return Err(LinkError::Unexpected("no event")) };
            match self.messages.event(message) {
                Ok(event) => {
                    want.reached = place_in(&event, &want.stream).or(want.reached);
                    want.gathered.push(event);
                }
                Err(error) => warn!(%error, "an event that is kept can't be read"),
            }
        }
        if *is_whole == 0 && !events.is_empty() {
            return Ok(None);
        }
        let first = text(first).and_then(|first| {
            let (offset, seq) = first.split_once('-')?;
            Some((offset.parse::<u64>().ok()?, seq.parse::<u64>().ok()?))
        });
        let mut events = std::mem::take(&mut want.gathered);
        let is_cut = keep_unbroken(&mut events, &want.stream, end);
        let oldest = match first {
            Some(first) if !is_cut => Some(first),
            _ => events.first().map(|event| {
                (place_in(event, &want.stream).map_or(u64::MAX, |place| place.offset), event.seq)
            }),
        };
        let dropped = match oldest {
            Some((1, _)) => 0,
            Some((_, seq)) => seq.saturating_sub(1),
            None if end.offset == 0 => 0,
            None => last,
        };
        let mut retained = Vec::with_capacity(kept.len());
        for state in kept {
            let Value::Array(parts) = state else { return Err(LinkError::Unexpected("no state")) };
            let [key, ends, Value::BulkString(message)] = parts.as_slice() else {
                return Err(LinkError::Unexpected("no state"));
            };
            let ends = i64::try_from(decimal(ends)?).unwrap_or(i64::MAX);
            match (text(key), self.messages.event(message)) {
                (Some(key), Ok(event)) => retained.push((key.into(), Timestamp::from_millis(ends), event)),
                _ => warn!("a state that is kept can't be read"),
            }
        }
        retained.sort_by_key(|(_, _, event): &(_, _, Event)| event.seq);
        Ok(Some(StreamState { stream: want.stream.clone(), end, dropped, events, retained }))
    }
}

/// What came of a wish in one answer.
#[derive(Debug)]
struct Answer {
    ticket: Ticket,
    streams: Vec<StreamState>,
    /// Streams that were let go meanwhile.
    gone: usize,
}

/// What came of wishes, in their order.
#[derive(Debug, Default)]
struct Answers(Vec<Answer>);

impl Answers {
    fn of(&mut self, ticket: Ticket) -> &mut Answer {
        // Streams of one wish stand together, but for those that are told in parts.
        let known = self.0.iter().rposition(|answer| answer.ticket == ticket);
        let at = known.unwrap_or_else(|| {
            self.0.push(Answer { ticket, streams: Vec::new(), gone: 0 });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

impl Question {
    fn len(&self) -> usize {
        self.wants.len() + self.empty.len()
    }
}

impl Want {
    fn new(ticket: Ticket, following: Following) -> Self {
        let rule = following.rule.filter(|rule| !rule.age.is_zero());
        Self {
            ticket,
            stream: following.stream,
            size: rule.map_or(0, |rule| rule.size),
            age: rule.map_or(0, |rule| millis(rule.age)),
            after: following.after,
            gathered: Vec::new(),
            reached: None,
        }
    }
}

/// Where an event stands in a stream.
fn place_in(event: &Event, stream: &str) -> Option<Position> {
    let place = event.event.streams.iter().position(|name| **name == *stream)?;
    event.places.get(place).copied()
}

/// Drops what is before a hole, or of another epoch; tells whether something was.
fn keep_unbroken(events: &mut Vec<Event>, stream: &str, end: Position) -> bool {
    let mut next = end.offset;
    let unbroken = events
        .iter()
        .rev()
        .take_while(|event| {
            let is_next =
                next > 0 && place_in(event, stream) == Some(Position { epoch: end.epoch, offset: next });
            next = next.saturating_sub(1);
            is_next
        })
        .count();
    let broken = events.len() - unbroken;
    events.drain(..broken);
    broken > 0
}

/// A text in a table: the node, the name, the text.
type Kept = (NodeId, Box<str>, Box<[u8]>);

fn table(value: &Value) -> Option<Vec<Kept>> {
    let Value::Array(nodes) = value else { return None };
    let mut table = Vec::new();
    for part in nodes {
        let Value::Array(part) = part else { return None };
        let [node, Value::Array(texts)] = part.as_slice() else { return None };
        let node = text(node)?.parse().ok()?;
        for pair in texts.chunks_exact(2) {
            let [name, Value::BulkString(kept)] = pair else { return None };
            table.push((node, text(name)?.into(), kept.as_slice().into()));
        }
    }
    Some(table)
}
