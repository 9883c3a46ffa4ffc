//! What a model is made of.

use serde::{Deserialize, Serialize};

use crate::{
    hook::{Axis, HookPoint, Site},
    op::{Activation, NormKind},
};

/// Sizes and choices of a model, in TransformerLens' words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelConfig {
    /// Which forward pass it has.
    pub architecture: Architecture,
    /// Number of blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads per block.
    pub n_heads: usize,
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
    /// Kind of norm.
    pub norm: NormKind,
    /// Whether layer i divides its scores by i + 1 as well.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Whether W_U is W_E transposed.
    pub is_tied: bool,
    /// Beginning-of-sequence id, if the model has one.
    pub bos_id: Option<u32>,
    /// End-of-sequence id, where generation stops.
    pub eos_id: Option<u32>,
}

/// Which forward pass a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// GPT-2 (Radford et al. 2019).
    Gpt2,
    /// GPT-2 without its MLPs (the models of Elhage et al. 2021).
    Gpt2AttnOnly,
}

impl ModelConfig {
    /// Whether the blocks have no MLP.
    pub fn is_attn_only(&self) -> bool {
        self.d_mlp == 0
    }

    /// What attention scores are divided by in `layer`.
    pub fn attn_scale(&self, layer: usize) -> f32 {
        let by_layer = if self.scale_attn_by_inverse_layer_idx { layer + 1 } else { 1 };
        (self.d_head as f32).sqrt() * by_layer as f32
    }

    /// Lengths of the axes of the value at `hook` in a run on `n_pos` tokens.
    pub fn shape(&self, hook: HookPoint, n_pos: usize) -> Vec<usize> {
        let len = |axis: &Axis| match axis {
            Axis::Pos | Axis::KeyPos => n_pos,
            Axis::Head => self.n_heads,
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
        let mut points = vec![HookPoint::Embed, HookPoint::PosEmbed];
        for layer in 0..self.n_layers {
            let sites = Site::all().filter(|site| !(self.is_attn_only() && site.is_mlp()));
            points.extend(sites.map(|site| HookPoint::Block(layer, site)));
        }
        points.extend([HookPoint::FinalScale, HookPoint::FinalNormalized, HookPoint::Logits]);
        points
    }
}
