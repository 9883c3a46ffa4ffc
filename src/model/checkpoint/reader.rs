//! Reading the weights as their bytes come, in file order and in portions of any length.

use super::{Checkpoint, ConfigJson, LoadError, filler::Filler, gpt2, header};
use crate::backend::Backend;

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
            let mut notes = self.json.notes();
            let (config, weights) = gpt2::plan(&self.json, &mut file, &mut notes)?;
            notes.extend(file.unused_notes());
            let filler = Filler::new(config, weights);
            self.stage = Stage::Tensors(Box::new(Tensors { file_bytes, dtype, notes, filler }));
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
        let Tensors { file_bytes, dtype, mut notes, filler } = match self.stage {
            Stage::Header(header) => return Err(header.cut()),
            Stage::Tensors(tensors) => *tensors,
        };
        if self.n_bytes < file_bytes {
            return Err(LoadError::Truncated { expected_bytes: file_bytes, got_bytes: self.n_bytes });
        }
        let (config, weights) = filler.finish()?;
        if self.json.is_tied() && !config.is_tied {
            notes.push(gpt2::UNTIED_NOTE.to_owned());
        }
        // A device says only when it is asked whether everything found room on it.
        self.b.read(&weights.w_pos).await?;
        Ok(Checkpoint { config, model_type: self.json.model_type().to_owned(), weights, dtype, notes })
    }
}
