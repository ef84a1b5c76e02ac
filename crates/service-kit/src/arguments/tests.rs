//! Text forms of durations, sizes and secrets.

use super::*;

#[test]
fn durations_read_with_unit_and_as_plain_seconds() {
    for (text, millis) in [
        ("30s", 30_000),
        ("500ms", 500),
        ("10m", 600_000),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
        ("25", 25_000),
        (" 5 s ", 5_000),
        ("0", 0),
        ("1_000ms", 1_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn sizes_read_with_unit_and_as_plain_bytes() {
    for (text, bytes) in [
        ("1MiB", 1 << 20),
        ("64KiB", 65_536),
        ("65536", 65_536),
        ("2gib", 2 << 30),
        ("10 B", 10),
        ("65_536", 65_536),
    ] {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_refused_by_cause() {
    assert_eq!(parse_duration(""), Err(UnitError::NoNumber));
    assert_eq!(parse_duration("fast"), Err(UnitError::NoNumber));
    assert_eq!(parse_duration("-5s"), Err(UnitError::NoNumber));
    assert_eq!(parse_duration("5 weeks"), Err(UnitError::UnknownUnit));
    assert_eq!(parse_duration("1.5s"), Err(UnitError::UnknownUnit));
    assert_eq!(parse_bytes("1MB"), Err(UnitError::UnknownUnit), "1,000 or 1,024? nobody can tell");
    assert_eq!(parse_bytes("99999999999999999999"), Err(UnitError::TooLarge));
    assert_eq!(parse_bytes("99999999999GiB"), Err(UnitError::TooLarge));
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    for millis in [0, 1, 500, 1_000, 90_000, 600_000, 86_400_000] {
        let duration = Duration::from_millis(millis);
        assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
    }
    for bytes in [0, 1, 1_500, 65_536, 1 << 20, 3 << 30] {
        assert_eq!(parse_bytes(&show_bytes(bytes)), Ok(bytes));
    }
    assert_eq!(show_duration(Duration::from_secs(600)), "10m");
    assert_eq!(show_bytes(65_536), "64KiB");
}

#[test]
fn a_secret_never_prints_itself() {
    let secret = Secret::new("correct horse");
    assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "*** Some(\n    ***,\n)");
    assert_eq!((secret.expose(), secret.len(), secret.is_empty()), ("correct horse", 13, false));
}
