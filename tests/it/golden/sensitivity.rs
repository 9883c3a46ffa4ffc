//! The golden values notice every parameter: without any one bias or norm, a comparison fails.

use std::ops::Range;

use safetensors::{Dtype, SafeTensors};
use vitrine::{backend::cpu::Cpu, run::WeightForm};

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
        let parts = parts(&checkpoint);
        let config = super::engine(model).config().clone();
        let per_block = if config.is_attn_only() { N_PER_ATTENTION } else { N_PER_ATTENTION + N_PER_MLP };
        assert_eq!(parts.len(), config.n_layers * per_block + N_PER_FINAL_NORM, "{model}");

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
/// ln_f weight and bias.
const N_PER_FINAL_NORM: usize = 2;

/// Every bias and norm parameter in the checkpoint; Q, K and V biases one by one.
fn parts(checkpoint: &[u8]) -> Vec<Part> {
    let tensors = SafeTensors::deserialize(checkpoint).expect("a golden checkpoint");
    let mut parts = Vec::new();
    for (name, view) in tensors.iter() {
        // Mask buffers are called `attn.bias` too, but have four axes.
        let &[n] = view.shape() else { continue };
        let is_norm_weight = name.ends_with(".weight");
        let n_parts = if name.ends_with("attn.c_attn.bias") { 3 } else { 1 };
        for part in 0..n_parts {
            let entries = part * n / n_parts..(part + 1) * n / n_parts;
            parts.push(Part { tensor: name.to_owned(), entries, neutral: f32::from(is_norm_weight) });
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
