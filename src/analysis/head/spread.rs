//! How a head's attention is spread over keys and distances.

use serde::{Deserialize, Serialize};

use crate::tensor::HostTensor;

/// In how many parts 0 to 1 is cut.
const N_BINS: usize = 20;

/// Two histograms of a pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spread {
    /// How many queries after position 0 have their largest probability in each twentieth of 0 to 1.
    pub max_attention: Vec<usize>,
    /// Share of all attention at each distance q - k, from 0 on; together 1.
    pub by_distance: Vec<f32>,
}

impl Spread {
    /// Of a pattern [q_pos k_pos].
    pub(super) fn of(pattern: &HostTensor) -> Self {
        let n_pos = pattern.last_axis();
        let mut max_attention = vec![0; N_BINS];
        for q in 1..n_pos {
            let max = pattern.row(q).iter().copied().fold(0.0, f32::max);
            max_attention[((max * N_BINS as f32) as usize).min(N_BINS - 1)] += 1;
        }
        let at = |distance: usize| {
            let attention = (distance..n_pos).map(|q| f64::from(pattern.row(q)[q - distance]));
            (attention.sum::<f64>() / n_pos as f64) as f32
        };
        Self { max_attention, by_distance: (0..n_pos).map(at).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_is_in_one_bin_and_all_attention_at_some_distance() {
        let pattern = HostTensor::new(vec![3, 3], vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.26, 0.24]);
        let spread = Spread::of(&pattern.expect("three rows"));
        let filled: Vec<usize> = (0..N_BINS).filter(|bin| spread.max_attention[*bin] == 1).collect();
        assert_eq!(filled, [10, 19]);
        let by_distance = [1.24 / 3.0, 1.26 / 3.0, 0.5 / 3.0];
        for (got, want) in spread.by_distance.iter().zip(by_distance) {
            assert!((got - want).abs() <= 1e-6, "{spread:?}");
        }
    }
}
