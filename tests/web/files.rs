//! The golden files that travel with the suite.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use serde::Deserialize;
use vitrine::{
    backend::Backend,
    engine::Engine,
    model::checkpoint::{Checkpoint, ModelFiles},
    run::WeightForm,
    tensor::HostTensor,
};

/// One golden model.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) config: &'static [u8],
    pub(crate) weights: &'static [u8],
    pub(crate) expected: &'static [u8],
    /// Every hook point, by the name that `expected` gives the file.
    pub(crate) values: &'static [(&'static str, &'static [u8])],
    /// A metric, and its gradient at every hook point.
    pub(crate) gradients: [&'static [u8]; 2],
}

/// A file below the golden folder, and its name there.
macro_rules! golden {
    ($folder:literal, $($part:literal),+) => {
        include_bytes!(concat!("../golden/", $folder, "/", $($part),+)).as_slice()
    };
}

macro_rules! model {
    ($name:literal: $($prompt:literal),*) => {
        Model {
            name: $name,
            config: golden!($name, "config.json"),
            weights: golden!($name, "model.safetensors"),
            expected: golden!($name, "expected.json"),
            values: &[$(
                (concat!($prompt, "-raw.safetensors"), golden!($name, $prompt, "-raw.safetensors")),
                (
                    concat!($prompt, "-processed.safetensors"),
                    golden!($name, $prompt, "-processed.safetensors"),
                ),
            )*],
            gradients: [golden!($name, "gradients-raw.json"), golden!($name, "gradients-raw.safetensors")],
        }
    };
}

/// A model with MLPs and one without; two that have between them what the other families do differently.
pub(crate) const MODELS: [Model; 4] = [
    model!("gpt2-tiny": "odd", "one"),
    model!("attn-only": "odd", "one"),
    model!("neox": "odd"),
    model!("gemma2": "odd"),
];

/// One prompt with one form of the weights.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) file: String,
    pub(crate) weights: WeightForm,
    pub(crate) tokens: Vec<u32>,
    pub(crate) greedy: Vec<u32>,
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

impl Model {
    pub(crate) async fn engine_on<B: Backend>(&self, backend: B) -> Engine<B> {
        let files = ModelFiles { config: self.config, weights: self.weights };
        let checkpoint = Checkpoint::read(&backend, files).await.expect("a golden model");
        Engine::new(backend, checkpoint, None)
    }

    pub(crate) fn cases(&self) -> Vec<Case> {
        let Cases { cases } = serde_json::from_slice(self.expected).expect("expected.json");
        assert_eq!(cases.len(), self.values.len(), "{}", self.name);
        cases
    }

    /// What a case's hook points should hold.
    pub(crate) fn want(&self, case: &Case) -> BTreeMap<String, HostTensor> {
        let (_, bytes) = self.values.iter().find(|(name, _)| *name == case.file).expect("is compiled in");
        tensors(bytes)
    }
}

/// The tensors of a file, by name.
pub(crate) fn tensors(bytes: &[u8]) -> BTreeMap<String, HostTensor> {
    let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
    let read = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let data = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        (name.to_owned(), HostTensor::new(view.shape().to_vec(), data).expect("safetensors checks it"))
    };
    file.iter().map(read).collect()
}
