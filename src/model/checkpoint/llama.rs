//! Llama, and those that name their tensors like it: Mistral has windows, Qwen2 biases, Qwen3 norms of queries and keys.

use super::{ConfigJson, LoadError, Source, TensorFile, rope};
use crate::{
    model::{
        Architecture, ModelConfig, Positions,
        weights::{AttnWeights, BlockWeights, MlpWeights, Weights},
    },
    op::{Activation, MatrixAxes, NormKind},
};

/// Which biases attention has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Biases {
    /// None.
    None,
    /// Of queries, keys and values.
    Qkv,
    /// Of the output as well.
    All,
}

/// Where the weights are.
///
/// Errors: configuration and header do not describe one model.
pub(super) fn plan(
    json: &ConfigJson,
    file: &mut TensorFile,
    notes: &mut Vec<String>,
) -> Result<(ModelConfig, Weights<Source>), LoadError> {
    let architecture = json.architecture()?;
    let config = config(json, architecture)?;
    let biases = match architecture {
        Architecture::Qwen2 => Biases::Qkv,
        _ if json.flag("attention_bias")?.unwrap_or(false) => Biases::All,
        _ => Biases::None,
    };
    file.check_layers("layers.", config.n_layers)?;
    // Computed here from the base.
    file.discard(|name| name.ends_with(".rotary_emb.inv_freq"));
    let w_e = file.take("embed_tokens.weight", &[config.d_vocab, config.d_model])?;
    let mut blocks = Vec::with_capacity(config.n_layers);
    for layer in 0..config.n_layers {
        let d = config.d_model;
        blocks.push(BlockWeights {
            ln1: file.rms(&format!("layers.{layer}.input_layernorm"), d)?,
            attn: attention(&config, biases, file, layer)?,
            ln1_post: None,
            mlp: Some(mlp(&config, "post_attention_layernorm", file, layer)?),
        });
    }
    let ln_final = file.rms("norm", config.d_model)?;
    let w_u = file.head(&config, "lm_head.weight", notes)?;
    let axes = MatrixAxes::OutIn;
    Ok((config, Weights { axes, w_e, w_pos: None, blocks, ln_final, w_u, b_u: None }))
}

fn config(json: &ConfigJson, architecture: Architecture) -> Result<ModelConfig, LoadError> {
    let is_qwen = matches!(architecture, Architecture::Qwen2 | Architecture::Qwen3);
    let d_model = json.needed("hidden_size")?;
    let n_heads = json.needed("num_attention_heads")?;
    let d_head = match json.size("head_dim")? {
        Some(d_head) => d_head,
        None => d_model / json.share("num_attention_heads", "hidden_size", d_model)?,
    };
    let n_kv_heads = n_kv_heads(json, n_heads)?;
    let n_layers = json.needed("num_hidden_layers")?;
    let d_vocab = json.needed("vocab_size")?;
    json.refuse("mlp_bias", true)?;
    // There is one, but no sequence of the training began with it.
    json.pass_over(if is_qwen { &["bos_token_id"] } else { &[] });
    let bos_id = if is_qwen { None } else { json.id("bos_token_id", d_vocab) };
    let dim = rope::rotary_dim(json, d_head, 1.0)?;
    Ok(ModelConfig {
        architecture,
        n_layers,
        d_model,
        n_heads,
        n_kv_heads,
        d_head,
        d_mlp: json.needed("intermediate_size")?,
        d_vocab,
        n_ctx: json.needed("max_position_embeddings")?,
        eps: json.eps("rms_norm_eps", 1e-6)?,
        activation: json.activation("hidden_act", Activation::Silu)?,
        is_gated: true,
        norm: NormKind::Rms,
        has_qk_norm: architecture == Architecture::Qwen3,
        has_post_norms: false,
        is_parallel: false,
        positions: Positions::Rotary { dim, rope: rope::rope(json, "rope_theta", 1e4)?, local: None },
        windows: windows(json, architecture, n_layers)?,
        attn_scale: (d_head as f32).sqrt(),
        scale_attn_by_inverse_layer_idx: false,
        attn_soft_cap: None,
        logit_soft_cap: None,
        embed_scale: None,
        is_tied: json.flag("tie_word_embeddings")?.unwrap_or(false),
        bos_id,
        eos_id: json.id("eos_token_id", d_vocab),
    })
}

/// How many heads have keys and values.
pub(super) fn n_kv_heads(json: &ConfigJson, n_heads: usize) -> Result<usize, LoadError> {
    match json.size("num_key_value_heads")? {
        Some(_) => json.share("num_key_value_heads", "num_attention_heads", n_heads),
        None => Ok(n_heads),
    }
}

fn windows(
    json: &ConfigJson,
    architecture: Architecture,
    n_layers: usize,
) -> Result<Vec<Option<usize>>, LoadError> {
    match architecture {
        Architecture::Mistral => rope::windows(json, n_layers, json.size("sliding_window")?, |_| true),
        Architecture::Qwen2 | Architecture::Qwen3 => {
            let first = json.get("max_window_layers").and_then(serde_json::Value::as_u64).unwrap_or(28);
            let is_windowed = json.flag("use_sliding_window")?.unwrap_or(false);
            let window = json.size("sliding_window")?.filter(|_| is_windowed);
            rope::windows(json, n_layers, window, |layer| first <= layer as u64)
        }
        _ => Ok(vec![None; n_layers]),
    }
}

/// Attention of a layer.
pub(super) fn attention(
    config: &ModelConfig,
    biases: Biases,
    file: &mut TensorFile,
    layer: usize,
) -> Result<AttnWeights<Source>, LoadError> {
    let &ModelConfig { d_model: d, n_heads, n_kv_heads, d_head, .. } = config;
    let (n_q, n_kv) = (n_heads * d_head, n_kv_heads * d_head);
    let name = |part: &str| format!("layers.{layer}.self_attn.{part}");
    let mut bias = |part: &str, n: usize, least: &[Biases]| -> Result<Option<Source>, LoadError> {
        if least.contains(&biases) { file.take(&name(part), &[n]).map(Some) } else { Ok(None) }
    };
    let with_qkv = [Biases::Qkv, Biases::All];
    let b_q = bias("q_proj.bias", n_q, &with_qkv)?;
    let b_k = bias("k_proj.bias", n_kv, &with_qkv)?;
    let b_v = bias("v_proj.bias", n_kv, &with_qkv)?;
    let b_o = bias("o_proj.bias", d, &[Biases::All])?;
    let mut norm = |part: &str| config.has_qk_norm.then(|| file.rms(&name(part), d_head)).transpose();
    Ok(AttnWeights {
        q_norm: norm("q_norm")?,
        k_norm: norm("k_norm")?,
        w_q: file.take(&name("q_proj.weight"), &[n_q, d])?,
        w_k: file.take(&name("k_proj.weight"), &[n_kv, d])?,
        w_v: file.take(&name("v_proj.weight"), &[n_kv, d])?,
        w_o: file.take(&name("o_proj.weight"), &[d, n_q])?,
        b_q,
        b_k,
        b_v,
        b_o,
    })
}

/// The gated MLP of a layer, and the norm before it.
pub(super) fn mlp(
    config: &ModelConfig,
    ln2: &str,
    file: &mut TensorFile,
    layer: usize,
) -> Result<MlpWeights<Source>, LoadError> {
    let &ModelConfig { d_model: d, d_mlp, .. } = config;
    let name = |part: &str| format!("layers.{layer}.{part}");
    Ok(MlpWeights {
        ln2: file.rms(&name(ln2), d)?,
        w_gate: Some(file.take(&name("mlp.gate_proj.weight"), &[d_mlp, d])?),
        w_in: file.take(&name("mlp.up_proj.weight"), &[d_mlp, d])?,
        w_out: file.take(&name("mlp.down_proj.weight"), &[d, d_mlp])?,
        b_in: None,
        b_out: None,
        ln2_post: None,
    })
}
