//! Products head by head: for reading and writing the residual stream per head.

use super::{CpuTensor, Real};

/// `[pos d] -> [pos head d]`, the same row for each head.
pub(super) fn repeat_heads<R: Real>(x: &CpuTensor<R>, n_heads: usize) -> CpuTensor<R> {
    let d = x.last();
    let mut y = Vec::with_capacity(x.data.len() * n_heads);
    for row in x.data.chunks_exact(d.max(1)) {
        for _ in 0..n_heads {
            y.extend_from_slice(row);
        }
    }
    CpuTensor::new(vec![x.shape[0], n_heads, d], y)
}

// einsum: pos head in, in (head e) -> pos head e
pub(super) fn heads_in<R: Real>(x: &CpuTensor<R>, w: &CpuTensor<R>) -> CpuTensor<R> {
    let (n_heads, n_in, width) = (x.shape[1], x.shape[2], w.shape[1]);
    let d_head = width / n_heads;
    let mut y = vec![R::zero(); x.shape[0] * width];
    for (row, (x, y)) in x.data.chunks_exact(n_in).zip(y.chunks_exact_mut(d_head)).enumerate() {
        let first_col = (row % n_heads) * d_head; // w[:, head]
        for (i, x) in x.iter().enumerate() {
            let w = &w.data[i * width + first_col..][..d_head];
            y.iter_mut().zip(w).for_each(|(y, w)| *y += *x * *w);
        }
    }
    CpuTensor::new(vec![x.shape[0], n_heads, d_head], y)
}

// einsum: pos head e, (head e) out -> pos head out
pub(super) fn heads_out<R: Real>(z: &CpuTensor<R>, w: &CpuTensor<R>) -> CpuTensor<R> {
    let (n_heads, d_head, n_out) = (z.shape[1], z.shape[2], w.shape[1]);
    let mut y = vec![R::zero(); z.shape[0] * n_heads * n_out];
    for (row, (z, y)) in z.data.chunks_exact(d_head).zip(y.chunks_exact_mut(n_out)).enumerate() {
        let first_row = (row % n_heads) * d_head; // w[head, :]
        for (e, z) in z.iter().enumerate() {
            let w = &w.data[(first_row + e) * n_out..][..n_out];
            y.iter_mut().zip(w).for_each(|(y, w)| *y += *z * *w);
        }
    }
    CpuTensor::new(vec![z.shape[0], n_heads, n_out], y)
}

/// `[pos head d] -> [pos d]`
pub(super) fn sum_heads<R: Real>(x: &CpuTensor<R>) -> CpuTensor<R> {
    let (n_pos, n_heads, d) = (x.shape[0], x.shape[1], x.shape[2]);
    let mut y = vec![R::zero(); n_pos * d];
    for (row, x) in x.data.chunks_exact(d).enumerate() {
        let out_pos = &mut y[row / n_heads * d..][..d]; // y[pos, :]
        out_pos.iter_mut().zip(x).for_each(|(y, x)| *y += *x);
    }
    CpuTensor::new(vec![n_pos, d], y)
}

// einsum: pos head e, in (head e) -> pos head in
pub(super) fn heads_in_dx<R: Real>(dy: &CpuTensor<R>, w: &CpuTensor<R>) -> CpuTensor<R> {
    let (n_heads, d_head, n_in, width) = (dy.shape[1], dy.shape[2], w.shape[0], w.shape[1]);
    let mut dx = Vec::with_capacity(dy.shape[0] * n_heads * n_in);
    for (row, dy) in dy.data.chunks_exact(d_head).enumerate() {
        let first_col = (row % n_heads) * d_head; // w[:, head]
        dx.extend((0..n_in).map(|i| R::dot(dy, &w.data[i * width + first_col..][..d_head])));
    }
    CpuTensor::new(vec![dy.shape[0], n_heads, n_in], dx)
}

// einsum: pos head out, (head e) out -> pos head e
pub(super) fn heads_out_dx<R: Real>(dy: &CpuTensor<R>, w: &CpuTensor<R>, d_head: usize) -> CpuTensor<R> {
    let (n_heads, n_out) = (dy.shape[1], dy.shape[2]);
    let mut dz = Vec::with_capacity(dy.shape[0] * n_heads * d_head);
    for (row, dy) in dy.data.chunks_exact(n_out).enumerate() {
        let first_row = (row % n_heads) * d_head; // w[head, :]
        dz.extend((0..d_head).map(|e| R::dot(dy, &w.data[(first_row + e) * n_out..][..n_out])));
    }
    CpuTensor::new(vec![dy.shape[0], n_heads, d_head], dz)
}
