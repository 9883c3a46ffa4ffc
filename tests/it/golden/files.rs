//! Reading the golden folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, de::DeserializeOwned};
use vitrine::{intervention::Intervention, run::WeightForm, tensor::HostTensor};

/// The golden models.
pub(super) const MODELS: [&str; 14] = [
    "gpt2-tiny",
    "gpt2-prefixed",
    "gpt2-bf16",
    "attn-only",
    "neox",
    "neo",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
    "opt",
    "phi",
];

/// One prompt with one form of the weights.
#[derive(Deserialize)]
pub(super) struct Case {
    /// Its hook points and logits, beside the model.
    pub(super) file: String,
    pub(super) weights: WeightForm,
    pub(super) tokens: Vec<u32>,
    /// None for a single token.
    pub(super) loss_nats: Option<f32>,
    /// What follows at temperature 0.
    pub(super) greedy: Vec<u32>,
}

/// One run with interventions.
#[derive(Deserialize)]
pub(super) struct EditCase {
    pub(super) name: String,
    pub(super) weights: WeightForm,
    pub(super) tokens: Vec<u32>,
    pub(super) interventions: Vec<Intervention>,
    pub(super) capture: Vec<String>,
}

/// A JSON file that holds `cases`.
#[derive(Deserialize)]
struct Cases<T> {
    cases: Vec<T>,
}

/// tests/golden.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The `cases` of a JSON file below the golden folder.
pub(super) fn cases<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let Cases { cases } = json(file);
    assert!(!cases.is_empty(), "{file} holds no case");
    cases
}

/// A JSON file below the golden folder.
pub(super) fn json<T: DeserializeOwned>(file: &str) -> T {
    serde_json::from_slice(&bytes(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The tensors of an f32 safetensors file below the golden folder, by name.
pub(super) fn tensors(file: &str) -> BTreeMap<String, HostTensor> {
    let bytes = bytes(file);
    let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
    let read = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        assert_eq!(view.dtype(), Dtype::F32, "{file}: {name}");
        let values =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        (name.to_owned(), HostTensor::new(view.shape().to_vec(), values).expect("safetensors checks it"))
    };
    tensors.iter().map(read).collect()
}

/// A file below the golden folder.
pub(super) fn bytes(file: &str) -> Vec<u8> {
    fs::read(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
