//! From features back to a value of the model.

use std::collections::BTreeMap;

use super::{EncodeError, Sae};
use crate::{
    backend::{Backend, BackendError},
    run::Features,
    tensor::HostTensor,
};

/// Directions that are on the host at once.
const N_DIRECTIONS: usize = 1024;

/// What features come to.
pub struct Decoded {
    /// `f W_dec + b_dec`. [row d_out]
    pub recons: HostTensor,
    /// The same with the normalisation undone and the skip connection added: what stands for the model's value.
    /// [row d_out]
    pub output: HostTensor,
}

impl<T: Clone, M: Clone> Sae<T, M> {
    /// What the features of `x` come to, from the directions of the active ones alone. x: [row ..]
    ///
    /// Errors: `x` is of another width; the device.
    pub async fn decode<B: Backend<Tensor = T, Matrix = M>>(
        &self,
        b: &B,
        features: &Features,
        x: &HostTensor,
    ) -> Result<Decoded, EncodeError> {
        let x = self.host.rows_of(x)?;
        let recons = self.recons(b, features).await?;
        let mut output = self.host.output(&recons, &x);
        if let Some(w_skip) = &self.w_skip {
            // einsum: row d_in, d_in d_out -> row d_out
            let skip = b.read(&b.linear(&b.upload("sae.x", x)?, w_skip, None)?).await?;
            output.data_mut().iter_mut().zip(skip.data()).for_each(|(y, skip)| *y += *skip);
        }
        Ok(Decoded { recons, output })
    }

    // einsum: row feature, feature d_out -> row d_out
    async fn recons<B: Backend<Tensor = T, Matrix = M>>(
        &self,
        b: &B,
        features: &Features,
    ) -> Result<HostTensor, EncodeError> {
        let d_out = self.host.b_dec.len();
        let b_dec = self.host.b_dec.iter().map(|v| f64::from(*v));
        let mut sums: Vec<f64> = b_dec.cycle().take(features.n_rows() * d_out).collect();
        let mut by_index = BTreeMap::<u32, Vec<(usize, f32)>>::new();
        for row in 0..features.n_rows() {
            features.row(row).for_each(|(index, f)| by_index.entry(index).or_default().push((row, f)));
        }
        let indices: Vec<u32> = by_index.keys().copied().collect();
        for chunk in indices.chunks(N_DIRECTIONS) {
            let directions = b.read(&b.columns(&self.w_dec, chunk)?).await?; // [feature d_out]
            for (nth, index) in chunk.iter().enumerate() {
                let norms = self.host.decoder_norms.as_ref();
                let norm = norms.map_or(1.0, |norms| f64::from(norms[*index as usize]));
                for (row, f) in &by_index[index] {
                    let (f, sums) = (f64::from(*f) / norm, &mut sums[row * d_out..][..d_out]);
                    sums.iter_mut().zip(directions.row(nth)).for_each(|(sum, w)| *sum += f * f64::from(*w));
                }
            }
        }
        let values = sums.into_iter().map(|sum| sum as f32).collect();
        Ok(HostTensor::new(vec![features.n_rows(), d_out], values).map_err(BackendError::from)?)
    }
}
