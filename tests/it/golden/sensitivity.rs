//! The golden values notice every parameter: without any one bias or norm, a comparison fails.

use std::ops::Range;

use safetensors::{Dtype, SafeTensors};
use vitrine::{backend::cpu::Cpu, model::Architecture, op::NormKind, run::WeightForm};

use super::{
    files::{self, MODELS},
    hooks::{cases, first_divergence},
};

/// One vector of a checkpoint, or a part of it, and the value that makes it do nothing.
struct Part {
    tensor: String,
    /// Entries of the tensor.
    entries: Range<usize>,
    neutral: f32,
}

#[test]
fn no_bias_or_norm_can_go_missing() {
    for model in MODELS {
        let checkpoint = files::bytes(&format!("{model}/model.safetensors"));
        let config = super::engine(model).config().clone();
        // Gemma's norms multiply by what is stored and 1.
        let neutral_norm = if config.has_post_norms { 0.0 } else { 1.0 };
        let parts = parts(&checkpoint, neutral_norm);
        let per_block = match config.architecture {
            Architecture::Gpt2 => N_PER_ATTENTION + N_PER_MLP,
            Architecture::Gpt2AttnOnly => N_PER_ATTENTION,
            Architecture::GptNeox | Architecture::Opt => N_PER_ATTENTION + N_PER_MLP,
            // One norm for both.
            Architecture::Phi => N_PER_ATTENTION + N_PER_MLP - 2,
            Architecture::GptNeo => N_PER_ATTENTION + N_PER_MLP - N_QKV,
            Architecture::Llama | Architecture::Mistral => 2,
            Architecture::Qwen2 => 2 + N_QKV,
            Architecture::Qwen3 => 4,
            Architecture::Gemma2 => 4,
            Architecture::Gemma3 => 6,
        };
        let n_final = match config.architecture {
            Architecture::Phi => 3,
            _ if config.norm == NormKind::Rms => 1,
            _ => 2,
        };
        assert_eq!(parts.len(), config.n_layers * per_block + n_final, "{model}");

        let case = cases(model, WeightForm::Raw).remove(0);
        let want = files::tensors(&format!("{model}/{}", case.file));
        let points = config.hook_points();
        let divergence = |weights: &[u8]| {
            let engine = super::engine_from(Cpu::<f32>::default(), model, weights);
            let result = super::run(&engine, WeightForm::Raw, &case.tokens, &[], points.iter().copied())
                .expect("a golden model runs");
            first_divergence(&points, &result.captures, &want)
        };
        assert_eq!(divergence(&checkpoint), Ok(()), "{model} as it is");
        for part in parts {
            let name = format!("{model}: {}{:?}", part.tensor, part.entries);
            assert!(divergence(&without(&checkpoint, &part)).is_err(), "{name} is not noticed");
        }
    }
}

/// ln_1 weight and bias; Q, K, V and output bias.
const N_PER_ATTENTION: usize = 6;
/// ln_2 weight and bias; both biases of the MLP.
const N_PER_MLP: usize = 4;
/// Q, K and V biases.
const N_QKV: usize = 3;

/// Every bias and norm parameter in the checkpoint; Q, K and V biases one by one.
fn parts(checkpoint: &[u8], neutral_norm: f32) -> Vec<Part> {
    let tensors = SafeTensors::deserialize(checkpoint).expect("a golden checkpoint");
    let mut parts = Vec::new();
    for (name, view) in tensors.iter() {
        // Mask buffers are called `attn.bias` too, but have four axes.
        let &[n] = view.shape() else { continue };
        let is_norm_weight = name.ends_with(".weight");
        let is_joint = name.ends_with("attn.c_attn.bias") || name.ends_with("query_key_value.bias");
        let n_parts = if is_joint { 3 } else { 1 };
        for part in 0..n_parts {
            let entries = part * n / n_parts..(part + 1) * n / n_parts;
            parts.push(Part {
                tensor: name.to_owned(),
                entries,
                neutral: if is_norm_weight { neutral_norm } else { 0.0 },
            });
        }
    }
    parts
}

/// The checkpoint with `part` reset.
fn without(checkpoint: &[u8], part: &Part) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(checkpoint).expect("a golden checkpoint");
    let view = tensors.tensor(&part.tensor).expect("a name from the same file");
    let neutral = match view.dtype() {
        Dtype::F32 => part.neutral.to_le_bytes().to_vec(),
        Dtype::F16 => half::f16::from_f32(part.neutral).to_le_bytes().to_vec(),
        Dtype::BF16 => half::bf16::from_f32(part.neutral).to_le_bytes().to_vec(),
        other => panic!("{}: {other:?}", part.tensor),
    };
    let start = view.data().as_ptr() as usize - checkpoint.as_ptr() as usize;
    let mut edited = checkpoint.to_vec();
    for entry in part.entries.clone() {
        let at = start + entry * neutral.len();
        edited[at..at + neutral.len()].copy_from_slice(&neutral);
    }
    edited
}
