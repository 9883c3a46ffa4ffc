//! Products with the transpose of a packed matrix, through the same panels: a gradient's way back.

#![allow(unsafe_code, reason = "tiles read through pointers; the public functions check all bounds")]

use crate::{
    Dims,
    packed::{PANEL, packed_len},
    tile::{Rows, Start, times_panel},
};

/// Panels that are transposed at once: 16 kB of them, which stay in the nearest cache.
const N_PANELS: usize = 64;

/// `c = a bᵀ`, with `a` [m n], `b` packed [k n], `c` [m k].
///
/// Panics if a slice is not as long as its shape.
// einsum: m n, k n -> m k
pub fn gemm_packed_t(dims: Dims, a: &[f32], b: &[f32], c: &mut [f32]) {
    gemm_packed_t_cols(dims, a, b, c, 0, dims.k.div_ceil(PANEL));
}

/// The same for columns `8 first..8 end` of `c` alone: one thread's share of a product.
///
/// Panics if a slice is not as long as its shape.
pub fn gemm_packed_t_cols(dims: Dims, a: &[f32], b: &[f32], c: &mut [f32], first: usize, end: usize) {
    assert!(c.len() == dims.m * dims.k, "the result fills its shape");
    // SAFETY: all of `c` is ours.
    unsafe { gemm_packed_t_cols_at(dims, a, b, c.as_mut_ptr(), first, end) }
}

/// The same where several threads write into one `c`, each its own columns.
///
/// Eight rows of `b` are turned into a panel of their own, a piece at a time.
///
/// Panics if a slice is not as long as its shape.
///
/// # Safety
///
/// `c` has `m k` values, and nobody else uses its columns `8 first..8 end`.
pub unsafe fn gemm_packed_t_cols_at(dims: Dims, a: &[f32], b: &[f32], c: *mut f32, first: usize, end: usize) {
    let Dims { m, n, k } = dims;
    assert!(a.len() == m * n && b.len() == packed_len(k, n), "slices fill their shapes");
    assert!(end <= k.div_ceil(PANEL), "the columns are there");
    let mut turned = [0.0; N_PANELS * PANEL * PANEL];
    for col in (first..end).map(|at| at * PANEL) {
        let n_cols = PANEL.min(k - col);
        let mut start = Start::From([0.0; PANEL]);
        // Also once where there is nothing to add up: the result is 0 then.
        for from in (0..n.max(1)).step_by(N_PANELS * PANEL) {
            let len = (N_PANELS * PANEL).min(n - from);
            turn(k, b, col, n_cols, from, &mut turned[..len.div_ceil(PANEL) * PANEL * PANEL]);
            // SAFETY: rows of `a` have n values, of which `from..from + len` are read; `turned` has at least `len`
            // rows; these columns of `c` are ours.
            unsafe {
                let rows = Rows { at: a.as_ptr().add(from), n_rows: m, len, stride: n };
                times_panel(rows, turned.as_ptr(), n_cols, start, c.add(col), k);
            }
            start = Start::There;
        }
    }
}

/// Rows `row..row + n_rows` of the packed `b`, columns from `from`, as a panel: `turned[col][row]`.
fn turn(k: usize, b: &[f32], row: usize, n_rows: usize, from: usize, turned: &mut [f32]) {
    for (block, turned) in turned.chunks_exact_mut(PANEL * PANEL).enumerate() {
        let rows = &b[((from / PANEL + block) * k + row) * PANEL..][..n_rows * PANEL];
        for (i, row) in rows.chunks_exact(PANEL).enumerate() {
            for (lane, value) in row.iter().enumerate() {
                turned[lane * PANEL + i] = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;

    use super::*;
    use crate::reference::{SIZES, is_close, pack, plain, values};

    #[test]
    fn products_agree_with_the_reference_at_every_edge() {
        for m in SIZES {
            // The last is more than is turned at once.
            for n in SIZES.into_iter().chain([N_PANELS * PANEL + 9]) {
                for k in SIZES {
                    let dims = Dims { m, n, k };
                    let (a, b) = (values(m * n, 1), values(k * n, 2));
                    let mut panels = vec![f32::NAN; packed_len(k, n)];
                    pack(k, n, &b, &mut panels);
                    let mut c = vec![f32::NAN; m * k];
                    gemm_packed_t(dims, &a, &panels, &mut c);
                    let want = plain(Dims { m, n: k, k: n }, &a, |i, col| b[col * n + i]);
                    assert!(is_close(&c, &want, n), "{dims:?}");
                    // In two shares, as two threads do.
                    let mut shared = vec![f32::NAN; m * k];
                    let (half, end) = (k.div_ceil(PANEL) / 2, k.div_ceil(PANEL));
                    gemm_packed_t_cols(dims, &a, &panels, &mut shared, half, end);
                    gemm_packed_t_cols(dims, &a, &panels, &mut shared, 0, half);
                    assert_eq!(shared, c, "{dims:?}");
                }
            }
        }
    }

    #[test]
    fn the_matrix_itself_would_be_seen() {
        let dims = Dims { m: 1, n: 2, k: 2 };
        let (b, mut panels, mut c) = ([1.0, 2.0, 3.0, 4.0], [0.0; 16], [0.0; 2]);
        pack(2, 2, &b, &mut panels);
        gemm_packed_t(dims, &[1.0, 0.0], &panels, &mut c);
        assert_eq!(c, [1.0, 3.0]);
    }
}
