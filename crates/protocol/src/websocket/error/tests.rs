//! Tests of the close codes and reasons.

use super::CodecError;
use crate::websocket::{MAX_CLOSE_REASON, close_frame};

fn all() -> Vec<CodecError> {
    use CodecError::*;
    vec![
        Unmasked,
        ReservedBits,
        DeflateNotNegotiated,
        MisplacedDeflate,
        ReservedOpcode(0xf),
        FragmentedControl,
        ControlTooLong,
        UnexpectedContinuation,
        InterleavedMessage,
        NonMinimalLength,
        LengthOverflow,
        TruncatedCloseCode,
        InvalidCloseCode(u16::MAX),
        InvalidCloseReason,
        InvalidText,
        CorruptDeflate,
        TooLarge { limit: usize::MAX },
    ]
}

#[test]
fn every_reason_fits_into_a_close_frame_uncut() {
    for error in all() {
        let reason = error.to_string();
        assert!(!reason.is_empty() && reason.len() <= MAX_CLOSE_REASON, "{reason}");
        assert!(close_frame(error.close_code(), &reason).ends_with(reason.as_bytes()));
    }
}

#[test]
fn every_close_code_is_one_that_may_be_sent() {
    for error in all() {
        assert!([1002, 1007, 1009].contains(&error.close_code()), "{error}");
    }
}
