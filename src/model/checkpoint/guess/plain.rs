//! Families whose MLPs have no gate: GPT-2, GPT-Neo, GPT-NeoX, Phi, OPT. `None` where a tensor that says a size is
//! missing.

use serde_json::json;

use super::{Draft, divisor};

/// What most models of a family have, in a sentence.
const USUAL: &str = "as in the published models of this family";

/// Pythia: d_model, layers, heads.
const PYTHIA: [(usize, usize, usize); 10] = [
    (128, 6, 4),
    (256, 6, 8),
    (512, 6, 8),
    (768, 12, 12),
    (1_024, 24, 16),
    (2_048, 16, 8),
    (2_048, 24, 16),
    (2_560, 32, 32),
    (4_096, 32, 32),
    (5_120, 36, 40),
];

pub(super) fn gpt2(draft: &mut Draft<'_>) -> Option<()> {
    let (d_vocab, d) = (draft.len("wte.weight", 0)?, draft.len("wte.weight", 1)?);
    let (n_ctx, n_layers) = (draft.len("wpe.weight", 0)?, draft.n_layers("h.")?);
    match draft.len("h.0.mlp.c_fc.weight", 1) {
        Some(d_mlp) => {
            draft.is("gpt2");
            draft.says("n_inner", d_mlp, "mlp.c_fc");
        }
        None => draft.is("vitrine_attn_only"),
    }
    draft.says("n_layer", n_layers, "the layers' numbers");
    draft.says("n_embd", d, "wte");
    draft.says("vocab_size", d_vocab, "wte");
    draft.says("n_positions", n_ctx, "wpe");
    draft.head("lm_head.weight");
    draft.assumes(
        "n_head",
        d / divisor(d, 64),
        "heads of 64, as in every published GPT-2, or the largest that fit",
    );
    draft.assumes("activation_function", "gelu_new", USUAL);
    draft.assumes("layer_norm_epsilon", 1e-5, USUAL);
    draft.assumes("scale_attn_by_inverse_layer_idx", false, USUAL);
    draft.special_tokens(d_vocab);
    Some(())
}

pub(super) fn neo(draft: &mut Draft<'_>) -> Option<()> {
    let (d_vocab, d) = (draft.len("wte.weight", 0)?, draft.len("wte.weight", 1)?);
    let (n_ctx, n_layers) = (draft.len("wpe.weight", 0)?, draft.n_layers("h.")?);
    let d_mlp = draft.len("h.0.mlp.c_fc.weight", 0)?;
    draft.is("gpt_neo");
    draft.says("num_layers", n_layers, "the layers' numbers");
    draft.says("hidden_size", d, "wte");
    draft.says("vocab_size", d_vocab, "wte");
    draft.says("max_position_embeddings", n_ctx, "wpe");
    draft.says("intermediate_size", d_mlp, "mlp.c_fc");
    draft.head("lm_head.weight");
    // TinyStories has 16 whatever its width; GPT-Neo 125M and 2.7B have others.
    let n_heads = match (d, n_layers) {
        (768, 12) => 12,
        (2_560, _) => 20,
        _ if d.is_multiple_of(16) => 16,
        _ => d / divisor(d, 64),
    };
    draft.assumes("num_heads", n_heads, "as in the published GPT-Neo or TinyStories of this width");
    let kinds: Vec<&str> = ["global", "local"].into_iter().cycle().take(n_layers).collect();
    draft.assumes("attention_layers", kinds, "every other layer has a window, as in the published models");
    draft.assumes("window_size", 256, USUAL);
    draft.assumes("activation_function", "gelu_new", USUAL);
    draft.assumes("layer_norm_epsilon", 1e-5, USUAL);
    draft.special_tokens(d_vocab);
    Some(())
}

pub(super) fn neox(draft: &mut Draft<'_>) -> Option<()> {
    let (d_vocab, d) = (draft.len("embed_in.weight", 0)?, draft.len("embed_in.weight", 1)?);
    let (n_layers, d_mlp) = (draft.n_layers("layers.")?, draft.len("layers.0.mlp.dense_h_to_4h.weight", 0)?);
    draft.is("gpt_neox");
    draft.says("num_hidden_layers", n_layers, "the layers' numbers");
    draft.says("hidden_size", d, "embed_in");
    draft.says("vocab_size", d_vocab, "embed_in");
    draft.says("intermediate_size", d_mlp, "mlp.dense_h_to_4h");
    let has_bias = draft.has("layers.0.attention.query_key_value.bias");
    draft.says("attention_bias", has_bias, "query_key_value.bias");
    draft.head(if draft.has("embed_out.weight") { "embed_out.weight" } else { "lm_head.weight" });
    let pythia = PYTHIA.iter().find(|(width, layers, _)| (*width, *layers) == (d, n_layers));
    let (n_heads, why) = match pythia {
        Some((.., n_heads)) => (*n_heads, "as in the Pythia of this width and depth"),
        None => (d / divisor(d, 64), "heads of 64, or the largest that fit"),
    };
    draft.assumes("num_attention_heads", n_heads, why);
    draft.assumes(
        "rotary_pct",
        turning(d / n_heads, 0.25),
        "a quarter of each head turns, as in the published models",
    );
    draft.assumes("rotary_emb_base", 10_000.0, USUAL);
    draft.assumes("use_parallel_residual", true, USUAL);
    draft.assumes("max_position_embeddings", 2_048, USUAL);
    draft.assumes("hidden_act", "gelu", USUAL);
    draft.assumes("layer_norm_eps", 1e-5, USUAL);
    draft.special_tokens(d_vocab);
    Some(())
}

pub(super) fn phi(draft: &mut Draft<'_>) -> Option<()> {
    let (d_vocab, d) = (draft.len("embed_tokens.weight", 0)?, draft.len("embed_tokens.weight", 1)?);
    let (n_layers, d_mlp) = (draft.n_layers("layers.")?, draft.len("layers.0.mlp.fc1.weight", 0)?);
    draft.is("phi");
    draft.says("num_hidden_layers", n_layers, "the layers' numbers");
    draft.says("hidden_size", d, "embed_tokens");
    draft.says("vocab_size", d_vocab, "embed_tokens");
    draft.says("intermediate_size", d_mlp, "mlp.fc1");
    draft.head("lm_head.weight");
    let d_head = if d.is_multiple_of(64) && d >= 2_048 { d / 32 } else { divisor(d, 64) };
    draft.assumes(
        "num_attention_heads",
        d / d_head,
        "32, as in the published models, or heads of 64 at most",
    );
    let share = if d == 2_560 { 0.4 } else { 0.5 };
    draft.assumes("partial_rotary_factor", turning(d_head, share), "as in the Phi of this width");
    draft.assumes("rope_theta", 10_000.0, USUAL);
    draft.assumes("max_position_embeddings", 2_048, USUAL);
    draft.assumes("hidden_act", "gelu_new", USUAL);
    draft.assumes("layer_norm_eps", 1e-5, USUAL);
    draft.special_tokens(d_vocab);
    Some(())
}

pub(super) fn opt(draft: &mut Draft<'_>) -> Option<()> {
    let (d_vocab, d) = (draft.len("embed_tokens.weight", 0)?, draft.len("embed_tokens.weight", 1)?);
    let (n_layers, d_mlp) = (draft.n_layers("layers.")?, draft.len("layers.0.fc1.weight", 0)?);
    // Two places before the first position are never used.
    let n_ctx = draft.len("embed_positions.weight", 0)?.checked_sub(2)?;
    draft.is("opt");
    draft.says("num_hidden_layers", n_layers, "the layers' numbers");
    draft.says("hidden_size", d, "embed_tokens");
    draft.says("word_embed_proj_dim", d, "embed_tokens");
    draft.says("vocab_size", d_vocab, "embed_tokens");
    draft.says("max_position_embeddings", n_ctx, "embed_positions, less 2");
    draft.says("ffn_dim", d_mlp, "fc1");
    draft.head("lm_head.weight");
    let d_head = match d {
        2_560 => 80,
        4_096.. => divisor(d, 128),
        _ => divisor(d, 64),
    };
    draft.assumes(
        "num_attention_heads",
        d / d_head,
        "as in the OPT of this width, or the largest heads that fit",
    );
    draft.assumes("activation_function", "relu", USUAL);
    draft.assumes("do_layer_norm_before", true, "as in the published models but one");
    draft.special_tokens(d_vocab);
    Some(())
}

/// A share of a head that is a whole number of pairs.
fn turning(d_head: usize, share: f64) -> serde_json::Value {
    let dim = (d_head as f64 * share) as usize / 2 * 2;
    json!(dim.max(2) as f64 / d_head as f64)
}
