//! The copying score of Elhage et al. 2021, <https://transformer-circuits.pub/2021/framework/index.html>.
//!
//! Sum of a circuit's eigenvalues over the sum of their moduli: 1 copies, -1 does the opposite.

use crate::{analysis::eigenvalues::Square, tensor::HostTensor};

/// The score of each of some matrices [n e e]; NaN where a circuit does nothing.
pub fn copying_scores(circuits: &HostTensor) -> impl Iterator<Item = f64> {
    let n = circuits.shape().first().copied().unwrap_or(0);
    (0..n).map(|nth| score(&circuits.outer(nth)))
}

fn score(circuit: &HostTensor) -> f64 {
    let values = circuit.data().iter().map(|value| f64::from(*value)).collect();
    let Some(eigenvalues) = Square::new(circuit.last_axis(), values).eigenvalues() else { return f64::NAN };
    let sum: f64 = eigenvalues.iter().map(|(re, _)| re).sum();
    sum / eigenvalues.iter().map(|(re, im)| re.hypot(*im)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scales_copies_and_what_turns_does_not() {
        let circuits = [[2.0, 1.0, 0.0, 3.0], [-1.0, 0.0, 0.0, -1.0], [0.0, -1.0, 1.0, 0.0], [0.0; 4]];
        let circuits = HostTensor::new(vec![4, 2, 2], circuits.concat()).expect("four matrices");
        let scores: Vec<f64> = copying_scores(&circuits).collect();
        assert_eq!(scores[..2], [1.0, -1.0]);
        assert!(scores[2].abs() <= 1e-12 && scores[3].is_nan(), "{scores:?}");
    }
}
