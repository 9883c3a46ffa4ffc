//! The golden values notice every choice in a config.json: with any one of them otherwise, a comparison fails.

use serde_json::{Value, json};
use vitrine::{
    backend::cpu::Cpu,
    engine::Engine,
    model::checkpoint::{Checkpoint, ModelFiles},
    run::WeightForm,
};

use super::{
    files,
    hooks::{cases, first_divergence},
};

/// A golden model whose config.json was changed.
fn engine(model: &str, change: impl Fn(&mut Value)) -> Engine<Cpu> {
    let mut config: Value = files::json(&format!("{model}/config.json"));
    change(&mut config);
    let (config, weights) =
        (config.to_string().into_bytes(), files::bytes(&format!("{model}/model.safetensors")));
    let files = ModelFiles { config: &config, weights: &weights };
    let checkpoint = pollster::block_on(Checkpoint::read(&Cpu::default(), files));
    Engine::new(Cpu::default(), checkpoint.unwrap_or_else(|error| panic!("{model}: {error}")), None)
}

fn divergence(model: &str, change: impl Fn(&mut Value)) -> Result<(), String> {
    let engine = engine(model, change);
    let case = cases(model, WeightForm::Raw).remove(0);
    let points = engine.config().hook_points();
    let result = super::run(&engine, WeightForm::Raw, &case.tokens, &[], points.iter().copied());
    let got = result.expect("the model runs").captures;
    first_divergence(&points, &got, &files::tensors(&format!("{model}/{}", case.file)))
}

#[test]
fn every_choice_is_noticed() {
    let llama3 = "/rope_parameters";
    for (model, key, value) in [
        ("neox", "/use_parallel_residual", json!(false)),
        ("neox", "/hidden_act", json!("gelu_new")),
        ("neox", "/rope_parameters/partial_rotary_factor", json!(0.4)),
        ("neox", "/rope_parameters/rope_theta", json!(301.5)),
        ("neo", "/window_size", json!(4)),
        ("neo", "/attention_layers", json!(["local", "global"])),
        ("neo", "/activation_function", json!("gelu")),
        ("llama", "/rope_parameters/factor", json!(7.0)),
        ("llama", "/rope_parameters/low_freq_factor", json!(1.5)),
        ("llama", "/rope_parameters/high_freq_factor", json!(3.0)),
        ("llama", "/rope_parameters/original_max_position_embeddings", json!(48)),
        ("llama", llama3, json!({"rope_type": "default", "rope_theta": 50.0})),
        ("llama", llama3, json!({"rope_type": "linear", "factor": 8.0, "rope_theta": 50.0})),
        ("mistral", "/sliding_window", json!(4)),
        ("mistral", "/sliding_window", json!(null)),
        ("mistral", "/hidden_act", json!("gelu")),
        ("qwen2", "/rms_norm_eps", json!(2e-3)),
        ("qwen3", "/rope_parameters/rope_theta", json!(910.0)),
        ("gemma2", "/attn_logit_softcapping", json!(null)),
        ("gemma2", "/final_logit_softcapping", json!(3.01)),
        ("gemma2", "/query_pre_attn_scalar", json!(6)),
        ("gemma2", "/layer_types", json!(["full_attention", "sliding_attention"])),
        ("gemma3", "/rope_parameters/sliding_attention/rope_theta", json!(31.0)),
        ("gemma3", "/rope_parameters/full_attention/rope_theta", json!(2050.0)),
        ("gemma3", "/sliding_window", json!(2)),
        ("gemma3", "/query_pre_attn_scalar", json!(8)),
    ] {
        assert_eq!(divergence(model, |_| {}), Ok(()), "{model} as it is");
        let change = |config: &mut Value| {
            *config.pointer_mut(key).unwrap_or_else(|| panic!("{model} has no {key}")) = value.clone();
        };
        assert!(divergence(model, change).is_err(), "{model}: {key} = {value} is not noticed");
    }
}

#[test]
fn nothing_in_the_files_of_a_family_is_unknown() {
    for model in files::MODELS.into_iter().filter(|model| !model.contains('-')) {
        let (config, weights) = (
            files::bytes(&format!("{model}/config.json")),
            files::bytes(&format!("{model}/model.safetensors")),
        );
        let files = ModelFiles { config: &config, weights: &weights };
        let read = pollster::block_on(Checkpoint::read(&Cpu::<f32>::default(), files));
        let notes = read.unwrap_or_else(|error| panic!("{model}: {error}")).notes;
        assert_eq!(notes, [""; 0], "{model}");
    }
}

/// Files of older versions of transformers name some keys otherwise, or leave them out.
#[test]
fn older_files_say_the_same() {
    for (model, older) in [
        ("neox", json!({"rotary_pct": 0.6, "rotary_emb_base": 300.0})),
        ("mistral", json!({"rope_theta": 500.0})),
        ("gemma2", json!({"rope_theta": 400.0})),
        ("gemma3", json!({"rope_theta": 2000.0, "rope_local_base_freq": 30.0})),
        (
            "llama",
            json!({"rope_theta": 50.0, "rope_scaling": {
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }}),
        ),
    ] {
        let as_older = |config: &mut Value| {
            let config = config.as_object_mut().expect("a config");
            config.remove("rope_parameters");
            config.extend(older.as_object().expect("keys").clone());
        };
        assert_eq!(divergence(model, as_older), Ok(()), "{model}");
    }
    // Layer types follow from a pattern where they are not listed: two layers, the second of which sees everything.
    let as_pattern = |config: &mut Value| {
        let config = config.as_object_mut().expect("a config");
        config.remove("layer_types");
        config.insert("sliding_window_pattern".to_owned(), json!(2));
    };
    assert_eq!(divergence("gemma3", as_pattern), Ok(()));
    assert_eq!(divergence("gemma2", as_pattern), Ok(()));
    let in_short =
        |config: &mut Value| drop(config.as_object_mut().expect("a config").remove("attention_layers"));
    assert_eq!(divergence("neo", in_short), Ok(()));
}
