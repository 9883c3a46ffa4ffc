//! Interventions, ready to be applied: other runs have been made, every edit is `keep * x + add`.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Engine, Pace, RunError};
use crate::{
    backend::Backend,
    hook::{Axis, HookPoint, HookSet},
    intervention::{Edit, Intervention, Source, Values, Window, from_end},
    model::ModelConfig,
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
    source: Option<Rc<HostTensor>>,
}

/// An edit of a whole value, ready to be made: `keep * x + add`.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) keep: HostTensor,
    pub(super) add: HostTensor,
}

/// Values of other runs, each run made once.
type Sources<'a> = Vec<(&'a Source, BTreeMap<HookPoint, Rc<HostTensor>>)>;

impl<B: Backend> Engine<B> {
    /// Checks interventions and makes the runs that they patch from.
    pub(super) async fn prepare(
        &self,
        interventions: &[Intervention],
        weights: WeightForm,
        pace: &mut impl Pace,
    ) -> Result<Edits, RunError> {
        let mut edits = self.prepare_all(&[interventions], weights, pace).await?;
        Ok(edits.pop().expect("one for each run"))
    }

    /// The same for several runs, which share the runs that they patch from.
    pub(super) async fn prepare_all(
        &self,
        runs: &[&[Intervention]],
        weights: WeightForm,
        pace: &mut impl Pace,
    ) -> Result<Vec<Edits>, RunError> {
        let available: BTreeSet<HookPoint> = self.config().hook_points().into_iter().collect();
        let mut wanted: Vec<(&Source, BTreeSet<HookPoint>)> = vec![];
        for interventions in runs {
            if depth(interventions) > MAX_PATCH_DEPTH {
                return Err(RunError::PatchTooDeep { max_depth: MAX_PATCH_DEPTH });
            }
            for intervention in *interventions {
                let at = intervention.at;
                if !available.contains(&at) {
                    return Err(RunError::NoSuchHook { at });
                }
                if let Edit::Patch { from, .. } = &intervention.edit {
                    match wanted.iter_mut().find(|(source, _)| *source == &**from) {
                        Some((_, hooks)) => drop(hooks.insert(at)),
                        None => wanted.push((from, BTreeSet::from([at]))),
                    }
                }
            }
        }
        let mut sources: Sources<'_> = vec![];
        for (source, hooks) in wanted {
            sources.push((source, self.source_values(source, hooks, weights, pace).await?));
        }
        let prepared = |interventions: &&[Intervention]| {
            Edits(interventions.iter().map(|intervention| Prepared::new(intervention, &sources)).collect())
        };
        Ok(runs.iter().map(prepared).collect())
    }

    /// What `hooks` hold in the other run.
    async fn source_values(
        &self,
        source: &Source,
        hooks: BTreeSet<HookPoint>,
        weights: WeightForm,
        pace: &mut impl Pace,
    ) -> Result<BTreeMap<HookPoint, Rc<HostTensor>>, RunError> {
        let spec = RunSpec {
            tokens: self.tokens_of(&source.prompt)?,
            weights,
            interventions: source.interventions.clone(),
            capture: HookSet::of(hooks),
            readout: Readout::Nothing,
        };
        // Boxed: a run may patch from a run that patches.
        let result = Box::pin(self.run(&spec, pace)).await?;
        Ok(result.captures.into_iter().map(|(hook, value)| (hook, Rc::new(value))).collect())
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

    /// How many edits are at `hook`.
    pub(super) fn count_at(&self, hook: HookPoint) -> usize {
        self.0.iter().filter(|edit| edit.intervention.at == hook).count()
    }

    /// The `nth` edit at `hook`, of a value of `shape` that covers the whole prompt.
    pub(super) fn nth_at(
        &self,
        hook: HookPoint,
        nth: usize,
        shape: &[usize],
    ) -> Result<Option<Edited>, RunError> {
        let Some(edit) = self.0.iter().filter(|edit| edit.intervention.at == hook).nth(nth) else {
            return Ok(None);
        };
        let (keep, add) = edit.keep_and_add(shape, Window::whole(n_pos(hook, shape)))?;
        Ok(Some(Edited { keep, add }))
    }

    /// Whether every edit fits a run on `n_pos` tokens; a run of a later part of them cannot tell.
    pub(super) fn check_whole(&self, config: &ModelConfig, n_pos: usize) -> Result<(), RunError> {
        let mut edits = self.0.iter();
        edits.try_for_each(|edit| {
            let shape = config.shape(edit.intervention.at, n_pos);
            edit.keep_and_add(&shape, Window::whole(n_pos)).map(drop)
        })
    }

    /// Where the edits after the first `n_before` begin: hook and first position; those that choose nothing
    /// are left out.
    pub(super) fn starts(
        &self,
        n_before: usize,
        config: &ModelConfig,
        n_pos: usize,
    ) -> Result<Vec<(HookPoint, usize)>, RunError> {
        let mut starts = vec![];
        for Prepared { intervention, .. } in self.0.iter().skip(n_before) {
            let at = intervention.at;
            let chosen = intervention.select.resolve(at, &config.shape(at, n_pos), Window::whole(n_pos))?;
            let of_pos = at.axes().iter().position(|axis| *axis == Axis::Pos);
            if chosen.iter().all(|axis| !axis.is_empty()) {
                starts.push((at, of_pos.and_then(|axis| chosen[axis].first().copied()).unwrap_or(0)));
            }
        }
        Ok(starts)
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

/// How many positions a value of `shape` covers.
fn n_pos(hook: HookPoint, shape: &[usize]) -> usize {
    let sizes = hook.axes().iter().zip(shape);
    sizes.filter(|(axis, _)| **axis == Axis::Pos).map(|(_, len)| *len).next().unwrap_or(1)
}

impl Edited {
    /// Without the first `n` entries of an axis, which is the first or the second.
    pub(super) fn after_rows(&self, axis: usize, n: usize) -> Self {
        let from = |x: &HostTensor| {
            let shape = x.shape();
            let row_len: usize = shape[axis + 1..].iter().product();
            let n_outer: usize = shape[..axis].iter().product();
            let mut rest = shape.to_vec();
            rest[axis] -= n;
            let values = (0..n_outer).flat_map(|outer| {
                let start = outer * shape[axis] * row_len;
                x.data()[start + n * row_len..start + shape[axis] * row_len].iter().copied()
            });
            HostTensor::new(rest, values.collect()).expect("as many rows as the shape says")
        };
        Self { keep: from(&self.keep), add: from(&self.add) }
    }
}

impl Prepared {
    fn new(intervention: &Intervention, sources: &Sources<'_>) -> Self {
        let source = match &intervention.edit {
            Edit::Patch { from, .. } => {
                let values = sources.iter().find(|(source, _)| *source == &**from);
                let value = values.and_then(|(_, values)| values.get(&intervention.at));
                Some(Rc::clone(value.expect("a run captures what it was asked for")))
            }
            Edit::Zero | Edit::Scale { .. } | Edit::Add { .. } | Edit::Set { .. } => None,
        };
        Self { intervention: intervention.clone(), source }
    }

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
                | Axis::KvHead
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
