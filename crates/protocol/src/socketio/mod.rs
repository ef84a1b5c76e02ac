//! The dialect of `/socket.io/`: Engine.IO 4 packets and payloads, and the Socket.IO 5 packets in them.
//!
//! | part | what it does |
//! |---|---|
//! | `engine` | one Engine.IO packet, and the payloads of long polling that hold several: [`EnginePacket`], [`payload`] |
//! | `packet` | one Socket.IO packet of a client, read where it lies: [`Packet`], [`Event`] |
//! | `write` | what the server sends, each with the Engine.IO type in front: [`connect`], [`event`], [`ack`] |
//!
//! Reading borrows: a packet is its text with its parts marked. Writing makes each packet once for all who get it; a
//! WebSocket frames it as it is, a payload joins several. Not here: sessions, transports, attachments on their way, and
//! what an event means.

mod engine;
mod packet;
mod write;

pub use engine::{EnginePacket, MAX_PAYLOAD, SEPARATOR, VERSION, open, payload, push_binary, push_text};
pub use packet::{Event, Kind, MAX_ATTACHMENTS, MAX_NAMESPACE, Packet, PacketError, is_reserved};
pub use write::{ack, binary_ack, binary_event, connect, connect_error, disconnect, event};

#[cfg(test)]
mod tests;
