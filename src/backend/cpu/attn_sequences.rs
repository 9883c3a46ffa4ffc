//! Attention of several sequences that continue one base.

use super::{CpuTensor, Real, attn_mix::attn_mix, attn_scores::attn_scores, softmax::softmax};
use crate::backend::Sequence;

/// softmax(q·k / scale) v, sequence by sequence; keys and values are `[base, own]`.
pub(super) fn attn_sequences<R: Real>(
    q: &CpuTensor<R>,
    [base_k, own_k]: [&CpuTensor<R>; 2],
    [base_v, own_v]: [&CpuTensor<R>; 2],
    sequences: &[Sequence],
    scale: R,
) -> CpuTensor<R> {
    let row_len = q.shape[1] * q.shape[2];
    let rows =
        |x: &CpuTensor<R>, start: usize, len: usize| x.data[start * row_len..][..len * row_len].to_vec();
    let tensor =
        |values: Vec<R>| CpuTensor::new(vec![values.len() / row_len, q.shape[1], q.shape[2]], values);
    let mut z = Vec::with_capacity(q.data.len());
    for Sequence { start, len, n_past } in sequences.iter().copied() {
        let after = |base: &CpuTensor<R>, own: &CpuTensor<R>| {
            tensor([rows(base, 0, n_past), rows(own, start, len)].concat())
        };
        let scores = attn_scores(&tensor(rows(q, start, len)), &after(base_k, own_k), scale);
        z.extend_from_slice(attn_mix(&softmax(scores), &after(base_v, own_v)).values());
    }
    CpuTensor::new(q.shape.clone(), z)
}
