//! The embedded models, computed by this engine: their text, and the heads that they are there for.

use std::collections::BTreeMap;

use expect_test::expect;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde::Deserialize;
use vitrine::{
    analysis::{Answer, Question},
    backend::cpu::Cpu,
    engine::{Engine, NoPace},
    hook::{HookPoint, HookSet, Site},
    prompt::{Bos, Prompt},
    run::{GenerateSpec, RunSpec},
    tensor::HostTensor,
};

use crate::support::{TALES, bytes, engine, files, read, run, spec};

/// The embedded model with MLPs, the default.
const TALES_4L: &str = "assets/models/tales-4l";
const MODELS: [&str; 2] = [TALES, TALES_4L];

/// Part of what the recipe measured with PyTorch on the same file.
#[derive(Deserialize)]
struct Metrics {
    /// Prompt, and the prompt with what follows at temperature 0.
    greedy: BTreeMap<String, String>,
}

fn text(engine: &Engine<Cpu>, prompt: &str, max_new_tokens: usize) -> String {
    let spec = GenerateSpec::greedy(Prompt::Text { text: prompt.to_owned(), bos: Bos::Auto }, max_new_tokens);
    let generated = pollster::block_on(engine.generate(&spec, &mut NoPace, |_| {})).expect("is continued");
    let ids: Vec<u32> = generated.steps.iter().map(|step| step.id).collect();
    engine.tokenizer().expect("an embedded model has one").decode(&ids)
}

#[test]
fn every_embedded_model_is_read_without_a_note() {
    for (model, model_type, n_layers, n_ctx) in
        [(TALES, "vitrine_attn_only", 2, 256), (TALES_4L, "gpt2", 4, 512)]
    {
        let (checkpoint, tokenizer) = read(&Cpu::<f32>::default(), &files(model)).expect("an embedded model");
        assert_eq!(checkpoint.notes, [""; 0], "{model}");
        assert_eq!((checkpoint.model_type.as_str(), checkpoint.dtype.as_str()), (model_type, "F16"));
        assert!(tokenizer.is_some(), "{model}");
        let config = checkpoint.config;
        assert!(config.n_layers >= n_layers && config.n_ctx >= n_ctx, "{model}: {config:?}");
        assert_eq!((config.is_attn_only(), config.bos_id), (model == TALES, Some(0)), "{model}");
    }
}

#[test]
fn the_attention_only_model_tells_its_story() {
    let engine = engine::<f32>(TALES);
    expect![" there was a great deal of a great deal of a great deal of a great deal of a great"]
        .assert_eq(&text(&engine, "Once upon a time", 20));
}

/// The recipe's PyTorch and this engine agree on every token.
#[test]
fn greedy_text_is_the_recipes() {
    for model in MODELS {
        let metrics: Metrics =
            serde_json::from_slice(&bytes(&format!("{model}/metrics.json"))).expect("metrics");
        assert!(metrics.greedy.len() >= 3, "{model}: metrics.json has {} texts", metrics.greedy.len());
        let engine = engine::<f32>(model);
        for (prompt, want) in metrics.greedy {
            let got = format!("{prompt}{}", text(&engine, &prompt, 60));
            assert_eq!(got, want, "{model}");
        }
    }
}

/// How many random tokens are repeated, and in how many sequences.
const N_RANDOM: usize = 25;
const N_SEQUENCES: u64 = 32;

/// BOS, random tokens, and the same again.
fn repeated(seed: u64, d_vocab: usize) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let random: Vec<u32> =
        (0..N_RANDOM).map(|_| 1 + (rng.next_u64() % (d_vocab as u64 - 1)) as u32).collect();
    [&[0], &random[..], &random[..]].concat()
}

/// Mean of pattern[q, q - offset] over the queries from `first_q` on, for each head.
fn stripes(pattern: &HostTensor, offset: usize, first_q: usize) -> Vec<f64> {
    let &[n_heads, n_pos, _] = pattern.shape() else { panic!("[head q_pos k_pos]") };
    let mean = |head: usize| {
        let stripe = (first_q..n_pos).map(|q| f64::from(pattern.row(head * n_pos + q)[q - offset]));
        stripe.sum::<f64>() / (n_pos - first_q) as f64
    };
    (0..n_heads).map(mean).collect()
}

/// What a model does on repeated random tokens, by layer and head; means over the sequences.
struct OnRepeated {
    induction: Vec<Vec<f64>>,
    previous_token: Vec<Vec<f64>>,
    second_copy_nats: f64,
}

fn on_repeated(model: &str) -> OnRepeated {
    let engine = engine::<f32>(model);
    let (n_layers, n_heads) = (engine.config().n_layers, engine.config().n_heads);
    let zeros = vec![vec![0.0; n_heads]; n_layers];
    let mut scores = OnRepeated { induction: zeros.clone(), previous_token: zeros, second_copy_nats: 0.0 };
    let capture = HookSet::of((0..n_layers).map(|layer| HookPoint::Block(layer, Site::Pattern)));
    for seed in 0..N_SEQUENCES {
        let tokens = repeated(seed, engine.config().d_vocab);
        let result = run(&engine, &RunSpec { capture: capture.clone(), ..spec(&tokens) });
        let add = |sums: &mut [f64], means: Vec<f64>| {
            sums.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean / N_SEQUENCES as f64);
        };
        for layer in 0..n_layers {
            let pattern = &result.captures[&HookPoint::Block(layer, Site::Pattern)];
            add(&mut scores.previous_token[layer], stripes(pattern, 1, 1));
            add(&mut scores.induction[layer], stripes(pattern, N_RANDOM - 1, N_RANDOM + 1));
        }
        // The first token of the second copy is announced by nothing.
        let announced = &result.predictions[N_RANDOM + 1..2 * N_RANDOM];
        let nats: f64 = announced.iter().map(|p| -f64::from(p.actual.expect("followed").logprob)).sum();
        scores.second_copy_nats += nats / announced.len() as f64 / N_SEQUENCES as f64;
    }
    println!(
        "{model}: induction {:.3}, previous token {:.3}, in layer 0 {:.3}, second copy {:.4} nats",
        best(&scores.induction),
        best(&scores.previous_token),
        best(&scores.previous_token[..1]),
        scores.second_copy_nats
    );
    scores
}

fn best(by_layer: &[Vec<f64>]) -> f64 {
    by_layer.iter().flatten().copied().fold(0.0, f64::max)
}

#[test]
fn the_attention_only_model_has_its_induction_circuit() {
    let scores = on_repeated(TALES);
    assert!(best(&scores.induction) >= 0.8, "{:?}", scores.induction);
    assert!(best(&scores.previous_token[..1]) >= 0.7, "{:?}", scores.previous_token);
    assert!(scores.second_copy_nats <= 0.5, "{}", scores.second_copy_nats);
}

#[test]
fn the_model_with_mlps_has_its_induction_circuit() {
    let scores = on_repeated(TALES_4L);
    assert!(best(&scores.induction) >= 0.6, "{:?}", scores.induction);
    assert!(best(&scores.previous_token) >= 0.5, "{:?}", scores.previous_token);
}

fn ask(engine: &Engine<Cpu>, question: &Question) -> vitrine::analysis::attention::Answer {
    match pollster::block_on(engine.ask(question, &mut NoPace, |_| {})).expect("is answered") {
        Answer::Attention(answer) => answer,
        other => panic!("an answer of another kind: {other:?}"),
    }
}

#[test]
fn the_stored_question_finds_an_induction_head_each_time() {
    let engine = engine::<f32>(TALES);
    let question: Question =
        serde_json::from_slice(&bytes("assets/stored/attention.question.json")).expect("a question");
    let answer = ask(&engine, &question);
    let best =
        answer.heads.iter().max_by(|a, b| a.induction.unwrap_or(0.0).total_cmp(&b.induction.unwrap_or(0.0)));
    let best = best.expect("the model has heads");
    println!(
        "L{}H{}: induction {:?} over {} queries",
        best.layer, best.head, best.induction, answer.n_repeated
    );
    assert!(best.induction.is_some_and(|score| score >= 0.5), "{best:?}");
    assert_eq!(best.layer, 1);
    assert!(answer.n_repeated >= 10, "{}", answer.n_repeated);
    assert_eq!(answer.patterns.len(), answer.heads.len());

    let (first, again) = (serde_json::to_string(&answer), serde_json::to_string(&ask(&engine, &question)));
    assert_eq!(first.expect("an answer is JSON"), again.expect("an answer is JSON"));
    // Also a model that was loaded anew, as the build and the page do.
    assert_eq!(ask(&crate::support::engine::<f32>(TALES), &question), answer);
}
