//! The numbers that a process shows to Prometheus: its registry, the text form, and bucket presets.
//!
//! Which metrics there are is each binary's affair. One rule holds for all of them: a label has few values
//! that the code lists, never one per user, channel or connection.

use actix_web::HttpResponse;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, Registry, TEXT_FORMAT, TextEncoder};

#[cfg(test)]
mod tests;

/// Answer times of a call that is answered from memory, in seconds: 100 µs to 5 s.
///
/// Dense between what an idle server takes and the 30 ms that work for thousands of sockets can hold a thread;
/// beyond 1 s only "far too long" matters.
pub const LATENCY_SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Times of work in slices on one thread, in seconds: 10 µs to 1 s, a factor of about 3 apart.
pub const WORK_SECONDS: [f64; 11] =
    [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];

/// Sizes in bytes: 64 B to 1 MiB, a factor of 4 apart; the last is the usual limit on a body.
pub const SIZE_BYTES: [f64; 8] = [64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

/// Counts of things that come in very different numbers, such as an audience: 1 to 100,000 by powers of ten,
/// with 0 apart.
pub const COUNT: [f64; 7] = [0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

/// A registry that already has the process itself: `process_cpu_seconds_total`,
/// `process_resident_memory_bytes`, `process_open_fds`, `process_max_fds`, `process_threads` and its start.
///
/// Counting descriptors lists `/proc/self/fd` at each scrape, some milliseconds at 20,000 connections.
///
/// # Errors
/// None in practice; the registry answers in this type.
pub fn registry() -> prometheus::Result<Registry> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

/// The registry's present state in Prometheus' text format, with its content type.
///
/// A metric that can't be written is left out and logged; the others are worth having.
#[must_use]
pub fn render(registry: &Registry) -> (&'static str, String) {
    let mut text = Vec::with_capacity(16 * 1024);
    let encoder = TextEncoder::new();
    for family in registry.gather() {
        let before = text.len();
        if let Err(error) = encoder.encode(std::slice::from_ref(&family), &mut text) {
            text.truncate(before);
            tracing::warn!(metric = family.name(), %error, "a metric could not be written");
        }
    }
    (TEXT_FORMAT, String::from_utf8_lossy(&text).into_owned())
}

/// [`render`] as the answer to `GET /metrics`.
#[must_use]
pub fn response(registry: &Registry) -> HttpResponse {
    let (content_type, text) = render(registry);
    HttpResponse::Ok().content_type(content_type).body(text)
}
