//! How a GPU does its matrix products: as was measured on an earlier visit, or else measured here, once for each adapter.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::{State, pace::now_millis, post};
use crate::{
    backend::{
        Backend as _, BackendError,
        webgpu::{Preset, WebGpu},
    },
    model::ModelConfig,
    protocol::FromEngine,
};

/// Rows of the product that is timed; fewer where each takes long.
const N_ROWS: usize = 64;
const N_ROWS_ON_CPU: usize = 16;
/// A smaller product would say nothing of larger models, and what is measured is kept for all.
const MIN_SIZES: [usize; 2] = [768, 3072];

/// Has the products of a device cut in the way that is fastest there, before a model is computed on it.
///
/// Errors: the device cannot hold the product that is timed, or was lost.
pub(super) async fn tune(state: &State, device: &WebGpu, config: &ModelConfig) -> Result<(), BackendError> {
    let adapter = name_of(device).await;
    let known = state.presets.borrow().get(&adapter).and_then(|word| Preset::from_word(word));
    if let Some(preset) = known {
        device.take_preset(preset);
        return Ok(());
    }
    let n_rows = if device.is_software() { N_ROWS_ON_CPU } else { N_ROWS };
    let [k, n] = MIN_SIZES;
    let sizes = [n_rows, config.d_model.max(k), config.d_mlp.max(n)];
    let preset = device.probe(sizes, now_millis).await?;
    state.presets.borrow_mut().insert(adapter, preset.word().to_owned());
    post::send(FromEngine::Tuned { presets: state.presets.borrow().clone() });
    Ok(())
}

/// What the adapter is called. Browsers tell the maker and the family rather than a name.
async fn name_of(device: &WebGpu) -> String {
    let info = info().await.unwrap_or(JsValue::UNDEFINED);
    let part = |key: &str| Reflect::get(&info, &key.into()).ok().and_then(|part| part.as_string());
    let parts = ["vendor", "architecture", "device"].into_iter().filter_map(part);
    [device.adapter()].into_iter().chain(parts).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `navigator.gpu.requestAdapter(..).info` of the adapter that devices are opened on.
async fn info() -> Result<JsValue, JsValue> {
    let gpu = Reflect::get(&Reflect::get(&js_sys::global(), &"navigator".into())?, &"gpu".into())?;
    let request: Function = Reflect::get(&gpu, &"requestAdapter".into())?.dyn_into()?;
    let wish = js_sys::Object::new();
    Reflect::set(&wish, &"powerPreference".into(), &"high-performance".into())?;
    let asked: Promise = request.call1(&gpu, &wish)?.dyn_into()?;
    Reflect::get(&JsFuture::from(asked).await?, &"info".into())
}
