//! The Fanfare hub: HTTP front, WebSocket endpoints and socket loops.
//!
//! [`Server::start`] makes a server of a checked [`config::Config`]; [`Server::run`] serves until the shutdown begins and
//! then drains. A process that holds more than the hub adds its routes and its key by an [`Extension`], and its settings
//! by [`config::launch_with`]. The path of a message begins in `publish` (①) and ends in `socket` (⑥).

pub mod access;
mod calls;
mod clock;
mod cluster;
pub mod config;
mod deliveries;
mod echo;
mod events;
mod feeds;
pub mod files;
mod front;
mod hooks;
mod http;
mod identify;
mod memory;
mod metrics;
mod nodes;
mod operator;
mod patience;
mod playground;
mod ports;
mod publish;
mod reactor;
mod reload;
mod sanitize;
mod scripts;
mod server;
mod socket;
mod socketio;
mod sounds;
mod state;
mod storage;
mod tickets;
mod tls;
mod turn;
mod upgrade;

pub use reload::Reloader;
pub use server::{Extension, FrontPage, Routes, Server};
