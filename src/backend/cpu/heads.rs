//! Products head by head: for reading and writing the residual stream per head.

use std::ops::Range;

use vitrine_kernel::PANEL;

use super::{
    CpuTensor, Real,
    matrix::{CpuMatrix, add_panel_t, times_panel},
};

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
pub(super) fn heads_in<R: Real>(x: &CpuTensor<R>, w: &CpuMatrix<R>) -> CpuTensor<R> {
    let (n_heads, n_in) = (x.shape[1], x.shape[2]);
    let d_head = w.n_out / n_heads;
    let mut y = Vec::with_capacity(x.shape[0] * w.n_out);
    for (row, x) in x.data.chunks_exact(n_in).enumerate() {
        let columns = (row % n_heads) * d_head..(row % n_heads + 1) * d_head; // w[:, head]
        for_panels(columns, |first, lanes| {
            y.extend_from_slice(&times_panel(x, &w.panel(first, 0, w.n_in))[lanes]);
        });
    }
    CpuTensor::new(vec![x.shape[0], n_heads, d_head], y)
}

// einsum: pos head e, (head e) out -> pos head out
pub(super) fn heads_out<R: Real>(z: &CpuTensor<R>, w: &CpuMatrix<R>) -> CpuTensor<R> {
    let (n_heads, d_head) = (z.shape[1], z.shape[2]);
    let mut y = Vec::with_capacity(z.shape[0] * n_heads * w.n_out);
    for (row, z) in z.data.chunks_exact(d_head).enumerate() {
        let first_row = (row % n_heads) * d_head; // w[head, :]
        for_panels(0..w.n_out, |first, lanes| {
            y.extend_from_slice(&times_panel(z, &w.panel(first, first_row, d_head))[lanes]);
        });
    }
    CpuTensor::new(vec![z.shape[0], n_heads, w.n_out], y)
}

/// Calls `f` for each panel that has some of `columns`: its first of them, and their lanes in it.
fn for_panels(columns: Range<usize>, mut f: impl FnMut(usize, Range<usize>)) {
    let mut first = columns.start;
    while first < columns.end {
        let end = (first / PANEL * PANEL + PANEL).min(columns.end);
        f(first, first % PANEL..first % PANEL + (end - first));
        first = end;
    }
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
pub(super) fn heads_in_dx<R: Real>(dy: &CpuTensor<R>, w: &CpuMatrix<R>) -> CpuTensor<R> {
    let (n_heads, d_head) = (dy.shape[1], dy.shape[2]);
    let mut dx = vec![R::zero(); dy.shape[0] * n_heads * w.n_in];
    let rows = dy.data.chunks_exact(d_head).zip(dx.chunks_exact_mut(w.n_in.max(1)));
    for (row, (dy, dx)) in rows.enumerate() {
        let first_column = (row % n_heads) * d_head; // w[:, head]
        for_panels(first_column..first_column + d_head, |first, lanes| {
            let mut eight = [R::zero(); PANEL];
            eight[lanes.clone()].copy_from_slice(&dy[first - first_column..][..lanes.len()]);
            add_panel_t(dx, &eight, &w.panel(first, 0, w.n_in));
        });
    }
    CpuTensor::new(vec![dy.shape[0], n_heads, w.n_in], dx)
}

// einsum: pos head out, (head e) out -> pos head e
pub(super) fn heads_out_dx<R: Real>(dy: &CpuTensor<R>, w: &CpuMatrix<R>, d_head: usize) -> CpuTensor<R> {
    let n_heads = dy.shape[1];
    let mut dz = vec![R::zero(); dy.shape[0] * n_heads * d_head];
    let rows = dy.data.chunks_exact(w.n_out.max(1)).zip(dz.chunks_exact_mut(d_head.max(1)));
    for (row, (dy, dz)) in rows.enumerate() {
        let first_row = (row % n_heads) * d_head; // w[head, :]
        for (idx, dy) in dy.chunks(PANEL).enumerate() {
            let mut eight = [R::zero(); PANEL];
            eight[..dy.len()].copy_from_slice(dy);
            add_panel_t(dz, &eight, &w.panel(idx * PANEL, first_row, d_head));
        }
    }
    CpuTensor::new(vec![dy.shape[0], n_heads, d_head], dz)
}
