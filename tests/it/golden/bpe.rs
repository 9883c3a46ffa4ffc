//! The tokenizer in both of its formats, against transformers' GPT2Tokenizer.

use serde::Deserialize;
use vitrine::{model::tokenizer::Tokenizer, prompt::Vocabulary as _};

use super::files;

#[derive(Deserialize)]
struct Golden {
    eos_token: String,
    eos_id: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

fn from_json() -> Tokenizer {
    Tokenizer::from_json(&files::bytes("bpe-json/tokenizer.json")).expect("tokenizer.json")
}

fn from_pair() -> Tokenizer {
    let merges = String::from_utf8(files::bytes("bpe-pair/merges.txt")).expect("merges.txt is text");
    Tokenizer::from_vocab_and_merges(&files::bytes("bpe-pair/vocab.json"), &merges).expect("the pair")
}

#[test]
fn ids_are_transformers() {
    let golden: Golden = files::json("bpe.json");
    for (format, tokenizer) in [("tokenizer.json", from_json()), ("vocab.json + merges.txt", from_pair())] {
        for case in &golden.cases {
            let ids = tokenizer.encode(&case.text).expect("any text can be encoded");
            assert_eq!(ids, case.ids, "{format}: {:?}", case.text);
        }
    }
}

#[test]
fn text_comes_back() {
    let golden: Golden = files::json("bpe.json");
    for tokenizer in [from_json(), from_pair()] {
        let shown = tokenizer.token(golden.eos_id);
        assert!(shown.is_special);
        assert_eq!(shown.text.as_ref(), Some(&golden.eos_token));
        for case in &golden.cases {
            // Special tokens are left out of text.
            assert_eq!(tokenizer.decode(&case.ids), case.text.replace(&golden.eos_token, ""));
        }
    }
}

/// The bytes of the tokens, one after the other, are the text, also where a token ends inside a character.
#[test]
fn tokens_hold_the_bytes_of_the_text() {
    let golden: Golden = files::json("bpe.json");
    let tokenizer = from_pair();
    let mut n_partial = 0;
    for case in &golden.cases {
        let mut bytes = vec![];
        for id in &case.ids {
            let token = tokenizer.token(*id);
            n_partial += usize::from(token.bytes.is_some());
            bytes.extend(token.bytes.unwrap_or_else(|| token.text.expect("text or bytes").into_bytes()));
        }
        assert_eq!(bytes, case.text.as_bytes(), "{:?}", case.text);
    }
    assert!(n_partial > 0, "no token ends inside a character");
}
