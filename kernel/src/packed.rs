//! Matrix products with a packed right side: what a weight is stored as once it is loaded.
//!
//! A packed `[k n]` matrix is a row of panels, each eight columns wide: `panels[col / 8][i][col % 8]`,
//! the last one filled up with zeros. A product walks each panel once, from end to end, with a tile of
//! four rows by eight columns in eight registers: what WebAssembly's compilers can hold without spilling.

#![allow(
    unsafe_code,
    reason = "tiles read and write through pointers; the public functions check all bounds"
)]

use crate::simd::F32x4;

/// Columns of a panel.
pub const PANEL: usize = 8;
/// Rows of a tile.
pub(crate) const MR: usize = 4;

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

/// Packs as many panels as `panels` holds, from panel `first` on; `at` is the entry in row `i` and column `col`.
pub(crate) fn pack_panels<T: Copy + Default>(
    k: usize,
    n: usize,
    first: usize,
    panels: &mut [T],
    at: impl Fn(usize, usize) -> T,
) {
    for (panel_idx, panel) in (first..).zip(panels.chunks_exact_mut((k * PANEL).max(1))) {
        for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
            for (lane, value) in row.iter_mut().enumerate() {
                let col = panel_idx * PANEL + lane;
                *value = if col < n { at(i, col) } else { T::default() };
            }
        }
    }
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
    let mut panel = first;
    while panel < end {
        // One row alone is bound by reading `b`: more panels at once keep more loads under way.
        let n_panels = if m == 1 && panel + 4 <= end && (panel + 4) * PANEL <= n { 4 } else { 1 };
        let cols = &b[panel * PANEL * k..(panel + n_panels) * PANEL * k];
        // SAFETY: `c` has these columns in all of its rows, by the caller's promise.
        unsafe {
            if n_panels == 4 {
                row_of_four(k, a, cols, bias, c, panel * PANEL);
            } else {
                gemm_panel(dims, a, cols, bias, c, panel * PANEL);
            }
        }
        panel += n_panels;
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
    for row in (0..m).step_by(MR) {
        let mut tile = [start; MR];
        let n_rows = MR.min(m - row);
        // SAFETY: rows `row..row + n_rows` of `a` are k long, and so is the panel; `c` has these rows.
        unsafe {
            add_tile(n_rows, k, a.as_ptr().add(row * k), k, panel.as_ptr(), &mut tile);
            put_tile(&tile[..n_rows], n_cols, c.add(row * n + col), n);
        }
    }
}

/// Writes the first `n_cols` columns of a tile to where it lies in a result.
///
/// Safety: from `c`, as many rows of `n_cols` values, `c_stride` apart, are ours.
#[inline(always)]
pub(crate) unsafe fn put_tile(tile: &[[f32; PANEL]], n_cols: usize, c: *mut f32, c_stride: usize) {
    for (row, tile) in tile.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let out = c.add(row * c_stride);
            if n_cols == PANEL {
                F32x4::load(tile.as_ptr()).store(out);
                F32x4::load(tile.as_ptr().add(4)).store(out.add(4));
            } else {
                core::ptr::copy_nonoverlapping(tile.as_ptr(), out, n_cols);
            }
        }
    }
}

/// Up to four rows and one panel of eight, added to `tile`.
///
/// Safety: `a` has `n_rows` rows of `k` values, `a_stride` apart; `panel` has `k` rows of eight.
#[inline(never)] // One copy of its code for all callers: a call costs nothing beside k products.
pub(crate) unsafe fn add_tile(
    n_rows: usize,
    k: usize,
    a: *const f32,
    a_stride: usize,
    panel: *const f32,
    tile: &mut [[f32; PANEL]; MR],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match n_rows {
            1 => add_rows::<1>(k, a, a_stride, panel, tile),
            2 => add_rows::<2>(k, a, a_stride, panel, tile),
            3 => add_rows::<3>(k, a, a_stride, panel, tile),
            _ => add_rows::<MR>(k, a, a_stride, panel, tile),
        }
    }
}

/// The same for `ROWS` rows, each in two registers.
///
/// Safety: as for [`add_tile`].
#[inline(always)]
unsafe fn add_rows<const ROWS: usize>(
    k: usize,
    a: *const f32,
    a_stride: usize,
    panel: *const f32,
    tile: &mut [[f32; PANEL]; MR],
) {
    // SAFETY: the caller's promise; each row of `tile` holds eight values.
    unsafe {
        let mut acc = [[F32x4::splat(0.0); 2]; ROWS];
        for (acc, tile) in acc.iter_mut().zip(tile.iter()) {
            *acc = [F32x4::load(tile.as_ptr()), F32x4::load(tile.as_ptr().add(4))];
        }
        for i in 0..k {
            let b = panel.add(i * PANEL);
            let b = [F32x4::load(b), F32x4::load(b.add(4))];
            for (row, acc) in acc.iter_mut().enumerate() {
                let a = F32x4::splat(*a.add(row * a_stride + i));
                acc[0] = acc[0].plus_product(a, b[0]);
                acc[1] = acc[1].plus_product(a, b[1]);
            }
        }
        for (acc, tile) in acc.iter().zip(tile.iter_mut()) {
            acc[0].store(tile.as_mut_ptr());
            acc[1].store(tile.as_mut_ptr().add(4));
        }
    }
}

/// One row times four panels.
///
/// Safety: `panels` holds four panels of `k` rows; values `col..col + 32` of `c` are ours.
#[inline(always)]
unsafe fn row_of_four(k: usize, a: &[f32], panels: &[f32], bias: Option<&[f32]>, c: *mut f32, col: usize) {
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
            let out = c.add(col + panel * PANEL);
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
