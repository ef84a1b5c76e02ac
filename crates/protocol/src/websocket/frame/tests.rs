//! Tests of frames and masking.

use super::*;
use proptest::prelude::*;

const ALL: [Opcode; 6] =
    [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];

#[test]
fn opcodes_keep_their_bits_and_reserved_ones_have_no_variant() {
    for opcode in ALL {
        assert_eq!(Opcode::from_bits(opcode.bits()), Some(opcode));
        assert_eq!(opcode.is_control(), opcode.bits() >= 8);
    }
    let known = (0..=255).filter(|&bits| Opcode::from_bits(bits).is_some()).count();
    assert_eq!(known, ALL.len());
}

#[test]
fn frames_are_those_of_rfc_6455_section_5_7() {
    assert_eq!(text_frame(b"Hello")[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(
        masked_frame(Opcode::Text, true, false, b"Hello", [0x37, 0xfa, 0x21, 0x3d]),
        [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
    );
    assert_eq!(ping_frame(b"Hello")[..], [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(
        masked_frame(Opcode::Pong, true, false, b"Hello", [0x37, 0xfa, 0x21, 0x3d]),
        [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
    );
    assert_eq!(binary_frame(&[7; 256])[..4], [0x82, 0x7E, 0x01, 0x00]);
    assert_eq!(binary_frame(&[7; 65536])[..10], [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn a_compressed_frame_is_that_of_rfc_7692_section_7_2_3_1() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let frame = compressed_text_frame(&hello);
    assert_eq!(frame[..2], [0xc1, 0x07]);
    assert_eq!(frame[2..], hello);
}

#[test]
fn a_length_takes_the_minimal_number_of_bytes() {
    let sizes = [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)];
    for (payload, header) in sizes {
        let mut out = vec![0xAA];
        encode_header(Opcode::Binary, false, payload, &mut out);
        assert_eq!(out.len() - 1, header, "{payload}");
        assert_eq!(server_header_len(payload), header, "{payload}");
        assert_eq!(binary_frame(&vec![0; payload]).len(), header + payload);
    }
}

#[test]
fn a_masked_frame_carries_fin_and_rsv1_as_told() {
    let first = |fin, rsv1| masked_frame(Opcode::Text, fin, rsv1, b"", [0; 4])[0];
    assert_eq!(
        [first(true, true), first(true, false), first(false, true), first(false, false)],
        [0xC1, 0x81, 0x41, 0x01]
    );
}

#[test]
fn a_close_frame_carries_code_and_reason() {
    assert_eq!(close_frame(1000, "")[..], [0x88, 2, 0x03, 0xE8]);
    assert_eq!(close_frame(4001, "bye")[..], [0x88, 5, 0x0F, 0xA1, b'b', b'y', b'e']);
}

#[test]
fn a_long_close_reason_is_cut_between_characters() {
    assert_eq!(close_frame(1000, &"x".repeat(500)).len(), 2 + 125);
    let frame = close_frame(1000, &"é".repeat(100));
    assert_eq!(frame[1], 2 + 122);
    assert_eq!(std::str::from_utf8(&frame[4..]).unwrap(), "é".repeat(61));
    assert_eq!(close_frame(1000, &"🙂".repeat(100)).len(), 2 + 2 + 120);
}

#[test]
fn a_long_ping_or_pong_payload_is_cut_to_125_bytes() {
    assert_eq!(ping_frame(&[1; 126]).len(), 2 + 125);
    assert_eq!(pong_frame(&[1; 500])[..2], [0x8A, 125]);
    assert_eq!(pong_frame(b"")[..], [0x8A, 0]);
}

proptest! {
    #[test]
    fn unmasking_by_words_equals_unmasking_by_bytes(
        data in prop::collection::vec(any::<u8>(), 0..70),
        key in any::<[u8; 4]>(),
        offset in 0usize..1000,
    ) {
        let by_bytes: Vec<u8> =
            data.iter().enumerate().map(|(i, byte)| byte ^ key[(offset + i) % 4]).collect();
        let mut by_words = data;
        unmask(&mut by_words, key, offset);
        prop_assert_eq!(by_words, by_bytes);
    }

    #[test]
    fn unmasking_in_pieces_equals_unmasking_at_once(
        data in prop::collection::vec(any::<u8>(), 0..70),
        key in any::<[u8; 4]>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut at_once = data.clone();
        unmask(&mut at_once, key, 0);
        let mut in_pieces = data;
        let cut = cut.index(in_pieces.len() + 1);
        let (front, back) = in_pieces.split_at_mut(cut);
        unmask(front, key, 0);
        unmask(back, key, cut);
        prop_assert_eq!(in_pieces, at_once);
    }
}
