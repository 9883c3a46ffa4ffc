//! Floats as files store them.

use half::{bf16, f16};

/// A kind of float, little-endian, wherever its bytes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 8 bytes.
    F64,
    /// 4 bytes.
    F32,
    /// 2 bytes, with 5 bits of exponent.
    F16,
    /// 2 bytes: the upper half of an f32.
    BF16,
}

impl Dtype {
    /// Bytes of one value.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// The values in `bytes`; exact but for F64, which is rounded.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Self::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Self::BF16 => bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        }
    }

    /// The bytes of `values`; exact for values that [`Dtype::decode`] gave.
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F64 => values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            Self::BF16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        }
    }

    /// The narrowest kind that holds `values` exactly.
    pub fn narrowest(values: &[f32]) -> Self {
        let holds = |dtype: Self| {
            // Some at a time: what is not exact is mostly seen at the first values.
            let is_exact = |some: &[f32]| {
                let again = dtype.decode(&dtype.encode(some));
                some.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits())
            };
            values.chunks(1 << 12).all(is_exact)
        };
        [Self::BF16, Self::F16].into_iter().find(|dtype| holds(*dtype)).unwrap_or(Self::F32)
    }

    /// Index of the first value that is NaN or infinite, also once it is an f32.
    pub fn first_non_finite(self, bytes: &[u8]) -> Option<usize> {
        // By their bits: an exponent of ones.
        match self {
            Self::F64 => {
                bytes.as_chunks().0.iter().position(|b| !(f64::from_le_bytes(*b) as f32).is_finite())
            }
            Self::F32 => bytes.as_chunks().0.iter().position(|b| !f32::from_le_bytes(*b).is_finite()),
            Self::F16 => bytes.as_chunks::<2>().0.iter().position(|b| b[1] & 0x7c == 0x7c),
            Self::BF16 => {
                bytes.as_chunks::<2>().0.iter().position(|b| b[1] & 0x7f == 0x7f && b[0] & 0x80 != 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Dtype; 4] = [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16];

    #[test]
    fn what_was_decoded_is_encoded_exactly() {
        // Every pair of bytes: all halves there are, infinities and NaNs among them.
        let pairs: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for dtype in ALL {
            let values: Vec<f32> =
                dtype.decode(&pairs).into_iter().map(|v| if v.is_finite() { v } else { 1.5 }).collect();
            assert_eq!(values.len(), pairs.len() / dtype.size_bytes());
            let again = dtype.decode(&dtype.encode(&values));
            assert!(values.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()), "{dtype:?}");
        }
    }

    #[test]
    fn values_are_read_by_their_kind() {
        assert_eq!(Dtype::F16.decode(&0x3e00_u16.to_le_bytes()), [1.5]);
        assert_eq!(Dtype::BF16.decode(&0x3fc0_u16.to_le_bytes()), [1.5]);
        assert_eq!(Dtype::F32.decode(&1.5_f32.to_le_bytes()), [1.5]);
        assert_eq!(Dtype::F64.decode(&1.5_f64.to_le_bytes()), [1.5]);
    }

    #[test]
    fn the_narrowest_kind_loses_nothing() {
        let third = 1.0_f32 / 3.0;
        let of = |dtype: Dtype| dtype.decode(&dtype.encode(&vec![third; 5_000]));
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            assert_eq!(Dtype::narrowest(&of(dtype)), dtype);
        }
        // One value at the end that needs more.
        let mut values = of(Dtype::F16);
        values.push(third);
        assert_eq!(Dtype::narrowest(&values), Dtype::F32);
        // Beyond what an f16 reaches, and less than it tells from zero.
        assert_eq!(Dtype::narrowest(&[1e30_f32, third]), Dtype::F32);
        assert_eq!(Dtype::narrowest(&[1.5, -0.0]), Dtype::BF16);
        assert_eq!(Dtype::narrowest(&[2_049.0 * 0.5, third * 0.0]), Dtype::F32);
    }

    #[test]
    fn the_bits_tell_what_is_finite() {
        let halves: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for dtype in ALL {
            for value in halves.chunks_exact(dtype.size_bytes()) {
                let is_finite = dtype.decode(value)[0].is_finite();
                assert_eq!(dtype.first_non_finite(value), (!is_finite).then_some(0), "{dtype:?} {value:?}");
            }
        }
        let overflow = [1.0, 1e300_f64].map(f64::to_le_bytes).concat();
        assert_eq!(Dtype::F64.first_non_finite(&overflow), Some(1));
    }
}
