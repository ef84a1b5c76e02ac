//! What a run found: flat named figures, as one line of JSON for the harness or as a table for people.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::ledger::Faults;

/// The figures of one scenario against one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    pub(crate) target: String,
    pub(crate) figures: BTreeMap<String, f64>,
}

impl Outcome {
    /// An empty outcome.
    pub(crate) fn new(scenario: &str, target: &str) -> Self {
        Self { scenario: scenario.to_owned(), target: target.to_owned(), figures: BTreeMap::new() }
    }

    /// Adds a figure; its name ends in its unit.
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }

    /// Adds p50, p99 and the maximum of a histogram of µs, in ms.
    pub(crate) fn add_latency(&mut self, prefix: &str, latency_us: &Histogram<u64>) {
        let ms = |us: u64| us as f64 / 1_000.0;
        self.add(&format!("{prefix}latency_p50_ms"), ms(latency_us.value_at_quantile(0.50)));
        self.add(&format!("{prefix}latency_p99_ms"), ms(latency_us.value_at_quantile(0.99)));
        self.add(&format!("{prefix}latency_max_ms"), ms(latency_us.max()));
    }

    /// Adds what was lost and doubled.
    pub(crate) fn add_faults(&mut self, faults: Faults) {
        self.add("lost", faults.lost as f64);
        self.add("doubled", faults.doubled as f64);
        self.add("wrong_connections", faults.wrong_connections as f64);
    }

    /// Prints it.
    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            return writeln!(out);
        }
        writeln!(out, "{} against {}", self.scenario, self.target)?;
        let width = self.figures.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in &self.figures {
            writeln!(out, "  {name:width$}  {}", human(*value))?;
        }
        Ok(())
    }
}

/// Three digits behind the point below 100, none above 10,000; whole numbers as they are.
pub(crate) fn human(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 10_000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

/// The middle of some values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
