//! Weight processing: other weights for the same function, easier to read.
//!
//! As TransformerLens' `from_pretrained` does by default: fold_ln, center_writing_weights, center_unembed,
//! fold_value_biases, in this order. Log-probabilities, patterns and MLP activations do not change; the
//! residual stream loses its mean over d_model, logits their mean over the vocabulary.

use super::weights::{Affine, AttnWeights, Weights};
use crate::tensor::HostTensor;

/// All four steps. The unembedding is no longer the embedding afterwards.
pub fn process(weights: &mut Weights<HostTensor>) {
    fold_ln(weights);
    center_writing_weights(weights);
    center_unembed(weights);
    fold_value_biases(weights);
}

/// Folds each norm's weight and bias into the matrices that read it, then centres those: W has zero mean
/// along d_model, which the norm's own centring makes harmless.
fn fold_ln(weights: &mut Weights<HostTensor>) {
    for block in &mut weights.blocks {
        let ln1 = take(&mut block.ln1);
        let AttnWeights { w_q, w_k, w_v, b_q, b_k, b_v, .. } = &mut block.attn;
        for (w, b) in [(w_q, b_q), (w_k, b_k), (w_v, b_v)] {
            fold_into(&ln1, w, b);
        }
        if let Some(mlp) = &mut block.mlp {
            let ln2 = take(&mut mlp.ln2);
            fold_into(&ln2, &mut mlp.w_in, &mut mlp.b_in);
        }
    }
    let ln_final = take(&mut weights.ln_final);
    // W_U is stored [d_vocab d_model]; folding speaks of [d_model d_vocab].
    let mut w_u = weights.w_u.as_ref().unwrap_or(&weights.w_e).transposed();
    let d_vocab = w_u.last_axis();
    let mut b_u = weights.b_u.take().unwrap_or_else(|| HostTensor::full(vec![d_vocab], 0.0));
    fold_into(&ln_final, &mut w_u, &mut b_u);
    weights.w_u = Some(w_u.transposed());
    weights.b_u = Some(b_u);
}

fn take(affine: &mut Affine<HostTensor>) -> Affine<HostTensor> {
    Affine { w: affine.w.take(), b: affine.b.take() }
}

/// `b += ln_b · W`, then `W *= ln_w` row by row, then `W -= mean over d_model`. w: [d_model out], b: [out]
fn fold_into(ln: &Affine<HostTensor>, w: &mut HostTensor, b: &mut HostTensor) {
    let n_out = w.last_axis();
    let d_model = w.shape()[0];
    let mut bias: Vec<f64> = b.data().iter().map(|b| f64::from(*b)).collect();
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
    for row in w.data_mut().chunks_exact_mut(n_out) {
        row.iter_mut().zip(&mean).for_each(|(w, mean)| *w = (f64::from(*w) - mean) as f32);
    }
    b.data_mut().iter_mut().zip(bias).for_each(|(b, bias)| *b = bias as f32);
}

fn at(vector: Option<&HostTensor>, idx: usize, default: f32) -> f32 {
    vector.map_or(default, |vector| vector.data()[idx])
}

/// Subtracts the d_model mean from every row that is written to the stream: every reader centres first.
fn center_writing_weights(weights: &mut Weights<HostTensor>) {
    center_rows(&mut weights.w_e);
    center_rows(&mut weights.w_pos);
    for block in &mut weights.blocks {
        center_rows(&mut block.attn.w_o);
        center_rows(&mut block.attn.b_o);
        if let Some(mlp) = &mut block.mlp {
            center_rows(&mut mlp.w_out);
            center_rows(&mut mlp.b_out);
        }
    }
}

fn center_rows(w: &mut HostTensor) {
    let n = w.last_axis().max(1);
    for row in w.data_mut().chunks_exact_mut(n) {
        let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64;
        row.iter_mut().for_each(|v| *v = (f64::from(*v) - mean) as f32);
    }
}

/// Subtracts the mean over the vocabulary: logits move by one constant per position.
fn center_unembed(weights: &mut Weights<HostTensor>) {
    if let Some(w_u) = &mut weights.w_u {
        let mut by_dim = w_u.transposed(); // [d_model d_vocab]
        center_rows(&mut by_dim);
        *w_u = by_dim.transposed();
    }
    weights.b_u.iter_mut().for_each(center_rows);
}

/// `b_O += b_V W_O`, `b_V = 0`: the rows of a pattern sum to 1.
fn fold_value_biases(weights: &mut Weights<HostTensor>) {
    for block in &mut weights.blocks {
        let AttnWeights { b_v, w_o, b_o, .. } = &mut block.attn;
        let mut bias: Vec<f64> = b_o.data().iter().map(|b| f64::from(*b)).collect();
        for (idx, b_v) in b_v.data_mut().iter_mut().enumerate() {
            for (bias, w) in bias.iter_mut().zip(w_o.row(idx)) {
                *bias += f64::from(*b_v) * f64::from(*w);
            }
            *b_v = 0.0;
        }
        b_o.data_mut().iter_mut().zip(bias).for_each(|(b, bias)| *b = bias as f32);
    }
}
