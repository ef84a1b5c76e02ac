//! The events that are published: fixed-width members, so that a receiver finds the sequence number and the time without parsing JSON.
//!
//! `data` is `{"s":"0000000012","t":"0000123456789012345","p":"xxx…"}`: number, time of sending (ns of the shared monotonic clock), and padding up to
//! the size asked for. Both are strings, since a JSON number has no leading zeros.

#[cfg(test)]
mod tests;

use std::io::Write as _;

const MARK: &[u8] = b"\"s\":\"";
/// How a frame begins in which a hub has put several events together (contract: dashboard, Batching).
const BATCH: &[u8] = b"{\"type\":\"batch_update\"";
const SEQ_DIGITS: usize = 10;
const TIME_GAP: usize = b"\",\"t\":\"".len();
const TIME_DIGITS: usize = 19;
const FIXED: usize = b"{\"s\":\"\",\"t\":\"\",\"p\":\"\"}".len() + SEQ_DIGITS + TIME_DIGITS;

/// The smallest `data` in bytes.
pub(crate) const MIN_DATA: usize = FIXED;

/// Appends `data` of `size` bytes (at least [`MIN_DATA`]).
pub(crate) fn write_data(out: &mut Vec<u8>, seq: u32, sent_ns: u64, size: usize) {
    let _ = write!(out, "{{\"s\":\"{seq:010}\",\"t\":\"{sent_ns:019}\",\"p\":\"");
    out.resize(out.len() + size.saturating_sub(FIXED), b'x');
    out.extend_from_slice(b"\"}");
}

/// Appends the body of a publish request to a channel.
pub(crate) fn write_publication(out: &mut Vec<u8>, channel: &str, seq: u32, sent_ns: u64, size: usize) {
    write_addressed(out, &format!("\"channel\":\"{channel}\""), seq, sent_ns, size);
}

/// Appends the body of a publish request with these members as its address, such as `"user_id":"u1"`.
pub(crate) fn write_addressed(out: &mut Vec<u8>, address: &str, seq: u32, sent_ns: u64, size: usize) {
    let _ = write!(out, "{{\"type\":\"bench\",{address},\"data\":");
    write_data(out, seq, sent_ns, size);
    out.push(b'}');
}

/// Appends the envelope a hub would send; `floor` writes it.
pub(crate) fn write_envelope(out: &mut Vec<u8>, seq: u32, sent_ns: u64, size: usize) {
    out.extend_from_slice(b"{\"type\":\"bench\",\"data\":");
    write_data(out, seq, sent_ns, size);
    out.extend_from_slice(b",\"timestamp\":\"2025-11-01T12:00:00.000Z\"}");
}

/// Finds number and time in received frames. Where they stood in the last one they stand in the next; only when they do not it searches.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    at: usize,
    last_seq: [u8; SEQ_DIGITS],
    last: (u32, u64),
}

impl Reader {
    /// Number and time of an event, `None` for any other frame.
    #[inline]
    pub(crate) fn read(&mut self, payload: &[u8]) -> Option<(u32, u64)> {
        if payload.get(self.at..self.at + MARK.len()) != Some(MARK) {
            self.at = memchr::memmem::find(payload, MARK)?;
        }
        let rest = &payload[self.at + MARK.len()..];
        let seq = rest.first_chunk::<SEQ_DIGITS>()?;
        if *seq != self.last_seq {
            self.last = numbers(rest)?;
            self.last_seq = *seq;
        }
        Some(self.last)
    }
}

/// Whether several events are together in this frame.
#[inline]
pub(crate) fn is_batch(payload: &[u8]) -> bool {
    payload.starts_with(BATCH)
}

/// Numbers and times of all events in a frame.
pub(crate) fn read_batch(payload: &[u8]) -> impl Iterator<Item = (u32, u64)> {
    memchr::memmem::find_iter(payload, MARK).filter_map(|at| numbers(&payload[at + MARK.len()..]))
}

/// Number and time at the start of what stands behind the mark.
fn numbers(rest: &[u8]) -> Option<(u32, u64)> {
    let time = rest.get(SEQ_DIGITS + TIME_GAP..SEQ_DIGITS + TIME_GAP + TIME_DIGITS)?;
    Some((u32::try_from(digits(rest.get(..SEQ_DIGITS)?)?).ok()?, digits(time)?))
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |value, byte| {
        byte.is_ascii_digit().then(|| value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}
