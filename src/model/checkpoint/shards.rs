//! Weights in several files, whose headers are read before the first value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{LoadError, TensorFile, header::Header};

/// The start of one of the files, as its bytes come.
#[derive(Debug)]
pub struct ShardReader {
    header: Header,
    total_bytes: u64,
}

/// What the header of one of the files says.
#[derive(Debug)]
pub struct Shard {
    pub(super) tensors: TensorFile,
    /// Where its values begin, bytes from the start of the file.
    pub data_start: u64,
}

impl ShardReader {
    /// Begins with a file of `total_bytes`.
    pub fn new(total_bytes: u64) -> Self {
        Self { header: Header::default(), total_bytes }
    }

    /// Takes the next bytes; once the header is whole, what it says.
    ///
    /// Errors: this is no safetensors file, or one that was cut short.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Option<Shard>, LoadError> {
        let header = self.header.take(&mut bytes, Some(self.total_bytes))?;
        Ok(header
            .map(|(tensors, file_bytes)| Shard { data_start: file_bytes - tensors.data_bytes(), tensors }))
    }

    /// What is wrong with a file that ends here.
    pub fn cut(&self) -> LoadError {
        self.header.cut()
    }
}

/// model.safetensors.index.json
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The names of the files that an index speaks of.
///
/// Errors: [`LoadError::Index`].
pub(in crate::model) fn names(index: &[u8]) -> Result<BTreeSet<String>, LoadError> {
    let index: Index =
        serde_json::from_slice(index).map_err(|error| LoadError::Index { message: error.to_string() })?;
    match index.weight_map.len() {
        0 => Err(LoadError::Index { message: "`weight_map` is empty".to_owned() }),
        _ => Ok(index.weight_map.into_values().collect()),
    }
}
