//! Random models of GPT-2's shape in its own file format, made in a moment: for what depends on size alone.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::engine::WEIGHTS;

/// The sizes of one.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) n_layers: usize,
    pub(super) d_model: usize,
    pub(super) n_heads: usize,
    pub(super) d_vocab: usize,
}

/// Positions, as GPT-2 has.
const N_CTX: usize = 1024;
/// How far a value may be from its mean: then the standard deviation is 0.02, as in a model that is about to be trained.
const REACH: f32 = 0.034_641;

impl Shape {
    /// Its files by name, without a tokenizer. The same ones whenever they are made.
    pub(super) fn files(self) -> BTreeMap<String, Vec<u8>> {
        let config = json!({
            "model_type": "gpt2", "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
            "n_layer": self.n_layers, "n_embd": self.d_model, "n_head": self.n_heads,
            "n_positions": N_CTX, "vocab_size": self.d_vocab,
        });
        let config = config.to_string().into_bytes();
        BTreeMap::from([("config.json".to_owned(), config), (WEIGHTS.to_owned(), self.weights())])
    }

    fn weights(self) -> Vec<u8> {
        let tensors = self.tensors();
        let (mut header, mut end) = (Map::new(), 0);
        for (name, shape) in &tensors {
            let start = end;
            end += shape.iter().product::<usize>() * size_of::<f32>();
            let info = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
            header.insert(name.clone(), info);
        }
        let mut header = Value::Object(header).to_string();
        // Values begin at a multiple of eight, as every writer has it.
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        let mut file = Vec::with_capacity(size_of::<u64>() + header.len() + end);
        file.extend((header.len() as u64).to_le_bytes());
        file.extend(header.as_bytes());
        let mut state = 1_u32;
        for (name, shape) in &tensors {
            let mean = if name.contains("ln_") && name.ends_with("weight") { 1.0 } else { 0.0 };
            for _ in 0..shape.iter().product() {
                // The generator of Numerical Recipes; its upper bits are good enough.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let unit = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
                file.extend((mean + REACH * unit).to_le_bytes());
            }
        }
        file
    }

    /// Name and shape of each tensor, in the order of the file.
    fn tensors(self) -> Vec<(String, Vec<usize>)> {
        let d = self.d_model;
        let mut tensors =
            vec![("wte.weight".to_owned(), vec![self.d_vocab, d]), ("wpe.weight".to_owned(), vec![N_CTX, d])];
        for layer in 0..self.n_layers {
            let parts = [
                ("ln_1.weight", vec![d]),
                ("ln_1.bias", vec![d]),
                ("attn.c_attn.weight", vec![d, 3 * d]),
                ("attn.c_attn.bias", vec![3 * d]),
                ("attn.c_proj.weight", vec![d, d]),
                ("attn.c_proj.bias", vec![d]),
                ("ln_2.weight", vec![d]),
                ("ln_2.bias", vec![d]),
                ("mlp.c_fc.weight", vec![d, 4 * d]),
                ("mlp.c_fc.bias", vec![4 * d]),
                ("mlp.c_proj.weight", vec![4 * d, d]),
                ("mlp.c_proj.bias", vec![d]),
            ];
            tensors.extend(parts.map(|(part, shape)| (format!("h.{layer}.{part}"), shape)));
        }
        tensors.extend([("ln_f.weight".to_owned(), vec![d]), ("ln_f.bias".to_owned(), vec![d])]);
        tensors
    }
}
