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

/// A time with any offset (RFC 3339), as microseconds since 1970: a reader for [`crate::Form`].
///
/// # Errors
/// What it must be.
pub fn read(raw: &str) -> Result<i64, String> {
    let text: String = serde_json::from_str(raw).unwrap_or_default();
    let wrong = || "must be an RFC 3339 time with an offset, such as 2025-11-01T12:00:00Z".to_owned();
    // Longer ones have more digits of a second than anyone means; jiff would also take a zone's name in brackets.
    if text.len() > 64 || text.contains('[') {
        return Err(wrong());
    }
    text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond).map_err(|_| wrong())
}
