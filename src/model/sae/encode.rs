//! From a value of the model to its features.

use super::{EncodeError, Sae};
use crate::{backend::Backend, run::Features, tensor::HostTensor};

/// How many times more entries are looked at where some were not enough.
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
        let x = b.upload("sae.x", self.host.input(x)?)?;
        let pre = self.pre(b, &x)?; // [row d_sae]
        let mut n = self.host.n_first(at_most);
        loop {
            let largest = b.read(&b.top_k(&pre, n)?).await?; // [row n 2]
            if let Some(features) = self.host.chosen(&largest, at_most)? {
                return Ok(features);
            }
            n = (n * MORE).min(self.config().d_sae);
        }
    }

    /// `x' W_enc + b_enc`, or what the architecture has in its place.
    // einsum: row d_in, d_in d_sae -> row d_sae
    fn pre<B: Backend<Tensor = T, Matrix = M>>(&self, b: &B, x: &T) -> Result<T, EncodeError> {
        Ok(match &self.scale {
            None => b.linear(x, &self.w_enc, Some(&self.b_enc))?,
            // Gated: `h exp(r_mag) + b_mag`; rescaled by norms n: `h n + b_enc n`.
            scale => b.affine(b.linear(x, &self.w_enc, None)?, scale.as_ref(), Some(&self.b_enc))?,
        })
    }
}
