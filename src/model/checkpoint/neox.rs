//! GPT-NeoX and Pythia: queries, keys and values take turns, head by head; attention and MLP side by side.

use super::{ConfigJson, LoadError, Source, TensorFile, rope};
use crate::{
    model::{
        Architecture, ModelConfig, Positions,
        weights::{AttnWeights, BlockWeights, MlpWeights, Weights},
    },
    op::{Activation, MatrixAxes, NormKind},
};

/// Where the weights are.
///
/// Errors: configuration and header do not describe one model.
pub(super) fn plan(
    json: &ConfigJson,
    file: &mut TensorFile,
    notes: &mut Vec<String>,
) -> Result<(ModelConfig, Weights<Source>), LoadError> {
    let config = config(json)?;
    let has_bias = json.flag("attention_bias")?.unwrap_or(true);
    file.check_layers("layers.", config.n_layers)?;
    let is_mask = |name: &str| name.ends_with(".attention.bias") || name.ends_with(".attention.masked_bias");
    file.discard_masks(is_mask, notes);
    // Computed here from the base.
    file.discard(|name| name.ends_with(".rotary_emb.inv_freq"));
    let shape = [config.d_vocab, config.d_model];
    let w_e = file.take("embed_in.weight", &shape)?;
    let blocks = (0..config.n_layers).map(|layer| block(&config, has_bias, file, layer));
    let blocks = blocks.collect::<Result<_, _>>()?;
    let ln_final = file.affine("final_layer_norm", config.d_model)?;
    let old_head = file.take_if_there("embed_out.weight", &shape)?;
    let w_u = if old_head.is_some() { old_head } else { file.head(&config, "lm_head.weight", notes)? };
    let axes = MatrixAxes::OutIn;
    Ok((config, Weights { axes, w_e, w_pos: None, blocks, ln_final, w_u, b_u: None }))
}

fn config(json: &ConfigJson) -> Result<ModelConfig, LoadError> {
    let d_model = json.needed("hidden_size")?;
    let n_heads = json.share("num_attention_heads", "hidden_size", d_model)?;
    let d_head = d_model / n_heads;
    let n_layers = json.needed("num_hidden_layers")?;
    let d_vocab = json.needed("vocab_size")?;
    let share = json.number("rotary_pct")?.unwrap_or(0.25);
    let dim = rope::rotary_dim(json, d_head, share)?;
    // There is one, but no sequence of the training began with it.
    json.pass_over(&["bos_token_id"]);
    Ok(ModelConfig {
        architecture: Architecture::GptNeox,
        n_layers,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: json.needed("intermediate_size")?,
        d_vocab,
        n_ctx: json.needed("max_position_embeddings")?,
        eps: json.eps("layer_norm_eps", 1e-5)?,
        activation: json.activation("hidden_act", Activation::Gelu)?,
        is_gated: false,
        norm: NormKind::LayerNorm,
        has_qk_norm: false,
        has_post_norms: false,
        is_parallel: json.flag("use_parallel_residual")?.unwrap_or(true),
        positions: Positions::Rotary { dim, rope: rope::rope(json, "rotary_emb_base", 1e4)?, local: None },
        windows: vec![None; n_layers],
        attn_scale: (d_head as f32).sqrt(),
        scale_attn_by_inverse_layer_idx: false,
        attn_soft_cap: None,
        logit_soft_cap: None,
        embed_scale: None,
        is_tied: json.flag("tie_word_embeddings")?.unwrap_or(false),
        bos_id: None,
        eos_id: json.id("eos_token_id", d_vocab),
    })
}

fn block(
    config: &ModelConfig,
    has_bias: bool,
    file: &mut TensorFile,
    layer: usize,
) -> Result<BlockWeights<Source>, LoadError> {
    let &ModelConfig { d_model: d, d_mlp, d_head, .. } = config;
    let name = |part: &str| format!("layers.{layer}.{part}");
    let w_qkv = file.take(&name("attention.query_key_value.weight"), &[3 * d, d])?;
    let [w_q, w_k, w_v] = [0, 1, 2].map(|nth| w_qkv.interleaved(nth, 3, d_head));
    let mut bias = |part: &str, n: usize| -> Result<Option<Source>, LoadError> {
        if has_bias { file.take(&name(part), &[n]).map(Some) } else { Ok(None) }
    };
    let b_qkv = bias("attention.query_key_value.bias", 3 * d)?;
    let b_o = bias("attention.dense.bias", d)?;
    let [b_q, b_k, b_v] = [0, 1, 2].map(|nth| b_qkv.as_ref().map(|b| b.interleaved(nth, 3, d_head)));
    let w_o = file.take(&name("attention.dense.weight"), &[d, d])?;
    Ok(BlockWeights {
        ln1: file.affine(&name("input_layernorm"), d)?,
        attn: AttnWeights { w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o, q_norm: None, k_norm: None },
        ln1_post: None,
        mlp: Some(MlpWeights {
            ln2: file.affine(&name("post_attention_layernorm"), d)?,
            w_gate: None,
            w_in: file.take(&name("mlp.dense_h_to_4h.weight"), &[d_mlp, d])?,
            w_out: file.take(&name("mlp.dense_4h_to_h.weight"), &[d, d_mlp])?,
            b_in: Some(file.take(&name("mlp.dense_h_to_4h.bias"), &[d_mlp])?),
            b_out: Some(file.take(&name("mlp.dense_4h_to_h.bias"), &[d])?),
            ln2_post: None,
        }),
    })
}
