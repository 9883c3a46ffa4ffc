//! Where a head looks on the first sequence: a small picture, a path for each strength of ink.

use super::{Scene, chosen, name};
use crate::{
    analysis::{attention::HeadMatrix, induction::Answer},
    view_model::{
        markup::Markup,
        number,
        views::{
            Answered,
            chart::px,
            parts::{self, Kind},
        },
    },
};

/// Beyond so many tokens the picture would be finer than what it is drawn on.
const MAX_TOKENS: usize = 256;
/// Strengths of ink.
const N_INKS: usize = 10;
/// Room for the names of the copies, px.
const LEFT: f32 = 18.0;
const MAX_SIDE: f32 = 320.0;

pub(super) fn draw(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    let Some(head) = chosen(answer, scene.head) else { return };
    let name = name(head);
    let of = match scene.bench.of[1] {
        "" => "as it is now".to_owned(),
        stage => ["at ", &words(stage)].concat(),
    };
    out.raw("<header class=\"panel-head\"><h3>")
        .text(&["Where ", &name, " looks, ", &of].concat())
        .raw("</h3>");
    parts::tag(out, Kind::Observed);
    out.raw("</header>");
    if let Some(failure) = scene.bench.pattern.failure {
        parts::failure(out, failure);
    }
    if MAX_TOKENS < answer.tokens.len() {
        out.raw("<p class=\"note\">The picture is drawn for copies of up to 127 tokens.</p>");
        return;
    }
    let pattern = match scene.bench.pattern.answer {
        Some(Answered::Pattern(pattern)) => pattern.patterns.first(),
        _ => None,
    };
    let Some(pattern) = pattern.filter(|pattern| pattern.values.last_axis() == answer.tokens.len()) else {
        out.raw("<p class=\"note\" role=\"status\">Waiting for the pattern…</p>");
        return;
    };
    let class = if scene.bench.pattern.is_stale { "stale" } else { "" };
    out.open("div", &[("class", class), ("data-testid", "stage-pattern"), ("data-of", scene.bench.of[1])]);
    picture(out, scene, answer, pattern, &name);
    out.raw("</div>");
    parts::scale(out, "0", "1", "attention probability, rows look at columns", parts::Ramp::Lit);
    out.raw("<p class=\"note\">First sequence. The dotted line is where an induction head looks: from a token of the second \
             copy to what followed it in the first.</p>");
}

/// `step-001050` as `step 1050`.
pub(super) fn words(stage: &str) -> String {
    let step = stage.strip_prefix("step-").unwrap_or(stage).trim_start_matches('0');
    ["step ", if step.is_empty() { "0" } else { step }].concat()
}

fn picture(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, pattern: &HeadMatrix, name: &str) {
    let n = answer.tokens.len();
    let side = (scene.width_px - LEFT).clamp(200.0, MAX_SIDE);
    let cell = side / n as f32;
    let (wide, tall) = (px(side + LEFT), px(side + LEFT));
    let on_stripe = stripe(answer, pattern);
    let label = [
        "Attention pattern of ",
        name,
        ": in the second copy ",
        &number::prob(on_stripe),
        " of its attention goes to what followed the token in the first.",
    ];
    let svg = [
        ("class", "view-chart pattern"),
        ("width", wide.as_str()),
        ("height", &tall),
        ("role", "img"),
        ("aria-label", &label.concat()),
    ];
    out.open("svg", &svg);
    let frame = ["M", &px(LEFT), " 0H", &wide, "V", &px(side), "H", &px(LEFT), "Z"].concat();
    out.open("path", &[("class", "paper"), ("d", &frame)]).close("path");
    for (ink, d) in inks(&pattern.values, cell).iter().enumerate().filter(|(_, d)| !d.is_empty()) {
        let opacity = px((ink + 1) as f32 / N_INKS as f32);
        out.open("path", &[("class", "ink"), ("fill-opacity", &opacity), ("d", d)]).close("path");
    }
    // The ends of the copies, and the stripe.
    let n_before = n - 2 * answer.length;
    let [first, second] = [0, answer.length].map(|place| (n_before + place) as f32 * cell);
    let d = [
        "M",
        &px(LEFT),
        " ",
        &px(second),
        "H",
        &wide,
        "M",
        &px(LEFT + second),
        " ",
        &px(second),
        "V",
        &px(side),
    ];
    out.open("path", &[("class", "grid-line"), ("d", &d.concat())]).close("path");
    let d = ["M", &px(LEFT + first + cell), " ", &px(second), "L", &px(LEFT + second + cell), " ", &px(side)];
    out.open("path", &[("class", "stripe"), ("d", &d.concat())]).close("path");
    for (copy, start) in [("first copy", first), ("second copy", second)] {
        let middle = start + answer.length as f32 * cell / 2.0;
        let (x, y) = (px(LEFT + middle), px(side + 13.0));
        out.element("text", &[("class", "tick x"), ("x", &x), ("y", &y)], copy);
        let turn = ["translate(11 ", &px(middle), ") rotate(-90)"].concat();
        out.element("text", &[("class", "tick x"), ("transform", &turn)], copy);
    }
    out.raw("</svg>");
}

/// The mean over the second copy of the attention to what followed the token in the first.
fn stripe(answer: &Answer, pattern: &HeadMatrix) -> f32 {
    let (n, length) = (answer.tokens.len(), answer.length);
    let on = |q: usize| pattern.values.data()[q * n + q + 1 - length];
    (n - length..n).map(on).sum::<f32>() / length as f32
}

/// A path for each strength: cells of a row that are alike are one stroke.
fn inks(values: &crate::tensor::HostTensor, cell: f32) -> [String; N_INKS] {
    let n = values.last_axis();
    let mut paths = [const { String::new() }; N_INKS];
    let ink = |q: usize, k: usize| (values.data()[q * n + k] * N_INKS as f32).round() as usize;
    let tall = px_fine(cell);
    for q in 0..n {
        let mut k = 0;
        while k <= q {
            let (from, strength) = (k, ink(q, k));
            while k <= q && ink(q, k) == strength {
                k += 1;
            }
            if let Some(path) = strength.checked_sub(1).and_then(|ink| paths.get_mut(ink)) {
                let (x, y, wide) = (
                    px_fine(LEFT + from as f32 * cell),
                    px_fine(q as f32 * cell),
                    px_fine((k - from) as f32 * cell),
                );
                let d = ["M", &x, " ", &y, "h", &wide, "v", &tall, "h-", &wide, "z"];
                d.iter().for_each(|piece| path.push_str(piece));
            }
        }
    }
    paths
}

/// A hundredth of a pixel: cells meet.
fn px_fine(value: f32) -> String {
    format!("{value:.2}")
}
