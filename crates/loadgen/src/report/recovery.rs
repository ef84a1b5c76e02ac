//! The second table: what it costs that nothing is lost. One server, so each row holds a figure against a goal in numbers, with the lowest and
//! the highest run beside the median.

use std::fmt::Write as _;

use super::rounded;
use crate::outcome::{Outcome, median};

/// What a figure is held against.
enum Goal {
    /// Nothing; it explains another.
    None,
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
    /// At most so much more than the same figure of another scenario.
    MostAbove(f64, &'static str),
}

/// Title, scenario, figure, goal.
type Row = (&'static str, &'static str, &'static str, Goal);

const ROWS: &[Row] = &[
    ("recovery: events replayed per second", "recovery", "replayed_per_s", Goal::Least(1_000_000.0)),
    ("… per second of the server's CPU", "recovery", "replayed_per_cpu_s", Goal::None),
    ("… from the first subscribe to the last event, ms", "recovery", "elapsed_ms", Goal::None),
    ("… bytes of an event's frame", "recovery", "frame_bytes", Goal::None),
    ("… growth of the server's memory meanwhile, MiB", "recovery", "memory_growth_mib", Goal::None),
    ("history: CPU per delivery ÷ without history", "history", "on_to_off", Goal::Most(1.1)),
    ("… without history, µs", "history", "off_cpu_per_delivery_us", Goal::None),
    ("… with history, µs", "history", "on_cpu_per_delivery_us", Goal::None),
    ("… ÷ the version before there was history", "history", "on_to_before", Goal::Most(1.1)),
    ("… clients that asked for recovery ÷ without history", "history", "recoverable_to_off", Goal::None),
    ("durable: publishes per second ÷ in memory", "durable", "ratio", Goal::Least(0.8)),
    ("… durable, publishes per second", "durable", "durable_publishes_per_s", Goal::None),
    ("… in memory, publishes per second", "durable", "memory_publishes_per_s", Goal::None),
    ("… durable, server's CPU per publish, µs", "durable", "durable_cpu_per_publish_us", Goal::None),
    ("… in memory, server's CPU per publish, µs", "durable", "memory_cpu_per_publish_us", Goal::None),
    ("… publications per commit", "durable", "publications_per_commit", Goal::None),
    ("… time of a commit, ms", "durable", "commit_ms", Goal::None),
    ("idle: bytes per connection, plain", "idle", "bytes_per_connection", Goal::Most(560.0)),
    ("… recoverable", "idle-recoverable", "bytes_per_connection", Goal::MostAbove(64.0, "idle")),
    ("storm after a kill: CPU until all are served, s", "storm", "cpu_s", Goal::Most(5.0)),
    ("… until all are served, s", "storm", "all_served_s", Goal::None),
    ("… most attempts in 100 ms", "storm", "attempts_in_100_ms_most", Goal::None),
    ("… the publishers' longest wait, s", "storm", "publish_longest_s", Goal::None),
    ("… answers that no publisher may get", "storm", "publish_wrong", Goal::Most(0.0)),
    ("storm after a drain: CPU until all are served, s", "storm-drain", "cpu_s", Goal::Most(5.0)),
    ("… CPU of the drain itself, s", "storm-drain", "drain_cpu_s", Goal::None),
    ("… until all are served, s", "storm-drain", "all_served_s", Goal::None),
    ("… most attempts in 100 ms", "storm-drain", "attempts_in_100_ms_most", Goal::None),
    ("… answers that no publisher may get", "storm-drain", "publish_wrong", Goal::Most(0.0)),
    ("storm without jitter: CPU until all are served, s", "storm-naive", "cpu_s", Goal::Most(5.0)),
    ("… until all are served, s", "storm-naive", "all_served_s", Goal::None),
    ("… most attempts in 100 ms", "storm-naive", "attempts_in_100_ms_most", Goal::None),
    ("… answers that no publisher may get", "storm-naive", "publish_wrong", Goal::Most(0.0)),
];

fn values(runs: &[Outcome], scenario: &str, figure: &str) -> Vec<f64> {
    let of_it = runs.iter().filter(|run| run.target == "fanfare" && run.scenario == scenario);
    of_it.filter_map(|run| run.figures.get(figure).copied()).collect()
}

/// The table of all rows that were measured.
pub(super) fn table(runs: &[Outcome]) -> String {
    let mut out =
        String::from("| measure | median | lowest to highest | goal | reached |\n|---|--:|--:|---|---|\n");
    for (title, scenario, figure, goal) in ROWS {
        let values = values(runs, scenario, figure);
        if values.is_empty() {
            continue;
        }
        let own = median(values.clone());
        let (goal, is_reached) = match goal {
            Goal::None => (String::new(), None),
            Goal::Least(least) => (format!("≥ {least}"), Some(own >= *least)),
            Goal::Most(most) => (format!("≤ {most}"), Some(own <= *most)),
            Goal::MostAbove(more, base) => {
                let base = median(self::values(runs, base, figure));
                (format!("≤ {more} more than plain ({:+.0})", own - base), Some(own <= base + more))
            }
        };
        let reached = match is_reached {
            None => "",
            Some(true) => "yes",
            Some(false) => "**no**",
        };
        let (low, high) =
            values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
        let _ = writeln!(
            out,
            "| {title} | {} | {} to {} | {goal} | {reached} |",
            rounded(own),
            rounded(low),
            rounded(high)
        );
    }
    out
}
