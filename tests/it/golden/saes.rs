//! Sparse autoencoders beside SAELens.

use std::{collections::BTreeMap, rc::Rc};

use vitrine::{
    backend::Backend,
    engine::{Engine, NoPace},
    model::sae::{CFG, SAE_WEIGHTS, SaeError, SaeOn, SaeReader},
    prompt::Prompt,
    run::{Activations, EncodeSpec, Features, WeightForm},
    tensor::HostTensor,
};

use super::files;
use crate::compare::{GOLDEN_TOL, compare};

/// The golden autoencoders.
const SAES: [&str; 13] = [
    "sae-standard",
    "sae-old",
    "sae-topk",
    "sae-old-topk",
    "sae-jumprelu",
    "sae-gated",
    "sae-rescaled",
    "sae-layer-norm",
    "sae-constant-norm",
    "sae-hook-z",
    "sae-transcoder",
    "sae-skip",
    "sae-jumprelu-transcoder",
];
/// What they read: a hook point of this model on this prompt.
const MODEL: &str = "gpt2-tiny";
const INPUT: &str = "gpt2-tiny/odd-raw.safetensors";

/// A golden autoencoder with other files, in portions of `portion` bytes.
pub(crate) fn read<B: Backend>(
    b: &B,
    cfg: &[u8],
    weights: &[u8],
    portion: usize,
) -> Result<SaeOn<B>, SaeError> {
    pollster::block_on(async {
        let mut reader = SaeReader::new(b, cfg, None)?;
        for bytes in weights.chunks(portion) {
            reader.feed(bytes).await?;
        }
        let found = reader.finish().await?;
        assert_eq!((found.dtype.as_str(), found.notes), ("F32", vec![]));
        Ok(found.sae)
    })
}

/// Puts a golden autoencoder beside a golden model.
fn put<B: Backend>(engine: &Engine<B>, sae: &str) {
    let [cfg, weights] = [CFG, SAE_WEIGHTS].map(|file| files::bytes(&format!("{sae}/{file}")));
    let read = read(engine.backend(), &cfg, &weights, 1000).unwrap_or_else(|error| panic!("{sae}: {error}"));
    engine.put_sae(sae, read);
}

fn encode<B: Backend>(engine: &Engine<B>, sae: &str, of: Activations, top_k: Option<usize>) -> Features {
    let spec = EncodeSpec { sae: sae.to_owned(), of, top_k };
    pollster::block_on(engine.encode(&spec, &mut NoPace)).unwrap_or_else(|error| panic!("{sae}: {error}"))
}

/// All features, those that are not active as 0. [row d_sae]
fn dense(features: &Features, d_sae: usize) -> HostTensor {
    let mut dense = HostTensor::full(vec![features.n_rows(), d_sae], 0.0);
    for row in 0..features.n_rows() {
        for (index, value) in features.row(row) {
            dense.data_mut()[row * d_sae + index as usize] = value;
        }
    }
    dense
}

/// The `k` largest of each row alone.
fn largest(dense: &HostTensor, k: usize) -> HostTensor {
    let mut largest = HostTensor::full(dense.shape().to_vec(), 0.0);
    for row in 0..dense.shape()[0] {
        let values = dense.row(row);
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
        for index in &order[..k] {
            largest.data_mut()[row * values.len() + index] = values[*index];
        }
    }
    largest
}

/// Every golden autoencoder on a backend: given rows and the model's own, all features and some.
pub(crate) fn check_all<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    let engine = on(MODEL);
    let tokens = super::hooks::cases(MODEL, WeightForm::Raw).remove(0).tokens;
    for sae in SAES {
        put(&engine, sae);
        let expected = files::tensors(&format!("{sae}/expected.safetensors"));
        let want = &expected["acts"];
        let d_sae = want.shape()[1];
        let hook = Rc::clone(&engine.sae(sae).expect("was put")).config().hook_name.clone();
        let rows = files::tensors(INPUT)[&hook].clone();
        check_decoding(&engine, sae, &rows, &expected);
        let prompt = Prompt::Tokens { tokens: tokens.clone() };
        let ways = [
            Activations::Rows(rows),
            Activations::Run { prompt, weights: WeightForm::Raw, interventions: vec![] },
        ];
        for of in ways {
            let all = dense(&encode(&engine, sae, of.clone(), None), d_sae);
            check(sae, &all, want).unwrap_or_else(|why| panic!("{why}"));
            for k in [1, 3, 20] {
                let some = dense(&encode(&engine, sae, of.clone(), Some(k)), d_sae);
                check(sae, &some, &largest(&all, k)).unwrap_or_else(|why| panic!("{k} of {why}"));
            }
        }
    }
}

/// What all features come to.
fn check_decoding<B: Backend>(
    engine: &Engine<B>,
    name: &str,
    x: &HostTensor,
    expected: &BTreeMap<String, HostTensor>,
) {
    let (sae, b) = (engine.sae(name).expect("was put"), engine.backend());
    let decoded = pollster::block_on(async {
        let features = sae.encode(b, x, None).await?;
        sae.decode(b, &features, x).await
    });
    let decoded = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
    for (what, got) in [("recons", decoded.recons), ("output", decoded.output)] {
        let want = &expected[what];
        // SAELens gives heads back one by one.
        let got = got.reshaped(want.shape().to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&format!("{name} {what}"), &got, want).unwrap_or_else(|why| panic!("{why}"));
    }
}

fn check(sae: &str, got: &HostTensor, want: &HostTensor) -> Result<(), String> {
    compare(sae, got, want, GOLDEN_TOL).map_err(|divergence| divergence.to_string())
}

#[test]
fn features_are_saelens() {
    check_all(super::engine);
}

#[test]
fn a_wrong_feature_is_named() {
    let want = files::tensors("sae-topk/expected.safetensors")["acts"].clone();
    let mut got = want.clone();
    let place = got.data().iter().position(|value| 0.0 < *value).expect("a feature is active");
    got.data_mut()[place] = 0.0;
    let why = check("sae-topk", &got, &want).expect_err("a planted error");
    assert!(why.contains("sae-topk[0, "), "{why}");
}
