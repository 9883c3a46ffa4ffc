//! What an MLP writes to the stream.

use super::Pass;
use crate::{
    backend::Backend,
    hook::Site,
    model::{tap::Tap, weights::MlpWeights},
};

impl<B: Backend, P: Tap<B>> Pass<'_, B, P> {
    /// f(x W_in + b_in) W_out + b_out, or with a gate (f(x W_gate) * (x W_in)) W_out. [pos d_model]
    pub(super) fn mlp(
        &mut self,
        w: &MlpWeights<B::Tensor, B::Matrix>,
        resid: &B::Tensor,
    ) -> Result<B::Tensor, P::Error> {
        let activation = self.config.activation;
        let mlp_in = self.at(Site::MlpIn, resid.clone())?;
        let normed = self.block_norm([Site::Ln2Scale, Site::Ln2Normalized], &w.ln2, &mlp_in)?;
        let linear = self.b.linear(&normed, &w.w_in, w.b_in.as_ref())?; // [pos d_mlp]
        let post = match &w.w_gate {
            None => {
                let pre = self.at(Site::MlpPre, linear)?;
                self.b.activate(pre, activation)?
            }
            Some(w_gate) => {
                let gate = self.b.linear(&normed, w_gate, None)?; // [pos d_mlp]
                let gate = self.at(Site::MlpPre, gate)?;
                let linear = self.at(Site::MlpPreLinear, linear)?;
                self.b.gated(gate, &linear, activation)?
            }
        };
        let post = self.at(Site::MlpPost, post)?; // [pos d_mlp]
        Ok(self.b.linear(&post, &w.w_out, w.b_out.as_ref())?)
    }
}
