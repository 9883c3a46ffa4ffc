//! What heads do, beside TransformerLens' detectors, FactoredMatrix, composition scores and hooked runs.

use std::collections::BTreeMap;

use serde::Deserialize;
use vitrine::{
    analysis::{
        Answer, Question,
        head::{self, Reads},
        heads::{self, Metric, Reading},
        induction::{self, Losses, Replacement},
        repeated::Repeated,
    },
    backend::backward::Backward,
    engine::{Engine, NoPace, RunError},
    prompt::Prompt,
    run::{Input, WeightForm},
    tensor::HostTensor,
};

use super::files;
use crate::compare::{GOLDEN_TOL, compare};

/// The models that these goldens are of.
const MODELS: [&str; 4] = ["gpt2-tiny", "attn-only", "neox", "llama"];

#[derive(Deserialize)]
struct Case {
    tokens: Vec<u32>,
    repeated: Repeated,
    drawn: Vec<Vec<u32>>,
    ablate: Vec<[usize; 2]>,
    head: [usize; 2],
    query: i64,
    key: i64,
}

type Goldens = BTreeMap<String, HostTensor>;

fn case(model: &str) -> (Case, Goldens) {
    (files::json(&format!("{model}/heads.json")), files::tensors(&format!("{model}/heads.safetensors")))
}

fn try_ask<B: Backward>(engine: &Engine<B>, question: &Question) -> Result<Answer, RunError> {
    pollster::block_on(engine.ask(question, &mut NoPace, |_| {}))
}

fn ask<B: Backward>(engine: &Engine<B>, question: &Question) -> Answer {
    try_ask(engine, question).unwrap_or_else(|error| panic!("{question:?}: {error}"))
}

fn heads<B: Backward>(engine: &Engine<B>, on: Reading) -> heads::Answer {
    let question =
        heads::Question { on, metrics: None, weights: WeightForm::Raw, interventions: vec![], n_top: 3 };
    match ask(engine, &Question::Heads(question)) {
        Answer::Heads(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn induction<B: Backward>(engine: &Engine<B>, question: induction::Question) -> induction::Answer {
    match ask(engine, &Question::Induction(question)) {
        Answer::Induction(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn head_question(case: &Case) -> head::Question {
    head::Question {
        prompt: Prompt::Tokens { tokens: case.tokens.clone() },
        layer: case.head[0],
        head: case.head[1],
        weights: WeightForm::Raw,
        interventions: vec![],
        query: case.query,
        key: Some(case.key),
        reads: Reads::Stream,
        top_k: 7,
        exclude_first: false,
        exclude_current: false,
    }
}

fn head<B: Backward>(engine: &Engine<B>, question: head::Question) -> head::Answer {
    match ask(engine, &Question::Head(question)) {
        Answer::Head(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn is_golden(model: &str, name: &str, got: &HostTensor, want: &Goldens) {
    compare(name, got, &want[name], GOLDEN_TOL).unwrap_or_else(|error| panic!("{model}: {error}"));
}

fn row(values: &[f32]) -> HostTensor {
    HostTensor::new(vec![values.len()], values.to_vec()).expect("one axis")
}

fn name(metric: Metric) -> String {
    serde_json::to_value(metric).expect("a word").as_str().expect("a word").to_owned()
}

/// Every metric of the head finder.
fn check_heads<B: Backward>(engine: &Engine<B>, model: &str) {
    let (case, want) = case(model);
    let prompt = heads(engine, Reading::Prompt(Prompt::Tokens { tokens: case.tokens.clone() }));
    let repeated = heads(engine, Reading::Repeated(case.repeated.clone()));
    assert_eq!((prompt.scores.len(), repeated.scores.len()), (Metric::ALL.len() - 1, Metric::ALL.len()));
    for scores in &prompt.scores {
        let name = if scores.metric == Metric::Copying {
            "copying".into()
        } else {
            format!("prompt/{}", name(scores.metric))
        };
        is_golden(model, &name, &scores.values, &want);
    }
    let mut n_compared = 0;
    for scores in &repeated.scores {
        let name = format!("repeated/{}", name(scores.metric));
        if want.contains_key(&name) {
            is_golden(model, &name, &scores.values, &want);
            n_compared += 1;
        }
    }
    assert_eq!(n_compared, 4);
}

/// Losses with and without heads, stripes and compositions.
fn check_induction<B: Backward>(engine: &Engine<B>, model: &str) {
    let (case, want) = case(model);
    let by_place = |losses: &Losses| {
        let values = losses.by_place.data();
        assert!(values[0].is_nan(), "nothing comes before the first token");
        row(&values[1..])
    };
    for (by, name) in [(Replacement::Zero, "zero"), (Replacement::Mean, "mean")] {
        let repeated = case.repeated.clone();
        let question =
            induction::Question { repeated, ablate: case.ablate.clone(), by, ..Default::default() };
        let answer = induction(engine, question);
        is_golden(model, "repeated/loss", &by_place(&answer.losses), &want);
        let ablated = answer.ablated.expect("heads were ablated");
        is_golden(model, &format!("repeated/loss, {name}"), &by_place(&ablated), &want);
        assert_eq!(answer.compositions.len(), 3);
        for composition in &answer.compositions {
            let name = match composition.input {
                Input::Q => "composition/q",
                Input::K => "composition/k",
                Input::V => "composition/v",
            };
            is_golden(model, name, &composition.values, &want);
        }
        let ids: Vec<u32> = answer.tokens.iter().map(|token| token.id).collect();
        assert_eq!(ids, case.drawn[0], "{model}");
    }
}

/// One head in every detail.
fn check_head<B: Backward>(engine: &Engine<B>, model: &str) {
    let (case, want) = case(model);
    let answer = head(engine, head_question(&case));
    is_golden(model, "head/pattern", &answer.pattern, &want);
    is_golden(model, "head/value_weighted", &answer.value_weighted, &want);
    is_golden(model, "head/output_weighted", &answer.output_weighted, &want);
    is_golden(model, "head/products", &row(&answer.pair.products), &want);
    let score = answer.pair.score.expect("the query sees the key");
    is_golden(model, "head/score", &HostTensor::full(vec![], score), &want);
    is_golden(model, "head/by_distance", &row(&answer.spread.by_distance), &want);
    check_tokens(&answer, &want["head/writes, stream"]);
    let embedding = head::Question { reads: Reads::Embedding, ..head_question(&case) };
    check_tokens(&head(engine, embedding), &want["head/writes, embedding"]);
    let mut detected = [[0.0; 8]; 3];
    for (nth, (exclude_first, exclude_current)) in
        [(false, false), (false, true), (true, false), (true, true)].into_iter().enumerate()
    {
        let question = head::Question { exclude_first, exclude_current, ..head_question(&case) };
        for (detected, got) in detected.iter_mut().zip(head(engine, question).detectors) {
            (detected[nth], detected[4 + nth]) = (got.mul.expect("attention is left"), got.abs);
        }
    }
    is_golden(model, "head/detectors", &row(&detected.concat()), &want);
}

/// Both ends of the vocabulary, in order.
fn check_tokens(answer: &head::Answer, logits: &HostTensor) {
    let mut order: Vec<usize> = (0..logits.data().len()).collect();
    order.sort_by(|a, b| logits.data()[*b].total_cmp(&logits.data()[*a]));
    let at = |ids: &mut dyn Iterator<Item = usize>| {
        row(&ids.take(7).map(|id| logits.data()[id]).collect::<Vec<_>>())
    };
    for (got, want) in [
        (&answer.promoted, at(&mut order.iter().copied())),
        (&answer.suppressed, at(&mut order.iter().rev().copied())),
    ] {
        let values: Vec<f32> = got.iter().map(|push| push.logit).collect();
        compare("logits", &row(&values), &want, GOLDEN_TOL).unwrap_or_else(|error| panic!("{error}"));
        for push in got {
            let own = logits.data()[push.token.id as usize];
            assert!((own - push.logit).abs() <= GOLDEN_TOL, "{push:?} is {own}");
        }
    }
}

/// All of it, on a backend.
pub(crate) fn check_all<B: Backward>(on: impl Fn(&str) -> Engine<B>) {
    for model in MODELS {
        let engine = on(model);
        check_heads(&engine, model);
        check_induction(&engine, model);
        check_head(&engine, model);
    }
}

#[test]
fn heads_are_transformer_lens() {
    check_all(super::engine);
}

#[test]
fn a_wrong_score_is_noticed() {
    let (case, want) = case("gpt2-tiny");
    let mut answer = heads(&super::engine("gpt2-tiny"), Reading::Repeated(case.repeated));
    let induction = &mut answer.scores[0].values;
    assert!(compare("induction", induction, &want["repeated/induction"], GOLDEN_TOL).is_ok());
    assert!(compare("induction", induction, &want["repeated/induction_stripe"], GOLDEN_TOL).is_err());
    induction.data_mut()[1] += 1e-3;
    assert!(compare("induction", induction, &want["repeated/induction"], GOLDEN_TOL).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let engine = super::engine("attn-only");
    let refused = |question: Question| try_ask(&engine, &question).expect_err("does not fit").to_string();
    let repeated = |repeated: Repeated| {
        refused(Question::Induction(induction::Question { repeated, ..Default::default() }))
    };
    let own = Repeated::default;
    assert!(repeated(Repeated { length: Some(15), ..own() }).contains("2 to 14"));
    assert!(repeated(Repeated { length: Some(usize::MAX), ..own() }).contains("2 to 14"));
    assert!(repeated(Repeated { length: Some(1), ..own() }).contains("2 to 14"));
    assert!(repeated(Repeated { batch: 0, ..own() }).contains("1 to 64"));
    assert!(repeated(Repeated { batch: usize::MAX, ..own() }).contains("1 to 64"));
    assert!(repeated(Repeated { ids: Some([0, 72]), ..own() }).contains("vocabulary of 71"));
    assert!(repeated(Repeated { ids: Some([9, 3]), ..own() }).contains("no two ids"));
    let lab = |question: induction::Question| refused(Question::Induction(question));
    let ablate = vec![[0, 3]];
    assert!(lab(induction::Question { ablate, ..Default::default() }).contains("no head 3 in layer 0"));
    let of_one = Repeated { batch: 1, ..own() };
    let (ablate, by) = (vec![[0, 0]], Replacement::Mean);
    assert!(
        lab(induction::Question { repeated: of_one, ablate, by, ..Default::default() }).contains("single")
    );
    for pair in [[0, 0], [1, 0], [0, 2], [usize::MAX, 0]] {
        let compositions = Some(vec![pair]);
        assert!(lab(induction::Question { compositions, ..Default::default() }).contains("cannot read"));
    }
    let (case, _) = case("attn-only");
    let one = |change: fn(&mut head::Question)| {
        let mut question = head_question(&case);
        change(&mut question);
        refused(Question::Head(question))
    };
    assert!(one(|question| question.head = 3).contains("no head 3"));
    assert!(one(|question| question.query = 13).contains("position 13 of 13"));
    assert!(one(|question| question.key = Some(-14)).contains("position -14"));
}
