//! The lines that come out, and filters that are refused.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::dispatcher::with_default;

use super::*;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `events` logs in a format.
fn logged(format: LogFormat, events: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let layer = layer("test-service", format, false, move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(layer);
    with_default(&subscriber.into(), events);
    let bytes = buffer.0.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn json_is_one_object_a_line_with_the_fields_of_event_and_spans() {
    let text = logged(LogFormat::Json, || {
        let outer = tracing::info_span!("connection", id = "c-1", user = tracing::field::Empty);
        let _in_outer = outer.enter();
        outer.record("user", 7);
        let _in_inner = tracing::info_span!("publication").entered();
        tracing::warn!(target: "somewhere", count = 3, ratio = 0.5, ok = true, kind = ?Some(1), "two\nlines \"quoted\"");
        tracing::info!(not_a_number = f64::NAN, "second");
    });
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let mut first = lines[0].clone();
    let timestamp = first["timestamp"].take();
    let timestamp = timestamp.as_str().expect("text");
    assert!(
        timestamp.len() == "2025-11-01T12:00:00.000000Z".len() && timestamp.ends_with('Z'),
        "{timestamp}"
    );
    assert_eq!(
        first,
        json!({
            "timestamp": null, "level": "WARN", "service": "test-service", "target": "somewhere",
            "fields": {"message": "two\nlines \"quoted\"", "count": 3, "ratio": 0.5, "ok": true, "kind": "Some(1)"},
            "spans": [{"name": "connection", "fields": {"id": "c-1", "user": 7}}, {"name": "publication"}],
        })
    );
    assert_eq!(lines[1]["fields"]["not_a_number"], "NaN");
}

#[test]
fn text_is_a_line_with_spans_and_fields_and_no_escapes_into_a_file() {
    let text = logged(LogFormat::Text, || {
        let _in_span = tracing::info_span!("connection", id = "c-1").entered();
        tracing::info!(count = 3, "hello");
    });
    assert!(text.contains("INFO connection{id=\"c-1\"}:") && text.contains("hello count=3"), "{text}");
    assert_eq!(text.lines().count(), 1);
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn formats_and_filters_read_and_are_refused() {
    assert_eq!("json".parse(), Ok(LogFormat::Json));
    assert_eq!("text".parse(), Ok(LogFormat::Text));
    assert_eq!("xml".parse::<LogFormat>(), Err(UnknownFormat));
    assert_eq!("info,hub=debug".parse::<LogFilter>().expect("valid").to_string(), "info,hub=debug");
    let error = "info,hub=loud".parse::<LogFilter>().expect_err("no such level").to_string();
    assert!(!error.is_empty() && !error.contains('\n'), "{error}");
    assert_eq!(LogFilter::default().to_string(), "info");
}

#[test]
fn starting_twice_is_no_error() {
    init("first", LogFormat::Text, &LogFilter::default());
    init("second", LogFormat::Json, &LogFilter::default());
    tracing::info!("still alive");
}
