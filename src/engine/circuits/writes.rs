//! What a head would write, as tokens.

use super::{Heads, Which};
use crate::{
    backend::{Backend, BackendError},
    engine::{Engine, Pace, RunError, pace::breathing},
    hook::{HookPoint, Site},
    intervention::SelectError,
    op::{MatrixAxes, NormKind},
    run::{WeightForm, Writes, WritesSpec, WrittenOf},
    tensor::HostTensor,
};

impl<B: Backend> Engine<B> {
    /// The tokens that a head would make likelier and less likely; only these are read back.
    ///
    /// Errors: a head, a token or a value that does not fit the model; as the backend; cancelled.
    pub async fn writes(&self, spec: &WritesSpec, pace: &mut impl Pace) -> Result<Writes, RunError> {
        let (b, config) = (&self.backend, &self.config);
        let heads = self.heads_of(spec.layer, WeightForm::Processed).await?;
        if heads.n_heads <= spec.head {
            let (at, index) = (HookPoint::Block(spec.layer, Site::Z), spec.head as i64);
            return Err(SelectError::OutOfRange { at, key: "head", index, len: heads.n_heads }.into());
        }
        let value = self.value_of(&heads, spec)?;
        let w_o = b.upload_matrix("W_O", heads.rows_of_o(spec.head), MatrixAxes::InOut)?;
        let written = b.linear(&value, &w_o, None)?; // einsum: 1 d_head, d_head d_model -> 1 d_model
        // As W_U has it once the final norm is folded into it and both are centred.
        let one = b.upload("1", HostTensor::full(vec![1, 1], 1.0))?;
        let written = b.normalize(&written, &one, config.norm)?;
        let written = b.affine(written, self.raw.ln_final.w.as_ref(), None)?;
        let w_u = self.raw.w_u.as_ref().unwrap_or(&self.raw.w_e);
        let mut logits = b.linear(&written, w_u, None)?; // einsum: 1 d_model, d_model d_vocab -> 1 d_vocab
        if config.logit_soft_cap.is_none() {
            logits = b.normalize(&logits, &one, NormKind::LayerNorm)?;
        }
        let top_k = spec.top_k.min(config.d_vocab);
        if top_k == 0 {
            return Ok(Writes::default());
        }
        let ends = [b.top_k(&logits, top_k)?, b.top_k(&b.scale(logits, -1.0)?, top_k)?];
        let read = breathing(pace, b.read_all(&ends.iter().collect::<Vec<_>>())).await??;
        if read.iter().any(|end| end.first_non_finite().is_some()) {
            return Err(RunError::NonFinite { hook: HookPoint::Block(spec.layer, Site::Result).to_string() });
        }
        let pairs = |end: &HostTensor, sign: f32| {
            end.data().chunks_exact(2).map(|pair| (pair[1] as u32, sign * pair[0])).collect()
        };
        Ok(Writes { promoted: pairs(&read[0], 1.0), suppressed: pairs(&read[1], -1.0) })
    }

    /// What the head copies. [1 d_head]
    fn value_of(&self, heads: &Heads, spec: &WritesSpec) -> Result<B::Tensor, RunError> {
        let b = &self.backend;
        match &spec.of {
            WrittenOf::Value(value) => {
                let value = value.clone().reshaped(vec![1, heads.d_head]).map_err(BackendError::from)?;
                Ok(b.upload("a value", value)?)
            }
            WrittenOf::Embedding(token) => {
                self.check_tokens(&[*token])?;
                let embedding = b.columns(&self.raw.w_e, &[*token])?; // [1 d_model]
                let embedding = match self.config.embed_scale {
                    Some(scale) => b.scale(embedding, scale)?,
                    None => embedding,
                };
                let w_v = b.upload_matrix("W_V", heads.columns(Which::V, spec.head), MatrixAxes::InOut)?;
                Ok(b.linear(&embedding, &w_v, None)?) // einsum: 1 d_model, d_model d_head -> 1 d_head
            }
        }
    }
}
