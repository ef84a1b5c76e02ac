//! Whatever can try to write bytes to a client: a socket, a TLS stream, or a simulation's fake.

use std::io;

/// The writing side of a connection. No call blocks.
pub trait Link {
    /// Writes as many bytes as can be written now.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where none can; any other error is the end of the connection.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// The same for several pieces, in order.
    ///
    /// # Errors
    /// As [`Link::write`].
    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize>;

    /// Whether everything that was written is with the system. A link that holds bytes back, as TLS does, says no
    /// until they are out.
    fn is_flushed(&self) -> bool {
        true
    }

    /// Has the other side asked for a sign of life, where this link has a way of its own to do so.
    fn ask(&mut self) -> Asked {
        Asked::WithPing
    }

    /// Says to the other side that nothing follows; reading goes on.
    fn shutdown(&mut self);
}

/// How the other side of a link is asked for a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The link has seen to it, or the other side comes by itself, as one does that polls.
    ByItself,
    /// With a ping of WebSocket, which is the caller's.
    WithPing,
}
