//! A picture of storms: how many clients dial in each tenth of a second, one panel per storm, drawn as SVG.
//!
//! `loadgen storm --timeline FILE` writes what `loadgen plot` draws. The panels share the time, not the height: a storm in one moment and one
//! that is spread differ by more than any one scale can show, so each panel says its peak.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// Milliseconds of one bar.
const BAR_MS: u128 = 100;

/// Attempts to connect in each tenth of a second since the hub's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    title: String,
    per_100_ms: Vec<u32>,
}

impl Timeline {
    /// An empty one.
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), per_100_ms: Vec::new() }
    }

    /// Counts attempts by their times.
    pub(crate) fn add(&mut self, times: &[Duration]) {
        for time in times {
            let at = usize::try_from(time.as_millis() / BAR_MS).unwrap_or(usize::MAX).min(6_000);
            if at >= self.per_100_ms.len() {
                self.per_100_ms.resize(at + 1, 0);
            }
            self.per_100_ms[at] += 1;
        }
    }

    /// The most in one tenth of a second.
    pub(crate) fn peak(&self) -> u32 {
        self.per_100_ms.iter().copied().max().unwrap_or(0)
    }
}

/// What to draw.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlotArgs {
    /// Files that `storm --timeline` wrote, in the order of the panels
    #[arg(required = true)]
    timelines: Vec<PathBuf>,
    /// Titles of the panels, in the same order; default: what the files say
    #[arg(long)]
    title: Vec<String>,
    /// The picture
    #[arg(long)]
    out: PathBuf,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 46.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;

/// The picture of some storms.
fn draw(timelines: &[Timeline]) -> String {
    let bars = timelines.iter().map(|timeline| timeline.per_100_ms.len()).max().unwrap_or(1).max(10);
    // Whole seconds.
    let bars = bars.div_ceil(10) * 10;
    let width = WIDTH - LEFT - RIGHT;
    let bar = width / bars as f64;
    let height = TOP + timelines.len() as f64 * (PANEL + GAP) - GAP + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#333\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (at, timeline) in timelines.iter().enumerate() {
        let top = TOP + at as f64 * (PANEL + GAP);
        let base = top + PANEL;
        let peak = timeline.peak().max(1);
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\">{}</text>",
            top - 10.0,
            escaped(&timeline.title)
        );
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">at most {peak} in 100 ms</text>",
            WIDTH - RIGHT,
            top - 10.0
        );
        for (share, value) in [(0.0, 0), (0.5, peak / 2), (1.0, peak)] {
            let y = base - PANEL * share;
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            );
        }
        let mut path = String::new();
        for (slot, count) in timeline.per_100_ms.iter().enumerate().filter(|(_, count)| **count > 0) {
            let tall = PANEL * f64::from(*count) / f64::from(peak);
            let x = LEFT + slot as f64 * bar;
            let _ = write!(path, "M{x:.1} {base:.1}v-{tall:.1}h{:.1}v{tall:.1}z", (bar - 0.5).max(0.5));
        }
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"#2563eb\"/>");
        let step = if bars > 150 { 50 } else { 10 };
        for second in (0..=bars).step_by(step) {
            let x = LEFT + second as f64 * bar;
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                base + 15.0,
                second / 10
            );
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">seconds since the hub's end; attempts to connect in each 100 ms</text>\n</svg>",
        LEFT + width / 2.0,
        height - 10.0
    );
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Runs it.
pub(crate) fn run(args: &PlotArgs) -> Result<()> {
    let mut timelines = Vec::new();
    for path in &args.timelines {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let timeline: Timeline =
            serde_json::from_str(&text).with_context(|| format!("{} is no timeline", path.display()))?;
        timelines.push(timeline);
    }
    if !args.title.is_empty() && args.title.len() != timelines.len() {
        bail!("as many titles as files, or none");
    }
    for (timeline, title) in timelines.iter_mut().zip(&args.title) {
        timeline.title.clone_from(title);
    }
    fs::write(&args.out, draw(&timelines)).with_context(|| format!("writing {}", args.out.display()))
}
