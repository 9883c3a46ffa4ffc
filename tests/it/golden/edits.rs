//! Interventions, against the same edits made as TransformerLens hooks.

use std::collections::BTreeMap;

use vitrine::{
    backend::Backend,
    engine::Engine,
    hook::{HookPoint, Presence},
    run::WeightForm,
    tensor::HostTensor,
};

use super::files::{self, EditCase};
use crate::compare::{GOLDEN_TOL, compare};

const MODEL: &str = "gpt2-tiny";

#[test]
fn every_intervention_does_what_it_does_in_transformer_lens() {
    check_all(super::engine);
}

#[test]
fn asking_for_optional_hook_points_changes_no_intervention() {
    check_all_with_optional_hook_points(super::engine);
}

/// Every intervention, on a backend.
pub(crate) fn check_all<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    let engine = on(MODEL);
    let raw = failures(&engine, WeightForm::Raw, "raw", &[]);
    let processed = failures(&engine, WeightForm::Processed, "processed", &[]);
    assert_none(&[raw, processed].concat());
}

/// The same while hook points that are made on request are looked at.
pub(crate) fn check_all_with_optional_hook_points<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    let engine = on(MODEL);
    let points = engine.config().hook_points();
    let optional: Vec<HookPoint> =
        points.into_iter().filter(|point| point.presence() == Presence::OnRequest).collect();
    assert!(!optional.is_empty());
    let raw = failures(&engine, WeightForm::Raw, "raw", &optional);
    let processed = failures(&engine, WeightForm::Processed, "processed", &optional);
    assert_none(&[raw, processed].concat());
}

fn assert_none(failed: &[String]) {
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The cases that fail, each with its first divergence; `also` is captured beside what a case looks at.
fn failures<B: Backend>(
    engine: &Engine<B>,
    weights: WeightForm,
    file: &str,
    also: &[HookPoint],
) -> Vec<String> {
    let want = files::tensors(&format!("{MODEL}/interventions-{file}.safetensors"));
    let cases: Vec<EditCase> = files::cases(&format!("{MODEL}/interventions-{file}.json"));
    let n_watched: usize = cases.iter().map(|case| case.capture.len() + 1).sum();
    assert_eq!(n_watched, want.len(), "every golden value is compared");
    let mut failed = vec![];
    for case in &cases {
        assert_eq!(case.weights, weights, "{}", case.name);
        if let Err(why) = check(engine, case, &want, also) {
            failed.push(format!("{}: {why}", case.name));
        }
    }
    failed
}

fn check<B: Backend>(
    engine: &Engine<B>,
    case: &EditCase,
    want: &BTreeMap<String, HostTensor>,
    also: &[HookPoint],
) -> Result<(), String> {
    let watched = case.capture.iter().map(|name| name.parse().expect("a hook point"));
    // In order of execution, so that the first divergence comes first.
    let mut watched: Vec<HookPoint> = watched.chain([HookPoint::Logits]).collect();
    watched.sort_unstable();
    let capture = watched.iter().chain(also).copied();
    let result = super::run(engine, case.weights, &case.tokens, &case.interventions, capture)
        .map_err(|error| error.to_string())?;
    for point in watched {
        let want = &want[&format!("{}/{point}", case.name)];
        compare(&point.to_string(), &result.captures[&point], want, GOLDEN_TOL)
            .map_err(|divergence| divergence.to_string())?;
    }
    Ok(())
}

#[test]
fn an_ignored_intervention_is_noticed() {
    let engine = super::engine(MODEL);
    let want = files::tensors(&format!("{MODEL}/interventions-raw.safetensors"));
    let cases: Vec<EditCase> = files::cases(&format!("{MODEL}/interventions-raw.json"));
    for case in cases {
        let result = super::run(&engine, case.weights, &case.tokens, &[], [HookPoint::Logits])
            .expect("a golden model runs");
        let want = &want[&format!("{}/logits", case.name)];
        let divergence = compare("logits", &result.captures[&HookPoint::Logits], want, GOLDEN_TOL);
        assert!(divergence.is_err(), "{}", case.name);
    }
}
