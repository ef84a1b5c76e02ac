//! The hub's broker on Redis: what the engine's [`Broker`](hub::broker::Broker) asks for, over two connections per node.
//!
//! # What holds
//! - One Lua script gives a publication its number, its offsets and epochs, stores it, and tells it: all or nothing.
//! - What a node hears comes through one connection, in Redis' order; what streams have is asked for on that very
//!   connection, so that the answer stands at its place in the line.
//! - A Redis that forgot something is noticed by any node that saw more, and by its run: a server that was restarted without
//!   an append-only file that is synced with each write, or a replica that was promoted, begins a new life with new epochs.
//! - A node without a sign of life for five seconds is dead, unless nobody gave any: then it was Redis that was away.
//! - Nothing waits for ever: a connection that does not answer for five seconds is given up, and made again after 50 ms to 2 s.
//! - No error, log line or metric holds a password.
//!
//! | module | what it does |
//! |---|---|
//! | `settings` | [`Settings`]: the URL, the prefix of keys, the node's name |
//! | `runner` | [`connect`], [`Runner`], [`Running`]: the thread, one link after the other |
//! | `broker` | [`RedisBroker`]: the queue of wishes |
//! | `resolve` | which server to ask: a host, a socket, sentinels' master, a cluster's node |
//! | `opening` | a new link: greeting, scripts, the node's place among the living |
//! | `link` | a link at work |
//! | `commands`, `line` | its two connections |
//! | `batches` | batches that end with the first that is refused |
//! | `wire` | a connection: bytes and values |
//! | `scripts`, `lua/` | what runs in Redis |
//! | `form`, `message` | what nodes write to each other |
//! | `status` | [`Status`] for `/health`, and the metrics |
//!
//! Not here: what a node keeps of all this, and what it does without Redis (the engine's `cluster`).

mod batches;
mod broker;
mod commands;
mod error;
mod form;
mod line;
mod link;
mod message;
mod opening;
mod resolve;
mod runner;
mod scripts;
mod settings;
mod status;
mod wire;

pub use broker::{MOST_WAITING, MOST_WAITING_BYTES, RedisBroker};
pub use error::ConnectError;
pub use runner::{Runner, Running, connect};
pub use settings::{DEFAULT_PREFIX, MAX_NODE_NAME, MAX_PREFIX, START, Settings, SettingsError};
pub use status::Status;
