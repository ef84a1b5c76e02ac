//! Where the bytes of a session go: a WebSocket, or the answers to polls. All sockets of the session write through it.
//!
//! What it takes are whole WebSocket frames, encoded once for all who get them; for a poll their headers are taken off
//! again. It takes whole frames only, so that those of two sockets never mix. Bounds: of the frame that a socket took a
//! part of, the rest; for a poll [`POLL`] bytes and a frame; of control packets what the settings say. All else waits in
//! the outboxes of the sockets, with the outboxes' bounds. Not here: who is told what (`session`, and the engine).

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::rc::Rc;

use bytes::Bytes;
use hub::{Asked, Link};
use protocol::Disconnect;
use protocol::socketio::{push_binary, push_text};
use tokio::sync::oneshot;

use super::asked::{Answer, Refused};
use crate::socket::Socket;

/// Bytes after which a poll's answer takes no more: as many as a shard reads or writes at once.
const POLL: usize = 64 * 1024;

/// The sessions that somebody has to look at before the loop waits.
#[derive(Debug, Default)]
pub(crate) struct Marks(RefCell<Vec<u32>>);

impl Marks {
    /// Takes them.
    pub(crate) fn take(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}

/// Where the bytes of a session go.
#[derive(Debug)]
pub(crate) struct Outlet {
    key: u32,
    marks: Rc<Marks>,
    is_marked: bool,
    /// Whether the client is to be asked for a sign of life.
    is_asking: bool,
    way: Way,
    /// Frames that wait; the first may be the rest of one.
    queued: Vec<u8>,
    /// Bytes of control packets among them.
    control: u32,
    /// The code of the Close frame that was written, if one was: nothing follows it.
    closed: Option<u16>,
    /// Namespaces whose sockets were told that they end.
    parted: Option<Box<Parted>>,
}

/// Names of namespaces; boxed, since hardly a session has any.
#[derive(Debug, Default)]
struct Parted(Vec<Box<str>>);

#[derive(Debug)]
enum Way {
    Socket(Socket),
    /// With the poll that waits.
    Polling(Option<oneshot::Sender<Answer>>),
    /// Nowhere any more.
    Gone,
}

/// More control packets wait than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Outlet {
    /// Of the session in that place, into a WebSocket; without one into polls.
    #[must_use]
    pub(crate) fn new(key: u32, marks: Rc<Marks>, socket: Option<Box<Socket>>) -> Self {
        let way = socket.map_or(Way::Polling(None), |socket| Way::Socket(*socket));
        let (queued, parted) = (Vec::new(), None);
        Self { key, marks, is_marked: false, is_asking: false, way, queued, control: 0, closed: None, parted }
    }

    /// The WebSocket, for reading.
    pub(crate) fn socket_mut(&mut self) -> Option<&mut Socket> {
        match &mut self.way {
            Way::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The code that it was closed with.
    #[must_use]
    pub(crate) fn closed(&self) -> Option<u16> {
        self.closed
    }

    /// Whether the client is to be asked for a sign of life; said once.
    pub(crate) fn take_ask(&mut self) -> bool {
        std::mem::take(&mut self.is_asking)
    }

    /// Whether everything is out.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Whether the socket of a namespace was told that it ends; said once.
    pub(crate) fn has_parted(&mut self, namespace: &str) -> bool {
        let Some(parted) = &mut self.parted else { return false };
        let place = parted.0.iter().position(|name| **name == *namespace);
        place.map(|place| parted.0.swap_remove(place)).is_some()
    }

    /// The mark is seen to.
    pub(crate) fn unmark(&mut self) {
        self.is_marked = false;
    }

    /// Has the session looked at at the end of the turn.
    pub(crate) fn mark(&mut self) {
        if !std::mem::replace(&mut self.is_marked, true) {
            self.marks.0.borrow_mut().push(self.key);
        }
    }

    /// Whether a poll waits whose client is still there.
    #[must_use]
    pub(crate) fn has_poll(&self) -> bool {
        matches!(&self.way, Way::Polling(Some(poll)) if !poll.is_closed())
    }

    /// Takes a poll in, which waits until there is something.
    pub(crate) fn wait(&mut self, poll: oneshot::Sender<Answer>) {
        match &mut self.way {
            Way::Polling(waiting) => *waiting = Some(poll),
            // A client that is gone does not hear so.
            _ => drop(poll.send(Answer::Refused(Refused::BadRequest))),
        }
        self.mark();
    }

    /// Answers the poll that waits, if one does, with this packet alone.
    pub(crate) fn answer_alone(&mut self, packet: &'static [u8]) {
        if let Way::Polling(waiting) = &mut self.way
            && let Some(poll) = waiting.take()
        {
            let _ = poll.send(Answer::Payload(Bytes::from_static(packet)));
        }
    }

    /// Answers the poll that waits with what there is for it.
    pub(crate) fn answer_poll(&mut self) {
        let Way::Polling(waiting) = &mut self.way else { return };
        if self.queued.is_empty() || waiting.is_none() {
            return;
        }
        let Some(poll) = waiting.take_if(|poll| !poll.is_closed()) else {
            // Its client is gone; what there is waits for the next one.
            *waiting = None;
            return;
        };
        let payload = payload(&self.queued);
        if poll.send(Answer::Payload(payload.into())).is_ok() {
            self.queued = Vec::new();
            self.control = 0;
        }
    }

    /// Lets a poll go that waits, with what there is for it.
    pub(crate) fn let_poll_go(&mut self) {
        self.answer_poll();
        self.answer_alone(b"6");
    }

    /// Goes on over this WebSocket. A client has no poll waiting when it says the word; one that does hears that polling is
    /// over.
    ///
    /// # Errors
    /// The WebSocket is broken.
    pub(crate) fn move_to(&mut self, socket: Socket) -> io::Result<()> {
        if let Way::Polling(Some(poll)) = std::mem::replace(&mut self.way, Way::Socket(socket)) {
            // A client that is gone does not hear so.
            let _ = poll.send(Answer::Refused(Refused::BadRequest));
        }
        self.flush().map(drop)
    }

    /// Writes a control packet, behind what waits.
    ///
    /// # Errors
    /// More than `most` bytes of them wait.
    pub(crate) fn control(&mut self, frames: &[u8], most: usize) -> Result<(), Full> {
        if self.closed.is_some() {
            return Ok(());
        }
        let control = self.control as usize + frames.len();
        if control > most {
            return Err(Full);
        }
        self.control = u32::try_from(control).unwrap_or(u32::MAX);
        self.queued.extend_from_slice(frames);
        // Whoever looks at the mark finds what is broken.
        let _ = self.flush();
        self.mark();
        Ok(())
    }

    /// Writes the Close frame, behind what waits. What comes later is not written.
    pub(crate) fn close(&mut self, frame: &[u8]) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(close_code(frame));
        self.queued.extend_from_slice(frame);
        let _ = self.flush();
        self.mark();
    }

    /// Writes what waits, as far as the WebSocket takes it. Says whether all is out.
    ///
    /// # Errors
    /// The WebSocket is broken.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let Way::Socket(socket) = &mut self.way else { return Ok(self.queued.is_empty()) };
        let outcome = socket.flush().and_then(|()| {
            let mut written = 0;
            while written < self.queued.len() {
                match socket.write(&self.queued[written..]) {
                    Ok(count) => written += count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(written)
        });
        match outcome {
            Ok(written) if written == self.queued.len() => {
                self.queued = Vec::new();
                self.control = 0;
                Ok(true)
            }
            Ok(written) => {
                self.queued.drain(..written);
                Ok(false)
            }
            Err(error) => {
                self.way = Way::Gone;
                self.mark();
                Err(error)
            }
        }
    }

    /// Whether nothing can be written any more.
    #[must_use]
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.way, Way::Gone)
    }

    /// Ends it: a poll that waits is answered with `last`, a WebSocket ends behind what was written.
    pub(crate) fn end(&mut self, last: &'static [u8]) {
        self.answer_poll();
        self.answer_alone(last);
        if let Way::Socket(socket) = &mut self.way {
            socket.shutdown();
        }
        self.way = Way::Gone;
        self.queued = Vec::new();
    }

    /// Takes whole frames of events in one piece: straight into a WebSocket for which nothing waits. The usual case.
    fn write_one(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_event = || bytes.first() == Some(&TEXT) && !Frame(bytes).payload().starts_with(b"41");
        if let Way::Socket(socket) = &mut self.way
            && self.queued.is_empty()
            && self.closed.is_none()
            && is_event()
        {
            match socket.write(bytes) {
                Ok(count) if count == bytes.len() => return Ok(count),
                Ok(count) if count > 0 => return Ok(self.queue_rest(&[IoSlice::new(bytes)], count)),
                Ok(_) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // Told as below.
                Err(_) => {}
            }
        }
        self.write(&[IoSlice::new(bytes)])
    }

    /// Takes whole frames, as many as go.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let all = pieces.iter().map(|piece| piece.len()).sum();
        if self.closed.is_some() {
            return Ok(all);
        }
        let mut taken = 0;
        let outcome = match &mut self.way {
            Way::Gone => Err(io::ErrorKind::BrokenPipe.into()),
            _ if matches!(pieces, [close, ..] if close.first() == Some(&CLOSE)) => {
                self.close(&pieces[0]);
                return Ok(all);
            }
            Way::Polling(Some(poll)) if poll.is_closed() => Err(io::ErrorKind::WouldBlock.into()),
            Way::Polling(Some(_)) => {
                for frame in pieces.iter().flat_map(|piece| Frames(piece)) {
                    if self.queued.len() >= POLL || frame.opcode() == CLOSE {
                        break;
                    }
                    self.queued.extend_from_slice(frame.0);
                    taken += frame.0.len();
                }
                if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
            }
            Way::Polling(None) => Err(io::ErrorKind::WouldBlock.into()),
            Way::Socket(_) if !self.queued.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            Way::Socket(socket) => socket.write_vectored(pieces).map(|count| {
                taken = count;
                if taken < all { self.queue_rest(pieces, count) } else { count }
            }),
        };
        match outcome {
            Ok(0) if all > 0 => Err(io::ErrorKind::WouldBlock.into()),
            Ok(count) => {
                self.note(pieces, count);
                if matches!(self.way, Way::Polling(_)) {
                    self.mark();
                }
                Ok(count)
            }
            Err(error) => {
                let is_passing =
                    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
                if !is_passing && !self.is_gone() {
                    self.way = Way::Gone;
                    self.mark();
                }
                Err(error)
            }
        }
    }

    /// Keeps the rest of the frame that was written in part. Returns where the next one begins.
    fn queue_rest(&mut self, pieces: &[IoSlice<'_>], written: usize) -> usize {
        let mut at = 0;
        for frame in pieces.iter().flat_map(|piece| Frames(piece)) {
            if at >= written {
                break;
            }
            let end = at + frame.0.len();
            if end > written {
                self.queued.extend_from_slice(&frame.0[written - at..]);
            }
            at = end;
        }
        at
    }

    /// Notes what was among the frames that is more than an event: the end of the session, or of a socket.
    fn note(&mut self, pieces: &[IoSlice<'_>], taken: usize) {
        let mut at = 0;
        for piece in pieces {
            if at >= taken {
                break;
            }
            at += piece.len();
            if piece.first() == Some(&CLOSE) && at <= taken {
                self.closed = Some(close_code(piece));
                self.mark();
            } else if let Some(name) = parting(piece) {
                self.parted.get_or_insert_default().0.push(name.into());
                self.mark();
            }
        }
    }
}

/// The first byte of a Close frame.
const CLOSE: u8 = 0x88;

/// The first byte of a frame of bytes.
const BINARY: u8 = 0x82;

/// The first byte of a frame of text.
const TEXT: u8 = 0x81;

fn close_code(frame: &[u8]) -> u16 {
    frame.get(2..4).and_then(|code| code.try_into().ok()).map_or(1005, u16::from_be_bytes)
}

/// The namespace whose socket a frame says to be at its end.
fn parting(frame: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(Frames(frame).next()?.payload().strip_prefix(b"41")?).ok()?;
    Some(text.strip_suffix(',').filter(|name| !name.is_empty()).unwrap_or("/"))
}

/// One unmasked frame.
struct Frame<'a>(&'a [u8]);

impl<'a> Frame<'a> {
    fn opcode(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    fn payload(&self) -> &'a [u8] {
        self.0.get(header(self.0)..).unwrap_or_default()
    }
}

/// The frames in what a server writes, one after the other.
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let length = match self.0.get(1) {
            Some(126) => {
                self.0.get(2..4).and_then(|it| it.try_into().ok()).map(u16::from_be_bytes).map(usize::from)
            }
            Some(127) => {
                let length = self.0.get(2..10).and_then(|it| it.try_into().ok()).map(u64::from_be_bytes);
                length.and_then(|length| usize::try_from(length).ok())
            }
            length => length.map(|&length| usize::from(length)),
        };
        // What is no whole frame stands alone; nobody writes such.
        let end = header(self.0).saturating_add(length.unwrap_or_default()).min(self.0.len());
        let (frame, rest) = self.0.split_at(end.max(1));
        self.0 = rest;
        Some(Frame(frame))
    }
}

/// The bytes of an unmasked frame's header (RFC 6455, 5.2).
fn header(frame: &[u8]) -> usize {
    match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    }
}

/// Whether the client of a session that was closed so is to begin another one. Some clients take the packet `1` for the
/// server's last word, so they are not given it: their next poll is that of an unknown session.
#[must_use]
pub(crate) fn comes_back(code: u16) -> bool {
    [Disconnect::DRAINING.code, Disconnect::SLOW.code, Disconnect::PING_TIMEOUT.code].contains(&code)
}

/// The payload of a poll's answer that has what the frames say.
fn payload(frames: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(frames.len());
    for frame in Frames(frames) {
        match frame.opcode() {
            TEXT => push_text(&mut payload, frame.payload()),
            BINARY => push_binary(&mut payload, frame.payload()),
            CLOSE if !comes_back(close_code(frame.0)) => push_text(&mut payload, b"1"),
            // Pings and pongs of WebSocket are none of Engine.IO's.
            _ => {}
        }
    }
    if payload.is_empty() {
        payload.push(b'6');
    }
    payload
}

/// The writing side of one socket of a session.
#[derive(Debug)]
pub(crate) struct Member(pub Rc<RefCell<Outlet>>);

impl Member {
    /// Whether it writes into that outlet.
    #[must_use]
    pub(crate) fn is_of(&self, outlet: &Rc<RefCell<Outlet>>) -> bool {
        Rc::ptr_eq(&self.0, outlet)
    }
}

impl Link for Member {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write_one(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.borrow_mut().write(pieces)
    }

    fn is_flushed(&self) -> bool {
        let outlet = self.0.borrow();
        match &outlet.way {
            Way::Socket(socket) => outlet.queued.is_empty() && socket.is_flushed(),
            _ => true,
        }
    }

    fn ask(&mut self) -> Asked {
        let mut outlet = self.0.borrow_mut();
        // One that polls comes by itself to fetch more.
        if matches!(outlet.way, Way::Socket(_)) {
            outlet.is_asking = true;
            outlet.mark();
        }
        Asked::ByItself
    }

    fn shutdown(&mut self) {
        // The session is told, and goes on; or it ends with its last socket if it was closed.
        self.0.borrow_mut().mark();
    }
}

#[cfg(test)]
mod tests;
