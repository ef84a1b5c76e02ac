//! The Fanfare hub: HTTP front, WebSocket endpoints and socket loops.

pub mod auth;
pub mod config;
