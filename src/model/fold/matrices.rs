//! What a layer's heads multiply by, on the host: for products of weights, which need no second copy of a model.

use super::{Block, HostTensor, centres, read_affine};
use crate::{
    backend::{Backend, BackendError},
    model::{ModelConfig, weights::OnBackend},
    run::WeightForm,
};

/// The matrices of one attention layer, in the form `[in out]` of `x @ W`, without their biases.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the field's own names; shapes beside them")]
pub struct AttnMatrices {
    pub w_q: HostTensor, // [d_model (head d_head)]
    pub w_k: HostTensor, // [d_model (kv d_head)]
    pub w_v: HostTensor, // [d_model (kv d_head)]
    pub w_o: HostTensor, // [(head d_head) d_model]
}

/// Those of `layer`, which the model has; processed ones are made of the raw ones here, as [`super::process`] makes
/// them.
///
/// Errors: as the backend.
pub async fn attn_matrices<B: Backend>(
    b: &B,
    config: &ModelConfig,
    raw: &OnBackend<B>,
    layer: usize,
    form: WeightForm,
) -> Result<AttnMatrices, BackendError> {
    let block = Block { b, config, axes: raw.axes, layer };
    let weights = &raw.blocks[layer];
    let mut read = vec![];
    for w in [&weights.attn.w_q, &weights.attn.w_k, &weights.attn.w_v, &weights.attn.w_o] {
        read.push(block.read(w).await?);
    }
    let [mut w_q, mut w_k, mut w_v, mut w_o] = read.try_into().expect("four matrices");
    if form == WeightForm::Processed {
        let ln1 = read_affine(b, &weights.ln1).await?;
        for reader in [&mut w_q, &mut w_k, &mut w_v] {
            super::fold_into(&ln1, centres(config), reader, None);
        }
        if centres(config) {
            super::center_rows(&mut w_o);
        }
    }
    Ok(AttnMatrices { w_q, w_k, w_v, w_o })
}
