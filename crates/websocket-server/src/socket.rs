//! ⑥ A client's socket: read, framed, written and closed by the one shard thread that owns it. A client of server-sent
//! events has a byte queue in place of it, which nothing is read from; one of Socket.IO
//! writes through the session that it shares with others.
//!
//! The writing side is the engine's [`Link`]; the reading side gives whole messages to the shard. Not here:
//! waiting for readiness (the reactor), and what a message means (the engine).

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use mio::net::TcpStream;
use protocol::websocket::Decoder;
use rustls::ServerConnection;

use crate::events::queue::{Queue, Writer};
use crate::socketio::outlet::{Member, Outlet};

/// Ciphertext that may wait inside a TLS session before it takes no more.
const TLS_BUFFER: usize = 64 * 1024;

/// A client's socket, and what it has sent of a frame that is not complete.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// Empty, and without memory, between frames.
    pub decoder: Decoder,
    /// Whether the client agreed to permessage-deflate.
    pub deflate: bool,
    /// Whether the client broke the protocol, so that what it still sends means nothing.
    pub is_faulty: bool,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
    Queue(Writer),
    /// One of several that share a session of Socket.IO.
    Member(Member),
}

/// A TLS session over a socket that never blocks.
#[derive(Debug)]
struct TlsStream {
    socket: TcpStream,
    session: ServerConnection,
}

/// What is behind a finished handshake: the socket, and the TLS session where there is one; or an HTTP answer that goes
/// on.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Plain TCP.
    Plain(std::net::TcpStream),
    /// TLS over TCP.
    Tls(std::net::TcpStream, Box<ServerConnection>),
    /// Into an answer that actix gives.
    Queue(Writer),
}

impl Socket {
    /// Takes a socket over; it is made non-blocking.
    ///
    /// # Errors
    /// The socket cannot be made non-blocking.
    pub(crate) fn new(transport: Transport, deflate: bool) -> io::Result<Self> {
        let own = |socket: std::net::TcpStream| {
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(TcpStream::from_std(socket))
        };
        let stream = match transport {
            Transport::Plain(socket) => Stream::Plain(own(socket)?),
            Transport::Tls(socket, mut session) => {
                session.set_buffer_limit(Some(TLS_BUFFER));
                Stream::Tls(Box::new(TlsStream { socket: own(socket)?, session: *session }))
            }
            Transport::Queue(writer) => Stream::Queue(writer),
        };
        Ok(Self { stream, decoder: Decoder::default(), deflate, is_faulty: false })
    }

    /// One that writes through the session that it shares with others.
    #[must_use]
    pub(crate) fn member(member: Member) -> Self {
        let stream = Stream::Member(member);
        Self { stream, decoder: Decoder::default(), deflate: false, is_faulty: false }
    }

    /// Whether it writes through that outlet.
    #[must_use]
    pub(crate) fn is_member_of(&self, outlet: &Rc<RefCell<Outlet>>) -> bool {
        matches!(&self.stream, Stream::Member(member) if member.is_of(outlet))
    }

    /// The socket, for registering it; none where there is a queue, whose other end tells when to look.
    pub(crate) fn source(&mut self) -> Option<&mut TcpStream> {
        match &mut self.stream {
            Stream::Plain(socket) => Some(socket),
            Stream::Tls(tls) => Some(&mut tls.socket),
            Stream::Queue(_) | Stream::Member(_) => None,
        }
    }

    /// It has this place in its shard.
    pub(crate) fn place(&self, key: u32) {
        if let Stream::Queue(writer) = &self.stream {
            writer.place(key);
        }
    }

    /// Whether it writes into this queue. Places are used again, so that one that was told of late may have another there.
    #[must_use]
    pub(crate) fn is_of(&self, queue: &Arc<Queue>) -> bool {
        matches!(&self.stream, Stream::Queue(writer) if writer.is_of(queue))
    }

    /// Reads what is there, at most `buffer`.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where nothing is there; any other error is the end of the connection.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
            Stream::Queue(_) | Stream::Member(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whether a read that did not fill the buffer means that nothing more is there.
    #[must_use]
    pub(crate) fn is_drained_by_a_short_read(&self) -> bool {
        !matches!(self.stream, Stream::Tls(_))
    }

    /// Writes out what a TLS session holds back.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(_) | Stream::Queue(_) | Stream::Member(_) => Ok(()),
            Stream::Tls(tls) => tls.flush(),
        }
    }
}

impl TlsStream {
    /// Moves ciphertext to the socket as far as it takes it.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.session.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            let processed = self.session.process_new_packets();
            // Alerts and key updates that the packets ask for.
            self.flush()?;
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Takes bytes until the socket takes no more. A short count thus means a full socket, as with plain TCP: the
    /// engine waits for it to become writable, and nobody would say so of one that is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.flush() {
                Ok(()) if self.session.wants_write() => break,
                Ok(()) => taken += self.session.writer().write(&bytes[taken..])?,
                Err(_) if taken > 0 => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
        self.flush()?;
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }
}

/// Writes pieces one after the other, as far as they are taken.
fn write_each(
    pieces: &[IoSlice<'_>],
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut total = 0;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        match write(piece) {
            Ok(count) => {
                total += count;
                if count < piece.len() {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

impl hub::Link for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
            Stream::Queue(writer) => writer.write(bytes),
            Stream::Member(member) => member.write(bytes),
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_vectored(pieces),
            Stream::Tls(tls) => write_each(pieces, |piece| tls.write(piece)),
            Stream::Queue(writer) => write_each(pieces, |piece| writer.write(piece)),
            Stream::Member(member) => member.write_vectored(pieces),
        }
    }

    fn is_flushed(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => true,
            Stream::Tls(tls) => !tls.session.wants_write(),
            Stream::Queue(writer) => writer.is_empty(),
            Stream::Member(member) => member.is_flushed(),
        }
    }

    fn ask(&mut self) -> hub::Asked {
        match &mut self.stream {
            Stream::Member(member) => member.ask(),
            _ => hub::Asked::WithPing,
        }
    }

    fn shutdown(&mut self) {
        // The connection ends either way; a peer that is already gone is no news.
        match &mut self.stream {
            Stream::Plain(socket) => {
                let _ = socket.shutdown(std::net::Shutdown::Write);
            }
            Stream::Tls(tls) => {
                tls.session.send_close_notify();
                let _ = tls.flush();
                let _ = tls.socket.shutdown(std::net::Shutdown::Write);
            }
            Stream::Queue(writer) => writer.end(),
            Stream::Member(member) => member.shutdown(),
        }
    }
}
