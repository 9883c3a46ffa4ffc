//! GPT-2's tensor names. Conv1D weights are [in out], as TransformerLens' are: nothing is transposed.

use super::{ConfigJson, LoadError, Source, TensorFile};
use crate::{
    model::{
        Architecture, ModelConfig, Positions,
        weights::{AttnWeights, BlockWeights, MlpWeights, Weights},
    },
    op::{Activation, MatrixAxes, NormKind},
};

/// Where the weights of a GPT-2 or attention-only checkpoint are. A head of its own may turn out to be W_E.
///
/// Errors: configuration and header do not describe one model.
pub(super) fn plan(
    json: &ConfigJson,
    file: &mut TensorFile,
    notes: &mut Vec<String>,
) -> Result<(ModelConfig, Weights<Source>), LoadError> {
    let config = config(json, architecture(json, file, notes)?)?;
    file.check_layers("h.", config.n_layers)?;
    file.discard_masks(is_mask_buffer, notes);
    let d = config.d_model;
    let w_e = file.take("wte.weight", &[config.d_vocab, d])?;
    let w_pos = file.take("wpe.weight", &[config.n_ctx, d])?;
    let blocks = (0..config.n_layers).map(|layer| block(&config, file, layer)).collect::<Result<_, _>>()?;
    let ln_final = file.affine("ln_f", d)?;
    let w_u = file.head(&config, "lm_head.weight", notes)?;
    let axes = MatrixAxes::InOut;
    Ok((config, Weights { axes, w_e, w_pos: Some(w_pos), blocks, ln_final, w_u, b_u: None }))
}

/// Sizes and choices, checked for sense; `architecture` may have been narrowed by the weights.
fn config(json: &ConfigJson, architecture: Architecture) -> Result<ModelConfig, LoadError> {
    let d_model = json.needed("n_embd")?;
    let n_heads = json.share("n_head", "n_embd", d_model)?;
    let d_head = d_model / n_heads;
    let n_layers = json.needed("n_layer")?;
    let d_vocab = json.needed("vocab_size")?;
    // n_positions and n_ctx are one key to us; older files have both.
    let n_ctx = match (json.size("n_positions")?, json.size("n_ctx")?) {
        (Some(n_ctx), _) | (None, Some(n_ctx)) => n_ctx,
        (None, None) => return Err(LoadError::ConfigMissing { key: "n_positions" }),
    };
    json.refuse("scale_attn_weights", false)?;
    json.refuse("add_cross_attention", true)?;
    let eos_id = json.id("eos_token_id", d_vocab);
    let d_mlp = json.size("n_inner")?.unwrap_or(4 * d_model);
    Ok(ModelConfig {
        architecture,
        n_layers,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: if architecture == Architecture::Gpt2AttnOnly { 0 } else { d_mlp },
        d_vocab,
        n_ctx,
        eps: json.eps("layer_norm_epsilon", 1e-5)?,
        activation: json.activation("activation_function", Activation::GeluNew)?,
        is_gated: false,
        norm: NormKind::LayerNorm,
        has_qk_norm: false,
        has_post_norms: false,
        is_parallel: false,
        positions: Positions::Learned,
        windows: vec![None; n_layers],
        attn_scale: (d_head as f32).sqrt(),
        scale_attn_by_inverse_layer_idx: json.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false),
        attn_soft_cap: None,
        logit_soft_cap: None,
        embed_scale: None,
        is_tied: json.flag("tie_word_embeddings")?.unwrap_or(true),
        // GPT-2's own files name id 50256 as both; a smaller vocabulary may not have it.
        bos_id: json.id("bos_token_id", d_vocab).or(eos_id),
        eos_id,
    })
}

/// A model without any MLP tensor is attention-only, whatever it calls itself.
fn architecture(
    json: &ConfigJson,
    file: &TensorFile,
    notes: &mut Vec<String>,
) -> Result<Architecture, LoadError> {
    let mlp_name = file.names().find(|name| name.contains(".mlp."));
    let is_attn_only = json.architecture()? == Architecture::Gpt2AttnOnly;
    match (is_attn_only, mlp_name) {
        (true, Some(name)) => Err(LoadError::UnexpectedMlp { name: name.to_owned() }),
        (true, None) => Ok(Architecture::Gpt2AttnOnly),
        (false, Some(_)) => Ok(Architecture::Gpt2),
        (false, None) => {
            notes.push("the file has no MLP tensors: read as an attention-only model".to_owned());
            Ok(Architecture::Gpt2AttnOnly)
        }
    }
}

/// `h.{i}.attn.bias` and `h.{i}.attn.masked_bias`: causal masks that old versions saved.
fn is_mask_buffer(name: &str) -> bool {
    name.starts_with("h.") && (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"))
}

fn block(
    config: &ModelConfig,
    file: &mut TensorFile,
    layer: usize,
) -> Result<BlockWeights<Source>, LoadError> {
    let d = config.d_model;
    let name = |part: &str| format!("h.{layer}.{part}");
    let w_qkv = file.take(&name("attn.c_attn.weight"), &[d, 3 * d])?;
    let b_qkv = file.take(&name("attn.c_attn.bias"), &[3 * d])?;
    // c_attn's columns are [Q | K | V].
    let [w_q, w_k, w_v] = [0, 1, 2].map(|nth| w_qkv.third(nth));
    let [b_q, b_k, b_v] = [0, 1, 2].map(|nth| b_qkv.third(nth));
    let attn = AttnWeights {
        w_q,
        w_k,
        w_v,
        w_o: file.take(&name("attn.c_proj.weight"), &[d, d])?,
        b_q: Some(b_q),
        b_k: Some(b_k),
        b_v: Some(b_v),
        b_o: Some(file.take(&name("attn.c_proj.bias"), &[d])?),
        q_norm: None,
        k_norm: None,
    };
    let mlp = if config.is_attn_only() {
        None
    } else {
        Some(MlpWeights {
            ln2: file.affine(&name("ln_2"), d)?,
            w_gate: None,
            w_in: file.take(&name("mlp.c_fc.weight"), &[d, config.d_mlp])?,
            w_out: file.take(&name("mlp.c_proj.weight"), &[config.d_mlp, d])?,
            b_in: Some(file.take(&name("mlp.c_fc.bias"), &[config.d_mlp])?),
            b_out: Some(file.take(&name("mlp.c_proj.bias"), &[d])?),
            ln2_post: None,
        })
    };
    Ok(BlockWeights { ln1: file.affine(&name("ln_1"), d)?, attn, ln1_post: None, mlp })
}
