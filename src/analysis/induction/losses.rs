//! How well each token of two copies was foreseen.

use serde::{Deserialize, Serialize};

use crate::{analysis::repeated::Sequences, run::Prediction, tensor::HostTensor};

/// Means over all sequences, nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Losses {
    /// -log p of the token at each place of each copy; null for a first token that nothing comes before. [copy place]
    pub by_place: HostTensor,
    /// Mean over the first copy but its first token.
    pub first_copy_nats: f64,
    /// Mean over the second copy but its first token.
    pub second_copy_nats: f64,
    /// The second less the first: what the copy that was read is worth, as the in-context learning score of Olsson et
    /// al. 2022 compares a late token with an early one. Negative where the model makes use of it.
    pub in_context_nats: f64,
}

/// Sums over sequences, on their way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    by_pos: Vec<f64>, // -log p of the token after each position
    n: usize,
}

impl Sums {
    /// Of one run; of nothing if it read nothing off.
    pub fn of(predictions: &[Prediction]) -> Self {
        let nats = |prediction: &Prediction| prediction.actual.map(|actual| -f64::from(actual.logprob));
        let by_pos: Vec<f64> = predictions.iter().filter_map(nats).collect();
        Self { n: usize::from(!by_pos.is_empty()), by_pos }
    }

    /// Takes in those of another.
    pub fn add(&mut self, other: &Self) {
        self.by_pos.resize(self.by_pos.len().max(other.by_pos.len()), 0.0);
        self.by_pos.iter_mut().zip(&other.by_pos).for_each(|(sum, more)| *sum += more);
        self.n += other.n;
    }

    /// The means, by place.
    pub fn means(&self, sequences: &Sequences) -> Losses {
        let (n_before, length) = (sequences.n_before(), sequences.length);
        // What is foreseen at position 1 is read at position 0.
        let at = |pos: usize| {
            pos.checked_sub(1).and_then(|pos| self.by_pos.get(pos)).map(|sum| sum / self.n as f64)
        };
        let values =
            (n_before..n_before + 2 * length).map(|pos| at(pos).map_or(f32::NAN, |mean| mean as f32));
        let of_copy = |copy: usize| {
            let places = (1..length).filter_map(|place| at(n_before + copy * length + place));
            places.sum::<f64>() / (length - 1) as f64
        };
        let [first_copy_nats, second_copy_nats] = [0, 1].map(of_copy);
        Losses {
            by_place: HostTensor::new(vec![2, length], values.collect()).expect("two copies"),
            first_copy_nats,
            second_copy_nats,
            in_context_nats: second_copy_nats - first_copy_nats,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Actual;

    fn sums(logprobs: &[f32]) -> Sums {
        let actual = |logprob: &f32| Some(Actual { logprob: *logprob, rank: 0 });
        let predicted = |actual| Prediction { top: vec![], actual };
        Sums::of(&logprobs.iter().map(actual).chain([None]).map(predicted).collect::<Vec<_>>())
    }

    #[test]
    fn places_are_those_of_the_token_that_was_foreseen() {
        let mut all = sums(&[-1.0, -2.0, -3.0, -4.0, -5.0]);
        all.add(&Sums::default());
        all.add(&sums(&[-1.0, -2.0, -3.0, -6.0, -5.0]));
        let tokens = vec![vec![7, 8, 9, 7, 8, 9]; 2];
        let losses = all.means(&Sequences { tokens, length: 3 });
        assert!(losses.by_place.data()[0].is_nan(), "nothing comes before the first token");
        assert_eq!(losses.by_place.data()[1..], [1.0, 2.0, 3.0, 5.0, 5.0]);
        assert_eq!((losses.first_copy_nats, losses.second_copy_nats), (1.5, 5.0));
        assert_eq!(losses.in_context_nats, 3.5);
    }

    #[test]
    fn behind_a_bos_every_token_is_foreseen() {
        let losses = sums(&[-1.0, -2.0, -3.0, -4.0])
            .means(&Sequences { tokens: vec![vec![0, 7, 8, 7, 8]], length: 2 });
        assert_eq!(losses.by_place.data(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!((losses.first_copy_nats, losses.second_copy_nats), (2.0, 4.0));
    }
}
