//! One step of a tape, taken backwards.

use crate::{
    backend::{Backend, BackendError, backward::Backward},
    op::{Activation, NormKind},
};

/// What an operation needs for its derivative: where its inputs stand (`None`: constant), and values.
pub(super) enum Back<B: Backend> {
    Same {
        x: Option<usize>,
    },
    Reshape {
        x: Option<usize>,
        shape: Vec<usize>,
    },
    Gather {
        x: Option<usize>,
        rows: Vec<u32>,
        n_rows: usize,
    },
    Append {
        a: Option<usize>,
        b: Option<usize>,
        n_a: usize,
    },
    Add {
        a: Option<usize>,
        b: Option<usize>,
    },
    Scale {
        x: Option<usize>,
        by: f32,
    },
    RepeatHeads {
        x: Option<usize>,
    },
    NormScale {
        x: Option<usize>,
        at: B::Tensor,
        scale: B::Tensor,
        kind: NormKind,
    },
    Normalize {
        x: Option<usize>,
        scale: Option<usize>,
        y: B::Tensor,
        scale_value: B::Tensor,
        kind: NormKind,
    },
    Affine {
        x: Option<usize>,
        w: Option<B::Tensor>,
    },
    Linear {
        x: Option<usize>,
        w: B::Matrix,
    },
    LinearAt {
        x: Option<usize>,
        w: B::Matrix,
        columns: Vec<u32>,
    },
    HeadsIn {
        x: Option<usize>,
        w: B::Matrix,
    },
    HeadsOut {
        z: Option<usize>,
        w: B::Matrix,
        d_head: usize,
    },
    SumHeads {
        x: Option<usize>,
        n_heads: usize,
    },
    Rotate {
        x: Option<usize>,
        turns: B::Tensor,
    },
    AttnScores {
        q: Option<usize>,
        k: Option<usize>,
        q_value: B::Tensor,
        k_value: B::Tensor,
        scale: f32,
    },
    SoftCap {
        x: Option<usize>,
        y: B::Tensor,
        cap: f32,
    },
    Softmax {
        x: Option<usize>,
        y: B::Tensor,
    },
    AttnMix {
        pattern: Option<usize>,
        v: Option<usize>,
        pattern_value: B::Tensor,
        v_value: B::Tensor,
    },
    Activate {
        x: Option<usize>,
        at: B::Tensor,
        activation: Activation,
    },
    Gated {
        gate: Option<usize>,
        up: Option<usize>,
        gate_value: B::Tensor,
        up_value: B::Tensor,
        activation: Activation,
    },
    Edit {
        x: Option<usize>,
        keep: B::Tensor,
    },
}

type Done = Result<(), BackendError>;

impl<B: Backward> Back<B> {
    /// Calls `give` with each input that is not constant and its share of the gradient `dy`.
    pub(super) fn each(
        &self,
        b: &B,
        dy: &B::Tensor,
        give: &mut impl FnMut(usize, B::Tensor) -> Done,
    ) -> Done {
        let mut to = |input: &Option<usize>, dx: &dyn Fn() -> Result<B::Tensor, BackendError>| match input {
            Some(input) => give(*input, dx()?),
            None => Ok(()),
        };
        match self {
            Self::Same { x } => to(x, &|| Ok(dy.clone())),
            Self::Reshape { x, shape } => to(x, &|| b.reshape(dy, shape)),
            Self::Gather { x, rows, n_rows } => to(x, &|| b.scatter(dy, rows, *n_rows)),
            Self::Append { a, b: after, n_a } => {
                to(a, &|| outer(b, dy, 0, *n_a))?;
                to(after, &|| outer(b, dy, *n_a, b.shape(dy)[0]))
            }
            Self::Add { a, b: other } => {
                to(a, &|| Ok(dy.clone()))?;
                to(other, &|| Ok(dy.clone()))
            }
            Self::Scale { x, by } => to(x, &|| b.scale(dy.clone(), *by)),
            Self::RepeatHeads { x } => to(x, &|| b.sum_heads(dy)),
            Self::NormScale { x, at, scale, kind } => to(x, &|| b.norm_scale_dx(at, scale, dy, *kind)),
            Self::Normalize { x, scale, y, scale_value, kind } => {
                to(x, &|| b.normalize_dx(dy, scale_value, *kind))?;
                to(scale, &|| b.normalize_dscale(dy, y, scale_value))
            }
            Self::Affine { x, w } => to(x, &|| b.affine(dy.clone(), w.as_ref(), None)),
            Self::Linear { x, w } => to(x, &|| b.linear_dx(dy, w)),
            Self::LinearAt { x, w, columns } => to(x, &|| b.linear_at_dx(dy, w, columns)),
            Self::HeadsIn { x, w } => to(x, &|| b.heads_in_dx(dy, w)),
            Self::HeadsOut { z, w, d_head } => to(z, &|| b.heads_out_dx(dy, w, *d_head)),
            Self::SumHeads { x, n_heads } => to(x, &|| b.repeat_heads(dy, *n_heads)),
            Self::Rotate { x, turns } => to(x, &|| b.rotate_dx(dy, turns)),
            Self::AttnScores { q, k, q_value, k_value, scale } => {
                to(q, &|| b.scale(b.attn_mix(dy, k_value)?, scale.recip()))?;
                to(k, &|| b.scale(b.attn_mix_t(dy, q_value, n_heads(b, k_value))?, scale.recip()))
            }
            Self::SoftCap { x, y, cap } => to(x, &|| b.soft_cap_dx(y, dy, *cap)),
            Self::Softmax { x, y } => to(x, &|| b.softmax_dx(y, dy)),
            Self::AttnMix { pattern, v, pattern_value, v_value } => {
                to(pattern, &|| b.attn_dots(dy, v_value))?;
                to(v, &|| b.attn_mix_t(pattern_value, dy, n_heads(b, v_value)))
            }
            Self::Activate { x, at, activation } => to(x, &|| b.activate_dx(at, dy, *activation)),
            Self::Gated { gate, up, gate_value, up_value, activation } => {
                to(gate, &|| b.activate_dx(gate_value, &b.multiply(up_value, dy)?, *activation))?;
                to(up, &|| b.multiply(&b.activate(gate_value.clone(), *activation)?, dy))
            }
            Self::Edit { x, keep } => to(x, &|| b.multiply(keep, dy)),
        }
    }
}

/// Of keys or values.
fn n_heads<B: Backend>(b: &B, x: &B::Tensor) -> usize {
    b.shape(x)[1]
}

/// Entries `start..end` of the outermost axis.
fn outer<B: Backend>(b: &B, x: &B::Tensor, start: usize, end: usize) -> Result<B::Tensor, BackendError> {
    let mut shape = b.shape(x);
    let rows = b.reshape(x, &[shape[0], shape[1..].iter().product()])?;
    let chosen: Vec<u32> = (start as u32..end as u32).collect();
    shape[0] = chosen.len();
    b.reshape(&b.gather(&rows, &chosen)?, &shape)
}
