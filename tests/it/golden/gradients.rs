//! Gradients beside torch's autograd, at every hook point.

use std::collections::BTreeMap;

use serde::Deserialize;
use vitrine::{
    backend::backward::Backward,
    engine::{Engine, NoPace},
    hook::{HookPoint, HookSet},
    metric::Metric,
    run::{GradientSpec, WeightForm},
    tensor::HostTensor,
};

use super::files::{self, MODELS};
use crate::compare::{GOLDEN_TOL, compare};

#[derive(Deserialize)]
struct Case {
    weights: WeightForm,
    tokens: Vec<u32>,
    metric: Metric,
}

/// Which gradients are taken in one pass.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    All,
    /// As somebody who looks at one place: nothing on the way is kept.
    OneByOne,
}

/// Every golden gradient of all models, on a backend.
pub(crate) fn check_all<B: Backward>(on: impl Fn(&str) -> Engine<B>, ask: Ask) {
    for model in MODELS {
        check(&on(model), model, "raw", ask);
    }
    check(&on("gpt2-tiny"), "gpt2-tiny", "processed", ask);
}

fn check<B: Backward>(engine: &Engine<B>, model: &str, weights: &str, ask: Ask) {
    let case: Case = files::json(&format!("{model}/gradients-{weights}.json"));
    let points = engine.config().hook_points();
    let spec = GradientSpec {
        tokens: case.tokens,
        weights: case.weights,
        interventions: vec![],
        metric: case.metric,
        at: HookSet::default(),
    };
    let take = |at: HookSet| {
        let spec = GradientSpec { at, ..spec.clone() };
        let got = pollster::block_on(engine.gradients(&spec, &mut NoPace));
        got.unwrap_or_else(|error| panic!("{model}: {error}")).gradients
    };
    let got = match ask {
        Ask::All => take(HookSet::of(points.iter().copied())),
        Ask::OneByOne => points.iter().flat_map(|point| take(HookSet::of([*point]))).collect(),
    };
    let want = files::tensors(&format!("{model}/gradients-{weights}.safetensors"));
    agree(&points, &got, &want).unwrap_or_else(|why| panic!("{model} {weights}: {why}"));
}

/// From the logits back, as gradients go: the first that differs is where to look.
fn agree(
    points: &[HookPoint],
    got: &BTreeMap<HookPoint, HostTensor>,
    want: &BTreeMap<String, HostTensor>,
) -> Result<(), String> {
    assert_eq!(points.len(), want.len(), "as many gradients as hook points");
    for point in points.iter().rev() {
        // A gradient has no masked entries: under this name none may be infinite.
        let name = format!("d/d {point}, backwards");
        compare(&name, &got[point], &want[&point.to_string()], GOLDEN_TOL)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[test]
fn gradients_are_autograds() {
    check_all(super::engine, Ask::All);
}

#[test]
fn a_wrong_gradient_is_named() {
    let want = files::tensors("attn-only/gradients-raw.safetensors");
    let points = super::engine("attn-only").config().hook_points();
    let mut got: BTreeMap<HookPoint, HostTensor> =
        points.iter().map(|point| (*point, want[&point.to_string()].clone())).collect();
    assert_eq!(agree(&points, &got, &want), Ok(()));
    let q: HookPoint = "blocks.1.attn.hook_q".parse().expect("a hook point");
    got.get_mut(&q).expect("is there").data_mut()[2] += 1e-2;
    let why = agree(&points, &got, &want).expect_err("a planted error");
    assert!(why.contains("blocks.1.attn.hook_q"), "{why}");
}
