//! What each head gathers: its pattern applied to the values.

use std::iter::repeat_n;

use vitrine_kernel::HeadRows;

use super::{CpuTensor, Real};

// einsum: head q k, k kv e -> q head e
pub(super) fn attn_mix<R: Real>(pattern: &CpuTensor<R>, v: &CpuTensor<R>) -> CpuTensor<R> {
    let (n_heads, n_q, n_k) = (pattern.shape[0], pattern.shape[1], pattern.shape[2]);
    let d_head = v.shape[2];
    let mut z = vec![R::zero(); n_q * n_heads * d_head];
    let n_sharing = n_heads / v.shape[1].max(1);
    if n_q == 1 {
        of_one_query(&pattern.data, v, &mut z);
        return CpuTensor::new(vec![n_q, n_heads, d_head], z);
    }
    for (head, pattern) in pattern.data.chunks_exact((n_q * n_k).max(1)).enumerate() {
        R::attn_mix(pattern, v.head_rows(head / n_sharing), &mut z[head * d_head..], n_heads * d_head);
    }
    CpuTensor::new(vec![n_q, n_heads, d_head], z)
}

/// As for the scores of one query: the values are read as they lie.
fn of_one_query<R: Real>(pattern: &[R], v: &CpuTensor<R>, z: &mut [R]) {
    let (n_k, d_head) = (v.shape[0], v.shape[2].max(1));
    let n_sharing = z.len() / (v.shape[1] * d_head).max(1);
    for (k_pos, values) in v.data.chunks_exact((v.shape[1] * d_head).max(1)).enumerate() {
        let shared = values.chunks_exact(d_head).flat_map(|values| repeat_n(values, n_sharing));
        for (head, (values, z)) in shared.zip(z.chunks_exact_mut(d_head)).enumerate() {
            R::add_multiple(z, pattern[head * n_k + k_pos], values);
        }
    }
}

/// The reference, for one head.
pub(super) fn plain<R: Real>(pattern: &[R], v: HeadRows<'_, R>, z: &mut [R], z_stride: usize) {
    for (row, q_pos) in pattern.chunks_exact(v.n_rows().max(1)).zip(0..) {
        let out = &mut z[q_pos * z_stride..][..v.d_head()]; // z[q_pos, head, :]
        for (k_pos, p) in row.iter().enumerate() {
            out.iter_mut().zip(v.row(k_pos)).for_each(|(z, v)| *z += *p * *v);
        }
    }
}

/// Of [`attn_mix`], towards the values.
// einsum: head q k, q head e -> k kv e
pub(super) fn attn_mix_t<R: Real>(
    pattern: &CpuTensor<R>,
    dz: &CpuTensor<R>,
    n_kv_heads: usize,
) -> CpuTensor<R> {
    let (n_heads, n_q, n_k) = (pattern.shape[0], pattern.shape[1], pattern.shape[2]);
    let d_head = dz.shape[2];
    let mut dv = vec![R::zero(); n_k * n_kv_heads * d_head];
    let n_sharing = n_heads / n_kv_heads.max(1);
    for head in 0..n_heads {
        for q_pos in 0..n_q {
            let row = &pattern.data[(head * n_q + q_pos) * n_k..][..n_k];
            let dz = &dz.data[(q_pos * n_heads + head) * d_head..][..d_head]; // dz[q_pos, head, :]
            for (k_pos, p) in row.iter().enumerate() {
                let out = &mut dv[(k_pos * n_kv_heads + head / n_sharing) * d_head..][..d_head];
                R::add_multiple(out, *p, dz);
            }
        }
    }
    CpuTensor::new(vec![n_k, n_kv_heads, d_head], dv)
}
