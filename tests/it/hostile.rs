//! Files and requests that are not what they should be: each a message that says what, why and what to try.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vitrine::{
    backend::cpu::Cpu,
    model::folder::{CONFIG, MERGES, TOKENIZER, VOCAB, WEIGHTS},
};

use crate::support::{ATTN_ONLY, GPT2, files, read};

type Files = BTreeMap<String, Vec<u8>>;

/// A folder with one thing wrong, and words that its message must have.
struct Bad {
    name: String,
    files: Files,
    words: String,
}

/// The header of a safetensors file, and what follows it.
fn split(bytes: &[u8]) -> (Value, &[u8]) {
    let n = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    (serde_json::from_slice(&bytes[8..8 + n]).expect("a header"), &bytes[8 + n..])
}

fn join(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// GPT-2's golden folder, with the bytes of the weights changed.
fn with_weights(name: &str, words: &str, weights: Vec<u8>) -> Bad {
    let mut files = files(GPT2);
    files.insert(WEIGHTS.to_owned(), weights);
    Bad { name: name.to_owned(), files, words: words.to_owned() }
}

/// The same, with one entry of the header changed.
fn with_entry(name: &str, words: &str, tensor: &str, change: impl Fn(&mut Value)) -> Bad {
    let files = files(GPT2);
    let (mut header, data) = split(&files[WEIGHTS]);
    change(header.get_mut(tensor).expect("a tensor of the file"));
    with_weights(name, words, join(&header.to_string(), data))
}

/// The same, with tensors renamed.
fn with_renamed(name: &str, words: &str, from: &str, to: &str) -> Bad {
    let files = files(GPT2);
    let (header, data) = split(&files[WEIGHTS]);
    let renamed = header.to_string().replace(&format!("\"{from}"), &format!("\"{to}"));
    assert_ne!(renamed, header.to_string(), "{name}: nothing to rename");
    with_weights(name, words, join(&renamed, data))
}

/// The same, with one key of config.json changed; null takes it away.
fn with_config(key: &str, value: Value, words: &str) -> Bad {
    let mut files = files(GPT2);
    let mut config: Value = serde_json::from_slice(&files[CONFIG]).expect("a config");
    let name = format!("config.json {key} = {value}");
    if value.is_null() {
        config.as_object_mut().expect("an object").remove(key);
    } else {
        config[key] = value;
    }
    files.insert(CONFIG.to_owned(), config.to_string().into_bytes());
    Bad { name, files, words: words.to_owned() }
}

/// A folder with exactly these files.
fn only(name: &str, words: &str, files: &[(&str, &[u8])]) -> Bad {
    let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    Bad { name: name.to_owned(), files, words: words.to_owned() }
}

fn bad_bytes() -> Vec<Bad> {
    let whole = files(GPT2).remove(WEIGHTS).expect("the golden weights");
    let no_safetensors = "the weights file is not a whole safetensors file";
    let length = |n: u64| [&n.to_le_bytes(), &whole[8..]].concat();
    let mut damaged = whole.clone();
    let last = damaged.len() - 4;
    damaged[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut infinite = whole.clone();
    infinite[last..].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    vec![
        with_weights("empty", "it is empty", vec![]),
        with_weights("five bytes", no_safetensors, whole[..5].to_vec()),
        with_weights("cut in the header", "cut short", whole[..100].to_vec()),
        with_weights("cut after the header", "cut short", whole[..8 + 3472].to_vec()),
        with_weights("one byte short", "the file has 156335", whole[..whole.len() - 1].to_vec()),
        with_weights("one byte more", no_safetensors, [&whole[..], &[0]].concat()),
        with_weights("header of 2^64 - 1 bytes", no_safetensors, length(u64::MAX)),
        with_weights("header of 2^40 bytes", no_safetensors, length(1 << 40)),
        with_weights("header of 50 MB", "cut short", length(50_000_000)),
        with_weights("header of 0 bytes", no_safetensors, length(0)),
        with_weights("header that ends early", no_safetensors, length(3000)),
        with_weights("no header at all", no_safetensors, vec![0xff; 4096]),
        with_weights(
            "a zip, as .pt files are",
            no_safetensors,
            b"PK\x03\x04\x14\0\0\0\x08\x08archive/data.pkl".into(),
        ),
        with_weights("a pickle", no_safetensors, b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01".into()),
        with_weights(
            "JSON as weights",
            no_safetensors,
            br#"{"wte.weight": [[0.1, 0.2], [0.3, 0.4]]}"#.into(),
        ),
        with_weights("a page of a server", no_safetensors, b"<!DOCTYPE html><title>404</title>".into()),
        with_weights(
            "a pointer in place of the file",
            no_safetensors,
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 548105171\n".into(),
        ),
        with_weights("a header that is a list", no_safetensors, join("[]", &[])),
        with_weights("a NaN", "holds a value that is not a number (NaN)", damaged),
        with_weights("an infinity", "holds a value that is not a number (-inf)", infinite),
    ]
}

fn bad_headers() -> Vec<Bad> {
    let no_safetensors = "the weights file is not a whole safetensors file";
    let ln = "h.1.ln_1.weight";
    vec![
        with_entry("overlapping offsets", no_safetensors, ln, |entry| {
            entry["data_offsets"] = json!([0, 144]);
        }),
        with_entry("offsets backwards", no_safetensors, ln, |entry| {
            entry["data_offsets"] = json!([144, 0]);
        }),
        with_entry("offsets beyond the end", "cut short", ln, |entry| {
            entry["data_offsets"] = json!([0, 1_u64 << 50]);
        }),
        with_entry("offsets of 2^64 - 1", no_safetensors, ln, |entry| {
            entry["data_offsets"] = json!([0, u64::MAX]);
        }),
        with_entry("negative offsets", no_safetensors, ln, |entry| {
            entry["data_offsets"] = json!([-144, 0]);
        }),
        with_entry("a shape that overflows", no_safetensors, ln, |entry| {
            entry["shape"] = json!([u64::MAX / 2, 4]);
        }),
        with_entry("a shape larger than its bytes", no_safetensors, ln, |entry| {
            entry["shape"] = json!([37]);
        }),
        with_entry("a dtype that nobody knows", no_safetensors, ln, |entry| {
            entry["dtype"] = json!("F33");
        }),
        with_entry("integers", &format!("tensor `{ln}` is stored as I32"), ln, |entry| {
            entry["dtype"] = json!("I32");
        }),
        with_entry("F16 over F32's bytes", no_safetensors, ln, |entry| {
            entry["dtype"] = json!("F16");
        }),
        with_entry(
            "another shape of as many values",
            "contradict each other at tensor `h.0.attn.c_attn.weight`",
            "h.0.attn.c_attn.weight",
            |entry| entry["shape"] = json!([108, 36]),
        ),
        with_entry("one axis too many", &format!("at tensor `{ln}`"), ln, |entry| {
            entry["shape"] = json!([1, 36]);
        }),
        with_renamed("a missing tensor", &format!("tensor `{ln}` is missing"), ln, "h.1.ln_one.weight"),
        with_renamed("no token embedding", "tensor `wte.weight` is missing", "wte.", "emb."),
        with_renamed("a missing bias", "tensor `h.2.mlp.c_proj.bias` is missing", "h.2.mlp.c_proj.bias", "x"),
        with_renamed("a missing last layer", "says 3 layers, the weights file has 2", "h.2.", "other.2."),
        with_renamed(
            "a missing middle layer",
            "tensor `h.1.attn.c_attn.weight` is missing",
            "h.1.",
            "other.1.",
        ),
        with_renamed("no layer", "says 3 layers, the weights file has 0", "h.", "layers."),
        with_renamed(
            "a layer of number 2^64 - 1",
            "says 3 layers, the weights file has 18446744073709551615",
            "h.0.attn.bias",
            "h.18446744073709551615.attn.bias",
        ),
    ]
}

fn bad_configs() -> Vec<Bad> {
    let not_sensible = "is not a sensible size";
    let contradiction = "contradict each other at tensor";
    let not_positive = "which is not a positive number in f32";
    let mut bad = vec![
        with_config("model_type", json!("mamba"), "it has a recurrent state instead of attention"),
        with_config("model_type", json!("novel"), "architecture `novel` is not one that this build reads"),
        with_config("model_type", json!("GPT2"), "architecture `GPT2`"),
        with_config("model_type", json!("vitrine_attn_only"), "the weights file has MLP tensors such as"),
        with_config("n_layer", json!(4), "says 4 layers, the weights file has 3"),
        with_config("n_layer", json!(2), "says 2 layers, the weights file has 3"),
        with_config("n_embd", json!(48), contradiction),
        with_config("n_inner", json!(54), contradiction),
        with_config("vocab_size", json!(98), "contradict each other at tensor `wte.weight`"),
        with_config("vocab_size", json!(1 << 24), "contradict each other at tensor `wte.weight`"),
        with_config("n_positions", json!(40), "contradict each other at tensor `wpe.weight`"),
        with_config("n_head", json!(5), "config.json says `n_head`: 5, which does not divide n_embd (36)"),
        with_config("n_head", json!(-3), "is not valid JSON for a model"),
        with_config("n_embd", json!(1e30), "is not valid JSON for a model"),
        with_config("n_layer", json!("three"), "is not valid JSON for a model"),
        with_config("activation_function", json!("tanh"), "`activation_function`: tanh, which is none of"),
        with_config(
            "scale_attn_weights",
            json!(false),
            "`scale_attn_weights`: false, which is not supported",
        ),
        with_config("add_cross_attention", json!(true), "which is not supported"),
        with_config("layer_norm_epsilon", json!(0), not_positive),
        with_config("layer_norm_epsilon", json!(1e-60), not_positive),
        with_config("layer_norm_epsilon", json!(1e300), not_positive),
    ];
    for key in ["n_layer", "n_embd", "n_head", "n_inner", "vocab_size", "n_positions"] {
        bad.push(with_config(key, json!(0), not_sensible));
        bad.push(with_config(key, json!(1_u64 << 40), not_sensible));
    }
    for key in ["n_layer", "n_embd", "n_head", "vocab_size", "n_positions"] {
        bad.push(with_config(key, Value::Null, &format!("config.json does not say `{key}`")));
    }
    bad
}

fn bad_folders() -> Vec<Bad> {
    let good = files(GPT2);
    let (config, weights) = (good[CONFIG].as_slice(), good[WEIGHTS].as_slice());
    let pair = [(CONFIG, config), (WEIGHTS, weights)];
    let beside =
        |name: &str, words: &str, more: &[(&str, &[u8])]| only(name, words, &[&pair[..], more].concat());
    let no_tokenizer = "the tokenizer cannot be read";
    vec![
        only("an empty folder", "the folder has no model.safetensors", &[]),
        only("no config", "the folder has no config.json", &[(WEIGHTS, weights)]),
        only("no weights", "the folder has no model.safetensors", &[(CONFIG, config)]),
        only(
            "only a .bin",
            "`pytorch_model.bin` is not a safetensors file",
            &[(CONFIG, config), ("pytorch_model.bin", b"PK\x03\x04")],
        ),
        only(
            "only a .gguf",
            "`gpt2.gguf` is not a safetensors file",
            &[(CONFIG, config), ("gpt2.gguf", b"GGUF")],
        ),
        only(
            "shards",
            "2 safetensors files and none is model.safetensors",
            &[
                (CONFIG, config),
                ("model-00001-of-00002.safetensors", weights),
                ("model-00002-of-00002.safetensors", weights),
            ],
        ),
        only("an empty config", "config.json is not valid JSON", &[(CONFIG, b""), (WEIGHTS, weights)]),
        only(
            "a config in YAML",
            "config.json is not valid JSON",
            &[(CONFIG, b"n_layer: 3"), (WEIGHTS, weights)],
        ),
        only(
            "a config that is a list",
            "config.json is not valid JSON",
            &[(CONFIG, b"[]"), (WEIGHTS, weights)],
        ),
        only(
            "a config cut short",
            "config.json is not valid JSON",
            &[(CONFIG, &config[..99]), (WEIGHTS, weights)],
        ),
        only(
            "a config of bytes",
            "config.json is not valid JSON",
            &[(CONFIG, &[0xff, 0xfe]), (WEIGHTS, weights)],
        ),
        only("a config without a model", "architecture `(none)`", &[(CONFIG, b"{}"), (WEIGHTS, weights)]),
        beside("a tokenizer cut short", no_tokenizer, &[(TOKENIZER, br#"{"version":"1.0","model":{"#)]),
        beside("a tokenizer of another kind", no_tokenizer, &[(TOKENIZER, br#"{"a": 1}"#)]),
        beside("an empty tokenizer", no_tokenizer, &[(TOKENIZER, b"")]),
        beside("a vocabulary that is a list", no_tokenizer, &[(VOCAB, b"[]"), (MERGES, b"#version: 0.2\n")]),
        beside("merges of one word", no_tokenizer, &[(VOCAB, br#"{"a":0}"#), (MERGES, b"one-word\n")]),
        beside("merges of unknown tokens", no_tokenizer, &[(VOCAB, br#"{"a":0}"#), (MERGES, b"x y\n")]),
        beside("merges that are no text", no_tokenizer, &[(VOCAB, br#"{"a":0}"#), (MERGES, &[0xff, 0xfe])]),
    ]
}

fn all() -> Vec<Bad> {
    let all: Vec<Bad> =
        [bad_bytes(), bad_headers(), bad_configs(), bad_folders()].into_iter().flatten().collect();
    assert!(all.len() > 75, "only {} bad folders", all.len());
    all
}

#[test]
fn every_bad_folder_says_what_is_wrong() {
    let mut wrong = vec![];
    for Bad { name, files, words } in all() {
        match read(&Cpu::<f32>::default(), &files) {
            Ok(_) => wrong.push(format!("{name}: was read")),
            Err(error) => {
                let message = error.to_string();
                if !message.contains(&words) {
                    wrong.push(format!("{name}: wanted `{words}`, got `{message}`"));
                }
                assert!(error.hint().len() > 10, "{name}: {message}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = files(ATTN_ONLY);
    let bytes = &whole[WEIGHTS];
    let header_end = 8 + 1288;
    let in_data = (header_end..bytes.len()).step_by(97);
    let cuts: Vec<usize> = (0..header_end).chain(in_data).chain([bytes.len() - 1]).collect();
    for cut in cuts {
        let mut files = whole.clone();
        files.insert(WEIGHTS.to_owned(), bytes[..cut].to_vec());
        let error = read(&Cpu::<f32>::default(), &files).map(|_| ()).expect_err("is cut").to_string();
        let is_clear = error.contains("cut short") || error.contains("not a whole safetensors file");
        assert!(is_clear, "cut at {cut}: {error}");
        assert!(cut < 9 || error.contains("cut short"), "cut at {cut}: {error}");
    }
}

/// A damaged header may still describe a model; it never ends in a panic, and never in silence.
#[test]
fn a_header_with_any_byte_changed_is_read_or_refused() {
    let whole = files(ATTN_ONLY);
    let mut n_refused = 0;
    for at in 0..8 + 1288 {
        for byte in [0x00, b'9', b'"', 0xff] {
            let mut files = whole.clone();
            let bytes = files.get_mut(WEIGHTS).expect("the weights");
            bytes[at] = byte;
            if let Err(error) = read(&Cpu::<f32>::default(), &files) {
                assert!(!error.to_string().is_empty() && !error.hint().is_empty());
                n_refused += 1;
            }
        }
    }
    assert!(n_refused > 3000, "only {n_refused} were refused");
}

#[cfg(feature = "cli")]
mod command_line {
    use super::{Bad, all};
    use crate::support::{ATTN_ONLY, GPT2, Scratch, TALES, call, call_with_input};

    #[test]
    fn every_bad_folder_says_what_is_wrong() {
        for Bad { name, files, words } in all() {
            let folder = Scratch::with(&files);
            let called = call(&["run", "--model", &folder.path(""), "--tokens", "1,2,3", "--json"]);
            called.refuses(&name, &words);
        }
    }

    #[test]
    fn every_verb_says_that_there_is_no_folder() {
        let scratch = Scratch::new();
        let (none, file) = (scratch.path("none"), scratch.write("file", "no folder"));
        for model in [&none, &file] {
            let words = "cannot open the model folder";
            call(&["run", "--model", model, "--tokens", "1"]).refuses("run", words);
            call(&["generate", "--model", model, "--tokens", "1"]).refuses("generate", words);
            let question = r#"{"kind":"attention","prompt":{"tokens":[1]}}"#;
            call_with_input(&["ask", "--model", model, "-"], question).refuses("ask", words);
        }
    }

    #[test]
    fn prompts_that_cannot_be_read_are_refused() {
        let ids = |n: usize| vec!["1"; n].join(",");
        let long_text = "Once upon a time ".repeat(100);
        let cases: &[(&str, &[&str], &str)] = &[
            (GPT2, &["--tokens", &ids(42)], "the prompt has 42 tokens; this model reads at most 41"),
            (GPT2, &["--tokens", "1,2,97"], "token id 97 is outside the vocabulary of 97 tokens"),
            (GPT2, &["--tokens", "4294967295"], "token id 4294967295 is outside the vocabulary"),
            (GPT2, &["--prompt", "hello"], "the model came without a tokenizer"),
            (TALES, &["--prompt", "", "--bos", "no"], "the prompt is empty"),
            (TALES, &["--prompt", &long_text], "this model reads at most 256"),
        ];
        for verb in ["run", "generate"] {
            for (model, prompt, words) in cases {
                let args = [&[verb, "--model", model], *prompt].concat();
                call(&args).refuses(&args.join(" "), words);
            }
        }
        call(&["run", "--model", GPT2, "--tokens", &ids(41)]).works();
        call(&["run", "--model", TALES, "--prompt", ""]).works();
    }

    #[test]
    fn requests_that_do_not_fit_the_model_are_refused() {
        let scratch = Scratch::new();
        let nowhere = scratch.path("no/such/folder.safetensors");
        let run = ["run", "--model", ATTN_ONLY, "--tokens", "1,2,3"];
        let generate = ["generate", "--model", ATTN_ONLY, "--tokens", "1,2,3"];
        let cases: &[(&[&str], &[&str], &str)] = &[
            (&run, &["--capture", "blocks.*.hook_nothing"], "`blocks.*.hook_nothing` matches no hook point"),
            (&run, &["--capture", "blocks.2.hook_resid_pre"], "matches no hook point of this model"),
            (&run, &["--capture", "blocks.0.mlp.hook_post"], "matches no hook point of this model"),
            (&run, &["--capture", "logits,"], "`` matches no hook point"),
            (&run, &["--out", &nowhere], "cannot write the captures"),
            (&run, &["--interventions", "no/such/file.json"], "cannot read the file"),
            (&generate, &["--interventions", "no/such/file.json"], "cannot read the file"),
            (&generate, &["--temperature=-1"], "temperature is -1; it must be 0 or more"),
            (&generate, &["--temperature", "nan"], "temperature is NaN; it must be 0 or more"),
            (&generate, &["--temperature", "inf"], "temperature is inf; it must be 0 or more"),
            (&generate, &["--top-k", "0"], "top_k is 0; it must be 1 or more"),
            (&generate, &["--top-p", "1.5"], "top_p is 1.5; it must be above 0 and at most 1"),
        ];
        for (call_args, more, words) in cases {
            call(&[*call_args, *more].concat()).refuses(&more.join(" "), words);
        }
    }

    #[test]
    fn interventions_that_do_not_fit_are_refused() {
        let scratch = Scratch::new();
        let zero = r#""edit":{"kind":"zero"}"#;
        let z = r#""at":"blocks.0.attn.hook_z""#;
        let cases = [
            ("no JSON".to_owned(), "the interventions are not what they should be"),
            (format!("{{{z},{zero}}}"), "the interventions are not what they should be"),
            (
                format!(r#"[{{"at":"blocks.0.attn.hook_zz",{zero}}}]"#),
                "`blocks.0.attn.hook_zz` is not a hook point",
            ),
            (
                format!(r#"[{{"at":"blocks.7.attn.hook_z",{zero}}}]"#),
                "this model has no hook point blocks.7.attn.hook_z",
            ),
            (format!(r#"[{{"at":"blocks.0.hook_mlp_out",{zero}}}]"#), "this model has no hook point"),
            (format!(r#"[{{{z},"heads":1,{zero}}}]"#), "unknown field `heads`"),
            (format!(r#"[{{{z},"select":{{"head":3}},{zero}}}]"#), "index 3 is outside `head`"),
            (format!(r#"[{{{z},"select":{{"pos":3}},{zero}}}]"#), "index 3 is outside `pos`"),
            (format!(r#"[{{{z},"select":{{"key_pos":0}},{zero}}}]"#), "has no axis `key_pos`"),
            (format!(r#"[{{{z},"select":{{"pos":"a:b"}},{zero}}}]"#), "`a:b` is not a slice"),
            (format!(r#"[{{{z},"edit":{{"kind":"set","values":[1,2]}}}}]"#), "has 2 values for 11 selected"),
            (format!(r#"[{{{z},"edit":{{"kind":"scale","by":1e39}}}}]"#), "not a finite number"),
            (
                format!(
                    r#"[{{{z},"edit":{{"kind":"scale","by":1e30}}}},{{{z},"edit":{{"kind":"scale","by":1e30}}}}]"#
                ),
                "the first hook point with such a value is blocks.0.attn.hook_z",
            ),
            (
                format!(r#"[{{{z},"edit":{{"kind":"patch","from":{{"prompt":{{"tokens":[]}}}}}}}}]"#),
                "the prompt is empty",
            ),
            (
                format!(r#"[{{{z},"edit":{{"kind":"patch","from":{{"prompt":{{"tokens":[1]}}}}}}}}]"#),
                "needs position 1 of the other run, which has 1 positions",
            ),
        ];
        for (json, words) in cases {
            let file = scratch.write("interventions.json", &json);
            for verb in ["run", "generate"] {
                let args = [verb, "--model", ATTN_ONLY, "--tokens", "1,2,3", "--interventions", &file];
                call(&args).refuses(&format!("{verb} {json}"), words);
            }
        }
    }

    #[test]
    fn questions_that_do_not_fit_are_refused() {
        let cases = [
            ("", "the question is not what it should be"),
            ("{}", "the question is not what it should be"),
            (r#"{"kind":"telepathy","prompt":{"tokens":[1]}}"#, "unknown variant `telepathy`"),
            (r#"{"kind":"attention"}"#, "missing field `prompt`"),
            (r#"{"kind":"attention","prompt":{"tokens":[1]},"topk":3}"#, "unknown field `topk`"),
            (r#"{"kind":"attention","prompt":{"tokens":[]}}"#, "the prompt is empty"),
            (r#"{"kind":"attention","prompt":{"tokens":[71]}}"#, "token id 71 is outside the vocabulary"),
            (r#"{"kind":"attention","prompt":{"text":"hello"}}"#, "came without a tokenizer"),
            (
                r#"{"kind":"attention","prompt":{"tokens":[1]},"patterns":[[0,3]]}"#,
                "has no head 3 in layer 0",
            ),
            (r#"{"kind":"attention","prompt":{"tokens":[1]},"scores":[[2,0]]}"#, "has no head 0 in layer 2"),
        ];
        for (question, words) in cases {
            call_with_input(&["ask", "--model", ATTN_ONLY, "-"], question).refuses(question, words);
        }
        call(&["ask", "--model", ATTN_ONLY, "no/such.json"]).refuses("no file", "cannot read the file");
    }
}
