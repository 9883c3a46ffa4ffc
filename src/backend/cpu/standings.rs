//! How an entry of a row compares with the others.

use std::rc::Rc;

use super::{CpuTensor, Kernel, Op, Place as _, Real};

/// Maximum, sum of exp(x - maximum), the chosen entry, how many entries are larger. `[n d] -> [n 4]`
///
/// The sum is made in f64: it is what losses come from. A row with an entry that is not finite has NaN for
/// its maximum.
pub(super) fn standings<R: Real>(kernel: Option<&Rc<Kernel>>, x: &CpuTensor<R>, chosen: &[u32]) -> Op<R> {
    if let Some(place) = x.data.place(kernel)? {
        return Ok(x.with_last(4, place.standings(x.last(), chosen)?));
    }
    let one = |(row, chosen): (&[R], &u32)| {
        let max = R::max_of_finite(row);
        let sum = R::from(R::sum_exp(row, max)).expect("f32 and f64 hold it");
        let entry = row[*chosen as usize];
        [max, sum, entry, R::from_f32(R::count_larger(row, entry) as f32)]
    };
    let rows = x.data.chunks_exact(x.last().max(1)).zip(chosen);
    Ok(x.with_last(4, rows.flat_map(one).collect()))
}

/// Σ exp(xᵢ - shift)
pub(super) fn plain_sum_exp<R: Real>(row: &[R], shift: R) -> f64 {
    row.iter().map(|value| (*value - shift).to_f64().expect("f32 and f64 fit").exp()).sum()
}
