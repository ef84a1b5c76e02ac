//! Server-sent events (contract: recovery): the frames of `/ws` as a stream of text, with the positions of all streams as
//! the id of each message.
//!
//! `id: jobs~AbC123_-~17,user:7~AbC123_-~3`. Names of channels need no escape there; of others the bytes that would be
//! read as something else are percent-encoded. Not here: the HTTP around it.

use std::time::Duration;

use crate::close::{Reconnect, TABLE};
use crate::position::{Epoch, Position};

/// The longest id that is read, in bytes: positions of 100 channels with the longest names.
pub const MAX_EVENT_ID: usize = 32 << 10;

/// The id of a last message after which the client is not to come back. A browser does all the same, and gives it back:
/// then the server can tell it to stop. No positions look like it.
pub const STOP: &str = "!";

/// A message: a frame's JSON text, and where the client then stands.
#[must_use]
pub fn message<'a>(json: &[u8], positions: impl IntoIterator<Item = (&'a str, Position)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + 96);
    // JSON that a publisher sent may be spread over lines, and CR ends a line too.
    for line in json.split(|&byte| byte == b'\n' || byte == b'\r') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    let mut positions = positions.into_iter().peekable();
    if positions.peek().is_some() {
        out.extend_from_slice(b"id: ");
        write_id(positions, &mut out);
        out.push(b'\n');
    }
    out.push(b'\n');
    out
}

/// What keeps a connection open, and means nothing to the client.
#[must_use]
pub fn ping() -> Vec<u8> {
    b": ping\n\n".to_vec()
}

/// The last message: why the hub ends the connection, as an event named `close`; and when the client may come back,
/// where that is said. With a code after which it never may, the id is [`STOP`].
#[must_use]
pub fn close(code: u16, reason: &str, retry: Option<Duration>) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    if let Some(retry) = retry {
        out.extend_from_slice(format!("retry: {}\n", retry.as_millis()).as_bytes());
    }
    out.extend_from_slice(b"event: close\ndata: ");
    let data = serde_json::json!({ "code": code, "reason": reason });
    out.extend_from_slice(data.to_string().as_bytes());
    out.push(b'\n');
    if TABLE.iter().any(|row| row.code == code && row.reconnect == Reconnect::Never) {
        out.extend_from_slice(format!("id: {STOP}\n").as_bytes());
    }
    out.push(b'\n');
    out
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b':' | b'.' | b'/' | b'@' | b'=')
}

/// Writes positions as an id.
pub fn write_id<'a>(positions: impl IntoIterator<Item = (&'a str, Position)>, out: &mut Vec<u8>) {
    for (n, (stream, position)) in positions.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        for byte in stream.bytes() {
            if is_plain(byte) {
                out.push(byte);
            } else {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
        out.push(b'~');
        out.extend_from_slice(&position.epoch.encode());
        out.push(b'~');
        out.extend_from_slice(position.offset.to_string().as_bytes());
    }
}

/// Reads an id that [`write_id`] wrote; none where it is something else.
#[must_use]
pub fn read_id(id: &str) -> Option<Vec<(String, Position)>> {
    if id.len() > MAX_EVENT_ID {
        return None;
    }
    if id.is_empty() {
        return Some(Vec::new());
    }
    id.split(',')
        .map(|part| {
            let mut parts = part.split('~');
            let (stream, epoch, offset) = (parts.next()?, parts.next()?, parts.next()?);
            let is_number = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
            if parts.next().is_some() || !is_number {
                return None;
            }
            let position = Position { epoch: Epoch::parse(epoch)?, offset: offset.parse().ok()? };
            Some((unescape(stream)?, position))
        })
        .collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(bits: u64, offset: u64) -> Position {
        Position { epoch: Epoch::from_bits(bits), offset }
    }

    #[test]
    fn a_message_has_its_lines_and_the_positions() {
        let text = message(b"{\"a\":\n1}", [("jobs", at(0, 17)), ("user:7", at(1, 3))]);
        let expected = "data: {\"a\":\ndata: 1}\nid: jobs~AAAAAAAA~17,user:7~AAAAAAAB~3\n\n";
        assert_eq!(String::from_utf8(text).expect("text"), expected);
        assert_eq!(message(b"{}", []), b"data: {}\n\n");
    }

    #[test]
    fn an_end_says_why_and_when_to_come_back() {
        let text = close(1001, "draining", Some(Duration::from_millis(2500)));
        let text = String::from_utf8(text).expect("text");
        assert!(text.starts_with("retry: 2500\nevent: close\ndata: {"), "{text}");
        assert!(text.ends_with("}\n\n") && text.contains("\"code\":1001"), "{text}");
        let text = String::from_utf8(close(4012, "Disconnected by an operator", None)).expect("text");
        assert!(text.starts_with("event: close\n") && text.ends_with("}\nid: !\n\n"), "{text}");
        assert_eq!(read_id(STOP), None);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in [
            "jobs",
            "jobs~AAAAAAAA",
            "jobs~AAAAAAAA~x",
            "jobs~AAAAAAAA~1~2",
            "jobs~AAAA~1",
            "~AAAAAAAA~1",
            "a%2~AAAAAAAA~1",
            "a%zz~AAAAAAAA~1",
            "jobs~AAAAAAAA~-1",
            "jobs~AAAAAAAA~+1",
            ",",
        ] {
            assert_eq!(read_id(id), None, "{id}");
        }
        assert_eq!(read_id(""), Some(vec![]));
    }

    proptest! {
        #[test]
        fn an_id_is_read_back(
            streams in prop::collection::vec(("[^\\x00-\\x1f]{1,20}", any::<u64>(), any::<u64>()), 0..5),
        ) {
            let positions: Vec<(String, Position)> = streams
                .into_iter()
                .map(|(name, epoch, offset)| (name, at(epoch, offset)))
                .collect();
            let mut out = Vec::new();
            write_id(positions.iter().map(|(name, position)| (name.as_str(), *position)), &mut out);
            let text = String::from_utf8(out).expect("ASCII");
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(read_id(&text), Some(positions));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = read_id(&text);
        }
    }
}
