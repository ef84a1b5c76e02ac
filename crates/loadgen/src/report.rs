//! Many runs into one table: medians per server, ratios, and whether the goals are reached; two builds side by side; the section of a document.
//!
//! Input is what scenarios print with `--json`, one run a line. Medians, because a noisy machine spoils single runs, not the middle of several.

mod cluster;
mod goals;
mod million;
mod recovery;
mod socketio;
#[cfg(test)]
mod tests;
mod worlds;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::outcome::{Outcome, human, median};

/// What to make of which runs.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReportArgs {
    /// Files of JSON lines
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Compare two targets figure by figure instead: `after,before`
    #[arg(long, value_delimiter = ',')]
    compare: Vec<String>,
    /// The table: servers side by side, what it costs that nothing is lost, the other worlds beside `/ws`, Socket.IO beside npm's, two nodes
    /// beside one, or the run with a million connections
    #[arg(long, value_enum, default_value = "bench")]
    table: Table,
    /// Put the table into this document, between the markers of its name
    #[arg(long)]
    write: Option<PathBuf>,
    /// A line above the table, such as versions and command; may be repeated
    #[arg(long)]
    note: Vec<String>,
}

/// The tables of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Table {
    /// Servers side by side.
    Bench,
    /// History, recovery, storage, storms.
    Recovery,
    /// The worlds beside each other.
    Worlds,
    /// Clients of Socket.IO, here and at npm's server.
    Socketio,
    /// Two nodes on one Redis.
    Cluster,
    /// A million connections.
    Million,
}

impl Table {
    /// The lines between which it stands.
    fn markers(self) -> [&'static str; 2] {
        match self {
            Self::Bench => ["<!-- bench:begin -->", "<!-- bench:end -->"],
            Self::Recovery => ["<!-- bench-recovery:begin -->", "<!-- bench-recovery:end -->"],
            Self::Worlds => ["<!-- bench-worlds:begin -->", "<!-- bench-worlds:end -->"],
            Self::Socketio => ["<!-- bench-socketio:begin -->", "<!-- bench-socketio:end -->"],
            Self::Cluster => ["<!-- bench-cluster:begin -->", "<!-- bench-cluster:end -->"],
            Self::Million => ["<!-- bench-million:begin -->", "<!-- bench-million:end -->"],
        }
    }
}

/// What a figure is held against.
enum Bound {
    /// Nothing; its multiple of another figure is told: target, scenario, figure.
    Beside(&'static str, &'static str, &'static str),
    /// At most this.
    Most(f64),
    /// At most this multiple of another figure: target, scenario, figure.
    MostOf(f64, &'static str, &'static str, &'static str),
    /// At least this multiple.
    LeastOf(f64, &'static str, &'static str, &'static str),
}

/// A row of the table.
struct Measure {
    title: &'static str,
    scenario: &'static str,
    figure: &'static str,
    bounds: &'static [Bound],
}

const CPU: &str = "cpu_per_delivery_us";
const PUBLISH: &str = "cpu_per_publish_us";

const MEASURES: &[Measure] = &[
    Measure {
        title: "CPU per delivery at the fixed rate, µs",
        scenario: "fanout",
        figure: CPU,
        bounds: &[Bound::MostOf(1.1, "floor", "fanout", CPU), Bound::MostOf(0.95, "bun", "fanout", CPU)],
    },
    Measure {
        title: "latency p50, ms",
        scenario: "fanout",
        figure: "latency_p50_ms",
        bounds: &[Bound::MostOf(0.9, "bun", "fanout", "latency_p50_ms")],
    },
    Measure {
        title: "latency p99, ms",
        scenario: "fanout",
        figure: "latency_p99_ms",
        bounds: &[Bound::MostOf(0.9, "bun", "fanout", "latency_p99_ms")],
    },
    Measure {
        title: "deliveries/s, 1 outstanding",
        scenario: "fanout-max",
        figure: "max1_deliveries_per_s",
        bounds: &[Bound::LeastOf(1.05, "bun", "fanout-max", "max1_deliveries_per_s")],
    },
    Measure {
        title: "deliveries/s, 4 outstanding",
        scenario: "fanout-max",
        figure: "max4_deliveries_per_s",
        bounds: &[],
    },
    Measure {
        title: "deliveries/s, 16 outstanding",
        scenario: "fanout-max",
        figure: "max16_deliveries_per_s",
        bounds: &[],
    },
    Measure {
        title: "CPU per delivery, 1 outstanding, µs",
        scenario: "fanout-max",
        figure: "max1_cpu_per_delivery_us",
        bounds: &[],
    },
    Measure {
        title: "CPU per delivery, 16 outstanding, µs",
        scenario: "fanout-max",
        figure: "max16_cpu_per_delivery_us",
        bounds: &[Bound::MostOf(0.95, "bun", "fanout-max", "max16_cpu_per_delivery_us")],
    },
    Measure {
        title: "memory per idle connection, bytes",
        scenario: "idle",
        figure: "bytes_per_connection",
        bounds: &[Bound::Most(560.0)],
    },
    Measure {
        title: "unicast: CPU per publish, µs",
        scenario: "unicast",
        figure: PUBLISH,
        bounds: &[Bound::MostOf(0.6, "bun", "unicast", PUBLISH)],
    },
    Measure { title: "unicast: publishes/s", scenario: "unicast", figure: "publishes_per_s", bounds: &[] },
    Measure {
        title: "unicast in batches: CPU per event, µs",
        scenario: "unicast-batch",
        figure: PUBLISH,
        bounds: &[Bound::MostOf(0.35, "bun", "unicast", PUBLISH)],
    },
    Measure {
        title: "churn: CPU per connection, µs",
        scenario: "churn",
        figure: "cpu_per_connection_us",
        bounds: &[],
    },
    Measure { title: "churn: memory before, KiB", scenario: "churn", figure: "pss_before_kib", bounds: &[] },
    Measure {
        title: "churn: memory at the peak, KiB",
        scenario: "churn",
        figure: "pss_peak_kib",
        bounds: &[],
    },
    Measure { title: "churn: memory after, KiB", scenario: "churn", figure: "pss_after_kib", bounds: &[] },
];

/// The order of columns; others follow by name.
const COLUMNS: &[(&str, &str)] = &[
    ("floor", "bare write"),
    ("fanfare", "Fanfare"),
    ("bun", "Bun"),
    ("ws", "ws"),
    ("reference", "actix-ws"),
    ("socketio", "npm socket.io"),
];

/// Medians by target, scenario and figure.
struct Medians(BTreeMap<(String, String, String), f64>);

impl Medians {
    fn of(runs: &[Outcome]) -> Self {
        let mut values: BTreeMap<(String, String, String), Vec<f64>> = BTreeMap::new();
        for run in runs {
            for (figure, value) in &run.figures {
                let scenario = listed_under(&run.scenario, figure).to_owned();
                values.entry((run.target.clone(), scenario, figure.clone())).or_default().push(*value);
            }
        }
        Self(values.into_iter().map(|(key, values)| (key, median(values))).collect())
    }

    fn get(&self, target: &str, scenario: &str, figure: &str) -> Option<f64> {
        self.0.get(&(target.to_owned(), scenario.to_owned(), figure.to_owned())).copied()
    }
}

/// The scenario a figure is listed under: `floor` measures the fixed rate and the closed loop, and is compared with both.
fn listed_under<'a>(scenario: &'a str, figure: &str) -> &'a str {
    match scenario {
        "floor" if figure.starts_with("max") => "fanout-max",
        "floor" => "fanout",
        other => other,
    }
}

fn title_of(target: &str) -> &str {
    COLUMNS.iter().find(|(name, _)| *name == target).map_or(target, |(_, title)| title)
}

fn targets_of(runs: &[Outcome]) -> Vec<String> {
    let known = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    let mut targets: Vec<String> = known.filter(|name| runs.iter().any(|run| run.target == *name)).collect();
    for run in runs {
        if !targets.contains(&run.target) {
            targets.push(run.target.clone());
        }
    }
    targets
}

/// Ratio, goal and verdict of one bound, the last two empty where there is no goal; `None` where a figure is missing.
fn judge(medians: &Medians, own: f64, bound: &Bound) -> Option<[String; 3]> {
    let word = |reached: bool| if reached { "yes" } else { "**no**" }.to_owned();
    let (sign, times, (target, scenario, figure)) = match bound {
        Bound::Most(most) => return Some([human(own), format!("≤ {most}"), word(own <= *most)]),
        Bound::Beside(target, scenario, figure) => {
            let ratio = own / medians.get(target, scenario, figure)?;
            return Some([format!("{ratio:.2} × {}", title_of(target)), String::new(), String::new()]);
        }
        Bound::MostOf(times, target, scenario, figure) => ("≤", times, (target, scenario, figure)),
        Bound::LeastOf(times, target, scenario, figure) => ("≥", times, (target, scenario, figure)),
    };
    let ratio = own / medians.get(target, scenario, figure)?;
    let reached = if sign == "≤" { ratio <= *times } else { ratio >= *times };
    let than = title_of(target);
    Some([format!("{ratio:.2} × {than}"), format!("{sign} {times} × {than}"), word(reached)])
}

/// The table of these measures, as far as they were taken.
fn table(measures: &[Measure], runs: &[Outcome]) -> String {
    let medians = Medians::of(runs);
    let targets = targets_of(runs);
    let mut out = String::from("| measure |");
    for target in &targets {
        let _ = write!(out, " {} |", title_of(target));
    }
    out.push_str(" Fanfare is | goal | reached |\n|---|");
    out.push_str(&"--:|".repeat(targets.len()));
    out.push_str("---|---|---|\n");
    for measure in measures {
        let cells: Vec<Option<f64>> =
            targets.iter().map(|target| medians.get(target, measure.scenario, measure.figure)).collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let _ = write!(out, "| {} |", measure.title);
        for cell in cells {
            let _ = write!(out, " {} |", cell.map_or_else(|| "–".to_owned(), rounded));
        }
        let own = medians.get("fanfare", measure.scenario, measure.figure);
        let judged: Vec<_> = measure.bounds.iter().filter_map(|bound| judge(&medians, own?, bound)).collect();
        let join = |part: usize| {
            let told = judged.iter().map(|judged: &[String; 3]| judged[part].as_str());
            told.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(out, " {} | {} | {} |", join(0), join(1), join(2));
    }
    out
}

/// Every figure of two targets and their ratio.
fn comparison(runs: &[Outcome], after: &str, before: &str) -> String {
    let medians = Medians::of(runs);
    let mut out =
        format!("| scenario | figure | {before} | {after} | {after} ÷ {before} |\n|---|---|--:|--:|--:|\n");
    for ((target, scenario, figure), value) in &medians.0 {
        let Some(old) = (target == after).then(|| medians.get(before, scenario, figure)).flatten() else {
            continue;
        };
        let ratio = if old == 0.0 { "–".to_owned() } else { format!("{:.3}", value / old) };
        let _ = writeln!(out, "| {scenario} | {figure} | {} | {} | {ratio} |", rounded(old), rounded(*value));
    }
    out
}

/// The runs that lost or doubled something; empty when all is well.
fn faults(runs: &[Outcome]) -> String {
    let mut out = String::new();
    for run in runs {
        for name in
            ["lost", "doubled", "wrong_connections", "out_of_order", "gaps", "publish_wrong", "closed"]
        {
            if let Some(count) = run.figures.get(name).filter(|count| **count != 0.0) {
                let _ = writeln!(out, "- {} against {}: {name} {count}", run.scenario, run.target);
            }
        }
    }
    out
}

fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Puts `section` between the markers of `document`, which gets them at its end if it has none.
fn replace_section(document: &str, section: &str, [first, last]: [&str; 2]) -> String {
    let block = format!("{first}\n{section}{last}");
    match (document.find(first), document.find(last)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{block}{}", &document[..begin], &document[end + last.len()..])
        }
        _ if document.is_empty() => format!("# Performance\n\n{block}\n"),
        _ => format!("{}\n\n{block}\n", document.trim_end()),
    }
}

fn read_runs(paths: &[PathBuf]) -> Result<Vec<Outcome>> {
    let mut runs = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            runs.push(serde_json::from_str(line).with_context(|| format!("a line of {}", path.display()))?);
        }
    }
    Ok(runs)
}

fn write_section(path: &Path, section: &str, table: Table) -> Result<()> {
    let document = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    fs::write(path, replace_section(&document, section, table.markers()))
        .with_context(|| format!("writing {}", path.display()))
}

/// Runs it.
pub(crate) fn run(args: &ReportArgs) -> Result<()> {
    let runs = read_runs(&args.runs)?;
    let mut section = String::new();
    for note in &args.note {
        let _ = writeln!(section, "{note}\n");
    }
    match args.compare.as_slice() {
        [after, before] => section.push_str(&comparison(&runs, after, before)),
        [] => section.push_str(&match args.table {
            Table::Bench => table(MEASURES, &runs),
            Table::Socketio => table(socketio::MEASURES, &runs),
            Table::Recovery => goals::table(recovery::ROWS, &runs),
            Table::Worlds => goals::table(worlds::ROWS, &runs),
            Table::Cluster => goals::table(cluster::ROWS, &runs),
            Table::Million => goals::table(million::ROWS, &runs),
        }),
        _ => bail!("--compare takes two targets: after,before"),
    }
    let faults = faults(&runs);
    if faults.is_empty() {
        let _ = writeln!(section, "\n{} runs; nothing was lost or doubled in any of them.", runs.len());
    } else {
        let _ = writeln!(section, "\n{} runs; of these lost or doubled something:\n\n{faults}", runs.len());
    }
    print!("{section}");
    if let Some(path) = &args.write {
        write_section(path, &section, args.table)?;
    }
    Ok(())
}
