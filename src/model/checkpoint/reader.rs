//! Reading a model's weights as their bytes come.

use super::{
    Checkpoint, ConfigJson, LoadError, Shard, Source, TensorFile,
    filler::{Done, Target, taken},
    gemma, gpt2, llama, neo, neox, opt, phi,
    stream::Stream,
};
use crate::{
    backend::Backend,
    model::{
        Architecture, ModelConfig,
        weights::{OnBackend, W_E, W_U, Weights},
    },
};

/// A checkpoint on its way to the backend `b`. Dropping it gives up what was loaded.
pub struct WeightsReader<'b, B: Backend> {
    b: &'b B,
    json: ConfigJson,
    stream: Stream<B, Plan>,
}

/// What the header said.
struct Plan {
    config: ModelConfig,
    weights: Weights<Source>,
    dtype: String,
    notes: Vec<String>,
}

impl<'b, B: Backend> WeightsReader<'b, B> {
    /// Begins with config.json; `total_bytes` is the length of the weights file, if that is known.
    ///
    /// Errors: config.json is not what it should be.
    pub fn new(b: &'b B, config: &[u8], total_bytes: Option<u64>) -> Result<Self, LoadError> {
        Ok(Self { b, json: ConfigJson::parse(config)?, stream: Stream::new(total_bytes) })
    }

    /// Begins with config.json and the headers of all files; then come the values of each, in the same order.
    ///
    /// Errors: they are not what they should be, or do not describe one model.
    pub fn of_shards(b: &'b B, config: &[u8], shards: Vec<Shard>) -> Result<Self, LoadError> {
        let json = ConfigJson::parse(config)?;
        let file = TensorFile::joined(shards.into_iter().map(|shard| shard.tensors))?;
        let data_bytes = file.data_bytes();
        let (plan, targets) = Plan::new(&json, file)?;
        Ok(Self { b, json, stream: Stream::after_headers(plan, targets, data_bytes) })
    }

    /// Takes the next bytes of the weights file.
    ///
    /// Errors: the file is not what it should be, or does not fit config.json or the backend.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let json = &self.json;
        self.stream.feed(self.b, bytes, |file| Plan::new(json, file)).await
    }

    /// What will be loaded, and what its weights are stored as; once the header was read.
    pub fn planned(&self) -> Option<(&ModelConfig, &str)> {
        self.stream.plan().map(|plan| (&plan.config, plan.dtype.as_str()))
    }

    /// The model, once all bytes were fed.
    ///
    /// Errors: the file ended early.
    pub async fn finish(self) -> Result<Checkpoint<B>, LoadError> {
        let (plan, done) = self.stream.finish()?;
        let Plan { config, weights, dtype, mut notes } = plan;
        let is_said_tied = config.is_tied;
        let weights = assembled(weights, done)?;
        let config = ModelConfig { is_tied: weights.w_u.is_none(), ..config };
        if is_said_tied && !config.is_tied {
            notes.push(UNTIED_NOTE.to_owned());
        }
        // A device says only when it is asked whether everything found room on it.
        if let Some(last) = &weights.ln_final.w {
            self.b.read(last).await?;
        }
        Ok(Checkpoint { config, model_type: self.json.model_type().to_owned(), weights, dtype, notes })
    }
}

impl Plan {
    fn new(json: &ConfigJson, mut file: TensorFile) -> Result<(Self, Vec<Target>), LoadError> {
        let dtype = file.main_dtype();
        let mut of_plan = vec![];
        let (config, weights) = plan(json, &mut file, &mut of_plan)?;
        let notes = [json.notes(), of_plan, file.unused_notes()].concat();
        let targets = targets(&weights);
        Ok((Self { config, weights, dtype, notes }, targets))
    }
}

/// Where the values of all weights go.
fn targets(weights: &Weights<Source>) -> Vec<Target> {
    let (mut vectors, mut matrices) = (vec![], vec![]);
    let target =
        |name: &str, source: &Source, axes| Target { name: name.to_owned(), source: source.clone(), axes };
    weights.visit(&mut |name, source| vectors.push(target(name, source, None)), &mut |name, source, axes| {
        matrices.push(target(name, source, Some(axes)));
    });
    vectors.into_iter().chain(matrices).collect()
}

/// The weights in their places.
fn assembled<B: Backend>(mut plan: Weights<Source>, done: Done<B>) -> Result<OnBackend<B>, LoadError> {
    let Done { mut vectors, mut matrices, is_one_embedding } = done;
    if is_one_embedding {
        plan.w_u = None;
        if let Some(w_u) = matrices.remove(W_U) {
            matrices.insert(W_E.to_owned(), w_u);
        }
    }
    plan.try_map(&mut |name, _| taken(&mut vectors, name), &mut |name, _, _| taken(&mut matrices, name))
}

/// Said once it is known: the weights decide, and config.json may only disagree aloud.
const UNTIED_NOTE: &str =
    "config.json ties the embeddings, but the head of the file differs from its embedding: the head is used";

/// Where the weights of a checkpoint are. A head of its own may turn out to be W_E.
///
/// Errors: configuration and header do not describe one model.
fn plan(
    json: &ConfigJson,
    file: &mut TensorFile,
    notes: &mut Vec<String>,
) -> Result<(ModelConfig, Weights<Source>), LoadError> {
    match json.architecture()? {
        Architecture::Gpt2 | Architecture::Gpt2AttnOnly => gpt2::plan(json, file, notes),
        Architecture::GptNeox => neox::plan(json, file, notes),
        Architecture::GptNeo => neo::plan(json, file, notes),
        Architecture::Llama | Architecture::Mistral | Architecture::Qwen2 | Architecture::Qwen3 => {
            llama::plan(json, file, notes)
        }
        Architecture::Gemma2 | Architecture::Gemma3 => gemma::plan(json, file, notes),
        Architecture::Opt => opt::plan(json, file, notes),
        Architecture::Phi => phi::plan(json, file, notes),
    }
}
