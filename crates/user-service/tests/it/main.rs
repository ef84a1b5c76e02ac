//! The service from outside: over HTTP, on SQLite and on Postgres. What it tells the hub is read in the relay's table,
//! since the hub is away in these tests.

mod harness;
mod keys;
mod lockout;
mod memory;
mod operations;
mod races;
mod refusals;
mod sessions;
mod story;
