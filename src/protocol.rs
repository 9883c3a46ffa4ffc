//! What the page and the engine's worker say to each other: one enum per direction.
//!
//! A message is a JSON text plus the large arrays it names, which travel beside it as transferable
//! buffers, in the order of [`FromEngine::detach`] and [`ToEngine::attach`]. The page says nothing before
//! [`FromEngine::Ready`] with its own [`VERSION`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    model::{ModelConfig, SaeConfig},
    placement::{Report, Wish, speed::CpuPass},
    prompt::{Bos, Token},
    tensor::{HostTensor, ShapeMismatch},
    verify::Outcome,
};

mod answer;
mod guess;
mod hub;

use crate::run::{Activations, Features};
pub use crate::run::{EncodeSpec, FinishReason, GenerateSpec};
pub use answer::{AnswerError, AnswerText};
pub use guess::ConfigGuess;
pub use hub::{CachedModel, CachedName, CachedRevision, Secret};

/// Changes with every incompatible change of this file.
pub const VERSION: u32 = 7;

/// How each adapter does its matrix products, once that was measured: words that only the engine understands, by what
/// the adapter is called.
pub type Presets = BTreeMap<String, String>;

/// Names one request; replies carry it. The page never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub u32);

/// From the page to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToEngine {
    /// Load a model under the name `model`, replacing what has that name once it is whole.
    /// Replies: `Progress`.., `Loaded` | `Guessed` | `Failed`.
    Load {
        /// The request.
        run: RunId,
        /// The name that later requests use.
        model: String,
        /// Where its files are.
        source: ModelSource,
    },
    /// Forget a model.
    Unload {
        /// Its name.
        model: String,
    },
    /// Load a sparse autoencoder under the name `sae` beside a model, replacing what has that name once it is whole.
    /// It moves with the model. Replies: `Progress`.., `SaeLoaded` | `Failed`.
    LoadSae {
        /// The request.
        run: RunId,
        /// Beside which model.
        model: String,
        /// The name that later requests use.
        sae: String,
        /// Where its files are.
        source: ModelSource,
    },
    /// Forget a sparse autoencoder.
    UnloadSae {
        /// Beside which model.
        model: String,
        /// Its name.
        sae: String,
    },
    /// Compute features. Replies: `Encoded` | `Failed`.
    Encode {
        /// The request.
        run: RunId,
        /// Which model.
        model: String,
        /// Of what; given rows travel beside the message.
        spec: EncodeSpec,
    },
    /// Compute there from now on: what is loaded already moves, between questions. Replies: a `Moved` for each model.
    Prefer {
        /// Where.
        wish: Wish,
    },
    /// Know what was measured before, instead of measuring again. Replies: none.
    Tune {
        /// What an earlier [`FromEngine::Tuned`] said.
        presets: Presets,
    },
    /// Say how a model is computed. Replies: `Inspected` | `Failed`.
    Inspect {
        /// The request.
        run: RunId,
        /// Which model.
        model: String,
    },
    /// Lose the GPU, as a driver might: for tests of what happens then.
    LoseDevice,
    /// Answer a question. Replies: `Partial`.., `Answered` | `Failed`.
    Ask {
        /// The request.
        run: RunId,
        /// Which model.
        model: String,
        /// The question, as JSON: `assets/schema/question.json`.
        question: String,
    },
    /// Tokenize a text. Replies: `Tokenized` | `Failed`.
    Tokenize {
        /// The request.
        run: RunId,
        /// Which model.
        model: String,
        /// The text.
        text: String,
        /// Whether a BOS goes in front.
        bos: Bos,
    },
    /// Continue a prompt. Replies: `Generated`.., `Finished` | `Failed`.
    Generate {
        /// The request.
        run: RunId,
        /// Which model.
        model: String,
        /// How.
        spec: GenerateSpec,
    },
    /// Compare a model with numbers that others published for it. Replies: `Checked`.., `Verified` | `Failed`.
    Verify {
        /// The request.
        run: RunId,
        /// Its name.
        model: String,
        /// What was published, as `assets/reference` has it.
        reference: String,
    },
    /// Stop working on a request; it replies `Failed` with kind `Cancelled`. What a download has brought is kept.
    Cancel {
        /// The request.
        run: RunId,
    },
    /// Have a download from a hub wait, or go on; what has come is kept. Replies: none.
    Pause {
        /// The request that loads.
        run: RunId,
        /// Whether it waits.
        is_paused: bool,
    },
    /// Say what is kept of models from hubs. Replies: `Cached` | `Failed`.
    Cached {
        /// The request.
        run: RunId,
        /// Of which repository to delete everything first; if its model is loaded, it stays so.
        delete: Option<CachedName>,
    },
}

/// Where the files of a model or of a sparse autoencoder are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum ModelSource {
    /// A folder served over HTTP, e.g. `https://host/vitrine/models/tales-attn-2l/`.
    Url {
        /// The folder, with its final slash.
        base: String,
        /// Which of its files has the weights, if not `model.safetensors`: a stage of the training, for one.
        weights: Option<String>,
    },
    /// Files that travel with the message, in this order. The engine keeps them, to read them again.
    Files {
        /// Their names, e.g. `config.json`.
        names: Vec<String>,
    },
    /// A repository of a hub, whose files are kept between visits where the browser has room for them.
    Hub {
        /// The hub's address; `None` is <https://huggingface.co>.
        base: Option<String>,
        /// `owner/name`, `owner/name@revision`, or the address of its page.
        repo: String,
        /// A branch, a tag or a commit; it wins over one in `repo`.
        revision: Option<String>,
        /// Who asks, for what not everybody gets. Sent to `base` only, kept nowhere.
        token: Option<Secret>,
    },
}

/// From the engine to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromEngine {
    /// The worker listens. Sent once.
    Ready {
        /// Its [`VERSION`].
        version: u32,
    },
    /// A download goes on.
    Progress {
        /// The request.
        run: RunId,
        /// The file.
        file: String,
        /// Bytes so far.
        done_bytes: u64,
        /// Bytes in all, where the server says. From a hub both are of all files together.
        total_bytes: Option<u64>,
        /// Of the last seconds, from a hub.
        bytes_per_sec: Option<f64>,
        /// At that rate.
        left_secs: Option<f64>,
    },
    /// What is kept of models from hubs.
    Cached {
        /// The request.
        run: RunId,
        /// By hub and repository.
        models: Vec<CachedModel>,
    },
    /// Files from disk came without config.json, and this is what it would say: for somebody to confirm, who then opens
    /// the same files with it.
    Guessed {
        /// The request.
        run: RunId,
        /// The guess.
        guess: ConfigGuess,
    },
    /// A model is there.
    Loaded {
        /// The request.
        run: RunId,
        /// What it is.
        card: Box<ModelCard>,
    },
    /// A sparse autoencoder is there.
    SaeLoaded {
        /// The request.
        run: RunId,
        /// What it is.
        card: Box<SaeCard>,
    },
    /// Features, largest first.
    Encoded {
        /// The request.
        run: RunId,
        /// A row for each token or each given row; they travel beside the message.
        features: Features,
        /// Time the engine took, milliseconds.
        elapsed_millis: f64,
    },
    /// A model is computed somewhere else, or stays where it is for another reason.
    Moved {
        /// The model as it is now.
        card: Box<ModelCard>,
        /// What went wrong, if that is why.
        failure: Option<Failure>,
    },
    /// A GPU was measured: worth remembering for the next visit.
    Tuned {
        /// Those that are known now.
        presets: Presets,
    },
    /// How a model is computed.
    Inspected {
        /// The request.
        run: RunId,
        /// All that is known.
        report: Box<Report>,
    },
    /// One entry of what was published, beside what the model gives.
    Checked {
        /// The request.
        run: RunId,
        /// What came of it.
        outcome: Box<Outcome>,
        /// How many entries there are.
        n_entries: usize,
    },
    /// All entries were compared.
    Verified {
        /// The request.
        run: RunId,
    },
    /// A text as the model reads it.
    Tokenized {
        /// The request.
        run: RunId,
        /// The tokens.
        tokens: Vec<Token>,
    },
    /// An answer that is not complete yet.
    Partial {
        /// The request.
        run: RunId,
        /// The answer so far, whose arrays travel beside the message.
        answer: AnswerText,
    },
    /// The answer to a question.
    Answered {
        /// The request.
        run: RunId,
        /// The answer, whose arrays travel beside the message.
        answer: AnswerText,
        /// Time the engine took, milliseconds.
        elapsed_millis: f64,
    },
    /// One more token of a continuation.
    Generated {
        /// The request.
        run: RunId,
        /// The token.
        token: Token,
        /// Its log-probability under the model (temperature 1), nats.
        logprob: f32,
        /// The continuation so far as text, without a character that is not yet whole.
        text: String,
    },
    /// A continuation is complete.
    Finished {
        /// The request.
        run: RunId,
        /// Why it ended.
        reason: FinishReason,
        /// Time per token, milliseconds.
        millis_per_token: f64,
    },
    /// A request did not work, or (without `run`) the worker itself did not.
    Failed {
        /// The request.
        run: Option<RunId>,
        /// What happened.
        failure: Failure,
    },
}

/// What is known of a loaded model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The name that requests use.
    pub model: String,
    /// `model_type` of its config.json, or what was inferred.
    pub model_type: String,
    /// Its sizes.
    pub config: ModelConfig,
    /// Number of parameters, each stored value counted once.
    pub n_params: u64,
    /// Size of the weight files, bytes.
    pub size_bytes: u64,
    /// Bytes that the weights take in memory now.
    pub memory_bytes: u64,
    /// How the weights are stored, e.g. `F16`.
    pub dtype: String,
    /// Where it came from: a URL or file names.
    pub origin: String,
    /// Whether it came with a tokenizer.
    pub has_tokenizer: bool,
    /// Whether `bos: auto` puts a BOS in front.
    pub default_bos: bool,
    /// `cpu` or `webgpu`.
    pub backend: String,
    /// What the backend runs on, e.g. `WebAssembly SIMD, 1 thread`.
    pub adapter: String,
    /// A pass on the CPU, once one was timed.
    pub cpu_pass: Option<CpuPass>,
    /// Everything in the files that was not used, and why.
    pub notes: Vec<String>,
}

/// What is known of a loaded sparse autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaeCard {
    /// The name that requests use.
    pub sae: String,
    /// Its sizes and choices.
    pub config: SaeConfig,
    /// Size of the weights file, bytes.
    pub size_bytes: u64,
    /// How the weights are stored, e.g. `F32`.
    pub dtype: String,
    /// Where it came from: a URL or file names.
    pub origin: String,
    /// Everything in the files that was not used, and why; and what does not fit the model.
    pub notes: Vec<String>,
}

impl ToEngine {
    /// Puts the arrays back that travelled beside the message.
    ///
    /// Errors: [`ShapeMismatch`] if they do not fit.
    pub fn attach(&mut self, arrays: Vec<Vec<f32>>) -> Result<(), ShapeMismatch> {
        let tensors = match self {
            Self::Encode { spec: EncodeSpec { of: Activations::Rows(rows), .. }, .. } => vec![rows],
            _ => vec![],
        };
        attach(tensors, arrays)
    }
}

impl FromEngine {
    /// The request it belongs to.
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Ready { .. } | Self::Moved { .. } | Self::Tuned { .. } => None,
            Self::Progress { run, .. }
            | Self::Cached { run, .. }
            | Self::Guessed { run, .. }
            | Self::Loaded { run, .. }
            | Self::SaeLoaded { run, .. }
            | Self::Encoded { run, .. }
            | Self::Inspected { run, .. }
            | Self::Checked { run, .. }
            | Self::Verified { run }
            | Self::Tokenized { run, .. }
            | Self::Partial { run, .. }
            | Self::Answered { run, .. }
            | Self::Generated { run, .. }
            | Self::Finished { run, .. } => Some(*run),
            Self::Failed { run, .. } => *run,
        }
    }

    /// Takes the large arrays out, to travel beside the message.
    pub fn detach(&mut self) -> Vec<Vec<f32>> {
        if let Self::Partial { answer, .. } | Self::Answered { answer, .. } = self {
            return std::mem::take(&mut answer.arrays);
        }
        self.tensors_mut().into_iter().map(HostTensor::detach).collect()
    }

    /// Puts back what [`FromEngine::detach`] took. Those of an answer are checked when it is read.
    ///
    /// Errors: [`ShapeMismatch`] if the arrays do not fit.
    pub fn attach(&mut self, arrays: Vec<Vec<f32>>) -> Result<(), ShapeMismatch> {
        if let Self::Partial { answer, .. } | Self::Answered { answer, .. } = self {
            answer.arrays = arrays;
            return Ok(());
        }
        attach(self.tensors_mut(), arrays)
    }

    fn tensors_mut(&mut self) -> Vec<&mut HostTensor> {
        match self {
            Self::Encoded { features, .. } => vec![&mut features.pairs],
            Self::Ready { .. }
            | Self::Progress { .. }
            | Self::Cached { .. }
            | Self::Guessed { .. }
            | Self::Loaded { .. }
            | Self::SaeLoaded { .. }
            | Self::Moved { .. }
            | Self::Tuned { .. }
            | Self::Inspected { .. }
            | Self::Checked { .. }
            | Self::Verified { .. }
            | Self::Tokenized { .. }
            | Self::Partial { .. }
            | Self::Answered { .. }
            | Self::Generated { .. }
            | Self::Finished { .. }
            | Self::Failed { .. } => vec![],
        }
    }
}

fn attach(tensors: Vec<&mut HostTensor>, arrays: Vec<Vec<f32>>) -> Result<(), ShapeMismatch> {
    ShapeMismatch::check("attach", &[tensors.len()], &[arrays.len()])?;
    tensors.into_iter().zip(arrays).try_for_each(|(tensor, data)| tensor.attach(data))
}
