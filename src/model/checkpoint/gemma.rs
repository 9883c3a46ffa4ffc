//! Gemma 2 and the text part of Gemma 3: norms before and after, weights of norms stored less 1, embeddings scaled.

use super::{
    ConfigJson, LoadError, Source, TensorFile,
    llama::{self, Biases},
    rope,
};
use crate::{
    model::{
        Architecture, ModelConfig, Positions, Rope,
        weights::{Affine, BlockWeights, Weights},
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
    let config = config(json, json.architecture()?)?;
    file.check_layers("layers.", config.n_layers)?;
    let d = config.d_model;
    let w_e = file.take("embed_tokens.weight", &[config.d_vocab, d])?;
    let mut blocks = Vec::with_capacity(config.n_layers);
    for layer in 0..config.n_layers {
        let name = |norm: &str| format!("layers.{layer}.{norm}");
        let mut attn = llama::attention(&config, Biases::None, file, layer)?;
        (attn.q_norm, attn.k_norm) = (attn.q_norm.map(plus_one), attn.k_norm.map(plus_one));
        // What Llama calls the norm before the MLP is here the one after attention.
        let mut mlp = llama::mlp(&config, "pre_feedforward_layernorm", file, layer)?;
        mlp.ln2 = plus_one(mlp.ln2);
        mlp.ln2_post = Some(plus_one(file.rms(&name("post_feedforward_layernorm"), d)?));
        blocks.push(BlockWeights {
            ln1: plus_one(file.rms(&name("input_layernorm"), d)?),
            attn,
            ln1_post: Some(plus_one(file.rms(&name("post_attention_layernorm"), d)?)),
            mlp: Some(mlp),
        });
    }
    let ln_final = plus_one(file.rms("norm", d)?);
    let w_u = file.head(&config, "lm_head.weight", notes)?;
    let axes = MatrixAxes::OutIn;
    Ok((config, Weights { axes, w_e, w_pos: None, blocks, ln_final, w_u, b_u: None }))
}

/// The weight that a norm multiplies by, which is stored less 1.
fn plus_one(norm: Affine<Source>) -> Affine<Source> {
    Affine { w: norm.w.map(|w| Source { plus: 1.0, ..w }), ..norm }
}

fn config(json: &ConfigJson, architecture: Architecture) -> Result<ModelConfig, LoadError> {
    let d_model = json.needed("hidden_size")?;
    let n_heads = json.needed("num_attention_heads")?;
    let d_head = json.size("head_dim")?.unwrap_or(256);
    let n_layers = json.needed("num_hidden_layers")?;
    let d_vocab = json.needed("vocab_size")?;
    json.refuse("attention_bias", true)?;
    json.refuse("use_bidirectional_attention", true)?;
    let window = json.size("sliding_window")?;
    // Named by its length, which includes the one layer that sees everything.
    let every = match architecture {
        Architecture::Gemma2 => 2,
        _ => json.size("sliding_window_pattern")?.unwrap_or(6),
    };
    json.pass_over(&["_sliding_window_pattern"]);
    // An older name of the same key.
    let activation = json.activation("hidden_act", Activation::GeluNew)?;
    let (rope, local) = ropes(json, architecture)?;
    Ok(ModelConfig {
        architecture,
        n_layers,
        d_model,
        n_heads,
        n_kv_heads: llama::n_kv_heads(json, n_heads)?,
        d_head,
        d_mlp: json.needed("intermediate_size")?,
        d_vocab,
        n_ctx: json.needed("max_position_embeddings")?,
        eps: json.eps("rms_norm_eps", 1e-6)?,
        activation: json.activation("hidden_activation", activation)?,
        is_gated: true,
        norm: NormKind::Rms,
        has_qk_norm: architecture == Architecture::Gemma3,
        has_post_norms: true,
        is_parallel: false,
        positions: Positions::Rotary { dim: rope::rotary_dim(json, d_head, 1.0)?, rope, local },
        windows: rope::windows(json, n_layers, window, |layer| !(layer + 1).is_multiple_of(every))?,
        attn_scale: (json.number("query_pre_attn_scalar")?.unwrap_or(256.0) as f32).sqrt(),
        scale_attn_by_inverse_layer_idx: false,
        attn_soft_cap: json.number("attn_logit_softcapping")?.map(|cap| cap as f32),
        logit_soft_cap: json.number("final_logit_softcapping")?.map(|cap| cap as f32),
        embed_scale: Some((d_model as f64).sqrt() as f32),
        is_tied: json.flag("tie_word_embeddings")?.unwrap_or(true),
        bos_id: json.id("bos_token_id", d_vocab),
        eos_id: json.id("eos_token_id", d_vocab),
    })
}

/// Gemma 3 turns by another base where it has a window; a stretch is for the other layers alone.
fn ropes(json: &ConfigJson, architecture: Architecture) -> Result<(Rope, Option<Rope>), LoadError> {
    if architecture == Architecture::Gemma2 {
        return Ok((rope::rope(json, "rope_theta", 1e4)?, None));
    }
    let parameters = json.object("rope_parameters")?;
    let of_kind = |kind| parameters.as_ref().map(|json| json.object(kind)).transpose();
    match (of_kind("full_attention")?.flatten(), of_kind("sliding_attention")?.flatten()) {
        (Some(full), Some(sliding)) => Ok((rope::of(&full, 1e6)?, Some(rope::of(&sliding, 1e4)?))),
        _ => {
            let local = json.number("rope_local_base_freq")?.unwrap_or(1e4);
            let local = Rope { base: local, scaling: crate::model::RopeScaling::None };
            Ok((rope::rope(json, "rope_theta", 1e6)?, Some(local)))
        }
    }
}
