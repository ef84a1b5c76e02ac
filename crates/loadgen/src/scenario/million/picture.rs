//! The picture of `million`: connections and memory over the run, where the memory is, how each broadcast arrives, and `/health` meanwhile. SVG.

use std::fmt::Write as _;

use super::Series;

const WIDTH: f64 = 800.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 76.0;
const PANEL: f64 = 150.0;
const GAP: f64 = 70.0;
const TOP: f64 = 40.0;
const COLOURS: [&str; 6] = ["#2563eb", "#16a34a", "#d97706", "#64748b", "#7c3aed", "#c4b5fd"];
const BLUE: &str = "#2563eb";
const AMBER: &str = "#d97706";

/// A panel: where it lies, and what its axes reach to.
struct Panel {
    top: f64,
    most_x: f64,
    most_y: f64,
}

impl Panel {
    fn new(at: usize, most_x: f64, most_y: f64) -> Self {
        Self { top: TOP + at as f64 * (PANEL + GAP), most_x: most_x.max(1e-9), most_y: most_y.max(1e-9) }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * value / self.most_x
    }

    fn y(&self, value: f64) -> f64 {
        self.top + PANEL * (1.0 - value / self.most_y)
    }

    fn frame(&self, svg: &mut String, title: &str, axis: &str, label: impl Fn(f64) -> String) {
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\">{title}</text>",
            self.top - 12.0
        );
        for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let (y, value) = (self.y(self.most_y * part), self.most_y * part);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#e5e7eb\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                label(value)
            );
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                self.x(self.most_x * part),
                self.top + PANEL + 16.0,
                short(self.most_x * part)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#6b7280\">{axis}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            self.top + PANEL + 32.0
        );
    }

    fn line(&self, svg: &mut String, colour: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, y) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ =
                write!(path, "{letter}{:.1} {:.1}", self.x(x.min(self.most_x)), self.y(y.min(self.most_y)));
        }
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>");
    }
}

/// At most three digits and a letter for thousands.
fn short(value: f64) -> String {
    match value {
        million if million >= 999_500.0 => format!("{:.4} M", million / 1e6).replace(".0000", ""),
        thousand if thousand >= 10_000.0 => format!("{:.0} k", thousand / 1e3),
        large if large >= 10.0 || large == 0.0 => format!("{large:.0}"),
        small => format!("{small:.1}"),
    }
}

/// The next of 1, 1.5, 2, 3, 4, 5, 6, 8 and 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|step| *step >= value * 0.999).unwrap_or(value)
}

/// The picture.
pub(super) fn draw(series: &Series) -> String {
    let panels = 4;
    let height = TOP + panels as f64 * (PANEL + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#333\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let seconds = round_up(series.samples.last().map_or(1.0, |sample| sample.seconds));
    connections(&mut svg, series, seconds);
    parts(&mut svg, series);
    broadcasts(&mut svg, series);
    health(&mut svg, series, seconds);
    svg.push_str("</svg>\n");
    svg
}

fn connections(svg: &mut String, series: &Series, seconds: f64) {
    let most = series.samples.iter().map(|sample| sample.open).max().unwrap_or(0);
    let panel = Panel::new(0, seconds, round_up(most as f64));
    let title =
        format!("{} connections, and the memory of all processes and of the kernel", short(most as f64));
    panel.frame(svg, &title, "seconds", short);
    panel.line(svg, BLUE, series.samples.iter().map(|sample| (sample.seconds, sample.open as f64)));
    let gib = |mib: f64| mib / 1_024.0;
    let most = round_up(series.samples.iter().map(|sample| gib(sample.used_mib)).fold(0.1, f64::max));
    let panel = Panel::new(0, seconds, most);
    panel.line(
        svg,
        AMBER,
        series.samples.iter().map(|sample| (sample.seconds, gib(sample.used_mib).max(0.0))),
    );
    for part in [0.25, 0.5, 0.75, 1.0] {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{AMBER}\">{:.1} GiB</text>",
            WIDTH - RIGHT + 6.0,
            panel.y(most * part) + 4.0,
            most * part
        );
    }
    for broadcast in &series.broadcasts {
        let x = panel.x(broadcast.at);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"#9ca3af\" stroke-dasharray=\"3 3\"/>",
            panel.top,
            panel.top + PANEL
        );
    }
}

fn parts(svg: &mut String, series: &Series) {
    let sum: f64 = series.parts.iter().map(|(_, mib)| mib).sum();
    let panel = Panel::new(1, 1.0, 1.0);
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\">Where the memory is: {:.2} GiB in all</text>",
        panel.top - 12.0,
        sum / 1_024.0
    );
    let mut left = LEFT;
    for (at, (name, mib)) in series.parts.iter().enumerate() {
        let wide = (WIDTH - LEFT - RIGHT) * mib / sum.max(1e-9);
        let colour = COLOURS[at % COLOURS.len()];
        let row = panel.top + 76.0 + at as f64 * 17.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"44\" fill=\"{colour}\"/><rect x=\"{LEFT}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{row:.1}\">{name}: {mib:.0} MiB, {:.0} %</text>",
            panel.top + 8.0,
            row - 9.0,
            LEFT + 16.0,
            100.0 * mib / sum.max(1e-9)
        );
        left += wide;
    }
}

fn broadcasts(svg: &mut String, series: &Series) {
    let lasts = series.broadcasts.iter().map(|broadcast| broadcast.last_s);
    let last = lasts.clone().fold(0.0, f64::max);
    let most = series.broadcasts.iter().map(|broadcast| broadcast.count).max().unwrap_or(1) as f64;
    let panel = Panel::new(2, round_up(last), round_up(most));
    let listed: Vec<String> = lasts.map(|last| format!("{last:.1}")).collect();
    let title = format!("Broadcasts: clients reached; the last one after {} s", listed.join(", "));
    panel.frame(svg, &title, "seconds since the publication", short);
    for broadcast in &series.broadcasts {
        let mut sum = 0;
        let slots = broadcast.slots.iter().enumerate().map(|(slot, count)| {
            sum += count;
            ((slot + 1) as f64 / 10.0, sum as f64)
        });
        panel.line(svg, BLUE, std::iter::once((0.0, 0.0)).chain(slots));
    }
}

fn health(svg: &mut String, series: &Series, seconds: f64) {
    let most = series.health.iter().map(|(_, ms)| *ms).fold(100.0, f64::max);
    let panel = Panel::new(3, seconds, round_up(most));
    panel.frame(svg, "Answers of all nodes to /health, ms", "seconds", short);
    let y = panel.y(100.0);
    let _ = writeln!(
        svg,
        "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#dc2626\" stroke-dasharray=\"4 3\"/>",
        WIDTH - RIGHT
    );
    // The slowest of each pixel's width: all of them would be a large file, and hide nothing less.
    let mut columns = std::collections::BTreeMap::new();
    for (at, ms) in &series.health {
        let column = panel.x(*at).round() as i64;
        let kept = columns.entry(column).or_insert(*ms);
        *kept = ms.max(*kept);
    }
    let mut path = String::new();
    for (column, ms) in columns {
        let _ = write!(path, "M{column} {:.1}v{:.1}", panel.y(0.0), panel.y(ms) - panel.y(0.0));
    }
    let _ = writeln!(svg, "<path d=\"{path}\" stroke=\"{BLUE}\" stroke-width=\"1\"/>");
}

#[cfg(test)]
mod tests {
    use super::super::{Broadcast, Sample};
    use super::*;

    #[test]
    fn axes_end_at_round_values() {
        assert_eq!(round_up(1_000_000.0), 1_000_000.0);
        assert_eq!(round_up(11.2), 15.0);
        assert_eq!(
            (short(1_000_000.0).as_str(), short(250_000.0).as_str(), short(7.5).as_str()),
            ("1 M", "250 k", "7.5")
        );
    }

    #[test]
    fn the_picture_has_a_line_for_each_broadcast_and_says_how_long_it_took() {
        let broadcast = |last_s| Broadcast { last_s, count: 10, slots: vec![4, 6], ..Broadcast::default() };
        let series = Series {
            asked: 10,
            samples: vec![Sample { seconds: 1.0, open: 10, used_mib: 5.0 }],
            broadcasts: vec![broadcast(1.5), broadcast(0.2)],
            health: vec![(0.5, 3.0)],
            parts: vec![("kernel".to_owned(), 3.0), ("nodes".to_owned(), 2.0)],
        };
        let svg = draw(&series);
        assert!(svg.contains("the last one after 1.5, 0.2 s"), "{svg}");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(!draw(&Series::default()).contains("NaN"));
    }
}
