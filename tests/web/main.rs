//! The engine's own suite in a browser: the same goldens and refusals as natively, in a dedicated worker.
//!
//! Files are compiled in, since a browser has no folder. Natively this is empty.
#![cfg(target_arch = "wasm32")]

#[path = "../it/compare.rs"]
mod compare;

mod files;
mod goldens;
mod hostile;
mod tokens;
#[cfg(feature = "webgpu")]
mod webgpu;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
