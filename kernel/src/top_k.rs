//! The largest entries of a row, in one pass: sixteen entries at a time are compared with the least that still counts.

use crate::simd::{F32x4, LANES};

/// Entries that are compared at once.
const BLOCK: usize = 4 * LANES;
const SIGN: u32 = 1 << 31;

/// How much room [`top_k`] needs beside its result.
///
/// After a look at four times as many entries as are kept, three in four of the next have no chance; the list is cut
/// again when it is full, which happens a logarithm of times.
pub const fn top_k_scratch_len(k: usize) -> usize {
    4 * k + BLOCK
}

/// The `k` largest entries of a row with their indices, largest first; ties go to the lower index, and 0 comes before
/// -0. With a NaN in the row every value becomes NaN. `pairs`: [k 2]
///
/// Panics if the row has fewer than `k` entries, or a slice is not as long as it says.
pub fn top_k(row: &[f32], k: usize, scratch: &mut [u64], pairs: &mut [f32]) {
    assert!(k <= row.len() && pairs.len() == 2 * k, "there are as many");
    assert!(scratch.len() == top_k_scratch_len(k), "there is room");
    if !find(row, k, scratch) {
        for (nth, pair) in pairs.chunks_exact_mut(2).enumerate() {
            pair.copy_from_slice(&[f32::NAN, nth as f32]);
        }
        return;
    }
    for (pair, key) in pairs.chunks_exact_mut(2).zip(scratch) {
        let index = index_of(*key);
        pair.copy_from_slice(&[row[index], index as f32]);
    }
}

/// Puts the keys of the `k` largest in front, in order; not if there is a NaN.
fn find(row: &[f32], k: usize, keys: &mut [u64]) -> bool {
    let mut n_kept = 0;
    let mut start = keys.len().min(row.len());
    for (index, value) in row[..start].iter().enumerate() {
        if value.is_nan() {
            return false;
        }
        keys[n_kept] = key(*value, index);
        n_kept += 1;
    }
    if k == 0 {
        return row.iter().all(|value| !value.is_nan());
    }
    let mut limit = cut(k, &mut keys[..n_kept], row);
    n_kept = k;
    while start < row.len() {
        let block = &row[start..row.len().min(start + BLOCK)];
        if !is_at_most(block, limit) {
            for (index, value) in (start..).zip(block) {
                if value.is_nan() {
                    return false;
                }
                if limit < *value {
                    keys[n_kept] = key(*value, index);
                    n_kept += 1;
                }
            }
            if keys.len() < n_kept + BLOCK {
                limit = cut(k, &mut keys[..n_kept], row);
                n_kept = k;
            }
        }
        start += BLOCK;
    }
    cut(k, &mut keys[..n_kept], row);
    keys[..k].sort_unstable_by(|a, b| b.cmp(a));
    true
}

/// Whether a block has nothing above `limit`, and no NaN.
#[inline(always)]
fn is_at_most(block: &[f32], limit: f32) -> bool {
    match block.as_chunks::<LANES>() {
        ([a, b, c, d], []) => {
            F32x4::all_at_most([a, b, c, d].map(|four| F32x4::of(four, 0.0)), F32x4::splat(limit))
        }
        _ => block.iter().all(|value| *value <= limit),
    }
}

/// Puts the `k` largest keys in front; returns what a later entry must be above.
fn cut(k: usize, keys: &mut [u64], row: &[f32]) -> f32 {
    let (_, least, _) = keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
    match row[index_of(*least)] {
        // 0 is above it, and no comparison of floats says so.
        least if least == 0.0 && least.is_sign_negative() => -f32::from_bits(1),
        least => least,
    }
}

/// In the order of entries: by value, then the lower index first.
fn key(value: f32, index: usize) -> u64 {
    let bits = value.to_bits();
    let ordered = if bits < SIGN { bits | SIGN } else { !bits };
    (u64::from(ordered) << 32) | u64::from(!(index as u32))
}

fn index_of(key: u64) -> usize {
    !(key as u32) as usize
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;
    use crate::reference::values;

    fn found(row: &[f32], k: usize) -> Vec<(f32, usize)> {
        let (mut scratch, mut pairs) = (vec![7; top_k_scratch_len(k)], vec![7.0; 2 * k]);
        top_k(row, k, &mut scratch, &mut pairs);
        pairs.chunks_exact(2).map(|pair| (pair[0], pair[1] as usize)).collect()
    }

    /// The reference: everything is sorted.
    fn sorted(row: &[f32], k: usize) -> Vec<(f32, usize)> {
        let mut all: Vec<(f32, usize)> = row.iter().copied().zip(0..).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.truncate(k);
        all
    }

    fn bits(pairs: &[(f32, usize)]) -> Vec<(u32, usize)> {
        pairs.iter().map(|(value, index)| (value.to_bits(), *index)).collect()
    }

    #[test]
    fn the_largest_are_those_that_sorting_finds() {
        for n in [1, 2, 15, 16, 17, 33, 700, 5000] {
            let random = values(n, 1);
            // Few values, so that most are ties; zeros of both signs among them.
            let coarse: Vec<f32> = random.iter().map(|v| (v * 3.0).trunc()).collect();
            let rising: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let falling: Vec<f32> = rising.iter().map(|v| -v).collect();
            let rectified: Vec<f32> = random.iter().map(|v| v.max(0.9) - 0.9).collect();
            for row in [random, coarse, rising, falling, rectified] {
                for k in [0, 1, 2, 32, 100, n].into_iter().filter(|k| *k <= n) {
                    assert_eq!(bits(&found(&row, k)), bits(&sorted(&row, k)), "{k} of {n}");
                }
            }
        }
    }

    #[test]
    fn zeros_and_infinities_have_their_order() {
        let mut row = vec![-0.0; 300];
        row[290] = 0.0;
        assert_eq!(bits(&found(&row, 2)), bits(&[(0.0, 290), (-0.0, 0)]));
        assert_eq!(found(&[f32::NEG_INFINITY; 40], 2), [(f32::NEG_INFINITY, 0), (f32::NEG_INFINITY, 1)]);
        let mut row = vec![f32::NEG_INFINITY; 300];
        row[250] = f32::INFINITY;
        assert_eq!(found(&row, 1), [(f32::INFINITY, 250)]);
    }

    #[test]
    fn a_nan_is_never_passed_over() {
        for at in [0, 5, 33, 279, 280, 299] {
            let mut row: Vec<f32> = (0..300).map(|i| i as f32).collect();
            row[at] = f32::NAN;
            for k in [1, 3] {
                assert!(found(&row, k).iter().all(|(value, _)| value.is_nan()), "{at}");
            }
        }
    }
}
