//! What is decided on the host: what goes in, which entries of `pre` are features, what comes out.

use super::{EncodeError, SaeArchitecture, SaeConfig};
use crate::{backend::BackendError, run::Features, tensor::HostTensor};

/// How many candidates a row are looked at first where all features are wanted.
const N_FIRST: usize = 64;

/// The short parts of an autoencoder, and its rules.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) config: SaeConfig,
    pub(super) b_dec: Vec<f32>, // [d_out]
    /// What entries of `pre` must be above; 0 where there are none. [d_sae]
    thresholds: Option<Vec<f32>>,
    /// The least of the thresholds.
    least: f32,
    /// Lengths of the directions, where features are measured in them. [d_sae]
    pub(super) decoder_norms: Option<Vec<f32>>,
}

impl Host {
    pub(super) fn new(
        config: SaeConfig,
        b_dec: Vec<f32>,
        thresholds: Option<Vec<f32>>,
        decoder_norms: Option<Vec<f32>>,
    ) -> Self {
        let least = thresholds.iter().flatten().copied().reduce(f32::min).map_or(0.0, |least| least.max(0.0));
        Self { config, b_dec, thresholds, least, decoder_norms }
    }

    /// A value of the model as rows that can be read: heads stand side by side. [row d_in]
    pub(super) fn rows_of(&self, x: &HostTensor) -> Result<HostTensor, EncodeError> {
        let d_in = self.config.d_in;
        let n_rows = x.shape().first().copied().unwrap_or(0);
        let got = x.data().len() / n_rows.max(1);
        if got != d_in || n_rows == 0 {
            return Err(EncodeError::Width { d_in, got });
        }
        Ok(x.clone().reshaped(vec![n_rows, d_in]).map_err(BackendError::from)?)
    }

    /// `x'`, from [`Host::rows_of`].
    pub(super) fn input(&self, x: &HostTensor) -> Result<HostTensor, EncodeError> {
        let mut rows = self.rows_of(x)?;
        for row in rows.data_mut().chunks_exact_mut(self.config.d_in) {
            let scale = self.config.normalize_activations.scale(row);
            row.iter_mut().for_each(|x| *x = scale.applied(*x));
            if self.config.apply_b_dec_to_input {
                row.iter_mut().zip(&self.b_dec).for_each(|(x, b_dec)| *x -= *b_dec);
            }
        }
        Ok(rows)
    }

    /// Not more features a row than these are wanted.
    fn wanted(&self, at_most: Option<usize>) -> Option<usize> {
        match self.config.architecture {
            SaeArchitecture::Topk { k } => Some(at_most.map_or(k, |n| n.min(k))),
            SaeArchitecture::Standard | SaeArchitecture::Jumprelu | SaeArchitecture::Gated => at_most,
        }
    }

    /// How many of a row's largest entries to look at first.
    pub(super) fn n_first(&self, at_most: Option<usize>) -> usize {
        self.wanted(at_most).unwrap_or(N_FIRST).clamp(1, self.config.d_sae)
    }

    /// The features among each row's largest entries, `[row n 2]`; nothing if there may be more behind those.
    ///
    /// Errors: a value is not finite.
    pub(super) fn chosen(
        &self,
        largest: &HostTensor,
        at_most: Option<usize>,
    ) -> Result<Option<Features>, EncodeError> {
        if largest.first_non_finite().is_some() {
            return Err(EncodeError::NotFinite);
        }
        let wanted = self.wanted(at_most);
        let n = largest.shape()[1];
        let mut rows = Vec::with_capacity(largest.shape()[0]);
        for pairs in largest.data().chunks_exact(2 * n) {
            let row: Vec<(u32, f32)> = pairs
                .chunks_exact(2)
                .map(|pair| (pair[1] as u32, pair[0]))
                .filter(|(index, value)| self.threshold(*index) < *value)
                .take(wanted.unwrap_or(n))
                .collect();
            // What was not looked at is no larger than the last.
            if Some(row.len()) != wanted && self.least < pairs[2 * n - 2] && n < self.config.d_sae {
                return Ok(None);
            }
            rows.push(row);
        }
        Ok(Some(Features::new(&rows)))
    }

    /// What an entry of `pre` must be above to be a feature.
    fn threshold(&self, index: u32) -> f32 {
        // A feature is positive, whatever its threshold.
        self.thresholds.as_ref().map_or(0.0, |thresholds| thresholds[index as usize].max(0.0))
    }

    /// `recons` with the normalisation of `x` undone. Both: [row d_in]
    pub(super) fn output(&self, recons: &HostTensor, x: &HostTensor) -> HostTensor {
        let mut output = recons.clone();
        // A transcoder's output is of another width, and SAELens leaves it alone.
        if self.config.output.is_none() {
            let d_in = self.config.d_in;
            for (row, x) in output.data_mut().chunks_exact_mut(d_in).zip(x.data().chunks_exact(d_in)) {
                let scale = self.config.normalize_activations.scale(x);
                row.iter_mut().for_each(|y| *y = scale.undone(*y));
            }
        }
        output
    }
}
