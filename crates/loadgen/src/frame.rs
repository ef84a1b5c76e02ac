//! WebSocket framing of the client's side: headers are read by length alone, payloads are looked at where they lie.
//!
//! Not in it: fragmentation and compression (no target is asked for either), and checks a conformance suite makes.

#[cfg(test)]
mod tests;

/// Text, close, ping, pong: the opcodes this client acts on.
pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The key of every handshake and the answer to it, both from RFC 6455, section 1.3: nothing is computed per connection.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A whole frame at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
    /// Bytes of header and payload together.
    pub(crate) len: usize,
}

/// The first frame of `bytes`, or `None` while it is incomplete.
#[inline]
pub(crate) fn next(bytes: &[u8]) -> Option<Frame<'_>> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
    let (header, length) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*rest.first_chunk::<8>()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let end = length.checked_add(header)?;
    Some(Frame { opcode: first & 0x0f, payload: bytes.get(header..end)?, len: end })
}

/// Appends a masked frame (RFC 6455, section 5.3). The mask is all zeros: legal, and it costs nothing to apply.
pub(crate) fn write_masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..126 => out.push(0x80 | u8::try_from(short).unwrap_or(0)),
        medium => {
            out.push(0x80 | 126);
            out.extend_from_slice(&u16::try_from(medium).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Appends an unmasked text frame, as a server sends it; the bare writer of `floor` needs it.
pub(crate) fn write_text(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(0x80 | TEXT);
    match payload.len() {
        short @ 0..126 => out.push(u8::try_from(short).unwrap_or(0)),
        medium => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(medium).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// What a handshake's answer says so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// The head is not complete.
    Incomplete,
    /// Accepted; frames begin at this offset.
    Accepted(usize),
    /// Refused, with the status line.
    Refused(String),
}

/// Reads the answer to the upgrade request.
pub(crate) fn handshake(bytes: &[u8]) -> Handshake {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Handshake::Incomplete };
    let head = &bytes[..end];
    if head.starts_with(b"HTTP/1.1 101") && memchr::memmem::find(head, ACCEPT.as_bytes()).is_some() {
        return Handshake::Accepted(end + 4);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Handshake::Refused(String::from_utf8_lossy(line).into_owned())
}

/// The upgrade request of one connection.
pub(crate) fn upgrade_request(out: &mut Vec<u8>, path: &str, host: &str, token: Option<&str>) {
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    if let Some(token) = token {
        out.extend_from_slice(if path.contains('?') { b"&token=" } else { b"?token=" });
        out.extend_from_slice(token.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(
        b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
    );
    out.extend_from_slice(KEY.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}
