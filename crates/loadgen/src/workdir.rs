//! A directory for one run: the server's configuration and its data. It goes with the run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

/// Directories that this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The directory; dropping it removes it.
#[derive(Debug)]
pub(crate) struct WorkDir(PathBuf);

impl WorkDir {
    /// Makes one below `parent`, which has to be on a disk where a sync counts.
    pub(crate) fn below(parent: &Path) -> Result<Self> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("loadgen-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Environment of a server with this configuration.
    pub(crate) fn config(&self, text: &str) -> Result<(String, String)> {
        let path = self.0.join("fanfare.toml");
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(("FANFARE_CONFIG".to_owned(), path.to_string_lossy().into_owned()))
    }

    /// Environment of a server that keeps its data here.
    pub(crate) fn data(&self) -> (String, String) {
        ("FANFARE_DATA".to_owned(), self.0.join("data").to_string_lossy().into_owned())
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
