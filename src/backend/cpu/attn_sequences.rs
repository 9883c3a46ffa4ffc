//! Attention of several sequences that continue one base.

use super::{CpuTensor, Real, attn_mix::attn_mix, attn_scores::attn_scores, softmax::softmax};
use crate::{backend::Sequence, op::Scoring};

/// softmax(q·k / scale) v, sequence by sequence; keys and values are `[base, own]`.
pub(super) fn attn_sequences<R: Real>(
    q: &CpuTensor<R>,
    [base_k, own_k]: [&CpuTensor<R>; 2],
    [base_v, own_v]: [&CpuTensor<R>; 2],
    sequences: &[Sequence],
    scoring: Scoring,
) -> CpuTensor<R> {
    let rows = |x: &CpuTensor<R>, start: usize, len: usize| {
        let row_len = x.shape[1] * x.shape[2];
        x.data[start * row_len..][..len * row_len].to_vec()
    };
    let tensor =
        |n_rows, of: &CpuTensor<R>, values| CpuTensor::new(vec![n_rows, of.shape[1], of.shape[2]], values);
    let mut z = Vec::with_capacity(q.data.len());
    for Sequence { start, len, n_past } in sequences.iter().copied() {
        let after = |base: &CpuTensor<R>, own: &CpuTensor<R>| {
            tensor(n_past + len, own, [rows(base, 0, n_past), rows(own, start, len)].concat())
        };
        let scores = attn_scores(&tensor(len, q, rows(q, start, len)), &after(base_k, own_k), scoring);
        z.extend_from_slice(attn_mix(&softmax(scores), &after(base_v, own_v)).values());
    }
    CpuTensor::new(q.shape.clone(), z)
}
