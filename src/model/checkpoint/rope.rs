//! Rotary positions as config.json describes them, in the older and in the newer way.

use super::{ConfigJson, LoadError};
use crate::model::{Rope, RopeScaling};

type Read<T> = Result<T, LoadError>;

/// What `rope_parameters` says, or `base_key` and `rope_scaling`.
pub(super) fn rope(json: &ConfigJson, base_key: &'static str, default_base: f64) -> Read<Rope> {
    let base = json.number(base_key)?;
    match (json.object("rope_parameters")?, json.object("rope_scaling")?) {
        (Some(parameters), _) => of(&parameters, base.unwrap_or(default_base)),
        (None, Some(scaling)) => of(&scaling, base.unwrap_or(default_base)),
        (None, None) => Ok(Rope { base: base.unwrap_or(default_base), scaling: RopeScaling::None }),
    }
}

/// One object of parameters.
pub(super) fn of(json: &ConfigJson, default_base: f64) -> Read<Rope> {
    let needed = |key| json.number(key)?.ok_or(LoadError::ConfigMissing { key });
    let kind = json.text("rope_type")?.or(json.text("type")?).unwrap_or("default");
    let scaling = match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: needed("factor")? },
        "llama3" => {
            let (low_freq_factor, high_freq_factor) =
                (needed("low_freq_factor")?, needed("high_freq_factor")?);
            if high_freq_factor <= low_freq_factor {
                let (key, value) = ("high_freq_factor", high_freq_factor.to_string());
                let why = format!("is not above low_freq_factor ({low_freq_factor})");
                return Err(LoadError::ConfigValue { key, value, why });
            }
            RopeScaling::Llama3 {
                factor: needed("factor")?,
                low_freq_factor,
                high_freq_factor,
                original_n_ctx: json.needed("original_max_position_embeddings")?,
            }
        }
        other => {
            let (key, value) = ("rope_type", other.to_owned());
            let why = "is none of default, linear, llama3".to_owned();
            return Err(LoadError::ConfigValue { key, value, why });
        }
    };
    Ok(Rope { base: json.number("rope_theta")?.unwrap_or(default_base), scaling })
}

/// How many entries of a head turn: a share of it.
pub(super) fn rotary_dim(json: &ConfigJson, d_head: usize, share: f64) -> Read<usize> {
    let parameters = json.object("rope_parameters")?;
    let said = parameters.map(|parameters| parameters.number("partial_rotary_factor")).transpose()?.flatten();
    let dim = (d_head as f64 * said.unwrap_or(share)) as usize;
    if dim == 0 || d_head < dim || !dim.is_multiple_of(2) {
        let (key, value) = ("head_dim", d_head.to_string());
        let why = format!("makes {dim} of its entries turn, which are no pairs");
        return Err(LoadError::ConfigValue { key, value, why });
    }
    Ok(dim)
}

/// The windows of layers: what `layer_types` says, or `is_local` of each layer.
pub(super) fn windows(
    json: &ConfigJson,
    n_layers: usize,
    window: Option<usize>,
    is_local: impl Fn(usize) -> bool,
) -> Read<Vec<Option<usize>>> {
    let Some(types) = json.list("layer_types")? else {
        return Ok((0..n_layers).map(|layer| window.filter(|_| is_local(layer))).collect());
    };
    let wrong =
        |value: String, why: &str| LoadError::ConfigValue { key: "layer_types", value, why: why.to_owned() };
    if types.len() != n_layers {
        return Err(wrong(format!("{} entries", types.len()), "is not one a layer"));
    }
    let of_type = |layer_type: &serde_json::Value| match layer_type.as_str() {
        Some("full_attention") => Ok(None),
        Some("sliding_attention") if window.is_some() => Ok(window),
        Some("sliding_attention") => Err(wrong(layer_type.to_string(), "needs a `sliding_window`")),
        _ => Err(wrong(layer_type.to_string(), "is none of full_attention, sliding_attention")),
    };
    types.iter().map(of_type).collect()
}
