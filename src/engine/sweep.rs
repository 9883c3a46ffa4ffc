//! Sweeps: many variants of one prompt, sharing all that they have in common.
//!
//! A variant whose first edit is in layer l at position t equals the base run below l and before t. So the
//! base is run once and its stream, keys and values are kept; each variant starts at its layer with the rows
//! from t on. The layers are walked once for a group of variants, which join at theirs, so that a weight is
//! read once for all of them. For a residual sweep over 12 layers and 15 positions that is less than a third
//! of the products of one run a variant.

use super::{Engine, Pace, RunError, edits::Edits, taps::Taps};
use crate::{
    backend::{
        Backend, BackendError, Sequence,
        batch::{self, Batch, Batched},
        checked::Checked,
    },
    intervention::Intervention,
    metric::{LogitsAt, Metric},
    model::{
        transformer::{self, KvCache, Transformer},
        weights::{OnBackend, Weights},
    },
    run::{SweepResult, SweepSpec},
};

mod read;
mod taps;
mod variant;

use taps::BatchTaps;
use variant::Variant;

/// Rows that go through a layer together: enough to keep the kernels busy, few enough to report often.
const MAX_GROUP_ROWS: usize = 512;

/// What all variants share.
struct Base<'a, B: Backend> {
    backend: &'a Checked<B>,
    weights: &'a OnBackend<B>,
    /// The same weights, for a batch.
    batched: Weights<Batched<B::Tensor>, B::Matrix>,
    /// What entered each block, before any edit there, and what left the last. [pos d_model]
    streams: Vec<B::Tensor>,
    /// Keys and values of each layer. [pos head d_head]
    kv: Vec<(B::Tensor, B::Tensor)>,
    reading: read::Reading,
}

/// The variants that are under way, with their rows.
struct Group<'v, T> {
    variants: Vec<&'v Variant>,
    sequences: Vec<Sequence>,
    resid: Option<T>, // [row d_model]
}

impl<B: Backend> Engine<B> {
    /// The metric of each variant; `on_values` hears of the base's and of those that are done, as
    /// `(variant, value)`.
    ///
    /// Equal to running each variant by itself, but for the order of sums in f32.
    ///
    /// Errors: as [`Engine::run`]; the metric does not fit the run.
    pub async fn sweep(
        &self,
        spec: &SweepSpec,
        pace: &mut impl Pace,
        mut on_values: impl FnMut(f64, &[(usize, f64)]),
    ) -> Result<SweepResult, RunError> {
        self.check_tokens(&spec.tokens)?;
        let shared = &spec.interventions;
        let runs: Vec<Vec<Intervention>> =
            spec.variants.iter().map(|own| [shared.as_slice(), own.as_slice()].concat()).collect();
        let runs: Vec<&[Intervention]> =
            [shared.as_slice()].into_iter().chain(runs.iter().map(Vec::as_slice)).collect();
        let mut edits = self.prepare_all(&runs, spec.weights, pace).await?.into_iter();
        let shared_edits = edits.next().expect("the first of the runs");
        let base = self.base(spec, &shared_edits, pace).await?;
        let mut values = vec![base.reading.base(); spec.variants.len()];
        let variants = edits
            .enumerate()
            .map(|(nth, edits)| Variant::new(nth, edits, shared.len(), &self.config, spec.tokens.len()));
        let variants: Vec<Variant> = variants.collect::<Result<_, _>>()?;
        // A variant that changes nothing is the base.
        let unchanged: Vec<(usize, f64)> =
            variants.iter().filter(|of| of.entry.is_none()).map(|of| (of.nth, base.reading.base())).collect();
        on_values(base.reading.base(), &unchanged);
        for group in variant::groups(&variants, spec.tokens.len(), MAX_GROUP_ROWS) {
            let done = self.group(spec, &base, &group, pace).await?;
            done.iter().for_each(|(nth, value)| values[*nth] = *value);
            on_values(base.reading.base(), &done);
        }
        Ok(SweepResult { base: base.reading.base(), values })
    }

    /// The base run.
    async fn base(
        &self,
        spec: &SweepSpec,
        edits: &Edits,
        pace: &mut impl Pace,
    ) -> Result<Base<'_, B>, RunError> {
        let (n_pos, backend) = (spec.tokens.len(), &self.backend);
        let weights = self.weights(spec.weights).await?;
        let batched = weights
            .clone()
            .try_map(&mut |_, vector| Ok::<_, BackendError>(Batched::Rows(vector)), &mut |_, matrix, _| {
                Ok(matrix)
            })?;
        let model = Transformer { b: backend, config: &self.config, weights };
        let mut taps = Taps::new(backend, edits, vec![], n_pos, pace);
        taps.keep_streams();
        let mut cache = KvCache::new(self.config.n_layers);
        let end = model.stream(&spec.tokens, &mut cache, &mut taps).await?;
        let mut streams = taps.take_streams();
        let (at, metric) = spec.metric.reads(n_pos, self.config.d_vocab)?;
        let logits = model.unembed(&end, &at, &mut taps)?;
        let logits = taps.read(&logits).await?;
        let reading = read::Reading::new(at, metric, &logits, &spec.tokens)?;
        streams.push(end);
        Ok(Base { backend, weights, batched, streams, kv: cache.into_layers(), reading })
    }

    /// The values of some variants.
    async fn group(
        &self,
        spec: &SweepSpec,
        base: &Base<'_, B>,
        variants: &[&Variant],
        pace: &mut impl Pace,
    ) -> Result<Vec<(usize, f64)>, RunError> {
        let n_layers = self.config.n_layers;
        let mut group = Group { variants: vec![], sequences: vec![], resid: None };
        for layer in 0..=n_layers {
            for variant in variants.iter().filter(|variant| variant.layer() == layer) {
                let resid = self.entering(spec, base, variant, pace)?;
                group.join(base.backend, variant, resid, spec.tokens.len())?;
            }
            if let Some(resid) = group.resid.take_if(|_| layer < n_layers) {
                group.resid = Some(self.block(spec, base, &group, layer, resid, pace).await?);
            }
        }
        self.read_group(spec, base, &group, pace).await
    }

    /// The rows of a variant where it leaves the base. [row d_model]
    fn entering(
        &self,
        spec: &SweepSpec,
        base: &Base<'_, B>,
        variant: &Variant,
        pace: &mut impl Pace,
    ) -> Result<B::Tensor, RunError> {
        let (start, n_pos) = (variant.start(), spec.tokens.len());
        let stream = if variant.is_embedded() {
            let model = Transformer { b: base.backend, config: &self.config, weights: base.weights };
            let mut taps = Taps::new(base.backend, &variant.edits, vec![], n_pos, pace);
            &model.embed(&spec.tokens, 0, &mut taps)?
        } else {
            &base.streams[variant.layer()]
        };
        Ok(base.backend.rows(stream, start, n_pos - start)?)
    }

    /// All rows through one block.
    async fn block(
        &self,
        spec: &SweepSpec,
        base: &Base<'_, B>,
        group: &Group<'_, B::Tensor>,
        layer: usize,
        resid: B::Tensor,
        pace: &mut impl Pace,
    ) -> Result<B::Tensor, RunError> {
        let batch = Batch::new(base.backend, group.sequences.clone());
        let model = Transformer { b: &batch, config: &self.config, weights: &base.batched };
        let positions = |of: &Sequence| transformer::positions(of.n_past, of.len);
        let positions: Vec<u32> = group.sequences.iter().flat_map(positions).collect();
        let past = |(k, v): &(B::Tensor, B::Tensor)| (Batched::Base(k.clone()), Batched::Base(v.clone()));
        let mut cache = KvCache::of(base.kv.iter().map(past).collect(), spec.tokens.len());
        let mut taps = BatchTaps {
            backend: base.backend,
            batch: &batch,
            variants: &group.variants,
            sequences: &group.sequences,
            config: &self.config,
            n_pos: spec.tokens.len(),
            pace,
        };
        let resid =
            model.blocks(layer..layer + 1, Batched::Rows(resid), &positions, &mut cache, &mut taps).await?;
        Ok(batch::rows(&resid)?.clone())
    }
}

impl<'v, T: Clone> Group<'v, T> {
    /// Adds a variant's rows after the others.
    fn join<B: Backend<Tensor = T>>(
        &mut self,
        b: &B,
        variant: &'v Variant,
        resid: T,
        n_pos: usize,
    ) -> Result<(), BackendError> {
        let start = self.sequences.last().map_or(0, |last| last.start + last.len);
        self.sequences.push(Sequence { start, len: n_pos - variant.start(), n_past: variant.start() });
        self.variants.push(variant);
        self.resid = Some(match self.resid.take() {
            Some(before) => b.append(before, &resid)?,
            None => resid,
        });
        Ok(())
    }
}
