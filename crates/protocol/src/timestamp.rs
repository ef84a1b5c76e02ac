//! The timestamps of the wire: UTC, milliseconds, `Z` (contract: channels, Server → client).

use std::fmt;

/// How a wire writes its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum TimestampFormat {
    /// `2025-11-01T12:00:00.000Z` (contracts: channels, dashboard).
    #[default]
    Milliseconds,
    /// `2025-11-18T12:30:45.123000`: microseconds, UTC, and no zone (contract: tasks).
    Microseconds,
    /// `2025-03-26T22:30:00Z` (contract: receipts).
    Seconds,
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The first millisecond of the year 0.
const MIN_MILLIS: i64 = -62_167_219_200_000;

/// 9999-12-30T22:00:00.000Z: two hours before the last day of the last four-digit year, so that a calendar has
/// it in every zone; `jiff` goes no further.
const MAX_MILLIS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// From milliseconds since the epoch, kept within the years that four digits can say.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(MIN_MILLIS, MAX_MILLIS))
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub fn from_secs(secs: u64) -> Self {
        Self::from_millis(i64::try_from(secs).unwrap_or(MAX_MILLIS).saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads an ISO 8601 date and time. One without a zone is taken as UTC.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let timestamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            jiff::tz::Offset::UTC.to_timestamp(civil).ok()
        })?;
        Some(Self::from_millis(timestamp.as_millisecond()))
    }

    /// Writes it as a wire does. The digits below milliseconds are zero.
    pub fn write(self, format: TimestampFormat, out: &mut Vec<u8>) {
        let text = self.encode();
        match format {
            TimestampFormat::Milliseconds => out.extend_from_slice(&text),
            TimestampFormat::Microseconds => {
                out.extend_from_slice(&text[..23]);
                out.extend_from_slice(b"000");
            }
            TimestampFormat::Seconds => {
                out.extend_from_slice(&text[..19]);
                out.push(b'Z');
            }
        }
    }

    /// The 24 characters `2025-11-01T12:00:00.000Z`.
    #[must_use]
    pub fn encode(self) -> [u8; 24] {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        let civil = jiff::tz::Offset::UTC.to_datetime(timestamp);
        let mut out = *b"0000-00-00T00:00:00.000Z";
        put(&mut out[0..4], civil.year().into());
        put(&mut out[5..7], civil.month().into());
        put(&mut out[8..10], civil.day().into());
        put(&mut out[11..13], civil.hour().into());
        put(&mut out[14..16], civil.minute().into());
        put(&mut out[17..19], civil.second().into());
        put(&mut out[20..23], civil.millisecond().into());
        out
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.encode()).unwrap_or_default())
    }
}

fn put(digits: &mut [u8], mut value: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_without_a_zone_is_utc_and_digits_beyond_milliseconds_are_cut() {
        let parse = |text| Timestamp::parse(text).map(|t| t.to_string());
        assert_eq!(parse("2025-11-18T12:30:45.123456").as_deref(), Some("2025-11-18T12:30:45.123Z"));
        assert_eq!(parse("2025-03-26T22:30:00Z").as_deref(), Some("2025-03-26T22:30:00.000Z"));
        assert_eq!(parse("2025-03-26T22:30:00+02:00").as_deref(), Some("2025-03-26T20:30:00.000Z"));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(Timestamp::from_secs(u64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn each_wire_has_its_own_form() {
        let time = Timestamp::parse("2025-11-18T12:30:45.123Z").expect("a time");
        let written = |format| {
            let mut out = Vec::new();
            time.write(format, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(written(TimestampFormat::Milliseconds), "2025-11-18T12:30:45.123Z");
        assert_eq!(written(TimestampFormat::Microseconds), "2025-11-18T12:30:45.123000");
        assert_eq!(written(TimestampFormat::Seconds), "2025-11-18T12:30:45Z");
    }

    proptest! {
        #[test]
        fn encoding_agrees_with_jiff(millis in -62_135_596_800_000_i64..=MAX_MILLIS) {
            let theirs = jiff::Timestamp::from_millisecond(millis).expect("in range");
            prop_assert_eq!(Timestamp::from_millis(millis).to_string(), format!("{theirs:.3}"));
        }
    }
}
