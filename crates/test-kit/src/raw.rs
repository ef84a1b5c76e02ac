//! A client that sends exactly the bytes that a test gives it: malformed handshakes, frames that break RFC 6455,
//! half of a frame, or nothing at all. Reads are frames or bytes as they came, compressed or not.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use crate::client::is_timeout;
use crate::http::{find, parse_head};
use crate::stream::Stream;
use crate::wait::{PATIENCE, left};

/// The key of every handshake that this client makes (RFC 6455, 1.3: the example's).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What a server has to answer to [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A frame as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The last frame of its message?
    pub fin: bool,
    /// The three reserved bits, RSV1 the highest (4): it marks compressed messages.
    pub reserved: u8,
    /// The opcode: 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// Masked with this key, as every frame of a client must be.
    pub mask: Option<[u8; 4]>,
    /// The payload, not masked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of a client that keeps the rules.
    #[must_use]
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, reserved: 0, opcode, mask: Some([0x37, 0xfa, 0x21, 0x3d]), payload: payload.into() }
    }

    /// A masked text frame.
    #[must_use]
    pub fn text(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(1, payload)
    }

    /// A Close frame with a code and a reason.
    #[must_use]
    pub fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::new(8, payload)
    }

    /// The same frame without a mask.
    #[must_use]
    pub fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    /// The same frame with these reserved bits.
    #[must_use]
    pub fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits;
        self
    }

    /// The same frame, but not the last of its message.
    #[must_use]
    pub fn unfinished(mut self) -> Self {
        self.fin = false;
        self
    }

    /// The bytes on the wire, with the shortest form of the length.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut out = vec![(u8::from(self.fin) << 7) | ((self.reserved & 7) << 4) | (self.opcode & 15)];
        let length = self.payload.len();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => out.push(masked | short),
            (_, Ok(medium)) => {
                out.push(masked | 126);
                out.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        match self.mask {
            Some(mask) => {
                out.extend_from_slice(&mask);
                out.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
            None => out.extend_from_slice(&self.payload),
        }
        out
    }

    /// The frame at the head of `bytes` and its length, once all of it is there.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, mut at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        let mask: Option<[u8; 4]> = if second & 0x80 != 0 {
            at += 4;
            Some(bytes.get(at - 4..at)?.try_into().ok()?)
        } else {
            None
        };
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        let mut payload = bytes.get(at..end)?.to_vec();
        if let Some(mask) = mask {
            payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        let frame =
            Self { fin: first & 0x80 != 0, reserved: (first >> 4) & 7, opcode: first & 15, mask, payload };
        Some((frame, end))
    }

    /// The code and reason of a Close frame; 1005 where it has none.
    ///
    /// # Panics
    /// When it is no Close frame or its reason is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn close_reason(&self) -> (u16, String) {
        assert_eq!(self.opcode, 8, "not a Close frame: {self:?}");
        match self.payload.split_at_checked(2) {
            Some((code, reason)) => {
                let reason = String::from_utf8(reason.to_vec()).expect("a reason in UTF-8");
                (u16::from_be_bytes([code[0], code[1]]), reason)
            }
            None => (1005, String::new()),
        }
    }
}

/// The answer to a handshake.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status code: 101 when the server agreed.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of a header field; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A TCP connection and what has been read from it but not yet been asked for.
#[derive(Debug)]
pub struct RawClient {
    stream: Stream,
    address: SocketAddr,
    unread: Vec<u8>,
}

impl RawClient {
    /// Connects; nothing is sent.
    ///
    /// # Panics
    /// When the server does not accept.
    #[must_use]
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        match Self::try_connect(address, None) {
            Ok(client) => client,
            Err(error) => panic!("{address}: {error}"),
        }
    }

    /// Connects with a receive buffer of about `bytes`, so that a client that does not read is full soon.
    ///
    /// # Panics
    /// When the server does not accept.
    #[must_use]
    #[track_caller]
    pub fn connect_with_buffer(address: SocketAddr, bytes: usize) -> Self {
        match Self::try_connect(address, Some(bytes)) {
            Ok(client) => client,
            Err(error) => panic!("{address}: {error}"),
        }
    }

    /// Connects, where that it fails is an answer too.
    ///
    /// # Errors
    /// The kernel's.
    pub fn try_connect(address: SocketAddr, receive_buffer: Option<usize>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect_timeout(&address.into(), PATIENCE)?;
        socket.set_tcp_nodelay(true)?;
        let stream = Stream::Plain(socket.into());
        stream.set_timeout(Some(PATIENCE))?;
        Ok(Self { stream, address, unread: Vec::new() })
    }

    /// Connects and makes a handshake at `path`, with more header fields (each without its line end).
    ///
    /// # Panics
    /// When the server does not answer 101.
    #[must_use]
    #[track_caller]
    pub fn upgraded(address: SocketAddr, path: &str, headers: &[&str]) -> Self {
        let mut client = Self::connect(address);
        let head = client.upgrade(path, headers);
        assert_eq!(head.status, 101, "{head:?}");
        client
    }

    /// Makes a handshake; its answer.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn upgrade(&mut self, path: &str, headers: &[&str]) -> Head {
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n",
            self.address
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.write(request.as_bytes());
        self.read_head()
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the connection is gone.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_write(bytes) {
            panic!("writing {} bytes failed: {error}", bytes.len());
        }
    }

    /// Sends bytes, where that it fails is an answer too.
    ///
    /// # Errors
    /// The kernel's.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// When the connection is gone.
    #[track_caller]
    pub fn send(&mut self, frame: &Frame) {
        self.write(&frame.bytes());
    }

    /// Reads the head of an HTTP answer; what follows it stays unread.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    #[track_caller]
    pub fn read_head(&mut self) -> Head {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                let rest = self.unread.split_off(at + 4);
                let head = std::mem::replace(&mut self.unread, rest);
                match parse_head(&head[..at]) {
                    Ok((status, headers)) => return Head { status, headers },
                    Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&head)),
                }
            }
            match self.fill(end) {
                Ok(0) => panic!("the connection ended before an answer: {:?}", self.unread_text()),
                Ok(_) => {}
                Err(error) => panic!("no answer: {error}; so far {:?}", self.unread_text()),
            }
        }
    }

    /// The next frame; `None` when the connection ended.
    ///
    /// # Panics
    /// When nothing comes within [`PATIENCE`].
    #[track_caller]
    pub fn next_frame(&mut self) -> Option<Frame> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some((frame, length)) = Frame::parse(&self.unread) {
                self.unread.drain(..length);
                return Some(frame);
            }
            match self.fill(end) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if is_timeout(&error) => panic!("no frame within {PATIENCE:?}"),
                Err(_) => return None,
            }
        }
    }

    /// Reads frames up to the server's Close: its code and reason; 1006 where the connection just ended.
    ///
    /// # Panics
    /// When it is still open after [`PATIENCE`].
    #[track_caller]
    pub fn expect_close(&mut self) -> (u16, String) {
        loop {
            match self.next_frame() {
                Some(frame) if frame.opcode == 8 => return frame.close_reason(),
                Some(_) => {}
                None => return (1006, String::new()),
            }
        }
    }

    /// Waits until the server has ended the connection; what it sent before that and nobody has read yet.
    ///
    /// # Panics
    /// When it is still open after `patience`.
    #[track_caller]
    pub fn expect_end(&mut self, patience: std::time::Duration) -> Vec<u8> {
        let end = Instant::now() + patience;
        loop {
            match self.fill(end) {
                Ok(0) => return std::mem::take(&mut self.unread),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {
                    assert!(Instant::now() < end, "still open after {patience:?}");
                }
                Err(_) => return std::mem::take(&mut self.unread),
            }
        }
    }

    /// Tells the server that nothing more will come; answers can still be read.
    pub fn finish(&mut self) {
        let _ = self.stream.tcp().shutdown(Shutdown::Write);
    }

    fn unread_text(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    fn fill(&mut self, end: Instant) -> io::Result<usize> {
        self.stream.set_timeout(Some(left(end)))?;
        let mut buffer = [0; 64 * 1024];
        let count = self.stream.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_survive_the_round_trip() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let frame = Frame::new(2, vec![7; length]);
            let bytes = frame.bytes();
            assert_eq!(Frame::parse(&bytes), Some((frame, bytes.len())));
            assert_eq!(Frame::parse(&bytes[..bytes.len() - 1]), None);
        }
    }
}
