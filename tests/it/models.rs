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

use crate::support::{TALES, bytes, engine, files, folder, path, run, spec};

/// Part of what the recipe measured with PyTorch on the same file.
#[derive(Deserialize)]
struct Metrics {
    /// Prompt, and the prompt with what follows at temperature 0.
    #[serde(default)]
    greedy: BTreeMap<String, String>,
}

fn text(engine: &Engine<Cpu>, prompt: &str, max_new_tokens: usize) -> String {
    let spec = GenerateSpec {
        prompt: Prompt::Text { text: prompt.to_owned(), bos: Bos::Auto },
        max_new_tokens,
        temperature: 0.0,
        top_k: None,
        top_p: None,
        seed: 0,
        interventions: vec![],
    };
    let generated = pollster::block_on(engine.generate(&spec, &mut NoPace, |_| {})).expect("is continued");
    let ids: Vec<u32> = generated.steps.iter().map(|step| step.id).collect();
    engine.tokenizer().expect("an embedded model has one").decode(&ids)
}

#[test]
fn the_attention_only_model_is_read_without_a_note() {
    let (checkpoint, tokenizer) = folder(&files(TALES)).read().expect("an embedded model");
    assert_eq!(checkpoint.notes, [""; 0]);
    assert_eq!(checkpoint.model_type, "vitrine_attn_only");
    assert_eq!(checkpoint.dtype, "F16");
    assert!(tokenizer.is_some());
    let config = checkpoint.config;
    assert_eq!((config.n_layers, config.d_mlp, config.bos_id), (2, 0, Some(0)));
    assert!(config.n_ctx >= 256);
}

#[test]
fn the_attention_only_model_tells_its_story() {
    let engine = engine::<f32>(TALES);
    expect![" there was a great deal of a great deal of a great deal of a great deal of a great"]
        .assert_eq(&text(&engine, "Once upon a time", 20));
}

/// The recipe's PyTorch and this engine agree on every token. Loud where a model has not been measured yet.
#[test]
fn greedy_text_is_the_recipes() {
    for model in ["assets/models/tales-attn-2l", "assets/models/tales-4l"] {
        let metrics = path(model).join("metrics.json");
        if !metrics.is_file() {
            println!("SKIPPED: {model} has no metrics.json, so its text is not compared");
            assert_ne!(model, TALES);
            continue;
        }
        let Metrics { greedy } =
            serde_json::from_slice(&bytes(&format!("{model}/metrics.json"))).expect("metrics");
        if greedy.is_empty() {
            println!("SKIPPED: metrics.json of {model} has no greedy text");
            assert_ne!(model, TALES);
            continue;
        }
        let engine = engine::<f32>(model);
        for (prompt, want) in greedy {
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

#[test]
fn the_attention_only_model_has_its_induction_circuit() {
    let engine = engine::<f32>(TALES);
    let hooks = [HookPoint::Block(0, Site::Pattern), HookPoint::Block(1, Site::Pattern)];
    let mut induction = vec![0.0; engine.config().n_heads];
    let mut previous = vec![0.0; engine.config().n_heads];
    let mut second_copy_nats = 0.0;
    for seed in 0..N_SEQUENCES {
        let tokens = repeated(seed, engine.config().d_vocab);
        let result = run(&engine, &RunSpec { capture: HookSet::of(hooks), ..spec(&tokens) });
        let add = |sums: &mut Vec<f64>, means: Vec<f64>| {
            sums.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean / N_SEQUENCES as f64);
        };
        add(&mut previous, stripes(&result.captures[&hooks[0]], 1, 1));
        add(&mut induction, stripes(&result.captures[&hooks[1]], N_RANDOM - 1, N_RANDOM + 1));
        // The first token of the second copy is announced by nothing.
        let announced = &result.predictions[N_RANDOM + 1..2 * N_RANDOM];
        let nats: f64 = announced.iter().map(|p| -f64::from(p.actual.expect("followed").logprob)).sum();
        second_copy_nats += nats / announced.len() as f64 / N_SEQUENCES as f64;
    }
    let best = |scores: &[f64]| scores.iter().copied().fold(0.0, f64::max);
    println!(
        "induction {induction:.3?}, previous token {previous:.3?}, second copy {second_copy_nats:.4} nats"
    );
    assert!(best(&induction) >= 0.8, "{induction:?}");
    assert!(best(&previous) >= 0.7, "{previous:?}");
    assert!(second_copy_nats <= 0.5, "{second_copy_nats}");
}

fn ask(engine: &Engine<Cpu>, question: &Question) -> vitrine::analysis::attention::Answer {
    match pollster::block_on(engine.ask(question, &mut NoPace)).expect("is answered") {
        Answer::Attention(answer) => answer,
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
