//! Attention scores: q·k / scale, masked.

use std::iter::repeat_n;

use vitrine_kernel::{HeadRows, Visible};

use super::{CpuTensor, Real, softmax::softmax};
use crate::op::Scoring;

// einsum: q head e, k kv e -> head q k
pub(super) fn attn_scores<R: Real>(q: &CpuTensor<R>, k: &CpuTensor<R>, scoring: Scoring) -> CpuTensor<R> {
    let Scoring { scale, window } = scoring;
    // A key that its query does not see is at -inf, as TransformerLens' hook_attn_scores has it.
    let scores = head_by_head(q, k, R::from_f32(scale), Visible::Causal, |_| {});
    match window {
        Some(window) if window < k.shape[0] => within(scores, window),
        Some(_) | None => scores,
    }
}

/// The softmax of [`attn_scores`]: of each head while its scores are in a cache, and of what a query sees.
pub(super) fn attn_pattern<R: Real>(q: &CpuTensor<R>, k: &CpuTensor<R>, scoring: Scoring) -> CpuTensor<R> {
    let (n_q, n_k) = (q.shape[0], k.shape[0]);
    if scoring.window.is_some_and(|window| window < n_k) {
        return softmax(attn_scores(q, k, scoring));
    }
    head_by_head(q, k, R::from_f32(scoring.scale), Visible::Causal, |scores| {
        for (row, scores) in scores.chunks_exact_mut(n_k.max(1)).enumerate() {
            let (seen, unseen) = scores.split_at_mut(Visible::Causal.n_seen(row % n_q, n_q, n_k));
            R::softmax(seen);
            // A NaN fills the row, as in `softmax`.
            let rest = if seen[0].is_nan() { seen[0] } else { R::zero() };
            unseen.fill(rest);
        }
    })
}

/// Hides the keys that lie `window` or more positions before their query.
fn within<R: Real>(scores: CpuTensor<R>, window: usize) -> CpuTensor<R> {
    let (n_q, n_k) = (scores.shape[1], scores.shape[2]);
    let of_row = |(row, scores): (usize, &mut [R])| {
        let n_seen = Visible::Causal.n_seen(row % n_q, n_q, n_k);
        scores[..n_seen.saturating_sub(window)].fill(R::neg_infinity());
    };
    scores.changed(|data| data.chunks_exact_mut(n_k).enumerate().for_each(of_row))
}

/// Of `attn_mix`, towards the pattern: not masked, for a pattern can be edited anywhere.
// einsum: q head e, k kv e -> head q k
pub(super) fn attn_dots<R: Real>(dz: &CpuTensor<R>, v: &CpuTensor<R>) -> CpuTensor<R> {
    head_by_head(dz, v, R::one(), Visible::All, |_| {})
}

/// `then` is made of the scores of a head, or of all.
fn head_by_head<R: Real>(
    q: &CpuTensor<R>,
    k: &CpuTensor<R>,
    scale: R,
    visible: Visible,
    then: impl Fn(&mut [R]),
) -> CpuTensor<R> {
    let (n_q, n_k, n_heads) = (q.shape[0], k.shape[0], q.shape[1]);
    let mut scores = Vec::with_capacity(n_heads * n_q * n_k);
    let n_sharing = n_heads / k.shape[1].max(1);
    if n_q == 1 {
        scores.resize(n_heads * n_k, R::zero());
        of_one_query(q, k, scale, &mut scores);
        then(&mut scores);
        return CpuTensor::new(vec![n_heads, n_q, n_k], scores);
    }
    for head in 0..n_heads {
        // Only as far as it is about to be written: what is larger than a cache would pass through it twice.
        let at = scores.len();
        scores.resize(at + n_q * n_k, R::zero());
        let keys = k.head_rows(head / n_sharing);
        R::attn_scores(q.head_rows(head), keys, scale, visible, &mut scores[at..]);
        then(&mut scores[at..]);
    }
    CpuTensor::new(vec![n_heads, n_q, n_k], scores)
}

/// A cache of keys is read as it lies, all heads of a position after each other: head by head takes three times as long.
fn of_one_query<R: Real>(q: &CpuTensor<R>, k: &CpuTensor<R>, scale: R, scores: &mut [R]) {
    let (n_k, d_head) = (k.shape[0], k.shape[2].max(1));
    let n_sharing = q.shape[1] / k.shape[1].max(1);
    for (k_pos, keys) in k.data.chunks_exact((k.shape[1] * d_head).max(1)).enumerate() {
        let shared = keys.chunks_exact(d_head).flat_map(|key| repeat_n(key, n_sharing));
        for (head, (key, query)) in shared.zip(q.data.chunks_exact(d_head)).enumerate() {
            scores[head * n_k + k_pos] = R::dot(query, key) / scale;
        }
    }
}

/// The reference, for one head.
pub(super) fn plain<R: Real>(
    q: HeadRows<'_, R>,
    k: HeadRows<'_, R>,
    scale: R,
    visible: Visible,
    scores: &mut [R],
) {
    let (n_q, n_k) = (q.n_rows(), k.n_rows());
    for (q_pos, row) in scores.chunks_exact_mut(n_k.max(1)).enumerate() {
        let (seen, unseen) = row.split_at_mut(visible.n_seen(q_pos, n_q, n_k));
        for (k_pos, score) in seen.iter_mut().enumerate() {
            *score = R::dot(q.row(q_pos), k.row(k_pos)) / scale;
        }
        unseen.fill(R::neg_infinity());
    }
}
