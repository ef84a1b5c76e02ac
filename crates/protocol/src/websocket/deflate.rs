//! permessage-deflate's payloads (RFC 7692 §7.2), each message on its own.
//!
//! The handshake always agrees on no context takeover in both directions, so a connection needs no
//! compressor: each thread has one of either kind, made on first use (about 370 KiB for compressing, 46 KiB
//! for inflating) and reset for each message. Not here: when a message is worth compressing, frames, and the
//! negotiation.

use std::cell::{Cell, RefCell};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The compression level, 0 to 9.
///
/// zlib's default. A message is compressed once for all its recipients, so its size is paid for with each
/// delivery and the time only once. Measured: 20 µs for a notification of 194 bytes, where resetting
/// dominates at every level (160 bytes; level 1 makes it 192); 68 µs for 4.6 kB of JSON (802 bytes; level 1
/// takes 22 µs and makes it 1,154; 9 gains nothing).
pub const COMPRESSION_LEVEL: u32 = 6;

/// What a sync flush ends with: an empty stored block. Stripped by the sender (RFC 7692 §7.2.1), added back
/// by the receiver (§7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// [`TAIL`] and an empty stored block marked as final: the stream ends here only if the message was whole.
const TAIL_AND_END: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// How many final blocks (BFINAL, RFC 7692 §7.2.3.4) a message may have in its middle. A sender that can't
/// flush needs one or a few; each costs a reset of the decompressor, and a million of them would be an
/// attack.
const MAX_FINAL_BLOCKS: u32 = 16;

/// The first step of an output buffer that grows, in bytes.
const FIRST_OUTPUT: usize = 1024;

/// The largest output buffer that a thread keeps between messages, in bytes.
const MAX_KEPT_OUTPUT: usize = 64 * 1024;

thread_local! {
    static COMPRESS: RefCell<Compress> =
        RefCell::new(Compress::new(Compression::new(COMPRESSION_LEVEL), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Why a payload could not be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The message is larger than the limit; inflating stopped there.
    #[error("the inflated message is larger than the limit")]
    TooLarge,
    /// The payload is not a whole DEFLATE stream, or it refers to an earlier message.
    #[error("the payload is not a DEFLATE stream of its own")]
    Corrupt,
}

/// Compresses one message into the payload of a compressed frame (RFC 7692 §7.2.1). An empty message becomes
/// the single byte `0x00` (§7.2.3.6).
///
/// # Panics
///
/// Never by design: a deflate stream that was just reset takes any input.
pub fn compress(payload: &[u8]) -> Vec<u8> {
    if payload.is_empty() {
        return vec![0x00];
    }
    COMPRESS.with_borrow_mut(|deflate| {
        deflate.reset();
        // Room for the worst case, nine bits a byte, so that normally one call does it.
        let mut out = Vec::with_capacity(payload.len() + payload.len() / 8 + 64);
        let mut rest = payload;
        loop {
            let before = deflate.total_in();
            deflate
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .expect("a deflate stream that was just reset takes any input");
            rest = &rest[(deflate.total_in() - before) as usize..];
            // Room left over means that the flush is complete.
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve(rest.len() + 64);
        }
        debug_assert!(out.ends_with(&TAIL), "a sync flush ends with an empty stored block");
        out.truncate(out.len() - TAIL.len());
        out
    })
}

/// Inflates the payload of a compressed message (RFC 7692 §7.2.2) into `out`, which is cleared first.
///
/// `out` grows with what comes out, to `max + 1` bytes at most. A block marked as final may end the payload
/// or stand before further blocks (§7.2.3.4), which then can't refer back over it. An empty payload is taken
/// for an empty message.
///
/// # Errors
///
/// [`InflateError::TooLarge`] once more than `max` bytes came out, [`InflateError::Corrupt`] for anything
/// that is not a whole DEFLATE stream. `out` then holds what came out so far.
pub fn inflate(input: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), InflateError> {
    out.clear();
    if input.is_empty() {
        return Ok(());
    }
    DECOMPRESS.with_borrow_mut(|inflate| {
        inflate.reset(false);
        let mut rest = input;
        let mut final_blocks = 0;
        while run(inflate, &mut rest, max, out)? == Run::FinalBlock {
            if rest.is_empty() {
                return Ok(());
            }
            final_blocks += 1;
            if final_blocks > MAX_FINAL_BLOCKS {
                return Err(InflateError::Corrupt);
            }
            inflate.reset(false);
        }
        let mut rest = TAIL_AND_END.as_slice();
        match run(inflate, &mut rest, max, out)? {
            Run::FinalBlock if rest.is_empty() => Ok(()),
            // Ended in the middle of the tail, or not at all: the message was cut.
            Run::FinalBlock | Run::Starved => Err(InflateError::Corrupt),
        }
    })
}

/// Inflates into a buffer of the thread and lends it to `read`.
pub(super) fn with_inflated<R>(
    input: &[u8],
    max: usize,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<R, InflateError> {
    // Taken, not borrowed: `read` may come back here with the message of another connection.
    let mut out = OUTPUT.take();
    let result = inflate(input, max, &mut out).map(|()| read(&out));
    if out.capacity() <= MAX_KEPT_OUTPUT {
        OUTPUT.set(out);
    }
    result
}

#[derive(PartialEq, Eq)]
enum Run {
    /// All input is used, and all that it gives is out.
    Starved,
    /// A final block ended; what is left of the input lies behind it.
    FinalBlock,
}

fn run(
    inflate: &mut Decompress,
    rest: &mut &[u8],
    max: usize,
    out: &mut Vec<u8>,
) -> Result<Run, InflateError> {
    loop {
        if out.len() == out.capacity() {
            // One byte more than allowed tells a message of exactly `max` bytes from a larger one.
            let room = max.saturating_add(1) - out.len();
            out.reserve_exact(out.capacity().max(FIRST_OUTPUT).min(room));
        }
        let (in_before, out_before) = (inflate.total_in(), out.len());
        let status =
            inflate.decompress_vec(rest, out, FlushDecompress::Sync).map_err(|_| InflateError::Corrupt)?;
        let used = (inflate.total_in() - in_before) as usize;
        *rest = &rest[used..];
        if out.len() > max {
            return Err(InflateError::TooLarge);
        }
        if status == Status::StreamEnd {
            return Ok(Run::FinalBlock);
        }
        if out.len() < out.capacity() {
            if rest.is_empty() {
                return Ok(Run::Starved);
            }
            if used == 0 && out.len() == out_before {
                return Err(InflateError::Corrupt);
            }
        }
    }
}

#[cfg(test)]
mod tests;
