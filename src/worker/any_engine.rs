//! A model on whichever backend the worker has it on: one engine for both, compiled once.

use std::rc::Rc;

use super::{
    State,
    pace::{Turns, now_millis},
    reading::Reader,
    source::Source,
};
use crate::{
    analysis::{Answer, Question},
    backend::{
        Backend as _, BackendReport, Measured, Measuring, MemoryRole, OpTiming,
        cpu::{Cpu, Kernel},
        either::Either,
        timed::{Spent, Timed},
        webgpu::WebGpu,
    },
    engine::{Engine, GenerateStep, Generated, RunError},
    failure::Failure,
    hook::HookSet,
    model::{SaeConfig, sae::SaeFound},
    placement::{Clock, OpTime, PROBE_TOKENS, Place},
    protocol::GenerateSpec,
    run::{EncodeSpec, Features, Readout, RunSpec, WeightForm},
};

/// The CPU, or the GPU that all models share.
pub(super) type AnyBackend = Either<Timed<Cpu<f32>>, WebGpu>;

/// A model on one of them.
pub(super) type AnyEngine = Engine<AnyBackend>;

/// The CPU, as this worker has it, for one model.
pub(super) async fn cpu() -> AnyBackend {
    Either::Left(Timed::new(Cpu::with_kernel(Kernel::open().await), now_millis))
}

impl AnyEngine {
    /// Has the CPU time what comes.
    fn start(&self) {
        match self.backend() {
            Either::Left(cpu) => cpu.start(),
            Either::Right(_) => (),
        }
    }

    fn stop(&self) {
        match self.backend() {
            Either::Left(cpu) => cpu.stop(),
            Either::Right(gpu) => gpu.measure(Measuring::Off),
        }
    }

    /// [`Engine::ask`], timed.
    pub(super) async fn answer(
        &self,
        question: &Question,
        turns: &mut Turns,
        on_partial: impl FnMut(Answer),
    ) -> Result<Answer, RunError> {
        self.start();
        let answer = self.ask(question, turns, on_partial).await;
        self.stop();
        answer
    }

    /// [`Engine::generate`], timed.
    pub(super) async fn go_on(
        &self,
        spec: &GenerateSpec,
        turns: &mut Turns,
        on_step: impl FnMut(&[GenerateStep]),
    ) -> Result<Generated, RunError> {
        self.start();
        let generated = self.generate(spec, turns, on_step).await;
        self.stop();
        generated
    }

    /// [`Engine::encode`], timed.
    pub(super) async fn features(&self, spec: &EncodeSpec, turns: &mut Turns) -> Result<Features, RunError> {
        self.start();
        let features = self.encode(spec, turns).await;
        self.stop();
        features
    }

    /// Reads a sparse autoencoder to where the model is.
    ///
    /// Errors: the files, or the memory for them.
    pub(super) async fn read_sae(
        &self,
        state: &Rc<State>,
        name: &str,
        source: &Source,
        reader: Reader,
    ) -> Result<SaeFacts, Failure> {
        let (SaeFound { sae, dtype, mut notes }, size_bytes) =
            source.sae(state, reader, self.backend()).await?;
        let config = sae.config().clone();
        notes.extend(config.misfits(self.config()));
        self.put_sae(name, sae);
        Ok(SaeFacts { config, size_bytes, dtype, notes })
    }

    /// One forward pass over as many tokens as a probe times.
    pub(super) async fn pass(&self, turns: &mut Turns) -> Result<(), RunError> {
        let n_tokens = PROBE_TOKENS.min(self.config().n_ctx);
        let d_vocab = self.config().d_vocab;
        let spec = RunSpec {
            tokens: (0..n_tokens).map(|pos| (pos % d_vocab) as u32).collect(),
            weights: WeightForm::Raw,
            interventions: vec![],
            capture: HookSet::default(),
            readout: Readout::Predictions { top_k: 1 },
        };
        self.run(&spec, turns).await.map(drop)
    }

    pub(super) fn place(&self) -> Place {
        match self.backend() {
            Either::Left(_) => Place::Cpu,
            Either::Right(_) => Place::Webgpu,
        }
    }

    /// How many threads compute; a device counts as the one that waits for it.
    pub(super) fn n_threads(&self) -> usize {
        match self.backend() {
            Either::Left(cpu) => cpu.inner().n_threads(),
            Either::Right(_) => 1,
        }
    }

    /// Where the time of the last request went, and who measured it.
    pub(super) fn op_times(&self) -> (Clock, Vec<OpTime>) {
        match self.backend() {
            Either::Left(cpu) => {
                let time = |(op, spent): (&str, Spent)| OpTime {
                    op: op.to_owned(),
                    n_calls: spent.n_calls,
                    micros: spent.millis * 1000.0,
                };
                (Clock::Wall, cpu.times().into_iter().map(time).collect())
            }
            // Kernels run after the calls that asked for them: only the device can time them one by one.
            Either::Right(gpu) => {
                let BackendReport { timings, measured, .. } = gpu.report();
                let time = |timing: OpTiming| OpTime {
                    op: timing.op,
                    n_calls: u32::try_from(timing.count).unwrap_or(u32::MAX),
                    micros: timing.total_millis * 1000.0,
                };
                let clock = match measured {
                    Measured::OnTheDevice | Measured::Nothing => Clock::Device,
                    Measured::FromTheHost => Clock::Wall,
                };
                (clock, timings.into_iter().map(time).collect())
            }
        }
    }

    /// Has a GPU time the next question, which is a little slower for it. On the CPU every one is timed.
    pub(super) fn time_next(&self) {
        match self.backend() {
            Either::Left(_) => (),
            Either::Right(gpu) => gpu.measure(Measuring::On),
        }
    }

    /// Who holds how much, in words and bytes.
    pub(super) fn memory(&self) -> Vec<(&'static str, u64)> {
        match self.backend() {
            Either::Left(_) => vec![("weights", self.memory_bytes())],
            Either::Right(gpu) => {
                let of_all_models = gpu.report().memory.into_iter();
                of_all_models.map(|part| (in_words(part.role), part.size_bytes)).collect()
            }
        }
    }
}

/// What the files of a sparse autoencoder say beside its weights.
pub(super) struct SaeFacts {
    pub(super) config: SaeConfig,
    pub(super) size_bytes: u64,
    pub(super) dtype: String,
    pub(super) notes: Vec<String>,
}

/// What a GPU's memory is for; all models share it.
fn in_words(role: MemoryRole) -> &'static str {
    match role {
        MemoryRole::Weights => "GPU: weights and values that are held",
        MemoryRole::Plans => "GPU: values on the way",
        MemoryRole::Idle => "GPU: kept for what comes",
        MemoryRole::Readback => "GPU: for copies back",
    }
}
