//! Products with a weight.

use vitrine_kernel::{Dims, PANEL};

use super::{
    CpuTensor, Op, Real,
    matrix::{CpuMatrix, add_panel_t},
    panels::Panels as _,
};

// einsum: .. in, in out -> .. out
pub(super) fn linear<R: Real>(x: &CpuTensor<R>, w: &CpuMatrix<R>, b: Option<&CpuTensor<R>>) -> Op<R> {
    let dims = Dims { m: x.n_rows(), n: w.n_out, k: w.n_in };
    let y = w.panels.times(dims, &x.data, b.map(|b| &*b.data))?;
    Ok(CpuTensor::of(x.shape_with_last(w.n_out), y))
}

/// Of [`linear`].
// einsum: .. out, in out -> .. in
pub(super) fn linear_dx<R: Real>(dy: &CpuTensor<R>, w: &CpuMatrix<R>) -> Op<R> {
    let dims = Dims { m: dy.n_rows(), n: w.n_out, k: w.n_in };
    Ok(CpuTensor::of(dy.shape_with_last(w.n_in), w.panels.times_t(dims, &dy.data)?))
}

/// The reference: `c = a bᵀ`, with `a` [m n], `b` packed [k n].
pub(super) fn plain_t<R: Real>(Dims { n, k, .. }: Dims, a: &[R], panels: &[R], c: &mut [R]) {
    c.fill(R::zero());
    for (c, a) in c.chunks_exact_mut(k.max(1)).zip(a.chunks_exact(n.max(1))) {
        for (a, panel) in a.chunks(PANEL).zip(panels.chunks_exact((k * PANEL).max(1))) {
            let mut eight = [R::zero(); PANEL];
            eight[..a.len()].copy_from_slice(a);
            add_panel_t(c, &eight, panel);
        }
    }
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
            y.push(R::dot(x, w) + b.map_or(R::zero(), |b| b.data[*column as usize]));
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
