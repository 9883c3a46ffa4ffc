//! The golden models on the browser's WebGPU: SwiftShader, by the flags in webdriver.json.
//!
//! Without an adapter these tests fail where CI=true at build time, and say elsewhere that they were skipped.

use vitrine::backend::webgpu::{Options, Scheme, WebGpu};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

use crate::{files::MODELS, goldens};

/// A device, or a reason to skip.
async fn device(scheme: Scheme) -> Option<WebGpu> {
    match WebGpu::open_with(Options { scheme: Some(scheme), ..Options::default() }).await {
        Ok(device) => Some(device),
        Err(error) => {
            let is_ci = matches!(option_env!("CI"), Some("true" | "1"));
            assert!(!is_ci, "{error}");
            console_log!("SKIPPED, nothing is tested: {error}");
            None
        }
    }
}

async fn check_all(scheme: Scheme) {
    let Some(device) = device(scheme).await else { return };
    goldens::check_hooks(|| device.clone()).await;
    goldens::check_greedy(|| device.clone()).await;
}

#[wasm_bindgen_test]
async fn webgpu_is_transformer_lens_serially() {
    check_all(Scheme::Serial).await;
}

#[wasm_bindgen_test]
async fn webgpu_is_transformer_lens_in_parallel() {
    check_all(Scheme::Parallel).await;
}

#[wasm_bindgen_test]
async fn a_planted_error_is_noticed() {
    let Some(device) = device(Scheme::Serial).await else { return };
    let [_, model] = MODELS;
    let engine = model.engine_on(device);
    let case = model.cases().remove(0);
    assert_eq!(goldens::first_divergence(&engine, &model, &case, vec![]).await, Ok(()));
    let nudge = r#"[{"at":"blocks.1.attn.hook_q","select":{"pos":[0],"head":[2]},"edit":{"kind":"add","values":0.001}}]"#;
    let nudge = serde_json::from_str(nudge).expect("interventions");
    let divergence = goldens::first_divergence(&engine, &model, &case, nudge).await;
    let divergence = divergence.expect_err("a planted error").to_string();
    assert!(divergence.starts_with("blocks.1.attn.hook_q[0, 2, "), "{divergence}");
}
