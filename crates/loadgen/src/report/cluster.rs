//! The fifth table: two nodes on one Redis beside one node, and what is lost when a part dies.

use super::goals::{Goal, Row};

const CLUSTER: &str = "cluster";

const fn row(title: &'static str, figure: &'static str, goal: Goal) -> Row {
    (title, CLUSTER, figure, goal)
}

pub(super) const ROWS: &[Row] = &[
    row("deliveries/s, two nodes ÷ one: 16 outstanding", "max16_two_to_one", Goal::Least(0.7)),
    row("… 4 outstanding", "max4_two_to_one", Goal::Least(0.7)),
    row("… 1 outstanding", "max1_two_to_one", Goal::Least(0.7)),
    row("one node, deliveries/s: 16 outstanding", "max16_one_deliveries_per_s", Goal::None),
    row("… 4 outstanding", "max4_one_deliveries_per_s", Goal::None),
    row("… 1 outstanding", "max1_one_deliveries_per_s", Goal::None),
    row("two nodes, deliveries/s: 16 outstanding", "max16_two_deliveries_per_s", Goal::None),
    row("… 4 outstanding", "max4_two_deliveries_per_s", Goal::None),
    row("… 1 outstanding", "max1_two_deliveries_per_s", Goal::None),
    row("CPU per delivery, one node, µs: 16 outstanding", "max16_one_cpu_per_delivery_us", Goal::None),
    row("… two nodes", "max16_two_cpu_per_delivery_us", Goal::None),
    row("… one node, 1 outstanding", "max1_one_cpu_per_delivery_us", Goal::None),
    row("… two nodes, 1 outstanding", "max1_two_cpu_per_delivery_us", Goal::None),
    row("Redis' CPU per publication, µs: 16 outstanding", "max16_redis_cpu_per_publication_us", Goal::None),
    row("… 1 outstanding", "max1_redis_cpu_per_publication_us", Goal::None),
    row(
        "published on one node, read by all clients of the other, p99 ÷ one node's",
        "all_across_to_one_p99",
        Goal::Most(2.0),
    ),
    row("… one node, p50, ms", "all_one_latency_p50_ms", Goal::None),
    row("… one node, p99, ms", "all_one_latency_p99_ms", Goal::None),
    row("… across nodes, p50, ms", "all_across_latency_p50_ms", Goal::None),
    row("… across nodes, p99, ms", "all_across_latency_p99_ms", Goal::None),
    row("the same with a single client, p99 ÷ one node's", "alone_across_to_one_p99", Goal::Most(2.0)),
    row("… one node, p50, ms", "alone_one_latency_p50_ms", Goal::None),
    row("… one node, p99, ms", "alone_one_latency_p99_ms", Goal::None),
    row("… across nodes, p50, ms", "alone_across_latency_p50_ms", Goal::None),
    row("… across nodes, p99, ms", "alone_across_latency_p99_ms", Goal::None),
    row("Redis killed, away for s", "down_s", Goal::None),
    row("… clients that were disconnected", "down_disconnected", Goal::Most(0.0)),
    row("… events lost", "down_lost", Goal::Most(0.0)),
    row("… events doubled", "down_doubled", Goal::Most(0.0)),
    row("… streams with a gap", "down_gaps", Goal::Most(0.0)),
    row("… nodes that said so in `/health`", "down_degraded_nodes", Goal::Least(2.0)),
    row("… Redis back until all was delivered, s", "down_all_delivered_after_s", Goal::None),
    row("… publications answered 503 with `Retry-After`", "down_publish_503_retry_after", Goal::None),
    row("a node killed (SIGKILL): all its clients on the other, s", "kill_all_back_s", Goal::Most(5.0)),
    row("… and served with what they missed, s", "kill_all_served_s", Goal::None),
    row("… events lost", "kill_lost", Goal::Most(0.0)),
    row("… events doubled", "kill_doubled", Goal::Most(0.0)),
    row("… streams with a gap", "kill_gaps", Goal::Most(0.0)),
    row("… resumed by their token", "kill_resumed", Goal::None),
];
