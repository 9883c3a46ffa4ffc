//! Laws of gradients: they are slopes, in f64; f32 agrees; nothing flows through what was cut.

use vitrine::{
    backend::{
        Backend, BackendError,
        cpu::{Cpu, CpuTensor},
    },
    engine::NoPace,
    hook::{HookPoint, HookSet, Site},
    metric::Metric,
    model::{
        checkpoint::Checkpoint,
        tap::Tap,
        transformer::{KvCache, Transformer},
        weights::OnBackend,
    },
    run::{GradientSpec, Gradients, WeightForm},
    tensor::HostTensor,
};

use crate::{
    compare::compare,
    support::{FAMILIES, GPT2, edits, engine, files, read},
};

const TOKENS: [u32; 7] = [3, 14, 15, 9, 26, 5, 29];
const METRIC: Metric = Metric::LogitDiff { pos: -1, correct: 5, wrong: 9 };
const STEP: f32 = 1.0 / 32_768.0;

fn spec(at: impl IntoIterator<Item = HookPoint>) -> GradientSpec {
    GradientSpec {
        tokens: TOKENS.to_vec(),
        weights: WeightForm::Raw,
        interventions: vec![],
        metric: METRIC,
        at: HookSet::of(at),
    }
}

fn gradients(model: &str, is_f64: bool) -> Gradients {
    let points = engine::<f32>(model).config().hook_points();
    let spec = spec(points);
    let result = if is_f64 {
        pollster::block_on(engine::<f64>(model).gradients(&spec, &mut NoPace))
    } else {
        pollster::block_on(engine::<f32>(model).gradients(&spec, &mut NoPace))
    };
    result.unwrap_or_else(|error| panic!("{model}: {error}"))
}

/// Adds `by` to one entry of the value at `at`, in f64.
struct Nudge {
    at: HookPoint,
    entry: usize,
    by: f32,
}

impl Tap<Cpu<f64>> for Nudge {
    type Error = BackendError;

    fn captures(&self, hook: HookPoint) -> bool {
        hook == self.at
    }

    fn edits(&self, hook: HookPoint) -> bool {
        hook == self.at
    }

    fn edit(&mut self, hook: HookPoint, value: CpuTensor<f64>) -> Result<CpuTensor<f64>, BackendError> {
        if hook != self.at {
            return Ok(value);
        }
        let b = Cpu::<f64>::default();
        let mut add = HostTensor::full(b.shape(&value), 0.0);
        add.data_mut()[self.entry] = self.by;
        let keep = b.upload("keep", HostTensor::full(b.shape(&value), 1.0))?;
        b.edit(&value, &keep, &b.upload("add", add)?)
    }

    fn at(&mut self, hook: HookPoint, value: CpuTensor<f64>) -> Result<CpuTensor<f64>, BackendError> {
        self.edit(hook, value)
    }

    async fn before_block(&mut self, _layer: usize, _resid: &CpuTensor<f64>) -> Result<(), BackendError> {
        Ok(())
    }
}

/// The metric in f64 after a nudge.
struct Exact {
    config: vitrine::model::ModelConfig,
    weights: OnBackend<Cpu<f64>>,
}

impl Exact {
    fn of(model: &str) -> Self {
        let read = read(&Cpu::<f64>::default(), &files(model));
        let (Checkpoint { config, weights, .. }, _) = read.unwrap_or_else(|error| panic!("{model}: {error}"));
        Self { config, weights }
    }

    fn metric(&self, mut nudge: Nudge) -> f64 {
        let b = Cpu::<f64>::default();
        let mut cache = KvCache::new(self.config.n_layers);
        let model = Transformer { b: &b, config: &self.config, weights: &self.weights };
        let logits =
            pollster::block_on(model.forward(&TOKENS, &mut cache, &mut nudge)).expect("a golden model runs");
        let d_vocab = b.shape(&logits)[1];
        let last = &logits.values()[(TOKENS.len() - 1) * d_vocab..];
        last[5] - last[9]
    }

    fn slope(&self, at: HookPoint, entry: usize) -> f64 {
        let metric = |by| self.metric(Nudge { at, entry, by });
        (metric(STEP) - metric(-STEP)) / (2.0 * f64::from(STEP))
    }
}

/// A few entries of a value, spread out.
fn entries(n: usize) -> impl Iterator<Item = usize> {
    (0..3).map(move |i| (i * 7919 + 13) % n)
}

#[test]
fn gradients_are_slopes() {
    for model in FAMILIES {
        let exact = Exact::of(model);
        let got = gradients(model, true);
        for (hook, gradient) in &got.gradients {
            for entry in entries(gradient.data().len()) {
                if got.values[hook].data()[entry] == f32::NEG_INFINITY {
                    continue; // A masked score has no slope.
                }
                let (got, want) = (f64::from(gradient.data()[entry]), exact.slope(*hook, entry));
                let err = (got - want).abs() / want.abs().max(1.0);
                assert!(err <= 1e-5, "{model} {hook}[{entry}]: gradient {got}, slope {want}");
            }
        }
    }
}

#[test]
fn a_slope_elsewhere_is_another() {
    let exact = Exact::of(GPT2);
    let hook = HookPoint::Block(1, Site::ResidPre);
    let got = gradients(GPT2, true);
    let gradient = f64::from(got.gradients[&hook].data()[6 * 20]);
    let err = (gradient - exact.slope(hook, 6 * 20 + 1)).abs();
    assert!(!(err <= 1e-5), "the comparison above could not fail");
}

#[test]
fn f32_agrees_with_f64() {
    for model in FAMILIES {
        let (got, want) = (gradients(model, false), gradients(model, true));
        for (hook, want) in &want.gradients {
            let name = format!("d/d {hook}, backwards");
            compare(&name, &got.gradients[hook], want, 1e-4).unwrap_or_else(|why| panic!("{model}: {why}"));
        }
    }
}

#[test]
fn nothing_flows_through_what_was_cut() {
    let engine = engine::<f32>(GPT2);
    let (before, after) = (HookPoint::Embed, HookPoint::Block(0, Site::ResidPost));
    let interventions = edits(r#"[{"at":"blocks.0.hook_resid_post","edit":{"kind":"zero"}}]"#);
    let spec = GradientSpec { interventions, ..spec([before, after]) };
    let got = pollster::block_on(engine.gradients(&spec, &mut NoPace)).expect("runs");
    assert!(got.gradients[&before].data().iter().all(|v| *v == 0.0));
    assert!(got.gradients[&after].data().iter().any(|v| *v != 0.0));
    assert!(got.values[&after].data().iter().all(|v| *v == 0.0));
}
