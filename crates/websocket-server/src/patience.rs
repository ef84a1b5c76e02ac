//! What one peer may make an HTTP connection wait for, and hold.
//!
//! actix bounds the first head of a connection and the silence between two requests. What it does not bound is a
//! later head that never ends, a body that trickles in, a refused body that goes on for ever, and an answer that
//! nobody reads; nor how many requests of one connection it has in memory. This stands between actix and the
//! socket and bounds them all: what was read has to lead to an answer, and what is written has to be taken, within
//! the request's time; and no more is read than a little at once, and nothing while an answer waits. A socket that
//! becomes a WebSocket leaves it behind; one with an answer without an end may be silent, and tells the answer when its
//! peer is gone.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Silence after an answer that is too long even for an idle connection: more than actix' own keep-alive, which
/// ends most, but not those whose request was refused before its body came.
const SILENCE: Duration = Duration::from_secs(80);

/// Bytes after which a reader has to look at what it has before it gets more. actix would read 128 KiB at once and
/// make all the requests in there before it answers the first: thousands, of kilobytes each, for every connection.
const GULP: usize = 4 * 1024;

/// What a handler has left to tell its peer that the time is over, before the connection is cut.
const MARGIN: Duration = Duration::from_secs(1);

/// Has the kernel give up on a peer that acknowledges nothing of what it was sent for so long; `None`: after its own
/// time, a quarter of an hour. Nothing else tells of a client of server-sent events that lost its network: it never
/// answers. Where the system cannot be told so, that time it is.
pub(crate) fn give_up_after(socket: &TcpStream, silence: Option<Duration>) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(socket).set_tcp_user_timeout(silence);
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, silence);
}

/// What the stream of an HTTP connection and an answer without an end on it tell each other.
#[derive(Debug, Default)]
pub(crate) struct Bond {
    is_peer_gone: Cell<bool>,
    is_endless: Cell<bool>,
}

impl Bond {
    /// Whether the peer has said that it sends nothing more. The task that reads was woken for it.
    #[must_use]
    pub(crate) fn is_peer_gone(&self) -> bool {
        self.is_peer_gone.get()
    }

    /// The peer has said that it sends nothing more.
    pub(crate) fn tell_that_peer_is_gone(&self) {
        self.is_peer_gone.set(true);
    }

    /// Whether an answer without an end is being given: then silence is no sign of anything.
    pub(crate) fn answer_without_end(&self, is_endless: bool) {
        self.is_endless.set(is_endless);
    }
}

/// A stream that fails when its peer takes too long.
#[derive(Debug)]
pub(crate) struct Patience<T> {
    io: T,
    /// From the first byte of a request to its answer, and from there to its last byte.
    limit: Duration,
    /// Whether the limit runs: something was read, or could not be written, since the last write.
    pressed: bool,
    deadline: Instant,
    /// Bytes read since the reader last waited.
    gulp: usize,
    /// Whether the last write found no room.
    stalled: bool,
    /// Set for the deadline or earlier.
    alarm: Option<Pin<Box<Sleep>>>,
    bond: Rc<Bond>,
}

impl<T> Patience<T> {
    /// Watches over `io`.
    pub(crate) fn new(io: T, limit: Duration) -> Self {
        Self {
            io,
            limit: limit + MARGIN,
            pressed: false,
            deadline: Instant::now() + SILENCE,
            gulp: 0,
            stalled: false,
            alarm: None,
            bond: Rc::default(),
        }
    }

    /// What it tells an answer without an end, and the other way round.
    #[must_use]
    pub(crate) fn bond(&self) -> Rc<Bond> {
        Rc::clone(&self.bond)
    }

    /// The stream, whose peer may from now on take its time.
    pub(crate) fn into_inner(self) -> T {
        self.io
    }

    /// The limit runs from now on, if it does not yet.
    fn press(&mut self) {
        if !self.pressed {
            self.pressed = true;
            self.deadline = Instant::now() + self.limit;
        }
    }

    /// What a write ended with: progress, or one more reason to hurry.
    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if std::mem::take(&mut self.stalled) {
                // The reader was put off.
                cx.waker().wake_by_ref();
            }
            self.pressed = false;
            self.deadline = Instant::now() + SILENCE;
            return written;
        }
        self.stalled = true;
        self.press();
        self.watch(cx).map(|()| Err(too_slow()))
    }

    /// Wakes the task at the deadline. The alarm is set anew only when it went off or is too late, so a connection
    /// with many requests seldom pays for it.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.deadline)));
        if alarm.deadline() > self.deadline {
            alarm.as_mut().reset(self.deadline);
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.deadline {
                if self.pressed || !self.bond.is_endless.get() {
                    return Poll::Ready(());
                }
                self.deadline = now + SILENCE;
            }
            alarm.as_mut().reset(self.deadline);
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer kept the connection waiting")
}

impl<T: AsyncRead + Unpin> AsyncRead for Patience<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.gulp >= GULP {
            self.gulp = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = buffer.remaining().min(GULP - self.gulp);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        // One who does not take his answers is not asked for more.
        let read = if self.stalled { Poll::Pending } else { Pin::new(&mut self.io).poll_read(cx, &mut part) };
        let Poll::Ready(done) = read else {
            self.gulp = 0;
            return self.watch(cx).map(|()| Err(too_slow()));
        };
        let count = part.filled().len();
        buffer.advance(count);
        self.gulp += count;
        if count > 0 {
            if self.pressed && Instant::now() >= self.deadline {
                return Poll::Ready(Err(too_slow()));
            }
            self.press();
        } else if most > 0 {
            self.bond.tell_that_peer_is_gone();
        }
        Poll::Ready(done)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patience<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, pieces);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
