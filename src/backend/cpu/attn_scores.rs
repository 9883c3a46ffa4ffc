//! Attention scores: q·k / scale, causally masked.

use super::{CpuTensor, Real, dot};

// einsum: q head e, k head e -> head q k
pub(super) fn attn_scores<R: Real>(q: &CpuTensor<R>, k: &CpuTensor<R>, scale: R) -> CpuTensor<R> {
    let (n_q, n_heads, d_head) = (q.shape[0], q.shape[1], q.shape[2]);
    let n_k = k.shape[0];
    let n_past = n_k - n_q;
    let at = |pos: usize, head: usize| (pos * n_heads + head) * d_head;
    // A key after its query stays at -inf, as TransformerLens' hook_attn_scores has it.
    let mut scores = vec![R::neg_infinity(); n_heads * n_q * n_k];
    for head in 0..n_heads {
        for q_pos in 0..n_q {
            let query = &q.data[at(q_pos, head)..][..d_head];
            for k_pos in 0..=n_past + q_pos {
                let key = &k.data[at(k_pos, head)..][..d_head];
                let dot = query.iter().zip(key).map(|(q, k)| *q * *k).sum::<R>();
                scores[(head * n_q + q_pos) * n_k + k_pos] = dot / scale;
            }
        }
    }
    CpuTensor::new(vec![n_heads, n_q, n_k], scores)
}

/// Of `attn_mix`, towards the pattern: not masked, for a pattern can be edited anywhere.
// einsum: q head e, k head e -> head q k
pub(super) fn attn_dots<R: Real>(dz: &CpuTensor<R>, v: &CpuTensor<R>) -> CpuTensor<R> {
    let (n_q, n_heads, d_head) = (dz.shape[0], dz.shape[1], dz.shape[2]);
    let n_k = v.shape[0];
    let row = |x: &[R], pos: usize, head: usize| (pos * n_heads + head) * d_head..x.len();
    let mut dots = Vec::with_capacity(n_heads * n_q * n_k);
    for head in 0..n_heads {
        for q_pos in 0..n_q {
            let dz = &dz.data[row(&dz.data, q_pos, head)][..d_head];
            dots.extend((0..n_k).map(|k_pos| dot(dz, &v.data[row(&v.data, k_pos, head)][..d_head])));
        }
    }
    CpuTensor::new(vec![n_heads, n_q, n_k], dots)
}
