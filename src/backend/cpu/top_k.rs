//! The largest entries of a row.

use super::{CpuTensor, Real};

/// The `k` largest with their indices, largest first; ties go to the lower index. `[.. d] -> [.. k 2]`
///
/// A row with a NaN becomes NaN throughout.
pub(super) fn top_k<R: Real>(x: &CpuTensor<R>, k: usize) -> CpuTensor<R> {
    let mut pairs = Vec::with_capacity(x.n_rows() * k * 2);
    for row in x.data.chunks_exact(x.last().max(1)) {
        if row.iter().any(|value| value.is_nan()) {
            pairs.extend((0..k).flat_map(|nth| [R::nan(), R::from_f32(nth as f32)]));
            continue;
        }
        let pair = |index: u32| [row[index as usize], R::from_f32(index as f32)];
        pairs.extend(largest(row, k).into_iter().flat_map(pair));
    }
    let mut shape = x.shape.clone();
    shape.pop();
    shape.extend([k, 2]);
    CpuTensor::new(shape, pairs)
}

/// Up to so many are kept in order while the row is read; more are sorted out of all.
const MAX_KEPT: usize = 64;

fn largest<R: Real>(row: &[R], k: usize) -> Vec<u32> {
    let key = |index: &u32| row[*index as usize].to_f64().expect("f32 and f64 fit");
    // 0 comes before -0.
    let order = |a: &u32, b: &u32| key(b).total_cmp(&key(a)).then(a.cmp(b));
    if MAX_KEPT < k {
        let mut indices: Vec<u32> = (0..row.len() as u32).collect();
        indices.select_nth_unstable_by(k - 1, order);
        indices.truncate(k);
        indices.sort_unstable_by(order);
        return indices;
    }
    let mut kept: Vec<u32> = Vec::with_capacity(k + 1);
    let mut least = R::neg_infinity();
    for (index, value) in row.iter().enumerate() {
        // Nearly always so, once the first are kept.
        if *value < least {
            continue;
        }
        let index = index as u32;
        let place = kept.partition_point(|before| order(before, &index).is_lt());
        kept.insert(place, index);
        kept.truncate(k);
        if kept.len() == k {
            least = kept.last().map_or(least, |last| row[*last as usize]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeping_and_sorting_find_the_same() {
        let value = |i: u32| ((i * 7919 % 613) as f32 - 300.0) / 10.0 * ((i % 3) as f32 - 1.0);
        let row: Vec<f32> = (0..700).map(value).collect();
        let sorted = largest(&row, MAX_KEPT + 1);
        for k in [1, 2, 33, MAX_KEPT] {
            assert_eq!(largest(&row, k), sorted[..k], "{k}");
        }
        assert_eq!(largest(&[-0.0_f32, 0.0, -0.0, 0.0], 3), [1, 3, 0]);
        assert_eq!(largest(&[f32::NEG_INFINITY; 3], 2), [0, 1]);
    }
}
