//! The fourth table: clients of Socket.IO at this hub and at npm's server.

use super::{Bound, CPU, Measure};

const NPM: &str = "socketio";
const FANOUT: &str = "socketio-fanout";
const LOOP: &str = "socketio-fanout-max";
const IDLE: &str = "socketio-idle";
const CONNECTS: &str = "socketio-connects";
const POLLING: &str = "socketio-polling-fanout-max";

const fn row(
    title: &'static str,
    scenario: &'static str,
    figure: &'static str,
    bounds: &'static [Bound],
) -> Measure {
    Measure { title, scenario, figure, bounds }
}

/// A connection that is only there costs less than this, in bytes.
const MEMORY: f64 = 1_000.0;

pub(super) const MEASURES: &[Measure] = &[
    row("CPU per delivery at 10 messages/s, µs", FANOUT, CPU, &[Bound::MostOf(0.45, NPM, FANOUT, CPU)]),
    row("… latency p50, ms", FANOUT, "latency_p50_ms", &[Bound::Beside(NPM, FANOUT, "latency_p50_ms")]),
    row("… latency p99, ms", FANOUT, "latency_p99_ms", &[Bound::Beside(NPM, FANOUT, "latency_p99_ms")]),
    row(
        "closed loop, deliveries/s: 1 outstanding",
        LOOP,
        "max1_deliveries_per_s",
        &[Bound::LeastOf(6.0, NPM, LOOP, "max1_deliveries_per_s")],
    ),
    row(
        "… 4 outstanding",
        LOOP,
        "max4_deliveries_per_s",
        &[Bound::LeastOf(6.0, NPM, LOOP, "max4_deliveries_per_s")],
    ),
    row(
        "… 16 outstanding",
        LOOP,
        "max16_deliveries_per_s",
        &[Bound::LeastOf(6.0, NPM, LOOP, "max16_deliveries_per_s")],
    ),
    row(
        "… CPU per delivery, µs: 1 outstanding",
        LOOP,
        "max1_cpu_per_delivery_us",
        &[Bound::Beside(NPM, LOOP, "max1_cpu_per_delivery_us")],
    ),
    row(
        "… 16 outstanding",
        LOOP,
        "max16_cpu_per_delivery_us",
        &[Bound::Beside(NPM, LOOP, "max16_cpu_per_delivery_us")],
    ),
    row("memory per idle connection, bytes", IDLE, "bytes_per_connection", &[Bound::Most(MEMORY)]),
    row("connects/s", CONNECTS, "connects_per_s", &[Bound::LeastOf(3.0, NPM, CONNECTS, "connects_per_s")]),
    row(
        "… CPU per connect, µs",
        CONNECTS,
        "cpu_per_connect_us",
        &[Bound::Beside(NPM, CONNECTS, "cpu_per_connect_us")],
    ),
    row(
        "polling, closed loop, deliveries/s: 1 outstanding",
        POLLING,
        "max1_deliveries_per_s",
        &[Bound::Beside(NPM, POLLING, "max1_deliveries_per_s")],
    ),
    row(
        "… 16 outstanding",
        POLLING,
        "max16_deliveries_per_s",
        &[Bound::Beside(NPM, POLLING, "max16_deliveries_per_s")],
    ),
    row(
        "… CPU per delivery, µs: 1 outstanding",
        POLLING,
        "max1_cpu_per_delivery_us",
        &[Bound::Beside(NPM, POLLING, "max1_cpu_per_delivery_us")],
    ),
    row(
        "… 16 outstanding",
        POLLING,
        "max16_cpu_per_delivery_us",
        &[Bound::Beside(NPM, POLLING, "max16_cpu_per_delivery_us")],
    ),
];
