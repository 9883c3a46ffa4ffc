//! Interventions, ready to be applied: other runs have been made, every edit is `keep * x + add`.

use super::{Engine, Pace, RunError};
use crate::{
    backend::Backend,
    hook::{Axis, HookPoint, HookSet},
    intervention::{Edit, Intervention, Source, Values, Window, from_end},
    run::{Readout, RunSpec, WeightForm},
    tensor::{HostTensor, row_major_strides},
};

/// How many runs may be patched from one another.
const MAX_PATCH_DEPTH: usize = 4;

/// The edits of one run, in the order they were written.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<Prepared>);

/// An intervention and, for a patch, the other run's value.
#[derive(Debug)]
struct Prepared {
    intervention: Intervention,
    source: Option<HostTensor>,
}

impl<B: Backend> Engine<B> {
    /// Checks interventions and makes the runs that they patch from.
    pub(super) async fn prepare(
        &self,
        interventions: &[Intervention],
        weights: WeightForm,
        pace: &mut impl Pace,
    ) -> Result<Edits, RunError> {
        if depth(interventions) > MAX_PATCH_DEPTH {
            return Err(RunError::PatchTooDeep { max_depth: MAX_PATCH_DEPTH });
        }
        let available = self.config().hook_points();
        let mut edits = vec![];
        for intervention in interventions {
            let at = intervention.at;
            if !available.contains(&at) {
                return Err(RunError::NoSuchHook { at });
            }
            let source = match &intervention.edit {
                Edit::Patch { from, .. } => Some(self.source_value(at, from, weights, pace).await?),
                Edit::Zero | Edit::Scale { .. } | Edit::Add { .. } | Edit::Set { .. } => None,
            };
            edits.push(Prepared { intervention: intervention.clone(), source });
        }
        Ok(Edits(edits))
    }

    /// What `at` holds in the other run.
    async fn source_value(
        &self,
        at: HookPoint,
        source: &Source,
        weights: WeightForm,
        pace: &mut impl Pace,
    ) -> Result<HostTensor, RunError> {
        let spec = RunSpec {
            tokens: self.tokens_of(&source.prompt)?,
            weights,
            interventions: source.interventions.clone(),
            capture: HookSet::of([at]),
            readout: Readout::Nothing,
        };
        // Boxed: a run may patch from a run that patches.
        let mut result = Box::pin(self.run(&spec, pace)).await?;
        Ok(result.captures.remove(&at).expect("a run captures what it was asked for"))
    }
}

fn depth(interventions: &[Intervention]) -> usize {
    let of = |intervention: &Intervention| match &intervention.edit {
        Edit::Patch { from, .. } => 1 + depth(&from.interventions),
        Edit::Zero | Edit::Scale { .. } | Edit::Add { .. } | Edit::Set { .. } => 0,
    };
    interventions.iter().map(of).max().unwrap_or(0)
}

impl Edits {
    /// Whether any edit is at `hook`.
    pub(super) fn touch(&self, hook: HookPoint) -> bool {
        self.0.iter().any(|edit| edit.intervention.at == hook)
    }

    /// The value after all edits at `hook`.
    pub(super) fn apply<B: Backend>(
        &self,
        backend: &B,
        hook: HookPoint,
        mut value: B::Tensor,
        window: Window,
    ) -> Result<B::Tensor, RunError> {
        for edit in self.0.iter().filter(|edit| edit.intervention.at == hook) {
            let (keep, add) = edit.keep_and_add(&backend.shape(&value), window)?;
            let (keep, add) = (backend.upload("keep", keep)?, backend.upload("add", add)?);
            value = backend.edit(&value, &keep, &add)?;
        }
        Ok(value)
    }
}

impl Prepared {
    /// The edit of a value of `shape` as `keep * x + add`.
    fn keep_and_add(&self, shape: &[usize], window: Window) -> Result<(HostTensor, HostTensor), RunError> {
        let mut keep = HostTensor::full(shape.to_vec(), 1.0);
        let mut add = HostTensor::full(shape.to_vec(), 0.0);
        let chosen = self.intervention.select.resolve(self.intervention.at, shape, window)?;
        let n_last = chosen.last().map_or(1, Vec::len);
        let strides = row_major_strides(shape);
        let mut failed = None;
        for_each_entry(&chosen, &mut |entry, nth_last| {
            let flat: usize = entry.iter().zip(&strides).map(|(idx, stride)| idx * stride).sum();
            match self.one(entry, nth_last, n_last, window) {
                Ok(Some((keep_one, add_one))) => {
                    keep.data_mut()[flat] = keep_one;
                    add.data_mut()[flat] = add_one;
                }
                Ok(None) => {}
                // The first, since that is where to look.
                Err(error) => failed = failed.take().or(Some(error)),
            }
        });
        failed.map_or(Ok((keep, add)), Err)
    }

    /// What to do with one entry; `None` leaves it alone.
    fn one(
        &self,
        entry: &[usize],
        nth_last: usize,
        n_last: usize,
        window: Window,
    ) -> Result<Option<(f32, f32)>, RunError> {
        match &self.intervention.edit {
            Edit::Zero => Ok(Some((0.0, 0.0))),
            Edit::Scale { by } => Ok(Some((self.finite(*by)?, 0.0))),
            Edit::Add { values } => Ok(Some((1.0, self.value(values, nth_last, n_last)?))),
            Edit::Set { values } => Ok(Some((0.0, self.value(values, nth_last, n_last)?))),
            Edit::Patch { positions, .. } => {
                let source = self.source.as_ref().expect("a patch was prepared with its source");
                Ok(self.patched(source, entry, positions.as_deref(), window)?.map(|value| (0.0, value)))
            }
        }
    }

    fn value(&self, values: &Values, nth_last: usize, n_last: usize) -> Result<f32, RunError> {
        match values {
            Values::Scalar(value) => self.finite(*value),
            Values::Vector(values) if values.len() == n_last => self.finite(values[nth_last]),
            Values::Vector(values) => {
                let at = self.intervention.at;
                Err(RunError::ValueCount { at, expected: n_last, got: values.len() })
            }
        }
    }

    fn finite(&self, value: f32) -> Result<f32, RunError> {
        if value.is_finite() { Ok(value) } else { Err(RunError::ValueNotFinite { at: self.intervention.at }) }
    }

    /// The other run's value for an entry of this one.
    fn patched(
        &self,
        source: &HostTensor,
        entry: &[usize],
        positions: Option<&[[i64; 2]]>,
        window: Window,
    ) -> Result<Option<f32>, RunError> {
        let axes = self.intervention.at.axes();
        let mut flat = 0;
        for ((axis, idx), (stride, len)) in
            axes.iter().zip(entry).zip(row_major_strides(source.shape()).iter().zip(source.shape()))
        {
            let from = match axis {
                Axis::Pos => match source_pos((window.start + idx) as i64, positions, window, *len) {
                    Some(pos) => pos,
                    None => return Ok(None),
                },
                Axis::KeyPos
                | Axis::Head
                | Axis::DModel
                | Axis::DHead
                | Axis::DMlp
                | Axis::DVocab
                | Axis::One => *idx as i64,
            };
            let Some(from) = usize::try_from(from).ok().filter(|from| from < len) else {
                // A position that was generated has no counterpart in the other prompt.
                if !window.is_first() {
                    return Ok(None);
                }
                return Err(RunError::PatchOutside { at: self.intervention.at, pos: from, n_pos: *len });
            };
            flat += from * stride;
        }
        Ok(Some(source.data()[flat]))
    }
}

/// Where position `to` is patched from; `None` if the map does not name it.
fn source_pos(to: i64, positions: Option<&[[i64; 2]]>, window: Window, n_source: usize) -> Option<i64> {
    let Some(positions) = positions else { return Some(to) };
    let pair = positions.iter().find(|pair| from_end(pair[0], window.n_prompt) == to)?;
    Some(from_end(pair[1], n_source))
}

/// Calls `f` with every combination of indices, and which of the last axis' chosen ones it is.
fn for_each_entry(chosen: &[Vec<usize>], f: &mut impl FnMut(&[usize], usize)) {
    if chosen.iter().any(Vec::is_empty) {
        return;
    }
    let mut nth = vec![0; chosen.len()];
    let mut entry: Vec<usize> = chosen.iter().map(|axis| axis[0]).collect();
    loop {
        f(&entry, nth.last().copied().unwrap_or(0));
        // Counts up like an odometer, last axis fastest.
        let Some(axis) = (0..chosen.len()).rev().find(|axis| nth[*axis] + 1 < chosen[*axis].len()) else {
            return;
        };
        nth[axis] += 1;
        entry[axis] = chosen[axis][nth[axis]];
        for later in axis + 1..chosen.len() {
            nth[later] = 0;
            entry[later] = chosen[later][0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_comes_once() {
        let mut seen = vec![];
        for_each_entry(&[vec![1, 2], vec![0], vec![3, 5]], &mut |entry, nth| {
            seen.push((entry.to_vec(), nth));
        });
        assert_eq!(seen, [(vec![1, 0, 3], 0), (vec![1, 0, 5], 1), (vec![2, 0, 3], 0), (vec![2, 0, 5], 1)]);
        for_each_entry(&[vec![1], vec![]], &mut |_, _| panic!("nothing is chosen"));
    }
}
