//! One model on whichever backend it is: the same requests for both.

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
        Backend, BackendReport, Measured, Measuring, MemoryRole, OpTiming,
        cpu::{Cpu, Kernel},
        timed::{Spent, Timed},
        webgpu::WebGpu,
    },
    engine::{Engine, GenerateStep, Generated, RunError},
    failure::Failure,
    hook::HookSet,
    model::{ModelConfig, SaeConfig, sae::SaeFound, tokenizer::Tokenizer},
    placement::{Clock, OpTime, PROBE_TOKENS, Place},
    prompt::{Prompt, Vocabulary},
    protocol::GenerateSpec,
    run::{EncodeSpec, Features, Readout, RunSpec, WeightForm},
    verify::{self, Entry, Outcome, Reference},
};

/// A model on the CPU.
pub(super) type OnCpu = Engine<Timed<Cpu<f32>>>;

/// A model on one of the backends.
pub(super) enum AnyEngine {
    Cpu(OnCpu),
    WebGpu(Engine<WebGpu>),
}

/// The CPU, as this worker has it, for one model.
pub(super) async fn cpu() -> Timed<Cpu<f32>> {
    Timed::new(Cpu::with_kernel(Kernel::open().await), now_millis)
}

impl AnyEngine {
    pub(super) async fn ask(
        &self,
        question: &Question,
        turns: &mut Turns,
        on_partial: impl FnMut(Answer),
    ) -> Result<Answer, RunError> {
        match self {
            Self::Cpu(engine) => {
                engine.backend().start();
                let answer = engine.ask(question, turns, on_partial).await;
                engine.backend().stop();
                answer
            }
            Self::WebGpu(engine) => {
                let answer = engine.ask(question, turns, on_partial).await;
                engine.backend().measure(Measuring::Off);
                answer
            }
        }
    }

    pub(super) async fn generate(
        &self,
        spec: &GenerateSpec,
        turns: &mut Turns,
        on_step: impl FnMut(&[GenerateStep]),
    ) -> Result<Generated, RunError> {
        match self {
            Self::Cpu(engine) => {
                engine.backend().start();
                let generated = engine.generate(spec, turns, on_step).await;
                engine.backend().stop();
                generated
            }
            Self::WebGpu(engine) => engine.generate(spec, turns, on_step).await,
        }
    }

    pub(super) async fn encode(&self, spec: &EncodeSpec, turns: &mut Turns) -> Result<Features, RunError> {
        match self {
            Self::Cpu(engine) => {
                engine.backend().start();
                let features = engine.encode(spec, turns).await;
                engine.backend().stop();
                features
            }
            Self::WebGpu(engine) => engine.encode(spec, turns).await,
        }
    }

    /// Runs one entry of what was published.
    pub(super) async fn check(
        &self,
        reference: &Reference,
        entry: &Entry,
        turns: &mut Turns,
    ) -> Result<Outcome, RunError> {
        match self {
            Self::Cpu(engine) => verify::check(engine, reference, entry, turns).await,
            Self::WebGpu(engine) => verify::check(engine, reference, entry, turns).await,
        }
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
        match self {
            Self::Cpu(engine) => read_sae(engine, state, name, source, reader).await,
            Self::WebGpu(engine) => read_sae(engine, state, name, source, reader).await,
        }
    }

    pub(super) fn drop_sae(&self, name: &str) {
        match self {
            Self::Cpu(engine) => engine.drop_sae(name),
            Self::WebGpu(engine) => engine.drop_sae(name),
        }
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
        match self {
            Self::Cpu(engine) => engine.run(&spec, turns).await.map(drop),
            Self::WebGpu(engine) => engine.run(&spec, turns).await.map(drop),
        }
    }

    pub(super) fn place(&self) -> Place {
        match self {
            Self::Cpu(_) => Place::Cpu,
            Self::WebGpu(_) => Place::Webgpu,
        }
    }

    pub(super) fn backend(&self) -> &'static str {
        match self {
            Self::Cpu(engine) => engine.backend().name(),
            Self::WebGpu(engine) => engine.backend().name(),
        }
    }

    pub(super) fn adapter(&self) -> String {
        match self {
            Self::Cpu(engine) => engine.backend().adapter(),
            Self::WebGpu(engine) => engine.backend().adapter(),
        }
    }

    /// How many threads compute; a device counts as the one that waits for it.
    pub(super) fn n_threads(&self) -> usize {
        match self {
            Self::Cpu(engine) => engine.backend().inner().n_threads(),
            Self::WebGpu(_) => 1,
        }
    }

    pub(super) fn config(&self) -> &ModelConfig {
        match self {
            Self::Cpu(engine) => engine.config(),
            Self::WebGpu(engine) => engine.config(),
        }
    }

    pub(super) fn n_params(&self) -> u64 {
        match self {
            Self::Cpu(engine) => engine.n_params(),
            Self::WebGpu(engine) => engine.n_params(),
        }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Cpu(engine) => engine.memory_bytes(),
            Self::WebGpu(engine) => engine.memory_bytes(),
        }
    }

    pub(super) fn default_bos(&self) -> bool {
        match self {
            Self::Cpu(engine) => engine.default_bos(),
            Self::WebGpu(engine) => engine.default_bos(),
        }
    }

    pub(super) fn tokenizer(&self) -> Option<&Tokenizer> {
        match self {
            Self::Cpu(engine) => engine.tokenizer(),
            Self::WebGpu(engine) => engine.tokenizer(),
        }
    }

    pub(super) fn vocabulary(&self) -> &dyn Vocabulary {
        match self {
            Self::Cpu(engine) => engine.vocabulary(),
            Self::WebGpu(engine) => engine.vocabulary(),
        }
    }

    pub(super) fn tokens_of(&self, prompt: &Prompt) -> Result<Vec<u32>, RunError> {
        match self {
            Self::Cpu(engine) => engine.tokens_of(prompt),
            Self::WebGpu(engine) => engine.tokens_of(prompt),
        }
    }

    /// Where the time of the last request went, and who measured it.
    pub(super) fn op_times(&self) -> (Clock, Vec<OpTime>) {
        match self {
            Self::Cpu(engine) => {
                let times = engine.backend().times().into_iter();
                let time = |(op, spent): (&str, Spent)| OpTime {
                    op: op.to_owned(),
                    n_calls: spent.n_calls,
                    micros: spent.millis * 1000.0,
                };
                (Clock::Wall, times.map(time).collect())
            }
            // Kernels run after the calls that asked for them: only the device can time them one by one.
            Self::WebGpu(engine) => {
                let BackendReport { timings, measured, .. } = engine.backend().report();
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
        match self {
            Self::Cpu(_) => (),
            Self::WebGpu(engine) => engine.backend().measure(Measuring::On),
        }
    }

    /// Who holds how much, in words and bytes.
    pub(super) fn memory(&self) -> Vec<(&'static str, u64)> {
        match self {
            Self::Cpu(engine) => vec![("weights", engine.memory_bytes())],
            Self::WebGpu(engine) => {
                let of_all_models = engine.backend().report().memory.into_iter();
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

async fn read_sae<B: Backend>(
    engine: &Engine<B>,
    state: &Rc<State>,
    name: &str,
    source: &Source,
    reader: Reader,
) -> Result<SaeFacts, Failure> {
    let (SaeFound { sae, dtype, mut notes }, size_bytes) =
        source.sae(state, reader, engine.backend()).await?;
    let config = sae.config().clone();
    notes.extend(config.misfits(engine.config()));
    engine.put_sae(name, sae);
    Ok(SaeFacts { config, size_bytes, dtype, notes })
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
