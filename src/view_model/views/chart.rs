//! Lines over places: axes, ticks, a legend, and a text for every mark.

use crate::view_model::markup::{Attribute, Markup};

const HEIGHT: f32 = 200.0;
const LEFT: f32 = 44.0;
const BOTTOM: f32 = 40.0;
const TOP: f32 = 10.0;
const RIGHT: f32 = 12.0;
/// Room that the name of a place takes, px.
const NAME_PX: f32 = 44.0;
/// From so many places on a line has no dots.
const MANY: usize = 64;

/// A chart to draw.
pub(super) struct Chart<'a> {
    /// What it shows, for those who do not see it.
    pub label: &'a str,
    /// What the places are.
    pub x_label: &'a str,
    /// What the values are, with their unit.
    pub y_label: &'a str,
    /// The names of the places, left to right.
    pub names: &'a [String],
    /// The lines.
    pub lines: &'a [Line],
    /// The smallest and the largest value of the axis.
    pub range: [f32; 2],
    /// How a value is written.
    pub number: fn(f32) -> String,
    /// The mark that a place stands for.
    pub mark: &'a dyn Fn(usize) -> String,
    /// How much room there is, px.
    pub width_px: f32,
}

/// Where places lie along the axis, if not evenly, and which of them is looked at.
#[derive(Default)]
pub(super) struct Axis<'a> {
    /// From 0 at the left to 1 at the right, ascending, one a place.
    pub places: &'a [f32],
    /// The place with a line of its own.
    pub now: Option<usize>,
}

/// One line.
pub(super) struct Line {
    /// Its name in the legend.
    pub name: String,
    /// A value a place; a gap where it is not finite.
    pub values: Vec<f32>,
}

/// The next round number from `value` up: the end of an axis from 0.
pub(super) fn round_end(value: f32) -> f32 {
    if !(value.is_finite() && 0.0 < value) {
        return 1.0;
    }
    let mut magnitude = 1.0_f32;
    while value < magnitude {
        magnitude /= 10.0;
    }
    while 10.0 * magnitude < value {
        magnitude *= 10.0;
    }
    [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude).into_iter().find(|end| value <= *end).unwrap_or(value)
}

/// Draws it, its places evenly spaced.
pub(super) fn draw(out: &mut Markup, chart: &Chart<'_>) {
    draw_on(out, chart, &Axis::default());
}

/// Draws it on an axis.
pub(super) fn draw_on(out: &mut Markup, chart: &Chart<'_>, axis: &Axis<'_>) {
    let width = chart.width_px.max(240.0);
    let [low, high] = chart.range;
    let n = chart.names.len().max(1);
    let inner_width = width - LEFT - RIGHT;
    let step = inner_width / n as f32;
    let x = |place: usize| match axis.places.get(place) {
        Some(part) => LEFT + 6.0 + part * (inner_width - 12.0),
        None => LEFT + (place as f32 + 0.5) * step,
    };
    // A place reaches half the way to its neighbours.
    let edge = |place: usize| match place {
        0 => LEFT,
        _ if place < n => x(place - 1).midpoint(x(place)),
        _ => width - RIGHT,
    };
    let inner = HEIGHT - TOP - BOTTOM;
    let y = |value: f32| TOP + inner * (1.0 - ((value - low) / (high - low)).clamp(0.0, 1.0));

    legend(out, chart);
    let (width_text, height_text) = (px(width), px(HEIGHT));
    out.open(
        "svg",
        &[
            ("class", "view-chart"),
            ("width", &width_text),
            ("height", &height_text),
            ("role", "img"),
            ("aria-label", chart.label),
        ],
    );
    let (x_end, y_end) = (px(width - RIGHT), HEIGHT - BOTTOM);
    for tick in [low, low + (high - low) / 2.0, high] {
        let at = px(y(tick));
        let d = ["M", &px(LEFT), " ", &at, "H", &x_end].concat();
        path(out, &d, "grid-line");
        let end = px(LEFT - 6.0);
        out.element(
            "text",
            &[("class", "tick y"), ("x", &end), ("y", &at), ("dy", "0.35em")],
            &(chart.number)(tick),
        );
    }
    let mut free_from = f32::MIN;
    for (place, name) in chart.names.iter().enumerate() {
        let at = x(place);
        if free_from <= at {
            out.element("text", &[("class", "tick x"), ("x", &px(at)), ("y", &px(y_end + 14.0))], name);
            free_from = at + NAME_PX;
        }
    }
    if let Some(now) = axis.now.filter(|now| *now < n) {
        let d = ["M", &px(x(now)), " ", &px(TOP), "V", &px(y_end)].concat();
        path(out, &d, "now-line");
    }
    out.element("text", &[("class", "axis-name"), ("x", &px(LEFT)), ("y", &px(HEIGHT - 6.0))], chart.x_label);
    for (nth, line) in chart.lines.iter().enumerate() {
        let class = ["line l", &nth.to_string()].concat();
        let values = || line.values.iter().enumerate();
        let mut d = String::new();
        let mut is_gap = true;
        for (place, value) in values() {
            if value.is_finite() {
                d.push_str(if is_gap { "M" } else { "L" });
                d.push_str(&[px(x(place)), px(y(*value))].join(" "));
            }
            is_gap = !value.is_finite();
        }
        path(out, &d, &class);
        for (place, value) in values().filter(|(_, value)| n < MANY && value.is_finite()) {
            let class = ["dot l", &nth.to_string()].concat();
            let dot: [Attribute<'_>; 4] =
                [("class", &class), ("cx", &px(x(place))), ("cy", &px(y(*value))), ("r", "2.5")];
            out.open("circle", &dot).element("title", &[], &said(chart, line, place)).close("circle");
        }
    }
    for place in 0..chart.names.len() {
        let (left, wide, tall) = (px(edge(place)), px(edge(place + 1) - edge(place)), px(inner));
        let at = (chart.mark)(place);
        let band = [
            ("class", "band"),
            ("x", left.as_str()),
            ("y", &px(TOP)),
            ("width", &wide),
            ("height", &tall),
            ("data-at", &at),
        ];
        let lines: Vec<String> = chart.lines.iter().map(|line| said(chart, line, place)).collect();
        out.open("rect", &band).element("title", &[], &lines.join("; ")).close("rect");
    }
    out.raw("</svg>");
}

fn said(chart: &Chart<'_>, line: &Line, place: usize) -> String {
    let value = line.values.get(place).copied().filter(|value| value.is_finite());
    let value = value.map_or_else(|| "nothing".to_owned(), chart.number);
    [chart.names[place].as_str(), ", ", &line.name, ": ", &value].concat()
}

fn legend(out: &mut Markup, chart: &Chart<'_>) {
    out.raw("<p class=\"legend\">").element("span", &[], chart.y_label);
    for (nth, line) in chart.lines.iter().enumerate() {
        let class = ["line-key l", &nth.to_string()].concat();
        out.element("span", &[("class", &class), ("aria-hidden", "true")], "");
        out.element("span", &[("class", "token")], &line.name);
    }
    out.raw("</p>");
}

fn path(out: &mut Markup, d: &str, class: &str) {
    out.open("path", &[("class", class), ("d", d)]).close("path");
}

/// A tenth of a pixel is enough.
pub(super) fn px(value: f32) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_model::{markup::tests::fault, number};

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, end) in
            [(0.0, 1.0), (f32::NAN, 1.0), (0.03, 0.05), (1.0, 1.0), (1.1, 2.0), (7.0, 10.0), (23.0, 50.0)]
        {
            assert!((round_end(value) - end).abs() < 1e-6, "{value}");
        }
    }

    #[test]
    fn places_may_lie_anywhere_and_reach_half_the_way_to_the_next() {
        let names = ["0", "100", "110", "200"].map(str::to_owned);
        let line = Line { name: "a".into(), values: vec![0.0, 0.5, 1.0, 1.0] };
        let chart = Chart {
            label: "A chart",
            x_label: "step",
            y_label: "nats",
            names: &names,
            lines: &[line],
            range: [0.0, 1.0],
            number: number::prob,
            mark: &|place| format!("{place}.0"),
            width_px: 268.0,
        };
        let mut out = Markup::new();
        draw_on(&mut out, &chart, &Axis { places: &[0.0, 0.5, 0.55, 1.0], now: Some(1) });
        let svg = out.into_string();
        assert_eq!(fault(&svg), None);
        // 200 px from 50 on; the third name has no room behind the second.
        assert!(svg.contains("class=\"now-line\" d=\"M150 10V160\""), "{svg}");
        assert!(svg.contains("x=\"44\" y=\"10\" width=\"56\"") && svg.contains("x=\"155\""), "{svg}");
        assert!(svg.contains(">100</text>") && !svg.contains(">110</text>"), "{svg}");
    }

    #[test]
    fn a_gap_is_not_bridged_and_every_dot_has_its_text() {
        let names = ["0 a".to_owned(), "1 <b>".to_owned(), "2 c".to_owned(), "3 d".to_owned()];
        let line = Line { name: "x&y".into(), values: vec![0.0, f32::NAN, 1.0, 0.5] };
        let chart = Chart {
            label: "A chart",
            x_label: "position",
            y_label: "nats",
            names: &names,
            lines: &[line],
            range: [0.0, 1.0],
            number: number::prob,
            mark: &|place| format!("{place}.7"),
            width_px: 456.0,
        };
        let mut out = Markup::new();
        draw(&mut out, &chart);
        let svg = out.into_string();
        assert_eq!(fault(&svg), None);
        // 100 px a place, from 44 on; 1 is at the top, 0 at 160.
        assert!(svg.contains("d=\"M94 160M294 10L394 85\""), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("data-at=\"3.7\""), "{svg}");
        assert!(svg.contains("<title>2 c, x&amp;y: 1.000</title>"), "{svg}");
        assert!(svg.contains("1 &lt;b&gt;, x&amp;y: nothing"), "{svg}");
    }
}
