//! Frames that break the protocol, cut text, and compressed bombs.

use serde_json::json;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Frame, RawClient, eventually};

use super::*;

#[test]
fn frames_that_break_the_protocol_close_with_what_was_wrong() {
    let mut scene = Scene::new();
    let ping = r#"{"type":"ping"}"#;
    let text = || Frame::text(ping);
    let head = |first: u8, second: u8, more: &[u8]| {
        let mut bytes = vec![first, second];
        bytes.extend_from_slice(more);
        bytes
    };
    let both = |a: &Frame, b: &Frame| [a.bytes(), b.bytes()].concat();
    let mut cases: Vec<(String, Vec<u8>, u16, &str)> = vec![
        ("unmasked".into(), text().unmasked().bytes(), 1002, "mask"),
        ("unmasked ping".into(), Frame::new(9, "").unmasked().bytes(), 1002, "mask"),
        ("RSV1".into(), text().reserved(4).bytes(), 1002, "RSV1"),
        ("RSV2".into(), text().reserved(2).bytes(), 1002, "RSV2"),
        ("RSV3".into(), text().reserved(1).bytes(), 1002, "RSV3"),
        ("RSV1 on a ping".into(), Frame::new(9, "").reserved(4).bytes(), 1002, "RSV1"),
        ("long ping".into(), Frame::new(9, vec![0; 126]).bytes(), 1002, "125"),
        ("long pong".into(), Frame::new(10, vec![0; 126]).bytes(), 1002, "125"),
        ("long close".into(), Frame::close(1000, &"x".repeat(124)).bytes(), 1002, "125"),
        ("ping declared huge".into(), head(0x89, 0xff, &[0, 0, 0, 1, 0, 0, 0, 0]), 1002, "125"),
        ("fragmented ping".into(), Frame::new(9, "").unfinished().bytes(), 1002, "fragment"),
        ("fragmented pong".into(), Frame::new(10, "").unfinished().bytes(), 1002, "fragment"),
        ("fragmented close".into(), Frame::close(1000, "").unfinished().bytes(), 1002, "fragment"),
        ("continuation of nothing".into(), Frame::new(0, ping).bytes(), 1002, "continu"),
        ("continuation of a finished one".into(), both(&text(), &Frame::new(0, "")), 1002, "continu"),
        ("text in a text".into(), both(&text().unfinished(), &text()), 1002, "new message"),
        ("binary in a text".into(), both(&text().unfinished(), &Frame::new(2, "")), 1002, "new message"),
        ("length in too many bytes".into(), head(0x81, 0xfe, &[0, 5, 1, 2, 3, 4]), 1002, "minimal"),
        ("length in far too many".into(), head(0x81, 0xff, &[0, 0, 0, 0, 0, 0, 0, 5]), 1002, "minimal"),
        ("negative length".into(), head(0x82, 0xff, &[0xff; 8]), 1002, "most significant bit"),
        ("close with half a code".into(), Frame::new(8, [3]).bytes(), 1002, "two-byte code"),
        (
            "close with a reason in Latin-1".into(),
            Frame::new(8, b"\x03\xe8\xe9".to_vec()).bytes(),
            1007,
            "UTF-8",
        ),
        ("not UTF-8".into(), Frame::text(b"\xff\xfe".to_vec()).bytes(), 1007, "UTF-8"),
        ("an overlong slash".into(), Frame::text(b"\xc0\xaf".to_vec()).bytes(), 1007, "UTF-8"),
        ("a surrogate".into(), Frame::text(b"\xed\xa0\x80".to_vec()).bytes(), 1007, "UTF-8"),
        (
            "text that ends inside a character".into(),
            Frame::text(b"\"\xf0\x9f\x8e".to_vec()).bytes(),
            1007,
            "UTF-8",
        ),
        ("huge".into(), Frame::text(vec![b' '; MAX_MESSAGE + 1]).bytes(), 1009, "65536"),
        ("declared huge".into(), head(0x82, 0xff, &[0, 0, 0, 0, 0, 1, 0, 1]), 1009, "65536"),
        (
            "declared beyond all memory".into(),
            head(0x82, 0xff, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            1009,
            "65536",
        ),
        (
            "huge in fragments".into(),
            both(&Frame::text(vec![b' '; MAX_MESSAGE]).unfinished(), &Frame::new(0, " ")),
            1009,
            "65536",
        ),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push((format!("opcode {opcode}"), Frame::new(opcode, "").bytes(), 1002, "reserved opcode"));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        cases.push((format!("close {code}"), Frame::close(code, "").bytes(), 1002, "close code"));
    }
    for (name, bytes, code, reason) in &cases {
        scene.expect_fault(&[], name, bytes, *code, reason);
    }
    // What stood before the fault was answered.
    let mut client = scene.attacker(&[]);
    client.write(&[text().bytes(), text().unmasked().bytes()].concat());
    assert_eq!(json_of(&mut client)["type"], "pong");
    assert_eq!(client.expect_close().0, 1002);
    scene.friend_is_well();
    drop(client);
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    let expected = cases.iter().filter(|case| case.2 == 1002).count() + 1;
    // Counted when the place is given free, a moment after the stream has one follower less.
    let closes = || scene.server.metric("fanfare_closes_total", &[r#"code="1002""#]).unwrap_or_default();
    eventually(PATIENCE, || closes() == expected as f64);
}

#[test]
fn every_code_that_may_be_sent_is_answered() {
    let mut scene = Scene::new();
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        let mut client = scene.attacker(&[]);
        client.send(&Frame::close(code, "bye"));
        assert_eq!(client.expect_close().0, code);
        assert_eq!(client.expect_end(PATIENCE), b"");
    }
    let mut client = scene.attacker(&[]);
    client.send(&Frame::new(8, ""));
    assert_eq!(client.expect_close().0, 1005);
    scene.friend_is_well();
}

#[test]
fn text_cut_inside_a_character_is_whole_again_or_refused() {
    let mut scene = Scene::new();
    let text = r#"{"type":"ping","data":"ä€🎺"}"#.as_bytes();
    let mut client = scene.attacker(&[]);
    for cut in 1..text.len() {
        client.send(&Frame::text(&text[..cut]).unfinished());
        // Control frames may come in between.
        client.send(&Frame::new(9, "between"));
        client.send(&Frame::new(0, &text[cut..]));
        let pong = client.next_frame().expect("a pong");
        assert_eq!((pong.opcode, pong.payload), (10, b"between".to_vec()));
        assert_eq!(json_of(&mut client)["data"], "ä€🎺", "cut at {cut}");
    }
    // Told as soon as it can't become a character any more, and at the latest with the last frame.
    let early =
        [Frame::text(b"\"\xf0\x9f".to_vec()).unfinished().bytes(), Frame::new(0, "abc").unfinished().bytes()];
    scene.expect_fault(&[], "no continuation", &early.concat(), 1007, "UTF-8");
    let late = [Frame::text(b"\"\xf0\x9f".to_vec()).unfinished().bytes(), Frame::new(0, "").bytes()];
    scene.expect_fault(&[], "never completed", &late.concat(), 1007, "UTF-8");
    scene.friend_is_well();
}

#[test]
fn messages_that_mean_nothing_get_an_error_and_the_connection_stays() {
    let mut scene = Scene::new();
    let mut client = Client::welcomed(&scene.server.ws());
    let deep = format!(r#"{{"type":"ping","data":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let unclosed = "[".repeat(20_000);
    let long_name = format!(r#"{{"type":"subscribe","channels":["{}"]}}"#, "x".repeat(201));
    let long_type = format!(r#"{{"type":"{}"}}"#, "x".repeat(50_000));
    let cases: &[(&str, &str)] = &[
        ("", "invalid_json"),
        ("hello", "invalid_json"),
        ("{", "invalid_json"),
        (r#"{"type":"ping"} {}"#, "invalid_json"),
        (&deep, "invalid_json"),
        (&unclosed, "invalid_json"),
        ("null", "invalid_frame"),
        ("7", "invalid_frame"),
        ("[]", "invalid_frame"),
        ("{}", "invalid_frame"),
        (r#"{"type":7}"#, "invalid_frame"),
        (r#"{"type":null}"#, "invalid_frame"),
        (r#"{"type":"subscribe"}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":7}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":[7]}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":{"a":"b"}}"#, "invalid_frame"),
        (r#"{"type":"refresh","token":7}"#, "invalid_frame"),
        (r#"{"type":"publish","channel":"jobs"}"#, "unknown_type"),
        (r#"{"type":"connected"}"#, "unknown_type"),
        (&long_type, "unknown_type"),
        (r#"{"type":"subscribe","channels":""}"#, "invalid_channel"),
        (r#"{"type":"subscribe","channels":"a b"}"#, "invalid_channel"),
        (r#"{"type":"subscribe","channels":"\u0000"}"#, "invalid_channel"),
        (r#"{"type":"subscribe","channels":"ä"}"#, "invalid_channel"),
        (&long_name, "invalid_channel"),
    ];
    for (text, code) in cases {
        client.send_text(text);
        let error = client.expect_error(code);
        let message = error["data"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.len() > 10 && message.len() < 300, "{}: {message:?}", &text[..text.len().min(60)]);
    }
    client.send_binary(b"\xff\xfe");
    client.expect_error("invalid_json");
    client.send_binary(br#"{"type":"ping"}"#);
    client.expect_type("pong");
    let names: Vec<String> = (0..101).map(|n| format!("channel-{n}")).collect();
    client.send_json(&json!({ "type": "subscribe", "channels": names }));
    client.expect_error("too_many_channels");
    assert_eq!(client.expect_type("subscribed")["data"]["channels"].as_array().map(Vec::len), Some(100));
    // 60 KB of channel names, all bad: the answer does not grow beyond what the limit allows.
    client.send_text(&format!(r#"{{"type":"subscribe","channels":[{}" "]}}"#, r#"" ","#.repeat(12_000)));
    client.expect_error("invalid_channel");
    assert_eq!(client.ping_barrier().len(), 0);
    scene.friend_is_well();
}

pub(super) const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate";

/// Puts bits into bytes as RFC 1951 wants them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn bit(&mut self, bit: bool) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        let last = self.bytes.len() - 1;
        self.bytes[last] |= u8::from(bit) << (self.used % 8);
        self.used += 1;
    }

    /// A Huffman code, its first bit first.
    fn code(&mut self, code: u32, length: u32) {
        for at in (0..length).rev() {
            self.bit(code >> at & 1 == 1);
        }
    }
}

/// A deflated message of `1 + 258 * matches` blanks, 13 bits for each match.
fn bomb(matches: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // Not the last block, with the fixed codes.
    [false, true, false].into_iter().for_each(|bit| bits.bit(bit));
    bits.code(0x30 + u32::from(b' '), 8);
    for _ in 0..matches {
        // 258 bytes from one byte back.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    // An empty stored block, whose last four bytes are left out (RFC 7692, 7.2.1).
    [false; 3].into_iter().for_each(|bit| bits.bit(bit));
    bits.bytes
}

/// A message in one stored block.
fn stored(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    let mut bytes = vec![0];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&(!length).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

#[test]
fn compressed_bombs_are_defused() {
    let mut scene = Scene::new();
    let mut client = RawClient::upgraded(scene.address(), "/ws", &[DEFLATE]);
    assert_eq!(json_of(&mut client)["type"], "connected");
    client.send(&Frame::text(stored(r#"{"type":"ping","data":1}"#)).reserved(4));
    assert_eq!(json_of(&mut client)["data"], 1);
    // Within the limit it is a message like any other: 64,500 blanks are no JSON.
    client.send(&Frame::text(bomb(250)).reserved(4));
    assert_eq!(json_of(&mut client)["data"]["code"], "invalid_json");

    let memory = scene.server.memory();
    let large = bomb(40_000);
    assert!(large.len() < MAX_MESSAGE, "{}", large.len());
    scene.expect_fault(
        &[DEFLATE],
        "a bit too large",
        &Frame::text(bomb(255)).reserved(4).bytes(),
        1009,
        "65536",
    );
    for _ in 0..20 {
        scene.expect_fault(
            &[DEFLATE],
            "10 MB",
            &Frame::text(large.as_slice()).reserved(4).bytes(),
            1009,
            "65536",
        );
    }
    let (first, second) = large.split_at(large.len() / 2);
    let parts = [Frame::text(first).reserved(4).unfinished().bytes(), Frame::new(0, second).bytes()].concat();
    scene.expect_fault(&[DEFLATE], "10 MB in two fragments", &parts, 1009, "65536");
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 8 << 20, "grown by {grown} bytes");

    let cases = [
        ("garbage", Frame::text(vec![0xff; 40]).reserved(4).bytes(), 1007, "deflate"),
        (
            "text that is not UTF-8",
            Frame::text([0, 1, 0, 0xfe, 0xff, 0xff, 0]).reserved(4).bytes(),
            1007,
            "UTF-8",
        ),
        ("a wrong length", Frame::text([0, 9, 0, 0, 0, b'a']).reserved(4).bytes(), 1007, "deflate"),
        (
            "RSV1 on a continuation",
            [Frame::text("a").unfinished().bytes(), Frame::new(0, "b").reserved(4).bytes()].concat(),
            1002,
            "RSV1",
        ),
        ("RSV1 on a ping", Frame::new(9, "").reserved(4).bytes(), 1002, "RSV1"),
        ("RSV2 as well", Frame::text("a").reserved(6).bytes(), 1002, "RSV2"),
    ];
    for (name, bytes, code, reason) in &cases {
        scene.expect_fault(&[DEFLATE], name, bytes, *code, reason);
    }
    scene.friend_is_well();
}
