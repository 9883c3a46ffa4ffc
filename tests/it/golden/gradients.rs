//! Gradients beside torch's autograd, at every hook point.

use std::collections::BTreeMap;

use serde::Deserialize;
use vitrine::{
    engine::NoPace,
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

fn check(model: &str, weights: &str) {
    let case: Case = files::json(&format!("{model}/gradients-{weights}.json"));
    let engine = super::engine(model);
    let points = engine.config().hook_points();
    let spec = GradientSpec {
        tokens: case.tokens,
        weights: case.weights,
        interventions: vec![],
        metric: case.metric,
        at: HookSet::of(points.iter().copied()),
    };
    let got = pollster::block_on(engine.gradients(&spec, &mut NoPace))
        .unwrap_or_else(|error| panic!("{model}: {error}"));
    let want = files::tensors(&format!("{model}/gradients-{weights}.safetensors"));
    agree(&points, &got.gradients, &want).unwrap_or_else(|why| panic!("{model} {weights}: {why}"));
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
fn gradients_are_autograds_on_raw_weights() {
    for model in MODELS {
        check(model, "raw");
    }
}

#[test]
fn gradients_are_autograds_on_processed_weights() {
    check("gpt2-tiny", "processed");
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
