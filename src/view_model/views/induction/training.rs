//! How the heads came about: what was measured of the checkpoints, and the one that is looked at, computed here.

use super::{STAGES, Scene, name, pattern, prob, score, score_grid, score_name, scores_of};
use crate::{
    analysis::{heads::Metric, induction::Answer},
    view_model::{
        markup::Markup,
        number,
        views::{
            Answered,
            chart::{self, Axis, Chart, Line},
            parts::{self, Kind},
        },
    },
};

/// What a file of weights weighs, bytes: `step-000000.safetensors` and its like.
const STAGE_BYTES: u64 = 2_236_720;

/// What was measured of the checkpoints of a training, in the order of their steps; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The checkpoints.
    pub stages: Vec<Stage>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The name of its file, without the ending.
    pub name: String,
    /// After so many steps.
    pub step: u32,
    /// And so many tokens.
    pub n_tokens: u64,
    /// The running mean of the training's loss, nats a token; NaN before the first step.
    pub train_nats: f32,
    /// Nats a token of books that were never trained on.
    pub validation_nats: f32,
    /// Of both copies of repeated random tokens, nats a token.
    pub copies_nats: [f32; 2],
    /// The head with the largest induction score, and the score.
    pub induction: ([usize; 2], f32),
    /// The same of the previous-token score.
    pub previous_token: ([usize; 2], f32),
}

impl Training {
    /// The checkpoint that is looked at: the nearest to `step`, or else the last.
    pub fn nth(&self, step: Option<u32>) -> usize {
        let far = |nth: &usize| {
            step.map_or(self.stages.len() - nth, |step| self.stages[*nth].step.abs_diff(step) as usize)
        };
        (0..self.stages.len()).min_by_key(far).unwrap_or(0)
    }
}

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>, answer: &Answer) {
    let [mut curves, mut slider, mut live, mut looks] = [(); 4].map(|()| Markup::new());
    curves.raw("<section class=\"view-section\" data-testid=\"training\"><header class=\"panel-head\"><h3>How it formed</h3>");
    match scene.bench.training {
        Some(training) => {
            curves.raw("<span class=\"tag\" title=\"Measured when the model was trained; nothing was computed here\">stored \
                        result: training log</span></header>");
            charts(&mut curves, scene, training);
            slide(&mut slider, training);
            stage(&mut live, scene, training, answer);
        }
        None => {
            curves.raw("</header>");
            let words = match (scene.bench.has_stages, scene.bench.failure) {
                (true, Some(failure)) => {
                    parts::failure(&mut curves, failure);
                    ""
                }
                (true, None) => "The log of the training is on its way…",
                (false, _) => {
                    "This model came without checkpoints of its training. tales-attn-2l, which is in the list of models, has \
                     twelve, from before its induction head formed to after."
                }
            };
            curves.element("p", &[("class", "note")], words);
        }
    }
    curves.raw("</section>");
    looks.raw("<section class=\"view-section\">");
    pattern::draw(&mut looks, scene, answer);
    looks.raw("</section>");
    out.extend([curves, slider, live, looks]);
}

fn charts(out: &mut Markup, scene: &Scene<'_>, training: &Training) {
    let (stages, now) = (&training.stages, training.nth(scene.choices.lab.step));
    let last = stages.last().map_or(1, |stage| stage.step.max(1)) as f32;
    let names: Vec<String> = stages.iter().map(|stage| stage.step.to_string()).collect();
    let places: Vec<f32> = stages.iter().map(|stage| stage.step as f32 / last).collect();
    let axis = Axis { places: &places, now: Some(now) };
    let line = |name: &str, value: &dyn Fn(&Stage) -> f32| Line {
        name: name.to_owned(),
        values: stages.iter().map(value).collect(),
    };
    let losses = [
        line("training, running mean", &|stage| stage.train_nats),
        line("books never trained on", &|stage| stage.validation_nats),
        line("random tokens, first copy", &|stage| stage.copies_nats[0]),
        line("second copy", &|stage| stage.copies_nats[1]),
    ];
    let mut scores = vec![
        line("largest induction score of a head", &|stage| stage.induction.1),
        line("largest previous-token score", &|stage| stage.previous_token.1),
    ];
    if let Some((stage, [induction, previous])) = computed(scene, training) {
        let at =
            |value: f32| (0..stages.len()).map(|nth| if nth == stage { value } else { f32::NAN }).collect();
        scores.push(Line { name: "induction, computed here".to_owned(), values: at(induction) });
        scores.push(Line { name: "previous token, computed here".to_owned(), values: at(previous) });
    }
    let largest = losses
        .iter()
        .flat_map(|line| &line.values)
        .filter(|nats| nats.is_finite())
        .fold(0.0_f32, |a, b| a.max(*b));
    let chart = |label, y_label, lines, end, number| Chart {
        label,
        x_label: "step of the training",
        y_label,
        names: &names,
        lines,
        range: [0.0, end],
        number,
        mark: &|nth| [&(STAGES + nth).to_string(), ".0"].concat(),
        width_px: scene.width_px,
    };
    let label = "Losses by step of the training; each checkpoint’s numbers are said as it is pointed at.";
    chart::draw_on(
        out,
        &chart(label, "loss, nats a token", &losses, chart::round_end(largest), number::nats),
        &axis,
    );
    let label = "Largest head scores by step of the training; each checkpoint’s numbers are said as it is pointed at.";
    chart::draw_on(out, &chart(label, "mean attention probability", &scores, 1.0, number::prob), &axis);
    let stage = &stages[now];
    let words = ["step ", &stage.step.to_string()].concat();
    out.open(
        "p",
        &[
            ("class", "note num"),
            ("data-testid", "stage-log"),
            ("data-now", &now.to_string()),
            ("data-text", &words),
        ],
    );
    out.text(&said(stage)).raw("</p>");
}

/// Which checkpoint's answer is there, and its largest induction and previous-token scores.
fn computed(scene: &Scene<'_>, training: &Training) -> Option<(usize, [f32; 2])> {
    let (nth, answer) = shown(scene, training)?;
    let largest = |metric| {
        let scores = &scores_of(answer, metric)?.values;
        super::at(scores, super::best(scores, scores.shape()[0])?)
    };
    Some((nth, [largest(Metric::Induction)?, largest(Metric::PreviousToken)?]))
}

fn shown<'a>(scene: &Scene<'a>, training: &Training) -> Option<(usize, &'a Answer)> {
    let nth = training.stages.iter().position(|stage| stage.name == scene.bench.of[0])?;
    match scene.bench.stage.answer {
        Some(Answered::Induction(answer)) => Some((nth, answer)),
        _ => None,
    }
}

/// The stored numbers of a checkpoint.
fn said(stage: &Stage) -> String {
    let nats = |nats: f32| if nats.is_finite() { number::nats(nats) } else { "–".to_owned() };
    let head = |(head, score): ([usize; 2], f32)| [&number::prob(score), " (", &name(head), ")"].concat();
    [
        "Stored, step ",
        &stage.step.to_string(),
        " after ",
        &number::count(stage.n_tokens),
        " tokens: training ",
        &nats(stage.train_nats),
        ", books ",
        &nats(stage.validation_nats),
        ", copies ",
        &nats(stage.copies_nats[0]),
        " and ",
        &nats(stage.copies_nats[1]),
        " nats; induction ",
        &head(stage.induction),
        ", previous token ",
        &head(stage.previous_token),
        ".",
    ]
    .concat()
}

/// The slider stays the same whatever it is moved to, so that it is not drawn anew under the pointer.
fn slide(out: &mut Markup, training: &Training) {
    let steps: Vec<String> = training.stages.iter().map(|stage| stage.step.to_string()).collect();
    let (last, list) = (training.stages.len().saturating_sub(1).to_string(), steps.join(" "));
    out.raw("<label class=\"view-slide\"><span>Checkpoint</span>");
    let attributes = [
        ("type", "range"),
        ("min", "0"),
        ("max", last.as_str()),
        ("data-range", "step"),
        ("data-list", &list),
        ("data-key", "range"),
        ("aria-label", "Checkpoint"),
    ];
    out.open("input", &attributes).raw("</label>");
}

/// The checkpoint itself, once somebody wants it loaded.
fn stage(out: &mut Markup, scene: &Scene<'_>, training: &Training, answer: &Answer) {
    let (bench, now) = (&scene.bench, &training.stages[training.nth(scene.choices.lab.step)]);
    let words = pattern::words(&now.name);
    out.raw("<section class=\"view-section\" data-testid=\"stage-live\">");
    if !bench.is_wanted {
        let label = ["Load the model of ", &words, " (", &number::bytes(STAGE_BYTES), ")"].concat();
        out.raw("<div class=\"view-bar\">");
        parts::button(out, &label, "stage=load", "Reads the checkpoint and computes on it here");
        out.raw("<span class=\"note\">Further steps are loaded as you come by, as large each. The model in use stays as it is.</span></div></section>");
        return;
    }
    let (nth, of_stage) = shown(scene, training).unzip();
    if let Some(failure) = bench.failure.or(bench.stage.failure) {
        parts::failure(out, failure);
        parts::button(out, "Try again", "stage=load", "Loads the checkpoint again");
    } else if of_stage.is_none() || bench.stage.is_stale {
        out.element("p", &[("class", "note"), ("role", "status")], &["Loading ", &words, "…"].concat());
    }
    let (Some(nth), Some(of_stage)) = (nth, of_stage) else {
        out.raw("</section>");
        return;
    };
    let stage = &training.stages[nth];
    let step = stage.step.to_string();
    let class = if bench.stage.is_stale { "view-stage stale" } else { "view-stage" };
    out.open("div", &[("class", class), ("data-testid", "stage"), ("data-step", &step)]);
    out.raw("<header class=\"panel-head\"><h3>")
        .text(&["Step ", &step, ", computed here"].concat())
        .raw("</h3>");
    parts::tag(out, Kind::Observed);
    out.raw("</header>");
    numbers(out, stage, of_stage, answer);
    let metric = scene.choices.lab.score;
    let label = ["Scores of all heads at step ", &step, ": layers down, heads across."].concat();
    score_grid(out, &label, of_stage, metric);
    parts::scale(out, "0", "1", score_name(metric), parts::Ramp::Lit);
    out.raw("</div></section>");
}

/// The checkpoint's numbers beside the finished model's and the stored ones.
fn numbers(out: &mut Markup, stage: &Stage, of_stage: &Answer, answer: &Answer) {
    out.raw("<div class=\"table-scroll\"><table class=\"view-table\" data-testid=\"stage-numbers\"><thead><tr><td></td>");
    for head in ["this step", "stored of it", "the model in use"] {
        out.element("th", &[("scope", "col")], head);
    }
    out.raw("</tr></thead><tbody>");
    let nats = |nats: f64| number::nats(nats as f32);
    let largest = |answer: &Answer, metric| {
        let head = scores_of(answer, metric)
            .and_then(|scores| super::best(&scores.values, scores.values.shape()[0]));
        head.map_or_else(String::new, |head| [&prob(score(answer, metric, head)), " ", &name(head)].concat())
    };
    let stored = |(head, score): ([usize; 2], f32)| [&number::prob(score), " ", &name(head)].concat();
    let rows = [
        (
            "first copy, nats",
            nats(of_stage.losses.first_copy_nats),
            number::nats(stage.copies_nats[0]),
            nats(answer.losses.first_copy_nats),
        ),
        (
            "second copy, nats",
            nats(of_stage.losses.second_copy_nats),
            number::nats(stage.copies_nats[1]),
            nats(answer.losses.second_copy_nats),
        ),
        (
            "largest induction score",
            largest(of_stage, Metric::Induction),
            stored(stage.induction),
            largest(answer, Metric::Induction),
        ),
        (
            "largest previous-token score",
            largest(of_stage, Metric::PreviousToken),
            stored(stage.previous_token),
            largest(answer, Metric::PreviousToken),
        ),
    ];
    for (name, live, stored, now) in rows {
        out.raw("<tr>").element("th", &[("scope", "row")], name);
        [live, stored, now].iter().for_each(|field| _ = out.element("td", &[("class", "num")], field));
        out.raw("</tr>");
    }
    out.raw("</tbody></table></div><p class=\"note\">Stored numbers are over 32 other sequences of 50 tokens, read twice.</p>");
}

/// What there is to say of a checkpoint.
pub(super) fn detail(out: &mut Markup, scene: &Scene<'_>, nth: usize) {
    if let Some(stage) = scene.bench.training.and_then(|training| training.stages.get(nth)) {
        out.element("p", &[("class", "num")], &said(stage));
    }
}

/// A line a checkpoint.
pub(super) fn table(out: &mut String, scene: &Scene<'_>) {
    let Some(training) = scene.bench.training else { return };
    parts::line(
        out,
        &[
            "stored: step",
            "tokens",
            "training_nats",
            "validation_nats",
            "first_copy_nats",
            "second_copy_nats",
            "induction",
            "previous_token",
        ],
    );
    for stage in &training.stages {
        let [first, second] = stage.copies_nats;
        let values = [
            stage.train_nats,
            stage.validation_nats,
            first,
            second,
            stage.induction.1,
            stage.previous_token.1,
        ];
        let mut fields = vec![stage.step.to_string(), stage.n_tokens.to_string()];
        fields.extend(values.map(parts::exact));
        parts::line(out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
