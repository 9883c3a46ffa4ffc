//! Whether a model finds room, told before its values are read.

use serde_json::Value;

use super::State;
use crate::{
    backend::webgpu::WebGpu,
    failure::{Failure, FailureKind},
    model::ModelConfig,
    placement::{
        Place,
        room::{Limits, Sizes, WASM_BYTES, advice, advice_of_file, file_fits, fits},
    },
};

/// Prompts that must be possible, tokens.
const N_TOKENS: usize = 64;
const HINT: &str = "On the CPU weights are kept in 32 bits. Choose a smaller model, or have it computed on a GPU (Engine…, \
                    WebGPU), which keeps 16 bits.";

/// Refuses what cannot fit into a page's memory. A device says itself what it cannot hold, as soon as it is asked.
///
/// Errors: it does not fit; what would.
pub(super) fn check_on_cpu(state: &State, config: &ModelConfig, dtype: &str) -> Result<(), Failure> {
    let (sizes, n_tokens) = (sizes(config, dtype), N_TOKENS.min(config.n_ctx) as u64);
    let limits = limits(state);
    let Err(why) = fits(&sizes, Place::Cpu, n_tokens, &limits) else { return Ok(()) };
    Err(refusal(&advice("This model", &sizes, n_tokens, &limits, &why, Place::Cpu)))
}

/// Whether weights files of `file_bytes` in all fit into a page's memory, however their values are stored.
pub(super) fn surely_fits_on_cpu(state: &State, file_bytes: u64) -> bool {
    file_fits(file_bytes, NARROWEST_BYTES, &limits(state)).is_ok()
}

/// The same as config.json says that they are stored; nothing of them was fetched yet.
///
/// Errors: they do not fit; what would.
pub(super) fn check_files_on_cpu(
    state: &State,
    name: &str,
    file_bytes: u64,
    config_json: &[u8],
) -> Result<(), Failure> {
    let limits = limits(state);
    let Err(why) = file_fits(file_bytes, stored_bytes(config_json), &limits) else { return Ok(()) };
    Err(refusal(&advice_of_file(name, N_TOKENS as u64, &limits, &why)))
}

const NARROWEST_BYTES: u64 = 2;

/// Bytes of a value; as many as one may have where config.json does not say.
fn stored_bytes(config_json: &[u8]) -> u64 {
    let config: Value = serde_json::from_slice(config_json).unwrap_or_default();
    let said = ["dtype", "torch_dtype"].into_iter().find_map(|key| config.get(key)?.as_str());
    if said.is_some_and(|dtype| dtype.contains("16")) { NARROWEST_BYTES } else { 4 }
}

fn limits(state: &State) -> Limits {
    let gpu = state.gpu.borrow().as_ref().map(WebGpu::most_bytes);
    Limits {
        memory: Some(WASM_BYTES),
        max_buffer: gpu.map(|[buffer, _]| buffer),
        max_binding: gpu.map(|[_, binding]| binding),
    }
}

fn refusal(said: &str) -> Failure {
    Failure::new(FailureKind::Model, said.trim_end_matches('.'), HINT)
}

fn sizes(config: &ModelConfig, dtype: &str) -> Sizes {
    Sizes {
        n_layers: config.n_layers as u64,
        d_model: config.d_model as u64,
        n_heads: config.n_heads as u64,
        n_kv_heads: config.n_kv_heads as u64,
        d_head: config.d_head as u64,
        d_mlp: config.d_mlp as u64,
        is_gated: config.is_gated,
        d_vocab: config.d_vocab as u64,
        n_pos: 0,
        is_tied: config.is_tied,
        stored_bytes: if dtype.contains("16") { 2 } else { 4 },
    }
}
