//! The engine against TransformerLens and transformers: tests/golden, made by make.py.

use vitrine::{
    backend::cpu::Cpu,
    engine::{Engine, NoPace, RunError},
    hook::{HookPoint, HookSet},
    intervention::Intervention,
    model::checkpoint::{Checkpoint, ModelFiles},
    run::{Readout, RunResult, RunSpec, WeightForm},
};

mod bpe;
mod edits;
mod files;
mod gradients;
mod greedy;
mod hooks;
mod manifest;
mod sensitivity;

/// A golden model on the CPU.
fn engine(model: &str) -> Engine<Cpu> {
    engine_from(model, &files::bytes(&format!("{model}/model.safetensors")))
}

/// A golden model with other weights.
fn engine_from(model: &str, weights: &[u8]) -> Engine<Cpu> {
    let config = files::bytes(&format!("{model}/config.json"));
    let checkpoint = Checkpoint::read(ModelFiles { config: &config, weights })
        .unwrap_or_else(|error| panic!("{model}: {error}"));
    Engine::new(Cpu::default(), checkpoint, None).unwrap_or_else(|error| panic!("{model}: {error}"))
}

/// One forward pass that keeps `capture`.
fn run(
    engine: &Engine<Cpu>,
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
