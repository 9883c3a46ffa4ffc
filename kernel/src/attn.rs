//! One head's attention: scores of its queries against its keys, and its pattern over its values.

#![allow(unsafe_code, reason = "tiles read and write through pointers; who calls them checks all bounds")]

use crate::{
    entries::add_multiple,
    pack_rows::{pack_rows, pack_rows_t},
    packed::{PANEL, packed_len},
    rows::{divide, dot, len_without_tail},
    tile::{MR, Rows, Start, times_panel},
};

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

/// How many values [`attn_scores`] needs to work in.
pub const fn attn_scores_scratch_len(n_q: usize, n_k: usize, d_head: usize) -> usize {
    if n_q < MR { 0 } else { packed_len(d_head, n_k) }
}

/// `q·k / scale` for every query and every key that it can see, into `scores` [n_q n_k].
///
/// Panics if the rows differ in length, or a slice is not as long as it says.
// einsum: q e, k e -> q k
pub fn attn_scores(
    q: HeadRows<'_>,
    k: HeadRows<'_>,
    scale: f32,
    visible: Visible,
    scratch: &mut [f32],
    scores: &mut [f32],
) {
    let (n_q, n_k, d_head) = (q.n_rows, k.n_rows, q.d_head);
    assert!(d_head == k.d_head && scores.len() == n_q * n_k, "slices fill their shapes");
    assert!(visible == Visible::All || n_q <= n_k, "every query has its own key");
    assert!(scratch.len() == attn_scores_scratch_len(n_q, n_k, d_head), "the scratch has its length");
    if MR <= n_q {
        // The keys of one head lie far apart: brought together once, they stay in a cache.
        (0..n_k).for_each(|k_pos| pack_rows_t(d_head, n_k, k_pos, k.row(k_pos), scratch));
        // Here they are fewer than the scores.
        divide(scratch, scale);
        for first in (0..n_q).step_by(MR) {
            let n_rows = MR.min(n_q - first);
            let n_used = visible.n_seen(first + n_rows - 1, n_q, n_k);
            let rows = HeadRows { values: &q.values[first * q.stride..], n_rows, ..q };
            over_panels(rows, d_head, scratch, d_head, n_used, &mut scores[first * n_k..], n_k);
        }
    }
    for (q_pos, row) in scores.chunks_exact_mut(n_k.max(1)).enumerate() {
        let (seen, unseen) = row.split_at_mut(visible.n_seen(q_pos, n_q, n_k));
        if n_q < MR {
            seen.iter_mut().zip(0..).for_each(|(score, k_pos)| *score = dot(q.row(q_pos), k.row(k_pos)));
            divide(seen, scale);
        }
        unseen.fill(f32::NEG_INFINITY);
    }
}

/// The first `len` values of rows times the columns up to `n_cols` of panels of `k` rows, into rows of `c`, which begin
/// `c_stride` apart.
fn over_panels(
    rows: HeadRows<'_>,
    len: usize,
    panels: &[f32],
    k: usize,
    n_cols: usize,
    c: &mut [f32],
    c_stride: usize,
) {
    let n_rows = rows.n_rows;
    assert!(len <= k.min(rows.d_head) && n_cols <= c_stride, "rows fit the panels, and these fit the result");
    let rows = Rows { at: rows.values.as_ptr(), n_rows, len, stride: rows.stride };
    for (panel, col) in panels.chunks_exact((k * PANEL).max(1)).zip((0..n_cols).step_by(PANEL)) {
        let n_cols = PANEL.min(n_cols - col);
        let c = &mut c[col..][..(n_rows - 1) * c_stride + n_cols];
        // SAFETY: the rows and the panel have at least `len` values each, and `c` has as many rows.
        unsafe {
            let zeros = Start::From([0.0; PANEL]);
            times_panel(rows, panel.as_ptr(), n_cols, zeros, c.as_mut_ptr(), c_stride);
        }
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
    // As the keys are.
    (0..n_k).for_each(|k_pos| pack_rows(n_k, d_head, k_pos, v.row(k_pos), scratch));
    for (rows, first) in pattern.chunks(MR * n_k).zip((0..).step_by(MR)) {
        let n_used = rows.chunks_exact(n_k).map(|row| len_without_tail(row, 0.0)).max().unwrap_or(0);
        let rows = HeadRows::new(rows, rows.len() / n_k, n_k, n_k);
        over_panels(rows, n_used, scratch, n_k, d_head, &mut z[first * z_stride..], z_stride);
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
            let mut scratch = vec![f32::NAN; attn_scores_scratch_len(n_q, n_k, d_head)];
            attn_scores(q, k, 2.5, Visible::All, &mut scratch, &mut scores);
            assert!(is_close(&scores, &want, d_head), "{dims:?}");
            let mut causal = vec![f32::NAN; n_q * n_k];
            attn_scores(q, k, 2.5, Visible::Causal, &mut scratch, &mut causal);
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
        let mut scratch = vec![f32::NAN; attn_scores_scratch_len(n, n, d_head)];
        attn_scores(
            head(&q, n, d_head),
            head(&k, n, d_head),
            1.0,
            Visible::Causal,
            &mut scratch,
            &mut scores,
        );
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
