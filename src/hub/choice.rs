//! Which files of a repository make a model.

use super::{HubError, Listing, RepoFile};
use crate::model::{
    checkpoint::LoadError,
    folder::{CONFIG, Folder, INDEX, MERGES, TOKENIZER, VOCAB, WEIGHTS},
};

/// The files of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// config.json and, where there is one, the tokenizer in its one or two files.
    pub small: Vec<RepoFile>,
    /// Where the weights are.
    pub weights: Weights,
}

/// Where the weights of a model are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// In one file.
    One(RepoFile),
    /// In the files that this index names: it is read first, for [`Choice::shards`].
    Indexed(RepoFile),
}

impl Choice {
    /// The files that a model needs of a repository `id`: from its top, nothing that is not read.
    ///
    /// Errors: it has no config.json, or no weights that Vitrine reads.
    pub fn of(listing: &Listing, id: &str) -> Result<Self, HubError> {
        let refuse = |error| HubError::Files { id: id.to_owned(), error };
        let missing = |file: &str| refuse(LoadError::MissingFile { file: file.to_owned() });
        let weights = match (listing.file(WEIGHTS), listing.file(INDEX)) {
            (Some(file), _) => Weights::One(file.clone()),
            (None, Some(index)) => Weights::Indexed(index.clone()),
            (None, None) => {
                // The same rules, and words, as for files from disk.
                let mut folder = Folder::default();
                let at_top = listing.paths().filter(|path| !path.contains('/'));
                at_top.for_each(|path| folder.insert(path, vec![]));
                let name = match folder.weights() {
                    Ok(name) => name,
                    Err(LoadError::OtherFormat { file }) => {
                        return Err(HubError::OtherFormat { id: id.to_owned(), file });
                    }
                    Err(error) => return Err(refuse(error)),
                };
                Weights::One(listing.file(name).ok_or_else(|| missing(name))?.clone())
            }
        };
        let config = listing.file(CONFIG).ok_or_else(|| missing(CONFIG))?;
        let tokenizer = match [TOKENIZER, VOCAB, MERGES].map(|name| listing.file(name)) {
            [Some(whole), _, _] => vec![whole],
            [None, Some(vocab), Some(merges)] => vec![vocab, merges],
            [None, _, _] => vec![],
        };
        let small = [config].into_iter().chain(tokenizer).cloned().collect();
        Ok(Self { small, weights })
    }

    /// The weights files that an index names.
    ///
    /// Errors: it is no index, or one of them is not listed.
    pub fn shards(listing: &Listing, id: &str, index: &[u8]) -> Result<Vec<RepoFile>, HubError> {
        let refuse = |error| HubError::Files { id: id.to_owned(), error };
        let mut folder = Folder::default();
        listing.paths().filter(|path| *path != WEIGHTS).for_each(|path| folder.insert(path, vec![]));
        folder.insert(INDEX, index.to_vec());
        let names = folder.shards().map_err(refuse)?;
        Ok(names.iter().filter_map(|name| listing.file(name)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::listing::tests::listing;

    fn chosen(paths: &[&str]) -> Result<(Vec<String>, String), String> {
        let choice = Choice::of(&listing(paths), "a/b").map_err(|error| error.to_string())?;
        let (Weights::One(weights) | Weights::Indexed(weights)) = choice.weights;
        Ok((choice.small.into_iter().map(|file| file.path).collect(), weights.path))
    }

    fn is(small: &[&str], weights: &str) -> Result<(Vec<String>, String), String> {
        Ok((small.iter().map(|name| (*name).to_owned()).collect(), weights.to_owned()))
    }

    #[test]
    fn only_what_is_read_is_taken() {
        let gpt2 = [
            CONFIG,
            TOKENIZER,
            VOCAB,
            MERGES,
            WEIGHTS,
            INDEX,
            "pytorch_model.bin",
            "onnx/config.json",
            "README.md",
            "64.tflite",
        ];
        assert_eq!(chosen(&gpt2), is(&[CONFIG, TOKENIZER], WEIGHTS));
        assert_eq!(chosen(&[CONFIG, VOCAB, MERGES, WEIGHTS]), is(&[CONFIG, VOCAB, MERGES], WEIGHTS));
        assert_eq!(chosen(&[CONFIG, VOCAB, WEIGHTS]), is(&[CONFIG], WEIGHTS));
        assert_eq!(chosen(&[CONFIG, INDEX, "model-00001-of-00002.safetensors"]), is(&[CONFIG], INDEX));
        assert_eq!(chosen(&[CONFIG, "tales.safetensors"]), is(&[CONFIG], "tales.safetensors"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (paths, words) in [
            (&[CONFIG][..], "no model.safetensors"),
            (&[CONFIG, "onnx/model.safetensors"][..], "no model.safetensors"),
            (&[WEIGHTS][..], "no config.json"),
            (&[CONFIG, "a.safetensors", "b.safetensors"][..], "2 safetensors files"),
            (&[CONFIG, "pytorch_model.bin"][..], "`pytorch_model.bin`"),
            (&[CONFIG, "model-q4.gguf"][..], "`model-q4.gguf`"),
        ] {
            let error = chosen(paths).expect_err(words);
            assert!(error.contains(words) && error.ends_with("a/b"), "{error}");
        }
        let error = Choice::of(&listing(&[CONFIG, "a.gguf"]), "a/b").expect_err("nothing to read");
        assert!(error.hint().contains("save_pretrained"), "{}", error.hint());
    }

    #[test]
    fn an_index_is_followed() {
        let [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        let index = serde_json::json!({"weight_map": {"w": second, "v": first, "u": first}}).to_string();
        let shards = |paths: &[&str], index: &str| {
            let shards = Choice::shards(&listing(paths), "a/b", index.as_bytes());
            shards.map(|files| files.into_iter().map(|file| file.path).collect::<Vec<_>>())
        };
        assert_eq!(shards(&[CONFIG, INDEX, first, second], &index), Ok(vec![first.into(), second.into()]));
        let error = shards(&[CONFIG, INDEX, first], &index).expect_err("one is missing").to_string();
        assert!(error.contains(&format!("no {second}")), "{error}");
        let error =
            shards(&[INDEX, "x/a"], r#"{"weight_map":{"w":"x/a"}}"#).expect_err("outside").to_string();
        assert!(error.contains("not the name of a file"), "{error}");
    }
}
