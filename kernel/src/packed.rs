//! Matrix products with a packed right side: what a weight is stored as once it is loaded.
//!
//! A packed `[k n]` matrix is a row of panels, each eight columns wide: `panels[col / 8][i][col % 8]`,
//! the last one filled up with zeros. A product walks each panel once, from end to end, with a tile of
//! four rows by eight columns in eight registers: what WebAssembly's compilers can hold without spilling.

#![allow(
    unsafe_code,
    reason = "tiles read and write through pointers; the public functions check all bounds"
)]

use crate::{Dims, simd::F32x4};

/// Columns of a panel.
pub const PANEL: usize = 8;
/// Rows of a tile.
const MR: usize = 4;

/// Length of a packed `[k n]` matrix, in values.
pub const fn packed_len(k: usize, n: usize) -> usize {
    n.div_ceil(PANEL) * PANEL * k
}

/// Packs `b` [k n], row-major.
///
/// Panics if a slice is not as long as its shape.
pub fn pack<T: Copy + Default>(k: usize, n: usize, b: &[T], panels: &mut [T]) {
    assert!(b.len() == k * n, "the matrix fills its shape");
    pack_with(k, n, panels, |i, col| b[i * n + col]);
}

/// Packs the transpose of `b` [n k], row-major: an unembedding stored like its embedding.
///
/// Panics if a slice is not as long as its shape.
pub fn pack_t<T: Copy + Default>(k: usize, n: usize, b: &[T], panels: &mut [T]) {
    assert!(b.len() == k * n, "the matrix fills its shape");
    pack_with(k, n, panels, |i, col| b[col * k + i]);
}

fn pack_with<T: Copy + Default>(k: usize, n: usize, panels: &mut [T], at: impl Fn(usize, usize) -> T) {
    assert!(panels.len() == packed_len(k, n), "the panels have their length");
    for (panel_idx, panel) in panels.chunks_exact_mut((k * PANEL).max(1)).enumerate() {
        for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
            for (lane, value) in row.iter_mut().enumerate() {
                let col = panel_idx * PANEL + lane;
                *value = if col < n { at(i, col) } else { T::default() };
            }
        }
    }
}

/// Entry `[i, col]` of a packed matrix of `k` rows.
pub fn unpacked_at<T: Copy>(k: usize, panels: &[T], i: usize, col: usize) -> T {
    panels[(col / PANEL * k + i) * PANEL + col % PANEL]
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
    let Dims { m, n, k } = dims;
    assert!(a.len() == m * k && c.len() == m * n && b.len() == packed_len(k, n), "slices fill their shapes");
    assert!(bias.is_none_or(|bias| bias.len() == n), "one bias a column");
    assert!(end <= n.div_ceil(PANEL), "the panels are there");
    let mut panel = first;
    while panel < end {
        // One row alone is bound by reading `b`: more panels at once keep more loads under way.
        let n_panels = if m == 1 && panel + 4 <= end && (panel + 4) * PANEL <= n { 4 } else { 1 };
        let cols = &b[panel * PANEL * k..(panel + n_panels) * PANEL * k];
        if n_panels == 4 {
            // SAFETY: `cols` holds four panels, and the row of `c` has all of their columns.
            unsafe { row_of_four(k, a, cols, bias, c, panel * PANEL) };
        } else {
            gemm_panel(dims, a, cols, bias, c, panel * PANEL);
        }
        panel += n_panels;
    }
}

/// One panel of the product: columns `col..col + 8`.
fn gemm_panel(
    Dims { m, n, k }: Dims,
    a: &[f32],
    panel: &[f32],
    bias: Option<&[f32]>,
    c: &mut [f32],
    col: usize,
) {
    let n_cols = PANEL.min(n - col);
    let mut start = [0.0; PANEL];
    if let Some(bias) = bias {
        start[..n_cols].copy_from_slice(&bias[col..col + n_cols]);
    }
    let mut row = 0;
    while row < m {
        let n_rows = if row + MR <= m { MR } else { 1 };
        let mut out = [[0.0; PANEL]; MR];
        // SAFETY: rows `row..row + n_rows` of `a` are k long, and so is the panel.
        unsafe {
            let a = a.as_ptr().add(row * k);
            if n_rows == MR {
                tile::<MR>(k, a, panel.as_ptr(), &start, &mut out);
            } else {
                tile::<1>(k, a, panel.as_ptr(), &start, &mut out);
            }
        }
        for (out, at) in out[..n_rows].iter().zip(row..) {
            c[at * n + col..][..n_cols].copy_from_slice(&out[..n_cols]);
        }
        row += n_rows;
    }
}

/// `ROWS` x 8 entries.
///
/// Safety: `a` has `ROWS` rows of `k` values, `panel` has `k` rows of eight.
#[inline(always)]
unsafe fn tile<const ROWS: usize>(
    k: usize,
    a: *const f32,
    panel: *const f32,
    start: &[f32; PANEL],
    out: &mut [[f32; PANEL]; MR],
) {
    // SAFETY: the caller's promise; `start` and each row of `out` hold eight values.
    unsafe {
        let start = [F32x4::load(start.as_ptr()), F32x4::load(start.as_ptr().add(4))];
        let mut acc = [start; ROWS];
        for i in 0..k {
            let b = panel.add(i * PANEL);
            let b = [F32x4::load(b), F32x4::load(b.add(4))];
            for (row, acc) in acc.iter_mut().enumerate() {
                let a = F32x4::splat(*a.add(row * k + i));
                acc[0] = acc[0].plus_product(a, b[0]);
                acc[1] = acc[1].plus_product(a, b[1]);
            }
        }
        for (acc, out) in acc.iter().zip(out.iter_mut()) {
            acc[0].store(out.as_mut_ptr());
            acc[1].store(out.as_mut_ptr().add(4));
        }
    }
}

/// One row times four panels.
///
/// Safety: `panels` holds four panels of `k` rows, `c` at least `col + 32` values.
#[inline(always)]
unsafe fn row_of_four(k: usize, a: &[f32], panels: &[f32], bias: Option<&[f32]>, c: &mut [f32], col: usize) {
    // SAFETY: the caller's promise; `a` has `k` values, a bias as many as `c`.
    unsafe {
        let mut acc = [[F32x4::splat(0.0); 2]; 4];
        if let Some(bias) = bias {
            for (panel, acc) in acc.iter_mut().enumerate() {
                let bias = bias.as_ptr().add(col + panel * PANEL);
                *acc = [F32x4::load(bias), F32x4::load(bias.add(4))];
            }
        }
        for (i, a) in a[..k].iter().enumerate() {
            let a = F32x4::splat(*a);
            for (panel, acc) in acc.iter_mut().enumerate() {
                let b = panels.as_ptr().add((panel * k + i) * PANEL);
                acc[0] = acc[0].plus_product(a, F32x4::load(b));
                acc[1] = acc[1].plus_product(a, F32x4::load(b.add(4)));
            }
        }
        for (panel, acc) in acc.iter().enumerate() {
            let out = c.as_mut_ptr().add(col + panel * PANEL);
            acc[0].store(out);
            acc[1].store(out.add(4));
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;
    use crate::gemm::tests::{SIZES, is_close, plain, values};

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
