//! Frobenius norms of products of thin matrices, from d_head wide ones.

use crate::tensor::HostTensor;

/// WᵀW of a matrix W with few columns, in f64. [n n]
pub(super) struct Gram {
    n: usize,
    values: Vec<f64>,
}

impl Gram {
    /// `values` is [n n].
    pub(super) fn new(values: &HostTensor) -> Self {
        Self { n: values.last_axis(), values: values.data().iter().map(|value| f64::from(*value)).collect() }
    }

    /// |A Bᵀ| of the two matrices that these are of: the root of the sum of AᵀA ∘ BᵀB.
    pub(super) fn norm_with(&self, other: &Self) -> f64 {
        let sum: f64 = self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum();
        sum.max(0.0).sqrt()
    }
}

/// |A C Bᵀ| from AᵀA, C [n m] and BᵀB: the root of the trace of AᵀA C BᵀB Cᵀ.
pub(super) fn norm_between(a: &Gram, c: &HostTensor, b: &Gram) -> f64 {
    let (n, m) = (a.n, b.n);
    let c: Vec<f64> = c.data().iter().map(|value| f64::from(*value)).collect();
    let (left, right) = (times(&a.values, &c, n, m), times(&c, &b.values, m, m));
    left.iter().zip(&right).map(|(left, right)| left * right).sum::<f64>().max(0.0).sqrt()
}

/// `x` [.. k] times `y` [k m]. [.. m]
fn times(x: &[f64], y: &[f64], k: usize, m: usize) -> Vec<f64> {
    let mut product = vec![0.0; x.len() / k.max(1) * m];
    for (to, x) in product.chunks_exact_mut(m.max(1)).zip(x.chunks_exact(k.max(1))) {
        for (x, y) in x.iter().zip(y.chunks_exact(m.max(1))) {
            to.iter_mut().zip(y).for_each(|(to, y)| *to += x * y);
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, m: usize, seed: f64) -> Vec<f64> {
        (0..n * m).map(|i| ((i as f64 + 1.0) * seed).sin()).collect()
    }

    fn transposed(x: &[f64], m: usize) -> Vec<f64> {
        (0..m).flat_map(|col| x.iter().skip(col).step_by(m).copied()).collect()
    }

    fn gram(x: &[f64], m: usize) -> Gram {
        Gram { n: m, values: times(&transposed(x, m), x, x.len() / m, m) }
    }

    fn norm(x: &[f64]) -> f64 {
        x.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    #[test]
    fn norms_are_those_of_the_products() {
        let (a, b) = (matrix(7, 3, 1.3), matrix(5, 3, 0.7));
        let product = times(&a, &transposed(&b, 3), 3, 5);
        assert!((gram(&a, 3).norm_with(&gram(&b, 3)) - norm(&product)).abs() <= 1e-12);

        let (c, d) = (matrix(3, 2, 2.1), matrix(6, 2, 0.4));
        let product = times(&times(&a, &c, 3, 2), &transposed(&d, 2), 2, 6);
        let c =
            HostTensor::new(vec![3, 2], c.iter().map(|value| *value as f32).collect()).expect("six values");
        let got = norm_between(&gram(&a, 3), &c, &gram(&d, 2));
        assert!((got - norm(&product)).abs() <= 1e-6, "{got} {}", norm(&product));
        assert!(
            (got - norm_between(&gram(&d, 2), &HostTensor::full(vec![2, 2], 1.0), &gram(&d, 2))).abs() > 1e-3
        );
    }
}
