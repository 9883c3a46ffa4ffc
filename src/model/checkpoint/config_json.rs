//! config.json of the GPT-2 family.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::LoadError;
use crate::{
    model::{Architecture, ModelConfig},
    op::{Activation, NormKind},
};

/// The keys that are read; all others are kept, to be reported.
#[derive(Clone, Debug, Deserialize)]
pub struct ConfigJson {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
    n_embd: Option<usize>,
    n_head: Option<usize>,
    n_layer: Option<usize>,
    #[serde(alias = "n_ctx")]
    n_positions: Option<usize>,
    n_inner: Option<usize>,
    vocab_size: Option<usize>,
    activation_function: Option<String>,
    layer_norm_epsilon: Option<f64>,
    scale_attn_weights: Option<bool>,
    scale_attn_by_inverse_layer_idx: Option<bool>,
    add_cross_attention: Option<bool>,
    tie_word_embeddings: Option<bool>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<u32>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Keys that change nothing of a forward pass in f32, and so need no note.
const HARMLESS: &[&str] = &[
    "_name_or_path",
    "attn_pdrop",
    "chunk_size_feed_forward",
    "dtype",
    "embd_pdrop",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "n_ctx",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "reorder_and_upcast_attn",
    "resid_pdrop",
    "return_dict",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "torch_dtype",
    "transformers_version",
    "use_cache",
    "id2label",
    "label2id",
    "problem_type",
    "gradient_checkpointing",
];

impl ConfigJson {
    /// Reads config.json.
    ///
    /// Errors: [`LoadError::ConfigSyntax`], [`LoadError::UnknownArchitecture`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LoadError> {
        // n_positions and n_ctx are one key to us; older files have both.
        let mut json: Value = serde_json::from_slice(bytes)
            .map_err(|error| LoadError::ConfigSyntax { message: error.to_string() })?;
        if let Some(object) = json.as_object_mut()
            && object.contains_key("n_positions")
        {
            object.remove("n_ctx");
        }
        let config: Self = serde_json::from_value(json)
            .map_err(|error| LoadError::ConfigSyntax { message: error.to_string() })?;
        config.architecture()?;
        Ok(config)
    }

    /// `model_type`, or what `architectures` amounts to.
    pub fn model_type(&self) -> &str {
        match &self.model_type {
            Some(model_type) => model_type,
            None if self.architectures.iter().any(|name| name.starts_with("GPT2")) => "gpt2",
            None => self.architectures.first().map_or("(none)", String::as_str),
        }
    }

    /// Which forward pass it asks for.
    pub fn architecture(&self) -> Result<Architecture, LoadError> {
        match self.model_type() {
            "gpt2" => Ok(Architecture::Gpt2),
            "vitrine_attn_only" => Ok(Architecture::Gpt2AttnOnly),
            other => Err(LoadError::UnknownArchitecture { model_type: other.to_owned() }),
        }
    }

    /// Whether it says that W_U is W_E; GPT-2 does where it says nothing.
    pub fn is_tied(&self) -> bool {
        self.tie_word_embeddings.unwrap_or(true)
    }

    /// One line for every key that is not understood.
    pub fn notes(&self) -> Vec<String> {
        let unknown = self.others.keys().filter(|key| !HARMLESS.contains(&key.as_str()));
        unknown.map(|key| format!("config.json: `{key}` is not used")).collect()
    }

    /// Sizes and choices, checked for sense; `architecture` may have been narrowed by the weights.
    ///
    /// Errors: a key that is missing, or a value that this architecture cannot have.
    pub fn model_config(&self, architecture: Architecture) -> Result<ModelConfig, LoadError> {
        let d_model = positive("n_embd", self.n_embd)?;
        let n_heads = positive("n_head", self.n_head)?;
        if d_model % n_heads != 0 {
            let why = format!("does not divide n_embd ({d_model})");
            return Err(LoadError::ConfigValue { key: "n_head", value: n_heads.to_string(), why });
        }
        self.refuse_unsupported()?;
        let d_mlp = match architecture {
            Architecture::Gpt2 => positive("n_inner", Some(self.n_inner.unwrap_or(4 * d_model)))?,
            Architecture::Gpt2AttnOnly => 0,
        };
        let d_vocab = positive("vocab_size", self.vocab_size)?;
        let in_vocabulary = |id: &u32| (*id as usize) < d_vocab;
        let said_eps = self.layer_norm_epsilon.unwrap_or(1e-5);
        // In f32, as it is used: 1e-60 would become 0.
        let eps = said_eps as f32;
        if !(eps > 0.0 && eps.is_finite()) {
            let (value, why) = (format!("{said_eps:e}"), "is not a positive number in f32".to_owned());
            return Err(LoadError::ConfigValue { key: "layer_norm_epsilon", value, why });
        }
        Ok(ModelConfig {
            architecture,
            n_layers: positive("n_layer", self.n_layer)?,
            d_model,
            n_heads,
            d_head: d_model / n_heads,
            d_mlp,
            d_vocab,
            n_ctx: positive("n_positions", self.n_positions)?,
            eps,
            activation: self.activation()?,
            norm: NormKind::LayerNorm,
            scale_attn_by_inverse_layer_idx: self.scale_attn_by_inverse_layer_idx.unwrap_or(false),
            is_tied: self.is_tied(),
            // GPT-2's own files name id 50256 as both; a smaller vocabulary may not have it.
            bos_id: self.bos_token_id.or(self.eos_token_id).filter(in_vocabulary),
            eos_id: self.eos_token_id.filter(in_vocabulary),
        })
    }

    fn activation(&self) -> Result<Activation, LoadError> {
        match self.activation_function.as_deref() {
            None | Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Ok(Activation::GeluNew),
            Some("gelu") => Ok(Activation::Gelu),
            Some("relu") => Ok(Activation::Relu),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some(other) => Err(LoadError::ConfigValue {
                key: "activation_function",
                value: other.to_owned(),
                why: "is none of gelu_new, gelu, relu, silu".to_owned(),
            }),
        }
    }

    fn refuse_unsupported(&self) -> Result<(), LoadError> {
        let refuse = |key, value: bool| {
            let why = "is not supported".to_owned();
            Err(LoadError::ConfigValue { key, value: value.to_string(), why })
        };
        if self.scale_attn_weights == Some(false) {
            return refuse("scale_attn_weights", false);
        }
        if self.add_cross_attention == Some(true) {
            return refuse("add_cross_attention", true);
        }
        Ok(())
    }
}

fn positive(key: &'static str, value: Option<usize>) -> Result<usize, LoadError> {
    match value {
        None => Err(LoadError::ConfigMissing { key }),
        Some(value) if value == 0 || value > 1 << 24 => Err(LoadError::ConfigValue {
            key,
            value: value.to_string(),
            why: "is not a sensible size".to_owned(),
        }),
        Some(value) => Ok(value),
    }
}
