//! Matrix products with a packed right side: what a weight is stored as once it is loaded.
//!
//! A packed `[k n]` matrix is a row of panels, each eight columns wide: `panels[col / 8][i][col % 8]`,
//! the last one filled up with zeros. A product walks a panel from end to end, once for each tile: rows of `a`, each
//! with its eight sums in two registers. Six rows keep both multipliers of an x86-64 core busy and leave it registers
//! for the rest; without a fused multiply-add a product needs one more, and four rows are the fastest.

#![allow(
    unsafe_code,
    reason = "tiles read and write through pointers; the public functions check all bounds"
)]

use crate::simd::F32x4;

/// Columns of a panel.
pub const PANEL: usize = 8;
/// Rows of a tile, at most.
pub(crate) const MR: usize = if cfg!(target_feature = "relaxed-simd") { 6 } else { 4 };

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
    for panel in first..end {
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
    if 1 < m {
        fetch(panel);
    }
    for row in (0..m).step_by(MR) {
        let n_rows = MR.min(m - row);
        // SAFETY: rows `row..row + n_rows` of `a` are k long, and so is the panel; `c` has these rows.
        unsafe {
            let (a, c) = (a.as_ptr().add(row * k), c.add(row * n + col));
            on_tile(n_rows, n_cols, c, n, Some(start), |c, c_stride| {
                add_tile(n_rows, k, a, k, panel.as_ptr(), c, c_stride);
            });
        }
    }
}

/// Brings a panel into the caches, faster than the products would that wait for each line of it.
fn fetch(panel: &[f32]) {
    const LINE: usize = 16;
    let touched = panel.iter().step_by(LINE).fold(0, |bits, value| bits ^ value.to_bits());
    core::hint::black_box(touched);
}

/// Lets `f` work on a tile of `n_cols` columns at `c`, which holds `start` or, without one, what it held before.
///
/// `f` may write eight columns in each of the tile's rows; it is told where they lie, and how far apart.
///
/// Safety: from `c`, `n_rows` rows of `n_cols` values, `c_stride` apart, are ours.
#[inline(always)]
pub(crate) unsafe fn on_tile(
    n_rows: usize,
    n_cols: usize,
    c: *mut f32,
    c_stride: usize,
    start: Option<[f32; PANEL]>,
    f: impl FnOnce(*mut f32, usize),
) {
    let mut edge = [[0.0; PANEL]; MR];
    // SAFETY: the caller's promise; `edge` has eight columns in as many rows as a tile has at most.
    unsafe {
        for (row, edge) in edge[..n_rows].iter_mut().enumerate() {
            let c = c.add(row * c_stride);
            match start {
                Some(start) if n_cols == PANEL => c.cast::<[f32; PANEL]>().write_unaligned(start),
                Some(start) => *edge = start,
                None if n_cols == PANEL => {}
                None => core::ptr::copy_nonoverlapping(c, edge.as_mut_ptr(), n_cols),
            }
        }
        if n_cols == PANEL {
            return f(c, c_stride);
        }
        f(edge.as_mut_ptr().cast(), PANEL);
        for (row, edge) in edge[..n_rows].iter().enumerate() {
            core::ptr::copy_nonoverlapping(edge.as_ptr(), c.add(row * c_stride), n_cols);
        }
    }
}

/// Up to [`MR`] rows times one panel of eight, added to the tile at `c`.
///
/// Safety: `a` has `n_rows` rows of `k` values, `a_stride` apart; `panel` has `k` rows of eight; from `c`, `n_rows`
/// rows of eight values, `c_stride` apart, are ours.
#[inline(never)] // One copy of its code for all callers: a call costs nothing beside k products.
pub(crate) unsafe fn add_tile(
    n_rows: usize,
    k: usize,
    a: *const f32,
    a_stride: usize,
    panel: *const f32,
    c: *mut f32,
    c_stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match n_rows {
            1 => add_row(core::slice::from_raw_parts(a, k), panel, c),
            2 => add_rows::<2>(k, a, a_stride, panel, c, c_stride),
            3 => add_rows::<3>(k, a, a_stride, panel, c, c_stride),
            4 => add_rows::<4>(k, a, a_stride, panel, c, c_stride),
            5 => add_rows::<5>(k, a, a_stride, panel, c, c_stride),
            _ => add_rows::<6>(k, a, a_stride, panel, c, c_stride),
        }
    }
}

/// The same for `ROWS` rows, each in two registers.
///
/// LLVM would put all second columns behind all first ones, and more values would be alive than there are registers:
/// a third of the speed with six rows. It moves nothing past a branch, so there is one in the middle that it must
/// take for possible. Measured in Chromium on x86-64, cached: 61 GFLOP/s with it, 23 without, 53 with four rows.
///
/// Safety: as for [`add_tile`].
#[inline(always)]
unsafe fn add_rows<const ROWS: usize>(
    k: usize,
    a: *const f32,
    a_stride: usize,
    panel: *const f32,
    c: *mut f32,
    c_stride: usize,
) {
    let never = core::hint::black_box(usize::MAX);
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[F32x4::splat(0.0); 2]; ROWS];
        for (row, acc) in acc.iter_mut().enumerate() {
            let c = c.add(row * c_stride);
            *acc = [F32x4::load(c), F32x4::load(c.add(4))];
        }
        for i in 0..k {
            let b = panel.add(i * PANEL);
            let b = [F32x4::load(b), F32x4::load(b.add(4))];
            for (row, acc) in acc.iter_mut().enumerate() {
                let a = F32x4::splat(*a.add(row * a_stride + i));
                acc[0] = acc[0].plus_product(a, b[0]);
                acc[1] = acc[1].plus_product(a, b[1]);
                if 4 < ROWS && row == 2 && i == never {
                    break;
                }
            }
        }
        for (row, acc) in acc.iter().enumerate() {
            let c = c.add(row * c_stride);
            acc[0].store(c);
            acc[1].store(c.add(4));
        }
    }
}

/// One row times one panel, added to eight values.
///
/// It is bound by reading the panel. One stream is what memory is read fastest by; several sums, so that additions
/// need not wait for each other. Measured in Chromium: 31 GB/s, 26 with one sum, 24 with four panels side by side.
///
/// Safety: `panel` has as many rows of eight as `a` has values; `c` has eight values, which are ours.
#[inline(always)]
unsafe fn add_row(a: &[f32], panel: *const f32, c: *mut f32) {
    const N_SUMS: usize = 4;
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[F32x4::splat(0.0); 2]; N_SUMS];
        let add = |sums: &mut [F32x4; 2], i: usize| {
            let (a, b) = (F32x4::splat(*a.as_ptr().add(i)), panel.add(i * PANEL));
            sums[0] = sums[0].plus_product(a, F32x4::load(b));
            sums[1] = sums[1].plus_product(a, F32x4::load(b.add(4)));
        };
        let n_whole = a.len() / N_SUMS * N_SUMS;
        for i in (0..n_whole).step_by(N_SUMS) {
            sums.iter_mut().enumerate().for_each(|(at, sums)| add(sums, i + at));
        }
        (n_whole..a.len()).for_each(|i| add(&mut sums[0], i));
        let half = |at: usize| (sums[0][at] + sums[1][at]) + (sums[2][at] + sums[3][at]);
        (F32x4::load(c) + half(0)).store(c);
        (F32x4::load(c.add(4)) + half(1)).store(c.add(4));
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
