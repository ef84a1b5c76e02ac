use proptest::prelude::*;

use super::*;

/// The example of the recommendation (§3.2.3).
const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn the_recommendations_example_is_read() {
    let context = TraceContext::parse(EXAMPLE).expect("a context");
    assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.parent_id().to_string(), "00f067aa0ba902b7");
    assert_eq!((context.flags(), context.to_string().as_str()), (1, EXAMPLE));
}

#[test]
fn what_is_malformed_is_no_trace() {
    for wrong in [
        "",
        "00",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
    ] {
        assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn of_a_later_version_the_part_that_is_known_is_read() {
    for later in [EXAMPLE.replacen("00", "01", 1), EXAMPLE.replacen("00", "cc", 1) + "-what-else"] {
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(EXAMPLE), "{later}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_reads_back_as_the_same(trace in 1_u128.., parent in 1_u64.., flags: u8) {
        let context = TraceContext::new(trace, parent, flags).expect("no zeros");
        prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
    }

    #[test]
    fn any_text_is_a_trace_or_none(text in "\\PC{0,60}") {
        let _ = TraceContext::parse(&text);
    }
}
