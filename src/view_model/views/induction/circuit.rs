//! The circuit of two heads: one writes at each token what came before it, a later one finds that by its keys.

use super::{Scene, at, best, name, prob, score, scores_of};
use crate::{
    analysis::{
        heads::Metric,
        induction::{Answer, Composition},
    },
    run::Input,
    view_model::{
        finding::induction::CLEAR,
        markup::{Attribute, Markup},
        token_strip::{shortened, token_text},
        views::{
            Answered,
            chart::px,
            parts::{self, Kind},
        },
    },
};

const HEIGHT: f32 = 226.0;
/// Where the tokens are, and how high they are drawn.
const TOKENS: [f32; 2] = [184.0, 26.0];
/// Where the earlier and the later head are, and how high.
const HEADS: [f32; 2] = [104.0, 20.0];
const BOX: f32 = 40.0;
/// Characters of a token.
const N_CHARS: usize = 7;

/// The two heads, chosen by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Pair {
    /// Of all heads in layers before the other's, the one that looks most at the token before.
    pub(in super::super) earlier: [usize; 2],
    /// Of all heads the best induction head.
    pub(in super::super) later: [usize; 2],
}

/// The heads of the circuit; none where no layer is before the best induction head's.
pub(in super::super) fn pair(answer: &Answer) -> Option<Pair> {
    let induction = &scores_of(answer, Metric::Induction)?.values;
    let later = best(induction, induction.shape()[0])?;
    let earlier = best(&scores_of(answer, Metric::PreviousToken)?.values, later[0])?;
    Some(Pair { earlier, later })
}

/// A composition of the pair.
struct Found<'a> {
    value: f32,
    of: &'a Composition,
    /// From 1, and of how many pairs.
    rank: [usize; 2],
    /// The pair of heads with the largest.
    largest: ([usize; 2], f32),
    /// The same two of the pairs with this later head.
    rank_into: [usize; 2],
    largest_into: ([usize; 2], f32),
}

/// What the later head reads of the earlier one through `input`, among all pairs of their layers.
fn found<'a>(answer: &'a Answer, pair: Pair, input: Input) -> Option<Found<'a>> {
    let is_it = |of: &&Composition| [of.from, of.to] == [pair.earlier[0], pair.later[0]] && of.input == input;
    let of = answer.compositions.iter().find(is_it)?;
    let value = at(&of.values, [pair.earlier[1], pair.later[1]])?;
    let all = || of.values.data().iter().filter(|value| value.is_finite());
    let rank = [all().filter(|other| value < **other).count() + 1, all().count()];
    let largest = best(&of.values, of.values.shape()[0])?;
    let into: Vec<f64> = (0..of.values.shape()[0])
        .map(|head| at(&of.values, [head, pair.later[1]]).map_or(f64::NAN, f64::from))
        .collect();
    let order = parts::largest(&into, into.len());
    let first = [*order.first()?, pair.later[1]];
    let rank_into = [order.iter().filter(|head| f64::from(value) < into[**head]).count() + 1, order.len()];
    Some(Found {
        value,
        of,
        rank,
        largest: (largest, at(&of.values, largest)?),
        rank_into,
        largest_into: (first, at(&of.values, first)?),
    })
}

fn circuit<'a>(scene: &Scene<'a>) -> Option<&'a Answer> {
    match scene.bench.circuit.answer {
        Some(Answered::Induction(answer)) if !scene.bench.circuit.is_stale => Some(answer),
        _ => None,
    }
}

pub(super) fn draw(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    out.raw("<section class=\"view-section\" data-testid=\"circuit\"><header class=\"panel-head\"><h3>Two heads, one circuit</h3>");
    parts::tag(out, Kind::Observed);
    out.raw("</header>");
    let Some(pair) = pair(answer) else {
        out.raw("<p class=\"note\">An induction head reads what a head of an earlier layer has written. Here the best \
                 induction score is in the first layer, so there is no such circuit to draw.</p></section>");
        return;
    };
    let of = |metric, head| score(answer, metric, head).unwrap_or(0.0);
    let scores = [of(Metric::PreviousToken, pair.earlier), of(Metric::Induction, pair.later)];
    if scores.iter().any(|score| *score < CLEAR) {
        out.raw("<p class=\"note\">No clear circuit here: the scores in the boxes are the largest there are, and one of them is small.</p>");
    }
    picture(out, scene, answer, pair);
    if let Some(failure) = scene.bench.circuit.failure {
        parts::failure(out, failure);
    }
    match circuit(scene) {
        Some(circuit) => composed(out, circuit, pair),
        None => {
            _ = out.raw("<p class=\"note\" role=\"status\">Multiplying the weights of the two layers…</p>");
        }
    }
    out.raw("</section>");
}

/// How the pair ranks, and the numbers.
fn composed(out: &mut Markup, circuit: &Answer, pair: Pair) {
    let letters = [(Input::K, "K", "keys"), (Input::Q, "Q", "queries"), (Input::V, "V", "values")];
    if let Some(k) = found(circuit, pair, Input::K) {
        out.element("p", &[("data-testid", "composition")], &said(&k, pair));
    }
    out.raw("<div class=\"table-scroll\"><table class=\"view-table\"><thead><tr>");
    for head in ["composition", "of this pair", "rank", "largest of these layers", "1 / √d_model"] {
        out.element("th", &[("scope", "col")], head);
    }
    out.raw("</tr></thead><tbody>");
    for (input, letter, words) in letters {
        let Some(Found { value, of, rank, largest, .. }) = found(circuit, pair, input) else { continue };
        out.raw("<tr>").element("th", &[("scope", "row")], &[letter, ", through its ", words].concat());
        let fields = [
            four(value),
            ranked(rank),
            [&four(largest.1), " ", &arrow(of, largest.0)].concat(),
            four(of.baseline),
        ];
        fields.iter().for_each(|field| _ = out.element("td", &[("class", "num")], field));
        out.raw("</tr>");
    }
    out.raw("</tbody></table></div>");
}

fn said(k: &Found<'_>, pair: Pair) -> String {
    let most = |(pair, value): ([usize; 2], f32)| [&four(value), ", of ", &arrow(k.of, pair), "."].concat();
    let mut largest = match k.rank[0] {
        1 => " No other pair of these layers has as much.".to_owned(),
        _ => " The most is ".to_owned() + &most(k.largest),
    };
    if 1 < k.rank_into[0] && k.largest_into.0 != k.largest.0 {
        largest += &(" Into this head the most is ".to_owned() + &most(k.largest_into));
    }
    format!(
        "By weights alone {} reads {} through its keys with {}: rank {} pairs of heads of layers {} and {}, {} of those into \
         it.{largest} \
         Independent random matrices would be near {}.",
        name(pair.later),
        name(pair.earlier),
        four(k.value),
        ranked(k.rank),
        k.of.from,
        k.of.to,
        ranked(k.rank_into),
        four(k.of.baseline),
    )
}

fn ranked([rank, n]: [usize; 2]) -> String {
    [&rank.to_string(), " of ", &n.to_string()].concat()
}

/// `L0H2 → L1H2`
fn arrow(of: &Composition, [from, to]: [usize; 2]) -> String {
    [&name([of.from, from]), " → ", &name([of.to, to])].concat()
}

/// Compositions differ in the third decimal.
fn four(value: f32) -> String {
    format!("{value:.4}")
}

fn picture(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, pair: Pair) {
    let width = scene.width_px.clamp(288.0, 640.0);
    let [first, next, gap, again, then] = [0.1, 0.32, 0.47, 0.62, 0.88].map(|part: f32| part * width);
    let half = (0.21 * width).min(72.0);
    let top = TOKENS[0];
    let [y_earlier, y_later] = HEADS;
    let k = circuit(scene).and_then(|circuit| found(circuit, pair, Input::K));
    let k = k.map_or_else(|| "…".to_owned(), |k| four(k.value));
    let (earlier, later) = (name(pair.earlier), name(pair.later));
    let label = [
        earlier.as_str(),
        " writes at each token which one came before it. ",
        &later,
        " finds that by its keys, K-composition ",
        &k,
        ", and so looks from a repeated token to what followed it before.",
    ]
    .concat();
    let (width_text, height_text) = (px(width), px(HEIGHT));
    let svg: [Attribute<'_>; 5] = [
        ("class", "view-chart circuit"),
        ("width", &width_text),
        ("height", &height_text),
        ("role", "img"),
        ("aria-label", &label),
    ];
    out.open("svg", &svg);
    let middle = BOX / 2.0;
    // What the earlier head reads, and where it is written.
    up(out, "wire", first, top, next - half + 10.0, y_earlier + BOX);
    up(out, "wire", next, top, next, y_earlier + BOX);
    // From there into the later head's keys; its query is at the repeated token.
    let [from, to] = [px(y_earlier), px(y_later + middle)];
    let d = [
        "M",
        &px(next),
        " ",
        &from,
        "C",
        &px(next),
        " ",
        &to,
        " ",
        &px(next),
        " ",
        &to,
        " ",
        &px(again - half),
        " ",
        &to,
    ];
    out.open("path", &[("class", "wire k"), ("d", &d.concat())]).close("path");
    let (tip, y) = (again - half, y_later + middle);
    let head = [
        "M",
        &px(tip - 7.0),
        " ",
        &px(y - 4.0),
        "L",
        &px(tip),
        " ",
        &px(y),
        "L",
        &px(tip - 7.0),
        " ",
        &px(y + 4.0),
    ];
    out.open("path", &[("class", "wire k"), ("d", &head.concat())]).close("path");
    up(out, "wire", again, top, again, y_later + BOX);
    // What it writes makes the next token likelier.
    let d = ["M", &px(again + half), " ", &to, "H", &px(then), "V", &px(top - 2.0)];
    out.open("path", &[("class", "wire"), ("d", &d.concat())]).close("path");
    let head = [
        "M",
        &px(then - 4.0),
        " ",
        &px(top - 9.0),
        "L",
        &px(then),
        " ",
        &px(top - 2.0),
        "L",
        &px(then + 4.0),
        " ",
        &px(top - 9.0),
    ];
    out.open("path", &[("class", "wire"), ("d", &head.concat())]).close("path");

    head_box(out, answer, (pair.earlier, "previous token", Metric::PreviousToken), [next, y_earlier], half);
    head_box(out, answer, (pair.later, "induction", Metric::Induction), [again, y_later], half);
    text(out, "wire-name", 4.0, y_later + 16.0, "K-composition");
    text(out, "wire-name num", 4.0, y_later + 31.0, &k);

    tokens(out, answer, width, [first, next, gap, again, then]);
    out.raw("</svg>");
}

/// The tokens below: two that follow each other, and the first of them again.
fn tokens(out: &mut Markup, answer: &Answer, width: f32, [first, next, gap, again, then]: [f32; 5]) {
    let [top, tall] = TOKENS;
    let place = answer.tokens.len().saturating_sub(2 * answer.length) + usize::from(2 < answer.length);
    let glyphs = |place: usize| {
        let token = answer.tokens.get(place).map(|token| token_text(token).glyphs());
        shortened(&token.unwrap_or_default(), N_CHARS)
    };
    for (x, letter, place, class) in [
        (first, "A", Some(place), "chip"),
        (next, "B", Some(place + 1), "chip"),
        (gap, "…", None, ""),
        (again, "A", Some(place), "chip"),
        (then, "B", Some(place + 1), "chip foreseen"),
    ] {
        let Some(place) = place else {
            text(out, "chip-text", x, top + 17.0, letter);
            continue;
        };
        let half = (0.095 * width).min(34.0);
        let (x_text, y_text, wide, tall) = (px(x - half), px(top), px(2.0 * half), px(tall));
        let rect = [
            ("class", class),
            ("x", &*x_text),
            ("y", &y_text),
            ("width", &wide),
            ("height", &tall),
            ("rx", "2"),
        ];
        out.open("rect", &rect).close("rect");
        text(out, "chip-text token", x, top + 17.0, &glyphs(place));
        text(out, "chip-text", x, top + 39.0, letter);
    }
}

/// A wire that goes up, with its tip.
fn up(out: &mut Markup, class: &str, x: f32, y: f32, to_x: f32, to_y: f32) {
    let tip = [px(to_x), px(to_y + 1.0)];
    let d = ["M", &px(x), " ", &px(y), "L", &tip[0], " ", &tip[1]];
    out.open("path", &[("class", class), ("d", &d.concat())]).close("path");
    let low = px(to_y + 8.0);
    let d = ["M", &px(to_x - 4.0), " ", &low, "L", &tip[0], " ", &tip[1], "L", &px(to_x + 4.0), " ", &low];
    out.open("path", &[("class", class), ("d", &d.concat())]).close("path");
}

fn head_box(
    out: &mut Markup,
    answer: &Answer,
    (head, kind, metric): ([usize; 2], &str, Metric),
    [x, y]: [f32; 2],
    half: f32,
) {
    let at = super::heads_key(&[head]);
    let said = [kind, " ", &prob(score(answer, metric, head))].concat();
    let (left, top, wide, tall) = (px(x - half), px(y), px(2.0 * half), px(BOX));
    let rect = [
        ("class", "head-box"),
        ("data-at", at.as_str()),
        ("x", &left),
        ("y", &top),
        ("width", &wide),
        ("height", &tall),
        ("rx", "2"),
    ];
    let name = name(head);
    out.open("rect", &rect).element("title", &[], &[&name, ", ", &said].concat()).close("rect");
    text(out, "head-name", x, y + 16.0, &name);
    text(out, "head-score", x, y + 31.0, &said);
}

fn text(out: &mut Markup, class: &str, x: f32, y: f32, words: &str) {
    out.element("text", &[("class", class), ("x", &px(x)), ("y", &px(y))], words);
}

/// A line for each way to read.
pub(super) fn table(out: &mut String, scene: &Scene<'_>, answer: &Answer) {
    let (Some(pair), Some(circuit)) = (pair(answer), circuit(scene)) else { return };
    let names = [&name(pair.earlier), " → ", &name(pair.later)].concat();
    parts::line(out, &["composition", &names, "rank", "pairs", "1/sqrt(d_model)"]);
    for (input, letter) in [(Input::Q, "Q"), (Input::K, "K"), (Input::V, "V")] {
        let Some(Found { value, of, rank, .. }) = found(circuit, pair, input) else { continue };
        let [rank, n] = rank.map(|n| n.to_string());
        parts::line(out, &[letter, &parts::exact(value), &rank, &n, &parts::exact(of.baseline)]);
    }
}
