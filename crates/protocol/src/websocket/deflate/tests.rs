//! Tests of compressing and inflating single messages.

use super::*;
use proptest::prelude::*;

const MAX: usize = 1 << 20;

fn inflated(input: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    inflate(input, MAX, &mut out).map(|()| out)
}

#[test]
fn hello_inflates_in_all_the_forms_of_rfc_7692_section_7_2_3() {
    let forms: [(&str, &[u8]); 4] = [
        ("one block", &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        ("no compression", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
        ("a final block", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
        ("two blocks", &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]),
    ];
    for (form, input) in forms {
        assert_eq!(inflated(input).unwrap(), b"Hello", "{form}");
    }
}

#[test]
fn a_message_that_reaches_into_the_one_before_is_corrupt() {
    // The second "Hello" of RFC 7692 §7.2.3.2, which shares the window of the first.
    inflated(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]).unwrap();
    assert_eq!(inflated(&[0xf2, 0x00, 0x11, 0x00, 0x00]), Err(InflateError::Corrupt));
}

#[test]
fn an_empty_message_is_a_single_zero_byte() {
    assert_eq!(compress(b""), [0x00]);
    assert_eq!(inflated(&[0x00]).unwrap(), b"");
    assert_eq!(inflated(&[]).unwrap(), b"");
}

#[test]
fn hello_compresses_to_one_block_without_the_tail() {
    assert_eq!(compress(b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
}

#[test]
fn the_same_message_compresses_to_the_same_bytes_whatever_came_before() {
    let message = br#"{"type":"notification","id":"0190","title":"Job finished"}"#;
    let first = compress(message);
    compress(&[7; 100_000]);
    assert_eq!(compress(message), first);
}

#[test]
fn a_final_block_may_end_the_payload_or_stand_in_its_middle() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflated(&last).unwrap(), b"Hello");
    let twice = [&last[..], &last, &[0x00]].concat();
    assert_eq!(inflated(&twice).unwrap(), b"HelloHello");
}

#[test]
fn many_final_blocks_are_refused() {
    let empty = [0x03, 0x00];
    assert!(inflated(&empty.repeat(MAX_FINAL_BLOCKS as usize)).is_ok());
    assert_eq!(inflated(&empty.repeat(100_000)), Err(InflateError::Corrupt));
}

#[test]
fn a_cut_message_is_corrupt() {
    let whole = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    // Not 1, which is an empty message, and not 6: four bytes short of a stored block's end the tail that the
    // receiver has to add (§7.2.2) completes it.
    for cut in [2, 3, 4, 5, 7, 8, 9, 10] {
        assert_eq!(inflated(&whole[..cut]), Err(InflateError::Corrupt), "{cut} bytes");
    }
    let long = compress("a message of some length, and then some more of it".as_bytes());
    assert_eq!(inflated(&long[..long.len() / 2]), Err(InflateError::Corrupt));
}

#[test]
fn a_reserved_block_type_is_corrupt() {
    assert_eq!(inflated(&[0x07]), Err(InflateError::Corrupt));
    assert_eq!(inflated(&[0xff; 32]), Err(InflateError::Corrupt));
}

#[test]
fn the_limit_is_exact() {
    for size in [1, 1023, 1024, 1025, 5000, 65536] {
        let input = compress(&vec![b'x'; size]);
        let mut out = Vec::new();
        assert_eq!(inflate(&input, size, &mut out), Ok(()), "{size}");
        assert_eq!(out.len(), size);
        assert_eq!(inflate(&input, size - 1, &mut out), Err(InflateError::TooLarge), "{size}");
    }
    assert_eq!(inflate(&compress(b"x"), 0, &mut Vec::new()), Err(InflateError::TooLarge));
    assert_eq!(inflate(&[0x00], 0, &mut Vec::new()), Ok(()));
}

#[test]
fn a_bomb_stops_at_the_limit_and_so_does_its_memory() {
    let bomb = compress(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let mut out = Vec::new();
    assert_eq!(inflate(&bomb, 100_000, &mut out), Err(InflateError::TooLarge));
    assert!(out.capacity() <= 100_000 + 1);
}

#[test]
fn an_unlimited_message_inflates() {
    let mut out = Vec::new();
    inflate(&compress(&[1; 10_000]), usize::MAX, &mut out).unwrap();
    assert_eq!(out, [1; 10_000]);
}

#[test]
fn what_was_in_the_output_is_replaced() {
    let mut out = b"old".to_vec();
    inflate(&compress(b"new"), MAX, &mut out).unwrap();
    assert_eq!(out, b"new");
}

#[test]
fn a_corrupt_message_leaves_nothing_behind_for_the_next() {
    for _ in 0..3 {
        assert!(inflated(&[0x07, 0x01]).is_err());
        assert_eq!(inflated(&compress(b"fine")).unwrap(), b"fine");
    }
}

#[test]
fn the_lent_buffer_may_be_asked_for_again_while_it_is_lent() {
    let outer = with_inflated(&compress(b"outer"), MAX, |outer| {
        with_inflated(&compress(b"inner"), MAX, |inner| assert_eq!(inner, b"inner")).unwrap();
        outer.to_vec()
    });
    assert_eq!(outer.unwrap(), b"outer");
}

#[test]
fn a_large_message_of_noise_comes_back() {
    let mut seed = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(300_000)
    .collect();
    assert_eq!(inflated(&compress(&noise)).unwrap(), noise);
}

proptest! {
    #[test]
    fn what_was_compressed_inflates_to_the_same(
        payload in prop::collection::vec(any::<u8>(), 0..5000),
    ) {
        prop_assert_eq!(inflated(&compress(&payload)).unwrap(), payload);
    }

    #[test]
    fn repetitive_text_comes_back(word in "\\PC{1,12}", times in 1usize..3000) {
        let text = word.repeat(times);
        prop_assert_eq!(inflated(&compress(text.as_bytes())).unwrap(), text.as_bytes());
    }

    #[test]
    fn random_bytes_never_panic_and_keep_to_the_limit(
        input in prop::collection::vec(any::<u8>(), 0..300),
        max in 0usize..2000,
    ) {
        let mut out = Vec::new();
        if inflate(&input, max, &mut out).is_ok() {
            prop_assert!(out.len() <= max);
        }
        prop_assert!(out.capacity() <= max + 1);
    }
}
