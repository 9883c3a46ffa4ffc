//! A Hugging Face folder in memory: its files by name, wherever they came from.

use std::collections::BTreeMap;

use super::{
    checkpoint::{Checkpoint, LoadError, Shard, WeightsReader, shard_names},
    tokenizer::Tokenizer,
};
use crate::backend::Backend;

/// The files of one model, by name.
#[derive(Debug, Default)]
pub struct Folder(BTreeMap<String, Vec<u8>>);

/// The usual name of the weights.
pub const WEIGHTS: &str = "model.safetensors";
/// Which of several files has which tensor.
pub const INDEX: &str = "model.safetensors.index.json";
/// The configuration.
pub const CONFIG: &str = "config.json";
/// The tokenizer, whole.
pub const TOKENIZER: &str = "tokenizer.json";
/// The tokenizer's older form: the vocabulary.
pub const VOCAB: &str = "vocab.json";
/// The tokenizer's older form: the merges.
pub const MERGES: &str = "merges.txt";

/// Endings of weights that Vitrine does not read.
const OTHER_FORMATS: [&str; 6] = [".bin", ".pt", ".pth", ".ckpt", ".gguf", ".npz"];

impl Folder {
    /// Adds a file. Of the weights only the name matters to [`Folder::reader`].
    pub fn insert(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.0.insert(name.into(), bytes);
    }

    /// Reads the model, and its tokenizer if that is there.
    ///
    /// Errors: [`LoadError`].
    pub async fn read<B: Backend>(&self, b: &B) -> Result<(Checkpoint<B>, Option<Tokenizer>), LoadError> {
        let weights = &self.0[self.weights()?];
        let mut reader = self.reader(b, Some(weights.len() as u64))?;
        reader.feed(weights).await?;
        Ok((reader.finish().await?, self.tokenizer()?))
    }

    /// What reads the weights, whose bytes come from elsewhere; `total_bytes` is their length, if it is known.
    ///
    /// Errors: [`LoadError`].
    pub fn reader<'b, B: Backend>(
        &self,
        b: &'b B,
        total_bytes: Option<u64>,
    ) -> Result<WeightsReader<'b, B>, LoadError> {
        // The weights first: whoever brings one wrong file most likely brings this one.
        self.weights()?;
        WeightsReader::new(b, self.file(CONFIG)?, total_bytes)
    }

    /// The same for the files that [`Folder::shards`] names, of which the headers were read.
    ///
    /// Errors: [`LoadError`].
    pub fn reader_of_shards<'b, B: Backend>(
        &self,
        b: &'b B,
        shards: Vec<Shard>,
    ) -> Result<WeightsReader<'b, B>, LoadError> {
        WeightsReader::of_shards(b, self.file(CONFIG)?, shards)
    }

    fn file(&self, name: &str) -> Result<&[u8], LoadError> {
        let bytes = self.0.get(name).map(Vec::as_slice);
        bytes.ok_or_else(|| LoadError::MissingFile { file: name.to_owned() })
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The name of the weights: model.safetensors, or the only safetensors file there is.
    ///
    /// Errors: there is none, or more than one.
    pub fn weights(&self) -> Result<&str, LoadError> {
        if self.0.contains_key(WEIGHTS) {
            return Ok(WEIGHTS);
        }
        let mut names = self.0.keys().filter(|name| name.ends_with(".safetensors"));
        match (names.next(), names.count()) {
            (Some(only), 0) => Ok(only),
            (Some(_), n_more) => Err(LoadError::SeveralWeights { n: n_more + 1 }),
            (None, _) => {
                let is_other = |name: &&String| OTHER_FORMATS.iter().any(|ending| name.ends_with(ending));
                Err(match self.0.keys().find(is_other) {
                    Some(file) => LoadError::OtherFormat { file: file.clone() },
                    None => LoadError::MissingFile { file: WEIGHTS.to_owned() },
                })
            }
        }
    }

    /// The names of the weights' files: one, or those of model.safetensors.index.json.
    ///
    /// Errors: there is none; one of them is missing.
    pub fn shards(&self) -> Result<Vec<String>, LoadError> {
        let Some(names) = self.indexed()? else { return Ok(vec![self.weights()?.to_owned()]) };
        match names.iter().find(|name| !self.0.contains_key(*name)) {
            Some(file) => Err(LoadError::MissingFile { file: file.clone() }),
            None => Ok(names),
        }
    }

    /// The names that model.safetensors.index.json has, whether or not those files are there; `None` where it is
    /// absent, or model.safetensors is there and makes it superfluous.
    ///
    /// Errors: it is not an index.
    pub fn indexed(&self) -> Result<Option<Vec<String>>, LoadError> {
        let index = self.0.get(INDEX).filter(|_| !self.0.contains_key(WEIGHTS));
        index.map(|index| Ok(shard_names(index)?.into_iter().collect())).transpose()
    }

    /// The tokenizer, if its files are there.
    ///
    /// Errors: they are not what they should be.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>, LoadError> {
        if let Some(json) = self.0.get(TOKENIZER) {
            return Tokenizer::from_json(json).map(Some);
        }
        let (Some(vocab), Some(merges)) = (self.0.get(VOCAB), self.0.get(MERGES)) else { return Ok(None) };
        let merges = std::str::from_utf8(merges)
            .map_err(|error| LoadError::Tokenizer { message: format!("merges.txt is not text: {error}") })?;
        Tokenizer::from_vocab_and_merges(vocab, merges).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;

    fn error_with(names: &[&str]) -> LoadError {
        let mut folder = Folder::default();
        names.iter().for_each(|name| folder.insert(*name, vec![]));
        folder.reader(&Cpu::<f32>::default(), None).map(|_| ()).expect_err("nothing is whole")
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(error_with(&[CONFIG]), LoadError::MissingFile { file: WEIGHTS.into() });
        assert_eq!(error_with(&["adapter.safetensors"]), LoadError::MissingFile { file: CONFIG.into() });
        assert_eq!(
            error_with(&["pytorch_model.bin"]),
            LoadError::OtherFormat { file: "pytorch_model.bin".into() }
        );
        assert_eq!(error_with(&["a.safetensors", "b.safetensors"]), LoadError::SeveralWeights { n: 2 });
    }

    #[test]
    fn an_index_names_the_files() {
        let shards = |index: &str, names: &[&str]| {
            let mut folder = Folder::default();
            names.iter().for_each(|name| folder.insert(*name, vec![]));
            folder.insert(INDEX, index.as_bytes().to_vec());
            folder.shards()
        };
        let index =
            r#"{"metadata":{},"weight_map":{"w":"b.safetensors","v":"a.safetensors","u":"b.safetensors"}}"#;
        let (a, b) = ("a.safetensors", "b.safetensors");
        assert_eq!(shards(index, &[a, b, "c.safetensors"]), Ok(vec![a.to_owned(), b.to_owned()]));
        assert_eq!(shards(index, &[a, b, WEIGHTS]), Ok(vec![WEIGHTS.to_owned()]));
        assert_eq!(shards(index, &[a]), Err(LoadError::MissingFile { file: b.to_owned() }));
        for broken in ["", "[]", r#"{"weight_map":{}}"#, r#"{"weight_map":{"w":1}}"#] {
            assert!(matches!(shards(broken, &[a, b]), Err(LoadError::Index { .. })), "{broken}");
        }
    }
}
