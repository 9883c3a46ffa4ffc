//! The tensors that a safetensors file says it has, taken one by one; what is left over is reported.

use std::{collections::BTreeMap, ops::Range};

use safetensors::tensor::{Dtype as FileDtype, Metadata, TensorInfo};

use super::LoadError;
use crate::tensor::{Dtype, ShapeMismatch};

/// What the header of a safetensors file describes. Names have lost the `transformer.` prefix.
#[derive(Debug)]
pub struct TensorFile {
    tensors: BTreeMap<String, TensorInfo>,
    is_prefixed: bool,
    data_bytes: u64,
}

/// Where a weight's values are: some columns of a tensor, seen as `[.. last]`.
#[derive(Clone, Debug)]
pub struct Source {
    /// The tensor's name in the file.
    pub name: String,
    /// How its values are stored.
    pub dtype: Dtype,
    /// Where it begins, bytes after the header.
    pub start: u64,
    /// Its rows; a vector is one.
    pub n_rows: usize,
    /// Its columns.
    pub n_cols: usize,
    /// The columns that are wanted.
    pub columns: Range<usize>,
    /// Shape of what is wanted.
    pub shape: Vec<usize>,
}

/// What most re-exports of GPT-2 put in front of every name.
const PREFIX: &str = "transformer.";

impl TensorFile {
    /// Reads the header, without the length before it.
    ///
    /// Errors: [`LoadError::NotSafetensors`], [`LoadError::TwiceNamed`].
    pub fn parse(header: &[u8]) -> Result<Self, LoadError> {
        // This also checks that the tensors lie one after the other and are as long as their shapes.
        let metadata: Metadata = serde_json::from_slice(header)
            .map_err(|error| LoadError::NotSafetensors { message: error.to_string() })?;
        let names = metadata.offset_keys();
        let is_prefixed = names.iter().any(|name| name.starts_with(PREFIX));
        let mut tensors = BTreeMap::new();
        for name in &names {
            let bare = name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
            let info = metadata.info(name).expect("a name of the same header").clone();
            if tensors.insert(bare.clone(), info).is_some() {
                return Err(LoadError::TwiceNamed { name: bare });
            }
        }
        Ok(Self { tensors, is_prefixed, data_bytes: metadata.data_len() as u64 })
    }

    /// Bytes of all tensors.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The names that have not been taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The dtype that holds most bytes.
    pub fn main_dtype(&self) -> String {
        let mut bytes_by_dtype: BTreeMap<String, usize> = BTreeMap::new();
        for info in self.tensors.values().filter(|info| dtype_of(info).is_some()) {
            let (start, end) = info.data_offsets;
            *bytes_by_dtype.entry(format!("{:?}", info.dtype)).or_default() += end - start;
        }
        let main = bytes_by_dtype.into_iter().max_by_key(|(_, n_bytes)| *n_bytes);
        main.map_or_else(|| "F32".to_owned(), |(dtype, _)| dtype)
    }

    /// Takes a tensor out.
    ///
    /// Errors: it is missing, of another shape, or no float.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Source, LoadError> {
        let info = self
            .tensors
            .remove(name)
            .ok_or_else(|| LoadError::MissingTensor { name: self.full_name(name) })?;
        let name = self.full_name(name);
        ShapeMismatch::check(&name, shape, &info.shape)
            .map_err(|mismatch| LoadError::Contradiction { mismatch })?;
        let Some(dtype) = dtype_of(&info) else {
            return Err(LoadError::Dtype { name, dtype: format!("{:?}", info.dtype) });
        };
        let (n_cols, outer) = shape.split_last().map_or((1, shape), |(n_cols, outer)| (*n_cols, outer));
        let (n_rows, start) = (outer.iter().product(), info.data_offsets.0 as u64);
        Ok(Source { name, dtype, start, n_rows, n_cols, columns: 0..n_cols, shape: shape.to_vec() })
    }

    /// Takes a tensor that a file need not have.
    pub fn take_if_there(&mut self, name: &str, shape: &[usize]) -> Result<Option<Source>, LoadError> {
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
        let line = |(name, info): (&String, &TensorInfo)| {
            format!("tensor `{}` {:?} is not used", self.full_name(name), info.shape)
        };
        self.tensors.iter().map(line).collect()
    }

    fn full_name(&self, name: &str) -> String {
        if self.is_prefixed && name != "lm_head.weight" { format!("{PREFIX}{name}") } else { name.to_owned() }
    }
}

impl Source {
    /// Its part number `nth` of three, side by side. `[.. 3d] -> [.. d]`
    pub fn third(&self, nth: usize) -> Self {
        let n_cols = self.columns.len() / 3;
        let start = self.columns.start + nth * n_cols;
        let mut third = Self { columns: start..start + n_cols, ..self.clone() };
        if let Some(last) = third.shape.last_mut() {
            *last = n_cols;
        }
        third
    }

    /// Bytes of one row of the tensor.
    pub fn row_bytes(&self) -> usize {
        self.n_cols * self.dtype.size_bytes()
    }
}

fn dtype_of(info: &TensorInfo) -> Option<Dtype> {
    match info.dtype {
        FileDtype::F64 => Some(Dtype::F64),
        FileDtype::F32 => Some(Dtype::F32),
        FileDtype::F16 => Some(Dtype::F16),
        FileDtype::BF16 => Some(Dtype::BF16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dtype: &str, shape: &str, n_bytes: usize) -> Result<TensorFile, LoadError> {
        let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{n_bytes}]}}}}"#);
        TensorFile::parse(header.as_bytes())
    }

    #[test]
    fn a_name_with_and_without_the_prefix_is_refused() {
        let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":"#;
        let header = format!(r#"{{"w":{entry}[0,4]}},"transformer.w":{entry}[4,8]}}}}"#);
        let error = TensorFile::parse(header.as_bytes()).map(|_| ()).expect_err("which of the two?");
        assert_eq!(error, LoadError::TwiceNamed { name: "w".into() });
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_named() {
        let take = |dtype: &str, shape: &str, n_bytes| {
            file(dtype, shape, n_bytes).and_then(|mut file| file.take("w", &[1])).map(|_| ()).err()
        };
        assert_eq!(take("F32", "[1]", 4), None);
        assert!(matches!(take("I32", "[1]", 4), Some(LoadError::Dtype { .. })));
        assert!(matches!(take("F32", "[2]", 8), Some(LoadError::Contradiction { .. })));
        let other = file("F32", "[1]", 4).and_then(|mut file| file.take("v", &[1])).err();
        assert!(matches!(other, Some(LoadError::MissingTensor { .. })));
    }

    #[test]
    fn thirds_lie_side_by_side() {
        let source =
            file("F16", "[2,12]", 48).and_then(|mut file| file.take("w", &[2, 12])).expect("is there");
        let thirds = [0, 1, 2].map(|nth| source.third(nth));
        assert_eq!(thirds.clone().map(|third| third.columns), [0..4, 4..8, 8..12]);
        assert_eq!(thirds.map(|third| third.shape), [[2, 4], [2, 4], [2, 4]]);
        assert_eq!((source.n_rows, source.row_bytes()), (2, 24));
    }
}
