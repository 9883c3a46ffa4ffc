//! Weights on the device: in 16 bits where the checkpoint has them in 16 bits.

use half::{bf16, f16};

use super::{GpuTensor, memory::Storage, program::Format};
use crate::{op::MatrixAxes, tensor::Dtype};

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
}

/// A weight on its way to the device, in its own format.
#[derive(Debug)]
pub struct GpuFilling {
    storage: Storage,
    shape: [usize; 2],
    axes: MatrixAxes,
    dtype: Dtype,
    /// Words that are written.
    n_words: usize,
    /// Bytes of a word that is not whole yet.
    rest: Vec<u8>,
}

/// Words and where they go.
type Words = (Storage, Vec<f32>);

impl GpuFilling {
    pub(super) fn new(storage: Storage, shape: [usize; 2], axes: MatrixAxes, dtype: Dtype) -> Self {
        Self { storage, shape, axes, dtype, n_words: 0, rest: vec![] }
    }

    /// The words that more bytes complete.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<Words> {
        let words: Vec<f32> = match Format::of(self.dtype) {
            Format::F32 => self.dtype.decode(bytes),
            Format::F16 | Format::Bf16 => {
                let mut all = std::mem::take(&mut self.rest);
                all.extend_from_slice(bytes);
                self.rest = all.split_off(all.len() - all.len() % size_of::<f32>());
                bytemuck::pod_collect_to_vec(&all)
            }
        };
        if words.is_empty() {
            return None;
        }
        let place = self.storage.part(self.n_words, words.len());
        self.n_words += words.len();
        Some((place, words))
    }

    /// The last word, if it is half full.
    pub(super) fn rest(&mut self) -> Option<Words> {
        let n_missing = (size_of::<f32>() - self.rest.len()) % size_of::<f32>();
        self.next(&vec![0; n_missing])
    }

    pub(super) fn into_matrix(self, nth: u64) -> GpuMatrix {
        let stored = GpuTensor::ready(nth, self.storage, self.shape.to_vec());
        GpuMatrix { stored, axes: self.axes, format: Format::of(self.dtype) }
    }
}

impl Format {
    /// That of a file's values.
    pub(super) fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F64 | Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::Bf16,
        }
    }

    /// The values in `words`.
    pub(super) fn unpack(self, words: Vec<f32>) -> Vec<f32> {
        let pairs = |value: fn(u16) -> f32| {
            let pair = |word: &f32| [word.to_bits() as u16, (word.to_bits() >> 16) as u16].map(value);
            words.iter().flat_map(pair).collect()
        };
        match self {
            Self::F16 => pairs(|bits| f16::from_bits(bits).to_f32()),
            Self::Bf16 => pairs(|bits| bf16::from_bits(bits).to_f32()),
            Self::F32 => words,
        }
    }
}
