//! Matrix products on row-major slices.
//!
//! v1: register tiles of 4 x 8, which LLVM turns into eight 128-bit accumulators: what both
//! WebAssembly SIMD and SSE2 hold in registers. Operands are read in place, not packed.

/// Rows of a tile.
const MR: usize = 4;
/// Columns of a tile.
const NR: usize = 8;
/// Columns of a tile of [`gemm_nt`], each summed in `LANES` parts.
const NT_COLS: usize = 2;
/// Width of a 128-bit vector.
const LANES: usize = 4;

/// Sizes of a product: `m` rows, `n` columns, `k` terms in each sum.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "BLAS' own names")]
pub struct Dims {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// `c += a b`, with `a` [m k], `b` [k n], `c` [m n].
///
/// Panics if a slice is shorter than its shape.
// einsum: m k, k n -> m n
pub fn gemm(dims: Dims, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Dims { m, n, k } = dims;
    assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n, "a slice is shorter than its shape");
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let (m_tiled, n_tiled) = (m - m % MR, n - n % NR);
    for row in (0..m_tiled).step_by(MR) {
        for col in (0..n_tiled).step_by(NR) {
            tile::<MR>(dims, &a[row * k..], &b[col..], &mut c[row * n + col..]);
        }
    }
    for row in m_tiled..m {
        for col in (0..n_tiled).step_by(NR) {
            tile::<1>(dims, &a[row * k..], &b[col..], &mut c[row * n + col..]);
        }
    }
    for row in 0..m {
        for col in n_tiled..n {
            let sum: f32 = (0..k).map(|i| a[row * k + i] * b[i * n + col]).sum();
            c[row * n + col] += sum;
        }
    }
}

/// `ROWS` x `NR` entries of `c`; all slices begin at the tile.
#[inline(always)]
fn tile<const ROWS: usize>(dims: Dims, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Dims { n, k, .. } = dims;
    let mut acc = [[0.0_f32; NR]; ROWS];
    for i in 0..k {
        let b_row = &b[i * n..i * n + NR];
        for (row, acc) in acc.iter_mut().enumerate() {
            let a = a[row * k + i];
            for (acc, b) in acc.iter_mut().zip(b_row) {
                *acc += a * b;
            }
        }
    }
    for (row, acc) in acc.iter().enumerate() {
        for (c, acc) in c[row * n..row * n + NR].iter_mut().zip(acc) {
            *c += acc;
        }
    }
}

/// `c += a bᵀ`, with `a` [m k], `b` [n k], `c` [m n].
///
/// Panics if a slice is shorter than its shape.
// einsum: m k, n k -> m n
pub fn gemm_nt(dims: Dims, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Dims { m, n, k } = dims;
    assert!(a.len() >= m * k && b.len() >= n * k && c.len() >= m * n, "a slice is shorter than its shape");
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let (m_tiled, n_tiled) = (m - m % MR, n - n % NT_COLS);
    // The columns are the outer loop: `b` may be an unembedding, far larger than `a`.
    for col in (0..n_tiled).step_by(NT_COLS) {
        for row in (0..m_tiled).step_by(MR) {
            tile_nt::<MR, NT_COLS>(dims, &a[row * k..], &b[col * k..], &mut c[row * n + col..]);
        }
        for row in m_tiled..m {
            tile_nt::<1, NT_COLS>(dims, &a[row * k..], &b[col * k..], &mut c[row * n + col..]);
        }
    }
    for col in n_tiled..n {
        for row in 0..m {
            tile_nt::<1, 1>(dims, &a[row * k..], &b[col * k..], &mut c[row * n + col..]);
        }
    }
}

/// `ROWS` x `COLS` entries of `c`, each a dot product summed in `LANES` parts.
#[inline(always)]
fn tile_nt<const ROWS: usize, const COLS: usize>(dims: Dims, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Dims { n, k, .. } = dims;
    let mut acc = [[[0.0_f32; LANES]; COLS]; ROWS];
    let k_tiled = k - k % LANES;
    for i in (0..k_tiled).step_by(LANES) {
        for (row, acc) in acc.iter_mut().enumerate() {
            let a = &a[row * k + i..row * k + i + LANES];
            for (col, acc) in acc.iter_mut().enumerate() {
                let b = &b[col * k + i..col * k + i + LANES];
                for lane in 0..LANES {
                    acc[lane] += a[lane] * b[lane];
                }
            }
        }
    }
    for (row, acc) in acc.iter().enumerate() {
        for (col, acc) in acc.iter().enumerate() {
            let tail: f32 = (k_tiled..k).map(|i| a[row * k + i] * b[col * k + i]).sum();
            c[row * n + col] += acc.iter().sum::<f32>() + tail;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;

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

    /// The reference: three loops, in f64.
    pub(crate) fn plain(Dims { m, n, k }: Dims, a: &[f32], b: impl Fn(usize, usize) -> f32) -> Vec<f64> {
        let mut c = vec![0.0; m * n];
        for row in 0..m {
            for col in 0..n {
                c[row * n + col] =
                    (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b(i, col))).sum::<f64>();
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
    fn products_agree_with_the_reference_at_every_edge() {
        for m in SIZES {
            for n in SIZES {
                for k in SIZES {
                    let dims = Dims { m, n, k };
                    let (a, b) = (values(m * k, 1), values(k * n, 2));
                    let (mut c, mut c_nt) = (vec![0.0; m * n], vec![0.0; m * n]);
                    gemm(dims, &a, &b, &mut c);
                    gemm_nt(dims, &a, &b, &mut c_nt);
                    assert!(is_close(&c, &plain(dims, &a, |i, col| b[i * n + col]), k), "gemm {dims:?}");
                    assert!(
                        is_close(&c_nt, &plain(dims, &a, |i, col| b[col * k + i]), k),
                        "gemm_nt {dims:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_comparison_can_fail() {
        assert!(!is_close(&[1.0], &[1.1], 1));
        assert!(!is_close(&[f32::NAN], &[1.0], 1));
        assert!(!is_close(&[1.0], &[1.0, 2.0], 1));
    }

    #[test]
    fn results_are_added_to_what_is_there() {
        let mut c = [10.0];
        gemm(Dims { m: 1, n: 1, k: 2 }, &[1.0, 2.0], &[3.0, 4.0], &mut c);
        gemm_nt(Dims { m: 1, n: 1, k: 2 }, &[1.0, 2.0], &[3.0, 4.0], &mut c);
        assert_eq!(c, [32.0]);
    }
}
