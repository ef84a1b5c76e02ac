//! The trace that a request belongs to: the `traceparent` of W3C Trace Context (Level 1, §3.2).
//!
//! What cannot be read is no trace, and never an error of the request that carries it (§4.3). Not here: making ids, and
//! `tracestate`, which the hub neither reads nor passes on.

use std::fmt;

/// The header, and the member of a publish request, under which it travels.
pub const TRACEPARENT: &str = "traceparent";

/// The length of version 00: `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;

/// A trace, and the span in it that the request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    parent_id: ParentId,
    flags: u8,
}

/// The id of a trace, never zero; `Display` is 32 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// The id of a span, never zero; `Display` is 16 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParentId(u64);

impl TraceContext {
    /// The context of these ids; none where one of them is zero, which is no id (§3.2.2.3, §3.2.2.4).
    #[must_use]
    pub const fn new(trace_id: u128, parent_id: u64, flags: u8) -> Option<Self> {
        if trace_id == 0 || parent_id == 0 {
            return None;
        }
        Some(Self { trace_id: TraceId(trace_id), parent_id: ParentId(parent_id), flags })
    }

    /// Reads the value of a `traceparent`; none where it is malformed. Of a later version the part is read that it
    /// shares with version 00 (§4.3).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let fields = bytes.get(..LENGTH)?;
        let version: u8 = number(&fields[..2])?.try_into().ok()?;
        let ends = match bytes.get(LENGTH) {
            None => true,
            Some(next) => version != 0 && *next == b'-',
        };
        if version == 0xff || !ends || [2, 35, 52].iter().any(|&at| fields[at] != b'-') {
            return None;
        }
        let (trace, parent, flags) =
            (number(&fields[3..35])?, number(&fields[36..52])?, number(&fields[53..])?);
        Self::new(trace, u64::try_from(parent).ok()?, u8::try_from(flags).ok()?)
    }

    /// The trace.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span that the request comes from.
    #[must_use]
    pub const fn parent_id(&self) -> ParentId {
        self.parent_id
    }

    /// The flags as they came; the lowest bit says that the caller may record the trace.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }
}

/// Hexadecimal digits in lower case, the only ones that are allowed (§3.2).
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

impl fmt::Display for TraceContext {
    /// As version 00, which [`TraceContext::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

impl TraceId {
    /// The id as a number, to make another context of the same trace.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
