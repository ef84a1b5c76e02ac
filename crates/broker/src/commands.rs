//! The connection for commands: wishes as calls of scripts, many under way, and their answers in order.
//!
//! A call whose script Redis does not know any more is kept, the scripts are loaded, and it is made again, with all behind
//! it in their order. Not here: what has to be in the line of events (`line`).

use std::collections::VecDeque;
use std::slice::from_ref;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hub::PublishError;
use hub::broker::{Claim, ClaimBy, Claimed, NodeId, Outcome, Publishing, Ticket, To, Told, Wish};
use hub::idempotency::ScopedKey;
use hub::journal::ResumeChange;
use protocol::channel::Stream;
use protocol::{ConnectionId, PublicationId};
use redis::{Cmd, ServerError, Value};
use tracing::warn;

use crate::batches::{Added, Batches};
use crate::error::{Fault, LinkError, fault, said};
use crate::form::{read_entry, whose, write_entry, write_shared};
use crate::opening::node_ids;
use crate::resolve::text;
use crate::scripts::{self, Call};
use crate::wire::Wire;

/// For how long a dropped connection is kept (contract: recovery, resume).
const PARKED: Duration = Duration::from_secs(120);

/// Without a sign of life for so long a node is dead: five that were due.
const DEAD: Duration = Duration::from_secs(5);

/// Changes of connections in one call.
const NOTES: usize = 500;

/// Bytes under way from which on wishes wait in the queue.
const MOST_UNDER_WAY: usize = 16 * 1024 * 1024;

/// Ten years: no time that Redis is told is longer.
const LONGEST_MS: u64 = 315_360_000_000;

/// What an answer is to.
#[derive(Debug)]
enum Asked {
    Publish(Ticket),
    /// Several of a batch.
    Step(u64, Vec<Ticket>),
    Claim(Ticket, ConnectionId),
    Recall(Ticket),
    Confirm(Ticket),
    Beat(Instant, SystemTime),
    Leave,
    Load,
    /// A wish that is made again where it is not known whether it was carried out.
    Lasting(Wish),
    Other(&'static str),
}

#[derive(Debug)]
struct Sent {
    packed: Vec<u8>,
    asked: Asked,
}

/// A sign of life and what was told with it.
#[derive(Debug)]
pub(crate) struct Beat {
    pub(crate) round_trip: Duration,
    pub(crate) skew_ms: i64,
    pub(crate) nodes: Vec<NodeId>,
}

/// What an answer means to the link.
#[derive(Debug)]
pub(crate) enum Answer {
    Told(Told),
    /// With its number.
    Placed(u64, Told),
    Beat(Beat),
}

/// The connection.
pub(crate) struct Commands {
    pub(crate) wire: Wire,
    node: NodeId,
    life: u64,
    /// The server's run.
    run: String,
    key: String,
    /// What stands before an idempotency key.
    known: String,
    channel: String,
    sent: VecDeque<Sent>,
    under_way: usize,
    again: VecDeque<Sent>,
    /// How many were sent and answered, so that others can wait for what is before them.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    beating: Option<Instant>,
    /// Whether it was said that this node goes.
    has_left: bool,
    batches: Batches,
    refusals: Vec<(Ticket, PublishError)>,
}

impl Commands {
    pub(crate) fn new(wire: Wire, prefix: &str, node: NodeId, life: u64, run: String) -> Self {
        Self {
            wire,
            node,
            life,
            run,
            key: format!("{{{prefix}}}:life"),
            known: format!("{{{prefix}}}:k:"),
            channel: format!("{{{prefix}}}:n"),
            sent: VecDeque::new(),
            under_way: 0,
            again: VecDeque::new(),
            asked: 0,
            answered: 0,
            beating: None,
            has_left: false,
            batches: Batches::default(),
            refusals: Vec::new(),
        }
    }

    /// Whether it takes more.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way < MOST_UNDER_WAY && self.again.is_empty()
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.sent.is_empty() && self.again.is_empty() && self.refusals.is_empty()
    }

    /// For how long a sign of life has not been answered.
    pub(crate) fn silent(&self) -> Duration {
        self.beating.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn call(&mut self, command: &Cmd, asked: Asked) {
        self.put(Sent { packed: command.get_packed_command(), asked });
    }

    fn put(&mut self, sent: Sent) {
        self.wire.write(&sent.packed);
        self.under_way += sent.packed.len();
        self.asked += 1;
        self.sent.push_back(sent);
    }

    /// Makes a call of a wish. Those that belong into the line are given back.
    pub(crate) fn wish(&mut self, wish: Wish) -> Option<Wish> {
        match wish {
            Wish::Publish(ticket, publishing) => self.publish(ticket, publishing),
            Wish::Answered(ref key, id, recipients) => {
                let mut command = Call::Answered.with(&self.key);
                command.arg(key_name(key)).arg(id_text(id)).arg(recipients);
                self.call(&command, Asked::Lasting(wish));
            }
            Wish::Unsent(ref key, id) => {
                let mut command = Call::Answered.with(&self.key);
                command.arg(key_name(key)).arg(id_text(id)).arg("");
                self.call(&command, Asked::Lasting(wish));
            }
            Wish::Recall(ticket, key) => {
                let mut command = redis::cmd("GET");
                command.arg(format!("{}{}", self.known, key_name(&key)));
                self.call(&command, Asked::Recall(ticket));
            }
            Wish::Note(mut changes) => {
                while changes.len() > NOTES {
                    let rest = changes.split_off(NOTES);
                    self.note(std::mem::replace(&mut changes, rest));
                }
                self.note(changes);
            }
            // Redis answers in order, and what it has not synced it has not answered.
            Wish::Confirm(ticket) => self.call(&redis::cmd("PING"), Asked::Confirm(ticket)),
            Wish::Claim(ticket, claim) => {
                let command = self.claim(&claim);
                self.call(&command, Asked::Claim(ticket, claim.connection));
            }
            Wish::Say(to, words) => {
                let channel = match to {
                    To::Others => self.channel.clone(),
                    To::Node(node) => format!("{}:{node}", self.channel),
                };
                let mut message = format!("S{}\n", self.node).into_bytes();
                message.extend_from_slice(&words);
                let mut command = redis::cmd("SPUBLISH");
                command.arg(channel).arg(message);
                self.call(&command, Asked::Other("say"));
            }
            Wish::Put(table, name, kept) => {
                let mut command = Call::Put.with(&self.key);
                command.arg(self.node).arg(&*table).arg(&*name);
                match kept {
                    Some(kept) => command.arg("p").arg(&*kept),
                    None => command.arg("d").arg(""),
                };
                self.call(&command, Asked::Other("put"));
            }
            wish @ (Wish::Follow(..) | Wish::Unfollow(_) | Wish::Table(..)) => return Some(wish),
        }
        None
    }

    fn publish(&mut self, ticket: Ticket, publishing: Box<Publishing>) {
        match publishing.batch {
            None => self.step(Asked::Publish(ticket), from_ref(&publishing)),
            Some(batch) => match self.batches.add(batch, ticket, publishing) {
                Added::First(publishing) => {
                    self.step(Asked::Step(batch, vec![ticket]), from_ref(&publishing))
                }
                Added::Waits => {}
                Added::Refused(why) => self.refusals.push((ticket, why)),
            },
        }
    }

    fn step(&mut self, asked: Asked, publications: &[Publishing]) {
        let mut command = Call::Publish.with(&self.key);
        command.arg(self.life).arg(publications.len());
        for publishing in publications {
            put_publication(&mut command, publishing);
        }
        self.call(&command, asked);
    }

    /// A batch's step was answered: the next one, or its end.
    fn next_step(&mut self, batch: u64, refused: Option<PublishError>, out: &mut Vec<Answer>) {
        match refused {
            Some(why) => {
                let refused = self.batches.refuse(batch, why);
                out.extend(refused.map(|ticket| refusal(ticket, why)));
            }
            None => {
                let (tickets, publications) = self.batches.next(batch);
                if !tickets.is_empty() {
                    self.step(Asked::Step(batch, tickets), &publications);
                }
            }
        }
    }

    fn note(&mut self, changes: Vec<ResumeChange>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut command = Call::Note.with(&self.key);
        command.arg(self.node);
        for change in &changes {
            match change {
                ResumeChange::Set(entry) => {
                    let left = entry.dropped.map(|dropped| {
                        let ago = now.saturating_sub(dropped.as_millis()).max(0);
                        millis(PARKED).saturating_sub(ago.cast_unsigned())
                    });
                    let what = match left {
                        None => "o",
                        Some(0) => "f",
                        Some(_) => "d",
                    };
                    command.arg(what).arg(connection_text(entry.connection));
                    command.arg(write_entry(self.node, entry)).arg(left.unwrap_or_default());
                }
                ResumeChange::Forget(connection) => {
                    command.arg("f").arg(connection_text(*connection)).arg("").arg(0);
                }
            }
        }
        self.call(&command, Asked::Lasting(Wish::Note(changes)));
    }

    fn claim(&self, claim: &Claim) -> Cmd {
        let mut command = Call::Claim.with(&self.key);
        command.arg(connection_text(claim.connection)).arg(whose(claim.user.as_deref()));
        match claim.by {
            ClaimBy::Token { generation, node } => command.arg("t").arg(generation).arg(node),
            ClaimBy::Id => command.arg("i").arg("").arg(""),
            ClaimBy::Socket => command.arg("s").arg("").arg(""),
        };
        command.arg(self.node);
        command
    }

    /// Gives a sign of life, unless the last one is not answered yet, or this node goes: it hears of its own leave as of any other's, and a
    /// sign of life behind it would be answered as that of a dead node.
    pub(crate) fn beat(&mut self) {
        if self.beating.is_some() || self.has_left {
            return;
        }
        self.beating = Some(Instant::now());
        let mut command = Call::Beat.with(&self.key);
        command.arg(self.node).arg(millis(DEAD)).arg(&self.run);
        self.call(&command, Asked::Beat(Instant::now(), SystemTime::now()));
    }

    /// Says that this node goes.
    pub(crate) fn leave(&mut self) {
        let mut command = Call::Leave.with(&self.key);
        command.arg(self.node);
        self.call(&command, Asked::Leave);
        self.has_left = true;
    }

    /// Takes the next answer.
    pub(crate) fn hear(&mut self, value: Value, out: &mut Vec<Answer>) -> Result<(), LinkError> {
        let sent = self.sent.pop_front().ok_or(LinkError::Unexpected("more than was asked"))?;
        self.under_way -= sent.packed.len();
        self.answered += 1;
        match value {
            Value::ServerError(error) if fault(&error) == Fault::NoScript => self.again.push_back(sent),
            Value::ServerError(error) => self.refused(sent.asked, &error, out)?,
            value => self.answer(sent.asked, value, out)?,
        }
        if self.sent.is_empty() && !self.again.is_empty() {
            for load in scripts::load() {
                self.call(&load, Asked::Load);
            }
            for sent in std::mem::take(&mut self.again) {
                self.put(sent);
            }
        }
        Ok(())
    }

    fn refused(&mut self, asked: Asked, error: &ServerError, out: &mut Vec<Answer>) -> Result<(), LinkError> {
        let fault = fault(error);
        if fault == Fault::Elsewhere {
            // Those under way are refused when the link is given up, this one as well.
            self.sent.push_front(Sent { packed: Vec::new(), asked });
            return Err(LinkError::Server(said(error)));
        }
        let why = if fault == Fault::Full { PublishError::StorageFull } else { PublishError::StorageFailed };
        match asked {
            Asked::Publish(ticket) => {
                warn!(error = said(error), "Redis did not take a publication");
                out.push(refusal(ticket, why));
            }
            Asked::Step(batch, tickets) => {
                warn!(error = said(error), "Redis did not take a batch");
                out.extend(tickets.into_iter().map(|ticket| refusal(ticket, why)));
                self.next_step(batch, Some(why), out);
            }
            Asked::Claim(ticket, _) => out.push(Answer::Told(Told::Claimed(ticket, Claimed::Nothing))),
            Asked::Recall(ticket) => out.push(refusal(ticket, why)),
            Asked::Confirm(ticket) => out.push(Answer::Told(Told::Confirmed(ticket))),
            // It can't write, but it answers: those who read have no use of another connection.
            Asked::Beat(..) => {
                self.beating = None;
                warn!(error = said(error), "Redis did not take a sign of life");
            }
            Asked::Leave => {}
            Asked::Load => return Err(LinkError::Server(said(error))),
            Asked::Lasting(_) => {
                warn!(error = said(error), "Redis did not note what became of a connection or a key")
            }
            Asked::Other(what) => warn!(what, error = said(error), "Redis refused a wish"),
        }
        Ok(())
    }

    fn answer(&mut self, asked: Asked, value: Value, out: &mut Vec<Answer>) -> Result<(), LinkError> {
        let parts = match &value {
            Value::Array(parts) => parts.as_slice(),
            _ => &[],
        };
        match asked {
            Asked::Publish(ticket) => {
                let [Value::Int(1), result] = parts else { return self.in_another_life(asked) };
                out.push(outcome(ticket, result)?.0);
            }
            Asked::Step(batch, tickets) => {
                let [Value::Int(1), results @ ..] = parts else {
                    return self.in_another_life(Asked::Step(batch, tickets));
                };
                let mut results = results.iter();
                let mut refused = None;
                for ticket in tickets {
                    if let Some(result) = results.next() {
                        let (answer, why) = outcome(ticket, result)?;
                        out.push(answer);
                        refused = refused.or(why);
                    } else {
                        out.push(refusal(ticket, refused.unwrap_or(PublishError::StorageFailed)));
                    }
                }
                self.next_step(batch, refused, out);
            }
            Asked::Claim(ticket, connection) => {
                let claimed = match parts {
                    [Value::Int(1), Value::BulkString(entry)] => {
                        read_entry(connection, entry).map(Claimed::Entry)
                    }
                    [Value::Int(2), node, Value::BulkString(entry)] => {
                        let node = text(node).and_then(|node| node.parse().ok());
                        let node = node.ok_or(LinkError::Unexpected("no node"))?;
                        read_entry(connection, entry).map(|entry| Claimed::Open(node, entry))
                    }
                    _ => Ok(Claimed::Nothing),
                };
                let claimed = claimed.unwrap_or_else(|error| {
                    warn!(%error, "a connection of another node can't be read");
                    Claimed::Nothing
                });
                out.push(Answer::Told(Told::Claimed(ticket, claimed)));
            }
            Asked::Recall(ticket) => out.push(match &value {
                Value::Nil => refusal(ticket, PublishError::Overloaded),
                had => Answer::Told(Told::Published(ticket, repeated(had)?)),
            }),
            Asked::Confirm(ticket) => out.push(Answer::Told(Told::Confirmed(ticket))),
            Asked::Beat(sent, wall) => {
                self.beating = None;
                let [life, Value::Int(lived), seconds, micros, Value::Array(nodes), Value::Array(lines)] =
                    parts
                else {
                    return Err(LinkError::Unexpected("no sign of life"));
                };
                if text(life) != Some(self.life.to_string().as_str()) {
                    return Err(LinkError::NewLife);
                }
                if *lived == 0 {
                    return Err(LinkError::HeldDead);
                }
                for line in lines.iter().filter_map(text) {
                    // A node that hangs is told nothing any more: each publication would wait for its count.
                    let mut command = redis::cmd("CLIENT");
                    command.arg("KILL").arg("ID").arg(line);
                    self.call(&command, Asked::Other("the end of a dead node's connection"));
                }
                let round_trip = sent.elapsed();
                let number = |value: &Value| text(value).and_then(|text| text.parse::<i64>().ok());
                let theirs =
                    number(seconds).unwrap_or_default() * 1000 + number(micros).unwrap_or_default() / 1000;
                let ours = wall.duration_since(UNIX_EPOCH).unwrap_or_default() + round_trip / 2;
                let skew_ms = i64::try_from(ours.as_millis()).unwrap_or(i64::MAX) - theirs;
                out.push(Answer::Beat(Beat { round_trip, skew_ms, nodes: node_ids(nodes) }));
            }
            Asked::Leave | Asked::Load | Asked::Lasting(_) | Asked::Other(_) => {}
        }
        Ok(())
    }

    /// Gives the question back, so that it is refused with all others of this link.
    fn in_another_life(&mut self, asked: Asked) -> Result<(), LinkError> {
        self.sent.push_front(Sent { packed: Vec::new(), asked });
        Err(LinkError::NewLife)
    }

    /// Publications that were refused without being sent.
    pub(crate) fn refusals(&mut self) -> impl Iterator<Item = (Ticket, PublishError)> {
        self.refusals.drain(..)
    }

    /// The publications that were not answered, and the wishes that last.
    pub(crate) fn unanswered(&mut self) -> (Vec<Ticket>, Vec<Wish>) {
        let again = std::mem::take(&mut self.again);
        let sent = std::mem::take(&mut self.sent);
        let (mut tickets, mut lasting) = (Vec::new(), Vec::new());
        for sent in again.into_iter().chain(sent) {
            match sent.asked {
                Asked::Publish(ticket) | Asked::Recall(ticket) => tickets.push(ticket),
                Asked::Step(_, step) => tickets.extend(step),
                Asked::Lasting(wish) => lasting.push(wish),
                _ => {}
            }
        }
        tickets.extend(self.batches.all());
        (tickets, lasting)
    }
}

fn refusal(ticket: Ticket, why: PublishError) -> Answer {
    Answer::Told(Told::Published(ticket, Outcome::Refused(why)))
}

/// What became of a publication, and why it was refused, if it was.
fn outcome(ticket: Ticket, result: &Value) -> Result<(Answer, Option<PublishError>), LinkError> {
    let Value::Array(parts) = result else { return Err(LinkError::Unexpected("no outcome")) };
    Ok(match parts.as_slice() {
        [Value::Int(1), seq, Value::Int(told)] => {
            let seq = text(seq).and_then(|seq| seq.parse().ok());
            let seq = seq.ok_or(LinkError::Unexpected("no number"))?;
            let told = u32::try_from(*told).unwrap_or(u32::MAX);
            (Answer::Placed(seq, Told::Published(ticket, Outcome::Placed { told })), None)
        }
        [Value::Int(2), had] => (Answer::Told(Told::Published(ticket, repeated(had)?)), None),
        [Value::Int(3), error] => {
            let error = text(error).unwrap_or_default();
            warn!(error, "Redis did not take a publication of a batch");
            let is_full = error.trim_start_matches('-').starts_with("OOM");
            let why = if is_full { PublishError::StorageFull } else { PublishError::StorageFailed };
            (refusal(ticket, why), Some(why))
        }
        _ => return Err(LinkError::Unexpected("no outcome")),
    })
}

/// What is known of a key.
fn repeated(had: &Value) -> Result<Outcome, LinkError> {
    let known = text(had).and_then(|had| {
        let (id, recipients) = had.split_once(':')?;
        let recipients = if recipients == "-" { None } else { Some(recipients.parse().ok()?) };
        Some(Outcome::Repeated { id: PublicationId::parse(id)?, recipients })
    });
    known.ok_or(LinkError::Unexpected("no key"))
}

/// Adds a publication to a call: how many arguments it has, and these.
fn put_publication(command: &mut Cmd, publishing: &Publishing) {
    let Publishing { event, rules, key, .. } = publishing;
    let is_placed = |user: &str| event.streams.iter().any(|stream| **stream == *user);
    let users = || {
        let users = event.close_sessions.iter().flat_map(|close| &close.users);
        users.map(Stream::as_str).filter(|user| !is_placed(user))
    };
    command.arg(9 + 3 * event.streams.len() + users().count());
    match key {
        Some((key, keep)) => command.arg(key_name(key)).arg(millis(*keep)),
        None => command.arg("").arg(0),
    };
    command.arg(id_text(event.publication.id)).arg(if event.is_transient { "t" } else { "k" });
    match event.retain.as_ref().filter(|_| !event.is_transient) {
        Some(retain) => command.arg(&*retain.key).arg(millis(retain.keep)),
        None => command.arg("").arg(0),
    };
    command.arg(u8::from(event.connection.is_some()));
    command.arg(write_shared(event));
    command.arg(event.streams.len());
    for (place, stream) in event.streams.iter().enumerate() {
        let rule = rules.get(place).copied().flatten().filter(|rule| !rule.age.is_zero());
        command.arg(&**stream).arg(rule.map_or(0, |rule| rule.size));
        command.arg(rule.map_or(0, |rule| millis(rule.age)));
    }
    for user in users() {
        command.arg(user);
    }
}

/// A duration in ms, 1 at least.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST_MS)
}

fn key_name(key: &ScopedKey) -> String {
    // The length keeps scopes and keys apart, whatever is in them.
    format!("{}:{}:{}", key.scope.len(), key.scope, key.key)
}

fn id_text(id: PublicationId) -> String {
    format!("{:032x}", id.as_u128())
}

fn connection_text(connection: ConnectionId) -> String {
    format!("{:032x}", connection.as_u128())
}
