//! One head's matrix as a picture: what each cell holds and how strongly it is inked.

use super::color::Domain;
use crate::analysis::attention::HeadMatrix;

mod layout;
mod pool;

pub use layout::{Label, Layout, LayoutSpec};
pub use pool::pooled;

/// What the numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantity {
    /// `hook_pattern`: after the softmax; each row sums to 1.
    #[default]
    Attention,
    /// `hook_attn_scores`: q·k/√d_head before the softmax.
    Score,
}

/// Whether attention to position 0 is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstKey {
    /// Left blank: heads rest there, and it drowns the rest.
    #[default]
    Hidden,
    /// As any other.
    Shown,
}

/// What full ink stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalisation {
    /// Attention 1, for every head alike.
    #[default]
    Shared,
    /// The largest value in this picture.
    OwnMaximum,
}

/// A matrix to draw: rows are query positions, columns key positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// `[layer, head]`
    pub head: [usize; 2],
    /// Number of rows, and of columns.
    pub n: usize,
    /// Row by row.
    values: Vec<f32>,
    /// What the values are.
    pub quantity: Quantity,
    /// Whether column 0 is drawn.
    pub first_key: FirstKey,
    /// The colour scale.
    pub domain: Domain,
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// A number to draw.
    Value(f32),
    /// A number that is not drawn because position 0 is hidden.
    Hidden(f32),
    /// The key comes after the query: the model cannot look there.
    Masked,
}

impl Heatmap {
    /// The picture of `matrix`.
    pub fn new(
        matrix: &HeadMatrix,
        quantity: Quantity,
        first_key: FirstKey,
        normalisation: Normalisation,
    ) -> Self {
        let mut map = Self {
            head: [matrix.layer, matrix.head],
            n: matrix.values.last_axis(),
            values: matrix.values.data().to_vec(),
            quantity,
            first_key,
            domain: Domain::Sequential { max: 1.0 },
        };
        let largest = |map: &Self| map.drawn().map(|(_, _, value)| value.abs()).fold(0.0, f32::max);
        map.domain = match (quantity, normalisation) {
            (Quantity::Attention, Normalisation::Shared) => Domain::Sequential { max: 1.0 },
            (Quantity::Attention, Normalisation::OwnMaximum) => Domain::Sequential { max: largest(&map) },
            (Quantity::Score, Normalisation::Shared | Normalisation::OwnMaximum) => {
                Domain::Diverging { max: largest(&map) }
            }
        };
        map
    }

    /// The cell of query `q` and key `k`.
    pub fn cell(&self, q: usize, k: usize) -> Cell {
        let value = self.values[q * self.n + k];
        if q < k || !value.is_finite() {
            Cell::Masked
        } else if k == 0 && self.first_key == FirstKey::Hidden {
            Cell::Hidden(value)
        } else {
            Cell::Value(value)
        }
    }

    /// How strongly a cell is inked: see [`Domain::place`].
    pub fn place(&self, q: usize, k: usize) -> f32 {
        match self.cell(q, k) {
            Cell::Value(value) => self.domain.place(value),
            Cell::Hidden(_) | Cell::Masked => 0.0,
        }
    }

    /// Every cell with a number to draw, as (q_pos, k_pos, value).
    pub fn drawn(&self) -> impl Iterator<Item = (usize, usize, f32)> {
        (0..self.n).flat_map(|q| (0..=q).map(move |k| (q, k))).filter_map(|(q, k)| match self.cell(q, k) {
            Cell::Value(value) => Some((q, k, value)),
            Cell::Hidden(_) | Cell::Masked => None,
        })
    }

    /// The value as the model computed it, drawn or not; absent where masked.
    pub fn value(&self, q: usize, k: usize) -> Option<f32> {
        match self.cell(q, k) {
            Cell::Value(value) | Cell::Hidden(value) => Some(value),
            Cell::Masked => None,
        }
    }

    /// Mean attention to position 0 over the queries after it: what hiding it takes from the picture.
    pub fn mean_on_first_key(&self) -> Option<f32> {
        let n_queries = self.n.checked_sub(1).filter(|n| 0 < *n)?;
        let sum: f32 = (1..self.n).filter_map(|q| self.value(q, 0)).sum();
        Some(sum / n_queries as f32)
    }

    /// The hook point that the values come from.
    pub fn hook(&self) -> String {
        let site = match self.quantity {
            Quantity::Attention => "hook_pattern",
            Quantity::Score => "hook_attn_scores",
        };
        format!("blocks.{}.attn.{site}", self.head[0])
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::tensor::HostTensor;

    /// A causal pattern that puts `1 - rest` on `key_of(q)` and `rest` on key 0.
    pub(in crate::view_model) fn pattern(n: usize, rest: f32, key_of: impl Fn(usize) -> usize) -> HeadMatrix {
        let mut values = HostTensor::full(vec![n, n], 0.0);
        for q in 0..n {
            values.data_mut()[q * n] += rest;
            values.data_mut()[q * n + key_of(q)] += 1.0 - rest;
        }
        HeadMatrix { layer: 1, head: 3, values }
    }

    pub(in crate::view_model) fn map(matrix: &HeadMatrix, first_key: FirstKey) -> Heatmap {
        Heatmap::new(matrix, Quantity::Attention, first_key, Normalisation::Shared)
    }

    #[test]
    fn the_future_is_masked_and_the_first_key_can_be_hidden() {
        let matrix = pattern(4, 0.25, |q| q);
        let hidden = map(&matrix, FirstKey::Hidden);
        assert_eq!(hidden.cell(1, 2), Cell::Masked);
        assert_eq!(hidden.cell(2, 0), Cell::Hidden(0.25));
        assert_eq!((hidden.place(2, 0), hidden.place(2, 2), hidden.place(2, 1)), (0.0, 0.75, 0.0));
        assert_eq!(map(&matrix, FirstKey::Shown).cell(2, 0), Cell::Value(0.25));
        assert_eq!(hidden.mean_on_first_key(), Some(0.25));
        assert_eq!(hidden.hook(), "blocks.1.attn.hook_pattern");
    }

    #[test]
    fn the_own_maximum_is_of_what_is_drawn() {
        let matrix = pattern(4, 0.75, |q| q);
        let own = |first_key| {
            Heatmap::new(&matrix, Quantity::Attention, first_key, Normalisation::OwnMaximum).domain.max()
        };
        assert_eq!(own(FirstKey::Hidden), 0.25);
        assert_eq!(own(FirstKey::Shown), 1.0); // Query 0 has nowhere else to look.
    }

    #[test]
    fn scores_diverge_around_zero_and_masked_ones_are_not_values() {
        let values =
            HostTensor::new(vec![2, 2], vec![-3.0, f32::NEG_INFINITY, 1.5, 0.0]).expect("two by two");
        let matrix = HeadMatrix { layer: 0, head: 0, values };
        let scores = Heatmap::new(&matrix, Quantity::Score, FirstKey::Shown, Normalisation::Shared);
        assert_eq!(scores.domain, Domain::Diverging { max: 3.0 });
        assert_eq!((scores.place(0, 0), scores.place(1, 0), scores.place(1, 1)), (-1.0, 0.5, 0.0));
        assert_eq!(scores.value(0, 1), None);
    }
}
