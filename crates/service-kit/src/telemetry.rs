//! The process' log: text for people or one JSON object a line for machines, filtered by `RUST_LOG`, on standard
//! error so that standard output stays free for what a command was asked to print.
//!
//! What is logged, and how often, is each binary's affair; [`LogLimiter`] is the means to keep a line that any
//! peer can cause from filling the disk. Numbers are in [`crate::metrics`].

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::OnceLock;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

mod json;
mod limiter;
#[cfg(test)]
mod tests;

pub use limiter::LogLimiter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// A line for people, coloured where standard error is a terminal and `NO_COLOR` is not set.
    #[default]
    Text,
    /// One JSON object a line: `timestamp`, `level`, `service`, `target`, `fields` (with `message`), and
    /// `spans` from the outermost in, each with `name` and `fields`.
    Json,
}

/// A log format by a name that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is neither text nor json")]
pub struct UnknownFormat;

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

/// Which events are logged, in the syntax of `RUST_LOG`: `info`, or `info,hub=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl Default for LogFilter {
    /// `info`.
    fn default() -> Self {
        Self("info".to_owned())
    }
}

/// A filter that can't be read; says why in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

impl FromStr for LogFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        directives(text).map(|_| Self(text.to_owned()))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn directives(text: &str) -> Result<EnvFilter, FilterError> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into());
    builder.parse(text).map_err(|error| FilterError(error.to_string()))
}

/// By which the filter of this process' log is changed, once there is one.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts the log of this process, and takes in what libraries write through the `log` crate.
///
/// A second call changes nothing, so that tests that each start a server can share a process. In
/// [`LogFormat::Json`] a panic is a log line as well, since its usual message would be several lines of text.
/// Writing never fails the caller: a line that standard error does not take is lost.
pub fn init(service: &'static str, format: LogFormat, filter: &LogFilter) {
    let ansi =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = directives(&filter.0).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = layer(service, format, ansi, std::io::stderr);
    let (filter, handle) = reload::Layer::new(filter);
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().is_ok();
    if started {
        // Nobody has set it, since there is one start.
        let _ = FILTER.set(handle);
    }
    if started && format == LogFormat::Json {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let message = panic.payload_as_str().unwrap_or("a payload that is no text");
            tracing::error!(place, panic = message, "a thread panicked");
        }));
    }
}

/// Puts another filter in force, for all that is logged from now on. Without a log of this process it does nothing.
pub fn set_filter(filter: &LogFilter) {
    if let (Some(handle), Ok(filter)) = (FILTER.get(), directives(&filter.0)) {
        // An error means that the log is gone, with the process.
        let _ = handle.reload(filter);
    }
}

fn layer<W>(
    service: &'static str,
    format: LogFormat,
    ansi: bool,
    writer: W,
) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Left on, an error while writing is reported by `eprintln!`, which panics when standard error is closed.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    match format {
        LogFormat::Text => layer.with_ansi(ansi).boxed(),
        LogFormat::Json => {
            layer.with_ansi(false).fmt_fields(JsonFields::new()).event_format(json::Lines { service }).boxed()
        }
    }
}
