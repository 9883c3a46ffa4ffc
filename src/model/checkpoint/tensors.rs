//! The tensors that a safetensors file says it has, taken one by one; what is left over is reported.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use safetensors::tensor::{Dtype as FileDtype, Metadata, TensorInfo};

use super::LoadError;
use crate::{
    model::{ModelConfig, weights::Affine},
    tensor::{Dtype, ShapeMismatch},
};

/// What the header of a safetensors file describes. Names have lost the prefix that most of them share.
#[derive(Debug)]
pub struct TensorFile {
    tensors: BTreeMap<String, TensorInfo>,
    prefix: Option<&'static str>,
    data_bytes: u64,
}

/// Where a weight's values are: some rows or columns of a tensor, seen as `[.. last]`.
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
    /// The rows that are wanted.
    pub rows: Rows,
    /// Shape of what is wanted.
    pub shape: Vec<usize>,
    /// Added to every value.
    pub plus: f32,
}

/// Some rows of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    All,
    /// Of every `of` blocks of `len` rows, the one number `nth`.
    Interleaved {
        /// Rows of a block.
        len: usize,
        /// Blocks until it begins again.
        of: usize,
        /// Which of them.
        nth: usize,
    },
    /// All from this one on.
    From(usize),
}

impl Rows {
    fn has(self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::Interleaved { len, of, nth } => row / len % of == nth,
            Self::From(first) => first <= row,
        }
    }
}

/// What files put in front of every name but the head's, by the class that saved them.
const PREFIXES: [&str; 4] = ["transformer.", "gpt_neox.", "model.decoder.", "model."];
/// The heads, which have no prefix.
const HEADS: [&str; 3] = ["lm_head.weight", "lm_head.bias", "embed_out.weight"];

impl TensorFile {
    /// Reads the header, without the length before it.
    ///
    /// Errors: [`LoadError::NotSafetensors`], [`LoadError::TwiceNamed`].
    pub fn parse(header: &[u8]) -> Result<Self, LoadError> {
        // This also checks that the tensors lie one after the other and are as long as their shapes.
        let metadata: Metadata = serde_json::from_slice(header)
            .map_err(|error| LoadError::NotSafetensors { message: error.to_string() })?;
        let names = metadata.offset_keys();
        let is_there = |prefix: &&str| names.iter().any(|name| name.starts_with(*prefix));
        let prefix = PREFIXES.into_iter().find(is_there);
        let mut tensors = BTreeMap::new();
        for name in &names {
            let bare = prefix.and_then(|prefix| name.strip_prefix(prefix)).unwrap_or(name).to_owned();
            let info = metadata.info(name).expect("a name of the same header").clone();
            if tensors.insert(bare.clone(), info).is_some() {
                return Err(LoadError::TwiceNamed { name: bare, prefix: prefix.unwrap_or_default() });
            }
        }
        Ok(Self { tensors, prefix, data_bytes: metadata.data_len() as u64 })
    }

    /// Those of several files, as if the values of each followed those of the one before.
    ///
    /// Errors: [`LoadError::InTwoFiles`]; the files are too large to count their bytes.
    pub fn joined(files: impl IntoIterator<Item = Self>) -> Result<Self, LoadError> {
        let mut all = Self { tensors: BTreeMap::new(), prefix: None, data_bytes: 0 };
        for file in files {
            all.prefix = all.prefix.or(file.prefix);
            let shifted = |offset: usize| usize::try_from(all.data_bytes).ok()?.checked_add(offset);
            for (name, mut info) in file.tensors {
                let (start, end) = info.data_offsets;
                let (Some(start), Some(end)) = (shifted(start), shifted(end)) else {
                    let message = "all shards together are larger than this build can count".to_owned();
                    return Err(LoadError::NotSafetensors { message });
                };
                info.data_offsets = (start, end);
                if all.tensors.insert(name.clone(), info).is_some() {
                    return Err(LoadError::InTwoFiles { name });
                }
            }
            all.data_bytes += file.data_bytes;
        }
        Ok(all)
    }

    /// Bytes of all tensors.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The names that have not been taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Names and shapes of those that have not been taken.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info.shape.as_slice()))
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
        let (columns, rows, shape) = (0..n_cols, Rows::All, shape.to_vec());
        Ok(Source { name, dtype, start, n_rows, n_cols, columns, rows, shape, plus: 0.0 })
    }

    /// Weight and bias of a LayerNorm.
    pub fn affine(&mut self, norm: &str, d: usize) -> Result<Affine<Source>, LoadError> {
        let b = Some(self.take(&format!("{norm}.bias"), &[d])?);
        Ok(Affine { b, ..self.rms(norm, d)? })
    }

    /// The weight of an RMSNorm.
    pub fn rms(&mut self, norm: &str, d: usize) -> Result<Affine<Source>, LoadError> {
        Ok(Affine { w: Some(self.take(&format!("{norm}.weight"), &[d])?), b: None })
    }

    /// An unembedding of its own, if there is one; the weights decide, and config.json may only disagree aloud.
    pub fn head(
        &mut self,
        config: &ModelConfig,
        name: &str,
        notes: &mut Vec<String>,
    ) -> Result<Option<Source>, LoadError> {
        let w_u = self.take_if_there(name, &[config.d_vocab, config.d_model])?;
        if w_u.is_none() && !config.is_tied {
            let why = "config.json does not tie the embeddings, but there is no";
            notes.push(format!("{why} {name}: the embedding is used"));
        }
        Ok(w_u)
    }

    /// Errors: the layers, which are numbered after `prefix`, are not `expected`.
    pub fn check_layers(&self, prefix: &str, expected: usize) -> Result<(), LoadError> {
        let layer_of = |name: &str| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
        let got = self.names().filter_map(layer_of).max().map_or(0, |last| last.saturating_add(1));
        if got == expected { Ok(()) } else { Err(LoadError::LayerCount { expected, got }) }
    }

    /// Drops the causal masks that old versions saved.
    pub fn discard_masks(&mut self, is_mask: impl Fn(&str) -> bool, notes: &mut Vec<String>) {
        let n_masks = self.discard(is_mask);
        if n_masks > 0 {
            notes.push(format!("{n_masks} causal-mask buffers are not used: the mask is computed"));
        }
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
        let prefix = self.prefix.filter(|_| !HEADS.contains(&name)).unwrap_or_default();
        format!("{prefix}{name}")
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

    /// The part number `nth` of `of` parts whose blocks of `len` rows take turns; a vector's rows are its entries.
    /// `[(of n) ..] -> [n ..]`
    pub fn interleaved(&self, nth: usize, of: usize, len: usize) -> Self {
        let mut part = Self { rows: Rows::Interleaved { len, of, nth }, ..self.clone() };
        if self.shape.len() == 1 {
            (part.n_rows, part.n_cols, part.columns) = (self.n_cols, 1, 0..1);
        }
        part.shape[0] /= of;
        part
    }

    /// Without the first `n` rows, of which there are more. `[(n m) ..] -> [m ..]`
    pub fn after(mut self, n: usize) -> Self {
        self.rows = Rows::From(n);
        self.shape[0] -= n;
        self
    }

    /// How many rows are wanted.
    pub fn n_wanted_rows(&self) -> usize {
        match self.rows {
            Rows::All => self.n_rows,
            Rows::Interleaved { of, .. } => self.n_rows / of,
            Rows::From(first) => self.n_rows - first,
        }
    }

    /// What is wanted of some rows, of which the first is number `first`.
    pub fn wanted<'r>(&self, rows: &'r [u8], first: usize) -> Cow<'r, [u8]> {
        if self.columns.len() == self.n_cols && self.rows == Rows::All {
            return Cow::Borrowed(rows);
        }
        let size_bytes = self.dtype.size_bytes();
        let columns = self.columns.start * size_bytes..self.columns.end * size_bytes;
        let wanted = rows.chunks_exact(self.row_bytes()).zip(first..).filter(|(_, row)| self.rows.has(*row));
        Cow::Owned(wanted.flat_map(|(row, _)| &row[columns.clone()]).copied().collect())
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
        assert_eq!(error, LoadError::TwiceNamed { name: "w".into(), prefix: "transformer." });
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
    fn interleaved_parts_take_turns() {
        let of = |shape: &str, want: &[usize]| {
            file("F16", shape, 24).and_then(|mut file| file.take("w", want)).expect("is there")
        };
        let rows: Vec<u8> = (0..24).collect();
        // Two heads of one row each for q, k and v.
        let matrix = of("[6,2]", &[6, 2]).interleaved(1, 3, 1);
        assert_eq!((matrix.n_wanted_rows(), matrix.shape.clone()), (2, vec![2, 2]));
        assert_eq!(*matrix.wanted(&rows, 0), [4, 5, 6, 7, 16, 17, 18, 19]);
        assert_eq!(*matrix.wanted(&rows[4..16], 1), [4, 5, 6, 7]);
        let vector = of("[12]", &[12]).interleaved(2, 3, 2);
        assert_eq!((vector.n_wanted_rows(), vector.row_bytes(), vector.shape.clone()), (4, 2, vec![4]));
        assert_eq!(*vector.wanted(&rows, 0), [8, 9, 10, 11, 20, 21, 22, 23]);
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
