//! What a model is made of.

use serde::{Deserialize, Serialize};

use crate::{
    hook::{Axis, HookPoint, Site},
    op::{Activation, NormKind, Scoring},
};

/// Sizes and choices of a model, in TransformerLens' words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelConfig {
    /// Whose checkpoints look like its own.
    pub architecture: Architecture,
    /// Number of blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads per block.
    pub n_heads: usize,
    /// Heads that have keys and values; each serves n_heads / n_kv_heads queries (Ainslie et al. 2023).
    pub n_kv_heads: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Width of the MLP; 0 for an attention-only model.
    pub d_mlp: usize,
    /// Number of token ids.
    pub d_vocab: usize,
    /// Longest input, tokens.
    pub n_ctx: usize,
    /// Added to the variance inside the norms' square root.
    pub eps: f32,
    /// Non-linearity of the MLP.
    pub activation: Activation,
    /// Whether the activation of one product gates another (Shazeer 2020).
    pub is_gated: bool,
    /// Kind of norm.
    pub norm: NormKind,
    /// Whether queries and keys are normalised, head by head, before they turn.
    pub has_qk_norm: bool,
    /// Whether what attention and the MLP write is normalised as well.
    pub has_post_norms: bool,
    /// Whether the MLP reads what attention reads, instead of what attention wrote.
    pub is_parallel: bool,
    /// How positions are told apart.
    pub positions: Positions,
    /// How many keys a query sees, itself included, layer by layer; all before it if `None`.
    pub windows: Vec<Option<usize>>,
    /// What attention scores are divided by.
    pub attn_scale: f32,
    /// Whether layer i divides its scores by i + 1 as well.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Scores stay between it and its negative.
    pub attn_soft_cap: Option<f32>,
    /// Logits stay between it and its negative.
    pub logit_soft_cap: Option<f32>,
    /// What the token embedding is multiplied by.
    pub embed_scale: Option<f32>,
    /// Whether W_U is W_E transposed.
    pub is_tied: bool,
    /// Beginning-of-sequence id, if the model has one.
    pub bos_id: Option<u32>,
    /// End-of-sequence id, where generation stops.
    pub eos_id: Option<u32>,
}

/// A family of models: how their files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// GPT-2 (Radford et al. 2019).
    Gpt2,
    /// GPT-2 without its MLPs (the models of Elhage et al. 2021).
    Gpt2AttnOnly,
    /// GPT-NeoX and Pythia (Biderman et al. 2023).
    GptNeox,
    /// GPT-Neo and TinyStories (Eldan & Li 2023).
    GptNeo,
    /// Llama (Touvron et al. 2023), SmolLM, TinyLlama.
    Llama,
    /// Mistral (Jiang et al. 2023).
    Mistral,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen3.
    Qwen3,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, its text part.
    Gemma3,
    /// OPT (Zhang et al. 2022).
    Opt,
    /// Phi-1, 1.5 and 2.
    Phi,
}

/// How a model tells positions apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// A learned vector is added to the embedding.
    Learned,
    /// Queries and keys turn (Su et al. 2021).
    Rotary {
        /// How many entries of each head turn; even.
        dim: usize,
        /// By how much.
        rope: Rope,
        /// By how much in layers with a window, if that differs.
        local: Option<Rope>,
    },
}

/// By how much queries and keys turn: pair i of n by base^(-i / n) a position, then rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rope {
    /// Its base.
    pub base: f64,
    /// How it was stretched for longer inputs.
    pub scaling: RopeScaling,
}

/// How rotary positions were stretched for longer inputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All turn that many times slower.
    Linear {
        /// How many times.
        factor: f64,
    },
    /// Llama 3.1: slow ones turn that many times slower, fast ones stay, those between get a share of both.
    Llama3 {
        /// How many times.
        factor: f64,
        /// Slow is fewer than this many turns in the original context.
        low_freq_factor: f64,
        /// Fast is more than this many.
        high_freq_factor: f64,
        /// The context it was trained on first, tokens.
        original_n_ctx: usize,
    },
}

impl Rope {
    /// Radians a position, pair by pair.
    pub fn frequencies(&self, dim: usize) -> Vec<f64> {
        let n_pairs = dim / 2;
        let one = |pair: usize| self.scaling.of(self.base.powf(-(pair as f64) / n_pairs as f64));
        (0..n_pairs).map(one).collect()
    }
}

impl RopeScaling {
    fn of(&self, frequency: f64) -> f64 {
        match *self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_n_ctx } => {
                let n_turns = original_n_ctx as f64 * frequency / std::f64::consts::TAU;
                let share = (n_turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                let share = share.clamp(0.0, 1.0);
                frequency * (share + (1.0 - share) / factor)
            }
        }
    }
}

impl ModelConfig {
    /// Whether the blocks have no MLP.
    pub fn is_attn_only(&self) -> bool {
        self.d_mlp == 0
    }

    /// How attention scores are made in `layer`.
    pub fn scoring(&self, layer: usize) -> Scoring {
        let by_layer = if self.scale_attn_by_inverse_layer_idx { layer + 1 } else { 1 };
        Scoring { scale: self.attn_scale * by_layer as f32, window: self.window(layer) }
    }

    /// How many keys a query sees in `layer`; all before it if `None`.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.windows.get(layer).copied().flatten()
    }

    /// Lengths of the axes of the value at `hook` in a run on `n_pos` tokens.
    pub fn shape(&self, hook: HookPoint, n_pos: usize) -> Vec<usize> {
        let len = |axis: &Axis| match axis {
            Axis::Pos | Axis::KeyPos => n_pos,
            Axis::Head => self.n_heads,
            Axis::KvHead => self.n_kv_heads,
            Axis::DModel => self.d_model,
            Axis::DHead => self.d_head,
            Axis::DMlp => self.d_mlp,
            Axis::DVocab => self.d_vocab,
            Axis::One => 1,
        };
        hook.axes().iter().map(len).collect()
    }

    /// Every hook point of the model, in order of execution, the on-request ones included.
    pub fn hook_points(&self) -> Vec<HookPoint> {
        let mut points = vec![HookPoint::Embed];
        points.extend((self.positions == Positions::Learned).then_some(HookPoint::PosEmbed));
        for layer in 0..self.n_layers {
            let sites = Site::all().filter(|site| self.has(*site));
            points.extend(sites.map(|site| HookPoint::Block(layer, site)));
        }
        points.extend([HookPoint::FinalScale, HookPoint::FinalNormalized, HookPoint::Logits]);
        points
    }

    /// Whether its blocks have this place.
    pub fn has(&self, site: Site) -> bool {
        match site {
            _ if self.is_attn_only() && site.is_mlp() => false,
            // One copy for each head: keys and values that are shared have no head of their own.
            Site::AttnIn => self.n_kv_heads == self.n_heads,
            Site::QNormScale | Site::QNormNormalized | Site::KNormScale | Site::KNormNormalized => {
                self.has_qk_norm
            }
            Site::RotQ | Site::RotK => self.positions != Positions::Learned,
            Site::Ln1PostScale | Site::Ln1PostNormalized | Site::Ln2PostScale | Site::Ln2PostNormalized => {
                self.has_post_norms
            }
            Site::ResidMid => !self.is_parallel,
            Site::MlpPreLinear => self.is_gated,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f64], want: &[f64]) -> bool {
        got.len() == want.len() && got.iter().zip(want).all(|(got, want)| (got - want).abs() <= 1e-9 * want)
    }

    #[test]
    fn frequencies_are_powers_of_the_base() {
        let rope = Rope { base: 10_000.0, scaling: RopeScaling::None };
        assert!(close(&rope.frequencies(8), &[1.0, 0.1, 0.01, 0.001]));
        assert!(!close(&rope.frequencies(8), &[1.0, 0.1, 0.01, 0.002]));
        let linear = Rope { scaling: RopeScaling::Linear { factor: 8.0 }, ..rope };
        assert!(close(&linear.frequencies(4), &[0.125, 0.001_25]));
    }

    #[test]
    fn llama_3_slows_what_turns_slowly() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_n_ctx: 8_192,
        };
        let turns = |n: f64| n * std::f64::consts::TAU / 8_192.0;
        let of = |n: f64| scaling.of(turns(n)) / turns(n);
        assert!(close(&[of(0.5), of(2.5), of(5.0)], &[0.125, 0.5 + 0.5 / 8.0, 1.0]));
    }
}
