//! The scripts that run in Redis, each a single step there. All keys begin with `{prefix}:`, so that they are in one slot.
//!
//! | key | what |
//! |---|---|
//! | `life` | hash: `l` life, `s` last number, `e` epochs made, `run` the server's run, `began` the number with which that began, `x` secret |
//! | `m:<stream>` | life, epoch, offset, number of the last, when its states end; for a day longer than what it keeps; with nothing in it for half an hour after the last follower |
//! | `h:<stream>` | a Redis stream: the events that it keeps, by `offset-number` |
//! | `r:<stream>`, `o:<stream>`, `z:<stream>` | its states by key, the keys in the order of their numbers, and of their ends |
//! | `k:<scope's length>:<scope>:<key>` | an idempotency key: id and recipients |
//! | `nodes`, `dead`, `beat`, `opens` | living nodes by their last sign of life, dead ones to clear away, any node's last sign, nodes that noted connections |
//! | `lines` | hash: the server's run and the id of each node's connection for channels |
//! | `open:<node>`, `parked:<connection>` | connections that can be resumed |
//! | `taken:<connection>` | the silent node from which it was taken, for five minutes |
//! | `t:<node>:<table>`, `ts:<node>` | a node's texts in a table, and its tables |
//!
//! Channels: `c:<stream>`, `n:<node>`, `n` for all.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Publish,
    Read,
    Join,
    Beat,
    Leave,
    Answered,
    Note,
    Claim,
    Put,
    Table,
    Touch,
    Release,
}

const ALL: [(Call, &str); 12] = [
    (Call::Publish, include_str!("lua/publish.lua")),
    (Call::Read, include_str!("lua/read.lua")),
    (Call::Join, include_str!("lua/join.lua")),
    (Call::Beat, include_str!("lua/beat.lua")),
    (Call::Leave, include_str!("lua/leave.lua")),
    (Call::Answered, include_str!("lua/answered.lua")),
    (Call::Note, include_str!("lua/note.lua")),
    (Call::Claim, include_str!("lua/claim.lua")),
    (Call::Put, include_str!("lua/put.lua")),
    (Call::Table, include_str!("lua/table.lua")),
    (Call::Touch, include_str!("lua/touch.lua")),
    (Call::Release, include_str!("lua/release.lua")),
];

/// Their hashes, in the order of [`Call`].
static HASHES: LazyLock<[String; 12]> =
    LazyLock::new(|| ALL.map(|(_, text)| Script::new(text).get_hash().to_owned()));

/// The commands that load all of them.
pub(crate) fn load() -> impl Iterator<Item = Cmd> {
    ALL.iter().map(|(_, text)| {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(*text);
        command
    })
}

impl Call {
    /// A call of it, without its arguments; `life` is the key of the life.
    pub(crate) fn with(self, life: &str) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&HASHES[self as usize]).arg(1).arg(life);
        command
    }
}
