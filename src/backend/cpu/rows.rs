//! Taking rows of a table, and putting rows after one another.

use super::{CpuTensor, Real};

/// `y[i, :] = table[rows[i], :]`
pub(super) fn gather<R: Real>(table: &CpuTensor<R>, rows: &[u32]) -> CpuTensor<R> {
    let d = table.last();
    let mut y = Vec::with_capacity(rows.len() * d);
    for row in rows {
        let start = *row as usize * d;
        y.extend_from_slice(&table.data[start..start + d]);
    }
    CpuTensor::new(vec![rows.len(), d], y)
}

/// `a`, then `b`, along the outermost axis.
pub(super) fn append<R: Real>(a: CpuTensor<R>, b: &CpuTensor<R>) -> CpuTensor<R> {
    let CpuTensor { mut shape, data } = a;
    shape[0] += b.shape[0];
    // In place where nobody else holds it: a cache of keys grows by one row a token.
    let mut y = data.into_vec();
    y.extend_from_slice(&b.data);
    CpuTensor::new(shape, y)
}

/// Of [`gather`]: `dx[rows[i], :] += dy[i, :]`
pub(super) fn scatter<R: Real>(dy: &CpuTensor<R>, rows: &[u32], n_rows: usize) -> CpuTensor<R> {
    let d = dy.last();
    let mut dx = vec![R::zero(); n_rows * d];
    for (row, dy) in rows.iter().zip(dy.data.chunks_exact(d.max(1))) {
        let to = &mut dx[*row as usize * d..][..d];
        to.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += *dy);
    }
    CpuTensor::new(vec![n_rows, d], dx)
}
