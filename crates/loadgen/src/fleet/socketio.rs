//! Receivers that speak Socket.IO 5 over Engine.IO 4: the open packet, the connection to a namespace, heartbeats, events.
//!
//! The packets are the same over both transports; a WebSocket frame holds one, an answer to a poll as many as there are
//! ([`super::polling`]). Not in it: acks, binary events, other namespaces; nobody sends them here.

#[cfg(test)]
mod tests;

use std::io::Write as _;

use super::{Entry, Fleet, Stage, Transport};
use crate::frame;
use crate::order::Order;

/// Where both transports are.
pub(super) const PATH: &str = "/socket.io/?EIO=4&transport=";
/// Engine.IO's heartbeat and the answer to it.
pub(super) const PONG: &[u8] = b"3";
const PING: &[u8] = b"2";
const NOOP: &[u8] = b"6";

/// The packets of one namespace as they begin.
#[derive(Debug)]
pub(super) struct Words {
    /// `40/orders,`, in both directions.
    connect: Vec<u8>,
    /// `42/orders,`
    event: Vec<u8>,
    pub(super) transport: Transport,
}

/// What a packet asks of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Nothing,
    Pong,
    /// Connect to the namespace.
    Connect,
}

impl Words {
    /// Those of receivers that enter so; none where they speak another language.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let Entry::Namespace { name, transport, .. } = entry else { return None };
        // The main namespace has no name on the wire.
        let behind = if name == "/" { String::new() } else { format!("{name},") };
        let begin = |kind: &str| format!("{kind}{behind}").into_bytes();
        Some(Self { connect: begin("40"), event: begin("42"), transport: *transport })
    }

    /// Appends the packet that asks for the namespace.
    pub(super) fn write_connect(&self, out: &mut Vec<u8>, token: Option<&str>) {
        out.extend_from_slice(&self.connect);
        if let Some(token) = token {
            let _ = write!(out, "{{\"token\":\"{token}\"}}");
        }
    }
}

impl Fleet {
    /// The account of order; it is kept for these receivers only.
    pub(crate) fn order(&mut self) -> Option<&mut Order> {
        self.words.as_ref().map(|_| &mut self.order)
    }

    /// Handles one packet and says what the client has to send.
    #[inline]
    pub(super) fn packet(&mut self, seat: usize, packet: &[u8], now_ns: u64) -> Reply {
        let Some(words) = &self.words else { return Reply::Nothing };
        if packet.starts_with(&words.event) {
            if let Some((seq, sent_ns)) = self.reader.read(packet) {
                self.ledger.deliver(seat, seq, sent_ns, now_ns);
                self.order.follow(seat, seq);
            }
            return Reply::Nothing;
        }
        self.other_packet(seat, packet)
    }

    #[cold]
    fn other_packet(&mut self, seat: usize, packet: &[u8]) -> Reply {
        let (Some(words), Some(receiver)) = (&self.words, self.receivers[seat].as_mut()) else {
            return Reply::Nothing;
        };
        let is_entering = receiver.stage == Stage::Subscribing;
        if packet == PING {
            return Reply::Pong;
        } else if is_entering && packet.starts_with(b"0{") {
            return Reply::Connect;
        } else if is_entering && packet.starts_with(&words.connect) {
            receiver.stage = Stage::Open;
            self.open += 1;
        } else if packet != NOOP {
            // A refusal (44), an end (1, 41), or what no server may send here.
            self.refused += u64::from(is_entering);
            self.lose(seat, &String::from_utf8_lossy(packet));
        }
        Reply::Nothing
    }

    /// Handles a WebSocket frame.
    pub(super) fn packet_frame(&mut self, seat: usize, found: &frame::Frame<'_>, now_ns: u64) {
        if found.opcode != frame::TEXT {
            return self.other_frame(seat, found);
        }
        let mut text = Vec::new();
        match self.packet(seat, found.payload, now_ns) {
            Reply::Nothing => return,
            Reply::Pong => text.extend_from_slice(PONG),
            Reply::Connect => {
                if let Some(words) = &self.words {
                    words.write_connect(&mut text, self.seats[seat].token.as_deref());
                }
            }
        }
        self.request.clear();
        frame::write_masked(&mut self.request, frame::TEXT, &text);
        self.send_request(seat);
    }

    /// Writes what is in `request` to a receiver.
    pub(super) fn send_request(&mut self, seat: usize) {
        let Some(receiver) = self.receivers[seat].as_mut() else { return };
        if let Err(error) = receiver.stream.write_all(&self.request) {
            self.lose(seat, &error.to_string());
        }
    }
}
