//! Induction lab: how the model makes use of what it has read before.

use super::{
    Answered, Scene, Standing, cell_of,
    choices::lab::{Lab, MAX_BATCH, SCORES, heads_key, score_key},
    effects,
    grid::{self, Cell, Column, Grid},
    parts::{self, Kind},
};
use crate::{
    analysis::{
        effects::Component,
        heads::{Metric, Scores},
        induction::Answer,
    },
    tensor::HostTensor,
    view_model::{finding, markup::Markup, number},
};

mod circuit;
mod losses;
mod pattern;
mod training;

pub(super) use circuit::pair;
pub(super) use losses::others;
pub use training::{Stage, Training};

/// Marks of heads are their layers and numbers; those of places in a copy begin here.
const PLACES: usize = 1_000;
/// And those of checkpoints here.
const STAGES: usize = 1_000_000;

/// What the lab has beside the answer to its question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bench<'a> {
    /// How many tokens the model can read.
    pub n_ctx: Option<usize>,
    /// Whether the first answer is to something else than what is chosen now.
    pub is_stale: bool,
    /// Compositions of the circuit's layers.
    pub circuit: Standing<'a>,
    /// The same with other heads taken out.
    pub others: Standing<'a>,
    /// The same of the checkpoint.
    pub stage: Standing<'a>,
    /// Where a head looks.
    pub pattern: Standing<'a>,
    /// What was measured of the checkpoints, for a model that has some.
    pub training: Option<&'a Training>,
    /// Whether the model has any.
    pub has_stages: bool,
    /// Whether the user wants them loaded.
    pub is_wanted: bool,
    /// Why the one that is looked at did not load.
    pub failure: Option<[&'a str; 2]>,
    /// The names of the checkpoints that the last two answers are of; empty for the model itself.
    pub of: [&'a str; 2],
}

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>) {
    let mut top = Markup::new();
    parts::head(
        &mut top,
        Kind::Observed,
        "How does it use what it has read before?",
        "Random tokens are read twice. No language helps with them, so whatever makes the second copy easier is the first.",
    );
    controls(&mut top, scene);
    let Some(Answered::Induction(answer)) = scene.first.answer else {
        parts::waiting(&mut top, scene);
        out.push(top);
        return;
    };
    parts::finding(&mut top, finding::induction::induction(answer));
    let [mut text, mut curves, mut grid, mut foot] = [(); 4].map(|()| Markup::new());
    losses::text(&mut text, answer);
    losses::draw(&mut curves, scene, answer);
    heads(&mut grid, scene, answer);
    let mut drawing = Markup::new();
    circuit::draw(&mut drawing, scene, answer);
    parts::made(
        &mut foot,
        &[
            "loss = −log p(token | tokens before it), mean over the sequences, by the token’s place in its copy. Means leave \
             out the first place, which nothing announces. Olsson et al. 2022, arXiv:2209.11895.",
            "K-composition = |W_OV W_QKᵀ| / (|W_OV| |W_QK|) in Frobenius norms, with the writer’s W_OV and the reader’s W_QK; \
             Q and V alike. By weights alone: norms, positions and what is really written are not in it. Elhage et al. 2021.",
            "A score says where a head looks, not that it matters: take it out to see. Zero is a value that a head may never \
             have, the mean is over these sequences, and other heads may make up for what is missing.",
        ],
    );
    out.extend([top, text, parts::slot(), curves, grid, drawing]);
    training::draw(out, scene, answer);
    out.push(foot);
}

fn controls(out: &mut Markup, scene: &Scene<'_>) {
    let (lab, n_ctx) = (&scene.choices.lab, scene.bench.n_ctx.unwrap_or(1024));
    let most = n_ctx.saturating_sub(1) / 2;
    let shown = match scene.first.answer {
        Some(Answered::Induction(answer)) => answer.length,
        _ => most.min(50),
    };
    out.raw("<div class=\"view-bar\">");
    count(out, "Tokens in a copy", "copy", lab.length.unwrap_or(shown), [2, most]);
    count(out, "Sequences", "batch", lab.batch, [1, MAX_BATCH]);
    count(out, "Seed", "copyseed", lab.seed as usize, [0, u32::MAX as usize]);
    parts::copy(out);
    out.raw("</div>");
}

/// A box for a whole number from `low` to `high`.
fn count(out: &mut Markup, label: &str, key: &str, value: usize, [low, high]: [usize; 2]) {
    let [value, low, high] = [value, low, high].map(|n| n.to_string());
    let title = ["From ", &low, " to ", &high].concat();
    out.open("label", &[("class", "view-choice"), ("title", &title)]).element("span", &[], label);
    let attributes = [
        ("type", "number"),
        ("class", "view-count"),
        ("data-set", key),
        ("data-key", key),
        ("aria-label", label),
        ("min", low.as_str()),
        ("max", &high),
        ("value", &value),
    ];
    out.open("input", &attributes).raw("</label>");
}

/// What was measured of every head. [layer head]
fn scores_of(answer: &Answer, metric: Metric) -> Option<&Scores> {
    answer.scores.iter().find(|scores| scores.metric == metric)
}

fn score(answer: &Answer, metric: Metric, [layer, head]: [usize; 2]) -> Option<f32> {
    at(&scores_of(answer, metric)?.values, [layer, head])
}

/// An entry of a matrix, if it is there and a number.
fn at(values: &HostTensor, [row, column]: [usize; 2]) -> Option<f32> {
    let n = values.last_axis();
    let value = (column < n).then(|| values.data().get(row * n + column)).flatten();
    value.copied().filter(|value| value.is_finite())
}

/// `0.841`, or a dash.
fn prob(value: Option<f32>) -> String {
    value.map_or_else(|| "–".to_owned(), number::prob)
}

fn score_name(metric: Metric) -> &'static str {
    match metric {
        Metric::InductionStripe => "induction stripe",
        Metric::PreviousToken => "previous token",
        Metric::DuplicateToken => "duplicate token",
        _ => "induction",
    }
}

/// `L1H2`
fn name(head: [usize; 2]) -> String {
    effects::name(Component::Head(head))
}

/// The head with the largest score before `n_layers`, ties to the first.
fn best(values: &HostTensor, n_layers: usize) -> Option<[usize; 2]> {
    let sizes: Vec<f64> =
        values.data().iter().take(n_layers * values.last_axis()).map(|value| f64::from(*value)).collect();
    let at = *parts::largest(&sizes, 1).first()?;
    Some([at / values.last_axis(), at % values.last_axis()])
}

/// The head that is looked at: the locked one, or else the best induction head.
pub(super) fn chosen(answer: &Answer, head: Option<[usize; 2]>) -> Option<[usize; 2]> {
    let values = &scores_of(answer, Metric::Induction)?.values;
    head.filter(|head| is_there(values, *head)).or_else(|| best(values, values.shape()[0]))
}

fn is_there(values: &HostTensor, [layer, head]: [usize; 2]) -> bool {
    layer < values.shape()[0] && head < values.last_axis()
}

/// All heads, layers down.
fn score_grid(out: &mut Markup, label: &str, answer: &Answer, metric: Metric) {
    let Some(scores) = scores_of(answer, metric) else { return };
    let rows: Vec<String> = (0..scores.values.shape()[0]).map(|layer| layer.to_string()).collect();
    let column =
        |head: usize| Column { name: head.to_string(), title: format!("head {head}"), is_faint: false };
    let columns: Vec<Column> = (0..scores.values.last_axis()).map(column).collect();
    grid::draw(
        out,
        &Grid { label, corner: "layer, head", rows: &rows, columns: &columns },
        &|row, column| {
            let value = at(&scores.values, [row, column]);
            Cell { text: prob(value), place: value.unwrap_or(0.0).clamp(0.0, 1.0) }
        },
    );
}

fn heads(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    let metric = scene.choices.lab.score;
    out.raw("<section class=\"view-section\" data-testid=\"induction-heads\"><h3>Which heads look back, and how far?</h3>");
    out.raw("<div class=\"view-bar\">");
    let names = SCORES.map(|(metric, key)| (key, score_name(metric)));
    parts::select(out, "Score", "score", &names, score_key(metric));
    out.raw("</div>");
    let label = "Scores of all heads: layers down, heads across. Arrow keys move, Enter chooses a head.";
    score_grid(out, label, answer, metric);
    parts::scale(out, "0", "1", score_name(metric), parts::Ramp::Lit);
    if let Some(scores) = scores_of(answer, metric) {
        let data = [
            &scores.definition,
            " ",
            &scores.unit,
            "; mean over ",
            &scores.n.to_string(),
            " ",
            &scores.counted,
            ".",
        ];
        out.element("p", &[("class", "note")], &data.concat());
    }
    if let Some(head) = chosen(answer, scene.head) {
        let (name, key) = (name(head), heads_key(&[head]));
        out.raw("<div class=\"view-bar\">").element(
            "span",
            &[("class", "quiet")],
            &[&name, " is chosen"].concat(),
        );
        parts::button(
            out,
            "Open its page",
            &["head=", &key, "&view=head"].concat(),
            "Where it looks, why, and what it writes",
        );
        toggle(out, &scene.choices.lab, head);
        out.raw("</div>");
    }
    out.raw("</section>");
}

/// The button that takes a head out, or puts it back.
fn toggle(out: &mut Markup, lab: &Lab, head: [usize; 2]) {
    let mut heads = lab.out.clone();
    let is_out = heads.contains(&head);
    heads.retain(|one| *one != head);
    if !is_out {
        heads.push(head);
    }
    let action = parts::assignment("out", &heads_key(&heads));
    let name = name(head);
    let words = if is_out { ["Put ", &name, " back"] } else { ["Take ", &name, " out"] }.concat();
    let title = "The losses below are those without it; those with it stay for comparison";
    let key = ["toggle-", &name].concat();
    let attributes = [
        ("type", "button"),
        ("class", if is_out { "button small is-out" } else { "button small" }),
        ("data-do", action.as_str()),
        ("data-key", &key),
        ("title", title),
        ("aria-pressed", if is_out { "true" } else { "false" }),
    ];
    out.element("button", &attributes, &words);
}

/// Pressing on a head chooses it, on a checkpoint goes there.
pub(super) fn pick(
    scene: &Scene<'_>,
    answer: &Answer,
    row: usize,
    column: usize,
) -> Vec<(&'static str, String)> {
    if STAGES <= row {
        let stage = scene.bench.training.and_then(|training| training.stages.get(row - STAGES));
        return stage.map(|stage| ("step", stage.step.to_string())).into_iter().collect();
    }
    let is_head = scores_of(answer, Metric::Induction).is_some_and(|of| is_there(&of.values, [row, column]));
    if is_head { vec![("head", heads_key(&[[row, column]]))] } else { vec![] }
}

pub(super) fn detail(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, at: &str) {
    let mark = cell_of(at);
    match mark {
        Some([row, _]) if STAGES <= row => return training::detail(out, scene, row - STAGES),
        Some([row, _]) if PLACES <= row => return losses::detail(out, scene, answer, row - PLACES),
        _ => (),
    }
    let Some(head) = chosen(answer, mark.or(scene.head)) else { return };
    let said = |answer: &Answer| {
        let said =
            SCORES.map(|(metric, _)| [score_name(metric), " ", &prob(score(answer, metric, head))].concat());
        said.join("; ")
    };
    out.raw("<p>").element("strong", &[], &name(head)).text(": ").text(&said(answer)).text(".");
    if let Some(Answered::Induction(stage)) = scene.bench.stage.answer {
        out.text(" At the checkpoint: ").text(&said(stage)).text(".");
    }
    out.raw("</p>");
}

/// Losses by place, scores of heads, compositions, checkpoints.
pub(super) fn table(scene: &Scene<'_>, answer: &Answer) -> String {
    let mut out = String::new();
    losses::table(&mut out, scene, answer);
    let mut names = vec!["head"];
    names.extend(SCORES.iter().map(|(_, key)| *key));
    parts::line(&mut out, &names);
    let [n_layers, n_heads] = scores_of(answer, Metric::Induction)
        .map_or([0, 0], |of| [of.values.shape()[0], of.values.last_axis()]);
    for head in (0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| [layer, head])) {
        let values =
            SCORES.map(|(metric, _)| score(answer, metric, head).map_or_else(String::new, parts::exact));
        let mut fields = vec![name(head)];
        fields.extend(values);
        parts::line(&mut out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    }
    circuit::table(&mut out, scene, answer);
    training::table(&mut out, scene);
    out
}
