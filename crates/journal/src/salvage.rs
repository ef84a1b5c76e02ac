//! A new database in place of a damaged one, of what could be read of it.
//!
//! A damaged database is not written to any longer: what SQLite believes of its structure may be wrong. The new one is
//! complete and synced before it gets its name, and the change of names can be cut anywhere: as long as
//! `hub.salvaged.db` is there, the next start goes on with it. The damaged one is kept as `hub.damaged.db`, one of them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hub::journal::{Group, ResumeChange, Stored};
use rusqlite::Connection;

use crate::codec::Identity;
use crate::commit::Scribe;
use crate::database::{self, Checkpoint};
use crate::error::OpenError;
use crate::files::{self, Directory};

/// How many keys, retained events or connections go into one transaction of the new database.
const AT_ONCE: usize = 512;

/// Makes the new database, and puts it in the place of the damaged one, which nobody has open.
pub(crate) fn replace(directory: &Directory, stored: &Stored) -> Result<(), OpenError> {
    let path = directory.unfinished();
    let failed = |source: rusqlite::Error| OpenError::Database { path: path.clone(), source: source.into() };
    let on_disk = on_disk(&path);
    for old in [&path, &files::log_of(&path)] {
        files::remove(old).map_err(&on_disk)?;
    }
    files::make(&path).map_err(&on_disk)?;
    let identity = Identity { secret: stored.secret, resets: stored.resets };
    let connection = database::open(&path, identity).map_err(|unsound| unsound.told(&path))?;
    fill(&connection, identity, stored).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    directory.sync().map_err(&on_disk)?;
    files::rename(&path, &directory.finished()).map_err(&on_disk)?;
    directory.sync().map_err(&on_disk)?;
    finish(directory)
}

fn fill(connection: &Connection, identity: Identity, stored: &Stored) -> rusqlite::Result<()> {
    database::trust(connection)?;
    let mut scribe = Scribe::new(identity);
    for (seq, entries) in &stored.groups {
        scribe.write(connection, &Group { seq: *seq, entries: entries.clone(), ..Group::default() })?;
    }
    let mut seq = stored.last_seq;
    let mut put = |group: Group| {
        seq += 1;
        scribe.write(connection, &Group { seq, ..group }).map(drop)
    };
    put(Group { ends: stored.ends.clone(), ..Group::default() })?;
    for keys in stored.keys.chunks(AT_ONCE) {
        put(Group { keys: keys.to_vec(), ..Group::default() })?;
    }
    for retained in stored.retained.chunks(AT_ONCE) {
        put(Group { retained: retained.to_vec(), ..Group::default() })?;
    }
    for resumes in stored.resumes.chunks(AT_ONCE) {
        let resumes = resumes.iter().cloned().map(ResumeChange::Set).collect();
        put(Group { resumes, ..Group::default() })?;
    }
    database::checkpoint(connection, Checkpoint::Empty)
}

/// Changes the names, if a new database waits for it.
pub(crate) fn finish(directory: &Directory) -> Result<(), OpenError> {
    let (new, place, aside) = (directory.finished(), directory.database(), directory.damaged());
    if !new.try_exists().map_err(on_disk(&new))? {
        return Ok(());
    }
    // The log of the damaged one must never be taken for the new one's: it goes first, and for good.
    files::remove(&files::log_of(&aside)).map_err(on_disk(&aside))?;
    files::rename(&files::log_of(&place), &files::log_of(&aside)).map_err(on_disk(&place))?;
    directory.sync().map_err(on_disk(directory.path()))?;
    files::rename(&place, &aside).map_err(on_disk(&place))?;
    directory.sync().map_err(on_disk(directory.path()))?;
    files::rename(&new, &place).map_err(on_disk(&new))?;
    directory.sync().map_err(on_disk(directory.path()))
}

fn on_disk(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = Arc::<Path>::from(path);
    move |source| OpenError::Directory { path: path.to_path_buf(), source }
}
