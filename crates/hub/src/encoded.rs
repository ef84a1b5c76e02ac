//! A publication and its bytes on each wire, encoded at most once each and shared by all who get it.

use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;
use protocol::websocket::{compress, compressed_text_frame, text_frame};
use protocol::{Publication, channels};

use crate::metrics::Metrics;

/// What a connection's bytes look like: a dialect, and how its frames are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Wire {
    /// The envelopes of `/ws` in plain text frames.
    Channels,
    /// The same for a client that agreed to permessage-deflate.
    ChannelsDeflate,
}

/// How many wires there are.
pub const WIRES: usize = 2;

impl Wire {
    /// The dialect's name, for metrics.
    #[must_use]
    pub const fn dialect(self) -> &'static str {
        "channels"
    }

    /// The wire's place in an array of [`WIRES`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether messages may be compressed.
    #[must_use]
    pub const fn is_deflate(self) -> bool {
        matches!(self, Self::ChannelsDeflate)
    }
}

/// A publication on its way, with its bytes.
#[derive(Debug)]
pub struct Encoded {
    publication: Publication,
    accepted_at: Instant,
    deflate_min: Option<usize>,
    frames: [OnceLock<Bytes>; WIRES],
}

impl Encoded {
    /// Takes a publication; messages of `deflate_min` bytes and more are compressed for those who can
    /// read it.
    #[must_use]
    pub fn new(publication: Publication, deflate_min: Option<usize>) -> Self {
        Self {
            publication,
            accepted_at: Instant::now(),
            deflate_min,
            frames: [const { OnceLock::new() }; WIRES],
        }
    }

    /// The publication itself.
    #[must_use]
    pub fn publication(&self) -> &Publication {
        &self.publication
    }

    /// When the hub took it.
    #[must_use]
    pub fn accepted_at(&self) -> Instant {
        self.accepted_at
    }

    /// About how many bytes it holds, for the bound of the queues.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.publication.data.len() + self.publication.event_type.len() + 512
    }

    /// The frame for `wire`, encoded at the first call.
    pub fn frame(&self, wire: Wire, metrics: &Metrics) -> &Bytes {
        self.frames[wire.index()].get_or_init(|| match wire {
            Wire::Channels => {
                metrics.encodings.inc();
                let mut text = Vec::new();
                channels::write_event(&self.publication, &mut text);
                text_frame(&text)
            }
            Wire::ChannelsDeflate => self.deflated(metrics),
        })
    }

    fn deflated(&self, metrics: &Metrics) -> Bytes {
        let plain = self.frame(Wire::Channels, metrics);
        let size = self.publication.data.len() + self.publication.event_type.len();
        if self.deflate_min.is_none_or(|min| size < min) {
            return plain.clone();
        }
        let packed = compressed_text_frame(&compress(payload(plain)));
        metrics.deflations.inc();
        if packed.len() < plain.len() { packed } else { plain.clone() }
    }
}

/// The payload of a whole unmasked frame.
fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}
