//! Tests of one header.

use super::*;
use proptest::prelude::*;

const IDLE: Expected = Expected { deflate: false, open: None, max_message: usize::MAX };
const DEFLATE: Expected = Expected { deflate: true, ..IDLE };
const OPEN: Expected = Expected { open: Some(Open { compressed: false, received: 0 }), ..DEFLATE };

fn error(bytes: &[u8], expected: &Expected) -> CodecError {
    Header::parse(bytes, expected).expect_err("an invalid header")
}

#[test]
fn a_header_is_complete_at_its_last_mask_byte() {
    for (bytes, len) in [
        (&[0x82, 0x80, 1, 2, 3, 4][..], 0),
        (&[0x82, 0xFD, 1, 2, 3, 4], 125),
        (&[0x82, 0xFE, 0, 126, 1, 2, 3, 4], 126),
        (&[0x82, 0xFE, 0xFF, 0xFF, 1, 2, 3, 4], 65535),
        (&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], 65536),
    ] {
        for cut in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..cut], &IDLE), Ok(None), "{cut} bytes of {bytes:?}");
        }
        let header = Header { opcode: Opcode::Binary, fin: true, compressed: false, len, mask: [1, 2, 3, 4] };
        assert_eq!(Header::parse(bytes, &IDLE), Ok(Some((header, bytes.len()))));
    }
}

#[test]
fn rsv2_and_rsv3_are_refused_even_with_deflate() {
    for first in [0x81 | 0x20, 0x81 | 0x10, 0x81 | 0x30, 0x81 | 0x70] {
        assert_eq!(error(&[first], &DEFLATE), CodecError::ReservedBits);
    }
}

#[test]
fn rsv1_is_refused_without_deflate() {
    assert_eq!(error(&[0xC1], &IDLE), CodecError::DeflateNotNegotiated);
    assert_eq!(Header::parse(&[0xC1], &DEFLATE), Ok(None));
    assert_eq!(Header::parse(&[0xC2], &DEFLATE), Ok(None));
}

#[test]
fn rsv1_is_refused_on_continuation_and_control_frames() {
    for first in [0xC0, 0xC8, 0xC9, 0xCA] {
        assert_eq!(error(&[first], &OPEN), CodecError::MisplacedDeflate);
    }
}

#[test]
fn reserved_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        assert_eq!(error(&[0x80 | opcode], &IDLE), CodecError::ReservedOpcode(opcode));
    }
}

#[test]
fn a_fragmented_control_frame_is_refused() {
    for first in [0x08, 0x09, 0x0A] {
        assert_eq!(error(&[first], &IDLE), CodecError::FragmentedControl);
    }
}

#[test]
fn a_control_frame_over_125_bytes_is_refused() {
    for first in [0x88, 0x89, 0x8A] {
        assert_eq!(Header::parse(&[first, 0x80 | 125], &IDLE), Ok(None));
        assert_eq!(error(&[first, 0x80 | 126], &IDLE), CodecError::ControlTooLong);
        assert_eq!(error(&[first, 0x80 | 127], &IDLE), CodecError::ControlTooLong);
    }
}

#[test]
fn a_continuation_needs_an_open_message_and_a_new_message_none() {
    assert_eq!(error(&[0x80], &IDLE), CodecError::UnexpectedContinuation);
    assert_eq!(error(&[0x00], &IDLE), CodecError::UnexpectedContinuation);
    assert_eq!(error(&[0x81], &OPEN), CodecError::InterleavedMessage);
    assert_eq!(error(&[0x02], &OPEN), CodecError::InterleavedMessage);
    for first in [0x80, 0x00, 0x88, 0x89, 0x8A] {
        assert_eq!(Header::parse(&[first], &OPEN), Ok(None));
    }
}

#[test]
fn an_unmasked_frame_is_refused() {
    for second in [0, 5, 125, 126, 127] {
        assert_eq!(error(&[0x81, second], &IDLE), CodecError::Unmasked);
    }
}

#[test]
fn a_length_in_too_many_bytes_is_refused() {
    assert_eq!(error(&[0x81, 0xFE, 0, 125], &IDLE), CodecError::NonMinimalLength);
    assert_eq!(error(&[0x81, 0xFE, 0, 0], &IDLE), CodecError::NonMinimalLength);
    assert_eq!(error(&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], &IDLE), CodecError::NonMinimalLength);
}

#[test]
fn a_64_bit_length_with_the_top_bit_is_refused() {
    assert_eq!(error(&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], &IDLE), CodecError::LengthOverflow);
}

#[test]
fn a_length_over_the_limit_is_refused_before_the_mask() {
    let limit = |max_message| Expected { max_message, ..DEFLATE };
    let too_large = |limit| CodecError::TooLarge { limit };
    assert_eq!(Header::parse(&[0x81, 0x80 | 10], &limit(10)), Ok(None));
    assert_eq!(error(&[0x81, 0x80 | 11], &limit(10)), too_large(10));
    assert_eq!(error(&[0x81, 0xFE, 0x03, 0xE9], &limit(1000)), too_large(1000));
    assert_eq!(error(&[0x81, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255], &limit(1000)), too_large(1000));
    assert_eq!(error(&[0xC1, 0xFE, 0x05, 0x00], &limit(1000)), too_large(1000));
}

#[test]
fn the_limit_counts_the_fragments_before() {
    let open = Some(Open { compressed: false, received: 8 });
    let expected = Expected { open, max_message: 10, deflate: false };
    assert_eq!(Header::parse(&[0x80, 0x80 | 2], &expected), Ok(None));
    assert_eq!(error(&[0x80, 0x80 | 3], &expected), CodecError::TooLarge { limit: 10 });
    assert_eq!(Header::parse(&[0x89, 0x80 | 125], &expected), Ok(None), "a ping is no part of the message");
}

proptest! {
    #[test]
    fn fourteen_bytes_are_always_a_header_or_an_error(
        bytes in any::<[u8; MAX_HEADER]>(),
        deflate in any::<bool>(),
        fragmented in any::<bool>(),
    ) {
        let open = fragmented.then_some(Open { compressed: deflate, received: 5 });
        let expected = Expected { deflate, open, max_message: 1 << 20 };
        prop_assert_ne!(Header::parse(&bytes, &expected), Ok(None));
    }
}
