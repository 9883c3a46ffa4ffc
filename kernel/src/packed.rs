//! Matrix products with a packed right side: what a weight is stored as once it is loaded.
//!
//! A packed `[k n]` matrix is a row of panels, each eight columns wide: `panels[col / 8][i][col % 8]`,
//! the last one filled up with zeros. A product walks a panel from end to end, once for each tile of rows: `tile.rs`.

#![allow(
    unsafe_code,
    reason = "tiles read and write through pointers; the public functions check all bounds"
)]

use crate::tile::{Rows, Start, times_panel};

/// Columns of a panel.
pub const PANEL: usize = 8;

/// Sizes of a product: `m` rows, `n` columns, `k` terms in each sum.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "BLAS' own names")]
pub struct Dims {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// Length of a packed `[k n]` matrix, in values.
pub const fn packed_len(k: usize, n: usize) -> usize {
    n.div_ceil(PANEL) * PANEL * k
}

/// `c = a b + bias`, with `a` [m k], `b` packed [k n], `bias` [n] (missing: 0), `c` [m n].
///
/// Panics if a slice is not as long as its shape.
// einsum: m k, k n -> m n
pub fn gemm_packed(dims: Dims, a: &[f32], b: &[f32], bias: Option<&[f32]>, c: &mut [f32]) {
    gemm_packed_cols(dims, a, b, bias, c, 0, dims.n.div_ceil(PANEL));
}

/// The same for the panels `first..end` alone: one thread's share of a product.
///
/// Panics if a slice is not as long as its shape.
pub fn gemm_packed_cols(
    dims: Dims,
    a: &[f32],
    b: &[f32],
    bias: Option<&[f32]>,
    c: &mut [f32],
    first: usize,
    end: usize,
) {
    assert!(c.len() == dims.m * dims.n, "the result fills its shape");
    // SAFETY: all of `c` is ours.
    unsafe { gemm_packed_cols_at(dims, a, b, bias, c.as_mut_ptr(), first, end) }
}

/// The same where several threads write into one `c`, each its own columns.
///
/// Panics if a slice is not as long as its shape.
///
/// # Safety
///
/// `c` has `m n` values, and nobody else uses its columns `8 first..8 end`.
pub unsafe fn gemm_packed_cols_at(
    dims: Dims,
    a: &[f32],
    b: &[f32],
    bias: Option<&[f32]>,
    c: *mut f32,
    first: usize,
    end: usize,
) {
    let Dims { m, n, k } = dims;
    assert!(a.len() == m * k && b.len() == packed_len(k, n), "slices fill their shapes");
    assert!(bias.is_none_or(|bias| bias.len() == n), "one bias a column");
    assert!(end <= n.div_ceil(PANEL), "the panels are there");
    let at_once = (AT_ONCE / (PANEL * k).max(1)).max(1);
    for panel in first..end {
        if 1 < m && (panel - first).is_multiple_of(at_once) {
            fetch(&b[panel * PANEL * k..(panel + at_once).min(end) * PANEL * k]);
        }
        let cols = &b[panel * PANEL * k..(panel + 1) * PANEL * k];
        // SAFETY: `c` has these columns in all of its rows, by the caller's promise.
        unsafe { gemm_panel(dims, a, cols, bias, c, panel * PANEL) }
    }
}

/// One panel of the product: columns `col..col + 8`.
///
/// Safety: `c` has `m n` values, and nobody else uses these columns.
unsafe fn gemm_panel(
    Dims { m, n, k }: Dims,
    a: &[f32],
    panel: &[f32],
    bias: Option<&[f32]>,
    c: *mut f32,
    col: usize,
) {
    let n_cols = PANEL.min(n - col);
    let mut start = [0.0; PANEL];
    if let Some(bias) = bias {
        start[..n_cols].copy_from_slice(&bias[col..col + n_cols]);
    }
    let rows = Rows { at: a.as_ptr(), n_rows: m, len: k, stride: k };
    // SAFETY: `a` has m rows of k values, and so many rows has the panel; the caller's promise for `c`.
    unsafe { times_panel(rows, panel.as_ptr(), n_cols, Start::From(start), c.add(col), n) }
}

/// Values that are brought into the caches at once: a few panels. Each time begins slowly, and they must still be there.
const AT_ONCE: usize = 48 * 1024;

/// Brings values into the caches, faster than work would that waits for each line of them.
pub fn fetch(values: &[f32]) {
    const LINE: usize = 16;
    let touched = values.iter().step_by(LINE).fold(0, |bits, value| bits ^ value.to_bits());
    core::hint::black_box(touched);
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;
    use crate::reference::{SIZES, is_close, pack, pack_t, plain, unpacked_at, values};

    fn packed(k: usize, n: usize, b: &[f32]) -> Vec<f32> {
        let mut panels = vec![f32::NAN; packed_len(k, n)];
        pack(k, n, b, &mut panels);
        panels
    }

    #[test]
    fn products_agree_with_the_reference_at_every_edge() {
        for m in SIZES {
            for n in SIZES.into_iter().chain([40]) {
                for k in SIZES {
                    let dims = Dims { m, n, k };
                    let (a, b, bias) = (values(m * k, 1), values(k * n, 2), values(n, 3));
                    let panels = packed(k, n, &b);
                    let mut c = vec![f32::NAN; m * n];
                    gemm_packed(dims, &a, &panels, Some(&bias), &mut c);
                    let mut want = plain(dims, &a, |i, col| b[i * n + col]);
                    want.iter_mut().enumerate().for_each(|(at, v)| *v += f64::from(bias[at % n]));
                    assert!(is_close(&c, &want, k), "{dims:?}");
                    // In two shares, as two threads do.
                    let mut shared = vec![f32::NAN; m * n];
                    let (half, end) = (n.div_ceil(PANEL) / 2, n.div_ceil(PANEL));
                    gemm_packed_cols(dims, &a, &panels, Some(&bias), &mut shared, 0, half);
                    gemm_packed_cols(dims, &a, &panels, Some(&bias), &mut shared, half, end);
                    assert_eq!(shared, c, "{dims:?}");
                }
            }
        }
    }

    #[test]
    fn packing_loses_nothing() {
        let (k, n) = (5, 11);
        let b = values(k * n, 4);
        let panels = packed(k, n, &b);
        let mut transposed = vec![0.0; packed_len(n, k)];
        pack_t(n, k, &b, &mut transposed);
        for i in 0..k {
            for col in 0..n {
                assert_eq!(unpacked_at(k, &panels, i, col), b[i * n + col]);
                assert_eq!(unpacked_at(n, &transposed, col, i), b[i * n + col]);
            }
        }
    }
}
