//! The command line on real folders: what it prints and writes is what the library computes.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use vitrine::{
    analysis::{Answer, Question},
    engine::NoPace,
    hook::{HookPoint, HookSet},
    intervention::Intervention,
    model::folder::INDEX,
    run::{RunSpec, WeightForm},
    tensor::HostTensor,
};

use crate::support::{
    ATTN_ONLY, FAMILIES, GPT2, Scratch, TALES, bytes, call, call_with_input, edits, engine, files, in_shards,
    run, spec, tensors,
};

const TOKENS: &str = "11,4,60,23,4,57,0";
const IDS: [u32; 7] = [11, 4, 60, 23, 4, 57, 0];

/// What `vitrine run` writes.
fn written(model: &str, args: &[&str]) -> BTreeMap<String, HostTensor> {
    let scratch = Scratch::new();
    let out = scratch.path("out.safetensors");
    call(&[&["run", "--model", model, "--tokens", TOKENS, "--out", &out], args].concat()).works();
    tensors(&fs::read(out).expect("the captures"))
}

fn names(model: &str, capture: &str) -> Vec<String> {
    written(model, &["--capture", capture]).into_keys().collect()
}

fn computed(
    model: &str,
    capture: HookSet,
    weights: WeightForm,
    interventions: Vec<Intervention>,
) -> BTreeMap<String, HostTensor> {
    let engine = engine::<f32>(model);
    let result = run(&engine, &RunSpec { weights, interventions, capture, ..spec(&IDS) });
    result.captures.into_iter().map(|(hook, value)| (hook.to_string(), value)).collect()
}

#[test]
fn a_run_writes_what_the_library_computes() {
    for model in [GPT2, ATTN_ONLY] {
        let got = written(model, &["--capture", "**"]);
        let want = computed(model, HookSet(vec!["**".to_owned()]), WeightForm::Raw, vec![]);
        assert_eq!(got, want, "{model}");
        let config = engine::<f32>(model).config().clone();
        // No batch axis.
        assert_eq!(got["hook_embed"].shape(), [7, config.d_model]);
        assert_eq!(got["blocks.1.attn.hook_pattern"].shape(), [config.n_heads, 7, 7]);
        assert_eq!(got["blocks.1.attn.hook_z"].shape(), [7, config.n_heads, config.d_head]);
        assert_eq!(got["ln_final.hook_scale"].shape(), [7, 1]);
        assert_eq!(got["logits"].shape(), [7, config.d_vocab]);
    }
}

#[test]
fn each_family_is_read_from_one_file_and_from_several() {
    for model in FAMILIES {
        let folder = Scratch::with(&in_shards(&files(model)));
        let logits = |dir: &str| {
            let out = folder.path("out.safetensors");
            call(&["run", "--model", dir, "--tokens", "3,14,15", "--out", &out]).works();
            tensors(&fs::read(out).expect("the captures"))
        };
        assert_eq!(logits(&folder.path("")), logits(model), "{model}");
    }
}

#[test]
fn shards_that_are_missing_cut_or_there_twice_are_named() {
    let [first, second] = ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"];
    let whole = || in_shards(&files("tests/golden/llama"));
    let refuses = |words: &str, files: &BTreeMap<String, Vec<u8>>| {
        let folder = Scratch::with(files);
        call(&["run", "--model", &folder.path(""), "--tokens", "3"]).refuses(words, words);
    };
    let mut missing = whole();
    missing.remove(second);
    refuses(&format!("the folder has no {second}"), &missing);
    let with = |name: &str, bytes: &[u8]| {
        let mut files = whole();
        files.insert(name.to_owned(), bytes.to_vec());
        files
    };
    refuses("is in more than one of the weights files", &with(second, &whole()[first]));
    let cut = &whole()[second];
    refuses("is cut short", &with(second, &cut[..cut.len() - 1]));
    refuses("does not say which file has which tensor", &with(INDEX, b""));
}

#[test]
fn logits_are_kept_where_nothing_is_asked_for() {
    let written: Vec<String> = written(GPT2, &[]).into_keys().collect();
    assert_eq!(written, ["logits"]);
}

#[test]
fn a_star_stays_within_a_segment() {
    assert_eq!(names(GPT2, "*"), ["hook_embed", "hook_pos_embed", "logits"]);
    assert_eq!(
        names(GPT2, "blocks.*.hook_resid_pre"),
        ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"]
    );
    assert_eq!(
        names(ATTN_ONLY, "blocks.1.*,logits"),
        ["blocks.1.hook_attn_out", "blocks.1.hook_resid_post", "blocks.1.hook_resid_pre", "logits"]
    );
    assert_eq!(names(GPT2, "blocks.0.attn.hook_result"), ["blocks.0.attn.hook_result"]);
}

#[test]
fn processed_weights_are_asked_for() {
    let got = written(GPT2, &["--weights", "processed", "--capture", "logits,blocks.*.attn.hook_v"]);
    let capture = HookSet(vec!["logits".to_owned(), "blocks.*.attn.hook_v".to_owned()]);
    assert_eq!(got, computed(GPT2, capture.clone(), WeightForm::Processed, vec![]));
    assert_ne!(got, computed(GPT2, capture, WeightForm::Raw, vec![]));
    assert_eq!(written(GPT2, &["--weights", "raw"]), written(GPT2, &[]));
}

#[test]
fn interventions_are_read_from_a_file() {
    let scratch = Scratch::new();
    let json = r#"[{"at":"blocks.0.attn.hook_z","select":{"head":[0,2],"pos":"2:"},"edit":{"kind":"zero"}},
                   {"at":"blocks.1.hook_resid_pre","select":{"pos":-1},"edit":{"kind":"scale","by":2.5}}]"#;
    let file = scratch.write("interventions.json", json);
    let got = written(GPT2, &["--interventions", &file]);
    let capture = HookSet::of([HookPoint::Logits]);
    assert_eq!(got, computed(GPT2, capture.clone(), WeightForm::Raw, edits(json)));
    assert_ne!(got, computed(GPT2, capture, WeightForm::Raw, vec![]));

    let generate = |more: &[&str]| {
        call(&[&["generate", "--model", GPT2, "--tokens", TOKENS, "--json"], more].concat()).json()
    };
    assert_ne!(generate(&["--interventions", &file])["tokens"], generate(&[])["tokens"]);
}

#[test]
fn json_has_tokens_names_shapes_and_the_loss() {
    let called =
        call(&["run", "--model", GPT2, "--tokens", TOKENS, "--capture", "hook_embed,logits", "--json"]);
    // What a file has and nobody uses is said, but not among the results.
    assert!(called.stderr.contains("note: 3 causal-mask buffers are not used"), "{}", called.stderr);
    let mut got = called.json();
    let loss = got["loss"].take().as_f64().expect("a loss");
    let want = json!({
        "tokens": IDS,
        "loss": null,
        "tensors": [{"name": "hook_embed", "shape": [7, 36]}, {"name": "logits", "shape": [7, 97]}],
    });
    assert_eq!(got, want);
    let result = run(&engine::<f32>(GPT2), &spec(&IDS));
    let want = f64::from(result.loss_nats().expect("several tokens"));
    assert!((loss - want).abs() < 1e-6, "{loss}, want {want}");
    // The loss does not depend on what is kept.
    let other = call(&["run", "--model", GPT2, "--tokens", TOKENS, "--json"]).json();
    assert_eq!(other["loss"].as_f64(), Some(loss));

    let single = call(&["run", "--model", GPT2, "--tokens", "5", "--json"]).json();
    assert_eq!(single["loss"], Value::Null);
}

#[test]
fn without_json_a_run_prints_lines_for_a_person() {
    let text = call(&["run", "--model", ATTN_ONLY, "--tokens", "1,2"]).works();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "2 tokens");
    assert!(lines[1].starts_with("loss ") && lines[1].ends_with(" nats"), "{text}");
    assert_eq!(lines[2], "logits [2, 71]");
}

#[test]
fn a_text_gets_its_bos_as_asked() {
    let tokens = |bos: &str| {
        let called = call(&["run", "--model", TALES, "--prompt", "Once upon a time", "--bos", bos, "--json"]);
        assert_eq!(called.stderr, "", "an embedded model has no notes");
        called.json()["tokens"].as_array().expect("a list").clone()
    };
    let without = tokens("no");
    assert_eq!(tokens("yes"), [&[json!(0)], &without[..]].concat());
    assert_eq!(tokens("auto"), tokens("yes"));
}

#[test]
fn a_continuation_has_tokens_and_text() {
    let args =
        ["generate", "--model", TALES, "--prompt", "There was once a king who had", "--max-new-tokens", "6"];
    let got = call(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(got["tokens"].as_array().map(Vec::len), Some(6));
    assert_eq!(got["text"], " a son who had a son");
    assert_eq!(got["finish"], "max_new_tokens");
    assert_eq!(call(&args).works(), " a son who had a son\n");
}

#[test]
fn a_model_without_a_tokenizer_continues_in_ids() {
    let args = ["generate", "--model", ATTN_ONLY, "--tokens", "17", "--max-new-tokens", "4"];
    let got = call(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(got["tokens"], json!([51, 63, 63, 59]));
    assert_eq!(got.get("text"), None);
    assert_eq!(call(&args).works(), "[51, 63, 63, 59]\n");
}

#[test]
fn a_continuation_stops_at_the_end_of_sequence() {
    let scratch = Scratch::new();
    // After the ninth position the model says EOS, which is not part of the text.
    let json =
        r#"[{"at":"logits","select":{"pos":"9:","component":96},"edit":{"kind":"add","values":1000}}]"#;
    let file = scratch.write("interventions.json", json);
    let args = ["generate", "--model", GPT2, "--tokens", TOKENS, "--max-new-tokens", "20", "--json"];
    let stopped = call(&[&args[..], &["--interventions", &file]].concat()).json();
    let free = call(&args).json();
    assert_eq!(stopped["finish"], "end_of_sequence");
    let tokens = stopped["tokens"].as_array().expect("a list");
    assert_eq!(tokens.len(), 3);
    assert_eq!(tokens[..], free["tokens"].as_array().expect("a list")[..3]);

    let full =
        call(&["generate", "--model", GPT2, "--tokens", "42", "--max-new-tokens", "400", "--json"]).json();
    assert_eq!(full["finish"], "context_full");
    // The last of 41 positions still predicts one more.
    assert_eq!(full["tokens"].as_array().map(Vec::len), Some(41));
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let text = |seed: &str| {
        let prompt = ["generate", "--model", TALES, "--prompt", "Once upon a time", "--max-new-tokens", "12"];
        call(&[&prompt[..], &["--temperature", "1", "--seed", seed]].concat()).works()
    };
    assert_eq!(text("7"), text("7"));
    assert_ne!(text("7"), text("8"));
}

#[test]
fn a_question_is_answered_from_a_file_and_from_standard_input() {
    let json = r#"{"kind":"attention","prompt":{"tokens":[11,4,60,23,4,57,0]},"top_k":3,"scores":[[1,2]]}"#;
    let scratch = Scratch::new();
    let file = scratch.write("question.json", json);
    let from_file = call(&["ask", "--model", GPT2, &file]).works();
    let from_input = call_with_input(&["ask", "--model", GPT2, "-"], json).works();
    assert_eq!(from_file, from_input);

    let answer: Answer = serde_json::from_str(&from_file).expect("an answer");
    let question: Question = serde_json::from_str(json).expect("a question");
    let want =
        pollster::block_on(engine::<f32>(GPT2).ask(&question, &mut NoPace, |_| {})).expect("fits the model");
    assert_eq!(answer, want);
}

#[test]
fn schemas_are_printed() {
    for of in ["question", "answer"] {
        let printed = call(&["schema", of]).works();
        assert_eq!(printed.into_bytes(), bytes(&format!("assets/schema/{of}.json")), "{of}");
    }
}

#[cfg(not(feature = "webgpu"))]
#[test]
fn a_backend_that_is_not_there_is_refused() {
    let question = r#"{"kind":"attention","prompt":{"tokens":[1]}}"#;
    for verb in ["run", "generate"] {
        call(&[verb, "--model", GPT2, "--tokens", "1", "--backend", "webgpu"])
            .refuses(verb, "this build computes on the CPU only");
        call(&[verb, "--model", GPT2, "--tokens", "1", "--backend", "cpu"]).works();
    }
    call_with_input(&["ask", "--model", GPT2, "--backend", "webgpu", "-"], question)
        .refuses("ask", "this build computes on the CPU only");
}

#[cfg(feature = "webgpu")]
#[test]
fn a_device_gives_the_answers_of_the_cpu() {
    use vitrine::backend::webgpu::Options;
    if crate::webgpu::device(Options::default()).is_none() {
        return;
    }
    let on = |backend: &str, verb: &str| {
        call(&[verb, "--model", GPT2, "--tokens", "11,4,60,23", "--backend", backend, "--json"]).json()
    };
    assert_eq!(on("webgpu", "generate")["tokens"], on("cpu", "generate")["tokens"]);
    let loss = |backend: &str| on(backend, "run")["loss"].as_f64().expect("a number");
    let err = (loss("webgpu") - loss("cpu")).abs();
    assert!(err <= 1e-4, "{err}");
    let question = r#"{"kind":"attention","prompt":{"tokens":[1,2]}}"#;
    call_with_input(&["ask", "--model", GPT2, "--backend", "webgpu", "-"], question).works();
}
