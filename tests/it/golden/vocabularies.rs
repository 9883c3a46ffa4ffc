//! Tokenizers with the parts of each family's, against ids by transformers; GPT-2's own vocabulary against the vectors
//! that llama.cpp is tested with.

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
};

use serde::Deserialize;
use vitrine::{
    model::tokenizer::Tokenizer,
    prompt::{Token, Vocabulary as _},
};

use super::files;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
}

fn golden() -> Golden {
    files::json("vocabularies/ids.json")
}

fn tokenizer(family: &str) -> Tokenizer {
    Tokenizer::from_json(&files::bytes(&format!("vocabularies/{family}.json"))).expect("tokenizer.json")
}

#[test]
fn ids_are_transformers() {
    let Golden { texts, ids } = golden();
    assert_eq!(ids.keys().collect::<Vec<_>>(), ["gemma", "llama", "llama3", "neox", "qwen", "smollm"]);
    for (family, ids) in &ids {
        let tokenizer = tokenizer(family);
        assert_eq!(ids.len(), texts.len());
        for (text, ids) in texts.iter().zip(ids) {
            assert_eq!(tokenizer.encode(text).expect("any text can be encoded"), *ids, "{family}: {text:?}");
        }
    }
}

/// The vocabularies differ where the families do: no two give the same ids, and each has its own way with something.
#[test]
fn the_families_differ() {
    let Golden { texts, ids } = golden();
    let n_tokens = |family: &str, text: &str| {
        let nth = texts.iter().position(|other| other == text).expect("is tried");
        ids[family][nth].len()
    };
    for (a, b) in ids.values().zip(ids.values().skip(1)) {
        assert_ne!(a, b);
    }
    // Many spaces are one token of their own.
    assert!(n_tokens("neox", "   ") < n_tokens("qwen", "   ") || n_tokens("neox", "   ") == 1);
    // Digits one by one, in threes, or as they come.
    assert_eq!(n_tokens("qwen", "333333333"), 9);
    assert_eq!(n_tokens("smollm", "333333333"), 9);
    // Composed or not, it is one character to those that normalise.
    let decomposed = "e\u{301} and é, ﬁ and fi, ＡＢＣ";
    assert!(n_tokens("qwen", decomposed) < n_tokens("smollm", decomposed));
}

#[test]
fn tokens_hold_the_bytes_of_the_text() {
    let Golden { texts, ids } = golden();
    let mut n_partial = 0;
    for (family, ids) in &ids {
        let tokenizer = tokenizer(family);
        let normalises = ["neox", "qwen"].contains(&family.as_str());
        for (text, ids) in texts.iter().zip(ids) {
            let tokens: Vec<Token> = ids.iter().map(|id| tokenizer.token(*id)).collect();
            let is_changed = normalises && text.contains('\u{301}');
            if text.is_empty() || is_changed || tokens.iter().any(|token| token.is_special) {
                continue;
            }
            n_partial += tokens.iter().filter(|token| token.bytes.is_some()).count();
            let bytes =
                |token: Token| token.bytes.or(token.text.map(String::into_bytes)).expect("text or bytes");
            let got: Vec<u8> = tokens.into_iter().flat_map(bytes).collect();
            // Llama reads every text as if a space came first.
            let want = if family == "llama" { format!(" {text}") } else { text.clone() };
            assert_eq!(got, want.as_bytes(), "{family}: {text:?}");
            assert_eq!(tokenizer.decode(ids), want, "{family}");
        }
    }
    assert!(n_partial > 0, "no token ends inside a character");
}

/// GPT-2's vocab.json and merges.txt, from the tokens and their ranks.
fn gpt2() -> Tokenizer {
    let bpe = tiktoken_rs::r50k_base().expect("is in the crate");
    let end_of_text = 50_256;
    let tokens: Vec<Vec<u8>> = (0..end_of_text).map(|id| bpe.decode_bytes(&[id]).expect("a token")).collect();
    let ranks: HashMap<&[u8], usize> =
        tokens.iter().enumerate().map(|(rank, token)| (&token[..], rank)).collect();
    let chars = printable();
    let write = |bytes: &[u8]| bytes.iter().map(|byte| chars[usize::from(*byte)]).collect::<String>();
    let mut vocab: BTreeMap<String, usize> =
        tokens.iter().enumerate().map(|(id, token)| (write(token), id)).collect();
    vocab.insert("<|endoftext|>".to_owned(), end_of_text as usize);
    let mut merges = String::from("#version: 0.2\n");
    for (rank, token) in tokens.iter().enumerate().filter(|(_, token)| token.len() > 1) {
        let [left, right] = halves(token, rank, &ranks);
        merges.push_str(&format!("{} {}\n", write(left), write(right)));
    }
    let vocab = serde_json::to_vec(&vocab).expect("is JSON");
    Tokenizer::from_vocab_and_merges(&vocab, &merges).expect("GPT-2's own files")
}

/// The two tokens that a token was merged from: what merging by lower ranks leaves of it.
fn halves<'t>(token: &'t [u8], rank: usize, ranks: &HashMap<&[u8], usize>) -> [&'t [u8]; 2] {
    let mut parts: Vec<&[u8]> = token.chunks(1).collect();
    while parts.len() > 2 {
        let mut start = 0;
        let pairs = parts.windows(2).enumerate().map(|(nth, pair)| {
            let joined = &token[start..][..pair[0].len() + pair[1].len()];
            start += pair[0].len();
            (ranks.get(joined).copied().filter(|lower| *lower < rank), nth, joined)
        });
        let (_, nth, joined) = pairs.filter(|(rank, ..)| rank.is_some()).min().expect("some pair is a token");
        parts.splice(nth..nth + 2, [joined]);
    }
    [parts[0], parts[1]]
}

/// Each byte as a printable character (Radford et al. 2019, `bytes_to_unicode`).
fn printable() -> Vec<char> {
    let mut n_shifted = 0;
    let char_of = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => {
            n_shifted += 1;
            char::from_u32(255 + n_shifted).expect("a character")
        }
    };
    (0..=u8::MAX).map(char_of).collect()
}

#[test]
fn gpt2s_own_vocabulary() {
    let tokenizer = gpt2();
    let encode = |text: &str| tokenizer.encode(text).expect("any text can be encoded");
    assert_eq!(encode("hello world"), [31_373, 995]);
    assert_eq!(encode("hello <|endoftext|>"), [31_373, 220, 50_256]);
    let peer = tiktoken_rs::r50k_base().expect("is in the crate");
    for text in golden().texts {
        assert_eq!(encode(&text), peer.encode_with_special_tokens(&text), "{text:?}");
    }
    published_ids(&tokenizer);
    vectors(&tokenizer);
}

/// The passages of the published numbers have the ids that were published with them.
fn published_ids(tokenizer: &Tokenizer) {
    let reference = crate::support::bytes("assets/reference/gpt2-small.json");
    let reference = vitrine::verify::Reference::read(&reference).expect("is of the form");
    let mut n_compared = 0;
    for (name, passage) in &reference.passages {
        let (Some(text), Some(ids)) = (&passage.text, &passage.ids) else { continue };
        let bos = passage.bos.then_some(50_256);
        let got: Vec<u32> = bos.into_iter().chain(tokenizer.encode(text).expect("is text")).collect();
        assert_eq!(got, *ids, "{name}");
        n_compared += 1;
    }
    assert!(n_compared > 20, "{n_compared} passages");
}

/// Between two texts.
const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

/// The folder with gpt2_tokenizer_vectors, if it is at hand: shared/data beside the checkout, or where
/// VITRINE_SHARED_DATA says.
fn shared_data() -> Option<PathBuf> {
    let beside = || Some(crate::support::path("..").join("shared").join("data"));
    let folder = env::var_os("VITRINE_SHARED_DATA").map(PathBuf::from).or_else(beside)?;
    folder.join("gpt2_tokenizer_vectors.inp").is_file().then_some(folder)
}

fn vectors(tokenizer: &Tokenizer) {
    let Some(folder) = shared_data() else {
        let why = "gpt2_tokenizer_vectors is not at hand: set VITRINE_SHARED_DATA to its folder";
        writeln!(io::stderr(), "SKIPPED, GPT-2's vectors are not tried: {why}").expect("somebody reads this");
        return;
    };
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("can be read");
    let (texts, ids) = (read("gpt2_tokenizer_vectors.inp"), read("gpt2_tokenizer_vectors.out"));
    let texts = texts.strip_suffix(SEPARATOR).expect("each text has one after it");
    let texts: Vec<&str> = texts.split(SEPARATOR).collect();
    let ids: Vec<&str> = ids.lines().collect();
    assert!(texts.len() == ids.len() && ids.len() > 40, "{} texts, {} lines of ids", texts.len(), ids.len());
    for (text, ids) in texts.iter().zip(ids) {
        let want: Vec<u32> = ids.split_whitespace().map(|id| id.parse().expect("an id")).collect();
        assert_eq!(tokenizer.encode(text).expect("any text can be encoded"), want, "{text:?}");
    }
}
