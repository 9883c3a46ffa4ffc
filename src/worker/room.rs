//! Whether a model finds room, told before its values are read.

use super::State;
use crate::{
    failure::{Failure, FailureKind},
    model::ModelConfig,
    placement::{
        Place,
        room::{Limits, Sizes, WASM_BYTES, advice, fits},
    },
};

/// Prompts that must be possible, tokens.
const N_TOKENS: usize = 64;

/// Refuses what cannot fit into a page's memory. A device says itself what it cannot hold, as soon as it is asked.
///
/// Errors: it does not fit; what would.
pub(super) fn check_on_cpu(state: &State, config: &ModelConfig, dtype: &str) -> Result<(), Failure> {
    let gpu = state.gpu.borrow().as_ref().map(crate::backend::webgpu::WebGpu::most_bytes);
    let limits = Limits {
        memory: Some(WASM_BYTES),
        max_buffer: gpu.map(|[buffer, _]| buffer),
        max_binding: gpu.map(|[_, binding]| binding),
        quota: None,
    };
    let (sizes, n_tokens) = (sizes(config, dtype), N_TOKENS.min(config.n_ctx) as u64);
    let Err(why) = fits(&sizes, Place::Cpu, n_tokens, &limits) else { return Ok(()) };
    let said = advice("This model", &sizes, n_tokens, &limits, &why, Place::Cpu);
    Err(Failure::new(
        FailureKind::Model,
        said.trim_end_matches('.').to_owned(),
        "On the CPU weights are kept in 32 bits. Choose a smaller model, or have it computed on a GPU (Engine…, WebGPU), \
         which keeps 16 bits.",
    ))
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
