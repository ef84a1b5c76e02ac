//! Bytes of a client in, messages and control frames out (RFC 6455 §5, RFC 7692 §6).
//!
//! A message that is whole in the input is handed over where it lies; anything cut, by the network or by
//! fragmentation, is gathered in a [`State`] on the heap, which exists only until the message is complete.
//! Not here: reading a socket, answering pings and closes, and the rules for one header (`header`).

use std::mem;
use std::ops::ControlFlow;

use super::deflate::{InflateError, with_inflated};
use super::error::CodecError;
use super::frame::{Opcode, unmask};
use super::header::{Expected, Header, MAX_HEADER, Open, wire_limit};

/// The most that is reserved because a frame's header says so, in bytes; beyond it a buffer at most doubles
/// with what has arrived. One page: a client that only declares lengths costs no more than one that connects.
const MAX_DECLARED_RESERVE: usize = 4096;

/// What a connection may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message in bytes: all fragments together, and after inflating it. A larger one fails with
    /// [`CodecError::TooLarge`], as soon as its length is declared.
    pub max_message: usize,
    /// Whether permessage-deflate with `client_no_context_takeover` was negotiated, as
    /// [`negotiate_deflate`](super::negotiate_deflate) does.
    pub deflate: bool,
}

/// A whole message or control frame of a client. Borrowed for as long as the sink runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message, checked to be UTF-8.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered with a pong of the same payload (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The client closes, with the code and reason it gave if it gave any (RFC 6455 §5.5.1). Nothing comes
    /// after it.
    Close(Option<(u16, &'a str)>),
}

/// The decoder of one connection, server side.
///
/// One pointer in size, and null whenever no frame and no message is incomplete.
#[derive(Debug, Default)]
pub struct Decoder {
    state: Option<Box<State>>,
}

/// What an incomplete frame or message has left behind.
#[derive(Debug, Default)]
struct State {
    /// A header of which only the first bytes have come.
    partial: [u8; MAX_HEADER],
    partial_len: u8,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The payload of a control frame so far, 125 bytes at most.
    control: Vec<u8>,
    /// The message whose fragments, or the pieces of whose only frame, are arriving.
    message: Option<Message>,
}

/// A frame with a complete header.
#[derive(Debug, Clone, Copy)]
struct Frame {
    header: Header,
    /// Payload bytes received, in earlier calls.
    received: usize,
}

/// A message that is being gathered.
#[derive(Debug)]
struct Message {
    kind: Kind,
    compressed: bool,
    data: Vec<u8>,
    /// How many bytes at the start of `data` are known to be whole characters; only for plain text.
    valid: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

/// How one step of decoding ended.
enum Step {
    /// The frame is done.
    Next,
    /// The input is used up inside a frame.
    Starved,
    /// The sink broke off, or a close frame came.
    Stop,
}

type Sink<'s> = dyn FnMut(Incoming<'_>) -> ControlFlow<()> + 's;

impl Decoder {
    /// Decodes all of `input`, which is unmasked in place, and calls `sink` with each message and control
    /// frame, in the order of their last bytes.
    ///
    /// A message that lies wholly and unfragmented in `input` is handed over without a copy or an allocation
    /// (a compressed one is inflated into a buffer that the thread keeps). When the sink breaks, and after a
    /// close frame, the rest of the input and everything held is discarded; the caller feeds no more.
    ///
    /// # Errors
    ///
    /// What the client did wrong, as early as it can be known: a header at its first wrong byte, text in the
    /// call in which the wrong byte arrives. Everything held is freed, and the caller feeds no more: a
    /// WebSocket can't be resynchronised.
    pub fn feed(
        &mut self,
        limits: &Limits,
        input: &mut [u8],
        sink: &mut dyn FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), CodecError> {
        // Taken out, so that whatever ends this call early also frees it.
        let mut state = self.state.take();
        let mut rest = input;
        loop {
            let frame = match state.as_mut().and_then(|state| state.frame.take()) {
                Some(frame) => frame,
                None => match next_header(&mut state, &mut rest, limits)? {
                    Some(header) => Frame { header, received: 0 },
                    None => break,
                },
            };
            let step = if frame.header.opcode.is_control() {
                control(frame, &mut state, &mut rest, sink)?
            } else {
                data(frame, &mut state, &mut rest, limits, sink)?
            };
            match step {
                Step::Next => {}
                Step::Starved => break,
                Step::Stop => return Ok(()),
            }
        }
        self.state = state.filter(|state| !state.is_idle());
        Ok(())
    }

    /// Whether every frame and message that began has ended. An idle decoder holds no memory.
    pub fn is_idle(&self) -> bool {
        self.state.is_none()
    }

    /// The bytes held on the heap for what is incomplete, so that the caller can account for them.
    pub fn buffered(&self) -> usize {
        self.state.as_ref().map_or(0, |state| {
            let message = state.message.as_ref().map_or(0, |message| message.data.capacity());
            size_of::<State>() + state.control.capacity() + message
        })
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.partial_len == 0 && self.frame.is_none() && self.message.is_none()
    }
}

/// Takes a header off `rest`, or puts what there is of it into the state.
fn next_header(
    state: &mut Option<Box<State>>,
    rest: &mut &mut [u8],
    limits: &Limits,
) -> Result<Option<Header>, CodecError> {
    if rest.is_empty() {
        return Ok(None);
    }
    let open = state.as_ref().and_then(|state| state.message.as_ref());
    let expected = Expected {
        deflate: limits.deflate,
        open: open.map(|message| Open { compressed: message.compressed, received: message.data.len() }),
        max_message: limits.max_message,
    };
    let known = state.as_ref().map_or(0, |state| usize::from(state.partial_len));
    if known == 0
        && let Some((header, size)) = Header::parse(rest, &expected)?
    {
        take(rest, size);
        return Ok(Some(header));
    }
    let state = state.get_or_insert_default();
    let fresh = rest.len().min(MAX_HEADER - known);
    state.partial[known..known + fresh].copy_from_slice(&rest[..fresh]);
    let parsed = Header::parse(&state.partial[..known + fresh], &expected)?;
    match parsed {
        Some((header, size)) => {
            state.partial_len = 0;
            // `size > known`: the known bytes alone were not a header.
            take(rest, size - known);
            Ok(Some(header))
        }
        None => {
            // Fewer than `MAX_HEADER` bytes, since that many are always a header or an error.
            state.partial_len = (known + fresh) as u8;
            take(rest, fresh);
            Ok(None)
        }
    }
}

/// Goes on with a control frame (RFC 6455 §5.5).
fn control(
    mut frame: Frame,
    state: &mut Option<Box<State>>,
    rest: &mut &mut [u8],
    sink: &mut Sink<'_>,
) -> Result<Step, CodecError> {
    let Header { opcode, len, .. } = frame.header;
    let whole = frame.received == 0 && rest.len() >= len;
    let piece = frame.take_piece(rest);
    if whole {
        return deliver_control(opcode, piece, sink);
    }
    let state = state.get_or_insert_default();
    state.control.reserve_exact(len - state.control.len());
    state.control.extend_from_slice(piece);
    if frame.received < len {
        state.frame = Some(frame);
        return Ok(Step::Starved);
    }
    deliver_control(opcode, &mem::take(&mut state.control), sink)
}

/// Goes on with a frame of a message (RFC 6455 §5.4).
fn data(
    mut frame: Frame,
    state: &mut Option<Box<State>>,
    rest: &mut &mut [u8],
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<Step, CodecError> {
    let Header { opcode, fin, compressed, len, .. } = frame.header;
    let kind = if opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
    let gathering = state.as_ref().is_some_and(|state| state.message.is_some());
    let whole = fin && !gathering && rest.len() >= len;
    let left = len - frame.received;
    let piece = frame.take_piece(rest);
    if whole {
        return deliver_message(kind, compressed, piece, limits, sink);
    }

    let state = state.get_or_insert_default();
    // A continuation always finds the message of its first frame.
    let message =
        state.message.get_or_insert_with(|| Message { kind, compressed, data: Vec::new(), valid: 0 });
    let most =
        if fin { message.data.len() + left } else { wire_limit(limits.max_message, message.compressed) };
    message.push(piece, left, most)?;
    if frame.received < len {
        state.frame = Some(frame);
        return Ok(Step::Starved);
    }
    if !fin {
        return Ok(Step::Next);
    }
    match state.message.take() {
        Some(message) => deliver_message(message.kind, message.compressed, &message.data, limits, sink),
        None => Ok(Step::Next),
    }
}

impl Frame {
    /// Takes what there is of the payload off `rest`, unmasked.
    fn take_piece<'a>(&mut self, rest: &mut &'a mut [u8]) -> &'a mut [u8] {
        let there = rest.len().min(self.header.len - self.received);
        let piece = take(rest, there);
        unmask(piece, self.header.mask, self.received);
        self.received += piece.len();
        piece
    }
}

impl Message {
    /// Appends a piece. `left` bytes of its frame are still to come, the piece included; the whole message
    /// will have `most` bytes at most.
    fn push(&mut self, piece: &[u8], left: usize, most: usize) -> Result<(), CodecError> {
        let needed = self.data.len() + piece.len();
        if needed > self.data.capacity() {
            let declared = self.data.len() + left.min(MAX_DECLARED_RESERVE);
            let doubled = self.data.capacity().saturating_mul(2);
            let target = doubled.max(declared).min(most).max(needed);
            self.data.reserve_exact(target - self.data.len());
        }
        self.data.extend_from_slice(piece);
        if self.kind == Kind::Text && !self.compressed {
            self.valid += whole_characters(&self.data[self.valid..])?;
        }
        Ok(())
    }
}

/// How many bytes at the start are whole characters, when the rest may be the beginning of one more.
fn whole_characters(bytes: &[u8]) -> Result<usize, CodecError> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => Ok(text.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(_) => Err(CodecError::InvalidText),
    }
}

fn deliver_message(
    kind: Kind,
    compressed: bool,
    payload: &[u8],
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<Step, CodecError> {
    if !compressed {
        return deliver_plain(kind, payload, sink);
    }
    with_inflated(payload, limits.max_message, |plain| deliver_plain(kind, plain, sink)).unwrap_or_else(
        |error| {
            Err(match error {
                InflateError::TooLarge => CodecError::TooLarge { limit: limits.max_message },
                InflateError::Corrupt => CodecError::CorruptDeflate,
            })
        },
    )
}

fn deliver_plain(kind: Kind, payload: &[u8], sink: &mut Sink<'_>) -> Result<Step, CodecError> {
    let incoming = match kind {
        // Gathered text is checked a second time, at gigabytes a second: the price of no `unsafe`.
        Kind::Text => {
            Incoming::Text(simdutf8::basic::from_utf8(payload).map_err(|_| CodecError::InvalidText)?)
        }
        Kind::Binary => Incoming::Binary(payload),
    };
    Ok(step(sink(incoming)))
}

fn deliver_control(opcode: Opcode, payload: &[u8], sink: &mut Sink<'_>) -> Result<Step, CodecError> {
    match opcode {
        Opcode::Ping => Ok(step(sink(Incoming::Ping(payload)))),
        Opcode::Close => {
            // Whatever the sink says: nothing after a close frame counts (§5.5.1).
            let _ = sink(Incoming::Close(close_payload(payload)?));
            Ok(Step::Stop)
        }
        _ => Ok(step(sink(Incoming::Pong(payload)))),
    }
}

fn step(flow: ControlFlow<()>) -> Step {
    if flow.is_break() { Step::Stop } else { Step::Next }
}

/// The code and reason of a close frame (RFC 6455 §5.5.1 and §7.4).
fn close_payload(payload: &[u8]) -> Result<Option<(u16, &str)>, CodecError> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(CodecError::TruncatedCloseCode),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    // 1004, 1005, 1006 and 1015 never appear on the wire, 1016 to 2999 are for the protocol's future; 1012 to
    // 1014 are registered with IANA.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(CodecError::InvalidCloseCode(code));
    }
    let reason = simdutf8::basic::from_utf8(reason).map_err(|_| CodecError::InvalidCloseReason)?;
    Ok(Some((code, reason)))
}

/// Splits `len` bytes off the front.
fn take<'a>(rest: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let (front, back) = mem::take(rest).split_at_mut(len);
    *rest = back;
    front
}

#[cfg(test)]
mod tests;
