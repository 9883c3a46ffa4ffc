//! A sparse autoencoder whose weights are on a backend.

use super::{SaeArchitecture, SaeConfig, SaeError, host::Host};
use crate::{
    backend::{Backend, BackendError},
    model::checkpoint::Done,
    op::MatrixAxes,
    tensor::HostTensor,
};

/// Columns that are on the host at once.
const N_COLUMNS: usize = 256;

/// A sparse autoencoder. What stands on the right of a product is a matrix `M` of a backend, what every row needs is a
/// tensor `T` there, and what only pairs need is on the host.
pub struct Sae<T, M> {
    pub(super) host: Host,
    pub(super) w_enc: M, // [d_in d_sae]
    /// What `x' W_enc` is multiplied by before `b_enc` is added. [d_sae]
    pub(super) scale: Option<T>,
    pub(super) b_enc: T, // [d_sae]
    /// W_dec, a feature a column. [d_out d_sae]
    pub(super) w_dec: M,
    pub(super) w_skip: Option<M>, // [d_in d_out]
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
        let (w_enc, w_dec, w_skip) =
            (done.matrix("W_enc")?, done.matrix("W_dec")?, done.matrix("W_skip").ok());
        // A device says only when it is asked whether everything found room on it.
        let b_dec = values(b, &mut done, "b_dec").await?;
        if done.vectors.contains_key("scaling_factor") {
            let factors = values(b, &mut done, "scaling_factor").await?;
            if factors.iter().any(|factor| *factor != 1.0) {
                return Err(SaeError::ScalingFactor);
            }
        }
        let thresholds = match config.architecture {
            SaeArchitecture::Jumprelu => Some(values(b, &mut done, "threshold").await?),
            _ => None,
        };
        let decoder_norms = match config.rescale_acts_by_decoder_norm {
            true => Some(lengths(b, &w_dec, config.d_sae).await?),
            false => None,
        };
        let (scale, b_enc, thresholds) = match (config.architecture, &decoder_norms) {
            (SaeArchitecture::Gated, _) => {
                let [b_gate, b_mag, r_mag] = [
                    values(b, &mut done, "b_gate").await?,
                    values(b, &mut done, "b_mag").await?,
                    values(b, &mut done, "r_mag").await?,
                ];
                let (scale, thresholds) = gates(&b_gate, &b_mag, &r_mag);
                (Some(scale), b_mag, Some(thresholds))
            }
            (_, Some(norms)) => {
                let b_enc = values(b, &mut done, "b_enc").await?;
                let b_enc = b_enc.iter().zip(norms).map(|(b_enc, norm)| b_enc * norm).collect();
                (Some(norms.clone()), b_enc, thresholds)
            }
            (_, None) => (None, values(b, &mut done, "b_enc").await?, thresholds),
        };
        Ok(Self {
            scale: scale.map(|scale| upload(b, "sae.scale", scale)).transpose()?,
            b_enc: upload(b, "b_enc", b_enc)?,
            host: Host::new(config, b_dec, thresholds, decoder_norms),
            w_enc,
            w_dec,
            w_skip,
        })
    }

    /// Its sizes and choices.
    pub fn config(&self) -> &SaeConfig {
        &self.host.config
    }

    /// Bytes that it takes on the backend.
    pub fn memory_bytes<B: Backend<Tensor = T, Matrix = M>>(&self, b: &B) -> u64 {
        let matrices = [Some(&self.w_enc), Some(&self.w_dec), self.w_skip.as_ref()];
        let of_matrices: u64 = matrices.into_iter().flatten().map(|w| b.matrix_bytes(w)).sum();
        of_matrices + (self.config().d_sae * size_of::<f32>()) as u64
    }

    /// The same on another backend; this one stays as it is. One matrix at a time is on the host.
    ///
    /// Errors: one of the two cannot read or hold it.
    pub async fn on<B: Backend<Tensor = T, Matrix = M>, C: Backend>(
        &self,
        from: &B,
        to: &C,
    ) -> Result<SaeOn<C>, BackendError> {
        let tensor = async |x: &T| to.upload("sae", from.read(x).await?);
        let matrix = async |w: &M, axes| to.upload_matrix("sae", from.read_matrix(w).await?, axes);
        Ok(Sae {
            host: self.host.clone(),
            w_enc: matrix(&self.w_enc, MatrixAxes::InOut).await?,
            scale: match &self.scale {
                Some(scale) => Some(tensor(scale).await?),
                None => None,
            },
            b_enc: tensor(&self.b_enc).await?,
            w_dec: matrix(&self.w_dec, MatrixAxes::OutIn).await?,
            w_skip: match &self.w_skip {
                Some(w_skip) => Some(matrix(w_skip, MatrixAxes::OutIn).await?),
                None => None,
            },
        })
    }
}

/// A gate is open where `h + b_gate > 0`, which is `h e + b_mag > b_mag - b_gate e` with e = exp(r_mag): the scale of
/// `pre` and its thresholds.
fn gates(b_gate: &[f32], b_mag: &[f32], r_mag: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let scale: Vec<f32> = r_mag.iter().map(|r| r.exp()).collect();
    let thresholds = b_mag.iter().zip(b_gate).zip(&scale).map(|((b_mag, b_gate), e)| b_mag - b_gate * e);
    let thresholds = thresholds.collect();
    (scale, thresholds)
}

/// A vector of the file, on the host.
async fn values<B: Backend>(b: &B, done: &mut Done<B>, name: &str) -> Result<Vec<f32>, SaeError> {
    Ok(b.read(&done.vector(name)?).await?.into_data())
}

fn upload<B: Backend>(b: &B, label: &str, values: Vec<f32>) -> Result<B::Tensor, BackendError> {
    b.upload(label, HostTensor::new(vec![values.len()], values)?)
}

/// The length of every column of a weight. [out]
async fn lengths<B: Backend>(b: &B, w: &B::Matrix, n_out: usize) -> Result<Vec<f32>, BackendError> {
    let mut lengths = Vec::with_capacity(n_out);
    for first in (0..n_out).step_by(N_COLUMNS) {
        let columns: Vec<u32> = (first as u32..n_out.min(first + N_COLUMNS) as u32).collect();
        let columns = b.read(&b.columns(w, &columns)?).await?; // [column in]
        let length = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32;
        lengths.extend(columns.data().chunks_exact(columns.last_axis()).map(length));
    }
    Ok(lengths)
}
