//! The service from outside: as the hub and as users call it, on SQLite and on Postgres, and before a real hub.

mod blocks;
mod chaos;
mod conversations;
mod delivery;
mod harness;
mod history;
mod operations;
mod races;
mod refusals;
mod repeats;
mod typing;
