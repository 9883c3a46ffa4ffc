//! Sweeps: what variants share is computed once, and nothing else changes.

use vitrine::{
    backend::{Backend, cpu::Cpu},
    engine::{Cancelled, Engine, NoPace, Pace, RunError},
    hook::{HookPoint, HookSet, Presence},
    intervention::Intervention,
    metric::Metric,
    run::{Readout, RunSpec, SweepResult, SweepSpec, WeightForm},
};

use crate::support::{ATTN_ONLY, FAMILIES, GPT2, edits, engine, try_run};

/// The same sums in another order, of logits of a few units.
const TOL: f64 = 2e-5;
const TOKENS: [u32; 7] = [11, 4, 29, 23, 4, 27, 30];
const LOGIT_DIFF: Metric = Metric::LogitDiff { pos: -1, correct: 5, wrong: 9 };

/// Edits of all kinds at every hook point of a model, some of them at several places.
fn variants<B: Backend>(engine: &Engine<B>) -> Vec<Vec<Intervention>> {
    let other = r#"{"prompt":{"tokens":[8,4,28,23,9,27,26]}}"#;
    let mut variants = vec![vec![]];
    for (nth, point) in engine.config().hook_points().into_iter().enumerate() {
        let pos = nth % TOKENS.len();
        let kinds = [
            format!(
                r#"[{{"at":"{point}","select":{{"pos":{pos}}},"edit":{{"kind":"patch","from":{other}}}}}]"#
            ),
            format!(r#"[{{"at":"{point}","select":{{"pos":"{pos}:"}},"edit":{{"kind":"scale","by":0.5}}}}]"#),
            format!(r#"[{{"at":"{point}","select":{{"pos":-1}},"edit":{{"kind":"add","values":0.3}}}}]"#),
        ];
        // A scale or a patch of everything takes many a place; each point gets two of the three.
        variants.push(edits(&kinds[nth % 3]));
        variants.push(edits(&kinds[(nth + 1) % 3]));
    }
    let twice = r#"[{"at":"blocks.1.hook_resid_pre","select":{"pos":3},"edit":{"kind":"zero"}},
        {"at":"blocks.0.attn.hook_z","select":{"pos":5,"head":1},"edit":{"kind":"scale","by":2.0}},
        {"at":"blocks.1.hook_resid_pre","select":{"pos":4},"edit":{"kind":"add","values":0.1}}]"#;
    variants.push(edits(twice));
    let early = r#"[{"at":"hook_embed","select":{"pos":2},"edit":{"kind":"zero"}},
        {"at":"blocks.1.attn.hook_pattern","select":{"pos":6,"key_pos":1},"edit":{"kind":"zero"}}]"#;
    variants.push(edits(early));
    variants.push(edits(r#"[{"at":"hook_embed","select":{"pos":[]},"edit":{"kind":"zero"}}]"#));
    variants
}

fn spec<B: Backend>(engine: &Engine<B>, metric: &Metric) -> SweepSpec {
    SweepSpec {
        tokens: TOKENS.to_vec(),
        weights: WeightForm::Raw,
        interventions: edits(
            r#"[{"at":"blocks.1.attn.hook_v","select":{"pos":2},"edit":{"kind":"scale","by":1.5}}]"#,
        ),
        variants: variants(engine),
        metric: metric.clone(),
    }
}

fn sweep<B: Backend>(engine: &Engine<B>, spec: &SweepSpec) -> Result<SweepResult, RunError> {
    pollster::block_on(engine.sweep(spec, &mut NoPace, |_, _| {}))
}

/// One run a variant.
fn naive<B: Backend>(engine: &Engine<B>, spec: &SweepSpec, own: &[Intervention]) -> f64 {
    let run = RunSpec {
        tokens: spec.tokens.clone(),
        weights: spec.weights,
        interventions: [spec.interventions.as_slice(), own].concat(),
        capture: HookSet::default(),
        readout: Readout::Metric(spec.metric.clone()),
    };
    let result = try_run(engine, &run).unwrap_or_else(|error| panic!("{own:?}: {error}"));
    result.metric.expect("was asked for")
}

/// The first variant that differs.
fn compare<B: Backend>(engine: &Engine<B>, spec: &SweepSpec, got: &SweepResult) -> Result<(), String> {
    assert_eq!(got.values.len(), spec.variants.len());
    for (own, got) in spec.variants.iter().zip(&got.values) {
        let err = (got - naive(engine, spec, own)).abs();
        if !(err <= TOL) {
            return Err(format!("{own:?}: error {err}"));
        }
    }
    Ok(())
}

pub(crate) fn a_sweep_is_the_loop_over_its_variants<B: Backend>(engine: impl Fn(&str) -> Engine<B>) {
    for model in FAMILIES {
        let engine = engine(model);
        let is_other = ![GPT2, ATTN_ONLY].contains(&model);
        let metrics = [LOGIT_DIFF, Metric::Logprob { pos: 4, token: 9 }, Metric::Loss];
        // How a metric is read does not depend on the family.
        for metric in metrics.into_iter().take(if is_other { 1 } else { 3 }) {
            let spec = spec(&engine, &metric);
            let got = sweep(&engine, &spec).unwrap_or_else(|error| panic!("{model}: {error}"));
            compare(&engine, &spec, &got).unwrap_or_else(|error| panic!("{model}, {metric:?}, {error}"));
            let err = (got.base - naive(&engine, &spec, &[])).abs();
            assert!(err <= TOL, "{model}, {metric:?}, the base: {err}");
        }
    }
}

#[test]
fn on_the_cpu_a_sweep_is_the_loop_over_its_variants() {
    a_sweep_is_the_loop_over_its_variants(engine::<f32>);
}

#[test]
fn in_f64_they_agree_closer_than_f32_can() {
    let engine = engine::<f64>(GPT2);
    let spec = spec(&engine, &LOGIT_DIFF);
    let got = sweep(&engine, &spec).expect("the variants fit");
    for (own, got) in spec.variants.iter().zip(&got.values) {
        let err = (got - naive(&engine, &spec, own)).abs();
        assert!(err <= 1e-6, "{own:?}: {err}"); // Logits are read back as f32.
    }
}

#[test]
fn a_planted_error_is_noticed() {
    let engine = engine::<f32>(GPT2);
    let spec = spec(&engine, &LOGIT_DIFF);
    let good = sweep(&engine, &spec).expect("the variants fit");
    for wrong in [f64::NAN, 1e-4] {
        let mut got = good.clone();
        got.values[7] += wrong;
        assert!(compare(&engine, &spec, &got).is_err(), "{wrong}");
    }
}

#[test]
fn every_variant_is_heard_of_once() {
    let engine = engine::<f32>(GPT2);
    let spec = spec(&engine, &LOGIT_DIFF);
    let mut heard = vec![];
    let result =
        pollster::block_on(engine.sweep(&spec, &mut NoPace, |_, some| heard.extend_from_slice(some)));
    let result = result.expect("the variants fit");
    heard.sort_by_key(|(nth, _)| *nth);
    assert_eq!(heard, result.values.iter().copied().enumerate().collect::<Vec<_>>());
}

/// Lets so many blocks pass.
struct Patience(usize);

impl Pace for Patience {
    async fn breathe(&mut self) -> Result<(), Cancelled> {
        self.0 = self.0.checked_sub(1).ok_or(Cancelled)?;
        Ok(())
    }
}

#[test]
fn a_sweep_can_be_cancelled_between_any_two_blocks() {
    let engine = engine::<f32>(GPT2);
    let spec = spec(&engine, &LOGIT_DIFF);
    for n_blocks in [0, 3, 5] {
        let swept = pollster::block_on(engine.sweep(&spec, &mut Patience(n_blocks), |_, _| {}));
        assert_eq!(swept, Err(RunError::Cancelled));
    }
}

#[test]
fn what_does_not_fit_is_refused_as_in_a_run() {
    let engine: Engine<Cpu> = engine(GPT2);
    let refused = |own: &str| {
        let spec = SweepSpec { variants: vec![vec![], edits(own)], ..spec(&engine, &LOGIT_DIFF) };
        sweep(&engine, &spec).expect_err(own)
    };
    let outside = refused(r#"[{"at":"hook_embed","select":{"pos":7},"edit":{"kind":"zero"}}]"#);
    assert!(matches!(outside, RunError::Select(_)), "{outside}");
    let unpaired = refused(
        r#"[{"at":"hook_embed","select":{"pos":6},"edit":{"kind":"patch","from":{"prompt":{"tokens":[1,2]}}}}]"#,
    );
    assert!(matches!(unpaired, RunError::PatchOutside { .. }), "{unpaired}");
    let later = refused(
        r#"[{"at":"blocks.1.hook_resid_pre","select":{"pos":6},"edit":{"kind":"patch","from":{"prompt":{"tokens":[1,2]}}}}]"#,
    );
    assert!(matches!(later, RunError::PatchOutside { .. }), "{later}");
    let at_the_end = refused(
        r#"[{"at":"logits","select":{"pos":6},"edit":{"kind":"patch","from":{"prompt":{"tokens":[1,2]}}}}]"#,
    );
    assert!(matches!(at_the_end, RunError::PatchOutside { .. }), "{at_the_end}");
    let metric = Metric::LogitDiff { pos: 7, correct: 0, wrong: 1 };
    assert!(matches!(sweep(&engine, &spec(&engine, &metric)), Err(RunError::Metric(_))));
}

#[test]
fn the_variants_are_at_every_hook_point() {
    let engine = engine::<f32>(GPT2);
    let touched = |point: &HookPoint| variants(&engine).iter().flatten().any(|edit| edit.at == *point);
    let points = engine.config().hook_points();
    assert!(points.iter().all(touched));
    assert!(points.iter().any(|point| point.presence() == Presence::OnRequest));
}
