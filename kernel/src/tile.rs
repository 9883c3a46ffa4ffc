//! A few rows of a product at once, each with its eight sums in two registers.
//!
//! Six rows keep both multipliers of an x86-64 core busy and leave it registers for the rest; without a fused
//! multiply-add a product needs one more, and four rows are the fastest.

#![allow(
    unsafe_code,
    reason = "tiles read and write through pointers; the public functions around them check all bounds"
)]

use crate::{packed::PANEL, simd::F32x4};

/// Rows of a tile, at most.
pub const MR: usize = if cfg!(target_feature = "relaxed-simd") { 6 } else { 4 };

/// What stands on the left of a product: rows of `len` values, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) at: *const f32,
    pub(crate) n_rows: usize,
    pub(crate) len: usize,
    pub(crate) stride: usize,
}

impl Rows {
    /// Up to `MR` rows from `first` on.
    ///
    /// Safety: there is such a row.
    unsafe fn tile(self, first: usize) -> Self {
        // SAFETY: the caller's promise.
        let at = unsafe { self.at.add(first * self.stride) };
        Self { at, n_rows: MR.min(self.n_rows - first), ..self }
    }
}

/// What a sum begins with.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// The same for each row.
    From([f32; PANEL]),
    /// What stands where the result goes.
    There,
}

/// `rows` times the first `n_cols` columns of a panel of eight, into `c`, whose rows are `c_stride` apart.
///
/// Safety: the rows are there; `panel` has as many rows of eight as they have values; `c` has their number of rows, of
/// `n_cols` values, which are ours.
pub(crate) unsafe fn times_panel(
    rows: Rows,
    panel: *const f32,
    n_cols: usize,
    start: Start,
    c: *mut f32,
    c_stride: usize,
) {
    for first in (0..rows.n_rows).step_by(MR) {
        // SAFETY: the caller's promise.
        unsafe {
            let (tile, c) = (rows.tile(first), c.add(first * c_stride));
            if n_cols == PANEL {
                whole(tile, panel, &start, c, c_stride);
            } else {
                edge(tile, panel, n_cols, &start, c, c_stride);
            }
        }
    }
}

/// A tile where `c` has fewer columns than a panel: by way of a place that has as many.
///
/// Safety: as for [`times_panel`], of one tile.
#[cold]
#[inline(never)]
unsafe fn edge(tile: Rows, panel: *const f32, n_cols: usize, start: &Start, c: *mut f32, c_stride: usize) {
    let mut whole_c = [[0.0; PANEL]; MR];
    // SAFETY: the caller's promise; a tile has no more rows than `whole_c`.
    unsafe {
        for (row, eight) in whole_c[..tile.n_rows].iter_mut().enumerate() {
            core::ptr::copy_nonoverlapping(c.add(row * c_stride), eight.as_mut_ptr(), n_cols);
        }
        whole(tile, panel, start, whole_c.as_mut_ptr().cast(), PANEL);
        for (row, eight) in whole_c[..tile.n_rows].iter().enumerate() {
            core::ptr::copy_nonoverlapping(eight.as_ptr(), c.add(row * c_stride), n_cols);
        }
    }
}

/// A tile times a whole panel.
///
/// Safety: as for [`times_panel`], of one tile and eight columns.
#[inline(never)] // One copy of its code for all callers: a call costs nothing beside the products.
unsafe fn whole(tile: Rows, panel: *const f32, start: &Start, c: *mut f32, c_stride: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match tile.n_rows {
            1 => one_row(core::slice::from_raw_parts(tile.at, tile.len), panel, start, c),
            2 => some_rows::<2>(tile, panel, start, c, c_stride),
            3 => some_rows::<3>(tile, panel, start, c, c_stride),
            4 => some_rows::<4>(tile, panel, start, c, c_stride),
            5 => some_rows::<5>(tile, panel, start, c, c_stride),
            _ => some_rows::<6>(tile, panel, start, c, c_stride),
        }
    }
}

/// What eight sums begin with: loaded into registers, for what was just written to memory is slow to read back.
///
/// Safety: `c` has eight values.
#[inline(always)]
unsafe fn begun(start: &Start, c: *const f32) -> [F32x4; 2] {
    let at = match start {
        Start::From(start) => start.as_ptr(),
        Start::There => c,
    };
    // SAFETY: both have eight values.
    unsafe { [F32x4::load(at), F32x4::load(at.add(4))] }
}

/// The same for `ROWS` rows, each in two registers.
///
/// LLVM would put all second columns behind all first ones, and more values would be alive than there are registers:
/// a third of the speed with six rows. It moves nothing past a branch, so there is one in the middle that it must
/// take for possible. Measured in Chromium on x86-64, cached: 61 GFLOP/s with it, 23 without, 53 with four rows.
///
/// Safety: as for [`whole`].
#[inline(always)]
unsafe fn some_rows<const ROWS: usize>(
    Rows { at, len, stride, .. }: Rows,
    panel: *const f32,
    start: &Start,
    c: *mut f32,
    c_stride: usize,
) {
    let never = core::hint::black_box(usize::MAX);
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc: [[F32x4; 2]; ROWS] = core::array::from_fn(|row| begun(start, c.add(row * c_stride)));
        for i in 0..len {
            let b = panel.add(i * PANEL);
            let b = [F32x4::load(b), F32x4::load(b.add(4))];
            for (row, acc) in acc.iter_mut().enumerate() {
                let a = F32x4::splat(*at.add(row * stride + i));
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

/// One row times one panel.
///
/// It is bound by reading the panel. One stream is what memory is read fastest by; several sums, so that additions
/// need not wait for each other. Measured in Chromium: 31 GB/s, 26 with one sum, 24 with four panels side by side.
///
/// Safety: `panel` has as many rows of eight as `a` has values; `c` has eight values, which are ours.
#[inline(always)]
unsafe fn one_row(a: &[f32], panel: *const f32, start: &Start, c: *mut f32) {
    const N_SUMS: usize = 4;
    // SAFETY: the caller's promise.
    unsafe {
        let start = begun(start, c);
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
        (start[0] + half(0)).store(c);
        (start[1] + half(1)).store(c.add(4));
    }
}
