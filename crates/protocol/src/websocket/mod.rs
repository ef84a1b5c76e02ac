//! The WebSocket protocol, RFC 6455 with permessage-deflate (RFC 7692), without I/O.
//!
//! | part | what it does |
//! |---|---|
//! | `handshake` | answers the opening handshake: [`accept_key`], [`check_key`], [`negotiate_deflate`] |
//! | `decoder` | bytes of a client → [`Incoming`] messages and control frames, through a [`Decoder`] |
//! | `frame` | whole frames of a server as [`bytes::Bytes`], and masked ones for clients and tests |
//! | `deflate` | one message compressed or inflated on its own, with no context kept |
//! | `error` | [`CodecError`]: what a client did wrong, the close code and the reason to send |
//!
//! Three decisions hold throughout:
//!
//! - **An idle connection owns no memory here.** A [`Decoder`] is one pointer, and null between messages; the
//!   handshake always answers `server_no_context_takeover; client_no_context_takeover`, so no window is kept.
//! - **A frame is encoded once.** The frames of `frame` are [`bytes::Bytes`]: every connection that gets the
//!   same publication shares the allocation.
//! - **Memory follows bytes received**, never a length that a client merely declares.
//!
//! Not here: sockets, timeouts, the queue of a slow connection, the table of the application's own close
//! codes, and the messages inside the frames.
//!
//! ```
//! use std::ops::ControlFlow;
//! use protocol::websocket::{Decoder, Incoming, Limits, Opcode, masked_frame};
//!
//! let limits = Limits { max_message: 64 * 1024, deflate: false };
//! let mut decoder = Decoder::default();
//! let mut bytes = masked_frame(Opcode::Text, true, false, b"hello", [1, 2, 3, 4]);
//! let mut texts = Vec::new();
//! decoder.feed(&limits, &mut bytes, &mut |incoming| {
//!     if let Incoming::Text(text) = incoming {
//!         texts.push(text.to_owned());
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(texts, ["hello"]);
//! assert!(decoder.is_idle());
//! # Ok::<(), protocol::websocket::CodecError>(())
//! ```

mod decoder;
mod deflate;
mod error;
mod frame;
mod handshake;
mod header;

pub use decoder::{Decoder, Incoming, Limits};
pub use deflate::{COMPRESSION_LEVEL, InflateError, compress, inflate};
pub use error::CodecError;
pub use frame::{
    MAX_CLOSE_REASON, MAX_CONTROL_PAYLOAD, Opcode, binary_frame, close_frame, compressed_text_frame,
    encode_header, masked_frame, ping_frame, pong_frame, text_frame, unmask,
};
pub use handshake::{VERSION, accept_key, check_key, check_version, negotiate_deflate};
