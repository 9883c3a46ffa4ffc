//! One model on whichever backend it is: the same requests for both.

use super::pace::{Turns, now_millis};
use crate::{
    analysis::{Answer, Question},
    backend::{
        Backend as _,
        cpu::{Cpu, Kernel},
        timed::Timed,
        webgpu::WebGpu,
    },
    engine::{Engine, GenerateStep, Generated, RunError},
    hook::HookSet,
    model::{ModelConfig, checkpoint::Checkpoint, tokenizer::Tokenizer},
    placement::{Clock, OpTime, PROBE_TOKENS, Place},
    prompt::{Prompt, Vocabulary},
    protocol::GenerateSpec,
    run::{Readout, RunSpec, WeightForm},
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
    /// A model that was just read, on the CPU.
    ///
    /// Errors: the memory does not hold it.
    pub(super) async fn on_cpu(
        checkpoint: Checkpoint,
        tokenizer: Option<Tokenizer>,
    ) -> Result<Self, RunError> {
        Ok(Self::Cpu(Engine::new(cpu().await, checkpoint, tokenizer)?))
    }

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
            Self::WebGpu(engine) => engine.ask(question, turns, on_partial).await,
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
                let time = |(op, spent): (&str, crate::backend::timed::Spent)| OpTime {
                    op: op.to_owned(),
                    n_calls: spent.n_calls,
                    micros: spent.millis * 1000.0,
                };
                (Clock::Wall, times.map(time).collect())
            }
            // Kernels run after the calls that asked for them: only the device could time them.
            Self::WebGpu(_) => (Clock::Device, vec![]),
        }
    }
}
