//! The directory of a store: the names of its files, their modes, and the lock that keeps a second process out.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// A directory, locked for this process as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Held for its lock; the system takes it back when the process ends, however it ends.
    lock: File,
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Said, not left to closing the file: a child process that is just being started has it open, too.
        let _ = self.lock.unlock();
    }
}

impl Directory {
    /// Makes the directory, if it is not there, for its owner alone, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenError::Directory { path, source }
        };
        make_directory(path).map_err(failed(path))?;
        let file = path.join("hub.lock");
        let lock = private().open(&file).map_err(failed(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_path_buf() }),
            Err(TryLockError::Error(source)) => Err(failed(&file)(source)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("hub.db")
    }

    /// A database that is being made of what could be read of a damaged one. Worth nothing until it is renamed.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.join("hub.salvage.db")
    }

    /// The same when it is complete, and is to take the place of the database.
    pub(crate) fn finished(&self) -> PathBuf {
        self.path.join("hub.salvaged.db")
    }

    /// Where the damaged database is kept, for whoever wants to look.
    pub(crate) fn damaged(&self) -> PathBuf {
        self.path.join("hub.damaged.db")
    }

    /// Syncs the names of the files.
    pub(crate) fn sync(&self) -> io::Result<()> {
        sync(&self.path)
    }
}

/// Makes a directory, and those above it, where they are not there; the name of each is synced in its parent.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    make_directory(parent)?;
    DirBuilder::new().mode(0o700).create(path)?;
    sync(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// SQLite's log of a database.
pub(crate) fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Makes a file for its owner alone, if it is not there; SQLite gives its log the same mode.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    private().open(path).map(drop)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames a file, if it is there.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes what a file has once more in its place, and syncs it. After a sync that failed the system may show what the
/// disk has not, and holds it for written: only so does it get there. A crash in between changes nothing, since each
/// byte is written over by itself.
pub(crate) fn rewrite(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut piece = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let length = file.read_at(&mut piece, at)?;
        if length == 0 {
            return file.sync_all();
        }
        file.write_all_at(&piece[..length], at)?;
        at += length as u64;
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
