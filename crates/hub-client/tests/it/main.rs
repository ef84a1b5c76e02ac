//! The client and the relay against the real hub, on SQLite and on Postgres.

mod client;
mod fake;
mod relay;
mod unheard;
mod world;
