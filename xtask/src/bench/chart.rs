//! A small chart: measured points and predicted lines, as SVG that can be read on light and on dark paper.

use std::fmt::Write as _;

/// Width and height of one panel's plot, and what stands around it, px.
const PLOT: (f64, f64) = (232.0, 200.0);
const LEFT: f64 = 56.0;
const TOP: f64 = 92.0;
const GAP: f64 = 28.0;
const BOTTOM: f64 = 48.0;

/// Colours of the page, for both kinds of paper.
const STYLE: &str = "\
text{font:11px 'Instrument Sans',system-ui,sans-serif;fill:#5b6670}\
.paper{fill:#fafbfb}.title{font-size:15px;font-weight:600;fill:#151d23}.name{font-weight:600;fill:#151d23}\
.grid{stroke:#dadfe1;stroke-width:1}.point{fill:#9a4a12}.line{stroke:#00695c;stroke-width:1.5;fill:none}\
@media (prefers-color-scheme:dark){text{fill:#a3adb3}.paper{fill:#0e1519}.title,.name{fill:#e7ebed}\
.grid{stroke:#2a343a}.point{fill:#ffc86b}.line{stroke:#62d5c1}}";

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From 0, in even steps.
    Linear,
    /// In even ratios; x is marked at the points.
    Log,
}

/// One plot. Units belong into the labels.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What grows.
    pub x_label: String,
    /// What is measured.
    pub y_label: String,
    /// Of both axes.
    pub scale: Scale,
    /// What was measured: positive, in ascending order of x.
    pub points: Vec<(f64, f64)>,
    /// What was predicted, likewise.
    pub line: Vec<(f64, f64)>,
    /// What the line is.
    pub line_label: String,
}

/// The panels side by side, under a title and a note.
pub fn svg(title: &str, note: &str, panels: &[Panel]) -> String {
    let width = panels.len() as f64 * (LEFT + PLOT.0 + GAP);
    let height = TOP + PLOT.1 + BOTTOM;
    let (title, note) = (escaped(title), escaped(note));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n<text x=\"16\" y=\"44\">{note}</text>\n"
    );
    for (idx, panel) in panels.iter().enumerate() {
        let x = LEFT + idx as f64 * (LEFT + PLOT.0 + GAP);
        let _ = writeln!(svg, "<g transform=\"translate({x} {TOP})\">\n{}</g>", drawn(panel));
    }
    svg.push_str("</svg>\n");
    svg
}

fn drawn(panel: &Panel) -> String {
    let all = || panel.points.iter().chain(&panel.line).copied();
    let x_axis = Axis::new(panel.scale, all().map(|(x, _)| x), PLOT.0);
    let y_axis = Axis::new(panel.scale, all().map(|(_, y)| y), PLOT.1);
    let at = |(x, y): (f64, f64)| (x_axis.px(x), PLOT.1 - y_axis.px(y));
    let mut svg = String::new();
    for tick in y_axis.ticks() {
        let (y, text) = (PLOT.1 - y_axis.px(tick), number(tick));
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M0 {y:.1}H{}\"/><text x=\"-6\" y=\"{y:.1}\" dy=\"0.35em\" text-anchor=\"end\">{text}</text>",
            PLOT.0
        );
    }
    let x_ticks = match panel.scale {
        Scale::Linear => x_axis.ticks(),
        Scale::Log => panel.points.iter().map(|(x, _)| *x).collect(),
    };
    for tick in x_ticks {
        let (x, text) = (x_axis.px(tick), number(tick));
        let _ =
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>", PLOT.1 + 16.0);
    }
    let line: Vec<String> =
        panel.line.iter().map(|of| at(*of)).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let _ = writeln!(svg, "<path class=\"line\" d=\"M{}\"/>", line.join("L"));
    for point in &panel.points {
        let (x, y) = at(*point);
        let value = format!("{} {}: {} {}", number(point.0), panel.x_label, number(point.1), panel.y_label);
        let _ = writeln!(
            svg,
            "<circle class=\"point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"><title>{}</title></circle>",
            escaped(&value)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
         <text class=\"name\" x=\"-40\" y=\"-28\">{}</text>\n\
         <circle class=\"point\" cx=\"-36\" cy=\"-14\" r=\"3.5\"/><text x=\"-26\" y=\"-10\">measured</text>\n\
         <path class=\"line\" d=\"M36 -14h18\"/><text x=\"60\" y=\"-10\">{}</text>",
        PLOT.0 / 2.0,
        PLOT.1 + 36.0,
        escaped(&panel.x_label),
        escaped(&panel.y_label),
        escaped(&panel.line_label),
    );
    svg
}

/// From values to px.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    len_px: f64,
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = f64>, len_px: f64) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = match scale {
            Scale::Linear => (0.0, high * 1.05),
            Scale::Log => (low / 1.25, high * 1.25),
        };
        Self { scale, low, high, len_px }
    }

    fn px(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        share * self.len_px
    }

    /// Round values along it: at most eight.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let steps = (-3..12).flat_map(|power| [1.0, 2.0, 5.0].map(|of| of * 10_f64.powi(power)));
                let step = steps.into_iter().find(|step| self.high / step <= 7.0).unwrap_or(self.high);
                (0..8).map(|n| f64::from(n) * step).filter(|tick| *tick <= self.high).collect()
            }
            Scale::Log => {
                let within = |of: &[f64]| -> Vec<f64> {
                    let all = (-6..12).flat_map(|power| of.iter().map(move |of| of * 10_f64.powi(power)));
                    all.filter(|tick| self.low <= *tick && *tick <= self.high).collect()
                };
                let fine = within(&[1.0, 2.0, 5.0]);
                if fine.len() <= 8 { fine } else { within(&[1.0]) }
            }
        }
    }
}

/// A value in at most three digits after the point.
fn number(value: f64) -> String {
    let digits = if value.abs() < 1.0 { 3 } else { usize::from(value.abs() < 100.0) };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(scale: Scale) -> Panel {
        Panel {
            x_label: "tokens <of> it".into(),
            y_label: "milliseconds".into(),
            scale,
            points: vec![(16.0, 100.0), (64.0, 420.0), (1024.0, 9000.0)],
            line: vec![(16.0, 110.0), (64.0, 430.0), (1024.0, 8000.0)],
            line_label: "FLOPs at 40 GFLOP/s".into(),
        }
    }

    #[test]
    fn every_point_lies_in_the_plot_and_says_its_value() {
        for scale in [Scale::Linear, Scale::Log] {
            let svg = svg("A & B", "note", &[panel(scale)]);
            assert_eq!(svg.matches("<title>").count(), 3);
            assert!(svg.contains("<title>64 tokens &lt;of&gt; it: 420 milliseconds</title>"), "{svg}");
            assert!(svg.contains("A &amp; B") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            let axis = Axis::new(scale, [16.0, 1024.0].into_iter(), 200.0);
            for value in [16.0, 64.0, 1024.0] {
                assert!(0.0 <= axis.px(value) && axis.px(value) <= 200.0, "{scale:?} {value}");
            }
            assert!(axis.px(16.0) < axis.px(64.0));
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        let axis = |scale, low, high| Axis::new(scale, [low, high].into_iter(), 200.0).ticks();
        assert_eq!(axis(Scale::Linear, 1.0, 12.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(axis(Scale::Log, 100.0, 9000.0), [100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0]);
        assert_eq!(axis(Scale::Log, 1.0, 100_000.0).len(), 6);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.25, 2.0, 12.34, 1234.5].map(number), ["0.25", "2", "12.3", "1234"]);
    }
}
