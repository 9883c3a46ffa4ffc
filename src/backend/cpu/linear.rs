//! Products with a weight.

use vitrine_kernel::{Dims, PANEL};

use super::{
    CpuTensor, Real, dot,
    matrix::{CpuMatrix, add_panel_t},
};

// einsum: .. in, in out -> .. out
pub(super) fn linear<R: Real>(x: &CpuTensor<R>, w: &CpuMatrix<R>, b: Option<&CpuTensor<R>>) -> CpuTensor<R> {
    let dims = Dims { m: x.n_rows(), n: w.n_out, k: w.n_in };
    let mut y = vec![R::zero(); dims.m * dims.n];
    R::gemm_packed(dims, &x.data, &w.panels, b.map(CpuTensor::values), &mut y);
    x.with_last(w.n_out, y)
}

/// Of [`linear`].
// einsum: .. out, in out -> .. in
pub(super) fn linear_dx<R: Real>(dy: &CpuTensor<R>, w: &CpuMatrix<R>) -> CpuTensor<R> {
    let mut dx = vec![R::zero(); dy.n_rows() * w.n_in];
    let rows = dx.chunks_exact_mut(w.n_in.max(1)).zip(dy.data.chunks_exact(w.n_out.max(1)));
    for (dx, dy) in rows {
        for (idx, dy) in dy.chunks(PANEL).enumerate() {
            let mut eight = [R::zero(); PANEL];
            eight[..dy.len()].copy_from_slice(dy);
            add_panel_t(dx, &eight, w.panel(idx * PANEL, 0));
        }
    }
    dy.with_last(w.n_in, dx)
}

/// `y[i, :] = w[:, columns[i]]`
pub(super) fn columns<R: Real>(w: &CpuMatrix<R>, columns: &[u32]) -> CpuTensor<R> {
    let mut y = Vec::with_capacity(columns.len() * w.n_in);
    columns.iter().for_each(|column| y.extend(w.column(*column as usize)));
    CpuTensor::new(vec![columns.len(), w.n_in], y)
}

/// The chosen columns of [`linear`].
pub(super) fn linear_at<R: Real>(
    x: &CpuTensor<R>,
    w: &CpuMatrix<R>,
    b: Option<&CpuTensor<R>>,
    chosen: &[u32],
) -> CpuTensor<R> {
    let w = columns(w, chosen);
    let mut y = Vec::with_capacity(x.n_rows() * chosen.len());
    for x in x.data.chunks_exact(x.last().max(1)) {
        for (w, column) in w.data.chunks_exact(w.last().max(1)).zip(chosen) {
            y.push(dot(x, w) + b.map_or(R::zero(), |b| b.data[*column as usize]));
        }
    }
    x.with_last(chosen.len(), y)
}

/// Of [`linear_at`]: `dx = sum_i dy[.. i] w[:, columns[i]]`
pub(super) fn linear_at_dx<R: Real>(dy: &CpuTensor<R>, w: &CpuMatrix<R>, chosen: &[u32]) -> CpuTensor<R> {
    let w = columns(w, chosen);
    let n_in = w.last().max(1);
    let mut dx = vec![R::zero(); dy.n_rows() * n_in];
    for (dx, dy) in dx.chunks_exact_mut(n_in).zip(dy.data.chunks_exact(chosen.len().max(1))) {
        for (dy, w) in dy.iter().zip(w.data.chunks_exact(n_in)) {
            dx.iter_mut().zip(w).for_each(|(dx, w)| *dx += *dy * *w);
        }
    }
    dy.with_last(w.last(), dx)
}
