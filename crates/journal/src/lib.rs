//! The hub's durable store: what the engine's [`Journal`](hub::journal::Journal) asks for, on SQLite in a file.
//!
//! # What holds
//! - [`commit`](hub::journal::Journal::commit) returns when the group is synced to disk: one transaction, with
//!   `journal_mode=WAL` and `synchronous=FULL`. After a crash, a kill or a power cut each group that was committed is
//!   there, and one that was being committed is there whole or not at all.
//! - A group that was refused is not there, and what is committed after it does not bring it back. Only if the process
//!   dies before the next commit may it be found at the next start, whole, as after any write whose answer was not
//!   heard.
//! - A disk that is full or fails refuses groups as long as it does, and takes them again after that.
//! - What the disk gives back wrongly is noticed (each blob has a checksum, and the database's structure is checked at
//!   the start), told in the log, and never shown: if the history of a stream may have a hole, all history is given up
//!   and [`Stored::resets`](hub::journal::Stored::resets) is raised, so that every stream gets a new epoch.
//! - One process at a time has the store.
//!
//! | module | what it does |
//! |---|---|
//! | `sqlite` | [`SqliteJournal`]: when to commit, when to checkpoint, what is logged |
//! | `files` | the directory: its files, their modes, the lock |
//! | `database` | a connection, its settings and its tables |
//! | `commit` | a group's statements |
//! | `load` | everything back, and what is damaged |
//! | `salvage` | a new database of what could be read of a damaged one |
//! | `codec` | the binary form of what is in a row |
//!
//! Not here: when a group is formed and what is in it (the engine's `commit`), and the thread that calls this.

mod codec;
mod commit;
mod database;
mod error;
mod files;
mod load;
mod salvage;
mod sqlite;

pub use error::OpenError;
pub use sqlite::{CHECKPOINT_BYTES, SqliteJournal};
