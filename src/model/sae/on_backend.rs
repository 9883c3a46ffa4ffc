//! A sparse autoencoder whose weights are on a backend.

use super::{SaeArchitecture, SaeConfig, SaeError};
use crate::{
    backend::{Backend, BackendError},
    model::checkpoint::Done,
    op::MatrixAxes,
};

/// A sparse autoencoder. What stands on the right of a product is a matrix `M` of a backend, what every row needs is a
/// tensor `T` there, and what only pairs need is here.
pub struct Sae<T, M> {
    pub(super) config: SaeConfig,
    pub(super) w_enc: M, // [d_in d_sae]
    pub(super) b_enc: T, // [d_sae]
    /// W_dec, a feature a column. [d_in d_sae]
    w_dec: M,
    pub(super) b_dec: Vec<f32>, // [d_in]
    /// What entries of `pre` must be above; 0 where there are none. [d_sae]
    pub(super) thresholds: Option<Vec<f32>>,
    /// The least of the thresholds.
    pub(super) least: f32,
}

/// A sparse autoencoder that a backend `B` holds.
pub type SaeOn<B> = Sae<<B as Backend>::Tensor, <B as Backend>::Matrix>;

impl<T, M> Sae<T, M> {
    /// From the weights that were read.
    ///
    /// Errors: the device.
    pub(super) async fn new<B: Backend<Tensor = T, Matrix = M>>(
        b: &B,
        config: SaeConfig,
        mut done: Done<B>,
    ) -> Result<Self, SaeError> {
        let (w_enc, w_dec) = (done.matrix("W_enc")?, done.matrix("W_dec")?);
        let (b_enc, b_dec) = (done.vector("b_enc")?, done.vector("b_dec")?);
        // A device says only when it is asked whether everything found room on it.
        let b_dec = b.read(&b_dec).await?.into_data();
        let thresholds = match config.architecture {
            SaeArchitecture::Jumprelu => Some(b.read(&done.vector("threshold")?).await?.into_data()),
            SaeArchitecture::Standard | SaeArchitecture::Topk { .. } => None,
        };
        let least = thresholds.iter().flatten().copied().reduce(f32::min).map_or(0.0, |least| least.max(0.0));
        Ok(Self { config, w_enc, b_enc, w_dec, b_dec, thresholds, least })
    }

    /// Its sizes and choices.
    pub fn config(&self) -> &SaeConfig {
        &self.config
    }

    /// Bytes that it takes on the backend.
    pub fn memory_bytes<B: Backend<Tensor = T, Matrix = M>>(&self, b: &B) -> u64 {
        b.matrix_bytes(&self.w_enc)
            + b.matrix_bytes(&self.w_dec)
            + (self.config.d_sae * size_of::<f32>()) as u64
    }

    /// The same on another backend; this one stays as it is. One matrix at a time is on the host.
    ///
    /// Errors: one of the two cannot read or hold it.
    pub async fn on<B: Backend<Tensor = T, Matrix = M>, C: Backend>(
        &self,
        from: &B,
        to: &C,
    ) -> Result<SaeOn<C>, BackendError> {
        Ok(Sae {
            w_enc: to.upload_matrix("W_enc", from.read_matrix(&self.w_enc).await?, MatrixAxes::InOut)?,
            w_dec: to.upload_matrix("W_dec", from.read_matrix(&self.w_dec).await?, MatrixAxes::OutIn)?,
            b_enc: to.upload("b_enc", from.read(&self.b_enc).await?)?,
            config: self.config.clone(),
            b_dec: self.b_dec.clone(),
            thresholds: self.thresholds.clone(),
            least: self.least,
        })
    }
}
