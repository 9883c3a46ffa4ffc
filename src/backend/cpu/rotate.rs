//! Rotary positions (Su et al. 2021, <https://arxiv.org/abs/2104.09864>), with a pair half a rotary width apart.

use super::{CpuTensor, Real};

/// `(a, b) -> (a cos - b sin, b cos + a sin)`
pub(super) fn rotate<R: Real>(x: CpuTensor<R>, turns: &CpuTensor<R>) -> CpuTensor<R> {
    turned(x, turns, |sin| sin)
}

/// Of [`rotate`]: a rotation's transpose turns back.
pub(super) fn rotate_dx<R: Real>(dy: &CpuTensor<R>, turns: &CpuTensor<R>) -> CpuTensor<R> {
    turned(dy.clone(), turns, |sin| -sin)
}

fn turned<R: Real>(x: CpuTensor<R>, turns: &CpuTensor<R>, way: impl Fn(R) -> R) -> CpuTensor<R> {
    let (n_heads, d_head, n_pairs) = (x.shape[1], x.shape[2], turns.last() / 2);
    let of_row = |(row, x): (usize, &mut [R])| {
        let (cos, sin) = turns.data[row / n_heads * 2 * n_pairs..][..2 * n_pairs].split_at(n_pairs);
        let (first, rest) = x.split_at_mut(n_pairs);
        for ((a, b), (cos, sin)) in first.iter_mut().zip(rest).zip(cos.iter().zip(sin)) {
            let sin = way(*sin);
            (*a, *b) = (*a * *cos - *b * sin, *b * *cos + *a * sin);
        }
    };
    x.changed(|data| data.chunks_exact_mut(d_head.max(1)).enumerate().for_each(of_row))
}
