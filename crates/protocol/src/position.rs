//! Where a client stands in a stream: the epoch of the stream, and the offset of the last event that it has had.
//!
//! Not here: what a stream keeps, and whether a position can be recovered (the engine's history decides that).

use std::fmt;

/// How many characters an epoch has on the wire: 48 bits at 6 a character.
pub const EPOCH_LENGTH: usize = 8;

/// The bits of an epoch that count.
const EPOCH_MASK: u64 = (1 << 48) - 1;

/// The characters of an epoch, by value: base64url (RFC 4648 §5), which needs no escape in JSON, URLs or SSE.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One life of a stream. Within an epoch an offset is one event for ever; a new epoch means that what was before is
/// lost. Shown as eight characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch with the low 48 of these bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & EPOCH_MASK)
    }

    /// Its 48 bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Reads what [`Epoch::encode`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != EPOCH_LENGTH {
            return None;
        }
        text.bytes()
            .try_fold(0_u64, |bits, byte| {
                let value = ALPHABET.iter().position(|&letter| letter == byte)?;
                Some(bits << 6 | value as u64)
            })
            .map(Self)
    }

    /// Its characters.
    #[must_use]
    pub fn encode(self) -> [u8; EPOCH_LENGTH] {
        std::array::from_fn(|place| ALPHABET[(self.0 >> (42 - 6 * place) & 63) as usize])
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encode().iter().try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

/// The last event of a stream that somebody has had. Offset 0 is before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The stream's epoch.
    pub epoch: Epoch,
    /// The offset of that event.
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_back_from_its_eight_characters() {
        for bits in [0, 1, 63, 64, EPOCH_MASK, 0x1234_5678_9abc] {
            let epoch = Epoch::from_bits(bits);
            let text = epoch.to_string();
            assert_eq!((text.len(), Epoch::parse(&text)), (EPOCH_LENGTH, Some(epoch)));
        }
    }

    #[test]
    fn what_is_no_epoch_is_none() {
        for text in ["", "AAAAAAA", "AAAAAAAAA", "AAAA AAA", "AAAAAAA=", "ääää"] {
            assert_eq!(Epoch::parse(text), None, "{text}");
        }
    }
}
