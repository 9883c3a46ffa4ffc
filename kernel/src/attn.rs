//! One head's attention: scores of its queries against its keys, and its pattern over its values.

#![allow(unsafe_code, reason = "tiles read through pointers; the public functions check all bounds")]

use crate::{
    entries::add_multiple,
    packed::{MR, PANEL, add_tile, on_tile, packed_len},
    rows::{dot, len_without_tail},
    simd::{F32x4, LANES},
};

/// Keys of a tile.
const NK: usize = 2;

/// The rows of one head in an array `[pos head e]`, which begins at this head.
#[derive(Clone, Copy, Debug)]
pub struct HeadRows<'a, T = f32> {
    values: &'a [T],
    n_rows: usize,
    d_head: usize,
    stride: usize,
}

impl<'a, T> HeadRows<'a, T> {
    /// `n_rows` rows of `d_head` values, `stride` apart.
    ///
    /// Panics if they are not all there.
    pub fn new(values: &'a [T], n_rows: usize, d_head: usize, stride: usize) -> Self {
        let is_long_enough = n_rows == 0 || values.len() >= (n_rows - 1) * stride + d_head;
        assert!(d_head <= stride && is_long_enough, "the rows are there");
        Self { values, n_rows, d_head, stride }
    }

    /// How many positions there are.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many values a row has.
    pub fn d_head(&self) -> usize {
        self.d_head
    }

    /// The row of a position.
    pub fn row(&self, pos: usize) -> &'a [T] {
        &self.values[pos * self.stride..][..self.d_head]
    }
}

/// What a query can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Keys up to itself, the queries being the last positions; the others get -inf and cost nothing.
    Causal,
    /// All keys.
    All,
}

impl Visible {
    /// How many keys, from the first, the query `q_pos` of `n_q` sees of `n_k`.
    pub fn n_seen(self, q_pos: usize, n_q: usize, n_k: usize) -> usize {
        match self {
            Self::Causal => n_k - n_q + q_pos + 1,
            Self::All => n_k,
        }
    }
}

/// `q·k / scale` for every query and every key that it can see, into `scores` [n_q n_k].
///
/// Panics if the rows differ in length, or `scores` is not as long as its shape.
// einsum: q e, k e -> q k
pub fn attn_scores(q: HeadRows<'_>, k: HeadRows<'_>, scale: f32, visible: Visible, scores: &mut [f32]) {
    let (n_q, n_k) = (q.n_rows, k.n_rows);
    assert!(q.d_head == k.d_head && scores.len() == n_q * n_k, "slices fill their shapes");
    assert!(visible == Visible::All || n_q <= n_k, "every query has its own key");
    let n_seen = |q_pos| visible.n_seen(q_pos, n_q, n_k);
    for first in (0..n_q).step_by(MR) {
        let n_rows = MR.min(n_q - first);
        // What all rows of the tile see; each does the few keys after these by itself.
        let mut n_tiled = 0;
        if n_rows == MR && q.d_head.is_multiple_of(LANES) {
            n_tiled = n_seen(first) - n_seen(first) % NK;
            for k_pos in (0..n_tiled).step_by(NK) {
                // SAFETY: four queries and two keys of `d_head` values, a multiple of four.
                let dots = unsafe { dots(q, first, k, k_pos) };
                for (row, dots) in dots.iter().enumerate() {
                    let out = &mut scores[(first + row) * n_k + k_pos..][..NK];
                    out.iter_mut().zip(dots).for_each(|(out, dot)| *out = dot / scale);
                }
            }
        }
        for q_pos in first..first + n_rows {
            let row = &mut scores[q_pos * n_k..][..n_k];
            let (seen, unseen) = row.split_at_mut(n_seen(q_pos));
            for (out, k_pos) in seen[n_tiled..].iter_mut().zip(n_tiled..) {
                *out = dot(q.row(q_pos), k.row(k_pos)) / scale;
            }
            unseen.fill(f32::NEG_INFINITY);
        }
    }
}

/// The dot products of four queries with two keys.
///
/// Safety: those rows are there, and `d_head` is a multiple of four.
#[inline(always)]
unsafe fn dots(q: HeadRows<'_>, q_pos: usize, k: HeadRows<'_>, k_pos: usize) -> [[f32; NK]; MR] {
    // SAFETY: the caller's promise.
    unsafe {
        let (queries, keys) =
            (q.values.as_ptr().add(q_pos * q.stride), k.values.as_ptr().add(k_pos * k.stride));
        let mut acc = [[F32x4::splat(0.0); NK]; MR];
        for e in (0..q.d_head).step_by(LANES) {
            let key: [F32x4; NK] = core::array::from_fn(|col| F32x4::load(keys.add(col * k.stride + e)));
            for (row, acc) in acc.iter_mut().enumerate() {
                let query = F32x4::load(queries.add(row * q.stride + e));
                acc[0] = acc[0].plus_product(query, key[0]);
                acc[1] = acc[1].plus_product(query, key[1]);
            }
        }
        acc.map(|row| row.map(F32x4::sum))
    }
}

/// How many values [`attn_mix`] needs to work in.
pub const fn attn_mix_scratch_len(n_q: usize, n_k: usize, d_head: usize) -> usize {
    if n_q < MR { 0 } else { packed_len(n_k, d_head) }
}

/// `pattern` [n_q n_k] over the values, into the rows of `z`, which begin `z_stride` apart.
///
/// Entries that are 0 from some key to the end cost nothing there, which is how a causal pattern looks.
///
/// Panics if a slice is not as long as its shape, or `scratch` not as [`attn_mix_scratch_len`] says.
// einsum: q k, k e -> q e
pub fn attn_mix(pattern: &[f32], v: HeadRows<'_>, scratch: &mut [f32], z: &mut [f32], z_stride: usize) {
    let (n_k, d_head) = (v.n_rows, v.d_head);
    if n_k == 0 || d_head == 0 {
        return;
    }
    let n_q = pattern.len() / n_k;
    assert!(pattern.len() == n_q * n_k, "the pattern has whole rows");
    assert!(scratch.len() == attn_mix_scratch_len(n_q, n_k, d_head), "the scratch has its length");
    if n_q < MR {
        for (pattern, q_pos) in pattern.chunks_exact(n_k).zip(0..) {
            mix_row(pattern, v, &mut z[q_pos * z_stride..][..d_head]);
        }
        return;
    }
    // The values of one head lie far apart: brought together once, they stay in a cache.
    for k_pos in 0..n_k {
        for (panel_idx, values) in v.row(k_pos).chunks(PANEL).enumerate() {
            scratch[(panel_idx * n_k + k_pos) * PANEL..][..values.len()].copy_from_slice(values);
        }
    }
    for first in (0..n_q).step_by(MR) {
        let n_rows = MR.min(n_q - first);
        let rows = &pattern[first * n_k..][..n_rows * n_k];
        let n_used = rows.chunks_exact(n_k).map(|row| len_without_tail(row, 0.0)).max().unwrap_or(0);
        for (panel, col) in scratch.chunks_exact(n_k * PANEL).zip((0..d_head).step_by(PANEL)) {
            let n_cols = PANEL.min(d_head - col);
            let z = &mut z[first * z_stride + col..][..(n_rows - 1) * z_stride + n_cols];
            // SAFETY: `n_rows` rows of the pattern and the panel have at least `n_used` entries, and `z` as many rows.
            unsafe {
                on_tile(n_rows, n_cols, z.as_mut_ptr(), z_stride, Some([0.0; PANEL]), |z, z_stride| {
                    add_tile(n_rows, n_used, rows.as_ptr(), n_k, panel.as_ptr(), z, z_stride);
                });
            }
        }
    }
}

/// One row: too little work to bring the values together for.
fn mix_row(pattern: &[f32], v: HeadRows<'_>, z: &mut [f32]) {
    z.fill(0.0);
    for (k_pos, p) in pattern[..len_without_tail(pattern, 0.0)].iter().enumerate() {
        add_multiple(z, *p, v.row(k_pos));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;
    use crate::{
        Dims,
        reference::{is_close, plain, values},
    };

    const N_HEADS: usize = 3;

    /// One head of a `[pos head e]` array.
    fn head(x: &[f32], n_rows: usize, d_head: usize) -> HeadRows<'_> {
        HeadRows::new(&x[d_head.min(x.len())..], n_rows, d_head, N_HEADS * d_head)
    }

    fn each_shape(check: impl Fn(usize, usize, usize)) {
        for n_q in [1, 2, 3, 4, 5, 8, 11] {
            for n_past in [0, 1, 6, 20] {
                for d_head in [1, 3, 4, 8, 12, 20] {
                    check(n_q, n_past, d_head);
                }
            }
        }
    }

    #[test]
    fn scores_agree_with_the_reference_and_see_no_later_key() {
        each_shape(|n_q, n_past, d_head| {
            let n_k = n_q + n_past;
            let (q, k) = (values(n_q * N_HEADS * d_head, 1), values(n_k * N_HEADS * d_head, 2));
            let (q, k) = (head(&q, n_q, d_head), head(&k, n_k, d_head));
            let dims = Dims { m: n_q, n: n_k, k: d_head };
            let flat: Vec<f32> = (0..n_q).flat_map(|q_pos| q.row(q_pos).to_vec()).collect();
            let want: Vec<f64> =
                plain(dims, &flat, |e, k_pos| k.row(k_pos)[e]).iter().map(|dot| dot / 2.5).collect();
            let mut scores = vec![f32::NAN; n_q * n_k];
            attn_scores(q, k, 2.5, Visible::All, &mut scores);
            assert!(is_close(&scores, &want, d_head), "{dims:?}");
            let mut causal = vec![f32::NAN; n_q * n_k];
            attn_scores(q, k, 2.5, Visible::Causal, &mut causal);
            for (at, score) in causal.iter().enumerate() {
                let is_seen = at % n_k <= n_past + at / n_k;
                let want = if is_seen { want[at] } else { f64::NEG_INFINITY };
                let is_right =
                    if is_seen { is_close(&[*score], &[want], d_head) } else { f64::from(*score) == want };
                assert!(is_right, "{dims:?} at {at}: {score}, not {want}");
            }
        });
    }

    #[test]
    fn a_nan_in_a_key_reaches_only_who_sees_it() {
        let (n, d_head) = (9, 4);
        let (q, mut k) = (values(n * N_HEADS * d_head, 1), values(n * N_HEADS * d_head, 2));
        k[(5 * N_HEADS + 1) * d_head] = f32::NAN;
        let mut scores = vec![0.0; n * n];
        attn_scores(head(&q, n, d_head), head(&k, n, d_head), 1.0, Visible::Causal, &mut scores);
        for (at, score) in scores.iter().enumerate() {
            assert_eq!(score.is_nan(), at % n == 5 && at / n >= 5, "{at}");
        }
    }

    #[test]
    fn mixes_agree_with_the_reference_and_leave_other_heads_alone() {
        each_shape(|n_q, n_past, d_head| {
            let n_k = n_q + n_past;
            let mut pattern = values(n_q * n_k, 3);
            pattern
                .iter_mut()
                .enumerate()
                .filter(|(at, _)| at % n_k > n_past + at / n_k)
                .for_each(|(_, p)| *p = 0.0);
            // A pattern can be edited anywhere.
            pattern[n_k - 1] = 0.5;
            let v = values(n_k * N_HEADS * d_head, 4);
            let v = head(&v, n_k, d_head);
            let stride = N_HEADS * d_head;
            let mut z = vec![7.0; n_q * stride];
            let mut scratch = vec![f32::NAN; attn_mix_scratch_len(n_q, n_k, d_head)];
            attn_mix(&pattern, v, &mut scratch, &mut z[d_head..], stride);
            let want = plain(Dims { m: n_q, n: d_head, k: n_k }, &pattern, |k_pos, e| v.row(k_pos)[e]);
            for (q_pos, z) in z.chunks_exact(stride).enumerate() {
                let want = &want[q_pos * d_head..][..d_head];
                assert!(is_close(&z[d_head..2 * d_head], want, n_k), "{n_q} {n_past} {d_head}: row {q_pos}");
                assert!(
                    z[..d_head].iter().chain(&z[2 * d_head..]).all(|z| *z == 7.0),
                    "another head was written"
                );
            }
        });
    }
}
