//! A packet whose attachments are on their way.
//!
//! Bounds: [`MAX_ATTACHMENTS`](protocol::socketio::MAX_ATTACHMENTS) attachments (the codec's), as many bytes as a payload
//! may have, and a time, which are the settings'. The hub reads JSON alone, so what is attached is counted and dropped; only the protocol
//! test keeps it, to send it back.

use bytes::Bytes;

/// A packet that is not whole.
#[derive(Debug)]
pub(crate) struct Assembly {
    text: Box<str>,
    left: u8,
    bytes: usize,
    by: u64,
    keeps: bool,
    attachments: Vec<Bytes>,
}

/// The attachments are larger than they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Assembly {
    /// Of a packet that announced so many attachments, which are to be there by then; they are kept where `keeps`.
    #[must_use]
    pub(crate) fn new(text: &str, attachments: u8, keeps: bool, by: u64) -> Self {
        Self { text: text.into(), left: attachments, bytes: 0, by, keeps, attachments: Vec::new() }
    }

    /// Takes the next attachment.
    ///
    /// # Errors
    /// All together have more than `most` bytes.
    pub(crate) fn add(&mut self, bytes: &[u8], most: usize) -> Result<(), TooLarge> {
        self.bytes += bytes.len();
        if self.bytes > most {
            return Err(TooLarge);
        }
        self.left = self.left.saturating_sub(1);
        if self.keeps {
            self.attachments.push(Bytes::copy_from_slice(bytes));
        }
        Ok(())
    }

    /// Whether all are there.
    #[must_use]
    pub(crate) fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// Whether they took too long.
    #[must_use]
    pub(crate) fn is_late(&self, now: u64) -> bool {
        self.by <= now
    }

    /// The packet's text, and what was kept.
    #[must_use]
    pub(crate) fn into_parts(self) -> (Box<str>, Vec<Bytes>) {
        (self.text, self.attachments)
    }
}
