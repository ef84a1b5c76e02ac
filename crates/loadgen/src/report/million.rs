//! The sixth table, in `docs/scaling.md`: as many connections as the machine holds.

use super::goals::{Goal, Row};

const MILLION: &str = "million";

const fn row(title: &'static str, figure: &'static str, goal: Goal) -> Row {
    (title, MILLION, figure, goal)
}

/// The goals: all of it in 8 GiB, a broadcast in 12 s, `/health` in 100 ms.
pub(super) const ROWS: &[Row] = &[
    row("connections, signed in and subscribed", "connections", Goal::Least(1_000_000.0)),
    row("nodes", "nodes", Goal::None),
    row("time to connect all, s", "connect_s", Goal::None),
    row("… CPU per connection, nodes, µs", "connect_nodes_cpu_us", Goal::None),
    row("… Redis, µs", "connect_redis_cpu_us", Goal::None),
    row("… clients, µs", "connect_clients_cpu_us", Goal::None),
    row("memory of it all, GiB (less that is available than before)", "memory_gib", Goal::Most(8.0)),
    row("… the most at any moment, GiB", "memory_most_gib", Goal::None),
    row(
        "… with sockets' inodes and names, which Linux counts as available, GiB",
        "memory_strict_gib",
        Goal::None,
    ),
    row("… bytes per connection, both ends", "memory_per_connection_bytes", Goal::None),
    row("… kernel, bytes per connection, both ends", "kernel_per_connection_bytes", Goal::None),
    row("… nodes, bytes per connection", "node_per_connection_bytes", Goal::None),
    row("… a node without connections, KiB", "node_before_kib", Goal::None),
    row("… nodes, MiB", "memory_nodes_mib", Goal::None),
    row("… clients, MiB", "memory_clients_mib", Goal::None),
    row("… Redis, MiB", "memory_redis_mib", Goal::None),
    row("broadcast, until the last client has it, median, s", "broadcast_last_s", Goal::Most(12.0)),
    row("… the slowest, s", "broadcast_last_worst_s", Goal::Most(12.0)),
    row("… CPU per delivery, nodes, µs", "broadcast_nodes_cpu_us", Goal::None),
    row("… clients, µs", "broadcast_clients_cpu_us", Goal::None),
    row("… Redis' CPU for one, ms", "broadcast_redis_cpu_ms", Goal::None),
    row("deliveries lost", "lost", Goal::Most(0.0)),
    row("… doubled", "doubled", Goal::Most(0.0)),
    row("connections that ended", "closed", Goal::Most(0.0)),
    row(
        "`/health` of all nodes during broadcasts, longest, ms",
        "health_broadcast_most_ms",
        Goal::Most(100.0),
    ),
    row("… p99, ms", "health_broadcast_p99_ms", Goal::None),
    row("… while they connect, longest, ms", "health_connecting_most_ms", Goal::None),
    row("… p99, ms", "health_connecting_p99_ms", Goal::None),
    row("all quiet: cores that the nodes take", "quiet_nodes_cores", Goal::None),
    row("… Redis", "quiet_redis_cores", Goal::None),
];
