//! Gradients of a metric at hook points: one forward pass on a tape, one pass back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, Pace, RunError, edits::Edits, pace::breathing};
use crate::{
    backend::{
        Backend,
        backward::Backward,
        checked::Checked,
        tape::{Tape, Taped},
    },
    hook::{HookPoint, Site},
    intervention::Window,
    model::{
        tap::Tap,
        transformer::{KvCache, Transformer},
    },
    run::{GradientSpec, Gradients},
    tensor::HostTensor,
};

impl<B: Backward> Engine<B> {
    /// The metric, its gradients with respect to values at hook points, and those values.
    ///
    /// A gradient is that of the value that the model went on to use. At a split input (`hook_q_input`) it is
    /// that of this way alone. Where the metric does not depend on a value, the gradient is 0.
    ///
    /// Errors: as [`Engine::run`]; the metric does not fit the run.
    pub async fn gradients(&self, spec: &GradientSpec, pace: &mut impl Pace) -> Result<Gradients, RunError> {
        self.check_tokens(&spec.tokens)?;
        let wanted = spec.at.resolve(&self.config.hook_points())?;
        let edits = self.prepare(&spec.interventions, spec.weights, pace).await?;
        // Split inputs take a way on which ln1 has no value of its own: they get a pass of theirs.
        let (split, shared): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|hook| is_split_input(*hook));
        let mut all = self.gradients_at(spec, &edits, shared, pace).await?;
        if !split.is_empty() {
            let more = self.gradients_at(spec, &edits, split, pace).await?;
            all.values.extend(more.values);
            all.gradients.extend(more.gradients);
        }
        Ok(all)
    }

    async fn gradients_at(
        &self,
        spec: &GradientSpec,
        edits: &Edits,
        wanted: Vec<HookPoint>,
        pace: &mut impl Pace,
    ) -> Result<Gradients, RunError> {
        let tape = Tape::new(&self.backend);
        let weights = self.weights(spec.weights).await?.clone();
        let weights = weights.try_map(
            &mut |_, vector| Ok::<_, RunError>(Tape::<Checked<B>>::constant(vector)),
            &mut |_, matrix, _| Ok(matrix),
        )?;
        let mut cache = KvCache::new(self.config.n_layers);
        let mut taps = GradientTaps {
            tape: &tape,
            edits,
            wanted: wanted.into_iter().collect(),
            window: Window::whole(spec.tokens.len()),
            marked: vec![],
            pace,
        };
        let (at, metric) = spec.metric.reads(spec.tokens.len(), self.config.d_vocab)?;
        let model = Transformer { b: &tape, config: &self.config, weights: &weights };
        let resid = model.stream(&spec.tokens, &mut cache, &mut taps).await?;
        let logits = model.unembed(&resid, &at, &mut taps)?;
        let GradientTaps { marked, pace, .. } = taps;
        let read = breathing(pace, tape.read(&logits)).await??;
        let (metric, seed) = metric.value_and_gradient(&read, &spec.tokens)?;
        let seed = self.backend.upload("seed", seed)?;
        let at: Vec<&Taped<B::Tensor>> = marked.iter().map(|(_, value)| value).collect();
        let mut backwards = tape.backwards(&logits, seed, &at);
        while backwards.step()? {
            pace.breathe().await?;
        }
        let gradients = backwards.into_gradients();
        // Values first, then the gradients that are not 0 throughout.
        let wanted: Vec<&B::Tensor> =
            at.iter().map(|value| value.value()).chain(gradients.iter().flatten()).collect();
        let mut values = breathing(pace, self.backend.read_all(&wanted)).await??;
        let mut computed = values.split_off(at.len()).into_iter();
        let mut result = Gradients { metric, values: BTreeMap::new(), gradients: BTreeMap::new() };
        for (((hook, _), value), gradient) in marked.iter().zip(values).zip(&gradients) {
            let gradient = match gradient {
                Some(_) => computed.next().expect("one value for each gradient"),
                None => HostTensor::full(value.shape().to_vec(), 0.0),
            };
            result.values.insert(*hook, value);
            result.gradients.insert(*hook, gradient);
        }
        Ok(result)
    }
}

fn is_split_input(hook: HookPoint) -> bool {
    matches!(hook, HookPoint::Block(_, Site::AttnIn | Site::QInput | Site::KInput | Site::VInput))
}

/// Applies edits and marks the values whose gradients are wanted.
struct GradientTaps<'a, B: Backward, P> {
    tape: &'a Tape<'a, B>,
    edits: &'a Edits,
    wanted: BTreeSet<HookPoint>,
    window: Window,
    marked: Vec<(HookPoint, Taped<B::Tensor>)>,
    pace: &'a mut P,
}

impl<'a, B: Backward, P: Pace> Tap<Tape<'a, B>> for GradientTaps<'a, B, P> {
    type Error = RunError;

    fn captures(&self, hook: HookPoint) -> bool {
        self.wanted.contains(&hook)
    }

    fn edits(&self, hook: HookPoint) -> bool {
        // A gradient needs the way that an edit would take.
        self.edits.touch(hook) || is_split_input(hook) && self.wanted.contains(&hook)
    }

    fn edit(&mut self, hook: HookPoint, value: Taped<B::Tensor>) -> Result<Taped<B::Tensor>, RunError> {
        self.edits.apply(self.tape, hook, value, self.window)
    }

    fn at(&mut self, hook: HookPoint, value: Taped<B::Tensor>) -> Result<Taped<B::Tensor>, RunError> {
        let value = self.edit(hook, value)?;
        if !self.wanted.contains(&hook) {
            return Ok(value);
        }
        let value = self.tape.mark(value);
        self.marked.push((hook, value.clone()));
        Ok(value)
    }

    async fn before_block(&mut self, _layer: usize, _resid: &Taped<B::Tensor>) -> Result<(), RunError> {
        Ok(self.pace.breathe().await?)
    }
}
