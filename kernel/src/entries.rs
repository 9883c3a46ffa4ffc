//! Two arrays, entry by entry, four at once; over as many as the shorter has.

use crate::simd::{F32x4, LANES};

/// `f` of each entry of `to` and its fellow in `from`, in place.
#[inline(always)]
fn map_with(to: &mut [f32], from: &[f32], f: impl Fn(F32x4, F32x4) -> F32x4) {
    let len = to.len().min(from.len());
    let (fours, rest) = to[..len].as_chunks_mut::<LANES>();
    let (from_fours, from_rest) = from[..len].as_chunks::<LANES>();
    for (to, from) in fours.iter_mut().zip(from_fours) {
        f(F32x4::of(to, 0.0), F32x4::of(from, 0.0)).put(to);
    }
    f(F32x4::of(rest, 0.0), F32x4::of(from_rest, 0.0)).put(rest);
}

/// `to += from`
pub fn add_to(to: &mut [f32], from: &[f32]) {
    map_with(to, from, |to, from| to + from);
}

/// `to *= by`
pub fn multiply_by(to: &mut [f32], by: &[f32]) {
    map_with(to, by, |to, by| to * by);
}

/// `to += factor from`
pub fn add_multiple(to: &mut [f32], factor: f32, from: &[f32]) {
    let factor = F32x4::splat(factor);
    map_with(to, from, |to, from| to.plus_product(factor, from));
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::reference::values;

    fn check(f: impl Fn(&mut [f32], &[f32]), plain: impl Fn(f32, f32) -> f32) {
        for (n_to, n_from) in [(0, 3), (1, 1), (4, 4), (7, 7), (9, 6), (6, 9), (64, 64)] {
            let (to, from) = (values(n_to, 1), values(n_from, 2));
            let mut got = to.clone();
            f(&mut got, &from);
            let pairs = to.iter().enumerate();
            let want: Vec<f32> =
                pairs.map(|(i, to)| from.get(i).map_or(*to, |from| plain(*to, *from))).collect();
            assert!(got.iter().zip(&want).all(|(got, want)| (got - want).abs() <= 1e-6), "{n_to} {n_from}");
        }
    }

    #[test]
    fn each_entry_meets_its_fellow() {
        check(add_to, |to, from| to + from);
        check(multiply_by, |to, by| to * by);
        check(|to, from| add_multiple(to, 0.3, from), |to, from| to + 0.3 * from);
    }
}
