//! What the operating system lets this process have. Only the limit on open files so far, since each
//! connection is one; limits on memory and threads are the container's affair.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[cfg(test)]
mod tests;

/// Raises the soft limit on open files (`RLIMIT_NOFILE`) to the hard one, and tells the limit that now holds.
///
/// Debian and most containers start a process with a soft limit of 1,024 for the sake of programs that use
/// `select`, and leave the hard one much higher. An unlimited process gets [`u64::MAX`].
///
/// # Errors
/// What the kernel answered. [`open_files`] then still tells the limit as it was.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(open_files())
}

/// The soft limit on open files as it stands, in descriptors.
#[must_use]
pub fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
