//! One log event as one line of JSON. The form is documented at [`super::LogFormat::Json`].
//!
//! The formatter of tracing-subscriber has no place for the service's name, and leaves the `log.*` helper
//! fields of bridged libraries in every line.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes events as JSON lines under a service's name.
pub(super) struct Lines {
    pub(super) service: &'static str,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'a str,
    service: &'a str,
    target: &'a str,
    fields: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<Span>,
}

#[derive(Serialize)]
struct Span {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Box<RawValue>>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::with_capacity(32);
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans = context.event_scope().into_iter().flat_map(|scope| scope.from_root());
        let spans = spans.map(|span| {
            let extensions = span.extensions();
            let written =
                extensions.get::<FormattedFields<N>>().filter(|fields| fields.fields.len() > "{}".len());
            let fields = written.and_then(|fields| RawValue::from_string(fields.fields.clone()).ok());
            Span { name: span.name(), fields }
        });
        let line = Line {
            timestamp: &timestamp,
            level: event.metadata().level().as_str(),
            service: self.service,
            target: fields.log_target.as_deref().unwrap_or_else(|| event.metadata().target()),
            fields: &fields.members,
            spans: spans.collect(),
        };
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        out.write_str(&line)?;
        out.write_char('\n')
    }
}

/// The event's own members; `log.target` of a bridged record is its target, its other `log.*` are dropped.
#[derive(Default)]
struct Fields {
    members: Map<String, Value>,
    log_target: Option<String>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("log.target", Value::String(target)) => self.log_target = Some(target),
            (name, _) if name.starts_with("log.") => {}
            (name, value) => {
                self.members.insert(name.trim_start_matches("r#").to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // Infinity and NaN have no JSON form.
        let text = || Value::String(value.to_string());
        self.put(field, serde_json::Number::from_f64(value).map_or_else(text, Value::Number));
    }
}
