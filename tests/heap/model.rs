//! A model of 60 MB that is never in memory: its file is made as it is read.

use serde_json::{Map, json};

const D: usize = 512;
const N_VOCAB: usize = 16_384;

pub(crate) const CONFIG: &str = r#"{"model_type":"gpt2","n_embd":512,"n_head":8,"n_layer":2,"n_positions":256,
    "vocab_size":16384}"#;

/// Where in the file the largest tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    EmbeddingFirst,
    EmbeddingLast,
}

/// A safetensors file of F32.
pub(crate) struct WeightsFile {
    header: Vec<u8>,
    n_data_bytes: usize,
}

impl WeightsFile {
    pub(crate) fn new(order: Order) -> Self {
        let mut tensors = vec![("wpe.weight".to_owned(), vec![256, D])];
        for layer in 0..2 {
            let shapes: [(&str, &[usize]); 12] = [
                ("ln_1.weight", &[D]),
                ("ln_1.bias", &[D]),
                ("attn.c_attn.weight", &[D, 3 * D]),
                ("attn.c_attn.bias", &[3 * D]),
                ("attn.c_proj.weight", &[D, D]),
                ("attn.c_proj.bias", &[D]),
                ("ln_2.weight", &[D]),
                ("ln_2.bias", &[D]),
                ("mlp.c_fc.weight", &[D, 4 * D]),
                ("mlp.c_fc.bias", &[4 * D]),
                ("mlp.c_proj.weight", &[4 * D, D]),
                ("mlp.c_proj.bias", &[D]),
            ];
            tensors.extend(shapes.map(|(name, shape)| (format!("h.{layer}.{name}"), shape.to_vec())));
        }
        tensors.push(("ln_f.weight".to_owned(), vec![D]));
        tensors.push(("ln_f.bias".to_owned(), vec![D]));
        let embedding = ("wte.weight".to_owned(), vec![N_VOCAB, D]);
        // The mask buffer of old versions, which nobody wants.
        tensors.push(("h.0.attn.bias".to_owned(), vec![1, 1, 256, 256]));
        match order {
            Order::EmbeddingFirst => tensors.insert(0, embedding),
            Order::EmbeddingLast => tensors.push(embedding),
        }
        let (mut header, mut end) = (Map::new(), 0);
        for (name, shape) in tensors {
            let start = end;
            end += shape.iter().product::<usize>() * 4;
            let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
            header.insert(name, entry);
        }
        let json = json!(header).to_string();
        let header = [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat();
        Self { header, n_data_bytes: end }
    }

    /// Length, bytes.
    pub(crate) fn len(&self) -> usize {
        self.header.len() + self.n_data_bytes
    }

    /// The file, `n` bytes at a time: after the header noise in [-1, 1), the same each time.
    pub(crate) fn portions(&self, n: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut state = 1_u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 23) as f32 - 1.0).to_le_bytes()
        };
        let n_values = self.n_data_bytes / 4;
        let data = (0..n_values).step_by(n / 4).map(move |first| {
            let n_values = (n / 4).min(n_values - first);
            let mut bytes = Vec::with_capacity(n_values * 4);
            (0..n_values).for_each(|_| bytes.extend(noise()));
            bytes
        });
        std::iter::once(self.header.clone()).chain(data)
    }
}
