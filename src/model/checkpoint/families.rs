//! Which family of models a `model_type` belongs to, and what the others have that is missing here.

use super::LoadError;
use crate::model::Architecture;

/// The model types that are read.
pub(super) const READ: &str = "gpt2, vitrine_attn_only, gpt_neox (Pythia), gpt_neo (TinyStories), llama (SmolLM, TinyLlama), \
                               mistral, qwen2, qwen3, gemma2, gemma3_text, opt and phi";

/// The family of a `model_type`.
///
/// Errors: [`LoadError::UnknownArchitecture`], with what it would need.
pub(super) fn architecture(model_type: &str) -> Result<Architecture, LoadError> {
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
            let missing = missing(other);
            return Err(LoadError::UnknownArchitecture { model_type: other.to_owned(), missing });
        }
    })
}

/// What a known model has that no forward pass here has.
fn missing(model_type: &str) -> &'static str {
    match model_type {
        "mixtral" | "qwen2_moe" | "qwen3_moe" | "olmoe" | "deepseek_v2" | "deepseek_v3" | "gpt_oss"
        | "llama4" | "llama4_text" => "a mixture of experts",
        "bert" | "roberta" | "distilbert" | "modernbert" | "t5" | "bart" => "an encoder, which looks ahead",
        "mamba" | "mamba2" | "rwkv" | "recurrent_gemma" | "jamba" => "a recurrent state instead of attention",
        "bloom" | "mpt" | "falcon" => {
            "ALiBi positions or attention with one key for all heads in its own layout"
        }
        "gptj" | "codegen" => "rotary positions in adjacent pairs",
        "olmo" | "olmo2" | "olmo3" | "cohere" | "stablelm" => "norms in other places or without weights",
        "phi3" | "gemma" => "names of tensors that are not known here yet",
        "gemma3" | "gemma3n" | "llava" | "qwen2_vl" | "mllama" | "paligemma" => {
            "a part for pictures: take the model that is for text alone"
        }
        _ => "a family that is not known here",
    }
}
