//! Times as the contract writes them: UTC with milliseconds and `Z`.

use protocol::timestamp::Timestamp;

/// Microseconds since 1970 as `2025-11-01T12:00:00.000Z`.
#[must_use]
pub fn show(micros: i64) -> String {
    Timestamp::from_millis(micros.div_euclid(1_000)).to_string()
}

/// Serialises microseconds since 1970 as [`show`] writes them; for `#[serde(serialize_with)]`.
///
/// # Errors
/// The serialiser's.
pub fn serialize<S: serde::Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Timestamp::from_millis(micros.div_euclid(1_000)))
}

/// The same for a time that may be absent: `null` then.
///
/// # Errors
/// The serialiser's.
pub fn serialize_option<S: serde::Serializer>(
    micros: &Option<i64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match micros {
        Some(micros) => serialize(micros, serializer),
        None => serializer.serialize_none(),
    }
}

/// The last second that is taken, 9999-12-30T22:00:00Z: what lies behind it is taken for it. A calendar has it in every
/// zone; jiff goes no further.
pub const LATEST: i64 = 253_402_207_200_000_000;

/// A time with any offset (RFC 3339), as microseconds since 1970: a reader for [`crate::Form`]. Finer digits of a second
/// are dropped.
///
/// # Errors
/// What it must be.
pub fn read(raw: &str) -> Result<i64, String> {
    let text: String = serde_json::from_str(raw).unwrap_or_default();
    parse(&text)
        .ok_or_else(|| "must be an RFC 3339 time with an offset, such as 2025-11-01T12:00:00Z".to_owned())
}

/// The date, the time and the offset as the grammar has them (RFC 3339 §5.6); the calendar is jiff's.
fn parse(text: &str) -> Option<i64> {
    let digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = (date.get(..4)?, date.get(5..7)?, date.get(8..)?);
    let shaped =
        digits(year, 4) && digits(month, 2) && digits(day, 2) && &date[4..5] == "-" && &date[7..8] == "-";
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let (hour, minute, second) = (time.get(..2)?, time.get(3..5)?, time.get(6..)?);
    let timed =
        digits(hour, 2) && digits(minute, 2) && digits(second, 2) && &time[2..3] == ":" && &time[5..6] == ":";
    if !shaped || !timed {
        return None;
    }
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    if fraction.is_empty() {
        return None;
    }
    let offset_seconds = match offset {
        "Z" | "z" => 0,
        _ => {
            let sign = match offset.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let (hours, minutes) = (offset.get(1..3)?, offset.get(4..)?);
            if !digits(hours, 2) || !digits(minutes, 2) || offset.get(3..4)? != ":" {
                return None;
            }
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 3600 + minutes * 60)
        }
    };
    // jiff takes a leap second for the one before, as POSIX does.
    let civil: jiff::civil::DateTime = format!("{date}T{time}").parse().ok()?;
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let days =
        i64::from(civil.date().since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?.get_days());
    let seconds = i64::from(civil.hour()) * 3600 + i64::from(civil.minute()) * 60 + i64::from(civil.second());
    Some((((days * 86_400) + seconds - offset_seconds) * 1_000_000 + micros).min(LATEST))
}

#[cfg(test)]
mod tests;
