//! A client's reading of a server's bytes: frames, and the envelopes in them.

use protocol::websocket::inflate;
use serde_json::Value;

/// A whole frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    /// A text message, as JSON.
    Json(Value),
    Ping,
    Pong,
    /// Code and reason.
    Close(u16, String),
}

/// Takes the first frame from `bytes`: the frame and its length. None where it has not come whole.
pub(crate) fn take(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    assert_eq!(first & 0x80, 0x80, "a server fragments nothing");
    let (length, start) = match second {
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().expect("eight bytes")), 10),
        126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().expect("two bytes")).into(), 4),
        short => (short.into(), 2),
    };
    let end = start + usize::try_from(length).expect("a frame of a test is small");
    let payload = bytes.get(start..end)?;
    let frame = match first & 0x7F {
        0x01 => Frame::Json(serde_json::from_slice(payload).expect("an envelope is JSON")),
        0x41 => {
            let mut text = Vec::new();
            inflate(payload, 1 << 24, &mut text).expect("compressed by the server");
            Frame::Json(serde_json::from_slice(&text).expect("an envelope is JSON"))
        }
        0x08 if payload.is_empty() => Frame::Close(1005, String::new()),
        0x08 => {
            let (code, reason) = payload.split_at(2);
            let code = u16::from_be_bytes(code.try_into().expect("two bytes"));
            Frame::Close(code, String::from_utf8(reason.to_vec()).expect("a reason is UTF-8"))
        }
        0x09 => Frame::Ping,
        0x0A => Frame::Pong,
        other => panic!("a frame that no server sends: {other:#x}"),
    };
    Some((frame, end))
}
