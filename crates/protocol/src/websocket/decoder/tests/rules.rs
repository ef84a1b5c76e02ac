//! One test for each rule.

use super::*;
use crate::websocket::compress;

#[test]
fn a_decoder_is_one_pointer() {
    assert_eq!(size_of::<Decoder>(), 8);
    assert!(Decoder::default().is_idle());
    assert_eq!(Decoder::default().buffered(), 0);
}

#[test]
fn the_masked_examples_of_rfc_6455_section_5_7_are_decoded() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode(&hello), [owned("Hello")]);
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode(&pong), [Owned::Pong(b"Hello".to_vec())]);
    let fragmented = [frame(Opcode::Text, false, b"Hel"), frame(Opcode::Continuation, true, b"lo")];
    assert_eq!(decode(&fragmented.concat()), [owned("Hello")]);
    for size in [256, 65536] {
        let bytes = frame(Opcode::Binary, true, &vec![7; size]);
        assert_eq!(decode(&bytes), [Owned::Binary(vec![7; size])]);
    }
}

#[test]
fn the_unmasked_examples_of_rfc_6455_section_5_7_are_refused() {
    assert_eq!(refused(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]), CodecError::Unmasked);
    assert_eq!(refused(&[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]), CodecError::Unmasked);
}

#[test]
fn the_examples_of_rfc_7692_section_7_2_3_are_decoded() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(decode(&deflated(true, &hello)), [owned("Hello")]);
    let cut = [deflated(false, &hello[..3]), frame(Opcode::Continuation, true, &hello[3..])];
    assert_eq!(decode(&cut.concat()), [owned("Hello")]);
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(decode(&deflated(true, &stored)), [owned("Hello")]);
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(decode(&deflated(true, &last)), [owned("Hello")]);
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(decode(&deflated(true, &two)), [owned("Hello")]);
    assert_eq!(decode(&deflated(true, &[0x00])), [owned("")]);
}

#[test]
fn a_whole_frame_is_delivered_where_it_lies() {
    for mut bytes in [text(b"in place"), frame(Opcode::Ping, true, b"in place")] {
        let range = bytes.as_ptr_range();
        let mut calls = 0;
        Decoder::default()
            .feed(&LIMITS, &mut bytes, &mut |incoming| {
                let (Incoming::Text(_) | Incoming::Ping(_)) = incoming else { panic!("{incoming:?}") };
                let start = match incoming {
                    Incoming::Text(text) => text.as_ptr(),
                    Incoming::Ping(payload) => payload.as_ptr(),
                    _ => std::ptr::null(),
                };
                assert!(range.contains(&start));
                calls += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(calls, 1);
    }
}

#[test]
fn several_frames_in_one_input_come_in_order() {
    let bytes = [text(b"a"), frame(Opcode::Ping, true, b"b"), frame(Opcode::Binary, true, b"c"), text(b"")];
    assert_eq!(
        decode(&bytes.concat()),
        [owned("a"), Owned::Ping(b"b".to_vec()), Owned::Binary(b"c".to_vec()), owned("")]
    );
}

#[test]
fn a_message_uncompressed_is_fine_where_deflate_was_negotiated() {
    let (seen, result) =
        decode_with(DEFLATE, &[text(b"plain"), deflated(true, &compress(b"deflated"))].concat());
    assert_eq!((seen, result), (vec![owned("plain"), owned("deflated")], Ok(())));
}

#[test]
fn empty_frames_and_fragments_are_fine() {
    assert_eq!(decode(&text(b"")), [owned("")]);
    assert_eq!(decode(&frame(Opcode::Binary, true, b"")), [Owned::Binary(vec![])]);
    assert_eq!(decode(&frame(Opcode::Ping, true, b"")), [Owned::Ping(vec![])]);
    let fragments = [
        frame(Opcode::Text, false, b""),
        frame(Opcode::Continuation, false, b""),
        frame(Opcode::Continuation, false, b"x"),
        frame(Opcode::Continuation, true, b""),
    ];
    assert_eq!(decode(&fragments.concat()), [owned("x")]);
    let compressed = [deflated(false, b""), frame(Opcode::Continuation, true, &compress(b"x"))];
    assert_eq!(decode(&compressed.concat()), [owned("x")]);
}

#[test]
fn control_frames_between_fragments_come_first_and_in_order() {
    let bytes = [
        frame(Opcode::Binary, false, b"one "),
        frame(Opcode::Ping, true, b"1"),
        frame(Opcode::Continuation, false, b"two "),
        frame(Opcode::Pong, true, b"2"),
        frame(Opcode::Ping, true, b"3"),
        frame(Opcode::Continuation, true, b"three"),
        text(b"next"),
    ];
    assert_eq!(
        decode(&bytes.concat()),
        [
            Owned::Ping(b"1".to_vec()),
            Owned::Pong(b"2".to_vec()),
            Owned::Ping(b"3".to_vec()),
            Owned::Binary(b"one two three".to_vec()),
            owned("next"),
        ]
    );
}

#[test]
fn an_error_frees_what_was_held() {
    let bytes = [frame(Opcode::Text, false, b"held"), text(b"!")].concat();
    assert_eq!(refused(&bytes), CodecError::InterleavedMessage);
}

#[test]
fn violations_of_the_framing_are_refused_with_1002() {
    let cases = [
        (masked_frame(Opcode::Continuation, true, false, b"x", MASK), CodecError::UnexpectedContinuation),
        (masked_frame(Opcode::Ping, false, false, b"x", MASK), CodecError::FragmentedControl),
        (masked_frame(Opcode::Ping, true, true, b"x", MASK), CodecError::MisplacedDeflate),
        (masked_frame(Opcode::Ping, true, false, &[0; 126], MASK), CodecError::ControlTooLong),
        (masked_frame(Opcode::Close, true, false, &[0; 126], MASK), CodecError::ControlTooLong),
        (vec![0x83, 0x80, 0, 0, 0, 0], CodecError::ReservedOpcode(3)),
        (vec![0xA1, 0x80, 0, 0, 0, 0], CodecError::ReservedBits),
        (vec![0x81, 0xFE, 0, 5, 0, 0, 0, 0], CodecError::NonMinimalLength),
        (vec![0x81, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0], CodecError::LengthOverflow),
    ];
    for (bytes, error) in cases {
        assert_eq!(refused(&[text(b"fine"), bytes].concat()), error);
        assert_eq!(error.close_code(), 1002);
    }
    assert_eq!(refused_with(LIMITS, &deflated(true, &compress(b"x"))), CodecError::DeflateNotNegotiated);
    let compressed_later =
        [frame(Opcode::Text, false, b"a"), masked_frame(Opcode::Continuation, true, true, b"b", MASK)];
    assert_eq!(refused(&compressed_later.concat()), CodecError::MisplacedDeflate);
}

#[test]
fn messages_before_a_violation_are_delivered() {
    let (seen, result) = decode_with(LIMITS, &[text(b"fine"), vec![0x8F]].concat());
    assert_eq!((seen, result), (vec![owned("fine")], Err(CodecError::ReservedOpcode(15))));
}

#[test]
fn a_close_frame_gives_its_code_and_reason() {
    assert_eq!(decode(&frame(Opcode::Close, true, b"")), [Owned::Close(None)]);
    assert_eq!(
        decode(&frame(Opcode::Close, true, b"\x03\xE8bye")),
        [Owned::Close(Some((1000, "bye".to_owned())))]
    );
    let mut slowly = Client::new(LIMITS);
    slowly.send_slowly(&frame(Opcode::Close, true, b"\x03\xE9")).unwrap();
    assert_eq!(slowly.seen, [Owned::Close(Some((1001, String::new())))]);
    assert!(slowly.decoder.is_idle());
}

#[test]
fn nothing_after_a_close_frame_counts() {
    let bytes = [frame(Opcode::Text, false, b"open"), frame(Opcode::Close, true, b""), vec![0xFF; 50]];
    assert_eq!(decode(&bytes.concat()), [Owned::Close(None)]);
}

#[test]
fn close_codes_that_may_not_be_sent_are_refused() {
    let allowed = |code: u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    for code in (0..=u16::MAX).step_by(7).chain(990..1020).chain(2995..3005).chain(4995..5005) {
        let mut client = Client::new(LIMITS);
        let result = client.send(&frame(Opcode::Close, true, &code.to_be_bytes()));
        if allowed(code) {
            assert_eq!(client.seen, [Owned::Close(Some((code, String::new())))]);
        } else {
            assert_eq!(result, Err(CodecError::InvalidCloseCode(code)));
            assert_eq!(client.seen, []);
        }
    }
}

#[test]
fn a_bad_close_payload_is_refused() {
    assert_eq!(refused(&frame(Opcode::Close, true, b"\x03")), CodecError::TruncatedCloseCode);
    let reason = refused(&frame(Opcode::Close, true, b"\x03\xE8\xFF"));
    assert_eq!((reason, reason.close_code()), (CodecError::InvalidCloseReason, 1007));
    assert_eq!(refused(&frame(Opcode::Close, true, b"\x03\xE8\xE2\x82")), CodecError::InvalidCloseReason);
}

#[test]
fn text_that_is_not_utf_8_is_refused_and_binary_is_not_looked_at() {
    for bytes in [&b"\xFF"[..], b"\xC0\x80", b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"abc\xE2\x82"] {
        let error = refused(&text(bytes));
        assert_eq!((error, error.close_code()), (CodecError::InvalidText, 1007));
        assert_eq!(refused(&deflated(true, &compress(bytes))), CodecError::InvalidText);
        assert_eq!(decode(&frame(Opcode::Binary, true, bytes)), [Owned::Binary(bytes.to_vec())]);
    }
}

#[test]
fn a_character_may_be_cut_between_fragments() {
    let word = "κόσμε🙂".as_bytes();
    for cut in 0..=word.len() {
        let bytes =
            [frame(Opcode::Text, false, &word[..cut]), frame(Opcode::Continuation, true, &word[cut..])];
        assert_eq!(decode(&bytes.concat()), [owned("κόσμε🙂")]);
    }
}

#[test]
fn a_character_may_not_be_cut_at_the_end_of_a_message() {
    let bytes = [frame(Opcode::Text, false, b"a\xF0\x9F"), frame(Opcode::Continuation, true, b"\x99")];
    assert_eq!(refused(&bytes.concat()), CodecError::InvalidText);
    let bytes = [frame(Opcode::Text, false, b"a\xF0\x9F"), frame(Opcode::Continuation, true, b"")];
    assert_eq!(refused(&bytes.concat()), CodecError::InvalidText);
}

#[test]
fn invalid_text_fails_in_the_fragment_in_which_it_arrives() {
    let mut client = Client::new(LIMITS);
    assert_eq!(client.send(&frame(Opcode::Text, false, b"fine \xCE")), Ok(()));
    assert_eq!(client.send(&frame(Opcode::Continuation, false, b"\xCE")), Err(CodecError::InvalidText));
}

#[test]
fn invalid_text_fails_at_its_byte_within_a_frame_that_arrives_slowly() {
    let bytes = text(b"fine\xFFand more to come");
    let mut client = Client::new(LIMITS);
    assert_eq!(client.send_slowly(&bytes), Err((CodecError::InvalidText, 6 + 5)));
    // U+110000 is known to be none at its second byte.
    let mut client = Client::new(LIMITS);
    assert_eq!(client.send_slowly(&text(b"\xF4\x90\x80\x80")), Err((CodecError::InvalidText, 6 + 2)));
}

#[test]
fn a_header_fails_at_its_first_wrong_byte() {
    let cases = [(&[0x91][..], 1), (&[0x83], 1), (&[0x81, 0x00], 2), (&[0x81, 0xFE, 0, 1], 4)];
    for (bytes, at) in cases {
        let (_, failed) = Client::new(LIMITS).send_slowly(&[bytes, &[0; 20]].concat()).unwrap_err();
        assert_eq!(failed, at, "{bytes:?}");
    }
}

#[test]
fn a_message_of_exactly_the_limit_passes_and_one_byte_more_fails() {
    let limits = Limits { max_message: 1000, deflate: true };
    let too_large = Err(CodecError::TooLarge { limit: 1000 });
    let fits = vec![b'x'; 1000];
    let over = vec![b'x'; 1001];
    let fragments = |payload: &[u8]| {
        [frame(Opcode::Text, false, &payload[..600]), frame(Opcode::Continuation, true, &payload[600..])]
            .concat()
    };
    assert_eq!(decode_with(limits, &text(&fits)).1, Ok(()));
    assert_eq!(decode_with(limits, &text(&over)).1, too_large);
    assert_eq!(decode_with(limits, &fragments(&fits)).1, Ok(()));
    assert_eq!(decode_with(limits, &fragments(&over)).1, too_large);
    assert_eq!(decode_with(limits, &deflated(true, &compress(&fits))).1, Ok(()));
    assert_eq!(decode_with(limits, &deflated(true, &compress(&over))).1, too_large);
}

#[test]
fn a_declared_length_over_the_limit_fails_before_any_payload() {
    let limits = Limits { max_message: 1000, deflate: false };
    let mut client = Client::new(limits);
    assert_eq!(client.send(&[0x82, 0xFE, 0x03, 0xE9]), Err(CodecError::TooLarge { limit: 1000 }));
    let mut client = Client::new(limits);
    client.send(&frame(Opcode::Binary, false, &[0; 900])).unwrap();
    assert_eq!(client.send(&[0x00, 0x80 | 101]), Err(CodecError::TooLarge { limit: 1000 }));
}

#[test]
fn noise_of_exactly_the_limit_may_be_larger_when_compressed() {
    let limits = Limits { max_message: 2000, deflate: true };
    let mut seed = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(2000)
    .collect();
    let payload = compress(&noise);
    assert!(payload.len() > 2000);
    let bytes = masked_frame(Opcode::Binary, true, true, &payload, MASK);
    assert_eq!(decode_with(limits, &bytes), (vec![Owned::Binary(noise)], Ok(())));
}

#[test]
fn a_deflate_bomb_is_refused() {
    let bomb = compress(&vec![0; 16 << 20]);
    assert!(bomb.len() < LIMITS.max_message);
    assert_eq!(refused(&deflated(true, &bomb)), CodecError::TooLarge { limit: LIMITS.max_message });
}

#[test]
fn corrupt_deflate_data_is_refused_with_1007() {
    let error = refused(&deflated(true, &[0xFF, 0xFF, 0xFF]));
    assert_eq!((error, error.close_code()), (CodecError::CorruptDeflate, 1007));
}

#[test]
fn a_declared_length_alone_reserves_no_more_than_a_page() {
    let limits = Limits { max_message: 1 << 30, deflate: false };
    let mut client = Client::new(limits);
    let header = [0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
    client.send(&header).unwrap();
    assert!(!client.decoder.is_idle());
    assert!(client.decoder.buffered() <= size_of::<State>() + MAX_DECLARED_RESERVE);
    client.send(&[0]).unwrap();
    assert!(client.decoder.buffered() <= size_of::<State>() + MAX_DECLARED_RESERVE);
}

#[test]
fn a_buffer_at_most_doubles_with_what_has_arrived() {
    let mut client = Client::new(Limits { max_message: 1 << 30, deflate: false });
    client.send(&[0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]).unwrap();
    let mut received = 0;
    for _ in 0..2000 {
        client.send(&[0; 333]).unwrap();
        received += 333;
        assert!(client.decoder.buffered() <= size_of::<State>() + MAX_DECLARED_RESERVE.max(2 * received));
        assert!(client.decoder.buffered() >= received);
    }
}

#[test]
fn a_buffer_never_outgrows_the_frame_or_the_limit() {
    let payload = vec![1; 60_000];
    let bytes = frame(Opcode::Binary, true, &payload);
    let mut client = Client::new(LIMITS);
    for piece in bytes[..bytes.len() - 1].chunks(1000) {
        client.send(piece).unwrap();
        assert!(client.decoder.buffered() <= size_of::<State>() + payload.len());
    }
    let mut client = Client::new(LIMITS);
    client.send(&frame(Opcode::Binary, false, b"")).unwrap();
    for _ in 0..LIMITS.max_message {
        client.send(&frame(Opcode::Continuation, false, b"x")).unwrap();
        assert!(client.decoder.buffered() <= size_of::<State>() + LIMITS.max_message);
    }
    client.send(&frame(Opcode::Continuation, true, b"")).unwrap();
    assert_eq!(client.seen, [Owned::Binary(vec![b'x'; LIMITS.max_message])]);
    assert!(client.decoder.is_idle());
}

#[test]
fn every_incomplete_frame_or_message_is_held_and_nothing_else() {
    let mut client = Client::new(LIMITS);
    let bytes = [text(b"one"), text(b"two"), frame(Opcode::Ping, true, b"three")].concat();
    let ends = [9, 18, 29];
    for (at, byte) in bytes.iter().enumerate() {
        client.send(&[*byte]).unwrap();
        let idle = ends.contains(&(at + 1));
        assert_eq!(client.decoder.is_idle(), idle, "after byte {at}");
        assert_eq!(client.decoder.buffered() == 0, idle);
    }
    client.send(&frame(Opcode::Text, false, b"")).unwrap();
    assert!(!client.decoder.is_idle());
    client.send(&frame(Opcode::Continuation, true, b"")).unwrap();
    assert!(client.decoder.is_idle());
}

#[test]
fn empty_input_changes_nothing() {
    let mut client = Client::new(LIMITS);
    client.send(&[]).unwrap();
    assert!(client.decoder.is_idle());
    for byte in text(b"hi") {
        client.send(&[byte]).unwrap();
        client.send(&[]).unwrap();
    }
    assert_eq!(client.seen, [owned("hi")]);
}

#[test]
fn a_sink_that_breaks_gets_nothing_more() {
    let open = frame(Opcode::Text, false, b"open");
    let ping = frame(Opcode::Ping, true, b"");
    let mut bytes = [open, ping, frame(Opcode::Continuation, true, b""), text(b"never"), vec![0xFF]].concat();
    let mut decoder = Decoder::default();
    let mut seen = Vec::<Owned>::new();
    let result = decoder.feed(&LIMITS, &mut bytes, &mut |incoming| {
        seen.push(incoming.into());
        ControlFlow::Break(())
    });
    assert_eq!((result, seen), (Ok(()), vec![Owned::Ping(vec![])]));
    assert!(decoder.is_idle());
}
