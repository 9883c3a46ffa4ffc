//! Eigenvalues of a real square matrix that need not be symmetric.
//!
//! Reduction to Hessenberg form by elimination, then QR steps with Francis' double shift (Martin, Peters & Wilkinson
//! 1970, `elmhes` and `hqr`). O(n^3), in f64: a head's circuit is d_head wide.

/// More steps than any matrix has been seen to need for one eigenvalue.
const MAX_STEPS: usize = 60;

/// A square matrix, row-major.
#[derive(Clone, Debug)]
pub struct Square {
    n: usize,
    data: Vec<f64>,
}

impl Square {
    /// `data` is `[n n]`.
    pub fn new(n: usize, data: Vec<f64>) -> Self {
        assert_eq!(data.len(), n * n, "a square matrix");
        Self { n, data }
    }

    fn at(&self, row: usize, col: usize) -> f64 {
        self.data[row * self.n + col]
    }

    fn at_mut(&mut self, row: usize, col: usize) -> &mut f64 {
        &mut self.data[row * self.n + col]
    }

    /// Real and imaginary parts, in no particular order; `None` if they are not found, as where a value is not finite.
    pub fn eigenvalues(mut self) -> Option<Vec<(f64, f64)>> {
        if self.data.iter().any(|value| !value.is_finite()) {
            return None;
        }
        self.reduce();
        let mut found = Vec::with_capacity(self.n);
        let (mut end, mut n_steps, mut shift) = (self.n, 0, 0.0);
        while end > 0 {
            let last = end - 1;
            let start = self.block_start(last);
            if start == last {
                found.push((self.at(last, last) + shift, 0.0));
                (end, n_steps) = (last, 0);
            } else if start + 1 == last {
                found.extend(self.pair(last, shift));
                (end, n_steps) = (last - 1, 0);
            } else if n_steps == MAX_STEPS {
                return None;
            } else {
                n_steps += 1;
                let shifts = self.shifts(last, n_steps, &mut shift);
                self.step(start, last, shifts);
            }
        }
        Some(found)
    }

    /// To Hessenberg form: zeros below the first subdiagonal.
    fn reduce(&mut self) {
        let n = self.n;
        for col in 1..n.saturating_sub(1) {
            let size = |row: &usize| self.at(*row, col - 1).abs();
            let pivot = (col..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(col);
            for k in col - 1..n {
                self.data.swap(pivot * n + k, col * n + k);
            }
            for k in 0..n {
                self.data.swap(k * n + pivot, k * n + col);
            }
            let by = self.at(col, col - 1);
            if by == 0.0 {
                continue;
            }
            for row in col + 1..n {
                let factor = self.at(row, col - 1) / by;
                *self.at_mut(row, col - 1) = 0.0;
                for k in col..n {
                    *self.at_mut(row, k) -= factor * self.at(col, k);
                }
                for k in 0..n {
                    *self.at_mut(k, col) += factor * self.at(k, row);
                }
            }
        }
    }

    /// Where the block that ends at `last` begins: above it the subdiagonal is nothing beside its neighbours.
    fn block_start(&self, last: usize) -> usize {
        let is_small = |row: &usize| {
            let size = self.at(row - 1, row - 1).abs() + self.at(*row, *row).abs();
            self.at(*row, row - 1).abs() <= f64::EPSILON * size
        };
        (1..=last).rev().find(is_small).unwrap_or(0)
    }

    /// The eigenvalues of the last block, which is 2 x 2.
    fn pair(&self, last: usize, shift: f64) -> [(f64, f64); 2] {
        let (a, d) = (self.at(last - 1, last - 1), self.at(last, last));
        let product = self.at(last, last - 1) * self.at(last - 1, last);
        let half = (a - d) / 2.0;
        let under = half * half + product;
        let root = under.abs().sqrt();
        if under < 0.0 {
            let re = d + half + shift;
            return [(re, root), (re, -root)];
        }
        let far = half + if half < 0.0 { -root } else { root };
        let near = if far == 0.0 { 0.0 } else { -product / far };
        [(d + far + shift, 0.0), (d + near + shift, 0.0)]
    }

    /// Sum and product of the two shifts: the last block's eigenvalues, or others where these lead nowhere.
    fn shifts(&mut self, last: usize, n_steps: usize, shift: &mut f64) -> (f64, f64) {
        if n_steps.is_multiple_of(10) {
            let by = self.at(last, last);
            *shift += by;
            for k in 0..=last {
                *self.at_mut(k, k) -= by;
            }
            let size = self.at(last, last - 1).abs() + self.at(last - 1, last - 2).abs();
            return (1.5 * size, size * size);
        }
        let (a, d) = (self.at(last - 1, last - 1), self.at(last, last));
        (a + d, a * d - self.at(last, last - 1) * self.at(last - 1, last))
    }

    /// One double step on the block `start..=last`, by reflections of three rows that chase a bulge down.
    fn step(&mut self, start: usize, last: usize, (sum, product): (f64, f64)) {
        let h = |row: usize, col: usize| self.at(start + row, start + col);
        let mut bulge = [
            h(0, 0) * h(0, 0) + h(0, 1) * h(1, 0) - sum * h(0, 0) + product,
            h(1, 0) * (h(0, 0) + h(1, 1) - sum),
            h(1, 0) * h(2, 1),
        ];
        for k in start..last {
            let n = if k + 1 == last { 2 } else { 3 };
            if k > start {
                bulge = [self.at(k, k - 1), self.at(k + 1, k - 1), 0.0];
                if n == 3 {
                    bulge[2] = self.at(k + 2, k - 1);
                }
            }
            let Some(normal) = reflection(&bulge[..n]) else { continue };
            let first = if k > start { k - 1 } else { start };
            for col in first..=last {
                let along: f64 = (0..n).map(|i| normal[i] * self.at(k + i, col)).sum();
                (0..n).for_each(|i| *self.at_mut(k + i, col) -= 2.0 * along * normal[i]);
            }
            for row in start..=last.min(k + 3) {
                let along: f64 = (0..n).map(|i| normal[i] * self.at(row, k + i)).sum();
                (0..n).for_each(|i| *self.at_mut(row, k + i) -= 2.0 * along * normal[i]);
            }
        }
    }
}

/// The unit normal of the mirror that leaves only the first entry of `x` (Householder 1958).
fn reflection(x: &[f64]) -> Option<[f64; 3]> {
    let largest = x.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
    if largest == 0.0 {
        return None;
    }
    let mut normal = [0.0; 3];
    normal.iter_mut().zip(x).for_each(|(to, value)| *to = value / largest);
    let length = normal.iter().map(|v| v * v).sum::<f64>().sqrt();
    normal[0] += if normal[0] < 0.0 { -length } else { length };
    let length = normal.iter().map(|v| v * v).sum::<f64>().sqrt();
    normal.iter_mut().for_each(|v| *v /= length);
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(n: usize, data: &[f64]) -> Vec<(f64, f64)> {
        let mut found = Square::new(n, data.to_vec()).eigenvalues().expect("are found");
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        found
    }

    fn are_near(got: &[(f64, f64)], want: &[(f64, f64)], tol: f64) -> bool {
        let is_near =
            |(a, b): (&(f64, f64), &(f64, f64))| (a.0 - b.0).abs() <= tol && (a.1 - b.1).abs() <= tol;
        got.len() == want.len() && got.iter().zip(want).all(is_near)
    }

    #[test]
    fn of_matrices_that_are_known() {
        assert!(sorted(0, &[]).is_empty());
        assert!(are_near(&sorted(1, &[-3.0]), &[(-3.0, 0.0)], 0.0));
        assert!(are_near(&sorted(2, &[0.0, -1.0, 1.0, 0.0]), &[(0.0, -1.0), (0.0, 1.0)], 1e-12));
        // The companion matrix of (x - 1)(x - 2)(x - 3)(x + 4).
        let companion = [2.0, 13.0, -38.0, 24.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let want = [(-4.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)];
        assert!(are_near(&sorted(4, &companion), &want, 1e-9), "{:?}", sorted(4, &companion));
        // A cyclic shift of five: the fifth roots of 1, all of one modulus, for which plain shifts lead nowhere.
        let mut shift = vec![0.0; 25];
        (0..5).for_each(|row| shift[row * 5 + (row + 1) % 5] = 1.0);
        let mut want: Vec<(f64, f64)> = (0..5)
            .map(|k| (f64::from(k) * std::f64::consts::TAU / 5.0).sin_cos())
            .map(|(s, c)| (c, s))
            .collect();
        want.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for (got, want) in sorted(5, &shift).iter().zip(&want) {
            assert!((got.0 - want.0).abs() <= 1e-9 && (got.1.abs() - want.1.abs()).abs() <= 1e-9, "{got:?}");
        }
    }

    #[test]
    fn sums_of_powers_are_traces() {
        let n = 40;
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX) - 0.5
        };
        let a: Vec<f64> = (0..n * n).map(|_| next()).collect();
        let found = sorted(n, &a);
        let trace: f64 = (0..n).map(|k| a[k * n + k]).sum();
        let of_square: f64 =
            (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| a[i * n + j] * a[j * n + i]).sum();
        let sum: f64 = found.iter().map(|(re, _)| re).sum();
        let squares: f64 = found.iter().map(|(re, im)| re * re - im * im).sum();
        assert!((sum - trace).abs() <= 1e-10, "{sum} {trace}");
        assert!((squares - of_square).abs() <= 1e-9, "{squares} {of_square}");
        assert!(found.iter().any(|(_, im)| *im != 0.0), "some are complex");
    }

    #[test]
    fn what_is_not_finite_has_none() {
        assert_eq!(Square::new(2, vec![1.0, f64::NAN, 0.0, 1.0]).eigenvalues(), None);
    }
}
