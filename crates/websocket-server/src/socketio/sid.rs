//! The id of a session: nobody can guess it, and it says where the session is.
//!
//! 15 bytes in base64url: the place in its reactor (4), the reactor (1), and 80 random bits. It is compared whole, so that
//! a place that is used again is another session's.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::node_tag::untagged;

/// Bytes of an id: a multiple of three, so that base64 has no rest.
const BYTES: usize = 15;

/// The id of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sid([u8; BYTES]);

impl Sid {
    /// The id of the session in that place of that reactor.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new(place: u32, reactor: u8) -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        bytes[..4].copy_from_slice(&place.to_be_bytes());
        bytes[4] = reactor;
        Ok(Self(bytes))
    }

    /// Reads what a request names, with or without a node's tag before it; none where it cannot be an id.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = untagged(text);
        let mut bytes = [0; BYTES];
        (text.len() == BYTES / 3 * 4 && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == BYTES)
            .then_some(Self(bytes))
    }

    /// The place in its reactor.
    #[must_use]
    pub(crate) fn place(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// The reactor.
    #[must_use]
    pub(crate) fn reactor(self) -> usize {
        usize::from(self.0[4])
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Sid {
    /// Whoever knows the id can speak for the session, so it is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_where_its_session_is_and_reads_back() {
        let sid = Sid::new(70_000, 3).expect("randomness");
        assert_eq!((sid.place(), sid.reactor()), (70_000, 3));
        let text = sid.to_string();
        assert_eq!(text.len(), 20);
        assert_eq!(Sid::parse(&text), Some(sid));
        assert_eq!(Sid::parse(&format!("node-2.{text}")), Some(sid), "behind the tag of a node");
        assert_ne!(Sid::new(70_000, 3).expect("randomness"), sid, "the same place is another session's");
        for wrong in ["", "abc", &text[1..], &format!("{text}A"), "AAAAAAAAAAAAAAAAAAA+", "äääääääääää"]
        {
            assert_eq!(Sid::parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{sid:?}"), "Sid(…)");
    }
}
