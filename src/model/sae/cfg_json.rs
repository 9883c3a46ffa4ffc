//! cfg.json of SAELens, from before 6.0 (one level) and since (training facts in `metadata`).

use serde_json::Value;

use super::{SaeArchitecture, SaeConfig, SaeError};

/// The keys of both levels.
struct Keys {
    top: Value,
}

/// Reads cfg.json.
///
/// Errors: a key is missing, or says what is not supported.
pub(super) fn parse(bytes: &[u8]) -> Result<SaeConfig, SaeError> {
    let top: Value =
        serde_json::from_slice(bytes).map_err(|error| SaeError::CfgSyntax { message: error.to_string() })?;
    let keys = Keys { top };
    let config = SaeConfig {
        architecture: keys.architecture()?,
        d_in: keys.size("d_in")?,
        d_sae: keys.size("d_sae")?,
        hook_name: keys
            .text(&["hook_name", "hook_point"])
            .ok_or(SaeError::CfgMissing { key: "hook_name" })?,
        // Files that do not say so are older than the choice.
        apply_b_dec_to_input: keys.flag("apply_b_dec_to_input").unwrap_or(true),
        model_name: keys.text(&["model_name"]),
        prepend_bos: keys.flag("prepend_bos"),
        neuronpedia_id: keys.text(&["neuronpedia_id"]),
    };
    keys.refuse_unsupported()?;
    Ok(config)
}

impl Keys {
    fn get(&self, key: &str) -> Option<&Value> {
        let value = self.top.get(key).or_else(|| self.top.get("metadata")?.get(key));
        value.filter(|value| !value.is_null())
    }

    fn text(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.get(key)?.as_str()).map(str::to_owned)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    fn size(&self, key: &'static str) -> Result<usize, SaeError> {
        let value = self.get(key).ok_or(SaeError::CfgMissing { key })?;
        match value.as_u64() {
            // Indices must be exact in f32.
            Some(size) if 0 < size && size <= 1 << 24 => Ok(size as usize),
            _ => Err(refused(key, value, "is not a sensible size")),
        }
    }

    fn architecture(&self) -> Result<SaeArchitecture, SaeError> {
        let activation = self.text(&["activation_fn", "activation_fn_str"]);
        let old_k = self.get("activation_fn_kwargs").and_then(|kwargs| kwargs.get("k"));
        let name = match (self.text(&["architecture"]), activation.as_deref()) {
            (_, Some("topk")) => "topk".to_owned(),
            (_, Some(other)) if other != "relu" => {
                return Err(refused("activation_fn", &other.into(), "is neither relu nor topk"));
            }
            (name, _) => name.unwrap_or_else(|| "standard".to_owned()),
        };
        match name.as_str() {
            "standard" => Ok(SaeArchitecture::Standard),
            "jumprelu" => Ok(SaeArchitecture::Jumprelu),
            "topk" => match self.get("k").or(old_k).and_then(Value::as_u64) {
                Some(k) if 0 < k => Ok(SaeArchitecture::Topk { k: k as usize }),
                _ => Err(SaeError::CfgMissing { key: "k" }),
            },
            _ => Err(SaeError::UnknownArchitecture { name }),
        }
    }

    fn refuse_unsupported(&self) -> Result<(), SaeError> {
        let harmless = |key: &str, value: &Value| match key {
            "normalize_activations" => *value == "none" || *value == false,
            "reshape_activations" => *value == "none",
            _ => *value == false,
        };
        for key in [
            "normalize_activations",
            "reshape_activations",
            "rescale_acts_by_decoder_norm",
            "finetuning_scaling_factor",
        ] {
            if let Some(value) = self.get(key).filter(|value| !harmless(key, value)) {
                return Err(refused(key, value, "is not supported"));
            }
        }
        match self.get("hook_head_index").or_else(|| self.get("hook_point_head_index")) {
            Some(value) => Err(refused("hook_head_index", value, "is not supported")),
            None => Ok(()),
        }
    }
}

fn refused(key: &'static str, value: &Value, why: &'static str) -> SaeError {
    SaeError::CfgValue { key, value: value.to_string(), why }
}
