//! By how much queries and keys turn at each position.

use crate::{
    backend::{Backend, BackendError},
    model::{Positions, Rope},
    tensor::HostTensor,
};

/// Cosines and sines of the angles, for some positions. Each [pos (2 pair)]
pub(super) struct Turns<T> {
    everywhere: Option<T>,
    /// In layers with a window, where they differ.
    local: Option<T>,
}

impl<T: Clone> Turns<T> {
    pub(super) fn new<B: Backend<Tensor = T>>(
        b: &B,
        how: &Positions,
        positions: &[u32],
    ) -> Result<Self, BackendError> {
        let Positions::Rotary { dim, rope, local } = how else {
            return Ok(Self { everywhere: None, local: None });
        };
        let of = |rope: &Rope| b.upload("turns", table(rope, *dim, positions));
        Ok(Self { everywhere: Some(of(rope)?), local: local.as_ref().map(of).transpose()? })
    }

    /// Those of a layer with this window.
    pub(super) fn of(&self, window: Option<usize>) -> Option<&T> {
        window.and(self.local.as_ref()).or(self.everywhere.as_ref())
    }
}

/// In f64: at position 1,000 an f32 angle has lost three digits.
fn table(rope: &Rope, dim: usize, positions: &[u32]) -> HostTensor {
    let frequencies = rope.frequencies(dim);
    let row = |pos: &u32| {
        let angles = frequencies.iter().map(|frequency| f64::from(*pos) * frequency);
        angles.clone().map(f64::cos).chain(angles.map(f64::sin)).map(|value| value as f32).collect::<Vec<_>>()
    };
    let values = positions.iter().flat_map(row).collect();
    HostTensor::new(vec![positions.len(), 2 * frequencies.len()], values).expect("a row for each position")
}
