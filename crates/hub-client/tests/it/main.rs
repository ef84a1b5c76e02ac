//! The client and the relay against the real hub, on SQLite and on Postgres.

mod client;
mod relay;
mod world;
