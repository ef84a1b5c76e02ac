//! Frames as they go onto the wire (RFC 6455 §5.2): opcodes, headers, whole server frames, and masking.
//!
//! A server's frames are unmasked, never fragmented, and built once for all connections that get them. Not
//! here: reading (`header` and `decoder`), compression (`deflate`), and deciding what to send.

use bytes::Bytes;

/// The largest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The largest reason in a close frame, in bytes: a control payload less the two bytes of the code.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// The longest header of an unmasked frame: two bytes and a 64-bit length.
const MAX_SERVER_HEADER: usize = 10;

pub(super) const FIN: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
pub(super) const RSV2_RSV3: u8 = 0x30;
pub(super) const MASK: u8 = 0x80;

/// What a frame is (RFC 6455 §5.2 and §11.8). Reserved values have no variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the open message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The end of the connection, with an optional code and reason.
    Close = 0x8,
    /// A question whether the peer is there.
    Ping = 0x9,
    /// The answer to a ping, or an unsolicited sign of life.
    Pong = 0xA,
}

impl Opcode {
    /// The opcode of the low four bits of a frame's first byte; `None` for the reserved ones.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// The four bits on the wire.
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether it is a control frame: close, ping or pong (RFC 6455 §5.5).
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// Appends the header of an unmasked, unfragmented frame (FIN set) to `out`: 2, 4 or 10 bytes.
///
/// `rsv1` says that the payload is a message compressed with permessage-deflate (RFC 7692 §6).
pub fn encode_header(opcode: Opcode, rsv1: bool, payload_len: usize, out: &mut Vec<u8>) {
    put_header(first_byte(opcode, true, rsv1), 0, payload_len, out);
}

/// A whole text message. `payload` has to be UTF-8: it is not checked here, since what a server sends was
/// checked when it came in.
pub fn text_frame(payload: &[u8]) -> Bytes {
    server_frame(Opcode::Text, false, payload)
}

/// A whole binary message.
pub fn binary_frame(payload: &[u8]) -> Bytes {
    server_frame(Opcode::Binary, false, payload)
}

/// A whole compressed text message; `deflated` is what [`compress`](super::compress) returned. Only for
/// connections that negotiated permessage-deflate.
pub fn compressed_text_frame(deflated: &[u8]) -> Bytes {
    server_frame(Opcode::Text, true, deflated)
}

/// A close frame. A reason beyond [`MAX_CLOSE_REASON`] bytes is cut at the last whole character that fits.
///
/// The code is sent as given; 1005, 1006 and 1015 must never be (RFC 6455 §7.4.1).
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(MAX_CLOSE_REASON)];
    let mut payload = [0; MAX_CONTROL_PAYLOAD];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
    server_frame(Opcode::Close, false, &payload[..2 + reason.len()])
}

/// A ping. A payload beyond [`MAX_CONTROL_PAYLOAD`] bytes is cut.
pub fn ping_frame(payload: &[u8]) -> Bytes {
    server_frame(Opcode::Ping, false, control_payload(payload))
}

/// A pong; as the answer to a ping it carries the ping's payload (RFC 6455 §5.5.3). A payload beyond
/// [`MAX_CONTROL_PAYLOAD`] bytes is cut.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    server_frame(Opcode::Pong, false, control_payload(payload))
}

/// A frame as a client sends it, masked with `mask` (RFC 6455 §5.3). For clients and tests; nothing is
/// checked, so that a test can also build frames that a server must refuse.
pub fn masked_frame(opcode: Opcode, fin: bool, rsv1: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(MAX_SERVER_HEADER + mask.len() + payload.len());
    put_header(first_byte(opcode, fin, rsv1), MASK, payload.len(), &mut frame);
    frame.extend_from_slice(&mask);
    let start = frame.len();
    frame.extend_from_slice(payload);
    unmask(&mut frame[start..], mask, 0);
    frame
}

/// Masks or unmasks `data` in place (RFC 6455 §5.3); the operation is its own inverse.
///
/// `offset` is the position of `data[0]` in the frame's payload, for a payload that arrives in pieces.
pub fn unmask(data: &mut [u8], key: [u8; 4], offset: usize) {
    let mut key = key;
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = data.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
    }
}

fn server_frame(opcode: Opcode, rsv1: bool, payload: &[u8]) -> Bytes {
    // Sized exactly: `Bytes::from` then takes the allocation over as it is.
    let mut frame = Vec::with_capacity(server_header_len(payload.len()) + payload.len());
    encode_header(opcode, rsv1, payload.len(), &mut frame);
    frame.extend_from_slice(payload);
    Bytes::from(frame)
}

const fn server_header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => MAX_SERVER_HEADER,
    }
}

fn first_byte(opcode: Opcode, fin: bool, rsv1: bool) -> u8 {
    opcode.bits() | if fin { FIN } else { 0 } | if rsv1 { RSV1 } else { 0 }
}

fn put_header(first: u8, mask_bit: u8, payload_len: usize, out: &mut Vec<u8>) {
    match payload_len {
        // The minimal number of bytes must be used (§5.2).
        0..=125 => out.extend_from_slice(&[first, mask_bit | payload_len as u8]),
        126..=0xFFFF => {
            out.extend_from_slice(&[first, mask_bit | 126]);
            out.extend_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[first, mask_bit | 127]);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}

fn control_payload(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(MAX_CONTROL_PAYLOAD)]
}

#[cfg(test)]
mod tests;
