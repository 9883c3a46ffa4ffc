//! Sparse autoencoders: what their files may be, what they may be given, ties and thresholds.

use serde_json::{Value, json};
use vitrine::{
    backend::cpu::Cpu,
    engine::{Engine, NoPace, RunError},
    failure::Failure,
    model::sae::{EncodeError, SaeError, SaeReader},
    prompt::Prompt,
    run::{Activations, EncodeSpec, Features, WeightForm},
    tensor::HostTensor,
};

use crate::support::{GPT2, bytes, call, engine};

const HOOK: &str = "blocks.0.hook_resid_pre";

/// cfg.json of an autoencoder with two inputs and five features.
fn cfg(architecture: &str) -> Value {
    json!({"architecture": architecture, "d_in": 2, "d_sae": 5, "hook_name": HOOK, "k": 3,
        "apply_b_dec_to_input": false})
}

/// A file of F32 tensors.
fn file(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        header.insert(
            (*name).to_owned(),
            json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
        );
    }
    let header = Value::from(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// `pre` is x0, x0, x0, x1, -x1.
fn weights(threshold: &[f32]) -> Vec<u8> {
    let w_enc = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0];
    file(&[
        ("W_enc", &[2, 5], &w_enc),
        ("W_dec", &[5, 2], &[0.5; 10]),
        ("b_dec", &[2], &[0.25; 2]),
        ("b_enc", &[5], &[0.0; 5]),
        ("threshold", &[5], threshold),
    ])
}

/// A golden model with the autoencoder that these files are.
fn beside(cfg: &Value, weights: &[u8]) -> Result<Engine<Cpu>, SaeError> {
    let engine = engine::<f32>(GPT2);
    let sae = pollster::block_on(async {
        let mut reader =
            SaeReader::new(engine.backend(), cfg.to_string().as_bytes(), Some(weights.len() as u64))?;
        reader.feed(weights).await?;
        reader.finish().await
    })?;
    engine.put_sae("it", sae.sae);
    Ok(engine)
}

fn encode(
    engine: &Engine<Cpu>,
    sae: &str,
    of: Activations,
    top_k: Option<usize>,
) -> Result<Features, RunError> {
    let spec = EncodeSpec { sae: sae.to_owned(), of, top_k };
    pollster::block_on(engine.encode(&spec, &mut NoPace))
}

fn rows(shape: &[usize], values: &[f32]) -> Activations {
    Activations::Rows(HostTensor::new(shape.to_vec(), values.to_vec()).expect("fills its shape"))
}

/// The features of one row.
fn features(architecture: &str, x: [f32; 2], top_k: Option<usize>) -> Vec<(u32, f32)> {
    let thresholds = [0.5, 1.0, 0.999, -1.0, -1.0];
    let engine = beside(&cfg(architecture), &weights(&thresholds)).expect("is whole");
    let features = encode(&engine, "it", rows(&[1, 2], &x), top_k).expect("fits");
    features.row(0).collect()
}

#[test]
fn ties_go_to_the_lower_index_and_thresholds_are_exclusive() {
    assert_eq!(features("standard", [1.0, 2.0], None), [(3, 2.0), (0, 1.0), (1, 1.0), (2, 1.0)]);
    assert_eq!(features("standard", [1.0, 2.0], Some(2)), [(3, 2.0), (0, 1.0)]);
    assert_eq!(features("standard", [0.0, 0.0], None), []);
    assert_eq!(features("topk", [1.0, 2.0], None), [(3, 2.0), (0, 1.0), (1, 1.0)]);
    assert_eq!(
        features("topk", [-1.0, 2.0], None),
        [(3, 2.0)],
        "only what is positive, though three are kept"
    );
    assert_eq!(features("topk", [1.0, 2.0], Some(1)), [(3, 2.0)]);
    // 1 is not above 1; a threshold below 0 is one of 0.
    assert_eq!(features("jumprelu", [1.0, -2.0], None), [(4, 2.0), (0, 1.0), (2, 1.0)]);
    // The largest is no feature: the second must be found behind it.
    assert_eq!(features("jumprelu", [0.75, 0.5], Some(2)), [(0, 0.75), (3, 0.5)]);
}

#[test]
fn what_it_cannot_read_is_refused() {
    let engine = beside(&cfg("standard"), &weights(&[0.0; 5])).expect("is whole");
    let refused = |sae: &str, of| encode(&engine, sae, of, None).expect_err("is refused");
    assert_eq!(refused("other", rows(&[1, 2], &[1.0; 2])), RunError::NoSuchSae { name: "other".into() });
    let width = RunError::Encode(EncodeError::Width { d_in: 2, got: 3 });
    assert_eq!(refused("it", rows(&[1, 3], &[1.0; 3])), width);
    assert_eq!(refused("it", rows(&[0, 2], &[])), RunError::Encode(EncodeError::Width { d_in: 2, got: 0 }));
    for value in [f32::NAN, f32::INFINITY] {
        let error = refused("it", rows(&[2, 2], &[1.0, 0.0, 1.0, value]));
        assert_eq!(error, RunError::Encode(EncodeError::NotFinite), "{value}");
    }
    let prompt = || Activations::Run {
        prompt: Prompt::Tokens { tokens: vec![1, 2] },
        weights: WeightForm::Raw,
        interventions: vec![],
    };
    assert_eq!(refused("it", prompt()), RunError::Encode(EncodeError::Width { d_in: 2, got: 36 }));
    let mut elsewhere = cfg("standard");
    elsewhere["hook_name"] = json!("blocks.3.hook_resid_pre");
    let engine = beside(&elsewhere, &weights(&[0.0; 5])).expect("is whole");
    let error = encode(&engine, "it", prompt(), None).expect_err("three blocks only");
    assert_eq!(error, RunError::NoSuchSaeHook { hook: "blocks.3.hook_resid_pre".into() });
    assert!(Failure::from(error).hint.contains("cfg.json"));
}

#[test]
fn files_that_are_wrong_say_what_and_what_to_try() {
    let refused = |cfg: &Value, weights: &[u8], words: &str| {
        let error = beside(cfg, weights).map(|_| ()).expect_err(words);
        let Failure { message, hint, .. } = error.into();
        assert!(message.contains(words), "wanted `{words}`, got `{message}`");
        assert!(hint.len() > 20, "`{hint}` helps nobody");
    };
    let (standard, whole) = (cfg("standard"), weights(&[0.0; 5]));
    let with = |key: &str, value: Value| {
        let mut cfg = cfg("standard");
        cfg[key] = value;
        cfg
    };
    refused(&json!([]), &whole, "does not say");
    refused(&with("d_sae", Value::Null), &whole, "cfg.json does not say `d_sae`");
    refused(&with("d_sae", json!(0)), &whole, "`d_sae`: 0, which is not a sensible size");
    refused(&with("d_sae", json!(6)), &whole, "contradict each other: W_enc");
    refused(&with("hook_name", Value::Null), &whole, "does not say `hook_name`");
    refused(&with("architecture", json!("temporal")), &whole, "architecture `temporal`");
    refused(&with("activation_fn", json!("tanh-relu")), &whole, "neither relu nor topk");
    refused(
        &with("normalize_activations", json!("covariance_whitening")),
        &whole,
        "is none of none, layer_norm, constant_norm_rescale",
    );
    let mut topk = cfg("topk");
    topk["k"] = Value::Null;
    refused(&topk, &whole, "does not say `k`");
    refused(&standard, &whole[..whole.len() - 1], "cut short");
    refused(&standard, b"a pickle, once upon a time", "not a whole safetensors file");
    let few = file(&[("W_enc", &[2, 5], &[0.0; 10]), ("b_enc", &[5], &[0.0; 5])]);
    refused(&standard, &few, "`W_dec` is missing");
    refused(&cfg("jumprelu"), &weights(&[f32::NAN, 0.0, 0.0, 0.0, 0.0]), "not a number");
}

#[cfg(feature = "cli")]
#[test]
fn the_command_line_prints_what_the_library_finds() {
    const SAE: &str = "tests/golden/sae-topk";
    let args = ["encode", "--model", GPT2, "--sae", SAE, "--tokens", "11,4,90", "--top-k", "3"];
    let printed = call(&[&args[..], &["--json"]].concat()).json();
    let engine = engine::<f32>(GPT2);
    let sae = pollster::block_on(async {
        let cfg = bytes(&format!("{SAE}/cfg.json"));
        let mut reader = SaeReader::new(engine.backend(), &cfg, None)?;
        reader.feed(&bytes(&format!("{SAE}/sae_weights.safetensors"))).await?;
        reader.finish().await
    });
    engine.put_sae("it", sae.expect("a golden autoencoder").sae);
    let prompt = Prompt::Tokens { tokens: vec![11, 4, 90] };
    let of = Activations::Run { prompt, weights: WeightForm::Raw, interventions: vec![] };
    let want = encode(&engine, "it", of, Some(3)).expect("fits");
    let want: Vec<Vec<(u32, f32)>> = (0..3).map(|row| want.row(row).collect()).collect();
    let got: Vec<Vec<(u32, f32)>> = serde_json::from_value(printed["features"].clone()).expect("pairs");
    assert_eq!(got, want);
    assert_eq!(
        (&printed["tokens"], &printed["hook"]),
        (&json!([11, 4, 90]), &json!("blocks.1.hook_resid_pre"))
    );

    let text = call(&args).works();
    let (index, value) = want[2][0];
    assert!(text.starts_with("3 tokens at blocks.1.hook_resid_pre\n"), "{text}");
    assert!(text.contains(&format!("\n90: {index} {value:.4}, ")), "{text}");
    call(&["encode", "--model", GPT2, "--sae", GPT2, "--tokens", "1"])
        .refuses("no autoencoder", "cannot read the file");
}
