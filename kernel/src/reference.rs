//! What the kernels must agree with: plain sums in f64, and how near is near enough.

extern crate std;
use std::{vec, vec::Vec};

use crate::{
    Dims,
    packed::{PANEL, packed_len},
};

/// Deterministic values in [-1, 1).
pub(crate) fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Packs `b` [k n], row-major.
pub(crate) fn pack<T: Copy + Default>(k: usize, n: usize, b: &[T], panels: &mut [T]) {
    assert!(b.len() == k * n && panels.len() == packed_len(k, n), "slices fill their shapes");
    pack_panels(k, n, panels, |i, col| b[i * n + col]);
}

/// Packs a matrix whose entry in row `i` and column `col` is `at(i, col)`.
fn pack_panels<T: Copy + Default>(k: usize, n: usize, panels: &mut [T], at: impl Fn(usize, usize) -> T) {
    for (panel_idx, panel) in panels.chunks_exact_mut((k * PANEL).max(1)).enumerate() {
        for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
            for (lane, value) in row.iter_mut().enumerate() {
                let col = panel_idx * PANEL + lane;
                *value = if col < n { at(i, col) } else { T::default() };
            }
        }
    }
}

/// Packs the transpose of `b` [n k], row-major: an unembedding stored like its embedding.
pub(crate) fn pack_t<T: Copy + Default>(k: usize, n: usize, b: &[T], panels: &mut [T]) {
    assert!(b.len() == k * n && panels.len() == packed_len(k, n), "slices fill their shapes");
    pack_panels(k, n, panels, |i, col| b[col * k + i]);
}

/// Entry `[i, col]` of a packed matrix of `k` rows.
pub(crate) fn unpacked_at<T: Copy>(k: usize, panels: &[T], i: usize, col: usize) -> T {
    panels[(col / PANEL * k + i) * PANEL + col % PANEL]
}

/// The reference: three loops, in f64.
pub(crate) fn plain(Dims { m, n, k }: Dims, a: &[f32], b: impl Fn(usize, usize) -> f32) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for row in 0..m {
        for col in 0..n {
            c[row * n + col] = (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b(i, col))).sum::<f64>();
        }
    }
    c
}

pub(crate) fn is_close(got: &[f32], want: &[f64], k: usize) -> bool {
    let tol = 1e-6 * (k as f64 + 1.0);
    got.len() == want.len()
        && got.iter().zip(want).all(|(got, want)| {
            let err = (f64::from(*got) - want).abs();
            err <= tol
        })
}

pub(crate) const SIZES: [usize; 9] = [0, 1, 3, 4, 5, 7, 8, 9, 33];

#[test]
fn the_comparison_can_fail() {
    assert!(!is_close(&[1.0], &[1.1], 1));
    assert!(!is_close(&[f32::NAN], &[1.0], 1));
    assert!(!is_close(&[1.0], &[1.0, 2.0], 1));
}
