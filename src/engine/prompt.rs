//! From prompts to token ids that the model can read.

use super::{Engine, RunError};
use crate::{
    backend::Backend,
    prompt::{Bos, IdsOnly, Prompt, Vocabulary},
};

impl<B: Backend> Engine<B> {
    /// Token ids of a prompt. Whether the model can read so many is checked by the run.
    ///
    /// Errors: text without a tokenizer, a BOS that the model does not have.
    pub fn tokens_of(&self, prompt: &Prompt) -> Result<Vec<u32>, RunError> {
        match prompt {
            Prompt::Tokens { tokens } => Ok(tokens.clone()),
            Prompt::Text { text, bos } => {
                let tokenizer = self.tokenizer.as_ref().ok_or(RunError::NoTokenizer)?;
                let mut tokens = self.bos_tokens(*bos)?;
                tokens.extend(tokenizer.encode(text).map_err(RunError::Tokenizer)?);
                Ok(tokens)
            }
        }
    }

    /// Whether `bos: auto` puts a BOS in front: as TransformerLens does for this family.
    pub fn default_bos(&self) -> bool {
        self.config.bos_id.is_some()
    }

    /// How tokens are written down.
    pub fn vocabulary(&self) -> &dyn Vocabulary {
        match &self.tokenizer {
            Some(tokenizer) => &**tokenizer,
            None => &IdsOnly,
        }
    }

    fn bos_tokens(&self, bos: Bos) -> Result<Vec<u32>, RunError> {
        match bos {
            Bos::No => Ok(vec![]),
            Bos::Auto => Ok(self.config.bos_id.into_iter().collect()),
            Bos::Yes => Ok(vec![self.config.bos_id.ok_or(RunError::NoBos)?]),
        }
    }

    /// Refuses what the model cannot read.
    pub(super) fn check_tokens(&self, tokens: &[u32]) -> Result<(), RunError> {
        let (n_ctx, d_vocab) = (self.config.n_ctx, self.config.d_vocab);
        if tokens.is_empty() {
            return Err(RunError::EmptyPrompt);
        }
        if tokens.len() > n_ctx {
            return Err(RunError::TooLong { got: tokens.len(), n_ctx });
        }
        match tokens.iter().find(|id| **id as usize >= d_vocab) {
            Some(id) => Err(RunError::TokenOutsideVocabulary { id: *id, d_vocab }),
            None => Ok(()),
        }
    }
}
