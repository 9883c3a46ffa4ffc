//! What a sparse autoencoder is made of, as its cfg.json says.

use serde::{Deserialize, Serialize};

use crate::{hook::HookPoint, model::ModelConfig};

/// Sizes and choices of a sparse autoencoder, in SAELens' words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaeConfig {
    /// What becomes of `pre`.
    pub architecture: SaeArchitecture,
    /// Width of what it reads.
    pub d_in: usize,
    /// Number of features.
    pub d_sae: usize,
    /// The hook point that it reads, under TransformerLens' name.
    pub hook_name: String,
    /// `x' = x - b_dec` before the encoder.
    pub apply_b_dec_to_input: bool,
    /// What becomes of `x` first, and is undone at the end.
    pub normalize_activations: Normalization,
    /// `pre` is multiplied by the length of each feature's direction, and what is decoded divided by it.
    pub rescale_acts_by_decoder_norm: bool,
    /// What a transcoder writes; an autoencoder gives back what it reads.
    pub output: Option<SaeOutput>,
    /// Of which model it was trained, if it says so.
    pub model_name: Option<String>,
    /// Whether it was trained with a beginning-of-sequence token in front, if it says so.
    pub prepend_bos: Option<bool>,
    /// `model/source` on Neuronpedia.
    pub neuronpedia_id: Option<String>,
}

/// Which of the positive entries of `pre = x' W_enc + b_enc` are features; they keep their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaeArchitecture {
    /// All of them (Bricken et al. 2023, <https://transformer-circuits.pub/2023/monosemantic-features>).
    Standard,
    /// The `k` largest (Gao et al. 2024, <https://arxiv.org/abs/2406.04093>).
    Topk {
        /// How many.
        k: usize,
    },
    /// Those above a threshold of their own (Rajamanoharan et al. 2024, <https://arxiv.org/abs/2407.14435>).
    Jumprelu,
    /// Those whose gate, `x' W_enc + b_gate`, is open; `pre` is then `x' (W_enc exp(r_mag)) + b_mag` (Rajamanoharan et
    /// al. 2024, <https://arxiv.org/abs/2404.16014>). As exp(r_mag) is positive, a gate is a threshold on `pre`.
    Gated,
}

/// What becomes of a value before it is encoded; statistics are those of each position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Nothing.
    None,
    /// `(x - mean) / (std + 1e-5)`, std with n - 1.
    LayerNorm,
    /// `x sqrt(d_in) / |x|`
    ConstantNormRescale,
}

/// What a transcoder (Dunefsky et al. 2024, <https://arxiv.org/abs/2406.11944>) writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaeOutput {
    /// Its width.
    pub d_out: usize,
    /// The hook point whose value it predicts, if it says so.
    pub hook_name: Option<String>,
    /// Whether `x W_skip` is added.
    pub has_skip: bool,
}

impl SaeConfig {
    /// Width of what it writes.
    pub fn d_out(&self) -> usize {
        self.output.as_ref().map_or(self.d_in, |output| output.d_out)
    }

    /// The hook point that it reads, if that is one of the model's.
    pub fn hook_of(&self, model: &ModelConfig) -> Option<HookPoint> {
        let hook: HookPoint = self.hook_name.parse().ok()?;
        model.hook_points().contains(&hook).then_some(hook)
    }

    /// Why it cannot read what this model computes, a line each.
    pub fn misfits(&self, model: &ModelConfig) -> Vec<String> {
        let Some(hook) = self.hook_of(model) else {
            return vec![format!("the model has no hook point `{}`", self.hook_name)];
        };
        match model.shape(hook, 1).iter().product::<usize>() {
            width if width == self.d_in => vec![],
            width => vec![format!("it reads {} values a position, the model has {width} there", self.d_in)],
        }
    }
}
