//! Messages between two users: stored first, then told by the hub; with read positions, typing and a block list.
//!
//! | module | what it is |
//! |---|---|
//! | `hooks` | what clients send over the hub: `send_message`, `typing`, `mark_read` |
//! | `http`, `http/blocks` | the same and more by REST |
//! | `forms` | what callers send, read into types |
//! | `desk` | what all calls need |
//! | `sending`, `reading`, `blocking` | what the calls do |
//! | `typing` | who types to whom, in memory alone |
//! | `table`, `schema`, `message` | the rows |
//! | `announce` | the events |
//!
//! # What holds
//! - A message, its place in both users' lists, the unread counts and the row of its event are one transaction. So who
//!   was told that a message was sent finds it stored, and the relay brings it to the recipient whatever dies.
//! - Ids rise in the order of commits, since the counter is locked to the end of the transaction.
//! - Unread messages are never counted by looking at them: each message knows the how-manieth it is that its recipient got
//!   in this conversation, so a read position is a subtraction.
//!
//! Not here: sockets and who is there, which are the hub's; names of users, which are the user service's.

mod announce;
mod blocking;
mod desk;
mod flags;
mod forms;
mod hooks;
mod http;
mod message;
mod metrics;
mod openapi;
mod reading;
mod schema;
mod sending;
mod service;
mod table;
mod typing;

pub use flags::ChatFlags;
pub use service::{ChatService, NAME, Settings};
