//! Wire types, ids, close codes, the WebSocket codec and the dialects of Fanfare.
//!
//! Pure: no async, no I/O, no clock. Everything that goes over a wire is defined here once; the golden files
//! in `fixtures/` are read by the tests of Rust, TypeScript and Python alike.
//!
//! | module | what it holds |
//! |---|---|
//! | [`channel`] | channel names, patterns over them, and the streams that publications go to |
//! | [`channels`] | the dialect of `/ws`: what clients send and what they get |
//! | [`close`] | every close code, its reason, and whether the client should come back |
//! | [`events`] | server-sent events |
//! | [`flat`] | events whose members stand beside their type: the dialects of dashboard, tasks and receipts |
//! | [`id`] | connection, user and publication ids |
//! | [`json`] | nesting depth, without parsing |
//! | [`position`] | epochs and offsets: where a client stands in a stream |
//! | [`publication`] | the body of `POST /broadcast`, parsed once into a typed publication |
//! | [`socketio`] | Engine.IO and Socket.IO packets |
//! | [`timestamp`] | the timestamps of the wire |
//! | [`trace`] | `traceparent`: the trace that a request belongs to |
//! | [`websocket`] | frames, their decoder, permessage-deflate, the opening handshake |

pub mod channel;
pub mod channels;
pub mod close;
pub mod events;
pub mod flat;
pub mod id;
pub mod json;
pub mod position;
pub mod publication;
pub mod socketio;
pub mod timestamp;
pub mod trace;
pub mod websocket;

pub use channel::{ChannelName, ChannelPattern, Stream};
pub use close::{Disconnect, Reconnect};
pub use id::{ConnectionId, PublicationId, UserId};
pub use position::{Epoch, Position};
pub use publication::{Publication, Target};
