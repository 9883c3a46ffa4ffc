//! OPT: GPT-2 with other names; the table of positions begins with two rows that are for padding.

use super::{ConfigJson, LoadError, Source, TensorFile};
use crate::{
    model::{
        Architecture, ModelConfig, Positions,
        weights::{AttnWeights, BlockWeights, MlpWeights, Weights},
    },
    op::{Activation, MatrixAxes, NormKind},
};

/// Rows before that of the first position.
const N_PADDING: usize = 2;

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
    let d = config.d_model;
    let w_e = file.take("embed_tokens.weight", &[config.d_vocab, d])?;
    let w_pos = file.take("embed_positions.weight", &[config.n_ctx + N_PADDING, d])?.after(N_PADDING);
    let blocks = (0..config.n_layers).map(|layer| block(&config, file, layer)).collect::<Result<_, _>>()?;
    let ln_final = file.affine("final_layer_norm", d)?;
    let w_u = file.head(&config, "lm_head.weight", notes)?;
    let axes = MatrixAxes::OutIn;
    Ok((config, Weights { axes, w_e, w_pos: Some(w_pos), blocks, ln_final, w_u, b_u: None }))
}

fn config(json: &ConfigJson) -> Result<ModelConfig, LoadError> {
    let d_model = json.needed("hidden_size")?;
    let n_heads = json.share("num_attention_heads", "hidden_size", d_model)?;
    let n_layers = json.needed("num_hidden_layers")?;
    let d_vocab = json.needed("vocab_size")?;
    json.refuse("do_layer_norm_before", false)?;
    json.refuse("enable_bias", false)?;
    json.refuse("layer_norm_elementwise_affine", false)?;
    json.refuse("_remove_final_layer_norm", true)?;
    json.pass_over(&["layerdrop"]);
    let d_embed = json.size("word_embed_proj_dim")?.unwrap_or(d_model);
    if d_embed != d_model {
        let (key, value) = ("word_embed_proj_dim", d_embed.to_string());
        let why = format!("is not hidden_size ({d_model}): embeddings of another width are not read");
        return Err(LoadError::ConfigValue { key, value, why });
    }
    let d_head = d_model / n_heads;
    Ok(ModelConfig {
        architecture: Architecture::Opt,
        n_layers,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: json.needed("ffn_dim")?,
        d_vocab,
        n_ctx: json.needed("max_position_embeddings")?,
        eps: 1e-5,
        activation: json.activation("activation_function", Activation::Relu)?,
        is_gated: false,
        norm: NormKind::LayerNorm,
        has_qk_norm: false,
        has_post_norms: false,
        is_parallel: false,
        positions: Positions::Learned,
        windows: vec![None; n_layers],
        attn_scale: (d_head as f32).sqrt(),
        scale_attn_by_inverse_layer_idx: false,
        attn_soft_cap: None,
        logit_soft_cap: None,
        embed_scale: None,
        is_tied: json.flag("tie_word_embeddings")?.unwrap_or(true),
        bos_id: json.id("bos_token_id", d_vocab),
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
    Ok(BlockWeights {
        ln1: file.affine(&name("self_attn_layer_norm"), d)?,
        attn: AttnWeights {
            w_q: file.take(&name("self_attn.q_proj.weight"), &[d, d])?,
            w_k: file.take(&name("self_attn.k_proj.weight"), &[d, d])?,
            w_v: file.take(&name("self_attn.v_proj.weight"), &[d, d])?,
            w_o: file.take(&name("self_attn.out_proj.weight"), &[d, d])?,
            b_q: Some(file.take(&name("self_attn.q_proj.bias"), &[d])?),
            b_k: Some(file.take(&name("self_attn.k_proj.bias"), &[d])?),
            b_v: Some(file.take(&name("self_attn.v_proj.bias"), &[d])?),
            b_o: Some(file.take(&name("self_attn.out_proj.bias"), &[d])?),
            q_norm: None,
            k_norm: None,
        },
        ln1_post: None,
        mlp: Some(MlpWeights {
            ln2: file.affine(&name("final_layer_norm"), d)?,
            w_gate: None,
            w_in: file.take(&name("fc1.weight"), &[d_mlp, d])?,
            w_out: file.take(&name("fc2.weight"), &[d, d_mlp])?,
            b_in: Some(file.take(&name("fc1.bias"), &[d_mlp])?),
            b_out: Some(file.take(&name("fc2.bias"), &[d])?),
            ln2_post: None,
        }),
    })
}
