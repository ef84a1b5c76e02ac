//! Everything back from the database, and what of it is damaged.
//!
//! What can't be read is left out and told in the log. Keys, retained state and connections that can be resumed stand
//! for themselves; but a group that is left out is a hole in streams that nobody can name any longer, so
//! [`Loaded::history_lost`] says that the rest of the history must not be shown as if it were whole.

use std::fmt::Display;

use hub::journal::{RetainedChange, Stored};
use rusqlite::{Connection, Row};

use crate::codec::blob::DecodeError;
use crate::codec::{self, Identity, Names};
use crate::database;
use crate::error::is_damage;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All that is sound.
    pub(crate) stored: Stored,
    /// Whether the store's own secret was read.
    pub(crate) has_secret: bool,
    /// Something is damaged.
    pub(crate) damaged: bool,
    /// An offset may be missing, or the end of a stream.
    pub(crate) history_lost: bool,
}

/// Whose damage may leave a hole in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matters {
    ToHistory,
    ToItself,
}

/// Reads all of it.
///
/// # Errors
/// Only those of which the database's content is not the cause.
pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Loaded> {
    let mut loading = Loading { connection, names: Names::default(), loaded: Loaded::default() };
    loading.structure()?;
    loading.all()?;
    let mut loaded = loading.loaded;
    // A group's keys share a row, and rows are in the order of their latest; a clock may have gone back in between.
    loaded.stored.keys.sort_by_key(|key| key.at);
    Ok(loaded)
}

struct Loading<'c> {
    connection: &'c Connection,
    names: Names,
    loaded: Loaded,
}

impl Loading<'_> {
    fn structure(&mut self) -> rusqlite::Result<()> {
        match database::check(self.connection) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(what)) => {
                self.damaged(Matters::ToHistory, "database", &"-", &what);
                Ok(())
            }
            Err(error) if is_damage(&error) => {
                self.damaged(Matters::ToHistory, "database", &"-", &error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn all(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT one, entry FROM identity";
        self.rows(sql, "identity", Matters::ToHistory, |loading, row| {
            let Identity { secret, resets } = codec::read_identity(blob(row, 1)?)?;
            (loading.loaded.stored.secret, loading.loaded.stored.resets) = (secret, resets);
            loading.loaded.has_secret = true;
            Ok(())
        })?;
        if !self.loaded.has_secret {
            self.damaged(Matters::ToHistory, "identity", &"-", &"it is not there");
        }
        let sql = "SELECT seq, entries FROM groups ORDER BY seq";
        self.rows(sql, "group", Matters::ToHistory, |loading, row| {
            let (seq, entries) = codec::read_group(blob(row, 1)?, &mut loading.names)?;
            if i64::try_from(seq).ok() != row.get(0).ok() {
                return Err(DecodeError::Content("another group's row"));
            }
            loading.numbered(seq);
            entries.last().into_iter().for_each(|last| loading.numbered(last.seq));
            loading.loaded.stored.groups.push((seq, entries));
            Ok(())
        })?;
        let sql = "SELECT stream, entry FROM ends ORDER BY stream";
        self.rows(sql, "end of a stream", Matters::ToHistory, |loading, row| {
            let end = codec::read_end(blob(row, 1)?, &mut loading.names)?;
            loading.loaded.stored.ends.push(end);
            Ok(())
        })?;
        let sql = "SELECT seq, entries FROM keys ORDER BY at, seq";
        self.rows(sql, "idempotency keys", Matters::ToItself, |loading, row| {
            let keys = codec::read_keys(blob(row, 1)?, &mut loading.names)?;
            loading.loaded.stored.keys.extend(keys);
            let seq: i64 = row.get(0).unwrap_or_default();
            loading.numbered(seq.unsigned_abs());
            Ok(())
        })?;
        let sql = "SELECT stream, entry FROM retained ORDER BY stream, key";
        self.rows(sql, "retained event", Matters::ToItself, |loading, row| {
            let codec::RetainedRow { stream, key, expires, entry } =
                codec::read_retained(blob(row, 1)?, &mut loading.names)?;
            loading.numbered(entry.seq);
            loading.loaded.stored.retained.push(RetainedChange::Set { stream, key, expires, entry });
            Ok(())
        })?;
        let sql = "SELECT hex(connection), entry FROM resumes ORDER BY connection";
        self.rows(sql, "connection to resume", Matters::ToItself, |loading, row| {
            let resume = codec::read_resume(blob(row, 1)?)?;
            loading.loaded.stored.resumes.push(resume);
            Ok(())
        })
    }

    /// Reads each row of a table. One that can't be read is left out, and so is what comes after a break in the
    /// table itself.
    fn rows(
        &mut self,
        sql: &str,
        what: &str,
        matters: Matters,
        mut read: impl FnMut(&mut Self, &Row<'_>) -> Result<(), DecodeError>,
    ) -> rusqlite::Result<()> {
        let done = (|| {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                if let Err(error) = read(self, row) {
                    let name = row.get_ref(0)?;
                    self.damaged(matters, what, &format_args!("{name:?}"), &error);
                }
            }
            Ok(())
        })();
        match done {
            Err(error) if is_damage(&error) => {
                self.damaged(matters, what, &"and all after it", &error);
                Ok(())
            }
            other => other,
        }
    }

    fn numbered(&mut self, seq: u64) {
        let last = &mut self.loaded.stored.last_seq;
        *last = seq.max(*last);
    }

    fn damaged(&mut self, matters: Matters, what: &str, which: &dyn Display, error: &dyn Display) {
        tracing::error!(what, which = %which, %error, "part of the store is damaged, and left out");
        self.loaded.damaged = true;
        self.loaded.history_lost |= matters == Matters::ToHistory;
    }
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], DecodeError> {
    let value = row.get_ref(column).map_err(|_| DecodeError::Content("no value"))?;
    value.as_blob().map_err(|_| DecodeError::Content("no blob"))
}
