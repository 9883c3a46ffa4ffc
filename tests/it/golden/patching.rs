//! Patching matrices beside those of TransformerLens, and attributions beside torch's autograd.

use serde::Deserialize;
use vitrine::{
    analysis::{
        Answer, Question,
        patching::{self, Method, Place},
    },
    backend::backward::Backward,
    engine::{Engine, NoPace},
    metric::Metric,
    prompt::Prompt,
    run::WeightForm,
    tensor::HostTensor,
};

use super::files;
use crate::{
    compare::{GOLDEN_TOL, compare},
    support::{TALES, engine},
};

pub(crate) const MODEL: &str = "gpt2-tiny";

#[derive(Deserialize)]
struct Case {
    clean: Vec<u32>,
    corrupted: Vec<u32>,
    metric: Metric,
}

fn question(at: Place, method: Method) -> patching::Question {
    let Case { clean, corrupted, metric } = files::json(&format!("{MODEL}/patching.json"));
    let prompt = |tokens| Prompt::Tokens { tokens };
    let (clean, corrupted) = (prompt(clean), prompt(corrupted));
    patching::Question { clean, corrupted, metric, at, method, weights: WeightForm::Raw }
}

fn ask<B: Backward>(engine: &Engine<B>, question: patching::Question) -> patching::Answer {
    match pollster::block_on(engine.ask(&Question::Patching(question), &mut NoPace, |_| {})) {
        Ok(Answer::Patching(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

/// Every place, both methods.
pub(crate) fn check_all<B: Backward>(engine: &Engine<B>) {
    let want = files::tensors(&format!("{MODEL}/patching.safetensors"));
    let places: [Place; 9] = {
        use Place::{AttnOut, K, MlpOut, Pattern, Q, ResidMid, ResidPre, V, Z};
        [ResidPre, ResidMid, AttnOut, MlpOut, Q, K, V, Z, Pattern]
    };
    assert_eq!(2 * places.len(), want.len(), "two methods for each place");
    for place in places {
        let name = serde_json::to_value(place).expect("a word");
        let name = name.as_str().expect("a word");
        for (method, name) in
            [(Method::Exact, name.to_owned()), (Method::Attribution, format!("{name}, attribution"))]
        {
            let answer = ask(engine, question(place, method));
            compare(&name, &answer.changes, &want[&name], GOLDEN_TOL)
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn patching_is_transformer_lens() {
    check_all(&super::engine(MODEL));
}

#[test]
fn a_wrong_change_is_noticed() {
    let want = files::tensors(&format!("{MODEL}/patching.safetensors"));
    let mut answer = ask(&super::engine(MODEL), question(Place::Z, Method::Exact));
    answer.changes.data_mut()[1] += 1e-3;
    assert!(compare("z", &answer.changes, &want["z"], GOLDEN_TOL).is_err());
}

#[test]
fn effects_are_fractions_and_patching_everything_would_be_one() {
    let answer = ask(&super::engine(MODEL), question(Place::ResidPre, Method::Exact));
    let whole = (answer.clean_metric - answer.corrupted_metric) as f32;
    let effects = answer.effects.expect("the prompts differ");
    for (effect, change) in effects.data().iter().zip(answer.changes.data()) {
        let err = (effect * whole - change).abs();
        assert!(err <= 1e-6, "{effect} of {whole} is not {change}");
    }
    let same = question(Place::ResidPre, Method::Exact);
    let same = patching::Question { corrupted: same.clean.clone(), ..same };
    let answer = ask(&super::engine(MODEL), same);
    assert_eq!(answer.effects, None);
    assert!(answer.changes.data().iter().all(|change| change.abs() <= 1e-5), "{:?}", answer.changes);
}

#[test]
fn what_cannot_be_patched_is_refused() {
    let engine = super::engine("attn-only");
    let refused = |question: patching::Question| {
        pollster::block_on(engine.ask(&Question::Patching(question), &mut NoPace, |_| {}))
            .expect_err("does not fit")
            .to_string()
    };
    let ones = |n| Prompt::Tokens { tokens: vec![1; n] };
    let of =
        |at, n| patching::Question { clean: ones(11), corrupted: ones(n), ..question(at, Method::Exact) };
    assert!(refused(of(Place::MlpOut, 11)).contains("no MLPs"));
    assert!(refused(of(Place::Z, 12)).contains("11 tokens and the corrupted one 12"));
}

#[test]
fn a_long_sweep_tells_how_far_it_is() {
    let engine = engine::<f32>(TALES);
    let prompt = |first: u32| Prompt::Tokens { tokens: (first..first + 48).collect() };
    let question = Question::Patching(patching::Question {
        clean: prompt(40),
        corrupted: prompt(41),
        metric: Metric::LogitDiff { pos: -1, correct: 5, wrong: 9 },
        at: Place::ResidPre,
        method: Method::Exact,
        weights: WeightForm::Raw,
    });
    let n_missing = |changes: &HostTensor| changes.data().iter().filter(|change| change.is_nan()).count();
    let mut missing = vec![];
    let mut note = |partial| {
        let Answer::Patching(partial) = partial else { panic!("an answer of another kind") };
        missing.push(n_missing(&partial.changes));
    };
    let whole = pollster::block_on(engine.ask(&question, &mut NoPace, &mut note)).expect("is answered");
    let Answer::Patching(whole) = whole else { panic!("an answer of another kind") };
    assert_eq!(n_missing(&whole.changes), 0);
    assert!(missing.len() > 2 && missing.is_sorted_by(|a, b| b < a), "{missing:?}");
}
