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

fn largest<R: Real>(row: &[R], k: usize) -> Vec<u32> {
    // As `total_cmp`: 0 comes before -0.
    let key = |index: &u32| (row[*index as usize], !row[*index as usize].is_sign_negative());
    let order = |a: &u32, b: &u32| key(b).partial_cmp(&key(a)).expect("no NaN").then(a.cmp(b));
    let mut indices: Vec<u32> = (0..row.len() as u32).collect();
    indices.select_nth_unstable_by(k - 1, order);
    indices.truncate(k);
    indices.sort_unstable_by(order);
    indices
}
