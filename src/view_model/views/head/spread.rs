//! How a head's attention is spread, what the detectors say, and how much each key has to say.

use super::super::{Scene, chart};
use super::pattern::Blocks;
use crate::{
    analysis::head::{Answer, Detector},
    view_model::{markup::Markup, number},
};

/// Columns that are drawn at most.
const N_COLUMNS: usize = 64;

pub(super) fn draw(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    detectors(out, answer);
    out.raw("<section class=\"view-section\" data-testid=\"spread\"><h3>How is its attention spread?</h3><div class=\"view-two\">");
    max_attention(out, answer);
    distances(out, answer);
    out.raw("</div></section>");
    norms(out, scene, answer);
}

fn detectors(out: &mut Markup, answer: &Answer) {
    out.raw(
        "<section class=\"view-section\" data-testid=\"detectors\"><h3>Is it of a known kind?</h3>\
         <p class=\"note\">TransformerLens’ head_detector on this prompt, position 0 and the token itself counted. Share: the \
         part of all its attention that is where such a head looks, 0 to 1. Nearness: 1 less the mean distance from a head \
         that looks only there; 1 is the same.</p>\
         <div class=\"table-scroll\"><table class=\"view-table\"><thead><tr><th scope=\"col\">kind</th>\
         <th scope=\"col\">share</th><th scope=\"col\">nearness</th><th scope=\"col\">it looks at</th></tr></thead><tbody>",
    );
    for one in &answer.detectors {
        let [name, looks] = words(one.detector);
        let share = one.mul.map_or_else(|| "–".to_owned(), number::nats);
        out.raw("<tr>").element("th", &[("scope", "row")], name);
        out.element("td", &[("class", "num")], &share);
        out.element("td", &[("class", "num")], &number::nats(one.abs));
        out.element("td", &[], looks).raw("</tr>");
    }
    out.raw("</tbody></table></div></section>");
}

/// Its name, and where such a head looks.
pub(super) fn words(detector: Detector) -> [&'static str; 2] {
    match detector {
        Detector::PreviousTokenHead => ["previous token", "the token before"],
        Detector::DuplicateTokenHead => ["duplicate token", "earlier copies of the token"],
        Detector::InductionHead => ["induction", "what followed earlier copies of the token"],
    }
}

/// Columns over places, each with its text; `ends` and `what` stand below.
struct Columns<'a> {
    title: &'a str,
    what: &'a str,
    ends: [&'a str; 2],
    /// Its text and its height.
    columns: Vec<(String, f32)>,
}

fn max_attention(out: &mut Markup, answer: &Answer) {
    let bins = &answer.spread.max_attention;
    let end = |nth: usize| format!("{:.2}", nth as f32 / bins.len() as f32);
    let column = |(nth, n): (usize, &usize)| {
        (format!("largest attention {} to {}: {n} queries", end(nth), end(nth + 1)), *n as f32)
    };
    let columns = Columns {
        title: "Queries by their largest attention",
        what: "largest attention of a query",
        ends: ["0", "1"],
        columns: bins.iter().enumerate().map(column).collect(),
    };
    draw_columns(out, &columns, |height| [&height.to_string(), " queries"].concat());
}

fn distances(out: &mut Markup, answer: &Answer) {
    let shares = &answer.spread.by_distance;
    let size = shares.len().div_ceil(N_COLUMNS).max(1);
    let column = |(nth, shares): (usize, &[f32])| {
        let (from, to) = (nth * size, nth * size + shares.len() - 1);
        let share: f32 = shares.iter().sum();
        let at = if from == to { from.to_string() } else { format!("{from}–{to}") };
        (["distance ", &at, ": ", &number::prob(share), " of its attention"].concat(), share)
    };
    let last = shares.len().saturating_sub(1).to_string();
    let columns = Columns {
        title: "Attention by distance",
        what: "distance q − k, tokens",
        ends: ["0", &last],
        columns: shares.chunks(size).enumerate().map(column).collect(),
    };
    draw_columns(out, &columns, number::prob);
}

fn draw_columns(out: &mut Markup, columns: &Columns<'_>, height: fn(f32) -> String) {
    let max = columns.columns.iter().map(|(_, height)| *height).fold(0.0, f32::max);
    out.raw("<figure>").element("h4", &[], columns.title);
    let note = ["highest column: ", &height(max)].concat();
    out.element("p", &[("class", "note num")], &note);
    out.open("ul", &[("class", "view-columns"), ("aria-label", columns.title)]);
    for (text, height) in &columns.columns {
        let style = format!("--v:{:.3}", if 0.0 < max { height / max } else { 0.0 });
        out.open("li", &[("title", text), ("style", &style)]);
        out.element("span", &[("class", "visually-hidden")], text).raw("</li>");
    }
    out.raw("</ul><p class=\"columns-axis num\" aria-hidden=\"true\">");
    out.element("span", &[], columns.ends[0]).element("span", &[], columns.what);
    out.element("span", &[], columns.ends[1]).raw("</p></figure>");
}

/// The norms of values and of what is written for them, by key.
fn norms(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    let n = answer.tokens.len();
    let (blocks, query) = (Blocks::of(answer), answer.pair.query);
    let line = |name: &str, from: usize| chart::Line {
        name: name.to_owned(),
        values: answer.norms.data().get(from..from + n).unwrap_or_default().to_vec(),
    };
    let lines = [line("|v|", 0), line("|v W_O|", n)];
    let largest = lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f32::max);
    let names: Vec<String> = (0..n).map(|pos| pos.to_string()).collect();
    let chart = chart::Chart {
        label: "Norms of values and of what is written for them, by key; the numbers are in Copy numbers.",
        x_label: "key position",
        y_label: "norm",
        names: &names,
        lines: &lines,
        range: [0.0, chart::round_end(largest)],
        number: number::nats,
        mark: &|key| blocks.mark(query, key),
        width_px: scene.width_px,
    };
    out.raw("<section class=\"view-section\"><h3>How much does each key have to say?</h3>");
    chart::draw(out, &chart);
    out.raw("</section>");
}
