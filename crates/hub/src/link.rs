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

    /// Says to the other side that nothing follows; reading goes on.
    fn shutdown(&mut self);
}
