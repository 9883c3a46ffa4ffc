//! The largest entries of a row.

use std::rc::Rc;

use super::{CpuTensor, Kernel, Op, Place as _, Real};

/// The `k` largest with their indices, largest first; ties go to the lower index. `[.. d] -> [.. k 2]`
///
/// A row with a NaN becomes NaN throughout.
pub(super) fn top_k<R: Real>(kernel: Option<&Rc<Kernel>>, x: &CpuTensor<R>, k: usize) -> Op<R> {
    let mut shape = x.shape.clone();
    shape.pop();
    shape.extend([k, 2]);
    if let Some(place) = x.data.place(kernel)? {
        return Ok(CpuTensor::new(shape, place.top_k(x.last(), k)?));
    }
    let mut pairs = vec![R::zero(); x.n_rows() * k * 2];
    R::top_k(&x.data, x.last(), k, &mut pairs);
    Ok(CpuTensor::new(shape, pairs))
}

/// The reference: rows of `d` entries are sorted. `pairs`: [.. k 2]
pub(super) fn plain<R: Real>(x: &[R], d: usize, k: usize, pairs: &mut [R]) {
    for (row, pairs) in x.chunks_exact(d.max(1)).zip(pairs.chunks_exact_mut((2 * k).max(1))) {
        let key = |index: &u32| row[*index as usize].to_f64().expect("f32 and f64 fit");
        let is_number = !row.iter().any(|value| value.is_nan());
        let mut indices: Vec<u32> = (0..row.len() as u32).collect();
        if is_number {
            // 0 comes before -0.
            indices.sort_unstable_by(|a, b| key(b).total_cmp(&key(a)).then(a.cmp(b)));
        }
        for (pair, index) in pairs.chunks_exact_mut(2).zip(indices) {
            let value = if is_number { row[index as usize] } else { R::nan() };
            pair.copy_from_slice(&[value, R::from_f32(index as f32)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_finds_what_sorting_finds() {
        let value = |i: u32| ((i * 7919 % 613) as f32 - 300.0) / 10.0 * ((i % 3) as f32 - 1.0);
        let mut rows: Vec<f32> = (0..2100).map(value).collect();
        rows[800] = f32::NAN;
        for k in [1, 2, 33, 700] {
            let (mut got, mut want) = (vec![0.0; 3 * k * 2], vec![0.0; 3 * k * 2]);
            f32::top_k(&rows, 700, k, &mut got);
            plain(&rows, 700, k, &mut want);
            let bits = |pairs: &[f32]| pairs.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&got), bits(&want), "{k}");
            assert!(got[2 * k].is_nan() && !got[0].is_nan(), "only the second row has a NaN");
        }
    }
}
