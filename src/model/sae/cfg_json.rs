//! cfg.json of SAELens, from before 6.0 (one level) and since (training facts in `metadata`).

use serde_json::Value;

use super::{Normalization, SaeArchitecture, SaeConfig, SaeError, SaeOutput};

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
    let (architecture, output) = keys.architecture()?;
    let config = SaeConfig {
        architecture,
        d_in: keys.size("d_in")?,
        d_sae: keys.size("d_sae")?,
        hook_name: keys
            .text(&["hook_name", "hook_point"])
            .ok_or(SaeError::CfgMissing { key: "hook_name" })?,
        // Files that do not say so are older than the choice.
        apply_b_dec_to_input: keys.flag("apply_b_dec_to_input").unwrap_or(true) && output.is_none(),
        normalize_activations: keys.normalization()?,
        rescale_acts_by_decoder_norm: keys.flag("rescale_acts_by_decoder_norm").unwrap_or(false),
        model_name: keys.text(&["model_name"]),
        prepend_bos: keys.flag("prepend_bos"),
        neuronpedia_id: keys.text(&["neuronpedia_id"]),
        output,
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

    /// What becomes of `pre`, and what a transcoder writes.
    fn architecture(&self) -> Result<(SaeArchitecture, Option<SaeOutput>), SaeError> {
        let activation = self.text(&["activation_fn", "activation_fn_str"]);
        let old_k = self.get("activation_fn_kwargs").and_then(|kwargs| kwargs.get("k"));
        let name = match (self.text(&["architecture"]), activation.as_deref()) {
            (_, Some("topk")) => "topk".to_owned(),
            (_, Some(other)) if other != "relu" => {
                return Err(refused("activation_fn", &other.into(), "is neither relu nor topk"));
            }
            (name, _) => name.unwrap_or_else(|| "standard".to_owned()),
        };
        let transcoder = |has_skip| {
            let hook_name = self.text(&["hook_name_out"]);
            Ok::<_, SaeError>(Some(SaeOutput { d_out: self.size("d_out")?, hook_name, has_skip }))
        };
        Ok(match name.as_str() {
            "standard" => (SaeArchitecture::Standard, None),
            "jumprelu" => (SaeArchitecture::Jumprelu, None),
            "gated" => (SaeArchitecture::Gated, None),
            "topk" => match self.get("k").or(old_k).and_then(Value::as_u64) {
                Some(k) if 0 < k => (SaeArchitecture::Topk { k: k as usize }, None),
                _ => return Err(SaeError::CfgMissing { key: "k" }),
            },
            "transcoder" => (SaeArchitecture::Standard, transcoder(false)?),
            "skip_transcoder" => (SaeArchitecture::Standard, transcoder(true)?),
            "jumprelu_transcoder" => (SaeArchitecture::Jumprelu, transcoder(false)?),
            "jumprelu_skip_transcoder" => (SaeArchitecture::Jumprelu, transcoder(true)?),
            _ => return Err(SaeError::UnknownArchitecture { name }),
        })
    }

    fn normalization(&self) -> Result<Normalization, SaeError> {
        let key = "normalize_activations";
        match self.get(key) {
            None | Some(Value::Bool(false)) => Ok(Normalization::None),
            Some(value) => match value.as_str() {
                Some("none") => Ok(Normalization::None),
                Some("layer_norm") => Ok(Normalization::LayerNorm),
                Some("constant_norm_rescale") => Ok(Normalization::ConstantNormRescale),
                _ => Err(refused(key, value, "is none of none, layer_norm, constant_norm_rescale")),
            },
        }
    }

    fn refuse_unsupported(&self) -> Result<(), SaeError> {
        // Heads stand side by side in any case: `hook_z` says nothing more.
        let is_known = |value: &&Value| **value == "none" || **value == "hook_z";
        if let Some(value) = self.get("reshape_activations").filter(|value| !is_known(value)) {
            return Err(refused("reshape_activations", value, "is neither none nor hook_z"));
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
