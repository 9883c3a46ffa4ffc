//! Files that are not what they should be, where lengths are 32 bits wide.

use vitrine::{
    backend::cpu::Cpu,
    model::folder::{CONFIG, Folder, WEIGHTS},
};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::files::MODELS;

async fn message(weights: &[u8]) -> String {
    let mut folder = Folder::default();
    folder.insert(CONFIG, MODELS[1].config.to_vec());
    folder.insert(WEIGHTS, weights.to_vec());
    let error = folder.read(&Cpu::<f32>::default()).await.map(|_| ()).expect_err("is damaged");
    assert!(error.hint().len() > 10);
    error.to_string()
}

#[wasm_bindgen_test]
async fn a_file_cut_anywhere_is_refused() {
    let whole = MODELS[1].weights;
    let cuts = (0..2000).step_by(37).chain((2000..whole.len()).step_by(997)).chain([whole.len() - 1]);
    for cut in cuts {
        let message = message(&whole[..cut]).await;
        let is_clear = message.contains("cut short") || message.contains("not a whole safetensors file");
        assert!(is_clear, "cut at {cut}: {message}");
        assert!(cut < 9 || message.contains("cut short"), "cut at {cut}: {message}");
    }
}

#[wasm_bindgen_test]
async fn a_header_that_lies_is_refused() {
    let header = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    for lie in [
        [&u64::MAX.to_le_bytes(), &MODELS[1].weights[8..]].concat(),
        [&(1_u64 << 32).to_le_bytes(), &MODELS[1].weights[8..]].concat(),
        header(r#"{"wte.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#),
        header(r#"{"wte.weight":{"dtype":"F32","shape":[65536,65536],"data_offsets":[0,0]}}"#),
        header(r#"{"wte.weight":{"dtype":"F32","shape":[1073741825],"data_offsets":[0,4]}}"#),
        b"PK\x03\x04\x14\0\0\0 a zip, as .pt files are".to_vec(),
    ] {
        let message = message(&lie).await;
        let is_clear = message.contains("cut short") || message.contains("not a whole safetensors file");
        assert!(is_clear, "{message}");
    }
}
