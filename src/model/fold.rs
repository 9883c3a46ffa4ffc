//! Weight processing: other weights for the same function, easier to read.
//!
//! As TransformerLens' `from_pretrained` does by default: fold_ln, center_writing_weights, center_unembed,
//! fold_value_biases, in this order. Log-probabilities, patterns and MLP activations do not change; the
//! residual stream loses its mean over d_model, logits their mean over the vocabulary.
//!
//! What an RMSNorm reads is not centred, since it does not centre; nor is an unembedding whose logits are capped. Norms
//! of queries and keys and of what is written stay: nothing linear follows them directly.
//!
//! The raw weights stay where they are; one matrix at a time comes to the host, and goes back as another.

use super::{
    ModelConfig,
    weights::{Affine, AttnWeights, BlockWeights, MlpWeights, OnBackend, W_E, W_POS, W_U, Weights},
};
use crate::{
    backend::{Backend, BackendError},
    op::{MatrixAxes, NormKind},
    tensor::HostTensor,
};

mod matrices;

pub use matrices::{AttnMatrices, attn_matrices};

/// All four steps. The unembedding is no longer the embedding afterwards.
///
/// Errors: the backend cannot hold both forms.
pub async fn process<B: Backend>(
    b: &B,
    config: &ModelConfig,
    raw: &OnBackend<B>,
) -> Result<OnBackend<B>, BackendError> {
    let (w_u, b_u) = unembedding(b, config, raw).await?;
    let mut blocks = Vec::with_capacity(raw.blocks.len());
    for (layer, block) in raw.blocks.iter().enumerate() {
        blocks.push(Block { b, config, axes: raw.axes, layer }.process(block).await?);
    }
    let (mut w_e, mut w_pos) = (raw.w_e.clone(), raw.w_pos.clone());
    if centres(config) {
        let mut centred = b.read_matrix(&raw.w_e).await?;
        center_rows(&mut centred);
        w_e = b.upload_matrix(W_E, centred, MatrixAxes::OutIn)?;
        if let Some(raw) = &raw.w_pos {
            let mut centred = b.read(raw).await?;
            center_rows(&mut centred);
            w_pos = Some(b.upload(W_POS, centred)?);
        }
    }
    let axes = MatrixAxes::InOut;
    Ok(Weights { axes, w_e, w_pos, blocks, ln_final: folded(), w_u: Some(w_u), b_u: Some(b_u) })
}

/// Whether the norms take away the mean of what they read.
fn centres(config: &ModelConfig) -> bool {
    config.norm == NormKind::LayerNorm
}

/// What is left of a norm whose weight and bias were folded into its readers.
fn folded<T>() -> Affine<T> {
    Affine { w: None, b: None }
}

/// One block on a backend.
struct Block<'b, B> {
    b: &'b B,
    config: &'b ModelConfig,
    /// How its matrices are stored.
    axes: MatrixAxes,
    layer: usize,
}

impl<B: Backend> Block<'_, B> {
    async fn process(
        &self,
        raw: &BlockWeights<B::Tensor, B::Matrix>,
    ) -> Result<BlockWeights<B::Tensor, B::Matrix>, BackendError> {
        let AttnWeights { w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o, q_norm, k_norm } = &raw.attn;
        let ln1 = read_affine(self.b, &raw.ln1).await?;
        let (w_q, b_q) = self.reader("attn.W_Q", &ln1, w_q, b_q.as_ref()).await?;
        let (w_k, b_k) = self.reader("attn.W_K", &ln1, w_k, b_k.as_ref()).await?;
        let (w_v, b_v) = self.reader("attn.W_V", &ln1, w_v, b_v.as_ref()).await?;
        let of_heads = b_v.as_ref().map(|b_v| self.for_each_head(b_v));
        let (w_o, b_o) = self.writer("attn.W_O", w_o, b_o.as_ref(), of_heads).await?;
        let b_v = b_v.map(|b_v| HostTensor::full(b_v.shape().to_vec(), 0.0));
        let attn = AttnWeights {
            w_q,
            w_k,
            w_v,
            w_o,
            b_q: self.upload("attn.b_Q", b_q)?,
            b_k: self.upload("attn.b_K", b_k)?,
            b_v: self.upload("attn.b_V", b_v)?,
            b_o,
            q_norm: q_norm.clone(),
            k_norm: k_norm.clone(),
        };
        let mlp = match &raw.mlp {
            Some(mlp) => Some(self.process_mlp(mlp).await?),
            None => None,
        };
        Ok(BlockWeights { ln1: folded(), attn, ln1_post: raw.ln1_post.clone(), mlp })
    }

    async fn process_mlp(
        &self,
        raw: &MlpWeights<B::Tensor, B::Matrix>,
    ) -> Result<MlpWeights<B::Tensor, B::Matrix>, BackendError> {
        let MlpWeights { ln2, w_gate, w_in, w_out, b_in, b_out, ln2_post } = raw;
        let ln2 = read_affine(self.b, ln2).await?;
        let w_gate = match w_gate {
            Some(w_gate) => Some(self.reader("mlp.W_gate", &ln2, w_gate, None).await?.0),
            None => None,
        };
        let (w_in, b_in) = self.reader("mlp.W_in", &ln2, w_in, b_in.as_ref()).await?;
        let (w_out, b_out) = self.writer("mlp.W_out", w_out, b_out.as_ref(), None).await?;
        let b_in = self.upload("mlp.b_in", b_in)?;
        Ok(MlpWeights { ln2: folded(), w_gate, w_in, w_out, b_in, b_out, ln2_post: ln2_post.clone() })
    }

    /// A matrix that reads a norm's output, with the norm folded in.
    async fn reader(
        &self,
        name: &str,
        ln: &Affine<HostTensor>,
        w: &B::Matrix,
        bias: Option<&B::Tensor>,
    ) -> Result<(B::Matrix, Option<HostTensor>), BackendError> {
        let mut w = self.read(w).await?;
        let mut bias = self.read_vector(bias).await?;
        if ln.b.is_some() && bias.is_none() {
            bias = Some(HostTensor::full(vec![w.last_axis()], 0.0));
        }
        fold_into(ln, centres(self.config), &mut w, bias.as_mut());
        Ok((self.b.upload_matrix(&self.name(name), w, MatrixAxes::InOut)?, bias))
    }

    /// A matrix that writes to the stream, centred if its readers centre; with a bias before it that goes into the
    /// one after it.
    async fn writer(
        &self,
        name: &str,
        w: &B::Matrix,
        bias: Option<&B::Tensor>,
        before: Option<HostTensor>,
    ) -> Result<(B::Matrix, Option<B::Tensor>), BackendError> {
        let mut w = self.read(w).await?;
        let mut bias = self.read_vector(bias).await?;
        if centres(self.config) {
            center_rows(&mut w);
            bias.iter_mut().for_each(center_rows);
        }
        if let Some(before) = before {
            let none = || HostTensor::full(vec![w.last_axis()], 0.0);
            fold_value_bias(&before, &w, bias.get_or_insert_with(none));
        }
        let bias = bias.map(|bias| self.b.upload(&format!("{}, bias", self.name(name)), bias)).transpose()?;
        Ok((self.b.upload_matrix(&self.name(name), w, MatrixAxes::InOut)?, bias))
    }

    /// Of the values that several heads share: once for each head. `[(kv d_head)] -> [(head d_head)]`
    fn for_each_head(&self, b_v: &HostTensor) -> HostTensor {
        let ModelConfig { n_heads, n_kv_heads, d_head, .. } = *self.config;
        let of_head = |head: usize| &b_v.data()[head * n_kv_heads / n_heads * d_head..][..d_head];
        let values = (0..n_heads).flat_map(of_head).copied().collect();
        HostTensor::new(vec![n_heads * d_head], values).expect("d_head values for each head")
    }

    /// `[in out]`, however it is stored.
    async fn read(&self, w: &B::Matrix) -> Result<HostTensor, BackendError> {
        let stored = self.b.read_matrix(w).await?;
        match self.axes {
            MatrixAxes::InOut => Ok(stored),
            MatrixAxes::OutIn => Ok(transposed(&stored)),
        }
    }

    async fn read_vector(&self, x: Option<&B::Tensor>) -> Result<Option<HostTensor>, BackendError> {
        match x {
            Some(x) => Ok(Some(self.b.read(x).await?)),
            None => Ok(None),
        }
    }

    fn upload(&self, name: &str, vector: Option<HostTensor>) -> Result<Option<B::Tensor>, BackendError> {
        vector.map(|vector| self.b.upload(&self.name(name), vector)).transpose()
    }

    fn name(&self, name: &str) -> String {
        format!("blocks.{}.{name}", self.layer)
    }
}

fn transposed(w: &HostTensor) -> HostTensor {
    let (n_rows, n_cols) = (w.shape()[0], w.last_axis());
    let column = |col: usize| (0..n_rows).map(move |row| w.data()[row * n_cols + col]);
    let values = (0..n_cols).flat_map(column).collect();
    HostTensor::new(vec![n_cols, n_rows], values).expect("as many values as before")
}

async fn read_affine<B: Backend>(
    b: &B,
    affine: &Affine<B::Tensor>,
) -> Result<Affine<HostTensor>, BackendError> {
    let mut host = folded();
    if let Some(w) = &affine.w {
        host.w = Some(b.read(w).await?);
    }
    if let Some(bias) = &affine.b {
        host.b = Some(b.read(bias).await?);
    }
    Ok(host)
}

/// W_U and b_U: ln_final folded in, then centred over the vocabulary, which moves the logits by one constant
/// per position.
async fn unembedding<B: Backend>(
    b: &B,
    config: &ModelConfig,
    raw: &OnBackend<B>,
) -> Result<(B::Matrix, B::Tensor), BackendError> {
    let ln = read_affine(b, &raw.ln_final).await?;
    let mut w_u = b.read_matrix(raw.w_u.as_ref().unwrap_or(&raw.w_e)).await?; // [d_vocab d_model]
    let mut b_u = match &raw.b_u {
        Some(b_u) => b.read(b_u).await?,
        None => HostTensor::full(vec![w_u.shape()[0]], 0.0),
    };
    fold_into_rows(&ln, centres(config), &mut w_u, &mut b_u);
    // A cap is not linear: it would notice a constant.
    if config.logit_soft_cap.is_none() {
        center_columns(&mut w_u);
        center_rows(&mut b_u);
    }
    Ok((b.upload_matrix(W_U, w_u, MatrixAxes::OutIn)?, b.upload("unembed.b_U", b_u)?))
}

/// `b += ln_b · W`, then `W *= ln_w` row by row, then `W -= mean over d_model`, if the norm centres: W has zero mean
/// along d_model, which the norm's own centring makes harmless. w: [d_model out], b: [out]
fn fold_into(ln: &Affine<HostTensor>, centres: bool, w: &mut HostTensor, b: Option<&mut HostTensor>) {
    let n_out = w.last_axis();
    let d_model = w.shape()[0];
    let mut bias = vec![0.0_f64; n_out];
    let mut mean = vec![0.0_f64; n_out];
    for d in 0..d_model {
        let (ln_w, ln_b) = (at(ln.w.as_ref(), d, 1.0), at(ln.b.as_ref(), d, 0.0));
        let row = &mut w.data_mut()[d * n_out..(d + 1) * n_out];
        for (out, w) in row.iter_mut().enumerate() {
            bias[out] += f64::from(ln_b) * f64::from(*w);
            *w *= ln_w;
            mean[out] += f64::from(*w) / d_model as f64;
        }
    }
    if centres {
        subtract_from_rows(w, &mean);
    }
    if let Some(b) = b {
        b.data_mut().iter_mut().zip(bias).for_each(|(b, bias)| *b = (f64::from(*b) + bias) as f32);
    }
}

/// The same for a matrix that is stored by its columns. w: [out d_model], b: [out]
fn fold_into_rows(ln: &Affine<HostTensor>, centres: bool, w: &mut HostTensor, b: &mut HostTensor) {
    let d_model = w.last_axis().max(1);
    for (row, b) in w.data_mut().chunks_exact_mut(d_model).zip(b.data_mut()) {
        let (mut bias, mut mean) = (f64::from(*b), 0.0);
        for (d, w) in row.iter_mut().enumerate() {
            bias += f64::from(at(ln.b.as_ref(), d, 0.0)) * f64::from(*w);
            *w *= at(ln.w.as_ref(), d, 1.0);
            mean += f64::from(*w) / d_model as f64;
        }
        if centres {
            row.iter_mut().for_each(|w| *w = (f64::from(*w) - mean) as f32);
        }
        *b = bias as f32;
    }
}

fn at(vector: Option<&HostTensor>, idx: usize, default: f32) -> f32 {
    vector.map_or(default, |vector| vector.data()[idx])
}

/// Subtracts the mean of every row: what is written to the stream may lose it, because every reader centres.
fn center_rows(w: &mut HostTensor) {
    let n = w.last_axis().max(1);
    for row in w.data_mut().chunks_exact_mut(n) {
        let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64;
        row.iter_mut().for_each(|v| *v = (f64::from(*v) - mean) as f32);
    }
}

/// Subtracts the mean of every column.
fn center_columns(w: &mut HostTensor) {
    let mut mean = vec![0.0_f64; w.last_axis()];
    for row in w.data().chunks_exact(mean.len().max(1)) {
        mean.iter_mut().zip(row).for_each(|(mean, w)| *mean += f64::from(*w));
    }
    let n_rows = w.shape()[0] as f64;
    mean.iter_mut().for_each(|mean| *mean /= n_rows);
    subtract_from_rows(w, &mean);
}

fn subtract_from_rows(w: &mut HostTensor, mean: &[f64]) {
    for row in w.data_mut().chunks_exact_mut(mean.len().max(1)) {
        row.iter_mut().zip(mean).for_each(|(w, mean)| *w = (f64::from(*w) - mean) as f32);
    }
}

/// `b_O += b_V W_O`; b_V may then be 0, because the rows of a pattern sum to 1.
fn fold_value_bias(b_v: &HostTensor, w_o: &HostTensor, b_o: &mut HostTensor) {
    let mut bias: Vec<f64> = b_o.data().iter().map(|b| f64::from(*b)).collect();
    for (idx, b_v) in b_v.data().iter().enumerate() {
        bias.iter_mut().zip(w_o.row(idx)).for_each(|(bias, w)| *bias += f64::from(*b_v) * f64::from(*w));
    }
    b_o.data_mut().iter_mut().zip(bias).for_each(|(b, bias)| *b = bias as f32);
}
