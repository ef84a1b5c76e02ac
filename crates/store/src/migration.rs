//! A step from one shape of the tables to the next.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrationType, Migrator};

/// A step: statements that both databases understand, run once, in the order of their versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order, unique within a service. Below 100: what several services have; from 100: a service's
    /// own.
    pub version: i64,
    /// What it brings, in a word or two.
    pub name: &'static str,
    /// The statements. Never changed once released: the database remembers their checksum.
    pub sql: &'static str,
}

/// The table of [`crate::counter`].
pub(crate) const COUNTERS: Migration = Migration {
    version: 1,
    name: "counters",
    sql: "CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);",
};

/// All of a service's steps, in order.
pub(crate) fn migrator(own: &[&[Migration]]) -> Migrator {
    let all = std::iter::once(COUNTERS).chain(own.iter().flat_map(|list| list.iter().copied()));
    let steps = all.map(|step| {
        let name = Cow::Borrowed(step.name);
        sqlx::migrate::Migration::new(
            step.version,
            name,
            MigrationType::Simple,
            step.sql.into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    // An older binary beside a newer one during an update goes on; its tables are still there.
    migrator.set_ignore_missing(true);
    migrator
}
