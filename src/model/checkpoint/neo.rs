//! GPT-Neo and TinyStories: every other layer looks back a window only, and scores are not divided.

use super::{ConfigJson, LoadError, Source, TensorFile};
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
    file.check_layers("h.", config.n_layers)?;
    let is_mask = |name: &str| name.ends_with("attention.bias") || name.ends_with("attention.masked_bias");
    file.discard_masks(is_mask, notes);
    let d = config.d_model;
    let w_e = file.take("wte.weight", &[config.d_vocab, d])?;
    let w_pos = Some(file.take("wpe.weight", &[config.n_ctx, d])?);
    let blocks = (0..config.n_layers).map(|layer| block(&config, file, layer)).collect::<Result<_, _>>()?;
    let ln_final = file.affine("ln_f", d)?;
    let w_u = file.head(&config, "lm_head.weight", notes)?;
    // Unlike GPT-2's of the same names, these are stored by their outputs.
    let axes = MatrixAxes::OutIn;
    Ok((config, Weights { axes, w_e, w_pos, blocks, ln_final, w_u, b_u: None }))
}

fn config(json: &ConfigJson) -> Result<ModelConfig, LoadError> {
    let d_model = json.needed("hidden_size")?;
    let n_heads = json.share("num_heads", "hidden_size", d_model)?;
    let n_layers = json.needed("num_layers")?;
    let d_vocab = json.needed("vocab_size")?;
    let eos_id = json.id("eos_token_id", d_vocab);
    Ok(ModelConfig {
        architecture: Architecture::GptNeo,
        n_layers,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head: d_model / n_heads,
        d_mlp: json.size("intermediate_size")?.unwrap_or(4 * d_model),
        d_vocab,
        n_ctx: json.needed("max_position_embeddings")?,
        eps: json.eps("layer_norm_epsilon", 1e-5)?,
        activation: json.activation("activation_function", Activation::GeluNew)?,
        is_gated: false,
        norm: NormKind::LayerNorm,
        has_qk_norm: false,
        has_post_norms: false,
        is_parallel: false,
        positions: Positions::Learned,
        windows: windows(json, n_layers)?,
        attn_scale: 1.0,
        scale_attn_by_inverse_layer_idx: false,
        attn_soft_cap: None,
        logit_soft_cap: None,
        embed_scale: None,
        is_tied: json.flag("tie_word_embeddings")?.unwrap_or(true),
        bos_id: json.id("bos_token_id", d_vocab).or(eos_id),
        eos_id,
    })
}

/// `attention_layers` names each layer's kind; `attention_types` is the same in short: some kinds, how many times over.
fn windows(json: &ConfigJson, n_layers: usize) -> Result<Vec<Option<usize>>, LoadError> {
    let window = json.size("window_size")?.unwrap_or(256);
    let in_short = json.list("attention_types")?;
    let named = json.list("attention_layers")?.cloned().or_else(|| {
        let repeated = in_short?.iter().map(|entry| {
            let (kinds, n_times) = (entry.get(0)?.as_array()?, entry.get(1)?.as_u64()?);
            Some(kinds.iter().cycle().take(kinds.len() * (n_times as usize).min(n_layers)).cloned())
        });
        Some(repeated.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
    });
    let of_kind = |kind: &serde_json::Value| match kind.as_str() {
        Some("global") => Some(None),
        Some("local") => Some(Some(window)),
        _ => None,
    };
    let windows: Option<Vec<Option<usize>>> =
        named.and_then(|named| named.iter().map(of_kind).collect::<Option<_>>());
    windows.filter(|windows| windows.len() == n_layers).ok_or_else(|| LoadError::ConfigValue {
        key: "attention_types",
        value: in_short.map_or("null".to_owned(), |types| format!("{types:?}")),
        why: format!("does not say global or local for each of {n_layers} layers"),
    })
}

fn block(
    config: &ModelConfig,
    file: &mut TensorFile,
    layer: usize,
) -> Result<BlockWeights<Source>, LoadError> {
    let &ModelConfig { d_model: d, d_mlp, .. } = config;
    let name = |part: &str| format!("h.{layer}.{part}");
    Ok(BlockWeights {
        ln1: file.affine(&name("ln_1"), d)?,
        attn: AttnWeights {
            w_q: file.take(&name("attn.attention.q_proj.weight"), &[d, d])?,
            w_k: file.take(&name("attn.attention.k_proj.weight"), &[d, d])?,
            w_v: file.take(&name("attn.attention.v_proj.weight"), &[d, d])?,
            w_o: file.take(&name("attn.attention.out_proj.weight"), &[d, d])?,
            b_q: None,
            b_k: None,
            b_v: None,
            b_o: Some(file.take(&name("attn.attention.out_proj.bias"), &[d])?),
            q_norm: None,
            k_norm: None,
        },
        ln1_post: None,
        mlp: Some(MlpWeights {
            ln2: file.affine(&name("ln_2"), d)?,
            w_gate: None,
            w_in: file.take(&name("mlp.c_fc.weight"), &[d_mlp, d])?,
            w_out: file.take(&name("mlp.c_proj.weight"), &[d, d_mlp])?,
            b_in: Some(file.take(&name("mlp.c_fc.bias"), &[d_mlp])?),
            b_out: Some(file.take(&name("mlp.c_proj.bias"), &[d])?),
            ln2_post: None,
        }),
    })
}
