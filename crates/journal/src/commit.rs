//! A group's statements, in one transaction.
//!
//! The order within a group: earlier groups go, ends are written, streams and keys are forgotten, and then comes what
//! is new. So a stream that is forgotten and begun anew in one group has nothing of its earlier life.
//!
//! Not here: what happens when a statement fails (`sqlite`).

use hub::journal::{Group, ResumeChange, RetainedChange};
use rusqlite::{Connection, Error, ToSql};

use crate::codec::{self, Identity};
use crate::database;

/// What a row costs in the log beside its blob, in bytes: about two pages, the last one of its tree and one above.
const ROW_BYTES: u64 = 2 * 4096;

/// What is kept from one group to the next.
#[derive(Debug)]
pub(crate) struct Scribe {
    /// What the store knows of itself.
    pub(crate) identity: Identity,
    /// The blob being written; kept for its room.
    blob: Vec<u8>,
}

/// The largest buffer that is kept between groups, in bytes: a group of 512 publications of 1 KiB fits.
const KEPT_BUFFER: usize = 1 << 20;

impl Scribe {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, blob: Vec::new() }
    }

    /// Writes a group in one transaction, and returns about how many bytes the log grew by.
    ///
    /// # Errors
    /// Nothing was written, and no transaction is open.
    pub(crate) fn write(&mut self, connection: &Connection, group: &Group) -> rusqlite::Result<u64> {
        if !connection.is_autocommit() {
            // The end of an earlier one that failed as well.
            rollback(connection)?;
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        let done = self.statements(connection, group).and_then(|written| {
            connection.prepare_cached("COMMIT")?.execute(())?;
            Ok(written)
        });
        if done.is_err() && !connection.is_autocommit() {
            // Its own error tells less than the one that led here.
            let _ = rollback(connection);
        }
        if self.blob.capacity() > KEPT_BUFFER {
            self.blob = Vec::new();
        }
        let written = done?;
        if let Some(resets) = group.resets {
            self.identity.resets = resets;
        }
        Ok(written)
    }

    fn statements(&mut self, connection: &Connection, group: &Group) -> rusqlite::Result<u64> {
        let run = |sql, values: &[&dyn ToSql]| connection.prepare_cached(sql)?.execute(values);
        let blob = &mut self.blob;
        let mut written = ROW_BYTES;
        for seq in &group.remove {
            run("DELETE FROM groups WHERE seq = ?1", &[&row_number(*seq)?])?;
            written += ROW_BYTES;
        }
        for end in &group.ends {
            codec::write_end(blob, end);
            run("INSERT OR REPLACE INTO ends VALUES (?1, ?2)", &[&&*end.stream, &*blob])?;
            written += ROW_BYTES;
        }
        for stream in &group.forget_streams {
            run("DELETE FROM ends WHERE stream = ?1", &[&&**stream])?;
            written += ROW_BYTES;
        }
        if let Some(before) = group.forget_keys_before {
            let removed = run("DELETE FROM keys WHERE at < ?1", &[&before.as_millis()])?;
            written += removed as u64 * ROW_BYTES;
        }
        if let Some(resets) = group.resets {
            database::put_identity(connection, &Identity { resets, ..self.identity })?;
            written += ROW_BYTES;
        }
        if !group.entries.is_empty() {
            codec::write_group(blob, group.seq, &group.entries);
            run("INSERT INTO groups VALUES (?1, ?2)", &[&row_number(group.seq)?, &*blob])?;
            written += ROW_BYTES + blob.len() as u64;
        }
        if let Some(latest) = group.keys.iter().map(|key| key.at).max() {
            codec::write_keys(blob, &group.keys);
            let values: [&dyn ToSql; 3] = [&latest.as_millis(), &row_number(group.seq)?, &*blob];
            run("INSERT INTO keys VALUES (?1, ?2, ?3)", &values)?;
            written += ROW_BYTES + blob.len() as u64;
        }
        for change in &group.retained {
            match change {
                RetainedChange::Set { stream, key, expires, entry } => {
                    codec::write_retained(blob, stream, key, *expires, entry);
                    let values: [&dyn ToSql; 3] = [&&**stream, &&**key, &*blob];
                    run("INSERT OR REPLACE INTO retained VALUES (?1, ?2, ?3)", &values)?;
                    written += blob.len() as u64;
                }
                RetainedChange::Forget { stream, key } => {
                    run("DELETE FROM retained WHERE stream = ?1 AND key = ?2", &[&&**stream, &&**key])?;
                }
            }
            written += 2 * ROW_BYTES;
        }
        for change in &group.resumes {
            match change {
                ResumeChange::Set(resume) => {
                    codec::write_resume(blob, resume);
                    let connection = resume.connection.as_u128().to_be_bytes();
                    run("INSERT OR REPLACE INTO resumes VALUES (?1, ?2)", &[&connection, &*blob])?;
                    written += blob.len() as u64;
                }
                ResumeChange::Forget(connection) => {
                    run("DELETE FROM resumes WHERE connection = ?1", &[&connection.as_u128().to_be_bytes()])?;
                }
            }
            written += ROW_BYTES;
        }
        Ok(written)
    }
}

fn rollback(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("ROLLBACK")?.execute(()).map(drop)
}

/// A sequence number as SQLite counts: 63 bits, which a hub that publishes a million a second fills in 290,000 years.
fn row_number(seq: u64) -> rusqlite::Result<i64> {
    i64::try_from(seq).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}
