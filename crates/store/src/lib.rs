//! A service's own database: SQLite in a file by default, Postgres by `DATABASE_URL`, one set of migrations for both.
//!
//! # What holds
//! - Every change goes through [`Store::begin`]: on SQLite there is one writer at a time, also between processes
//!   that share the file (`BEGIN IMMEDIATE`); on Postgres transactions are *read committed*, and a row is locked by
//!   updating it.
//! - A commit is on disk when it returns: SQLite runs in WAL mode with `synchronous = FULL`.
//! - On Postgres each service has a schema of its own, so that services may share a database and still can't see each
//!   other's tables.
//! - Statements are written once, for both: `$1` parameters; TEXT, BIGINT and nothing else; ids from [`counter`];
//!   times as microseconds since 1970; sums cast to BIGINT.
//!
//! Not here: any table of a service. What several services keep (the event relay, idempotency keys) stands with the
//! code that uses it, as [`Migration`]s that a service adds to its own.

mod counter;
mod error;
mod location;
mod migration;
mod now;
mod open;

pub use counter::{counter, counters};
pub use error::{OpenError, Trouble};
pub use location::{Location, LocationError};
pub use migration::Migration;
pub use now::now_micros;
pub use open::{Engine, Pool, Store, Transaction};
