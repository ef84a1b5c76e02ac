//! Tests of keys and of the negotiation.

use super::*;
use proptest::prelude::*;

fn negotiate(offer: &str) -> Option<&'static str> {
    negotiate_deflate([offer].into_iter())
}

#[track_caller]
fn accepted(offer: &str) {
    assert_eq!(negotiate(offer), Some(RESPONSE), "{offer}");
}

#[track_caller]
fn declined(offer: &str) {
    assert_eq!(negotiate(offer), None, "{offer}");
}

#[test]
fn the_accept_value_is_that_of_rfc_6455_section_1_3() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn a_key_is_sixteen_bytes_in_base64() {
    assert!(check_key("dGhlIHNhbXBsZSBub25jZQ=="));
    assert!(check_key("AAAAAAAAAAAAAAAAAAAAAB=="), "unused bits do no harm");
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ= ",
        "dGhlIHNhbXBsZSBub25jZTE=",
        "dGhlIHNhbXBsZSBub25jZTEy",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZQ==dGhl",
        "!GhlIHNhbXBsZSBub25jZQ==",
        "éGhlIHNhbXBsZSBub25jZQ=",
    ] {
        assert!(!check_key(key), "{key}");
    }
}

#[test]
fn only_version_13_is_spoken() {
    assert!(check_version("13"));
    for version in ["", "8", "0", "013", "13, 8", " 13"] {
        assert!(!check_version(version), "{version}");
    }
}

#[test]
fn the_answer_always_gives_up_both_contexts() {
    assert_eq!(
        negotiate("permessage-deflate"),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    );
}

#[test]
fn what_browsers_and_libraries_offer_is_accepted() {
    accepted("permessage-deflate; client_max_window_bits");
    accepted("permessage-deflate;client_max_window_bits=15");
    accepted("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    accepted("PerMessage-Deflate; Client_Max_Window_Bits");
    accepted("x-webkit-deflate-frame, permessage-deflate");
}

#[test]
fn spaces_tabs_and_empty_elements_are_allowed() {
    accepted(" , ,\tpermessage-deflate ;\tclient_max_window_bits = 10 , ");
}

#[test]
fn no_offer_gets_no_answer() {
    assert_eq!(negotiate_deflate(std::iter::empty()), None);
    declined("");
    declined(" , ");
}

#[test]
fn unknown_extensions_are_skipped_with_their_parameters() {
    declined("permessage-bzip2");
    declined("permessage-deflated");
    accepted("bbf-usp-protocol; a=1; b=\"c\\d\"; permessage-deflate, permessage-deflate");
    declined("x; permessage-deflate");
    accepted("x; a=\"1\", permessage-deflate");
}

#[test]
fn a_full_server_window_is_repeated_in_the_answer() {
    assert_eq!(
        negotiate("permessage-deflate; server_max_window_bits=15"),
        Some(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=15"
        )
    );
    assert_eq!(negotiate("permessage-deflate; server_max_window_bits=\"15\""), Some(RESPONSE_WITH_WINDOW));
}

#[test]
fn a_smaller_server_window_is_declined_and_the_next_offer_tried() {
    for bits in 8..15 {
        declined(&format!("permessage-deflate; server_max_window_bits={bits}"));
    }
    accepted("permessage-deflate; server_max_window_bits=10, permessage-deflate");
    assert_eq!(
        negotiate_deflate(
            ["permessage-deflate; server_max_window_bits=10", "x, permessage-deflate"].into_iter()
        ),
        Some(RESPONSE)
    );
}

#[test]
fn the_first_acceptable_offer_counts() {
    accepted("permessage-deflate, permessage-deflate; server_max_window_bits=15");
}

#[test]
fn any_client_window_is_accepted_and_left_unanswered() {
    accepted("permessage-deflate; client_max_window_bits");
    for bits in 8..=15 {
        accepted(&format!("permessage-deflate; client_max_window_bits={bits}"));
    }
    accepted("permessage-deflate; client_max_window_bits=\"1\\0\"");
}

#[test]
fn window_bits_are_8_to_15_without_leading_zeros() {
    for value in ["0", "7", "16", "08", "010", "015", "+9", "1e1", "100000000000000000000", "\"16\""] {
        declined(&format!("permessage-deflate; client_max_window_bits={value}"));
        declined(&format!("permessage-deflate; server_max_window_bits={value}"));
    }
    declined("permessage-deflate; server_max_window_bits");
}

#[test]
fn a_no_context_takeover_parameter_has_no_value() {
    declined("permessage-deflate; server_no_context_takeover=1");
    declined("permessage-deflate; client_no_context_takeover=\"true\"");
}

#[test]
fn a_parameter_named_twice_makes_the_offer_invalid() {
    for parameter in [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits=15",
        "client_max_window_bits",
    ] {
        let offer = format!("permessage-deflate; {parameter}; {parameter}");
        declined(&offer);
        accepted(&format!("{offer}, permessage-deflate"));
    }
    declined("permessage-deflate; client_max_window_bits; client_max_window_bits=15");
}

#[test]
fn an_unknown_parameter_makes_the_offer_invalid() {
    declined("permessage-deflate; mem_level=9");
    accepted("permessage-deflate; mem_level=9, permessage-deflate");
}

#[test]
fn a_comma_or_semicolon_in_quotes_is_not_a_token() {
    declined("x; a=\"1, permessage-deflate\"");
    declined("x; a=\"\\\"; permessage-deflate\"");
}

#[test]
fn a_malformed_header_is_ignored_from_there_on() {
    for malformed in [
        ";",
        "=",
        "x y",
        "x;",
        "x; ;",
        "x; a=",
        "x; a=\"",
        "x; a=\"1",
        "x; a=\"1\\",
        "x; a=\"\"",
        "x; a=\"1\"2",
        "x é",
        "\"permessage-deflate\"",
    ] {
        declined(&format!("{malformed}, permessage-deflate"));
        let then = [malformed, "permessage-deflate"];
        assert_eq!(negotiate_deflate(then.into_iter()), Some(RESPONSE), "{malformed}");
    }
    declined("permessage-deflate; client_max_window_bits=");
    declined("permessage-deflate client_max_window_bits");
}

#[test]
fn the_work_on_hostile_headers_is_bounded() {
    accepted(&format!("{}permessage-deflate", "x,".repeat(MAX_EXTENSIONS - 1)));
    declined(&format!("{}permessage-deflate", "x,".repeat(MAX_EXTENSIONS)));
    declined(&format!("permessage-deflate{}", " ".repeat(MAX_HEADER_VALUE)));
    let endless = std::iter::repeat("x");
    assert_eq!(negotiate_deflate(endless), None);
}

proptest! {
    #[test]
    fn any_header_is_answered_or_declined(
        values in prop::collection::vec("[a-z;=,\"\\\\ 0-9é]{0,40}|\\PC{0,40}", 0..4),
    ) {
        negotiate_deflate(values.iter().map(String::as_str));
    }

    #[test]
    fn any_key_is_judged(key in "\\PC{0,30}") {
        check_key(&key);
        prop_assert_eq!(accept_key(&key).len(), 28);
    }

    #[test]
    fn the_key_of_any_sixteen_bytes_is_valid(bytes in any::<[u8; 16]>()) {
        prop_assert!(check_key(&STANDARD.encode(bytes)));
    }
}
