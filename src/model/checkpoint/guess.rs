//! A config.json for weights that came without one, from the names and shapes of their tensors.
//!
//! Shapes say the family, the layers and most sizes. What they do not say, such as the number of heads of a GPT-2, is
//! taken from the published models of the family and listed as assumed: a guess is shown to somebody before it is used.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{LoadError, Shard};

mod gated;
mod plain;

/// A guess, for somebody to confirm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guess {
    /// config.json, as it would be.
    pub config: String,
    /// What the tensors say, a sentence each.
    pub read_off: Vec<String>,
    /// What they do not say.
    pub assumed: Vec<Assumed>,
}

/// A value that no tensor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumed {
    /// The key of config.json.
    pub key: String,
    /// What it is taken to be, as JSON.
    pub value: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Assumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, why } = self;
        write!(f, "no tensor says `{key}`: {value} is assumed, {why}")
    }
}

impl Guess {
    /// From the headers of all weights files.
    ///
    /// Errors: [`LoadError::NoGuess`] where the names are of no family that is read.
    pub fn of(shards: &[Shard]) -> Result<Self, LoadError> {
        Self::of_shapes(shards.iter().flat_map(|shard| shard.tensors.shapes()))
    }

    /// From names without their prefix, and shapes.
    ///
    /// Errors: [`LoadError::NoGuess`].
    pub(super) fn of_shapes<'a>(
        tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    ) -> Result<Self, LoadError> {
        let mut draft = Draft { shapes: tensors.into_iter().collect(), ..Draft::default() };
        let has = |name: &str| draft.shapes.contains_key(name);
        let is_read = if has("h.0.attn.c_attn.weight") {
            plain::gpt2(&mut draft)
        } else if has("h.0.attn.attention.q_proj.weight") {
            plain::neo(&mut draft)
        } else if has("layers.0.attention.query_key_value.weight") {
            plain::neox(&mut draft)
        } else if has("layers.0.self_attn.dense.weight") {
            plain::phi(&mut draft)
        } else if has("layers.0.self_attn_layer_norm.weight") {
            plain::opt(&mut draft)
        } else if has("layers.0.mlp.gate_proj.weight") {
            gated::any(&mut draft)
        } else {
            None
        };
        is_read.ok_or(LoadError::NoGuess)?;
        let config = serde_json::to_string_pretty(&Value::Object(draft.config)).unwrap_or_default();
        Ok(Self { config, read_off: draft.read_off, assumed: draft.assumed })
    }
}

/// A guess on its way.
#[derive(Default)]
struct Draft<'a> {
    shapes: BTreeMap<&'a str, &'a [usize]>,
    config: Map<String, Value>,
    read_off: Vec<String>,
    assumed: Vec<Assumed>,
}

impl Draft<'_> {
    /// Whether there is such a tensor.
    fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// Length of an axis of a tensor that should be there.
    fn len(&self, name: &str, axis: usize) -> Option<usize> {
        self.shapes.get(name)?.get(axis).copied().filter(|len| *len > 0)
    }

    /// How many layers are numbered after `prefix`.
    fn n_layers(&self, prefix: &str) -> Option<usize> {
        let layer_of = |name: &&str| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
        self.shapes.keys().filter_map(layer_of).max()?.checked_add(1)
    }

    /// A value that a tensor says.
    fn says(&mut self, key: &str, value: impl Into<Value>, by: &str) {
        let value = value.into();
        self.read_off.push(format!("`{key}` is {value}, by {by}"));
        self.config.insert(key.to_owned(), value);
    }

    /// A value that none says.
    fn assumes(&mut self, key: &str, value: impl Into<Value>, why: &str) {
        let value = value.into();
        let assumed = Assumed { key: key.to_owned(), value: value.to_string(), why: why.to_owned() };
        self.assumed.push(assumed);
        self.config.insert(key.to_owned(), value);
    }

    /// The family, which the names say.
    fn is(&mut self, model_type: &str) {
        self.says("model_type", model_type, "the tensors' names");
    }

    /// Whether the unembedding is a tensor of its own.
    fn head(&mut self, name: &str) {
        let (is_tied, by) = match self.has(name) {
            true => (false, format!("{name}, which is there")),
            false => (true, format!("{name}, which is not there")),
        };
        self.says("tie_word_embeddings", is_tied, &by);
    }

    /// BOS and EOS, by the vocabularies that are known.
    fn special_tokens(&mut self, d_vocab: usize) {
        let known = SPECIAL_TOKENS.iter().find(|(len, ..)| *len == d_vocab);
        let (bos, eos) = known.map_or((Value::Null, Value::Null), |(_, bos, eos)| (json!(bos), json!(eos)));
        let why = match known {
            Some(_) => format!("of the published vocabulary of {d_vocab} tokens"),
            None => format!("no published vocabulary has {d_vocab} tokens"),
        };
        self.assumes("bos_token_id", bos, &why);
        self.assumes("eos_token_id", eos, &why);
    }
}

/// Length of a vocabulary, its BOS and its EOS.
const SPECIAL_TOKENS: [(usize, u32, u32); 14] = [
    (50_257, 50_256, 50_256),    // GPT-2, GPT-Neo, TinyStories
    (50_272, 2, 2),              // OPT
    (50_304, 0, 0),              // Pythia
    (50_432, 0, 0),              // GPT-NeoX 20B, Pythia 6.9B
    (51_200, 50_256, 50_256),    // Phi
    (32_000, 1, 2),              // Llama, TinyLlama, Mistral
    (32_768, 1, 2),              // Mistral 0.3
    (49_152, 0, 0),              // SmolLM
    (128_256, 128_000, 128_001), // Llama 3
    (151_936, 151_643, 151_643), // Qwen, small
    (152_064, 151_643, 151_643), // Qwen, large
    (256_000, 2, 1),             // Gemma 2
    (262_144, 2, 1),             // Gemma 3
    (262_208, 2, 1),             // Gemma 3, with places for pictures
];

/// The largest divisor of `n` that is at most `most`, even where there is one.
fn divisor(n: usize, most: usize) -> usize {
    let divides = |d: &usize| n.is_multiple_of(*d);
    let even = (1..=most).rev().filter(|d| d.is_multiple_of(2)).find(divides);
    even.or_else(|| (1..=most).rev().find(divides)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Shapes = Vec<(String, Vec<usize>)>;

    fn guess(shapes: &Shapes) -> Value {
        let shapes = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
        let guess = Guess::of_shapes(shapes).expect("is of a family");
        serde_json::from_str(&guess.config).expect("is JSON")
    }

    fn named(shapes: &[(&str, &[usize])]) -> Shapes {
        shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect()
    }

    /// d_vocab, d_model, n_layers, d_mlp, rows of queries and of keys.
    fn llama([d_vocab, d, n_layers, d_mlp, q, k]: [usize; 6], more: &[(&str, &[usize])]) -> Shapes {
        let last = format!("layers.{}.input_layernorm.weight", n_layers - 1);
        let mut shapes = named(&[
            ("embed_tokens.weight", &[d_vocab, d]),
            ("layers.0.mlp.gate_proj.weight", &[d_mlp, d]),
            ("layers.0.self_attn.q_proj.weight", &[q, d]),
            ("layers.0.self_attn.k_proj.weight", &[k, d]),
            (&last, &[d]),
        ]);
        shapes.extend(named(more));
        shapes
    }

    fn heads(config: &Value) -> [u64; 3] {
        ["num_attention_heads", "num_key_value_heads", "head_dim"]
            .map(|key| config[key].as_u64().expect("is there"))
    }

    #[test]
    fn published_models_are_guessed_as_they_are() {
        let gpt2 = guess(&named(&[
            ("wte.weight", &[50_257, 768]),
            ("wpe.weight", &[1_024, 768]),
            ("h.0.attn.c_attn.weight", &[768, 2_304]),
            ("h.11.mlp.c_fc.weight", &[768, 3_072]),
            ("h.0.mlp.c_fc.weight", &[768, 3_072]),
        ]));
        assert_eq!(
            (&gpt2["n_head"], &gpt2["n_layer"], &gpt2["n_inner"]),
            (&json!(12), &json!(12), &json!(3_072))
        );
        assert_eq!((&gpt2["bos_token_id"], &gpt2["tie_word_embeddings"]), (&json!(50_256), &json!(true)));

        let neox = |d: usize, n_layers: usize| {
            let last = format!("layers.{}.input_layernorm.weight", n_layers - 1);
            let config = guess(&named(&[
                ("embed_in.weight", &[50_304, d]),
                ("layers.0.attention.query_key_value.weight", &[3 * d, d]),
                ("layers.0.mlp.dense_h_to_4h.weight", &[4 * d, d]),
                (&last, &[d]),
            ]));
            config["num_attention_heads"].as_u64()
        };
        // Pythia 14m, 70m, 160m, 1b and 2.8b.
        let shapes = [(128, 6), (512, 6), (768, 12), (2_048, 16), (2_560, 32)];
        assert_eq!(shapes.map(|(d, n)| neox(d, n)), [4, 8, 12, 8, 32].map(Some));

        // SmolLM2-135M, TinyLlama, Llama-3.2-1B, Llama 2 7B.
        assert_eq!(heads(&guess(&llama([49_152, 576, 30, 1_536, 576, 192], &[]))), [9, 3, 64]);
        assert_eq!(heads(&guess(&llama([32_000, 2_048, 22, 5_632, 2_048, 256], &[]))), [32, 4, 64]);
        let llama_3 = guess(&llama([128_256, 2_048, 16, 8_192, 2_048, 512], &[]));
        assert_eq!((heads(&llama_3), &llama_3["rope_theta"]), ([32, 8, 64], &json!(500_000.0)));
        assert_eq!(heads(&guess(&llama([32_000, 4_096, 32, 11_008, 4_096, 4_096], &[]))), [32, 32, 128]);

        // Qwen2.5-0.5B, Qwen3-0.6B, Gemma-3-270m.
        let bias: (&str, &[usize]) = ("layers.0.self_attn.q_proj.bias", &[896]);
        let qwen2 = guess(&llama([151_936, 896, 24, 4_864, 896, 128], &[bias]));
        assert_eq!((heads(&qwen2), &qwen2["model_type"]), ([14, 2, 64], &json!("qwen2")));
        let norm: (&str, &[usize]) = ("layers.0.self_attn.q_norm.weight", &[128]);
        let qwen3 = guess(&llama([151_936, 1_024, 28, 3_072, 2_048, 1_024], &[norm]));
        assert_eq!((heads(&qwen3), &qwen3["model_type"]), ([16, 8, 128], &json!("qwen3")));
        let norms: [(&str, &[usize]); 2] = [
            ("layers.0.self_attn.q_norm.weight", &[256]),
            ("layers.0.pre_feedforward_layernorm.weight", &[640]),
        ];
        let gemma = guess(&llama([262_144, 640, 18, 2_048, 1_024, 256], &norms));
        assert_eq!((heads(&gemma), &gemma["model_type"]), ([4, 1, 256], &json!("gemma3_text")));
    }

    #[test]
    fn names_of_no_family_are_refused() {
        for shapes in [
            named(&[]),
            named(&[("encoder.layer.0.weight", &[3, 3])]),
            named(&[("h.0.attn.c_attn.weight", &[])]),
        ] {
            let shapes = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
            assert_eq!(Guess::of_shapes(shapes), Err(LoadError::NoGuess));
        }
    }

    #[test]
    fn heads_divide_what_they_share() {
        assert_eq!([divisor(768, 64), divisor(36, 64), divisor(25, 64), divisor(7, 4)], [64, 36, 25, 1]);
    }
}
