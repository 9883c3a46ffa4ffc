//! Every hook point and greedy text of the golden models.

use serde::Deserialize;
use vitrine::{
    backend::{Backend, backward::Backward, cpu::Cpu},
    engine::{Engine, NoPace, RunError},
    hook::HookSet,
    intervention::Intervention,
    metric::Metric,
    prompt::Prompt,
    run::{FinishReason, GenerateSpec, GradientSpec, Readout, RunSpec, WeightForm},
};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::{
    compare::{Divergence, GOLDEN_TOL, compare},
    files::{self, Case, MODELS, Model},
};

#[wasm_bindgen_test]
async fn every_hook_point_is_transformer_lens() {
    check_hooks(Cpu::<f32>::default).await;
}

#[wasm_bindgen_test]
async fn greedy_text_is_transformers() {
    check_greedy(Cpu::<f32>::default).await;
}

#[wasm_bindgen_test]
async fn gradients_are_autograds() {
    check_gradients(Cpu::<f32>::default).await;
}

/// The golden gradients at every hook point, on a backend.
pub(crate) async fn check_gradients<B: Backward>(backend: impl Fn() -> B) {
    for model in MODELS {
        let engine = model.engine_on(backend());
        let points = engine.config().hook_points();
        let [case, want] = model.gradients;
        let GradientCase { tokens, metric } = serde_json::from_slice(case).expect("a golden case");
        let spec = GradientSpec {
            tokens,
            weights: WeightForm::Raw,
            interventions: vec![],
            metric,
            at: HookSet::of(points.iter().copied()),
        };
        let got = engine.gradients(&spec, &mut NoPace).await.expect("a golden model runs");
        let want = files::tensors(want);
        assert_eq!(points.len(), want.len(), "{}", model.name);
        for point in points.iter().rev() {
            let name = format!("d/d {point}, backwards");
            let compared = compare(&name, &got.gradients[point], &want[&point.to_string()], GOLDEN_TOL);
            compared.unwrap_or_else(|divergence| panic!("{}: {divergence}", model.name));
        }
    }
}

#[derive(Deserialize)]
struct GradientCase {
    tokens: Vec<u32>,
    metric: Metric,
}

/// Every hook point of the golden models, on a backend.
pub(crate) async fn check_hooks<B: Backend>(backend: impl Fn() -> B) {
    for model in MODELS {
        let engine = model.engine_on(backend());
        for case in model.cases() {
            if let Err(divergence) = first_divergence(&engine, &model, &case, vec![]).await {
                panic!("{}/{}, first divergence: {divergence}", model.name, case.file);
            }
        }
    }
}

/// The first hook point of a case that differs from TransformerLens, in order of execution.
pub(crate) async fn first_divergence<B: Backend>(
    engine: &Engine<B>,
    model: &Model,
    case: &Case,
    interventions: Vec<Intervention>,
) -> Result<(), Divergence> {
    let points = engine.config().hook_points();
    let spec = RunSpec {
        tokens: case.tokens.clone(),
        weights: case.weights,
        interventions,
        capture: HookSet::of(points.iter().copied()),
        readout: Readout::Predictions { top_k: 1 },
    };
    let result = engine.run(&spec, &mut NoPace).await.expect("a golden model runs");
    let want = model.want(case);
    assert_eq!(points.len(), want.len(), "{}/{}", model.name, case.file);
    for point in &points {
        let name = point.to_string();
        compare(&name, &result.captures[point], &want[&name], GOLDEN_TOL)?;
    }
    Ok(())
}

/// The continuations of the golden models, on a backend.
pub(crate) async fn check_greedy<B: Backend>(backend: impl Fn() -> B) {
    for model in MODELS {
        let engine = model.engine_on(backend());
        for case in model.cases() {
            let spec = GenerateSpec::greedy(Prompt::Tokens { tokens: case.tokens }, case.greedy.len());
            let mut n_heard = 0;
            let generated = engine.generate(&spec, &mut NoPace, |steps| n_heard = steps.len()).await;
            let generated = generated.expect("a golden model runs");
            let ids: Vec<u32> = generated.steps.iter().map(|step| step.id).collect();
            assert_eq!(ids, case.greedy, "{}/{}", model.name, case.file);
            assert_eq!((n_heard, generated.reason), (ids.len(), FinishReason::MaxNewTokens));
        }
    }
}

#[wasm_bindgen_test]
async fn values_that_overflow_are_refused_with_the_first_hook_point_named() {
    let scale = r#"{"at":"blocks.1.hook_resid_pre","edit":{"kind":"scale","by":1e30}}"#;
    let twice = serde_json::from_str(&format!("[{scale},{scale}]")).expect("interventions");
    let spec = RunSpec {
        tokens: vec![1, 2, 3],
        weights: Default::default(),
        interventions: twice,
        capture: HookSet::default(),
        readout: Readout::Predictions { top_k: 1 },
    };
    let refused = MODELS[0].engine().run(&spec, &mut NoPace).await.err();
    assert_eq!(refused, Some(RunError::NonFinite { hook: "blocks.1.hook_resid_pre".to_owned() }));
}
