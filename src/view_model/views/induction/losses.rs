//! Losses by place on both copies, and what becomes of them without a head or two.

use super::{PLACES, Scene, chosen, heads_key, name, pair, scores_of, toggle};
use crate::{
    analysis::{
        heads::Metric,
        induction::{Answer, Losses},
    },
    view_model::{
        markup::Markup,
        number,
        token_strip::token_text,
        views::{
            Answered,
            chart::{self, Chart, Line},
            choices::lab::Lab,
            parts::{self, Kind},
        },
    },
};

/// The first sequence, copy by copy.
pub(super) fn text(out: &mut Markup, answer: &Answer) {
    let (n, n_before) = (answer.length, answer.tokens.len().saturating_sub(2 * answer.length));
    out.raw("<h3>The first sequence</h3><div class=\"view-copies\" data-testid=\"copies\">");
    for copy in 0..2 {
        let label = ["First copy", "Second copy"][copy];
        out.element("span", &[("class", "quiet")], label);
        let attributes = [
            ("class", "view-text"),
            ("data-grid", ""),
            ("data-line", ""),
            ("aria-label", label),
            ("role", "group"),
        ];
        out.open("p", &attributes);
        if copy == 0 {
            for token in &answer.tokens[..n_before] {
                out.raw("<span class=\"loss-token quiet\" title=\"Read before the first copy\">");
                parts::token(out, token);
                out.raw("</span>");
            }
        }
        let first = n_before + copy * n;
        for (place, token) in answer.tokens.iter().skip(first).take(n).enumerate() {
            let at = mark(place);
            let tabindex = if place == 0 { "0" } else { "-1" };
            let attributes = [
                ("class", "loss-token"),
                ("data-at", at.as_str()),
                ("role", "button"),
                ("tabindex", tabindex),
            ];
            out.open("span", &attributes);
            parts::token(out, token);
            out.raw("</span>");
        }
        out.raw("</p>");
    }
    out.raw("</div>");
    let n_sequences = answer.n_sequences;
    let words = if n_sequences == 1 { " sequence" } else { " sequences, of which this is the first" };
    let said = ["All numbers are means over ", &n_sequences.to_string(), words, "."].concat();
    out.element("p", &[("class", "note")], &said);
}

fn mark(place: usize) -> String {
    [&(PLACES + place).to_string(), ".0"].concat()
}

/// As many other heads of the same layers, drawn by a seed.
pub(in super::super) fn others(answer: &Answer, lab: &Lab) -> Vec<[usize; 2]> {
    let n_heads = scores_of(answer, Metric::Induction).map_or(0, |scores| scores.values.last_axis());
    let mut drawn: Vec<[usize; 2]> = vec![];
    let mut state = u64::from(lab.others);
    for [layer, _] in &lab.out {
        let is_free =
            |head: &usize| ![&lab.out, &drawn].into_iter().any(|taken| taken.contains(&[*layer, *head]));
        let free: Vec<usize> = (0..n_heads).filter(is_free).collect();
        // Knuth's multiplier: neighbouring seeds draw other heads.
        state = (state + 1).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if let Some(head) = free.get((state >> 33) as usize % free.len().max(1)) {
            drawn.push([*layer, *head]);
        }
    }
    drawn
}

/// What the losses are without the heads that are out, and without others; where they are there.
struct Without<'a> {
    heads: Option<&'a Losses>,
    others: Option<&'a Losses>,
    others_names: String,
}

fn without<'a>(scene: &Scene<'a>, answer: &'a Answer) -> Without<'a> {
    let (lab, bench) = (&scene.choices.lab, &scene.bench);
    let is_asked = !lab.out.is_empty() && !bench.is_stale;
    let others_losses = match bench.others.answer {
        Some(Answered::Induction(answer)) if is_asked && !bench.others.is_stale => answer.ablated.as_ref(),
        _ => None,
    };
    Without {
        heads: answer.ablated.as_ref().filter(|_| is_asked),
        others: others_losses,
        others_names: names(&others(answer, lab)),
    }
}

/// `L1H2 and L0H6`
fn names(heads: &[[usize; 2]]) -> String {
    let names: Vec<String> = heads.iter().map(|head| name(*head)).collect();
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => [&before.join(", "), " and ", last].concat(),
        _ => names.concat(),
    }
}

pub(super) fn draw(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    let (lab, without) = (&scene.choices.lab, without(scene, answer));
    out.raw("<section class=\"view-section\" data-testid=\"induction-losses\"><header class=\"panel-head\">");
    out.raw("<h3>Loss by place in the copy</h3>");
    let is_caused = without.heads.is_some();
    parts::tag(out, if is_caused { Kind::Caused } else { Kind::Observed });
    out.raw("</header>");
    lines(out, scene, answer, &without);
    out.raw("<div class=\"view-bar\" role=\"group\" aria-label=\"Heads to take out\">");
    let mut offered: Vec<[usize; 2]> = lab.out.clone();
    let pair = pair(answer);
    for head in pair.iter().flat_map(|pair| [pair.later, pair.earlier]).chain(chosen(answer, scene.head)) {
        if !offered.contains(&head) {
            offered.push(head);
        }
    }
    offered.sort_unstable();
    offered.into_iter().rev().for_each(|head| toggle(out, lab, head));
    if let Some(pair) = pair.filter(|_| lab.out.is_empty()) {
        let both = heads_key(&[pair.later, pair.earlier]);
        parts::button(
            out,
            "Take both out",
            &parts::assignment("out", &both),
            "Both heads of the circuit below",
        );
    }
    if !lab.out.is_empty() {
        parts::button(out, "Put all back", "out=", "Takes nothing out");
        let names = [("zero", "zero"), ("mean", "its mean over the sequences")];
        parts::select(out, "In its place", "fill", &names, if lab.is_mean { "mean" } else { "zero" });
        let next = parts::assignment("others", &lab.others.wrapping_add(1).to_string());
        parts::button(out, "Draw other heads", &next, "Another choice of as many heads of the same layers");
    }
    out.raw("</div>");
    let heads = names(&lab.out);
    if let Some(failure) = scene.bench.others.failure.filter(|_| !lab.out.is_empty()) {
        parts::failure(out, failure);
    } else if !lab.out.is_empty() && (without.heads.is_none() || without.others.is_none()) {
        let words = ["Taking out ", &heads, "…"].concat();
        out.element("p", &[("class", "note"), ("role", "status")], &words);
    }
    if let Some(ablated) = without.heads {
        let said =
            finding(answer, ablated, &heads, without.others.map(|losses| (losses, &*without.others_names)));
        out.element("p", &[("data-testid", "induction-effect")], &said);
    }
    means(out, answer, &heads, &without);
    out.raw("<p class=\"note\">In-context learning score: the second copy’s mean less the first’s, nats a token; negative \
             where what was read before helps. (Olsson et al. 2022 take a text’s 500th token less its 50th.)</p></section>");
}

/// What follows from taking heads out, beside what follows from taking out others.
fn finding(answer: &Answer, ablated: &Losses, heads: &str, others: Option<(&Losses, &str)>) -> String {
    let base = answer.losses.second_copy_nats;
    let change = |losses: &Losses| number::signed(losses.second_copy_nats - base);
    let mut said = format!(
        "Without {heads} the second copy costs {} nats a token instead of {}: {}.",
        number::nats(ablated.second_copy_nats as f32),
        number::nats(base as f32),
        change(ablated),
    );
    if let Some((losses, names)) = others.filter(|(_, names)| !names.is_empty()) {
        said +=
            &[" Without ", names, ", drawn at random from the same layers: ", &change(losses), "."].concat();
    }
    said
}

fn lines(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, without: &Without<'_>) {
    let n = answer.length;
    let names_of: Vec<String> = (1..=n).map(|place| place.to_string()).collect();
    let heads = names(&scene.choices.lab.out);
    let line = |name: String, losses: &Losses, copy: usize| Line {
        name,
        values: losses.by_place.data().iter().skip(copy * n).take(n).copied().collect(),
    };
    let mut lines = vec![
        line("first copy".to_owned(), &answer.losses, 0),
        line("second copy".to_owned(), &answer.losses, 1),
    ];
    if let Some(ablated) = without.heads {
        lines.push(line(["second, without ", &heads].concat(), ablated, 1));
        lines.push(line(["first, without ", &heads].concat(), ablated, 0));
    }
    lines.extend(
        without.others.map(|losses| line(["second, without ", &without.others_names].concat(), losses, 1)),
    );
    let values = lines.iter().flat_map(|line| &line.values);
    let largest = values.copied().filter(|value| value.is_finite()).fold(0.0, f32::max);
    let chart = Chart {
        label: "Loss by place in the copy; the means are in the table below, all numbers in Copy numbers.",
        x_label: "place in the copy",
        y_label: "loss, nats",
        names: &names_of,
        lines: &lines,
        range: [0.0, chart::round_end(largest)],
        number: number::nats,
        mark: &mark,
        width_px: scene.width_px,
    };
    chart::draw(out, &chart);
}

fn means(out: &mut Markup, answer: &Answer, heads: &str, without: &Without<'_>) {
    out.raw("<div class=\"table-scroll\"><table class=\"view-table\" data-testid=\"copy-means\"><thead><tr>");
    for head in ["mean loss, nats a token", "first copy", "second copy", "in-context learning score"] {
        out.element("th", &[("scope", "col")], head);
    }
    out.raw("</tr></thead><tbody>");
    row(out, "as it is", numbers(&answer.losses).map(|nats| number::nats(nats as f32)));
    let rows = [(without.heads, heads), (without.others, &*without.others_names)];
    for (losses, names) in rows {
        let Some(losses) = losses else { continue };
        row(out, &["without ", names].concat(), numbers(losses).map(|nats| number::nats(nats as f32)));
        let (before, after) = (numbers(&answer.losses), numbers(losses));
        row(out, "difference", [0, 1, 2].map(|nth| number::signed(after[nth] - before[nth])));
    }
    out.raw("</tbody></table></div>");
}

fn numbers(losses: &Losses) -> [f64; 3] {
    [losses.first_copy_nats, losses.second_copy_nats, losses.in_context_nats]
}

fn row(out: &mut Markup, name: &str, fields: [String; 3]) {
    out.raw("<tr>").element("th", &[("scope", "row")], name);
    fields.iter().for_each(|field| _ = out.element("td", &[("class", "num")], field));
    out.raw("</tr>");
}

/// What there is to say of a place in the copy.
pub(super) fn detail(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, place: usize) {
    let (n, n_before) = (answer.length, answer.tokens.len().saturating_sub(2 * answer.length));
    let Some(token) = answer.tokens.get(n_before + place).filter(|_| place < n) else { return };
    let at = |losses: &Losses, copy: usize| {
        let nats = losses.by_place.data().get(copy * n + place).copied().filter(|nats| nats.is_finite());
        nats.map_or_else(|| "–".to_owned(), number::nats)
    };
    out.raw("<p>Place ").text(&(place + 1).to_string()).text(", in the first sequence ");
    parts::token(out, token);
    let losses = &answer.losses;
    out.text(&[": first copy ", &at(losses, 0), ", second copy ", &at(losses, 1), " nats"].concat());
    let without = without(scene, answer);
    if let Some(ablated) = without.heads {
        let heads = names(&scene.choices.lab.out);
        let both = ["; without ", &heads, " ", &at(ablated, 0), " and ", &at(ablated, 1)];
        out.text(&both.concat());
    }
    out.raw(".</p>");
}

/// A line a place.
pub(super) fn table(out: &mut String, scene: &Scene<'_>, answer: &Answer) {
    let (n, without) = (answer.length, without(scene, answer));
    let n_before = answer.tokens.len().saturating_sub(2 * n);
    let heads = names(&scene.choices.lab.out);
    let mut columns = vec![("as it is".to_owned(), &answer.losses)];
    columns.extend(without.heads.map(|losses| (["without ", &heads].concat(), losses)));
    columns.extend(without.others.map(|losses| (["without ", &without.others_names].concat(), losses)));
    let mut names = vec!["place".to_owned(), "token".to_owned(), "id".to_owned()];
    for (name, _) in &columns {
        names.extend(["first copy, ", "second copy, "].map(|copy| [copy, name, ", nats"].concat()));
    }
    parts::line(out, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for place in 0..n {
        let Some(token) = answer.tokens.get(n_before + place) else { return };
        let mut fields = vec![(place + 1).to_string(), token_text(token).glyphs(), token.id.to_string()];
        for (_, losses) in &columns {
            let of = |copy: usize| losses.by_place.data().get(copy * n + place).copied().unwrap_or(f32::NAN);
            fields.extend([of(0), of(1)].map(parts::exact));
        }
        parts::line(out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
