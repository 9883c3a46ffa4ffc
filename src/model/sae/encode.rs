//! From a value of the model to its features.

use super::{EncodeError, Sae, SaeArchitecture};
use crate::{
    backend::{Backend, BackendError},
    run::Features,
    tensor::HostTensor,
};

/// How many candidates a row are looked at first where all features are wanted.
const N_FIRST: usize = 64;
/// How many times more, where those were not enough.
const MORE: usize = 4;

impl<T: Clone, M: Clone> Sae<T, M> {
    /// The features of each row of `x`, largest first: `at_most` so many, or all that are active. x: [row ..]
    ///
    /// Every architecture keeps some of the positive entries of `pre` as they are, so that its largest features are
    /// among the largest entries. The device finds those; `pre` itself is never read back.
    ///
    /// Errors: `x` is of another width, or has a value that is not finite.
    pub async fn encode<B: Backend<Tensor = T, Matrix = M>>(
        &self,
        b: &B,
        x: &HostTensor,
        at_most: Option<usize>,
    ) -> Result<Features, EncodeError> {
        let pre = self.pre(b, x)?; // [row d_sae]
        let d_sae = self.config.d_sae;
        let wanted = match self.config.architecture {
            SaeArchitecture::Topk { k } => Some(at_most.map_or(k, |n| n.min(k))),
            SaeArchitecture::Standard | SaeArchitecture::Jumprelu => at_most,
        };
        let mut n_candidates = wanted.unwrap_or(N_FIRST).clamp(1, d_sae);
        loop {
            let candidates = b.read(&b.top_k(&pre, n_candidates)?).await?; // [row n_candidates 2]
            if candidates.first_non_finite().is_some() {
                return Err(EncodeError::NotFinite);
            }
            let rows: Vec<Vec<(u32, f32)>> = candidates
                .data()
                .chunks_exact(2 * n_candidates)
                .map(|pairs| self.active(pairs, wanted.unwrap_or(d_sae)))
                .collect();
            let is_complete = rows.iter().zip(candidates.data().chunks_exact(2 * n_candidates)).all(
                // What was not looked at is no larger than the last candidate.
                |(row, pairs)| Some(row.len()) == wanted || pairs[2 * n_candidates - 2] <= self.least,
            );
            if is_complete || n_candidates == d_sae {
                return Ok(Features::new(&rows));
            }
            n_candidates = (n_candidates * MORE).min(d_sae);
        }
    }

    /// `x' W_enc + b_enc`
    // einsum: row d_in, d_in d_sae -> row d_sae
    fn pre<B: Backend<Tensor = T, Matrix = M>>(&self, b: &B, x: &HostTensor) -> Result<T, EncodeError> {
        let d_in = self.config.d_in;
        let n_rows = x.shape().first().copied().unwrap_or(0);
        let width = x.data().len() / n_rows.max(1);
        if width != d_in || n_rows == 0 {
            return Err(EncodeError::Width { d_in, got: width });
        }
        let mut values = x.data().to_vec();
        if self.config.apply_b_dec_to_input {
            for row in values.chunks_exact_mut(d_in) {
                row.iter_mut().zip(&self.b_dec).for_each(|(x, b_dec)| *x -= *b_dec);
            }
        }
        let x = HostTensor::new(vec![n_rows, d_in], values).map_err(BackendError::from)?;
        Ok(b.linear(&b.upload("sae.x", x)?, &self.w_enc, Some(&self.b_enc))?)
    }

    /// The features among candidates, `[n 2]`, largest first; not more than `n_wanted`.
    fn active(&self, candidates: &[f32], n_wanted: usize) -> Vec<(u32, f32)> {
        let pairs = candidates.chunks_exact(2).map(|pair| (pair[1] as u32, pair[0]));
        pairs.filter(|(index, value)| self.threshold(*index) < *value).take(n_wanted).collect()
    }

    /// What an entry of `pre` must be above to be a feature.
    fn threshold(&self, index: u32) -> f32 {
        // A feature is positive, whatever its threshold.
        self.thresholds.as_ref().map_or(0.0, |thresholds| thresholds[index as usize].max(0.0))
    }
}
