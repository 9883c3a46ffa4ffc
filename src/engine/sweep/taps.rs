//! The tap of a batch: each variant's edits on its own rows.

use crate::{
    backend::{
        Backend, BackendError, Sequence,
        batch::{Batch, Batched},
        checked::Checked,
    },
    engine::{Pace, RunError, edits::Edited},
    hook::{Axis, HookPoint},
    model::{ModelConfig, tap::Tap},
    tensor::HostTensor,
};

use super::variant::Variant;

/// What happens at the hook points of a group.
pub(super) struct BatchTaps<'a, B: Backend, P> {
    pub(super) backend: &'a Checked<B>,
    pub(super) batch: &'a Batch<'a, Checked<B>>,
    pub(super) variants: &'a [&'a Variant],
    /// One a variant.
    pub(super) sequences: &'a [Sequence],
    pub(super) config: &'a ModelConfig,
    /// Tokens of the whole prompt.
    pub(super) n_pos: usize,
    pub(super) pace: &'a mut P,
}

impl<B: Backend, P: Pace> BatchTaps<'_, B, P> {
    /// The edits of `hook` that come `nth` in their variant: sequence and edit.
    fn edits_of(&self, hook: HookPoint, nth: usize) -> Result<Vec<(Sequence, Edited)>, RunError> {
        let shape = self.config.shape(hook, self.n_pos);
        let mut found = vec![];
        for (variant, sequence) in self.variants.iter().zip(self.sequences) {
            if let Some(edited) = variant.edits.nth_at(hook, nth, &shape)? {
                let axis = if hook.axes().first() == Some(&Axis::Pos) { 0 } else { 1 };
                found.push((*sequence, edited.after_rows(axis, sequence.n_past)));
            }
        }
        Ok(found)
    }

    /// A value with one row a position, as one edit.
    fn edit_rows(&self, x: &B::Tensor, edits: &[(Sequence, Edited)]) -> Result<B::Tensor, BackendError> {
        let shape = self.backend.shape(x);
        let row_len: usize = shape[1..].iter().product();
        let (mut keep, mut add) = (HostTensor::full(shape.clone(), 1.0), HostTensor::full(shape, 0.0));
        for (Sequence { start, len, .. }, edited) in edits {
            let rows = start * row_len..(start + len) * row_len;
            keep.data_mut()[rows.clone()].copy_from_slice(edited.keep.data());
            add.data_mut()[rows].copy_from_slice(edited.add.data());
        }
        self.backend.edit(x, &self.backend.upload("keep", keep)?, &self.backend.upload("add", add)?)
    }

    /// Scores or patterns, each by itself.
    fn edit_each(
        &self,
        mut each: Vec<B::Tensor>,
        edits: Vec<(Sequence, Edited)>,
    ) -> Result<Vec<B::Tensor>, BackendError> {
        for (sequence, Edited { keep, add }) in edits {
            let at = self.sequences.iter().position(|of| *of == sequence).expect("it is one of them");
            let (keep, add) = (self.backend.upload("keep", keep)?, self.backend.upload("add", add)?);
            each[at] = self.backend.edit(&each[at], &keep, &add)?;
        }
        Ok(each)
    }
}

impl<'a, B: Backend, P: Pace> Tap<Batch<'a, Checked<B>>> for BatchTaps<'a, B, P> {
    type Error = RunError;

    fn captures(&self, _hook: HookPoint) -> bool {
        false
    }

    fn edits(&self, hook: HookPoint) -> bool {
        self.variants.iter().any(|variant| variant.edits.touch(hook))
    }

    fn edit(&mut self, hook: HookPoint, value: Batched<B::Tensor>) -> Result<Batched<B::Tensor>, RunError> {
        let n_edits = self.variants.iter().map(|variant| variant.edits.count_at(hook)).max().unwrap_or(0);
        let mut value = value;
        for nth in 0..n_edits {
            let edits = self.edits_of(hook, nth)?;
            value = match &value {
                Batched::Rows(x) => Batched::Rows(self.edit_rows(x, &edits)?),
                seen_or_not => Batched::Each(self.edit_each(self.batch.each(seen_or_not)?, edits)?),
            };
        }
        Ok(value)
    }

    fn at(&mut self, hook: HookPoint, value: Batched<B::Tensor>) -> Result<Batched<B::Tensor>, RunError> {
        self.edit(hook, value)
    }

    async fn before_block(&mut self, _layer: usize, _resid: &Batched<B::Tensor>) -> Result<(), RunError> {
        Ok(self.pace.breathe().await?)
    }
}
