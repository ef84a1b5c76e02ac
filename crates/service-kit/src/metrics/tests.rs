//! The exposition text, and that presets are valid buckets.

use prometheus::{Histogram, HistogramOpts, IntCounter};

use super::*;

#[test]
fn the_text_has_the_process_and_what_was_registered() {
    let registry = registry().expect("a fresh registry");
    let counter = IntCounter::new("made_total", "Things made.").expect("valid");
    registry.register(Box::new(counter.clone())).expect("no clash");
    counter.inc_by(3);
    let (content_type, text) = render(&registry);
    assert_eq!(content_type, "text/plain; version=0.0.4");
    assert!(text.contains("# TYPE made_total counter\nmade_total 3\n"), "{text}");
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
}

#[test]
fn presets_ascend_as_prometheus_demands() {
    for (name, buckets) in [
        ("latency", &LATENCY_SECONDS[..]),
        ("work", &WORK_SECONDS[..]),
        ("size", &SIZE_BYTES[..]),
        ("count", &COUNT[..]),
    ] {
        assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
        Histogram::with_opts(HistogramOpts::new(name, name).buckets(buckets.to_vec()))
            .expect("valid buckets");
    }
}

#[test]
fn the_answer_is_text_for_prometheus() {
    let response = response(&registry().expect("a fresh registry"));
    assert_eq!(response.status(), 200);
    let content_type = response.headers().get("content-type").expect("set");
    assert_eq!(content_type, "text/plain; version=0.0.4");
}
