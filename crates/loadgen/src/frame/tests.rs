//! Framing: what is written is read back, and a cut frame waits.

use super::*;

#[test]
fn a_frame_cut_anywhere_is_incomplete_and_whole_ones_follow_each_other() {
    for length in [0, 1, 125, 126, 200, 65_535] {
        let payload = vec![b'x'; length];
        let mut bytes = Vec::new();
        write_text(&mut bytes, &payload);
        let whole = bytes.len();
        for cut in [0, 1, whole / 2, whole - 1] {
            assert_eq!(next(&bytes[..cut]), None, "length {length}, cut {cut}");
        }
        write_text(&mut bytes, b"next");
        let first = next(&bytes).unwrap();
        assert_eq!((first.opcode, first.payload, first.len), (TEXT, &payload[..], whole));
        assert_eq!(next(&bytes[first.len..]).unwrap().payload, b"next");
    }
}

#[test]
fn a_64_bit_length_is_read_and_an_impossible_one_never_completes() {
    let mut bytes = vec![0x82, 127];
    bytes.extend_from_slice(&3u64.to_be_bytes());
    bytes.extend_from_slice(b"abc");
    assert_eq!(next(&bytes).unwrap().payload, b"abc");
    assert_eq!(next(&[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), None);
}

#[test]
fn a_masked_frame_carries_its_payload_behind_a_mask_of_zeros() {
    let mut bytes = Vec::new();
    write_masked(&mut bytes, PONG, b"hi");
    assert_eq!(bytes, [0x8a, 0x82, 0, 0, 0, 0, b'h', b'i']);
    bytes.clear();
    write_masked(&mut bytes, TEXT, &[b'x'; 300]);
    assert_eq!(bytes[..4], [0x81, 0xfe, 1, 44]);
    assert_eq!(bytes.len(), 308);
}

#[test]
fn a_handshake_is_incomplete_accepted_or_refused() {
    assert_eq!(handshake(b"HTTP/1.1 101 Switching"), Handshake::Incomplete);
    let answer = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n\x01");
    assert_eq!(handshake(answer.as_bytes()), Handshake::Accepted(answer.len() - 1));
    assert_eq!(
        handshake(b"HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\n"),
        Handshake::Refused("HTTP/1.1 503 Service Unavailable".to_owned())
    );
    assert!(matches!(handshake(b"HTTP/1.1 101 x\r\n\r\n"), Handshake::Refused(_)));
}

#[test]
fn the_upgrade_request_carries_the_token_in_its_query() {
    let mut out = Vec::new();
    upgrade_request(&mut out, "/ws", "127.0.0.1:1", Some("a.b.c"));
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("GET /ws?token=a.b.c HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"));
    assert!(text.ends_with("\r\n\r\n"));
}
