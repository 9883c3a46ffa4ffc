//! A config.json that is missing is guessed; whatever the guess gets wrong is listed as assumed.

use serde_json::{Map, Value};
use vitrine::{
    backend::cpu::Cpu,
    model::{
        ModelConfig,
        checkpoint::{Guess, Shard, ShardReader},
        folder::{CONFIG, WEIGHTS},
    },
};

use crate::support::{FAMILIES, TALES, files, read};

const OTHERS: [&str; 4] =
    ["tests/golden/gpt2-prefixed", "tests/golden/gpt2-bf16", "tests/golden/stand-in", TALES];

fn shard(weights: &[u8]) -> Shard {
    let mut reader = ShardReader::new(Some(weights.len() as u64));
    reader.feed(weights).expect("is a safetensors file").expect("is whole")
}

fn config(model: &str, config: &Map<String, Value>) -> ModelConfig {
    let mut files = files(model);
    files.insert(CONFIG.to_owned(), serde_json::to_vec(config).expect("is JSON"));
    read(&Cpu::<f32>::default(), &files).unwrap_or_else(|error| panic!("{model}: {error}")).0.config
}

fn object(json: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(json).expect("is an object")
}

/// Where transformers writes what an older key says.
fn newer(key: &str) -> &[&'static str] {
    match key {
        "rope_theta"
        | "rope_scaling"
        | "rope_local_base_freq"
        | "rotary_emb_base"
        | "rotary_pct"
        | "partial_rotary_factor" => &["rope_parameters"],
        "sliding_window" | "sliding_window_pattern" => &["layer_types"],
        _ => &[],
    }
}

/// The guess, with what it lists as assumed as it really is.
fn corrected(guess: &Guess, truth: &Map<String, Value>) -> Map<String, Value> {
    let mut config = object(guess.config.as_bytes());
    for assumed in &guess.assumed {
        let said = config.remove(&assumed.key).expect("is in the guess");
        assert_eq!(Ok(said), serde_json::from_str(&assumed.value).map_err(drop), "{}", assumed.key);
        for key in [&[assumed.key.as_str()], newer(&assumed.key)].concat() {
            config.extend(truth.get(key).map(|value| (key.to_owned(), value.clone())));
        }
    }
    config
}

#[test]
fn all_that_is_not_assumed_is_true() {
    for model in FAMILIES.into_iter().chain(OTHERS) {
        let files = files(model);
        let truth = object(&files[CONFIG]);
        let guess = Guess::of(&[shard(&files[WEIGHTS])]).unwrap_or_else(|error| panic!("{model}: {error}"));
        assert!(guess.read_off.len() >= 5, "{model}: {:?}", guess.read_off);
        let want = config(model, &truth);
        assert_eq!(config(model, &corrected(&guess, &truth)), want, "{model}");
        // Uncorrected it is a model as well, of the same sizes.
        let got = config(model, &object(guess.config.as_bytes()));
        let sizes = |it: &ModelConfig| (it.n_layers, it.d_model, it.d_mlp, it.d_vocab, it.is_tied);
        assert_eq!(sizes(&got), sizes(&want), "{model}");
    }
}

#[test]
fn a_wrong_size_would_be_noticed() {
    let files = files(FAMILIES[0]);
    let truth = object(&files[CONFIG]);
    let mut guess = Guess::of(&[shard(&files[WEIGHTS])]).expect("is of a family");
    guess.assumed.retain(|assumed| assumed.key != "n_head");
    assert_ne!(config(FAMILIES[0], &corrected(&guess, &truth)), config(FAMILIES[0], &truth));
}

#[cfg(feature = "cli")]
mod command {
    use super::*;
    use crate::support::{Scratch, call, in_shards};

    const MODEL: &str = "tests/golden/qwen3";

    #[test]
    fn a_guess_is_shown_and_used_only_when_it_is_accepted() {
        let mut whole = files(MODEL);
        whole.remove(CONFIG);
        for files in [whole.clone(), in_shards(&whole)] {
            let folder = Scratch::with(&files);
            let dir = folder.path("");
            let args = ["run", "--model", &dir, "--tokens", "3,14,15"];
            let refused = call(&args);
            refused.refuses("config", "the folder has no config.json");
            for words in
                ["--accept-config-guess", "\"num_attention_heads\": 3", "no tensor says `rope_theta`"]
            {
                assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
            }
            let accepted = call(&[&args[..], &["--accept-config-guess"]].concat());
            assert!(accepted.stderr.contains("note: no tensor says `rope_theta`"), "{}", accepted.stderr);
            let guess = Guess::of(&[shard(&whole[WEIGHTS])]).expect("is of a family");
            folder.write(CONFIG, guess.config);
            assert_eq!(accepted.works(), call(&args).works());
        }
    }

    #[test]
    fn a_config_that_is_there_is_used() {
        let args = ["run", "--model", MODEL, "--tokens", "3,14,15"];
        let called = call(&[&args[..], &["--accept-config-guess"]].concat());
        assert!(!called.stderr.contains("assumed"), "{}", called.stderr);
        assert_eq!(called.works(), call(&args).works());
    }

    #[test]
    fn names_of_no_family_are_refused() {
        let mut sae = files("tests/golden/qwen3");
        sae.remove(CONFIG);
        let weights = crate::support::bytes("tests/golden/sae-standard/sae_weights.safetensors");
        sae.insert(WEIGHTS.to_owned(), weights);
        let folder = Scratch::with(&sae);
        let dir = folder.path("");
        call(&["run", "--model", &dir, "--tokens", "3", "--accept-config-guess"])
            .refuses("names", "names that say no family");
    }
}
