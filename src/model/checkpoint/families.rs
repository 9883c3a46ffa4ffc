//! Which family of models a `model_type` belongs to, and what the others have that is missing here.

use super::LoadError;
use crate::model::Architecture;

/// The model types that are read.
pub(super) const READ: &str = "gpt2, vitrine_attn_only, gpt_neox (Pythia), gpt_neo (TinyStories), llama (SmolLM, TinyLlama), \
                               mistral, qwen2, qwen3, gemma2, gemma3_text, opt and phi";

/// The family of a `model_type`.
///
/// Errors: [`LoadError::UnknownArchitecture`], with what it would need; `has` says which keys its config.json has.
pub(super) fn architecture(model_type: &str, has: impl Fn(&str) -> bool) -> Result<Architecture, LoadError> {
    Ok(match model_type {
        "gpt2" => Architecture::Gpt2,
        "vitrine_attn_only" => Architecture::Gpt2AttnOnly,
        "gpt_neox" => Architecture::GptNeox,
        "gpt_neo" => Architecture::GptNeo,
        "llama" => Architecture::Llama,
        "mistral" => Architecture::Mistral,
        "qwen2" => Architecture::Qwen2,
        "qwen3" => Architecture::Qwen3,
        "gemma2" => Architecture::Gemma2,
        "gemma3_text" => Architecture::Gemma3,
        "opt" => Architecture::Opt,
        "phi" => Architecture::Phi,
        other => {
            let missing = missing(other).or_else(|| told_by(has)).unwrap_or(UNKNOWN);
            return Err(LoadError::UnknownArchitecture { model_type: other.to_owned(), missing });
        }
    })
}

const EXPERTS: &str = "it has a mixture of experts";
const STATE: &str = "it has a recurrent state instead of attention";
const LATENT: &str = "its keys and values come from a latent vector";
const PICTURES: &str = "it has a part for pictures: take the model that is for text alone";
const ENCODER: &str = "it has an encoder, which looks ahead";
const UNKNOWN: &str = "neither its name nor its config.json says what its blocks are made of";

/// What a model has, if one of these keys is in its config.json.
const TELLTALES: [(&str, &str); 10] = [
    ("vision_config", PICTURES),
    ("num_local_experts", EXPERTS),
    ("num_experts", EXPERTS),
    ("n_routed_experts", EXPERTS),
    ("kv_lora_rank", LATENT),
    ("state_size", STATE),
    ("ssm_cfg", STATE),
    ("mamba_d_state", STATE),
    ("num_encoder_layers", ENCODER),
    ("encoder_layers", ENCODER),
];

/// What an unknown model has that no forward pass here has.
fn told_by(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    TELLTALES.iter().find(|(key, _)| has(key)).map(|(_, missing)| *missing)
}

/// What a known model has that no forward pass here has.
fn missing(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        "mixtral" | "qwen2_moe" | "qwen3_moe" | "olmoe" | "deepseek_v2" | "deepseek_v3" | "gpt_oss"
        | "llama4" | "llama4_text" => EXPERTS,
        "bert" | "roberta" | "distilbert" | "modernbert" | "t5" | "bart" => ENCODER,
        "mamba" | "mamba2" | "rwkv" | "recurrent_gemma" | "jamba" => STATE,
        "bloom" | "mpt" => "its positions are slopes of scores (ALiBi)",
        "falcon" => "its queries, keys and values lie in one tensor in an order of its own",
        "gptj" | "codegen" => "its rotary positions turn adjacent pairs",
        "olmo" => "its norms have no weights",
        "olmo2" | "olmo3" => "its norms come after attention and MLP only",
        "cohere" | "stablelm" => "its norms are of a kind or in places that are not known here",
        "phi3" => "its tensors hold queries, keys and values, and gate and up, side by side",
        "gemma" => "it is the first Gemma, which has no golden values here; Gemma 2 and 3 are read",
        "gemma3" | "gemma3n" | "llava" | "qwen2_vl" | "mllama" | "paligemma" => PICTURES,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(model_type: &str, key: &str) -> String {
        architecture(model_type, |other| other == key).expect_err("is not read").to_string()
    }

    #[test]
    fn an_unknown_architecture_names_what_is_missing() {
        assert!(said("mixtral", "").ends_with("reads: it has a mixture of experts"));
        // A name that nobody heard of, too.
        assert!(said("novel", "n_routed_experts").ends_with(EXPERTS));
        assert!(said("novel", "kv_lora_rank").ends_with(LATENT));
        assert!(said("novel", "vision_config").ends_with(PICTURES));
        assert!(said("novel", "hidden_size").ends_with(UNKNOWN));
        assert_eq!(architecture("llama", |_| true), Ok(Architecture::Llama));
    }
}
