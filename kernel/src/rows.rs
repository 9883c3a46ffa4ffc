//! What a row comes down to, and what is made of it: sums, norms, softmax.

use crate::{
    exp::{Exp, held},
    ln::Ln,
    simd::{F32x4, LANES, map},
};

/// Independent sums, so that one addition need not wait for the one before.
const N_SUMS: usize = 4;

/// What [`summed`] adds up at once.
type Block = [f32; N_SUMS * LANES];

/// `f` adds four values to a sum, and nothing for `fill`, which stands for those past the end.
#[inline(always)]
fn summed(row: &[f32], fill: f32, f: impl Fn(F32x4, F32x4) -> F32x4) -> F32x4 {
    let mut sums = [F32x4::splat(0.0); N_SUMS];
    let (blocks, rest): (&[Block], _) = row.as_chunks();
    for block in blocks {
        for (sum, four) in sums.iter_mut().zip(block.as_chunks::<LANES>().0) {
            *sum = f(*sum, F32x4::of(four, fill));
        }
    }
    for four in rest.chunks(LANES) {
        sums[0] = f(sums[0], F32x4::of(four, fill));
    }
    together(sums)
}

#[inline(always)]
fn together(sums: [F32x4; N_SUMS]) -> F32x4 {
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Σ aᵢ bᵢ, over as many as the shorter has.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let mut sums = [F32x4::splat(0.0); N_SUMS];
    let (a_blocks, a_rest): (&[Block], _) = a[..len].as_chunks();
    let (b_blocks, b_rest): (&[Block], _) = b[..len].as_chunks();
    let four = |values: &[f32]| F32x4::of(values, 0.0);
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        let fours = a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0);
        for (sum, (a, b)) in sums.iter_mut().zip(fours) {
            *sum = sum.plus_product(four(a), four(b));
        }
    }
    for (a, b) in a_rest.chunks(LANES).zip(b_rest.chunks(LANES)) {
        sums[0] = sums[0].plus_product(four(a), four(b));
    }
    together(sums).sum()
}

/// Σ xᵢ
#[inline]
pub fn sum(row: &[f32]) -> f32 {
    summed(row, 0.0, |sum, x| sum + x).sum()
}

/// Σ (xᵢ - centre)²
#[inline]
pub fn sum_of_squares_around(row: &[f32], centre: f32) -> f32 {
    let from = F32x4::splat(centre);
    summed(row, centre, |sum, x| sum.plus_product(x - from, x - from)).sum()
}

/// `(x - centre) / scale`, in place.
#[inline]
pub fn normalise(row: &mut [f32], centre: f32, scale: f32) {
    let (centre, scale) = (F32x4::splat(centre), F32x4::splat(scale));
    map(row, |x| (x - centre) / scale);
}

/// Softmax in place; a row of -inf throughout becomes 0, and one NaN makes all of it NaN.
pub fn softmax(row: &mut [f32]) {
    // What a causal row does not see costs nothing: its exponential is 0.
    let (seen, unseen) = row.split_at_mut(len_without_tail(row, f32::NEG_INFINITY));
    unseen.fill(0.0);
    // A NaN is passed over here and comes back in the sum.
    let (exp, shift) = (Exp::new(), F32x4::splat(max(seen)));
    let total = map_summed(seen, f32::NEG_INFINITY, |x| exp.of(x - shift));
    if total.is_nan() {
        unseen.fill(f32::NAN);
    }
    // The largest entry alone makes it 1.
    times(seen, 1.0 / total);
}

/// `f` of every value, in place, and the sum of the results; `f(fill)` must be 0.
#[inline(always)]
fn map_summed(values: &mut [f32], fill: f32, f: impl Fn(F32x4) -> F32x4) -> f32 {
    let mut sums = [F32x4::splat(0.0); N_SUMS];
    let mut blocks = values.chunks_exact_mut(N_SUMS * LANES);
    for block in &mut blocks {
        for (four, sum) in block.chunks_exact_mut(LANES).zip(&mut sums) {
            let result = f(F32x4::of(four, fill));
            result.put(four);
            *sum = *sum + result;
        }
    }
    for four in blocks.into_remainder().chunks_mut(LANES) {
        let result = f(F32x4::of(four, fill));
        result.put(four);
        sums[0] = sums[0] + result;
    }
    together(sums).sum()
}

/// `x * by`, in place.
#[inline]
fn times(row: &mut [f32], by: f32) {
    let by = F32x4::splat(by);
    map(row, |x| x * by);
}

/// `x / by`, in place.
#[inline]
pub(crate) fn divide(row: &mut [f32], by: f32) {
    let by = F32x4::splat(by);
    map(row, |x| x / by);
}

/// How long a row is without the entries at its end that are `blank`.
pub fn len_without_tail(row: &[f32], blank: f32) -> usize {
    let four_blank = F32x4::splat(blank);
    let pieces = row.as_rchunks::<LANES>().1.as_rchunks::<4>().1;
    let is_blank = |piece: &&[[f32; LANES]; 4]| {
        F32x4::all_equal(piece.each_ref().map(|four| F32x4::of(four, blank)), four_blank)
    };
    let n_blank = pieces.iter().rev().take_while(is_blank).count();
    let rest = &row[..row.len() - n_blank * 4 * LANES];
    rest.iter().rposition(|x| *x != blank).map_or(0, |last| last + 1)
}

/// -Σ p ln p, nats, where 0 ln 0 is 0. Probabilities below the smallest normal number count as that for the logarithm.
pub fn entropy(row: &[f32]) -> f32 {
    let row = &row[..len_without_tail(row, 0.0)];
    let (ln, least) = (Ln::new(), held(f32::MIN_POSITIVE));
    -summed(row, 0.0, |sum, p| sum.plus_product(p, ln.of(p.at_least(least)))).sum()
}

/// The largest entry of a row of numbers; NaN if there is one that is not finite.
pub fn max_of_finite(row: &[f32]) -> f32 {
    let zero = held(0.0);
    let mut largest = [F32x4::splat(f32::NEG_INFINITY); N_SUMS];
    let mut zeros = [zero; N_SUMS];
    let (blocks, rest): (&[Block], _) = row.as_chunks();
    for block in blocks {
        for (i, four) in block.as_chunks::<LANES>().0.iter().enumerate() {
            let four = F32x4::of(four, 0.0);
            largest[i] = largest[i].at_least(four);
            // Only what is not finite is not 0 after that.
            zeros[i] = zeros[i].plus_product(four, zero);
        }
    }
    let is_finite = !zeros.into_iter().fold(zero, |all, four| all + four).sum().is_nan();
    if is_finite && rest.iter().all(|x| x.is_finite()) { largest_of(largest, rest) } else { f32::NAN }
}

/// How many entries are larger than `than`; a NaN is not.
pub fn count_larger(row: &[f32], than: f32) -> usize {
    // Counts in f32 are exact below 2^24, and a lane sees a quarter of a piece.
    const PIECE: usize = 1 << 20;
    let (zero, one, limit) = (held(0.0), held(1.0), F32x4::splat(than));
    let in_piece = |piece: &[f32]| {
        summed(piece, f32::NEG_INFINITY, |sum, x| sum + (limit - x).if_negative(one, zero)).sum() as usize
    };
    row.chunks(PIECE).map(in_piece).sum()
}

/// The largest entry; a NaN is passed over, and of nothing it is -inf.
pub fn max(row: &[f32]) -> f32 {
    let mut largest = [F32x4::splat(f32::NEG_INFINITY); N_SUMS];
    let (blocks, rest): (&[Block], _) = row.as_chunks();
    for block in blocks {
        for (i, four) in block.as_chunks::<LANES>().0.iter().enumerate() {
            largest[i] = largest[i].at_least(F32x4::of(four, f32::NEG_INFINITY));
        }
    }
    largest_of(largest, rest)
}

fn largest_of(fours: [F32x4; N_SUMS], rest: &[f32]) -> f32 {
    let four = fours.into_iter().fold(F32x4::splat(f32::NEG_INFINITY), F32x4::at_least);
    four.to_array().iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Σ exp(xᵢ - shift), with a shift that no entry exceeds: what a loss comes from, so parts of it are added in f64.
pub fn sum_exp(row: &[f32], shift: f32) -> f64 {
    const PART: usize = 128;
    let (exp, shift) = (Exp::new(), F32x4::splat(shift));
    let of_part =
        |part: &[f32]| f64::from(summed(part, f32::NEG_INFINITY, |sum, x| sum + exp.of(x - shift)).sum());
    row.chunks(PART).map(of_part).sum()
}

/// How an entry stands among the others of its row: the row's maximum, Σ exp(xᵢ - maximum), the entry, and how many
/// entries are larger. NaN for the maximum if an entry is not finite.
pub fn standing(row: &[f32], chosen: usize) -> [f32; 4] {
    let (max, entry) = (max_of_finite(row), row[chosen]);
    [max, sum_exp(row, max) as f32, entry, count_larger(row, entry) as f32]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;
    use crate::{exp::tests::is_near, reference::values};

    const LENGTHS: [usize; 12] = [0, 1, 2, 3, 4, 5, 15, 16, 17, 33, 64, 771];

    fn plain_softmax(row: &[f32]) -> Vec<f64> {
        let max = row.iter().fold(f64::NEG_INFINITY, |max, x| max.max(f64::from(*x)));
        let exps: Vec<f64> = row.iter().map(|x| (f64::from(*x) - max).exp()).collect();
        let sum: f64 = exps.iter().sum();
        exps.iter().map(|e| e / sum).collect()
    }

    #[test]
    fn entropy_agrees_with_the_reference() {
        for len in LENGTHS {
            let mut row: Vec<f32> = values(len, 11).iter().map(|v| v.abs()).collect();
            let total: f32 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= total);
            row.extend([0.0; 37]);
            row.insert(len / 2, 0.0);
            let plain = |p: &f32| if *p == 0.0 { 0.0 } else { -f64::from(*p) * f64::from(*p).ln() };
            let want: f64 = row.iter().map(plain).sum();
            let err = (f64::from(entropy(&row)) - want).abs();
            assert!(err <= 1e-6 * (1.0 + want), "{len}: {} is not {want}", entropy(&row));
        }
        assert!(entropy(&[0.5, f32::NAN, 0.0]).is_nan());
    }

    #[test]
    fn a_tail_is_what_is_blank_up_to_the_end() {
        for len in LENGTHS {
            for n_kept in [0, 1, len / 2, len] {
                let mut row = vec![0.0; len];
                if let Some(last) = n_kept.min(len).checked_sub(1) {
                    row[last] = f32::NAN;
                }
                assert_eq!(len_without_tail(&row, 0.0), n_kept.min(len), "{len}");
            }
        }
        assert_eq!(len_without_tail(&[1.0, f32::NEG_INFINITY], f32::NEG_INFINITY), 1);
    }

    #[test]
    fn sums_of_exponentials_agree_with_the_reference_at_every_length() {
        for n in LENGTHS {
            let row: Vec<f32> = values(n, 3).iter().map(|x| 20.0 * x).collect();
            let want: f64 = row.iter().map(|x| (f64::from(*x) - 20.0).exp()).sum();
            let err = (sum_exp(&row, 20.0) - want).abs();
            assert!(err <= 3e-6 * want, "{n}: {err} of {want}");
            assert_eq!(max(&row), row.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{n}");
        }
        assert!(sum_exp(&[0.0, f32::NAN], 0.0).is_nan());
        assert_eq!(sum_exp(&[f32::NEG_INFINITY; 5], 0.0), 0.0);
    }

    #[test]
    fn a_row_is_ranked_as_plainly() {
        for n in LENGTHS {
            let mut row = values(n, 5);
            row.iter_mut().step_by(3).for_each(|x| *x = 0.25);
            assert_eq!(max_of_finite(&row), max(&row), "{n}");
            for than in [-2.0, 0.25, 0.3, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE / 4.0] {
                let want = row.iter().filter(|x| than < **x).count();
                assert_eq!(count_larger(&row, than), want, "{n}: larger than {than}");
            }
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                if let Some(last) = row.last_mut() {
                    *last = bad;
                    assert!(max_of_finite(&row).is_nan(), "{n}: {bad}");
                }
            }
        }
        assert_eq!(count_larger(&[f32::NAN, 1.0, f32::INFINITY], 0.5), 2);
        // Their difference is too small to be a normal number.
        assert_eq!(count_larger(&[f32::MIN_POSITIVE], f32::MIN_POSITIVE.next_down()), 1);
    }

    #[test]
    fn sums_agree_with_the_reference_at_every_length() {
        for n in LENGTHS {
            let (a, b) = (values(n, 1), values(n, 2));
            // Sums of both signs cancel: what can be promised is relative to the terms.
            let floor = 1e-7 * n as f64;
            let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
            let (wide_a, wide_b) = (wide(&a), wide(&b));
            let want: f64 = wide_a.iter().zip(&wide_b).map(|(a, b)| a * b).sum();
            assert!(is_near(dot(&a, &b), want, floor), "dot {n}");
            assert!(is_near(sum(&a), wide_a.iter().sum(), floor), "sum {n}");
            let want: f64 = wide_a.iter().map(|a| (a - 0.25) * (a - 0.25)).sum();
            assert!(is_near(sum_of_squares_around(&a, 0.25), want, 0.0), "squares {n}");
            let mut normal = a.clone();
            normalise(&mut normal, 0.25, 0.5);
            for (got, a) in normal.iter().zip(&wide_a) {
                assert!(is_near(*got, (a - 0.25) / 0.5, 1e-7), "normalise {n}");
            }
        }
    }

    #[test]
    fn a_forgotten_tail_would_be_seen() {
        let a = values(17, 1);
        let want: f64 = a[..16].iter().map(|x| f64::from(*x)).sum();
        assert!(!is_near(sum(&a), want, 1e-7 * 17.0));
    }

    #[test]
    fn softmax_agrees_with_the_reference() {
        for n in LENGTHS {
            for scale in [1.0, 30.0, 3000.0] {
                let mut row: Vec<f32> = values(n, 3).iter().map(|x| x * scale).collect();
                if n > 2 {
                    row[n / 2] = f32::NEG_INFINITY;
                }
                let want = plain_softmax(&row);
                softmax(&mut row);
                for (got, want) in row.iter().zip(want) {
                    // `x - max` is rounded: a small share of the row has fewer digits.
                    assert!(is_near(*got, want, 1e-12), "{n}: {got}, not {want}");
                }
                assert!(n < 3 || row[n / 2] == 0.0);
            }
        }
    }

    #[test]
    fn softmax_of_what_is_masked_and_of_what_is_no_number() {
        let mut masked = [f32::NEG_INFINITY; 7];
        softmax(&mut masked);
        assert_eq!(masked, [0.0; 7]);
        for bad in [f32::NAN, f32::INFINITY] {
            for at in 0..6 {
                let mut row = [0.0, 1.0, f32::NEG_INFINITY, 2.0, 3.0, 4.0];
                row[at] = bad;
                softmax(&mut row);
                assert!(row.iter().all(|x| x.is_nan()), "{bad} at {at}");
            }
        }
        let mut nans = [f32::NAN, f32::NEG_INFINITY, f32::NEG_INFINITY];
        softmax(&mut nans);
        assert!(nans.iter().all(|x| x.is_nan()));
    }
}
