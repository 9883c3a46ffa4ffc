//! Means of every head, on their way.

use std::collections::BTreeMap;

use super::{Metric, Scores};
use crate::{
    analysis::pattern::{Look, Mean, Repeats},
    model::ModelConfig,
    tensor::HostTensor,
};

/// A mean for each head of some layers, metric by metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally(BTreeMap<(Metric, usize), Vec<Mean>>);

/// How a prompt repeats.
pub struct Copies {
    /// Where its tokens occurred before.
    pub repeats: Repeats,
    /// The length of a copy, if it is two.
    pub length: Option<usize>,
}

impl Tally {
    /// Takes in what a layer's heads do. `patterns`: [head q_pos k_pos]
    pub fn add_patterns(&mut self, layer: usize, patterns: &HostTensor, metrics: &[Metric], copies: &Copies) {
        let n_entries = copies.repeats.n_pos().pow(2);
        let heads = patterns.data().chunks_exact(n_entries.max(1));
        let mut means = vec![vec![]; metrics.len()];
        for pattern in heads {
            let look = Look { pattern, repeats: &copies.repeats };
            for (means, metric) in means.iter_mut().zip(metrics) {
                means.extend(metric.of_pattern(&look, copies.length));
            }
        }
        for (metric, means) in metrics.iter().zip(means).filter(|(_, means)| !means.is_empty()) {
            self.add(*metric, layer, means);
        }
    }

    /// Takes in the norms of what a layer's heads write. `z`: [pos head d_head], `written`: W_O W_Oᵀ, [head d_head d_head]
    pub fn add_norms(&mut self, layer: usize, z: &HostTensor, written: &HostTensor) {
        let n_heads = written.shape()[0];
        let norms = |head: usize| {
            let gram = written.outer(head);
            (head..z.data().len() / z.last_axis())
                .step_by(n_heads)
                .map(|row| norm(z.row(row), &gram))
                .collect()
        };
        self.add(Metric::OutputNorm, layer, (0..n_heads).map(norms).collect());
    }

    /// Takes in one value for each head of a layer.
    pub fn add_values(&mut self, metric: Metric, layer: usize, values: impl Iterator<Item = f64>) {
        self.add(metric, layer, values.map(|sum| Mean { sum, n: 1 }).collect());
    }

    fn add(&mut self, metric: Metric, layer: usize, means: Vec<Mean>) {
        let so_far = self.0.entry((metric, layer)).or_insert_with(|| vec![Mean::default(); means.len()]);
        so_far.iter_mut().zip(means).for_each(|(so_far, mean)| so_far.add(mean));
    }

    /// Takes in what another one has seen.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|((metric, layer), means)| self.add(*metric, *layer, means.clone()));
    }

    /// What it says about one metric, the `n_top` heads with the largest values first.
    pub fn scores(&self, metric: Metric, config: &ModelConfig, n_top: usize) -> Scores {
        let means = (0..config.n_layers).flat_map(|layer| match self.0.get(&(metric, layer)) {
            Some(means) => means.clone(),
            None => vec![Mean::default(); config.n_heads],
        });
        let means: Vec<Mean> = means.collect();
        let values: Vec<f32> = means.iter().map(|mean| mean.value().unwrap_or(f32::NAN)).collect();
        let mut order: Vec<usize> = (0..values.len()).filter(|head| values[*head].is_finite()).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
        let n_values = means.first().map_or(0, |mean| mean.n);
        let n = if metric == Metric::Copying { config.d_head } else { n_values };
        let words = metric.words();
        Scores {
            metric,
            definition: words.definition.to_owned(),
            unit: words.unit.to_owned(),
            n,
            counted: words.counted.to_owned(),
            top: order
                .iter()
                .take(n_top)
                .map(|head| [head / config.n_heads, head % config.n_heads])
                .collect(),
            values: HostTensor::new(vec![config.n_layers, config.n_heads], values)
                .expect("one for each head"),
        }
    }
}

/// |x W| from W Wᵀ. `gram`: [n n]
pub(in crate::analysis) fn norm(x: &[f32], gram: &HostTensor) -> f64 {
    let square: f64 = gram
        .data()
        .chunks_exact(x.len().max(1))
        .zip(x)
        .map(|(row, entry)| f64::from(*entry) * f64::from(vitrine_kernel::dot(row, x)))
        .sum();
    square.max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_is_that_of_the_product() {
        // W = [[1, 2], [0, 1]], x = (3, -1): x W = (3, 5).
        let gram = HostTensor::new(vec![2, 2], vec![5.0, 2.0, 2.0, 1.0]).expect("four values");
        assert!((norm(&[3.0, -1.0], &gram) - 34.0_f64.sqrt()).abs() <= 1e-6);
        assert_eq!(norm(&[0.0, 0.0], &gram), 0.0);
    }

    #[test]
    fn parts_of_two_prompts_are_one_mean_for_each_head() {
        let copies = |n| Copies { repeats: Repeats::of(&vec![7; n]), length: None };
        let patterns = |first: f32| {
            let head = |first| [1.0, 0.0, first, 1.0 - first];
            HostTensor::new(vec![2, 2, 2], [head(first), head(1.0)].concat()).expect("two heads")
        };
        let (mut all, mut more) = (Tally::default(), Tally::default());
        all.add_patterns(0, &patterns(0.5), &[Metric::PreviousToken, Metric::OutputNorm], &copies(2));
        more.add_patterns(0, &patterns(0.25), &[Metric::PreviousToken], &copies(2));
        all.merge(&more);
        let of = |head: usize| all.0[&(Metric::PreviousToken, 0)][head].value();
        assert_eq!((of(0), of(1), all.0.len()), (Some(0.375), Some(1.0), 1));
    }
}
