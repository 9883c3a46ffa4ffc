//! The tensors of a safetensors file, taken one by one; what is left over is reported.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use super::LoadError;
use crate::tensor::{HostTensor, ShapeMismatch};

/// A safetensors file in memory. Names have lost the `transformer.` prefix.
#[derive(Debug)]
pub struct TensorFile<'a> {
    tensors: BTreeMap<String, TensorView<'a>>,
    is_prefixed: bool,
}

/// What most re-exports of GPT-2 put in front of every name.
const PREFIX: &str = "transformer.";

impl<'a> TensorFile<'a> {
    /// Reads the header.
    ///
    /// Errors: [`LoadError::Truncated`], [`LoadError::NotSafetensors`], [`LoadError::TwiceNamed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| parse_error(&error, bytes))?;
        let is_prefixed = file.names().iter().any(|name| name.starts_with(PREFIX));
        let bare = |name: String| name.strip_prefix(PREFIX).map_or(name.clone(), str::to_owned);
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            if tensors.insert(bare(name.clone()), view).is_some() {
                return Err(LoadError::TwiceNamed { name: bare(name) });
            }
        }
        Ok(Self { tensors, is_prefixed })
    }

    /// The names that have not been taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The dtype that holds most bytes.
    pub fn main_dtype(&self) -> String {
        let mut bytes_by_dtype: BTreeMap<String, usize> = BTreeMap::new();
        for view in self.tensors.values().filter(|view| is_weight(view.dtype())) {
            *bytes_by_dtype.entry(format!("{:?}", view.dtype())).or_default() += view.data().len();
        }
        let main = bytes_by_dtype.into_iter().max_by_key(|(_, n_bytes)| *n_bytes);
        main.map_or_else(|| "F32".to_owned(), |(dtype, _)| dtype)
    }

    /// Takes a tensor out, as f32.
    ///
    /// Errors: it is missing, of another shape, no float, or holds NaN or infinity.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<HostTensor, LoadError> {
        let view = self
            .tensors
            .remove(name)
            .ok_or_else(|| LoadError::MissingTensor { name: self.full_name(name) })?;
        let full_name = self.full_name(name);
        ShapeMismatch::check(&full_name, shape, view.shape())
            .map_err(|mismatch| LoadError::Contradiction { mismatch })?;
        let data = to_f32(&full_name, &view)?;
        let tensor = HostTensor::new(shape.to_vec(), data)
            .map_err(|mismatch| LoadError::Contradiction { mismatch })?;
        if let Some(index) = tensor.first_non_finite() {
            let value = tensor.data()[index].to_string();
            return Err(LoadError::NonFinite { name: full_name, index, value });
        }
        Ok(tensor)
    }

    /// Takes a tensor that a file need not have.
    pub fn take_if_there(&mut self, name: &str, shape: &[usize]) -> Result<Option<HostTensor>, LoadError> {
        if self.tensors.contains_key(name) { self.take(name, shape).map(Some) } else { Ok(None) }
    }

    /// Drops the tensors that `is_wanted` names, and says how many there were.
    pub fn discard(&mut self, is_wanted: impl Fn(&str) -> bool) -> usize {
        let n_before = self.tensors.len();
        self.tensors.retain(|name, _| !is_wanted(name));
        n_before - self.tensors.len()
    }

    /// One line for every tensor that nobody took.
    pub fn unused_notes(&self) -> Vec<String> {
        let line = |(name, view): (&String, &TensorView<'_>)| {
            format!("tensor `{}` {:?} is not used", self.full_name(name), view.shape())
        };
        self.tensors.iter().map(line).collect()
    }

    fn full_name(&self, name: &str) -> String {
        if self.is_prefixed && name != "lm_head.weight" { format!("{PREFIX}{name}") } else { name.to_owned() }
    }
}

fn is_weight(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

/// The values of a view. Its bytes need not be aligned, so they are read, not cast.
fn to_f32(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, LoadError> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()),
        Dtype::BF16 => {
            Ok(bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect())
        }
        Dtype::F64 => Ok(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()),
        other => Err(LoadError::Dtype { name: name.to_owned(), dtype: format!("{other:?}") }),
    }
}

/// Tells a file that was cut short from one that never was a safetensors file.
fn parse_error(error: &SafeTensorError, bytes: &[u8]) -> LoadError {
    let got_bytes = bytes.len() as u64;
    if bytes.is_empty() {
        return LoadError::NotSafetensors { message: "it is empty".to_owned() };
    }
    if let Some(expected_bytes) = described_bytes(bytes)
        && expected_bytes > got_bytes
    {
        return LoadError::Truncated { expected_bytes, got_bytes };
    }
    LoadError::NotSafetensors { message: error.to_string() }
}

/// How long the file should be, by its own header: 8 bytes, the header, the furthest tensor.
fn described_bytes(bytes: &[u8]) -> Option<u64> {
    /// Longer headers do not occur; a larger number means that these are not lengths at all.
    const MAX_HEADER_BYTES: u64 = 100_000_000;
    let header_bytes = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    if header_bytes > MAX_HEADER_BYTES || bytes.get(8) != Some(&b'{') {
        return None;
    }
    let start = 8 + header_bytes;
    let Some(header) = bytes.get(8..start as usize) else { return Some(start) };
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    let ends = header.as_object()?.values().filter_map(|entry| entry.get("data_offsets")?.get(1)?.as_u64());
    ends.max()?.checked_add(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dtype: &str, shape: &str, n_bytes: usize, data: &[u8]) -> Vec<u8> {
        let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{n_bytes}]}}}}"#);
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn halves_are_widened_exactly() {
        for (dtype, bytes) in [("F16", 0x3e00_u16.to_le_bytes()), ("BF16", 0x3fc0_u16.to_le_bytes())] {
            let bytes = file(dtype, "[1]", 2, &bytes);
            let tensor = TensorFile::parse(&bytes).and_then(|mut file| file.take("w", &[1]));
            assert_eq!(tensor.expect("reads").data(), [1.5], "{dtype}");
        }
    }

    #[test]
    fn a_truncated_file_says_how_much_is_missing() {
        let whole = file("F32", "[2]", 8, &[0; 8]);
        let error = TensorFile::parse(&whole[..whole.len() - 3]).map(|_| ()).expect_err("is cut");
        let expected_bytes = whole.len() as u64;
        assert_eq!(error, LoadError::Truncated { expected_bytes, got_bytes: expected_bytes - 3 });
        let in_header = TensorFile::parse(&whole[..20]).map(|_| ()).expect_err("is cut");
        assert!(matches!(in_header, LoadError::Truncated { .. }));
    }

    #[test]
    fn what_is_no_safetensors_file_is_refused() {
        for bytes in [&b""[..], b"PK\x03\x04 a zip, as .pt files are", b"{}", &[0xff; 64]] {
            let error = TensorFile::parse(bytes).map(|_| ()).expect_err("is refused");
            assert!(matches!(error, LoadError::NotSafetensors { .. }), "{error}");
        }
    }

    #[test]
    fn a_name_with_and_without_the_prefix_is_refused() {
        let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":"#;
        let header = format!(r#"{{"w":{entry}[0,4]}},"transformer.w":{entry}[4,8]}}}}"#);
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        let error = TensorFile::parse(&bytes).map(|_| ()).expect_err("which of the two?");
        assert_eq!(error, LoadError::TwiceNamed { name: "w".into() });
    }

    #[test]
    fn damaged_tensors_are_named() {
        let nan = file("F32", "[1]", 4, &f32::NAN.to_le_bytes());
        let take = |bytes: &[u8]| TensorFile::parse(bytes).and_then(|mut file| file.take("w", &[1])).err();
        assert!(matches!(take(&nan), Some(LoadError::NonFinite { index: 0, .. })));
        let ints = file("I32", "[1]", 4, &[0; 4]);
        assert!(matches!(take(&ints), Some(LoadError::Dtype { .. })));
        let wide = file("F32", "[2]", 8, &[0; 8]);
        assert!(matches!(take(&wide), Some(LoadError::Contradiction { .. })));
        let other = TensorFile::parse(&wide).and_then(|mut file| file.take("v", &[1])).err();
        assert!(matches!(other, Some(LoadError::MissingTensor { .. })));
    }
}
