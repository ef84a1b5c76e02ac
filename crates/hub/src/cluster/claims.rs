//! Connections that clients had on other nodes: asking the broker for what they had, and the nodes on which they may still be
//! open. Also the words between nodes.
//!
//! Not here: the same within one node (`shard/resuming`, `shard/returning`).

use protocol::channels::GivenPosition;
use protocol::{ConnectionId, Position};
use tokio::sync::mpsc;

use super::Who;
use super::words::{self, Word};
use crate::broker::{Claim, ClaimBy, Claimed, NodeId, Ticket, To, Wish};
use crate::hub::Hub;
use crate::inbox::{Ask, Asker, Given, Message, Ready, TakeOver, TakenOver, Told};
use crate::journal::{ResumeChange, ResumeEntry};
use crate::order::Order;
use crate::resume::Claims;
use crate::shard::Now;

/// How long a node has to say what an open connection had, in milliseconds; then what it last told of it counts.
const ANSWER_MS: u64 = 750;

/// How often a connection is asked for again, whose node does not answer or has it no longer: until the broker holds that node to
/// be dead, and a second more.
const TRIES: u8 = 6;

/// How long the broker has to answer, in milliseconds.
const CLAIM_MS: u64 = 10_000;

/// Questions of this node's server that wait for answers, at most.
const MOST_CALLS: usize = 256;

/// What another node's server asks.
type Call = (NodeId, Ticket, Box<[u8]>);

/// A connection that is looked for.
#[derive(Debug)]
pub(super) struct Claiming {
    claim: Claim,
    /// The shard on its node, where a token tells it.
    shard: Option<usize>,
    whom: Whom,
    /// What is known of it, where its node was asked.
    known: Option<ResumeEntry>,
    /// How often it was asked for again.
    tries: u8,
    until: u64,
}

/// Who is told what came of it.
#[derive(Debug)]
pub(crate) enum Whom {
    /// One that showed a token, with these positions.
    Token(usize, ConnectionId, Given),
    /// One that came by the id of a connection.
    Id(usize, ConnectionId),
}

impl Whom {
    fn message(self, entry: Option<ResumeEntry>) -> (usize, Message) {
        match self {
            Self::Token(shard, to, given) => {
                (shard, Message::TakenOver(Box::new(TakenOver { to, given, entry })))
            }
            Self::Id(shard, to) => (shard, Message::Told(Box::new(Told { to, entry }))),
        }
    }
}

/// What a node's server does for others.
pub trait NodeCalls: Send + Sync + std::fmt::Debug {
    /// Another node's server asks; the answer goes through [`Hub::answer_node`].
    fn call(&self, from: NodeId, ticket: Ticket, question: &[u8]);
}

impl Hub {
    /// Looks for a connection beyond this node; `whom` hears of it in any case.
    pub(crate) fn claim(&self, claim: Claim, shard: Option<usize>, whom: Whom) {
        let mut order = self.order();
        self.claim_in(&mut order, Claiming { claim, shard, whom, known: None, tries: 0, until: 0 });
    }

    fn claim_in(&self, order: &mut Order, mut claiming: Claiming) {
        match &mut order.cluster {
            Some(cluster) if cluster.is_up => {
                let ticket = cluster.ticket();
                claiming.until = cluster.now.ms.saturating_add(CLAIM_MS);
                cluster.broker.send(Wish::Claim(ticket, claiming.claim.clone()));
                cluster.claims.insert(ticket, claiming);
            }
            _ => {
                let (shard, message) = claiming.whom.message(None);
                self.tell(shard, message);
            }
        }
    }

    /// What the broker knows of a connection.
    pub(super) fn on_claimed(&self, order: &mut Order, ticket: Ticket, claimed: Claimed) {
        let Some(cluster) = &mut order.cluster else { return };
        let Some(mut claiming) = cluster.claims.remove(&ticket) else { return };
        match claimed {
            Claimed::Nothing => self.end_claim(order, claiming, None),
            Claimed::Entry(entry) => self.end_claim(order, claiming, Some(entry)),
            Claimed::Open(node, entry) if node == cluster.broker.node() => {
                if claiming.claim.by == ClaimBy::Socket {
                    // Its shards were asked before, but another connection may have gone on from it since.
                    let Claim { connection: former, user, .. } = claiming.claim.clone();
                    let left = self.shards() - 1;
                    let asker = Asker::Claim(ticket);
                    let ask = Ask { former, user, asker, left, is_socket: true, namespace: None };
                    claiming.known = Some(entry);
                    claiming.until = cluster.now.ms.saturating_add(ANSWER_MS);
                    cluster.claims.insert(ticket, claiming);
                    self.tell(0, Message::Ask(Box::new(ask)));
                    return;
                }
                // Its shards were asked before, and had it no longer.
                if claiming.claim.by != ClaimBy::Id {
                    // The broker tells the same to others here who asked meanwhile, and it is handed over once.
                    let is_same = |_: &Ticket, other: &mut Claiming| {
                        other.claim.connection == entry.connection && other.claim.by != ClaimBy::Id
                    };
                    let others: Vec<Claiming> =
                        cluster.claims.extract_if(is_same).map(|(_, other)| other).collect();
                    self.note_in(order, ResumeChange::Forget(entry.connection));
                    others.into_iter().for_each(|other| self.end_claim(order, other, None));
                }
                self.end_claim(order, claiming, Some(entry));
            }
            Claimed::Open(node, entry) => {
                let text = words::ask(ticket, &claiming.claim, claiming.shard);
                cluster.broker.send(Wish::Say(To::Node(node), text));
                claiming.known = Some(entry);
                claiming.until = cluster.now.ms.saturating_add(ANSWER_MS);
                cluster.claims.insert(ticket, claiming);
            }
        }
    }

    /// What this node's shards say of a connection that the broker holds to be open here. Where they have it no longer, it
    /// counts as it was last told.
    pub(crate) fn end_own_claim(&self, ticket: Ticket, entry: Option<ResumeEntry>) {
        let mut order = self.order();
        let claims = order.cluster.as_mut().map(|cluster| &mut cluster.claims);
        let Some(mut claiming) = claims.and_then(|claims| claims.remove(&ticket)) else {
            // Too late: it is kept for the next try.
            if let Some(entry) = entry {
                self.note_in(&mut order, ResumeChange::Set(entry));
            }
            return;
        };
        let known = claiming.known.take();
        if let Some(connection) = known.as_ref().map(|known| known.connection).filter(|_| entry.is_none()) {
            self.note_in(&mut order, ResumeChange::Forget(connection));
        }
        self.end_claim(&mut order, claiming, entry.or(known));
    }

    fn end_claim(&self, order: &mut Order, claiming: Claiming, entry: Option<ResumeEntry>) {
        let names: Vec<Box<str>> = entry
            .iter()
            .flat_map(|entry| {
                entry.channels.iter().chain(entry.arrived.iter().flatten().map(|(name, _)| name))
            })
            .cloned()
            .collect();
        let arrived = entry.iter().flat_map(|entry| entry.arrived.iter().flatten());
        let given = |(name, at): &(Box<str>, Position)| {
            (name.clone(), GivenPosition { epoch: Some(at.epoch), offset: at.offset })
        };
        let given: Given = arrived.map(given).collect();
        let (shard, message) = claiming.whom.message(entry);
        let mut kept = Some(message);
        let names = names.iter().map(|name| &**name);
        let is_ready = self.ready_in(order, names, &given, || {
            // Taken at most once, where somebody waits.
            let message = kept.take().map(Box::new);
            message.map_or_else(|| Who::Task(tokio::sync::oneshot::channel().0), |it| Who::Message(shard, it))
        });
        if is_ready && let Some(message) = kept {
            self.tell(shard, message);
        }
    }

    /// Gives up waiting for nodes that do not answer.
    pub(super) fn expire_claims(&self, order: &mut Order, now: Now) {
        let Some(cluster) = &mut order.cluster else { return };
        let late: Vec<Ticket> = cluster
            .claims
            .iter()
            .filter(|(_, claiming)| claiming.until <= now.ms)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in late {
            let Some(claiming) = order.cluster.as_mut().and_then(|cluster| cluster.claims.remove(&ticket))
            else {
                continue;
            };
            self.ask_again(order, claiming);
        }
        if let Some(cluster) = &mut order.cluster {
            cluster.calls.retain(|_, call| !call.is_closed());
        }
    }

    /// Its node says nothing, or has it no longer. What is not handed over to one alone counts as it was last told; all else
    /// only the broker gives, once.
    fn ask_again(&self, order: &mut Order, mut claiming: Claiming) {
        let known = claiming.known.take();
        if claiming.claim.by == ClaimBy::Id && known.is_some() {
            self.end_claim(order, claiming, known);
        } else if claiming.tries < TRIES {
            claiming.tries += 1;
            self.claim_in(order, claiming);
        } else {
            self.end_claim(order, claiming, None);
        }
    }

    /// The broker is away.
    pub(super) fn refuse_claims(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        let claims: Vec<Claiming> = std::mem::take(&mut cluster.claims).into_values().collect();
        cluster.calls.clear();
        for mut claiming in claims {
            let known = claiming.known.take().filter(|_| claiming.claim.by == ClaimBy::Id);
            self.end_claim(order, claiming, known);
        }
    }

    /// Another node says something. Returns what its server asks.
    pub(super) fn on_said(&self, order: &mut Order, from: NodeId, text: Box<[u8]>) -> Option<Call> {
        let cluster = order.cluster.as_mut()?;
        match words::read(&text) {
            Some(Word::Counts(counts)) => {
                counts.into_iter().for_each(|(ticket, count)| cluster.counts.report(ticket, count));
            }
            Some(Word::Ask(ticket, claim, shard)) => self.on_asked(from, ticket, claim, shard),
            Some(Word::Answer(ticket, entry)) => {
                // Too late where nobody waits: who asked has what is known.
                let claiming = cluster.claims.remove(&ticket)?;
                match entry {
                    Some(entry) => self.end_claim(order, claiming, Some(entry)),
                    // It dropped in between, and the broker has it.
                    None => self.ask_again(order, Claiming { known: None, ..claiming }),
                }
            }
            Some(Word::Call(ticket, question)) => return Some((from, ticket, question.into())),
            Some(Word::Return(ticket, answer)) => {
                if let Some(call) = cluster.calls.get(&ticket) {
                    // Whoever asked may have gone.
                    let _ = call.try_send((from, answer.into()));
                }
            }
            None => self.on_saying(order, from, &text),
        }
        None
    }

    /// Another node's client had a connection that may be open here.
    fn on_asked(&self, from: NodeId, ticket: Ticket, claim: Claim, shard: Option<usize>) {
        let Claim { connection, user, by } = claim;
        let asker = Asker::Node(from, ticket);
        match by {
            ClaimBy::Token { generation, node } => {
                let shard = shard.filter(|&shard| shard < self.shards()).unwrap_or(0);
                let claims = Claims {
                    connection,
                    generation,
                    shard: u16::try_from(shard).unwrap_or(0),
                    process: node,
                };
                let wish = TakeOver { claims, user, asker, given: Given::new() };
                self.tell(shard, Message::TakeOver(Box::new(wish)));
            }
            ClaimBy::Id | ClaimBy::Socket => {
                let left = self.shards() - 1;
                let is_socket = by == ClaimBy::Socket;
                let ask = Ask { former: connection, user, asker, left, is_socket, namespace: None };
                self.tell(0, Message::Ask(Box::new(ask)));
            }
        }
    }

    /// Tells another node what a connection had that was open here.
    pub(crate) fn answer_claim(&self, node: NodeId, ticket: Ticket, entry: Option<&ResumeEntry>) {
        if let Some(cluster) = &self.order().cluster {
            cluster.broker.send(Wish::Say(To::Node(node), words::answer(ticket, entry)));
        }
    }

    /// Asks the servers of all other nodes something, and returns where their answers come and how many are to come. None
    /// where there is no broker at the moment.
    #[must_use]
    pub fn ask_nodes(&self, question: &[u8]) -> Option<(mpsc::Receiver<NodeAnswer>, usize)> {
        let mut order = self.order();
        let cluster = order.cluster.as_mut().filter(|cluster| cluster.is_up)?;
        let others = cluster.nodes.iter().filter(|&&node| node != cluster.broker.node()).count();
        if cluster.calls.len() >= MOST_CALLS {
            cluster.calls.retain(|_, call| !call.is_closed());
        }
        if cluster.calls.len() >= MOST_CALLS {
            return None;
        }
        let ticket = cluster.ticket();
        let (sender, receiver) = mpsc::channel(others.max(1));
        if others > 0 {
            cluster.calls.insert(ticket, sender);
            cluster.broker.send(Wish::Say(To::Others, words::call(ticket, question)));
        }
        Some((receiver, others))
    }

    /// Answers what another node's server asked.
    pub fn answer_node(&self, node: NodeId, ticket: Ticket, answer: &[u8]) {
        if let Some(cluster) = &self.order().cluster {
            cluster.broker.send(Wish::Say(To::Node(node), words::returned(ticket, answer)));
        }
    }

    /// The nodes that live, as far as this one knows.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        self.order().cluster.as_ref().map(|cluster| cluster.nodes.clone()).unwrap_or_default()
    }

    /// Whether a node of a cluster has its broker; true where it is none.
    #[must_use]
    pub fn has_broker(&self) -> bool {
        self.order().cluster.as_ref().is_none_or(|cluster| cluster.is_up)
    }

    /// Notes what is new of a connection that can be resumed.
    pub(crate) fn note_in(&self, order: &mut Order, change: ResumeChange) {
        match &mut order.cluster {
            Some(cluster) if cluster.is_up => cluster.broker.send(Wish::Note(vec![change])),
            _ => order.note_resume(change),
        }
    }

    /// Notes what a connection is about to have, and tells its shard once the broker has noted it; false where there is no broker.
    pub(crate) fn note_ahead(&self, order: &mut Order, entry: ResumeEntry, shard: usize) -> bool {
        let Some(cluster) = order.cluster.as_mut().filter(|cluster| cluster.is_up) else { return false };
        let ticket = cluster.ticket();
        cluster.noting.insert(ticket, (shard, entry.connection));
        cluster.broker.send(Wish::Note(vec![ResumeChange::Set(entry)]));
        cluster.broker.send(Wish::Confirm(ticket));
        true
    }

    /// Something is noted.
    pub(super) fn on_confirmed(&self, order: &mut Order, ticket: Ticket) {
        let noted = order.cluster.as_mut().and_then(|cluster| cluster.noting.remove(&ticket));
        if let Some((shard, id)) = noted {
            self.tell(shard, Message::Ready(id, Ready::Noted));
        }
    }

    /// The broker is away: it is told once it is back, and who waits for that goes on.
    pub(super) fn end_noting(&self, order: &mut Order) {
        let Some(cluster) = &mut order.cluster else { return };
        for (_, (shard, id)) in std::mem::take(&mut cluster.noting) {
            self.tell(shard, Message::Ready(id, Ready::Noted));
        }
    }

    /// Tells the broker of the connections that were dropped while it was away.
    pub(super) fn tell_parked(&self, order: &mut Order) {
        let mut changes: Vec<ResumeChange> = std::mem::take(&mut order.resumes).into_values().collect();
        changes.extend(self.resumes().take_all().into_iter().map(ResumeChange::Set));
        if let Some(cluster) = &mut order.cluster
            && !changes.is_empty()
        {
            cluster.broker.send(Wish::Note(changes));
        }
    }
}

/// The answer of another node's server.
pub type NodeAnswer = (NodeId, Box<[u8]>);
