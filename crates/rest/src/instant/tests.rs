use super::*;

fn micros(text: &str) -> Option<i64> {
    read(&serde_json::to_string(text).expect("JSON")).ok()
}

#[test]
fn every_rfc_3339_time_is_read_whatever_its_offset() {
    let noon = Some(1_762_000_000_000_000);
    for text in [
        "2025-11-01T12:26:40Z",
        "2025-11-01t12:26:40z",
        "2025-11-01 12:26:40Z",
        "2025-11-01T14:26:40+02:00",
        "2025-11-01T00:26:40-12:00",
        "2025-11-02T12:25:40+23:59",
        "2025-11-01T12:26:40.000000000000Z",
    ] {
        assert_eq!(micros(text), noon, "{text}");
    }
    assert_eq!(micros("2025-11-01T12:26:40.1234567Z"), Some(1_762_000_000_123_456));
    assert_eq!(micros("1970-01-01T00:00:00-00:00"), Some(0));
    assert_eq!(micros("2024-02-29T00:00:00Z"), Some(1_709_164_800_000_000));
    assert_eq!(micros("9999-12-31T23:59:59Z"), Some(LATEST));
    assert_eq!(show(LATEST), "9999-12-30T22:00:00.000Z");
}

#[test]
fn what_rfc_3339_does_not_have_is_refused() {
    for text in [
        "",
        "2030-01-01",
        "2030-01-01T00:00Z",
        "2030-01-01T00:00:00",
        "20300101T000000Z",
        "2030-01-01T00:00:00,5Z",
        "2030-01-01T00:00:00.Z",
        "2030-01-01T00:00:00+0100",
        "2030-01-01T00:00:00+01",
        "2030-01-01T00:00:00+24:00",
        "2030-01-01T00:00:00+01:60",
        "2030-13-01T00:00:00Z",
        "2030-02-30T00:00:00Z",
        "2030-01-01T24:00:00Z",
        "2030-01-01T00:60:00Z",
        "2030-01-01T00:00:00Z[Europe/Berlin]",
        "+2030-01-01T00:00:00Z",
        "2030-01-01T00:00:00Zx",
        "2030-0\u{e4}-01T00:00:00Z",
        "tomorrow",
    ] {
        assert_eq!(micros(text), None, "{text}");
    }
    assert!(read("1762000000").is_err() && read("null").is_err());
}
