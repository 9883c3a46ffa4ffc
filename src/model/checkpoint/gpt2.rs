//! GPT-2's tensor names. Conv1D weights are [in out], as TransformerLens' are: nothing is transposed.

use super::{ConfigJson, LoadError, Source, TensorFile};
use crate::model::{
    Architecture, ModelConfig,
    weights::{Affine, AttnWeights, BlockWeights, MlpWeights, Weights},
};

/// Said once it is known: the weights decide, and config.json may only disagree aloud.
pub(super) const UNTIED_NOTE: &str =
    "config.json ties the embeddings, but lm_head.weight differs from wte.weight: lm_head.weight is used";

/// Where the weights of a GPT-2 or attention-only checkpoint are. A head of its own may turn out to be W_E.
///
/// Errors: configuration and header do not describe one model.
pub(super) fn plan(
    json: &ConfigJson,
    file: &mut TensorFile,
    notes: &mut Vec<String>,
) -> Result<(ModelConfig, Weights<Source>), LoadError> {
    let config = json.model_config(architecture(json, file, notes)?)?;
    check_layer_count(&config, file)?;
    let n_masks = file.discard(is_mask_buffer);
    if n_masks > 0 {
        notes.push(format!("{n_masks} causal-mask buffers are not used: the mask is computed"));
    }
    let d = config.d_model;
    let w_e = file.take("wte.weight", &[config.d_vocab, d])?;
    let w_pos = file.take("wpe.weight", &[config.n_ctx, d])?;
    let blocks = (0..config.n_layers).map(|layer| block(&config, file, layer)).collect::<Result<_, _>>()?;
    let ln_final = affine(file, "ln_f", d)?;
    let w_u = file.take_if_there("lm_head.weight", &[config.d_vocab, d])?;
    if w_u.is_none() && !json.is_tied() {
        let why =
            "config.json does not tie the embeddings, but there is no lm_head.weight: wte.weight is used";
        notes.push(why.to_owned());
    }
    Ok((config, Weights { w_e, w_pos, blocks, ln_final, w_u, b_u: None }))
}

/// A model without any MLP tensor is attention-only, whatever it calls itself.
fn architecture(
    json: &ConfigJson,
    file: &TensorFile,
    notes: &mut Vec<String>,
) -> Result<Architecture, LoadError> {
    let mlp_name = file.names().find(|name| name.contains(".mlp."));
    match (json.architecture()?, mlp_name) {
        (Architecture::Gpt2AttnOnly, Some(name)) => Err(LoadError::UnexpectedMlp { name: name.to_owned() }),
        (Architecture::Gpt2AttnOnly, None) => Ok(Architecture::Gpt2AttnOnly),
        (Architecture::Gpt2, Some(_)) => Ok(Architecture::Gpt2),
        (Architecture::Gpt2, None) => {
            notes.push("the file has no MLP tensors: read as an attention-only model".to_owned());
            Ok(Architecture::Gpt2AttnOnly)
        }
    }
}

/// `h.{i}.attn.bias` and `h.{i}.attn.masked_bias`: causal masks that old versions saved.
fn is_mask_buffer(name: &str) -> bool {
    name.starts_with("h.") && (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"))
}

fn check_layer_count(config: &ModelConfig, file: &TensorFile) -> Result<(), LoadError> {
    let layer_of = |name: &str| name.strip_prefix("h.")?.split('.').next()?.parse::<usize>().ok();
    let got = file.names().filter_map(layer_of).max().map_or(0, |last| last.saturating_add(1));
    if got != config.n_layers {
        return Err(LoadError::LayerCount { expected: config.n_layers, got });
    }
    Ok(())
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
        b_q,
        b_k,
        b_v,
        w_o: file.take(&name("attn.c_proj.weight"), &[d, d])?,
        b_o: file.take(&name("attn.c_proj.bias"), &[d])?,
    };
    let mlp = if config.is_attn_only() {
        None
    } else {
        Some(MlpWeights {
            ln2: affine(file, &name("ln_2"), d)?,
            w_in: file.take(&name("mlp.c_fc.weight"), &[d, config.d_mlp])?,
            b_in: file.take(&name("mlp.c_fc.bias"), &[config.d_mlp])?,
            w_out: file.take(&name("mlp.c_proj.weight"), &[config.d_mlp, d])?,
            b_out: file.take(&name("mlp.c_proj.bias"), &[d])?,
        })
    };
    Ok(BlockWeights { ln1: affine(file, &name("ln_1"), d)?, attn, mlp })
}

fn affine(file: &mut TensorFile, norm: &str, d: usize) -> Result<Affine<Source>, LoadError> {
    Ok(Affine {
        w: Some(file.take(&format!("{norm}.weight"), &[d])?),
        b: Some(file.take(&format!("{norm}.bias"), &[d])?),
    })
}
