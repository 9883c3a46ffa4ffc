//! Families that name their tensors like Llama: Llama, Qwen2, Qwen3, Gemma 2 and 3. `None` where a tensor that says a
//! size is missing.

use serde_json::{Value, json};

use super::{Draft, divisor};

/// What the models of a family have in common and no tensor says.
struct Usual {
    model_type: &'static str,
    /// Width of a head, for a d_model; not asked for where norms of queries say it.
    d_head: fn(usize) -> usize,
    /// Keys and values, for a vocabulary.
    others: fn(usize) -> Vec<(&'static str, Value)>,
}

const LLAMA: Usual = Usual {
    model_type: "llama",
    d_head: |d| if d <= 2_048 { 64 } else { 128 },
    others: |d_vocab| {
        let base = if d_vocab == 128_256 { 5e5 } else { 1e4 };
        let (eps, n_ctx) = (json!(1e-5), json!(2_048));
        vec![
            ("rope_theta", json!(base)),
            ("rope_scaling", Value::Null),
            ("rms_norm_eps", eps),
            ("max_position_embeddings", n_ctx),
            ("hidden_act", json!("silu")),
            ("sliding_window", Value::Null),
        ]
    },
};

const QWEN2: Usual =
    Usual { model_type: "qwen2", d_head: |d| if d < 1_024 { 64 } else { 128 }, others: |_| qwen() };

const QWEN3: Usual = Usual { model_type: "qwen3", d_head: |_| 128, others: |_| qwen() };

const GEMMA2: Usual = Usual {
    model_type: "gemma2",
    d_head: |_| 256,
    others: |_| {
        vec![
            ("rope_theta", json!(1e4)),
            ("rms_norm_eps", json!(1e-6)),
            ("max_position_embeddings", json!(8_192)),
            ("hidden_activation", json!("gelu_pytorch_tanh")),
            ("sliding_window", json!(4_096)),
            ("query_pre_attn_scalar", json!(256)),
            ("attn_logit_softcapping", json!(50.0)),
            ("final_logit_softcapping", json!(30.0)),
        ]
    },
};

const GEMMA3: Usual = Usual {
    model_type: "gemma3_text",
    d_head: |_| 256,
    others: |_| {
        vec![
            ("rope_theta", json!(1e6)),
            ("rope_local_base_freq", json!(1e4)),
            ("rms_norm_eps", json!(1e-6)),
            ("max_position_embeddings", json!(32_768)),
            ("hidden_activation", json!("gelu_pytorch_tanh")),
            ("sliding_window", json!(512)),
            ("sliding_window_pattern", json!(6)),
            ("query_pre_attn_scalar", json!(256)),
            ("attn_logit_softcapping", Value::Null),
            ("final_logit_softcapping", Value::Null),
        ]
    },
};

fn qwen() -> Vec<(&'static str, Value)> {
    vec![
        ("rope_theta", json!(1e6)),
        ("rms_norm_eps", json!(1e-6)),
        ("max_position_embeddings", json!(32_768)),
        ("hidden_act", json!("silu")),
        ("use_sliding_window", json!(false)),
    ]
}

/// Which of them, by what only one of them has.
pub(super) fn any(draft: &mut Draft<'_>) -> Option<()> {
    let has = |part: &str| draft.has(&format!("layers.0.{part}"));
    let has_qk_norm = has("self_attn.q_norm.weight");
    let usual = match (has("pre_feedforward_layernorm.weight"), has_qk_norm) {
        (true, true) => GEMMA3,
        (true, false) => GEMMA2,
        (false, true) => QWEN3,
        (false, false) if has("self_attn.q_proj.bias") && !has("self_attn.o_proj.bias") => QWEN2,
        (false, false) => LLAMA,
    };
    let has_bias = has("self_attn.q_proj.bias");
    let (d_vocab, d) = (draft.len("embed_tokens.weight", 0)?, draft.len("embed_tokens.weight", 1)?);
    let (n_layers, d_mlp) = (draft.n_layers("layers.")?, draft.len("layers.0.mlp.gate_proj.weight", 0)?);
    let [n_q, n_kv] = [
        draft.len("layers.0.self_attn.q_proj.weight", 0)?,
        draft.len("layers.0.self_attn.k_proj.weight", 0)?,
    ];
    if usual.model_type == LLAMA.model_type {
        let why = "Mistral's tensors have the same names; its windows would be `sliding_window`";
        draft.assumes("model_type", usual.model_type, why);
        draft.says("attention_bias", has_bias, "q_proj.bias");
    } else {
        draft.is(usual.model_type);
    }
    draft.says("num_hidden_layers", n_layers, "the layers' numbers");
    draft.says("hidden_size", d, "embed_tokens");
    draft.says("vocab_size", d_vocab, "embed_tokens");
    draft.says("intermediate_size", d_mlp, "mlp.gate_proj");
    draft.head("lm_head.weight");
    match draft.len("layers.0.self_attn.q_norm.weight", 0).filter(|_| has_qk_norm) {
        Some(d_head) if n_q.is_multiple_of(d_head) && n_kv.is_multiple_of(d_head) => {
            draft.says("head_dim", d_head, "q_norm");
            draft.says("num_attention_heads", n_q / d_head, "q_proj and q_norm");
            draft.says("num_key_value_heads", n_kv / d_head, "k_proj and q_norm");
        }
        Some(_) => return None,
        None => {
            let d_head = divisor(common(n_q, n_kv), (usual.d_head)(d));
            let why = "as in the published models of this width, or the largest that q_proj and k_proj have room for";
            draft.assumes("head_dim", d_head, why);
            draft.assumes("num_attention_heads", n_q / d_head, "rows of q_proj by `head_dim`");
            draft.assumes("num_key_value_heads", n_kv / d_head, "rows of k_proj by `head_dim`");
        }
    }
    for (key, value) in (usual.others)(d_vocab) {
        draft.assumes(key, value, "as in the published models of this family");
    }
    draft.special_tokens(d_vocab);
    Some(())
}

/// The greatest common divisor.
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}
