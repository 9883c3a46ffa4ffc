//! Weights on the device: in 16 bits where that loses nothing, as in checkpoints that came in 16 bits.

use half::{bf16, f16};

use super::{GpuTensor, device::error, program::Format};
use crate::{
    backend::{BackendError, DeviceFault},
    op::MatrixAxes,
};

/// A weight on the device, in the order in which it was uploaded. Clones share it.
#[derive(Clone, Debug)]
pub struct GpuMatrix {
    pub(super) stored: GpuTensor,
    pub(super) axes: MatrixAxes,
    pub(super) format: Format,
}

impl GpuMatrix {
    /// One that holds f32.
    pub(super) fn whole(stored: GpuTensor, axes: MatrixAxes) -> Self {
        Self { stored, axes, format: Format::F32 }
    }

    /// The same values, with `in` for `out`.
    pub(super) fn transposed(&self) -> Self {
        let axes = match self.axes {
            MatrixAxes::InOut => MatrixAxes::OutIn,
            MatrixAxes::OutIn => MatrixAxes::InOut,
        };
        Self { axes, ..self.clone() }
    }

    /// The values `[in out]`, for the operations that read no other order.
    pub(super) fn in_out(&self) -> Result<&GpuTensor, BackendError> {
        match self.axes {
            MatrixAxes::InOut => Ok(&self.stored),
            MatrixAxes::OutIn => {
                Err(error(DeviceFault::Invalid, "heads are read from weights that are stored [in out]"))
            }
        }
    }
}

impl Format {
    /// The narrowest that holds all of `values` exactly.
    pub(super) fn of(values: &[f32]) -> Self {
        let is = |narrow: fn(f32) -> f32| {
            values.iter().all(|value| value.is_finite() && narrow(*value).to_bits() == value.to_bits())
        };
        if is(|value| f16::from_f32(value).to_f32()) {
            Self::F16
        } else if is(|value| bf16::from_f32(value).to_f32()) {
            Self::Bf16
        } else {
            Self::F32
        }
    }

    /// `values` as words; an odd one out has a 0 beside it.
    pub(super) fn pack(self, values: &[f32]) -> Vec<f32> {
        let bits = |value: f32| match self {
            Self::F32 => unreachable!("f32 is not packed"),
            Self::F16 => f16::from_f32(value).to_bits(),
            Self::Bf16 => bf16::from_f32(value).to_bits(),
        };
        let word = |pair: &[f32]| {
            let high = pair.get(1).map_or(0, |value| bits(*value));
            f32::from_bits(u32::from(high) << 16 | u32::from(bits(pair[0])))
        };
        values.chunks(2).map(word).collect()
    }

    /// The first `n` values in `words`.
    pub(super) fn unpack(self, words: Vec<f32>, n: usize) -> Vec<f32> {
        let value = |bits: u16| match self {
            Self::F32 => unreachable!("f32 is not packed"),
            Self::F16 => f16::from_bits(bits).to_f32(),
            Self::Bf16 => bf16::from_bits(bits).to_f32(),
        };
        let pair = |word: f32| [word.to_bits() as u16, (word.to_bits() >> 16) as u16].map(value);
        words.into_iter().flat_map(pair).take(n).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: [f32; 7] = [0.0, -0.0, 1.5, -65_504.0, 6.0e-8, 6.1e-5, 0.333_251_95];

    #[test]
    fn what_is_packed_comes_back_bit_by_bit() {
        let halves: Vec<f32> = NARROW.iter().map(|value| f16::from_f32(*value).to_f32()).collect();
        let brains: Vec<f32> = [1e38, -1e-38, 3.0, 0.1].map(|value| bf16::from_f32(value).to_f32()).into();
        for (values, format) in [(halves, Format::F16), (brains, Format::Bf16)] {
            assert_eq!(Format::of(&values), format);
            let words = format.pack(&values);
            assert_eq!(words.len(), values.len().div_ceil(2));
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&format.unpack(words, values.len())), bits(&values));
        }
    }

    #[test]
    fn what_would_lose_a_bit_is_not_packed() {
        for value in [0.1, 1e-9, 1e38, f32::INFINITY, f32::NAN, f32::from_bits(0x3f80_0001)] {
            assert_eq!(Format::of(&[1.0, value]), Format::F32, "{value}");
        }
    }
}
