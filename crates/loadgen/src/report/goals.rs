//! Tables of one server: each row holds a figure against a goal in numbers, with the lowest and the highest run beside the median. Which rows
//! there are is the tables' own.

use std::fmt::Write as _;

use super::rounded;
use crate::outcome::{Outcome, median};

/// What a figure is held against.
pub(super) enum Goal {
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
pub(super) type Row = (&'static str, &'static str, &'static str, Goal);

fn values(runs: &[Outcome], scenario: &str, figure: &str) -> Vec<f64> {
    let of_it = runs.iter().filter(|run| run.target == "fanfare" && run.scenario == scenario);
    of_it.filter_map(|run| run.figures.get(figure).copied()).collect()
}

/// The table of those rows that were measured.
pub(super) fn table(rows: &[Row], runs: &[Outcome]) -> String {
    // A single run has no range.
    let is_single = runs.len() < 2;
    let mut out = String::from(if is_single {
        "| measure | figure | goal | reached |\n|---|--:|---|---|\n"
    } else {
        "| measure | median | lowest to highest | goal | reached |\n|---|--:|--:|---|---|\n"
    });
    for (title, scenario, figure, goal) in rows {
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
        let range =
            if is_single { String::new() } else { format!(" {} to {} |", rounded(low), rounded(high)) };
        let _ = writeln!(out, "| {title} | {} |{range} {goal} | {reached} |", rounded(own));
    }
    out
}
