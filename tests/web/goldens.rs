//! Every hook point and greedy text of the golden models.

use vitrine::{
    engine::{NoPace, RunError},
    hook::HookSet,
    prompt::Prompt,
    run::{FinishReason, GenerateSpec, Readout, RunSpec},
};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::{
    compare::{GOLDEN_TOL, compare},
    files::MODELS,
};

#[wasm_bindgen_test]
async fn every_hook_point_is_transformer_lens() {
    for model in MODELS {
        let engine = model.engine().await;
        let points = engine.config().hook_points();
        for case in model.cases() {
            let spec = RunSpec {
                tokens: case.tokens.clone(),
                weights: case.weights,
                interventions: vec![],
                capture: HookSet::of(points.iter().copied()),
                readout: Readout::Predictions { top_k: 1 },
            };
            let result = engine.run(&spec, &mut NoPace).await.expect("a golden model runs");
            let want = model.want(&case);
            assert_eq!(points.len(), want.len(), "{}/{}", model.name, case.file);
            for point in &points {
                let name = point.to_string();
                if let Err(divergence) = compare(&name, &result.captures[point], &want[&name], GOLDEN_TOL) {
                    panic!("{}/{}, first divergence: {divergence}", model.name, case.file);
                }
            }
        }
    }
}

#[wasm_bindgen_test]
async fn greedy_text_is_transformers() {
    for model in MODELS {
        let engine = model.engine().await;
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
    let refused = MODELS[0].engine().await.run(&spec, &mut NoPace).await.err();
    assert_eq!(refused, Some(RunError::NonFinite { hook: "blocks.1.hook_resid_pre".to_owned() }));
}
