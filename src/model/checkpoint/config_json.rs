//! config.json: its keys, one by one, and the notes about those that nobody asked for.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::{Map, Value};

use super::{LoadError, families};
use crate::{model::Architecture, op::Activation};

/// The keys of a config.json, or of an object inside one.
#[derive(Clone, Debug)]
pub struct ConfigJson {
    object: Map<String, Value>,
    asked_for: RefCell<BTreeSet<&'static str>>,
}

/// Keys that change nothing of a forward pass in f32, and so need no note.
const HARMLESS: &[&str] = &[
    "_attn_implementation_autoset",
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "dropout",
    "dtype",
    "embd_pdrop",
    "embed_dropout",
    "hidden_dropout",
    "gradient_checkpointing",
    "id2label",
    "init_std",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "label2id",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "pretraining_tp",
    "problem_type",
    "reorder_and_upcast_attn",
    "resid_dropout",
    "resid_pdrop",
    "return_dict",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers_version",
    "use_cache",
];

type Read<T> = Result<T, LoadError>;

impl ConfigJson {
    /// Reads config.json.
    ///
    /// Errors: [`LoadError::ConfigSyntax`], [`LoadError::UnknownArchitecture`].
    pub fn parse(bytes: &[u8]) -> Read<Self> {
        let object = serde_json::from_slice(bytes)
            .map_err(|error| LoadError::ConfigSyntax { message: error.to_string() })?;
        let config = Self { object, asked_for: RefCell::default() };
        config.architecture()?;
        Ok(config)
    }

    /// `model_type`, or what `architectures` amounts to.
    pub fn model_type(&self) -> &str {
        let architectures = self.object.get("architectures").and_then(Value::as_array);
        let first = architectures.and_then(|names| names.first()?.as_str());
        match self.object.get("model_type").and_then(Value::as_str) {
            Some(model_type) => model_type,
            None if first.is_some_and(|name| name.starts_with("GPT2")) => "gpt2",
            None => first.unwrap_or("(none)"),
        }
    }

    /// Whose checkpoints look like this one.
    ///
    /// Errors: [`LoadError::UnknownArchitecture`].
    pub fn architecture(&self) -> Read<Architecture> {
        families::architecture(self.model_type(), |key| self.object.contains_key(key))
    }

    /// One line for every key that nobody asked for.
    pub(super) fn notes(&self) -> Vec<String> {
        let asked_for = self.asked_for.borrow();
        let is_known = |key: &str| HARMLESS.contains(&key) || asked_for.contains(key);
        let unknown = self.object.iter().filter(|(key, value)| !is_known(key) && !value.is_null());
        unknown.map(|(key, _)| format!("config.json: `{key}` is not used")).collect()
    }

    /// The value of a key; null is none.
    pub(super) fn get(&self, key: &'static str) -> Option<&Value> {
        self.asked_for.borrow_mut().insert(key);
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// The value of a key as `as_type` takes it, which is called `kind`.
    fn typed<'s, T>(
        &'s self,
        key: &'static str,
        kind: &str,
        as_type: impl Fn(&'s Value) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || LoadError::ConfigSyntax { message: format!("`{key}`: {value} is not {kind}") };
        as_type(value).map(Some).ok_or_else(wrong)
    }

    pub(super) fn flag(&self, key: &'static str) -> Read<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(super) fn text(&self, key: &'static str) -> Read<Option<&str>> {
        self.typed(key, "a text", Value::as_str)
    }

    pub(super) fn list(&self, key: &'static str) -> Read<Option<&Vec<Value>>> {
        self.typed(key, "a list", Value::as_array)
    }

    /// An object inside.
    pub(super) fn object(&self, key: &'static str) -> Read<Option<Self>> {
        let object = self.typed(key, "an object", Value::as_object)?;
        Ok(object.map(|object| Self { object: object.clone(), asked_for: RefCell::default() }))
    }

    /// A number above 0.
    pub(super) fn number(&self, key: &'static str) -> Read<Option<f64>> {
        let Some(value) = self.typed(key, "a number", Value::as_f64)? else { return Ok(None) };
        // In f32, as it is used: 1e-60 would become 0.
        if 0.0 < value as f32 && (value as f32).is_finite() {
            return Ok(Some(value));
        }
        let why = "is not a positive number in f32".to_owned();
        Err(LoadError::ConfigValue { key, value: format!("{value:e}"), why })
    }

    /// A length or a count.
    pub(super) fn size(&self, key: &'static str) -> Read<Option<usize>> {
        let as_size = |value: &Value| value.as_u64().and_then(|size| usize::try_from(size).ok());
        match self.typed(key, "a size", as_size)? {
            Some(size) if size == 0 || size > 1 << 24 => {
                let why = "is not a sensible size".to_owned();
                Err(LoadError::ConfigValue { key, value: size.to_string(), why })
            }
            size => Ok(size),
        }
    }

    /// Asks for keys that are true of a model and change nothing here.
    pub(super) fn pass_over(&self, keys: &[&'static str]) {
        self.asked_for.borrow_mut().extend(keys);
    }

    /// A length or a count that must be there.
    pub(super) fn needed(&self, key: &'static str) -> Read<usize> {
        self.size(key)?.ok_or(LoadError::ConfigMissing { key })
    }

    /// How many there are of `key`, such that each gets as much of `whole` as the others.
    pub(super) fn share(&self, key: &'static str, of: &str, whole: usize) -> Read<usize> {
        let n = self.needed(key)?;
        if whole.is_multiple_of(n) {
            return Ok(n);
        }
        let why = format!("does not divide {of} ({whole})");
        Err(LoadError::ConfigValue { key, value: n.to_string(), why })
    }

    /// What is added to a variance.
    pub(super) fn eps(&self, key: &'static str, default: f64) -> Read<f32> {
        Ok(self.number(key)?.unwrap_or(default) as f32)
    }

    /// A non-linearity.
    pub(super) fn activation(&self, key: &'static str, default: Activation) -> Read<Activation> {
        match self.text(key)? {
            None => Ok(default),
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Ok(Activation::GeluNew),
            Some("gelu") => Ok(Activation::Gelu),
            Some("relu") => Ok(Activation::Relu),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some(other) => {
                let why = "is none of gelu_new, gelu, relu, silu".to_owned();
                Err(LoadError::ConfigValue { key, value: other.to_owned(), why })
            }
        }
    }

    /// A token id, the first where there are several, if the vocabulary has it.
    pub(super) fn id(&self, key: &'static str, d_vocab: usize) -> Option<u32> {
        let value = self.get(key)?;
        let first = value.as_array().map_or(Some(value), |ids| ids.first());
        let id = first?.as_u64().and_then(|id| u32::try_from(id).ok())?;
        ((id as usize) < d_vocab).then_some(id)
    }

    /// Refuses a switch in a position that nothing here computes.
    pub(super) fn refuse(&self, key: &'static str, refused: bool) -> Read<()> {
        if self.flag(key)? == Some(refused) {
            let why = "is not supported".to_owned();
            return Err(LoadError::ConfigValue { key, value: refused.to_string(), why });
        }
        Ok(())
    }
}
