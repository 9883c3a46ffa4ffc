//! Weights in several files, whose headers are read before the first value.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serde::Deserialize;

use super::{
    LoadError, TensorFile,
    header::{Header, too_long},
};

/// The start of one of the files, as its bytes come.
#[derive(Debug)]
pub struct ShardReader {
    header: Header,
    total_bytes: Option<u64>,
}

/// What the header of one of the files says.
#[derive(Debug)]
pub struct Shard {
    pub(super) tensors: TensorFile,
    /// Where its values are.
    pub span: Span,
}

/// Where the values of a file are, bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where they begin.
    pub data_start: u64,
    /// Where they and the file end.
    pub file_bytes: u64,
}

impl Span {
    /// Checks the length of a file that was read to its end. One that came without its length is not known before.
    ///
    /// Errors: it is another one than the header describes.
    pub fn check(self, got_bytes: u64) -> Result<(), LoadError> {
        match got_bytes.cmp(&self.file_bytes) {
            Ordering::Less => Err(LoadError::Truncated { expected_bytes: self.file_bytes, got_bytes }),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(too_long(self.file_bytes)),
        }
    }
}

impl ShardReader {
    /// Begins with a file of `total_bytes`, if that is known.
    pub fn new(total_bytes: Option<u64>) -> Self {
        Self { header: Header::default(), total_bytes }
    }

    /// Takes the next bytes; once the header is whole, what it says.
    ///
    /// Errors: this is no safetensors file, or one that was cut short.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Option<Shard>, LoadError> {
        let header = self.header.take(&mut bytes, self.total_bytes)?;
        Ok(header.map(|(tensors, file_bytes)| Shard {
            span: Span { data_start: file_bytes - tensors.data_bytes(), file_bytes },
            tensors,
        }))
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
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    // A name is put behind the address of the folder, and must not lead out of it.
    match names.iter().find(|name| !is_file_name(name)) {
        Some(name) => Err(LoadError::Index { message: format!("`{name}` is not the name of a file") }),
        None if names.is_empty() => Err(LoadError::Index { message: "`weight_map` is empty".to_owned() }),
        None => Ok(names),
    }
}

/// Whether this is the name of a file in a folder, as savers write it.
fn is_file_name(name: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_says_where_its_values_are() {
        let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        let file_bytes = file.len() as u64;
        for total_bytes in [None, Some(file_bytes)] {
            let mut reader = ShardReader::new(total_bytes);
            let shard = file.chunks(5).find_map(|part| reader.feed(part).expect("a header"));
            let span = shard.expect("a whole header").span;
            assert_eq!(span, Span { data_start: file_bytes - 8, file_bytes });
            assert_eq!(span.check(file_bytes), Ok(()));
            let cut = LoadError::Truncated { expected_bytes: file_bytes, got_bytes: file_bytes - 1 };
            assert_eq!(span.check(file_bytes - 1), Err(cut));
            assert_eq!(span.check(file_bytes + 1), Err(too_long(file_bytes)));
        }
    }

    #[test]
    fn an_index_cannot_lead_out_of_its_folder() {
        let index = |name: &str| names(serde_json::json!({"weight_map": {"w": name}}).to_string().as_bytes());
        assert!(index("model-00001-of-00002.safetensors").is_ok());
        for name in
            ["", "../a.safetensors", "a/b.safetensors", "a\\b", "https://host/a", "a?b", "a%2Fb", ".."]
        {
            assert!(matches!(index(name), Err(LoadError::Index { .. })), "{name}");
        }
    }
}
