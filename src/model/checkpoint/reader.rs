//! Reading the weights as their bytes come, in file order and in portions of any length.

use super::{
    Checkpoint, ConfigJson, LoadError, Source, TensorFile, filler::Filler, gemma, gpt2, header, llama, neo,
    neox, opt, phi,
};
use crate::{
    backend::Backend,
    model::{Architecture, ModelConfig, weights::Weights},
};

/// A checkpoint on its way to the backend `b`. Dropping it gives up what was loaded.
pub struct WeightsReader<'b, B: Backend> {
    b: &'b B,
    json: ConfigJson,
    total_bytes: Option<u64>,
    n_bytes: u64,
    stage: Stage<B>,
}

/// What the next byte belongs to.
enum Stage<B: Backend> {
    Header(header::Header),
    Tensors(Box<Tensors<B>>),
}

/// All that the header said, and the values that came after it.
struct Tensors<B: Backend> {
    file_bytes: u64,
    dtype: String,
    notes: Vec<String>,
    /// Whether config.json says that W_U is W_E.
    is_said_tied: bool,
    filler: Filler<B>,
}

impl<'b, B: Backend> WeightsReader<'b, B> {
    /// Begins with config.json; `total_bytes` is the length of the weights file, if that is known.
    ///
    /// Errors: config.json is not what it should be.
    pub fn new(b: &'b B, config: &[u8], total_bytes: Option<u64>) -> Result<Self, LoadError> {
        let stage = Stage::Header(header::Header::default());
        Ok(Self { b, json: ConfigJson::parse(config)?, total_bytes, n_bytes: 0, stage })
    }

    /// Takes the next bytes of the weights file.
    ///
    /// Errors: the file is not what it should be, or does not fit config.json or the backend.
    pub async fn feed(&mut self, mut bytes: &[u8]) -> Result<(), LoadError> {
        self.n_bytes += bytes.len() as u64;
        if let Stage::Header(header) = &mut self.stage {
            let Some((mut file, file_bytes)) = header.take(&mut bytes, self.total_bytes)? else {
                return Ok(());
            };
            let dtype = file.main_dtype();
            let mut of_plan = vec![];
            let (config, weights) = plan(&self.json, &mut file, &mut of_plan)?;
            let mut notes = self.json.notes();
            notes.extend(of_plan);
            notes.extend(file.unused_notes());
            let is_said_tied = config.is_tied;
            let filler = Filler::new(config, weights);
            self.stage = Stage::Tensors(Box::new(Tensors { file_bytes, dtype, notes, is_said_tied, filler }));
        }
        match &mut self.stage {
            Stage::Tensors(tensors) if tensors.file_bytes < self.n_bytes => {
                Err(header::too_long(tensors.file_bytes))
            }
            Stage::Tensors(tensors) => tensors.filler.feed(self.b, bytes).await,
            Stage::Header(_) => Ok(()),
        }
    }

    /// The model, once all bytes were fed.
    ///
    /// Errors: the file ended early.
    pub async fn finish(self) -> Result<Checkpoint<B>, LoadError> {
        let Tensors { file_bytes, dtype, mut notes, is_said_tied, filler } = match self.stage {
            Stage::Header(header) => return Err(header.cut()),
            Stage::Tensors(tensors) => *tensors,
        };
        if self.n_bytes < file_bytes {
            return Err(LoadError::Truncated { expected_bytes: file_bytes, got_bytes: self.n_bytes });
        }
        let (config, weights) = filler.finish()?;
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
