//! Every hook point of every golden model.

use std::collections::{BTreeMap, BTreeSet};

use vitrine::{backend::Backend, engine::Engine, hook::HookPoint, run::WeightForm, tensor::HostTensor};

use super::files::{self, Case, MODELS};
use crate::compare::{GOLDEN_TOL, compare};

/// How far a loss may be from its golden twin, nats.
const LOSS_TOL_NATS: f32 = 1e-4;

#[test]
fn every_hook_point_is_transformer_lens_raw() {
    check_all(super::engine, WeightForm::Raw);
}

#[test]
fn every_hook_point_is_transformer_lens_processed() {
    check_all(super::engine, WeightForm::Processed);
}

/// Every hook point of every golden model, on a backend.
pub(crate) fn check_all<B: Backend>(on: impl Fn(&str) -> Engine<B>, weights: WeightForm) {
    for model in MODELS {
        let engine = on(model);
        for case in cases(model, weights) {
            let points = engine.config().hook_points();
            let result = super::run(&engine, weights, &case.tokens, &[], points.iter().copied())
                .unwrap_or_else(|error| panic!("{model}: {error}"));
            let want = files::tensors(&format!("{model}/{}", case.file));
            if let Err(divergence) = first_divergence(&points, &result.captures, &want) {
                panic!("{model}/{}: {divergence}", case.file);
            }
            check_loss(model, result.loss_nats(), case.loss_nats);
        }
    }
}

/// The cases of a model with one form of the weights.
pub(super) fn cases(model: &str, weights: WeightForm) -> Vec<Case> {
    let cases: Vec<Case> = files::cases(&format!("{model}/expected.json"));
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.weights == weights).collect();
    assert!(!cases.is_empty(), "{model} has no case for {weights:?}");
    cases
}

/// Goes through the hook points in order of execution; the first that differs is where to look.
pub(super) fn first_divergence(
    points: &[HookPoint],
    got: &BTreeMap<HookPoint, HostTensor>,
    want: &BTreeMap<String, HostTensor>,
) -> Result<(), String> {
    let known: BTreeSet<String> = points.iter().map(ToString::to_string).collect();
    let stored: BTreeSet<String> = want.keys().cloned().collect();
    if known != stored {
        return Err(format!("other hook points: {:?}", known.symmetric_difference(&stored)));
    }
    for (n_agreed, point) in points.iter().enumerate() {
        let name = point.to_string();
        let got = got.get(point).ok_or_else(|| format!("{name} was not captured"))?;
        compare(&name, got, &want[&name], GOLDEN_TOL)
            .map_err(|divergence| format!("first divergence, after {n_agreed} that agree: {divergence}"))?;
    }
    Ok(())
}

fn check_loss(model: &str, got: Option<f32>, want: Option<f32>) {
    match (got, want) {
        (Some(got), Some(want)) => {
            let err = (got - want).abs();
            assert!(err <= LOSS_TOL_NATS, "{model}: loss {got}, want {want}");
        }
        (None, None) => {}
        (got, want) => panic!("{model}: loss {got:?}, want {want:?}"),
    }
}

#[test]
fn the_first_divergence_is_named_in_order_of_execution() {
    let engine = super::engine("attn-only");
    let points = engine.config().hook_points();
    let case = cases("attn-only", WeightForm::Raw).remove(0);
    let want = files::tensors(&format!("attn-only/{}", case.file));
    let result = super::run(&engine, WeightForm::Raw, &case.tokens, &[], points.iter().copied())
        .expect("a golden model runs");

    // Both are wrong; the alphabet would name the other one first.
    let mut damaged = result.captures.clone();
    for name in ["blocks.1.attn.hook_pattern", "hook_pos_embed"] {
        let point: HookPoint = name.parse().expect("a hook point");
        damaged.get_mut(&point).expect("was captured").data_mut()[3] += 1e-2;
    }
    let message = first_divergence(&points, &damaged, &want).expect_err("two planted errors");
    assert!(message.contains("after 1 that agree: hook_pos_embed[0, 3]"), "{message}");

    let mut missing = result.captures;
    missing.remove(&HookPoint::Logits);
    let message = first_divergence(&points, &missing, &want).expect_err("a planted gap");
    assert_eq!(message, "logits was not captured");
}
