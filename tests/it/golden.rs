//! The engine against TransformerLens and transformers: tests/golden, made by make.py.

use vitrine::{
    backend::{Backend, cpu::Cpu},
    engine::{Engine, NoPace, RunError},
    hook::{HookPoint, HookSet},
    intervention::Intervention,
    model::checkpoint::{Checkpoint, ModelFiles},
    run::{Readout, RunResult, RunSpec, WeightForm},
};

mod bpe;
mod choices;
pub(crate) mod edits;
mod files;
pub(crate) mod gradients;
pub(crate) mod greedy;
pub(crate) mod heads;
pub(crate) mod hooks;
mod manifest;
pub(crate) mod patching;
pub(crate) mod readings;
pub(crate) mod saes;
mod sensitivity;
mod vocabularies;

/// A golden model on the CPU.
fn engine(model: &str) -> Engine<Cpu> {
    engine_on(Cpu::default(), model)
}

/// A golden model on any backend.
pub(crate) fn engine_on<B: Backend>(backend: B, model: &str) -> Engine<B> {
    engine_from(backend, model, &files::bytes(&format!("{model}/model.safetensors")))
}

/// A golden model with other weights.
fn engine_from<B: Backend>(backend: B, model: &str, weights: &[u8]) -> Engine<B> {
    let config = files::bytes(&format!("{model}/config.json"));
    let read = pollster::block_on(Checkpoint::read(&backend, ModelFiles { config: &config, weights }));
    let checkpoint = read.unwrap_or_else(|error| panic!("{model}: {error}"));
    Engine::new(backend, checkpoint, None)
}

/// One forward pass that keeps `capture`.
fn run<B: Backend>(
    engine: &Engine<B>,
    weights: WeightForm,
    tokens: &[u32],
    interventions: &[Intervention],
    capture: impl IntoIterator<Item = HookPoint>,
) -> Result<RunResult, RunError> {
    let spec = RunSpec {
        tokens: tokens.to_vec(),
        weights,
        interventions: interventions.to_vec(),
        capture: HookSet::of(capture),
        readout: Readout::Predictions { top_k: 1 },
    };
    pollster::block_on(engine.run(&spec, &mut NoPace))
}
