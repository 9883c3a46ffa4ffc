//! The views on small answers: what must be on them, and that what comes from a model stays text.

mod sides;

use super::*;
use crate::{
    analysis::{
        attribution::{NeuronPart, Part},
        effects::{Component, Effect},
        head::{Detected, Detector, Pair, Reads, Spread},
        heads::{Metric, Scores},
        likeliest::Likeliest,
        logit_lens::LensScale,
        loss::Side,
        residual::{Push, Written},
    },
    hook::{HookPoint, Site},
    run::{self, Writer},
    tensor::HostTensor,
    view_model::markup::tests::fault,
};

mod induction;

/// A token whose text is markup, as a vocabulary's may be.
const HOSTILE: &str = " <b>\"&";

pub(super) fn token(id: u32, text: &str) -> Token {
    Token { id, text: Some(text.to_owned()), bytes: None, is_special: false }
}

fn tensor(shape: &[usize], values: &[f32]) -> HostTensor {
    HostTensor::new(shape.to_vec(), values.to_vec()).expect("as many values as the shape says")
}

fn tokens() -> Vec<Token> {
    vec![token(1, "Once"), token(2, HOSTILE)]
}

pub(super) fn lens() -> analysis::logit_lens::Answer {
    let nan = f32::NAN;
    analysis::logit_lens::Answer {
        tokens: tokens(),
        positions: vec![0, 1],
        rows: vec![HookPoint::Block(0, Site::ResidPre), HookPoint::Block(0, Site::ResidPost)],
        scale: LensScale::Recomputed,
        top: Likeliest {
            tokens: vec![token(2, HOSTILE), token(5, " a")],
            indices: tensor(&[4, 2], &[0.0, 1.0, 1.0, 0.0, 1.0, 0.0, nan, nan]),
            logprobs: tensor(&[4, 2], &[-0.5, -1.0, -0.1, -3.0, -0.25, -2.0, nan, nan]),
        },
        kl_nats: tensor(&[2, 2], &[2.0, 1.0, 0.0, nan]),
        entropy_nats: tensor(&[2, 2], &[1.5, 1.0, 0.5, nan]),
        next_logprobs: tensor(&[2, 2], &[-2.0, nan, -1.0, nan]),
        next_ranks: tensor(&[2, 2], &[4.0, nan, 0.0, nan]),
        pinned: vec![token(5, " a")],
        pinned_logits: tensor(&[1, 2, 2], &[1.0, 2.0, 3.0, nan]),
        pinned_logprobs: tensor(&[1, 2, 2], &[-4.0, -2.0, -1.0, nan]),
        pinned_ranks: tensor(&[1, 2, 2], &[99.0, 3.0, 0.0, nan]),
    }
}

pub(super) fn attribution() -> analysis::attribution::Answer {
    let part = |writer, value| Part { writer, value };
    analysis::attribution::Answer {
        tokens: tokens(),
        pos: 1,
        targets: vec![token(5, " a")],
        distractors: vec![token(2, HOSTILE)],
        logit_diff: 2.25,
        capped_logit_diff: None,
        scale: 3.0,
        parts: vec![
            part(Writer::Embed, 0.5),
            part(Writer::Head([0, 0]), 1.5),
            part(Writer::Head([0, 1]), -1.0),
            part(Writer::AttnBias(0), 0.25),
            part(Writer::Mlp(0), 1.75),
            part(Writer::MlpBias(0), -0.25),
            part(Writer::FinalBias, 0.0),
            part(Writer::UnembedBias, -0.5),
        ],
        neurons: vec![NeuronPart { layer: 0, neuron: 611, activation: 2.0, value: 0.75 }],
        n_neurons: 2048,
    }
}

pub(super) fn effects() -> analysis::effects::Answer {
    let effect = |component, change| Effect { component, change };
    analysis::effects::Answer {
        tokens: tokens(),
        base: 2.25,
        effects: vec![effect(Component::Head([0, 1]), Some(-1.25))],
        random: vec![effect(Component::Head([0, 0]), Some(0.5)), effect(Component::Head([0, 2]), None)],
        n_reference: 0,
    }
}

pub(super) fn residual() -> analysis::residual::Answer {
    let written = |writer, projection: f32, promoted| Written {
        writer,
        norm: projection.abs() + 1.0,
        projection,
        promoted,
        suppressed: vec![],
    };
    analysis::residual::Answer {
        tokens: tokens(),
        rows: vec![HookPoint::Block(0, Site::ResidPre), HookPoint::Block(0, Site::ResidPost)],
        norms: tensor(&[2, 2], &[100.0, 2.0, 200.0, 4.0]),
        cos_previous: tensor(&[2, 2], &[f32::NAN, f32::NAN, 0.5, -0.5]),
        cos_final: tensor(&[2, 2], &[0.25, 0.75, 1.0, 1.0]),
        token: None,
        cos_token: None,
        at: HookPoint::Block(0, Site::ResidPost),
        pos: 1,
        norm: 4.0,
        scale: 1.0,
        writers: vec![
            written(Writer::Embed, 1.0, vec![]),
            written(Writer::Head([0, 1]), 3.0, vec![Push { token: token(2, HOSTILE), logit: 1.5 }]),
        ],
    }
}

pub(super) fn loss(sides: &[[f32; 2]]) -> analysis::loss::Answer {
    let side = |[a, b]: &[f32; 2]| Side {
        mean_nats: f64::from(-(a + b) / 2.0),
        mean_bits: 1.0,
        first_half_nats: Some(1.0),
        second_half_nats: Some(0.5),
        logprobs: tensor(&[2], &[*a, *b]),
        ranks: tensor(&[2], &[3.0, 0.0]),
        top: Likeliest {
            tokens: vec![token(5, " a")],
            indices: tensor(&[2, 1], &[0.0, 0.0]),
            logprobs: tensor(&[2, 1], &[-0.5, -0.25]),
        },
    };
    let mut tokens = tokens();
    tokens.push(token(5, " a\n"));
    analysis::loss::Answer { tokens, sides: sides.iter().map(side).collect() }
}

pub(super) fn heads() -> analysis::heads::Answer {
    let scores = |metric, n, values: [f32; 4], top| Scores {
        metric,
        definition: format!("What {HOSTILE} is."),
        unit: "mean attention probability".into(),
        n,
        counted: "query positions".into(),
        values: tensor(&[2, 2], &values),
        top,
    };
    analysis::heads::Answer {
        tokens: tokens(),
        n_sequences: 1,
        scores: vec![
            scores(Metric::Induction, 3, [0.125, 0.0, 0.25, 0.875], vec![[1, 1], [1, 0], [0, 0], [0, 1]]),
            scores(Metric::PreviousToken, 1, [0.5, 1.0, 0.25, 0.0], vec![[0, 1]]),
            scores(Metric::DuplicateToken, 0, [f32::NAN; 4], vec![]),
            scores(Metric::Entropy, 2, [1.0, 2.0, 4.0, 0.5], vec![[1, 0]]),
            scores(Metric::Copying, 8, [-0.5, 0.75, f32::NAN, 0.25], vec![[0, 1]]),
        ],
    }
}

pub(super) fn head() -> analysis::head::Answer {
    analysis::head::Answer {
        tokens: tokens(),
        layer: 1,
        head: 1,
        pattern: tensor(&[2, 2], &[1.0, 0.0, 0.75, 0.25]),
        value_weighted: tensor(&[2, 2], &[2.0, 0.0, 1.5, 1.0]),
        output_weighted: tensor(&[2, 2], &[8.0, 0.0, 6.0, 0.5]),
        norms: tensor(&[2, 2], &[2.0, 4.0, 8.0, 2.0]),
        pair: Pair {
            query: 1,
            key: 0,
            products: vec![3.0, -1.0, 0.5, 0.25],
            dot: 2.75,
            scale: 2.0,
            soft_cap: None,
            score: Some(1.375),
            log_sum_exp: 1.6625,
            probability: 0.75,
        },
        reads: Reads::Stream,
        promoted: vec![Push { token: token(2, HOSTILE), logit: 1.5 }],
        suppressed: vec![Push { token: token(5, " a"), logit: -0.75 }],
        share: Some(0.0625),
        spread: Spread { max_attention: vec![0, 1], by_distance: vec![0.625, 0.375] },
        detectors: vec![
            Detected { detector: Detector::PreviousTokenHead, mul: Some(0.375), abs: 0.5 },
            Detected { detector: Detector::InductionHead, mul: Some(0.0), abs: -0.25 },
        ],
    }
}

/// Two layers of two heads: L0H1 looks back by one, L1H1 is an induction head, and L0H0 composes most with it.
pub(in crate::view_model) fn induction(is_ablated: bool) -> analysis::induction::Answer {
    use analysis::{
        heads::{Metric, Scores},
        induction::{Composition, Losses},
    };
    let losses = |second: f64| Losses {
        by_place: tensor(&[2, 2], &[f32::NAN, 9.0, 6.0, second as f32]),
        first_copy_nats: 9.0,
        second_copy_nats: second,
        in_context_nats: second - 9.0,
    };
    let scores = |metric, values: [f32; 4], top| Scores {
        metric,
        definition: "What <it> is.".to_owned(),
        unit: "mean attention probability".to_owned(),
        n: 8,
        counted: "query positions".to_owned(),
        values: tensor(&[2, 2], &values),
        top: vec![top],
    };
    let composition = |input, values: [f32; 4]| Composition {
        from: 0,
        to: 1,
        input,
        values: tensor(&[2, 2], &values),
        baseline: 0.0625,
    };
    analysis::induction::Answer {
        tokens: vec![
            token(0, "<|bos|>"),
            token(1, HOSTILE),
            token(2, " a"),
            token(1, HOSTILE),
            token(2, " a"),
        ],
        n_sequences: 4,
        length: 2,
        losses: losses(0.5),
        ablated: is_ablated.then(|| losses(7.5)),
        scores: vec![
            scores(Metric::Induction, [0.0, 0.25, 0.125, 0.75], [1, 1]),
            scores(Metric::InductionStripe, [0.0, 0.25, 0.125, 0.5], [1, 1]),
            scores(Metric::PreviousToken, [0.25, 0.875, 1.0, 0.0], [1, 0]),
            scores(Metric::DuplicateToken, [0.5, 0.0, 0.0, f32::NAN], [0, 0]),
        ],
        compositions: vec![
            composition(run::Input::Q, [0.05, 0.05, 0.05, 0.05]),
            composition(run::Input::K, [0.05, 0.1186, 0.04, 0.1155]),
            composition(run::Input::V, [0.05, 0.05, 0.05, f32::NAN]),
        ],
    }
}

/// A scene of one view.
fn with_scene<T>(
    view: View,
    choices: &Choices,
    answers: [Option<Answered>; 2],
    then: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let standing = |nth: usize| Standing { answer: answers[nth].as_ref(), ..Standing::default() };
    then(&Scene {
        view,
        choices,
        pos: None,
        head: Some([1, 1]),
        first: standing(0),
        other: standing(1),
        test: standing(1),
        building: Some(Building { n_layers: 1, n_heads: 2, has_mlp: true }),
        models: &["tales-4l".to_owned()],
        note: "",
        width_px: 640.0,
        bench: Bench::default(),
    })
}

fn drawn(view: View, choices: &Choices, answers: [Option<Answered>; 2]) -> String {
    with_scene(view, choices, answers, |scene| {
        let html = html(scene).concat();
        assert_eq!(fault(&html), None, "{html}");
        html
    })
}

fn said(view: View, answer: Answered, at: &str) -> String {
    with_scene(view, &Choices::default(), [Some(answer), None], |scene| {
        let html = detail(scene, at);
        assert_eq!(fault(&html), None, "{html}");
        html
    })
}

/// The text between tags.
fn text(html: &str) -> String {
    html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect()
}

mod of_heads;

#[test]
fn every_view_says_what_it_is_before_and_after_its_answer() {
    let answers = [
        (View::Heads, Answered::Heads(heads())),
        (View::Head, Answered::Head(Box::new(head()))),
        (View::Lens, Answered::Lens(lens())),
        (View::Attribution, Answered::Attribution(attribution())),
        (View::Residual, Answered::Residual(residual())),
        (View::Induction, Answered::Induction(induction(false))),
        (View::Loss, Answered::Loss(loss(&[[-2.0, -1.0]]))),
    ];
    for (view, answer) in answers {
        for answers in [[None, None], [Some(answer), None]] {
            let html = drawn(view, &Choices::default(), answers.clone());
            assert!(html.contains("correlation, not cause"), "{view:?}");
            assert!(!html.contains("<b>\"") && !html.contains("NaN"), "{view:?}: {html}");
            assert_eq!(html.contains("view-ghost"), answers[0].is_none(), "{view:?}");
            assert_eq!(
                html.contains("data-copy"),
                answers[0].is_some() || !matches!(view, View::Attribution | View::Head),
                "{view:?}"
            );
        }
    }
    assert_eq!(drawn(View::Attention, &Choices::default(), [None, None]), "");
}

#[test]
fn an_answer_of_another_view_is_not_drawn() {
    let html = drawn(View::Lens, &Choices::default(), [Some(Answered::Loss(loss(&[[-2.0, -1.0]]))), None]);
    assert!(html.contains("view-ghost"), "{html}");
}

#[test]
fn the_cells_of_the_lens_are_at_their_position_and_stream() {
    let cell = |shade, at: &str| {
        let choices = Choices { shade, ..Choices::default() };
        let html = drawn(View::Lens, &choices, [Some(Answered::Lens(lens())), None]);
        let start = html.find(&format!("data-at=\"{at}\"")).expect("the cell is there");
        html[start..].split("</b>").next().expect("it ends").to_owned()
    };
    // Position 1 at the first stream: e^-0.1 for the second token of the list.
    assert!(cell(Shade::Top, "1.0").ends_with("--v:0.90\">·a"), "{}", cell(Shade::Top, "1.0"));
    assert!(cell(Shade::Kl, "0.0").ends_with("--v:1.00\">2.00"));
    assert!(cell(Shade::Pinned, "0.1").ends_with("--v:0.37\">1"), "a rank counts from 1");
    for shade in [Shade::Top, Shade::Pinned, Shade::Kl, Shade::Entropy] {
        assert!(cell(shade, "1.1").ends_with(">…"), "{shade:?}: nothing is computed there yet");
    }
}

#[test]
fn the_lens_says_of_a_cell_what_it_holds() {
    let html = said(View::Lens, Answered::Lens(lens()), "0.1");
    let text = text(&html);
    assert!(
        text.contains(
            "After 0 Once at blocks.0.hook_resid_post, final norm recomputed: KL to the model’s own 0.00"
        ),
        "{text}"
    );
    assert!(text.contains("has rank 1 and p 0.368"), "{text}");
    assert!(html.contains("data-do=\"pin=5\""), "{html}");
    for nonsense in ["", "7.0", "0.9", "x"] {
        assert!(said(View::Lens, Answered::Lens(lens()), nonsense).contains("After"), "{nonsense}");
    }
}

#[test]
fn the_waterfall_ends_at_the_logit_difference() {
    for by_component in [false, true] {
        let choices = Choices { by_component, ..Choices::default() };
        let html = drawn(View::Attribution, &choices, [Some(Answered::Attribution(attribution())), None]);
        let text = text(&html);
        assert!(text.contains("b_U−0.50"), "b_U is a bar of its own: {text}");
        assert!(text.contains("logit difference+2.25"), "{text}");
        assert!(text.contains("parts sum to +2.25 (off by 0e0)"), "{text}");
        assert_eq!(text.contains("attention 0+0.75"), !by_component, "{text}");
        assert_eq!(text.contains("MLP 0+1.50"), !by_component, "with its bias: {text}");
        assert_eq!(text.contains("L0H1−1.00"), by_component, "{text}");
        assert!(html.contains("data-do=\"test=m0\"") && html.contains("data-do=\"test=n0.611\""), "{html}");
    }
}

#[test]
fn the_grid_of_parts_is_named_as_its_cells() {
    let answer = || Answered::Attribution(attribution());
    assert!(text(&said(View::Attribution, answer(), "0.1")).starts_with("L0H1 contributes −1.00 logits"));
    assert!(text(&said(View::Attribution, answer(), "0.2")).starts_with("MLP 0 contributes +1.75 logits"));
    assert!(said(View::Attribution, answer(), "0.0").contains("data-do=\"test=h0.0\""));
    for nothing in ["", "0.3", "1.0"] {
        assert!(said(View::Attribution, answer(), nothing).contains("note"), "{nothing}");
    }
}

#[test]
fn a_test_shows_its_baseline_and_how_far_it_is() {
    let choices = Choices { test: Some(Component::Head([0, 1])), ..Choices::default() };
    let answers = [Some(Answered::Attribution(attribution())), Some(Answered::Effects(effects()))];
    let html = drawn(View::Attribution, &choices, answers);
    let text = text(&html);
    assert!(text.contains("2 of 3 done"), "{text}");
    assert!(text.contains("Without L0H1 the logit difference goes from 2.25 to 1.00: −1.25."), "{text}");
    assert!(html.contains("<title>L0H0: +0.50</title>"), "{html}");
    assert!(html.contains("tag caused"), "{html}");
}

#[test]
fn a_test_that_failed_says_why() {
    let choices = Choices { test: Some(Component::Mlp(0)), ..Choices::default() };
    let answer = Answered::Attribution(attribution());
    with_scene(View::Attribution, &choices, [Some(answer), None], |scene| {
        let second = Standing { failure: Some(["it <did> not", "try"]), ..Standing::default() };
        let html = html(&Scene { test: second, ..scene.clone() }).concat();
        assert_eq!(fault(&html), None);
        assert!(html.contains("role=\"alert\"") && html.contains("It &lt;did&gt; not."), "{html}");
    });
}

#[test]
fn position_0_does_not_set_the_scale_of_norms() {
    let html = drawn(View::Residual, &Choices::default(), [Some(Answered::Residual(residual())), None]);
    assert!(html.contains("data-at=\"1.1\" style=\"--v:1.00\">4.00"), "{html}");
    assert!(html.contains("data-at=\"0.1\" style=\"--v:1.00\">200.00"), "{html}");
    assert!(html.contains("data-at=\"1.0\" style=\"--v:0.50\">2.00"), "{html}");
}

#[test]
fn cosines_diverge_and_what_is_missing_is_a_dash() {
    let choices = Choices { stream: Stream::Previous, ..Choices::default() };
    let html = drawn(View::Residual, &choices, [Some(Answered::Residual(residual())), None]);
    assert!(html.contains("data-at=\"1.1\" style=\"--v:0.50\" class=\"neg\">−0.50"), "{html}");
    assert!(html.contains("data-at=\"0.0\">–"), "{html}");
    let choices = Choices { stream: Stream::Token, ..Choices::default() };
    let html = drawn(View::Residual, &choices, [Some(Answered::Residual(residual())), None]);
    assert!(html.contains("data-token=\"direction\"") && !html.contains("role=\"grid\""), "{html}");
}

#[test]
fn writers_come_by_their_length_along_the_stream() {
    let html = drawn(View::Residual, &Choices::default(), [Some(Answered::Residual(residual())), None]);
    let (head, embed) = (html.find("L0H1</span>"), html.find(">embed</span>"));
    assert!(head.is_some() && head < embed, "{html}");
    assert!(html.contains("title=\"+1.50 logits\"") && html.contains("data-do=\"test=h0.1\""), "{html}");
}

#[test]
fn a_loss_belongs_to_the_token_that_came() {
    let html = drawn(View::Loss, &Choices::default(), [Some(Answered::Loss(loss(&[[-2.0, -1.0]]))), None]);
    assert!(html.contains("style=\"--v:0.25\" data-at=\"1.0\""), "2 of 8 nats: {html}");
    assert!(html.contains("style=\"--v:0.00\" data-at=\"0.0\""), "the first has none: {html}");
    assert!(text(&html).contains("mean 1.50 nats (1.00 bits) a token over 2"), "{}", text(&html));
    let text = text(&said(View::Loss, Answered::Loss(loss(&[[-2.0, -1.0]])), "1.0"));
    assert!(text.contains("loss 2.00 nats (2.89 bits), p 0.135, the 4th likeliest token there"), "{text}");
    assert!(
        super::super::markup::escape(&said(View::Loss, Answered::Loss(loss(&[[-2.0, -1.0]])), "0.0"))
            .contains("no loss")
    );
}

#[test]
fn two_sides_are_left_diff_and_right() {
    let choices = Choices { against: Against::Without(Component::Mlp(0)), ..Choices::default() };
    let html = drawn(View::Loss, &choices, [Some(Answered::Loss(loss(&[[-2.0, -1.0], [-3.0, -0.5]]))), None]);
    let text = text(&html);
    assert!(
        text.contains("Right: without MLP 0") && text.contains("+0.25 nats a token on average"),
        "{text}"
    );
    assert!(html.contains("tag caused"), "{html}");
    let other = Choices { against: Against::Other, other: "x".into(), ..Choices::default() };
    let answers =
        || [Some(Answered::Loss(loss(&[[-2.0, -1.0]]))), Some(Answered::Loss(loss(&[[-1.0, -1.0]])))];
    assert!(drawn(View::Loss, &other, answers()).contains("data-testid=\"loss-diff\""), "the same tokens");
    let mut differing = answers();
    if let Some(Answered::Loss(answer)) = &mut differing[1] {
        answer.tokens[2].id = 9;
    }
    let html = drawn(View::Loss, &other, differing);
    assert!(!html.contains("loss-diff") && html.contains("loss-other"), "other tokens have no difference");
}

#[test]
fn pressing_on_a_mark_locks_its_position() {
    let picked = |view, answer, at| {
        with_scene(view, &Choices::default(), [Some(answer), None], |scene| pick(scene, at))
    };
    assert_eq!(picked(View::Lens, Answered::Lens(lens()), "1.0"), [("pos", "1".to_owned())]);
    assert_eq!(
        picked(View::Residual, Answered::Residual(residual()), "0.1"),
        [("at", "blocks.0.hook_resid_post".to_owned()), ("pos", "0".to_owned())]
    );
    assert_eq!(picked(View::Loss, Answered::Loss(loss(&[[-2.0, -1.0]])), "2.0"), [("pos", "2".to_owned())]);
    for nothing in ["9.0", "0.9", "x", ""] {
        assert_eq!(picked(View::Residual, Answered::Residual(residual()), nothing), [], "{nothing}");
    }
}

#[test]
fn copied_numbers_are_whole() {
    let table = |view, answer| with_scene(view, &Choices::default(), [Some(answer), None], table);
    let lens = table(View::Lens, Answered::Lens(lens()));
    let lines: Vec<Vec<&str>> = lens.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line.len() == 10), "{lens}");
    assert_eq!(lines[2][..4], ["0", "Once", "blocks.0.hook_resid_post", "·a"]);
    assert_eq!(lines[4][3..], ["", "", "", "", "", "", ""], "nothing is computed there yet");
    let parts = table(View::Attribution, Answered::Attribution(attribution()));
    assert!(parts.contains("L0H1\t-1\t\n") && parts.contains("b_U\t-0.5\t\n"), "{parts}");
    let stream = table(View::Residual, Answered::Residual(residual()));
    assert!(stream.contains("1 ·<b>\"&\t2\t4\n") && stream.contains("L0H1\t4\t3\t·<b>\"&\t\n"), "{stream}");
    let loss = table(View::Loss, Answered::Loss(loss(&[[-2.0, -1.0]])));
    assert!(loss.contains("0\tOnce\t1\t\t\n1\t·<b>\"&\t2\t2\t4\n"), "{loss}");
}
