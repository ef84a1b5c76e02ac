//! Wire types, ids, close codes, the WebSocket codec and the dialects of Fanfare.
//!
//! Pure: no async, no I/O, no clock. Everything that goes over a wire is defined here once; the golden files
//! in `fixtures/` are read by the tests of Rust, TypeScript and Python alike.

pub mod websocket;
