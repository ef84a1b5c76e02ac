//! ④ What waits for a socket that is not writable: bounded in bytes and frames.
//!
//! A connection owns one only while something waits. Frames are shared with all others who wait for them.
//! Full means [`Disconnect::SLOW`](protocol::Disconnect::SLOW), which is the shard's to carry out; one frame
//! always fits an empty outbox. `fanfare_outbox_bytes` and `fanfare_evictions_total` tell.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::limits::Limits;
use crate::link::Link;

/// Pieces given to one vectored write; more gain nothing, and the kernel's limit is 1,024.
const PIECES: usize = 64;

/// Frames that wait, the first of them perhaps written in part.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Bytes>,
    /// Bytes of the first frame that are already written.
    written: usize,
    bytes: usize,
    /// Bytes and frames of retained state among them, which do not count: they are shared with the state itself.
    exempt: (usize, usize),
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    /// Bytes that wait.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Puts a frame behind the others, of which `written` bytes are out already (only where none waits).
    ///
    /// # Errors
    /// The frame does not fit; the outbox is as it was.
    pub(crate) fn push(&mut self, frame: Bytes, written: usize, limits: &Limits) -> Result<(), Full> {
        let size = frame.len() - written;
        if !self.frames.is_empty()
            && (self.bytes - self.exempt.0 + size > limits.outbox_bytes
                || self.frames.len() - self.exempt.1 >= limits.outbox_frames)
        {
            return Err(Full);
        }
        self.force(frame, written);
        Ok(())
    }

    /// Puts a frame of retained state behind the others. So much of it does not count as there may be in all.
    ///
    /// # Errors
    /// The frame does not fit; the outbox is as it was.
    pub(crate) fn push_state(&mut self, frame: Bytes, limits: &Limits) -> Result<(), Full> {
        let size = frame.len();
        if self.exempt.0 + size > limits.retained_bytes {
            return self.push(frame, 0, limits);
        }
        self.force(frame, 0);
        self.exempt = (self.exempt.0 + size, self.exempt.1 + 1);
        Ok(())
    }

    /// Puts a frame behind the others whatever the limits say: for the Close frame, which comes once.
    pub(crate) fn force(&mut self, frame: Bytes, written: usize) {
        debug_assert!(written == 0 || self.frames.is_empty(), "only the head can be written in part");
        if self.frames.is_empty() {
            self.written = written;
        }
        self.bytes += frame.len() - written;
        self.frames.push_back(frame);
    }

    /// Drops all frames but one that is written in part, so that what follows stands at a frame's border.
    pub(crate) fn truncate(&mut self) {
        let keep = usize::from(self.written > 0);
        self.frames.truncate(keep);
        self.bytes = self.frames.iter().map(Bytes::len).sum::<usize>().saturating_sub(self.written);
        self.exempt_what_is_left();
    }

    /// Writes as much as the link takes. Returns how many bytes that were.
    ///
    /// # Errors
    /// The connection is broken. A link that takes no more is no error.
    pub(crate) fn flush(&mut self, link: &mut impl Link) -> io::Result<usize> {
        let mut total = 0;
        while !self.frames.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let mut used = 0;
            for (piece, frame) in pieces.iter_mut().zip(&self.frames) {
                *piece = IoSlice::new(if used == 0 { &frame[self.written..] } else { frame });
                used += 1;
            }
            let offered: usize = pieces[..used].iter().map(|piece| piece.len()).sum();
            match link.write_vectored(&pieces[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    total += count;
                    self.advance(count);
                    if count < offered {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// No more is exempt than there is. What stood before the state may count as exempt for a moment longer.
    fn exempt_what_is_left(&mut self) {
        self.exempt = (self.exempt.0.min(self.bytes), self.exempt.1.min(self.frames.len()));
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        self.take_out(&mut count);
        self.exempt_what_is_left();
    }

    fn take_out(&mut self, count: &mut usize) {
        while let Some(head) = self.frames.front() {
            let left = head.len() - self.written;
            if *count < left {
                self.written += *count;
                return;
            }
            *count -= left;
            self.written = 0;
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes a given number of bytes at each write, then blocks.
    struct Narrow {
        taken: Vec<u8>,
        allowances: Vec<usize>,
    }

    impl Link for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut allowance = self.allowances.pop().unwrap_or(0);
            if allowance == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let before = self.taken.len();
            for piece in pieces {
                let take = piece.len().min(allowance);
                self.taken.extend_from_slice(&piece[..take]);
                allowance -= take;
            }
            Ok(self.taken.len() - before)
        }

        fn shutdown(&mut self) {}
    }

    #[test]
    fn one_frame_always_fits_and_a_second_only_within_the_bounds() {
        let limits = Limits { outbox_bytes: 10, outbox_frames: 3, ..Limits::default() };
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(Bytes::from_static(&[0; 50]), 0, &limits), Ok(()));
        assert_eq!(outbox.push(Bytes::from_static(b"x"), 0, &limits), Err(Full));
        let mut outbox = Outbox::default();
        for _ in 0..3 {
            assert_eq!(outbox.push(Bytes::from_static(b"x"), 0, &limits), Ok(()));
        }
        assert_eq!(outbox.push(Bytes::from_static(b"x"), 0, &limits), Err(Full));
    }

    #[test]
    fn truncating_keeps_only_what_is_half_written() {
        let mut outbox = Outbox::default();
        outbox.force(Bytes::from_static(b"abcdef"), 2);
        outbox.force(Bytes::from_static(b"ghi"), 0);
        outbox.truncate();
        outbox.force(Bytes::from_static(b"!"), 0);
        let mut link = Narrow { taken: vec![], allowances: vec![100] };
        assert_eq!(outbox.flush(&mut link).expect("open"), 5);
        assert_eq!(link.taken, b"cdef!");
        let mut untouched = Outbox::default();
        untouched.force(Bytes::from_static(b"abc"), 0);
        untouched.truncate();
        assert!(untouched.is_empty() && untouched.bytes() == 0);
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..150),
            allowances in prop::collection::vec(0_usize..40, 1..200),
        ) {
            let mut outbox = Outbox::default();
            for frame in &frames {
                outbox.force(Bytes::copy_from_slice(frame), 0);
            }
            let mut link = Narrow { taken: vec![], allowances };
            while !link.allowances.is_empty() && !outbox.is_empty() {
                outbox.flush(&mut link).expect("open");
            }
            let all = frames.concat();
            prop_assert_eq!(&all[..link.taken.len()], &link.taken[..]);
            prop_assert_eq!(outbox.bytes(), all.len() - link.taken.len());
        }
    }
}
