//! How one query comes to look at one key.

use serde::{Deserialize, Serialize};

use super::{AnalysisError, ModelConfig, Place, Site, turned};

/// From a query and a key to the attention between them, step by step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pair {
    /// The position that looks.
    pub query: usize,
    /// The position that it looks at.
    pub key: usize,
    /// q_i k_i, entry by entry; rotary positions have turned both. [d_head]
    pub products: Vec<f32>,
    /// q·k: the sum of these.
    pub dot: f32,
    /// What it is divided by.
    pub scale: f32,
    /// The score then stays between it and its negative, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_cap: Option<f32>,
    /// `hook_attn_scores`: what goes into the softmax; absent where the query does not see the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// log of the sum of exp(score) over all keys that the query sees.
    pub log_sum_exp: f32,
    /// `hook_pattern`: exp(score - log_sum_exp).
    pub probability: f32,
}

impl Place<'_> {
    /// The query and the key, and what comes of them.
    pub(super) fn pair(&self, config: &ModelConfig) -> Result<Pair, AnalysisError> {
        let [q_site, k_site] = turned(config);
        let (q, k) = (self.captured(q_site)?, self.captured(k_site)?); // [pos head d_head], [pos kv d_head]
        let q = q.row(self.query * config.n_heads + self.head);
        let k = k.row(self.key * config.n_kv_heads + self.kv);
        let products: Vec<f32> = q.iter().zip(k).map(|(q, k)| q * k).collect();
        let row = self.head * self.captured(Site::Pattern)?.last_axis() + self.query; // of [(head q_pos) k_pos]
        let scores = self.captured(Site::AttnScores)?.row(row);
        Ok(Pair {
            query: self.query,
            key: self.key,
            dot: products.iter().map(|product| f64::from(*product)).sum::<f64>() as f32,
            products,
            scale: config.scoring(self.layer).scale,
            soft_cap: config.attn_soft_cap,
            score: Some(scores[self.key]).filter(|score| score.is_finite()),
            log_sum_exp: log_sum_exp(scores),
            probability: self.captured(Site::Pattern)?.row(row)[self.key],
        })
    }
}

/// Masked scores are -inf, and add nothing.
fn log_sum_exp(scores: &[f32]) -> f32 {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - max).exp()).sum();
    (f64::from(max) + sum.ln()) as f32
}
