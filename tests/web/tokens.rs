//! The tokenizer in both of its formats.

use serde::Deserialize;
use vitrine::model::tokenizer::Tokenizer;
use wasm_bindgen_test::wasm_bindgen_test;

#[derive(Deserialize)]
struct Golden {
    eos_token: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

#[wasm_bindgen_test]
fn ids_are_transformers_and_text_comes_back() {
    let golden: Golden = serde_json::from_slice(include_bytes!("../golden/bpe.json")).expect("bpe.json");
    let whole = Tokenizer::from_json(include_bytes!("../golden/bpe-json/tokenizer.json"));
    let pair = Tokenizer::from_vocab_and_merges(
        include_bytes!("../golden/bpe-pair/vocab.json"),
        include_str!("../golden/bpe-pair/merges.txt"),
    );
    for tokenizer in [whole.expect("tokenizer.json"), pair.expect("the pair")] {
        for Case { text, ids } in &golden.cases {
            assert_eq!(tokenizer.encode(text).expect("any text can be encoded"), *ids, "{text:?}");
            assert_eq!(tokenizer.decode(ids), text.replace(&golden.eos_token, ""));
        }
    }
}
