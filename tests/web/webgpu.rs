//! The golden models on the browser's WebGPU: SwiftShader, by the flags in webdriver.json.
//!
//! Without an adapter these tests fail where CI=true at build time, and say elsewhere that they were skipped.

use js_sys::{Object, Reflect};
use vitrine::{
    backend::{
        Backend as _, BackendError, DeviceFault, Measured, Measuring,
        webgpu::{Options, Rates, Scheme, WebGpu},
    },
    engine::NoPace,
    hook::HookSet,
    run::{Readout, RunSpec},
};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

use crate::{files::MODELS, goldens};

/// A device, or a reason to skip.
async fn device(scheme: Scheme) -> Option<WebGpu> {
    device_with(Options { scheme: Some(scheme), ..Options::default() }).await
}

async fn device_with(options: Options) -> Option<WebGpu> {
    match WebGpu::open_with(options).await {
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
    goldens::check_gradients(|| device.clone()).await;
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
    let [_, model, ..] = MODELS;
    let engine = model.engine_on(device).await;
    let case = model.cases().remove(0);
    assert_eq!(goldens::first_divergence(&engine, &model, &case, vec![]).await, Ok(()));
    let nudge = r#"[{"at":"blocks.1.attn.hook_q","select":{"pos":[0],"head":[2]},"edit":{"kind":"add","values":0.001}}]"#;
    let nudge = serde_json::from_str(nudge).expect("interventions");
    let divergence = goldens::first_divergence(&engine, &model, &case, nudge).await;
    let divergence = divergence.expect_err("a planted error").to_string();
    assert!(divergence.starts_with("blocks.1.attn.hook_q[0, 2, "), "{divergence}");
}

/// So slow that a small model takes many submissions.
const SLOW: Rates = Rates { flops_per_second: 1e6, bytes_per_second: 1e7, seconds_per_dispatch: 1e-3 };

#[wasm_bindgen_test]
async fn long_work_is_cut_and_measured_and_is_still_transformer_lens() {
    let Some(device) = device_with(Options { rates: Some(SLOW), ..Options::default() }).await else { return };
    let [_, model, ..] = MODELS;
    let engine = model.engine_on(device.clone()).await;
    device.measure(Measuring::On);
    let case = model.cases().remove(0);
    assert_eq!(goldens::first_divergence(&engine, &model, &case, vec![]).await, Ok(()));
    assert!(1 < device.last_submission().n_submissions, "{:?}", device.last_submission());
    let report = device.report();
    console_log!("{report:?}");
    assert_eq!(report.measured, Measured::OnTheDevice, "SwiftShader has a clock");
    assert!(report.timings.iter().any(|of| of.op == "attention" && 0 < of.count));
}

#[wasm_bindgen_test]
async fn a_lost_device_is_the_same_error_at_each_run() {
    let Some(device) = device(Scheme::Serial).await else { return };
    let engine = MODELS[1].engine_on(device.clone()).await;
    let spec = RunSpec {
        tokens: vec![1, 2, 3],
        weights: Default::default(),
        interventions: vec![],
        capture: HookSet::default(),
        readout: Readout::Predictions { top_k: 1 },
    };
    assert!(engine.run(&spec, &mut NoPace).await.is_ok());
    device.lose();
    let first = engine.run(&spec, &mut NoPace).await.expect_err("it is gone");
    assert_eq!(first.device_fault(), Some(DeviceFault::Lost));
    assert_eq!(engine.run(&spec, &mut NoPace).await, Err(first));
    // Another one can be opened.
    assert!(WebGpu::open().await.is_ok());
}

#[wasm_bindgen_test]
async fn a_browser_without_webgpu_is_an_error_in_words() {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).expect("workers have one");
    let nothing = Object::new();
    for (key, value) in [("value", JsValue::UNDEFINED), ("configurable", JsValue::TRUE)] {
        Reflect::set(&nothing, &key.into(), &value).expect("a plain object");
    }
    let navigator: Object = navigator.into();
    Object::define_property(&navigator, &"gpu".into(), &nothing);
    let opened = WebGpu::open().await;
    Reflect::delete_property(&navigator, &"gpu".into()).expect("it is configurable");
    let Err(BackendError::Device { fault, message, .. }) = opened else { panic!("there is none") };
    assert_eq!(fault, DeviceFault::Missing);
    assert!(message.contains("no graphics device"), "{message}");
}
