//! Random tokens, read twice: text on which nothing helps but looking at what followed before.
//!
//! Source: Olsson et al. 2022, <https://arxiv.org/abs/2209.11895>. Tokens are drawn as
//! `torch.randint(low, high, (batch, length))` draws them after `torch.manual_seed(seed)`, so that the numbers of
//! notebooks can be had again: TransformerLens' Exploratory Analysis demo is seed 0, batch 2, length 100, ids 100 to
//! 20,000, without a BOS.

use serde::{Deserialize, Serialize};

use super::{AnalysisError, pattern::Repeats};
use crate::{model::ModelConfig, prompt::Bos};

mod mt19937;

use mt19937::Mt19937;

/// The most sequences of one question.
pub const MAX_BATCH: usize = 64;
/// What notebooks draw from, if the vocabulary has as many.
const USUAL_IDS: [u32; 2] = [100, 20_000];
const USUAL_LENGTH: usize = 50;

/// Random tokens, read twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    /// How many tokens are drawn, and then read twice; 50 by default, or as many as the model can read twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// How many such sequences; results are means over all.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// Seed of the drawing.
    #[serde(default)]
    pub seed: u32,
    /// Whether a BOS comes before the first copy.
    #[serde(default)]
    pub bos: Bos,
    /// Ids are drawn from the first up to, and without, the second; from 100 up to 20,000 by default, or from what the
    /// vocabulary has of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<[u32; 2]>,
}

fn default_batch() -> usize {
    4
}

impl Default for Repeated {
    fn default() -> Self {
        Self { length: None, batch: default_batch(), seed: 0, bos: Bos::Auto, ids: None }
    }
}

/// Sequences of one form, ready to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// Each: a BOS or none, the tokens, the same tokens again.
    pub tokens: Vec<Vec<u32>>,
    /// How many tokens are read twice.
    pub length: usize,
}

impl Sequences {
    /// How many tokens come before the first copy.
    pub fn n_before(&self) -> usize {
        self.tokens.first().map_or(0, |tokens| tokens.len() - 2 * self.length)
    }

    /// Where tokens repeat, by place.
    pub fn repeats(&self) -> Repeats {
        Repeats::copies(self.n_before(), self.length)
    }
}

impl Repeated {
    /// Draws them for a model.
    ///
    /// Errors: the model cannot read as many tokens twice, has no such ids or no BOS; no sequence, or too many.
    pub fn draw(&self, config: &ModelConfig) -> Result<Sequences, AnalysisError> {
        let bos = match (self.bos, config.bos_id) {
            (Bos::No, _) | (Bos::Auto, None) => None,
            (Bos::Auto | Bos::Yes, Some(id)) => Some(id),
            (Bos::Yes, None) => return Err(AnalysisError::NoBos),
        };
        let most = config.n_ctx.saturating_sub(bos.iter().len()) / 2;
        let length = self.length.unwrap_or(USUAL_LENGTH.min(most));
        if length < 2 || most < length {
            return Err(AnalysisError::RepeatedLength { length, n_ctx: config.n_ctx, most });
        }
        if !(1..=MAX_BATCH).contains(&self.batch) {
            return Err(AnalysisError::RepeatedBatch { batch: self.batch, most: MAX_BATCH });
        }
        let [from, to] = self.ids(config)?;
        let mut generator = Mt19937::new(self.seed);
        let mut one = |_| {
            let drawn: Vec<u32> = (0..length).map(|_| from + generator.next_u32() % (to - from)).collect();
            bos.into_iter().chain(drawn.iter().copied()).chain(drawn.iter().copied()).collect()
        };
        Ok(Sequences { tokens: (0..self.batch).map(&mut one).collect(), length })
    }

    /// What is drawn from: at least two ids.
    fn ids(&self, config: &ModelConfig) -> Result<[u32; 2], AnalysisError> {
        let d_vocab = u32::try_from(config.d_vocab).unwrap_or(u32::MAX);
        let [from, to] = self.ids.unwrap_or([USUAL_IDS[0].min(d_vocab / 10), USUAL_IDS[1].min(d_vocab)]);
        if d_vocab < to || to.saturating_sub(from) < 2 {
            return Err(AnalysisError::RepeatedIds { from, to, d_vocab: config.d_vocab });
        }
        Ok([from, to])
    }
}
