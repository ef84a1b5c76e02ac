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

#[test]
fn every_event_of_a_batch_is_read_and_a_single_one_is_no_batch() {
    let event = |seq: u32| {
        let mut data = Vec::new();
        write_data(&mut data, seq, u64::from(seq) + 7, 200);
        format!("{{\"type\":\"bench\",{}", String::from_utf8(data).unwrap().trim_start_matches('{'))
    };
    let batch =
        format!("{{\"type\":\"batch_update\",\"messages\":[{},{}],\"timestamp\":\"x\"}}", event(3), event(4));
    assert!(is_batch(batch.as_bytes()) && !is_batch(event(3).as_bytes()));
    assert_eq!(read_batch(batch.as_bytes()).collect::<Vec<_>>(), [(3, 10), (4, 11)]);
    assert_eq!(Reader::default().read(event(5).as_bytes()), Some((5, 12)));
}

#[test]
fn a_publication_takes_any_address() {
    let mut body = Vec::new();
    write_addressed(&mut body, "\"user_ids\":[\"a\",\"b\"]", 9, 1, 64);
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(value["user_ids"], serde_json::json!(["a", "b"]));
    assert_eq!(value["data"]["s"], "0000000009");
}
