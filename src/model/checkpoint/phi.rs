//! Phi-1, 1.5 and 2: attention and MLP side by side read one norm; a part of each head turns; logits have a bias.

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
    file.check_layers("layers.", config.n_layers)?;
    // Computed here from the base.
    file.discard(|name| name.ends_with(".rotary_emb.inv_freq"));
    let w_e = file.take("embed_tokens.weight", &[config.d_vocab, config.d_model])?;
    let blocks = (0..config.n_layers).map(|layer| block(&config, file, layer)).collect::<Result<_, _>>()?;
    let ln_final = file.affine("final_layernorm", config.d_model)?;
    let w_u = file.head(&config, "lm_head.weight", notes)?;
    let b_u = Some(file.take("lm_head.bias", &[config.d_vocab])?);
    let axes = MatrixAxes::OutIn;
    Ok((config, Weights { axes, w_e, w_pos: None, blocks, ln_final, w_u, b_u }))
}

fn config(json: &ConfigJson) -> Result<ModelConfig, LoadError> {
    let d_model = json.needed("hidden_size")?;
    let n_heads = json.share("num_attention_heads", "hidden_size", d_model)?;
    let d_head = d_model / n_heads;
    let n_layers = json.needed("num_hidden_layers")?;
    let d_vocab = json.needed("vocab_size")?;
    json.refuse("qk_layernorm", true)?;
    if json.size("num_key_value_heads")?.is_some_and(|n| n != n_heads) {
        let (key, value) = ("num_key_value_heads", "fewer than heads".to_owned());
        return Err(LoadError::ConfigValue { key, value, why: "no Phi has".to_owned() });
    }
    // There is one, but no sequence of the training began with it.
    json.pass_over(&["bos_token_id"]);
    let share = json.number("partial_rotary_factor")?.unwrap_or(0.5);
    let dim = rope::rotary_dim(json, d_head, share)?;
    Ok(ModelConfig {
        architecture: Architecture::Phi,
        n_layers,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: json.size("intermediate_size")?.unwrap_or(4 * d_model),
        d_vocab,
        n_ctx: json.needed("max_position_embeddings")?,
        eps: json.eps("layer_norm_eps", 1e-5)?,
        activation: json.activation("hidden_act", Activation::GeluNew)?,
        is_gated: false,
        norm: NormKind::LayerNorm,
        has_qk_norm: false,
        has_post_norms: false,
        is_parallel: true,
        positions: Positions::Rotary { dim, rope: rope::rope(json, "rope_theta", 1e4)?, local: None },
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
    file: &mut TensorFile,
    layer: usize,
) -> Result<BlockWeights<Source>, LoadError> {
    let &ModelConfig { d_model: d, d_mlp, .. } = config;
    let name = |part: &str| format!("layers.{layer}.{part}");
    // One norm, and two that read the same stream with its weights are the same.
    let ln1 = file.affine(&name("input_layernorm"), d)?;
    let ln2 = ln1.clone();
    Ok(BlockWeights {
        ln1,
        attn: AttnWeights {
            w_q: file.take(&name("self_attn.q_proj.weight"), &[d, d])?,
            w_k: file.take(&name("self_attn.k_proj.weight"), &[d, d])?,
            w_v: file.take(&name("self_attn.v_proj.weight"), &[d, d])?,
            w_o: file.take(&name("self_attn.dense.weight"), &[d, d])?,
            b_q: Some(file.take(&name("self_attn.q_proj.bias"), &[d])?),
            b_k: Some(file.take(&name("self_attn.k_proj.bias"), &[d])?),
            b_v: Some(file.take(&name("self_attn.v_proj.bias"), &[d])?),
            b_o: Some(file.take(&name("self_attn.dense.bias"), &[d])?),
            q_norm: None,
            k_norm: None,
        },
        ln1_post: None,
        mlp: Some(MlpWeights {
            ln2,
            w_gate: None,
            w_in: file.take(&name("mlp.fc1.weight"), &[d_mlp, d])?,
            w_out: file.take(&name("mlp.fc2.weight"), &[d, d_mlp])?,
            b_in: Some(file.take(&name("mlp.fc1.bias"), &[d_mlp])?),
            b_out: Some(file.take(&name("mlp.fc2.bias"), &[d])?),
            ln2_post: None,
        }),
    })
}
