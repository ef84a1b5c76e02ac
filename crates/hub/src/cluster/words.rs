//! What nodes say to each other, as bytes: a kind, then its content. A kind that a node does not know it passes over, so that
//! nodes of two versions live side by side.

use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Epoch, Position};
use serde::{Deserialize, Serialize};

use crate::broker::{Claim, ClaimBy, Ticket};
use crate::journal::ResumeEntry;

const COUNTS: u8 = 1;
const ASK: u8 = 2;
const ANSWER: u8 = 3;
const CALL: u8 = 4;
const RETURN: u8 = 5;

/// Bytes of one count.
const COUNT: usize = 8 + 4;

/// What a node says.
#[derive(Debug)]
pub(super) enum Word<'a> {
    /// So many got publications of the other node.
    Counts(Vec<(Ticket, u32)>),
    /// Hand over this connection, which is on that shard where that is known.
    Ask(Ticket, Claim, Option<usize>),
    /// What that connection had.
    Answer(Ticket, Option<ResumeEntry>),
    /// A question of the node's server.
    Call(Ticket, &'a [u8]),
    /// Its answer.
    Return(Ticket, &'a [u8]),
}

#[derive(Serialize, Deserialize)]
struct EntryText {
    connection: String,
    generation: u32,
    user: Option<String>,
    channels: Vec<String>,
    dropped: Option<i64>,
    arrived: Option<Vec<(String, u64, u64)>>,
}

#[derive(Serialize, Deserialize)]
struct ClaimText {
    connection: String,
    user: Option<String>,
    /// The generation and the node, of a token.
    token: Option<(u32, u32)>,
    is_socket: bool,
    shard: Option<usize>,
}

fn id_of(text: &str) -> Option<ConnectionId> {
    u128::from_str_radix(text, 16).ok().map(ConnectionId::from_random)
}

fn text_of(id: ConnectionId) -> String {
    format!("{:x}", id.as_u128())
}

fn with_ticket(kind: u8, ticket: Ticket, content: &[u8]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(9 + content.len());
    bytes.push(kind);
    bytes.extend_from_slice(&ticket.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes.into()
}

/// So many got publications of the other node.
pub(super) fn counts(counts: &[(Ticket, u32)]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(1 + counts.len() * COUNT);
    bytes.push(COUNTS);
    for (ticket, count) in counts {
        bytes.extend_from_slice(&ticket.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    bytes.into()
}

/// Asks for a connection.
pub(super) fn ask(ticket: Ticket, claim: &Claim, shard: Option<usize>) -> Box<[u8]> {
    let (token, is_socket) = match claim.by {
        ClaimBy::Token { generation, node } => (Some((generation, node)), false),
        ClaimBy::Id => (None, false),
        ClaimBy::Socket => (None, true),
    };
    let user = claim.user.as_ref().map(|user| String::from(&**user));
    let text = ClaimText { connection: text_of(claim.connection), user, token, is_socket, shard };
    with_ticket(ASK, ticket, &serde_json::to_vec(&text).unwrap_or_default())
}

/// Answers that.
pub(super) fn answer(ticket: Ticket, entry: Option<&ResumeEntry>) -> Box<[u8]> {
    let text = entry.map(|entry| EntryText {
        connection: text_of(entry.connection),
        generation: entry.generation,
        user: entry.user.as_ref().map(|user| String::from(&**user)),
        channels: entry.channels.iter().map(|channel| String::from(&**channel)).collect(),
        dropped: entry.dropped.map(Timestamp::as_millis),
        arrived: entry.arrived.as_ref().map(|arrived| {
            let one = |(name, at): &(Box<str>, Position)| (String::from(&**name), at.epoch.bits(), at.offset);
            arrived.iter().map(one).collect()
        }),
    });
    with_ticket(ANSWER, ticket, &serde_json::to_vec(&text).unwrap_or_default())
}

/// A question of the node's server.
pub(super) fn call(ticket: Ticket, content: &[u8]) -> Box<[u8]> {
    with_ticket(CALL, ticket, content)
}

/// Its answer.
pub(super) fn returned(ticket: Ticket, content: &[u8]) -> Box<[u8]> {
    with_ticket(RETURN, ticket, content)
}

/// Reads what a node said; none where it is of no known kind.
pub(super) fn read(bytes: &[u8]) -> Option<Word<'_>> {
    let (&kind, rest) = bytes.split_first()?;
    if kind == COUNTS {
        let count = |bytes: &[u8]| {
            let (ticket, count) = bytes.split_first_chunk::<8>()?;
            Some((Ticket::from_be_bytes(*ticket), u32::from_be_bytes(count.try_into().ok()?)))
        };
        return rest.chunks(COUNT).map(count).collect::<Option<_>>().map(Word::Counts);
    }
    let (ticket, content) = rest.split_first_chunk::<8>()?;
    let ticket = Ticket::from_be_bytes(*ticket);
    Some(match kind {
        ASK => {
            let text: ClaimText = serde_json::from_slice(content).ok()?;
            let by = match (text.token, text.is_socket) {
                (Some((generation, node)), _) => ClaimBy::Token { generation, node },
                (None, true) => ClaimBy::Socket,
                (None, false) => ClaimBy::Id,
            };
            let user = text.user.map(String::into_boxed_str);
            Word::Ask(ticket, Claim { connection: id_of(&text.connection)?, user, by }, text.shard)
        }
        ANSWER => {
            let text: Option<EntryText> = serde_json::from_slice(content).ok()?;
            Word::Answer(ticket, text.and_then(entry_of))
        }
        CALL => Word::Call(ticket, content),
        RETURN => Word::Return(ticket, content),
        _ => return None,
    })
}

fn entry_of(text: EntryText) -> Option<ResumeEntry> {
    let at = |(name, epoch, offset): (String, u64, u64)| {
        (name.into_boxed_str(), Position { epoch: Epoch::from_bits(epoch), offset })
    };
    Some(ResumeEntry {
        connection: id_of(&text.connection)?,
        generation: text.generation,
        user: text.user.map(String::into_boxed_str),
        channels: text.channels.into_iter().map(String::into_boxed_str).collect(),
        dropped: text.dropped.map(Timestamp::from_millis),
        arrived: text.arrived.map(|arrived| arrived.into_iter().map(at).collect()),
    })
}
