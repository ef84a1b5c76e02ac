//! The fixed-width event: its size is what was asked for, and it is found again wherever a server puts it.

use super::*;

#[test]
fn data_has_the_size_asked_for_and_is_json() {
    for size in [MIN_DATA, 100, 200, 4_096] {
        let mut data = Vec::new();
        write_data(&mut data, 12, 345, size);
        assert_eq!(data.len(), size);
        let value: serde_json::Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(value["s"], "0000000012");
        assert_eq!(value["t"], "0000000000000000345");
    }
}

#[test]
fn a_reader_finds_events_wherever_they_stand_and_skips_other_frames() {
    let mut reader = Reader::default();
    assert_eq!(reader.read(br#"{"type":"connected","data":{"connection_id":"x"}}"#), None);
    for (seq, lead) in [(1u32, ""), (2, ""), (3, "    "), (4_294_967_295, "{\"type\":\"long\",")] {
        let mut frame = lead.as_bytes().to_vec();
        write_envelope(&mut frame, seq, u64::from(seq) + 7, 200);
        assert_eq!(reader.read(&frame), Some((seq, u64::from(seq) + 7)));
        assert_eq!(reader.read(&frame), Some((seq, u64::from(seq) + 7)));
    }
    assert_eq!(reader.read(b""), None);
    assert_eq!(reader.read(br#"{"s":"12"#), None);
    assert_eq!(reader.read(br#"{"s":"00000x0012","t":"0000000000000000345"}"#), None);
}

#[test]
fn a_publication_is_what_the_publish_endpoint_takes() {
    let mut body = Vec::new();
    write_publication(&mut body, "c7", 9, 1, 64);
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((value["type"].as_str(), value["channel"].as_str()), (Some("bench"), Some("c7")));
    assert_eq!(value["data"]["s"], "0000000009");
}
