//! How much one reading makes the device do.

use vitrine::{
    backend::{
        Backend as _,
        checked::Checked,
        webgpu::{Options, Scheme, Submission, WebGpu},
    },
    engine::NoPace,
    hook::{HookPoint, HookSet, Site},
    metric::Metric,
    op::{Activation, MatrixAxes},
    prompt::Prompt,
    run::{GenerateSpec, GradientSpec, RunSpec, WeightForm},
};

use super::{SCHEMES, ops};
use crate::support::{ATTN_ONLY, GPT2, always, edits, engine_on, run, spec};

const TOKENS: [u32; 11] = [11, 4, 60, 23, 4, 57, 0, 68, 31, 62, 5];

fn device() -> Option<WebGpu> {
    super::device(Options::default())
}

/// Backwards: output; attention; values and keys, mixed; values, keys and queries, each added; norm.
/// Then output and slope; input; norm.
const N_ATTENTION_DX: usize = 8;
const N_MLP_DX: usize = 3;

#[test]
fn a_block_takes_eleven_dispatches_backwards() {
    let Some(device) = device() else { return };
    for (model, n_block) in [(GPT2, N_ATTENTION_DX + N_MLP_DX), (ATTN_ONLY, N_ATTENTION_DX)] {
        let engine = engine_on(device.clone(), model);
        let spec = GradientSpec {
            tokens: TOKENS.to_vec(),
            weights: WeightForm::Raw,
            interventions: vec![],
            metric: Metric::LogitDiff { pos: -1, correct: 5, wrong: 9 },
            at: HookSet::of([HookPoint::Block(0, Site::ResidPre)]),
        };
        pollster::block_on(engine.gradients(&spec, &mut NoPace)).expect("has gradients");
        // The unembedding's columns and the product with them; final norm; from the one position to all.
        let n_dispatches = engine.config().n_layers * n_block + 4;
        assert_eq!(device.last_submission().n_dispatches, n_dispatches, "{model}");
    }
}

#[test]
fn features_are_encoded_without_reading_all_of_them() {
    let Some(device) = device() else { return };
    let b = Checked(device);
    let (x, w) = (ops::up(&b, &[9, 24], 1), ops::matrix(&b, &[24, 700], 2, MatrixAxes::InOut));
    let (k, bias) = (5, ops::up(&b, &[700], 3));
    let features = b.linear(&x, &w, Some(&bias)).and_then(|pre| b.activate(pre, Activation::Relu));
    let top = b.top_k(&features.expect("operands fit"), k).expect("operands fit");
    let read = pollster::block_on(b.read(&top)).expect("is read");
    assert_eq!(read.shape(), [9, k, 2]);
    assert_eq!(b.0.last_submission().n_dispatches, 2);
}

/// Embedding, final norm, unembedding; what is read off the logits.
const N_AROUND: usize = 3;
const N_READ_OFF: usize = 2;
/// Norm; queries, keys and values, in one where work is shared in parallel; attention; output and sum.
/// Then norm; input and non-linearity; output and sum.
fn n_attention(scheme: Scheme) -> usize {
    match scheme {
        Scheme::Parallel => 4,
        Scheme::Serial => 6,
    }
}
const N_MLP: usize = 3;

#[test]
fn a_block_takes_seven_dispatches_or_nine() {
    for scheme in SCHEMES {
        if let Some(device) = super::device(Options { scheme: Some(scheme), ..Options::default() }) {
            counts_dispatches(&device, n_attention(scheme));
        }
    }
}

fn counts_dispatches(device: &WebGpu, n_attention: usize) {
    for (model, n_block) in [(GPT2, n_attention + N_MLP), (ATTN_ONLY, n_attention)] {
        let engine = engine_on(device.clone(), model);
        run(&engine, &spec(&TOKENS));
        let n_dispatches = engine.config().n_layers * n_block + N_AROUND + N_READ_OFF;
        assert_eq!(device.last_submission().n_dispatches, n_dispatches, "{model}");
        // Nor does looking at everything take more.
        let all = RunSpec { capture: HookSet::of(always(&engine)), ..spec(&TOKENS) };
        run(&engine, &all);
        assert_eq!(device.last_submission().n_dispatches, n_dispatches, "{model}, all captured");
    }
}

#[test]
fn a_run_of_the_same_form_is_replayed() {
    let Some(device) = device() else { return };
    let engine = engine_on(device.clone(), GPT2);
    let want = run(&engine, &spec(&TOKENS));
    let first = device.last_submission();
    assert_eq!((first.is_replay, first.n_bind_groups), (false, first.n_dispatches));

    let mut other = TOKENS;
    other.reverse();
    let reversed = run(&engine, &spec(&other));
    assert_ne!(reversed, want, "other tokens");
    let replay = Submission { is_replay: true, n_bind_groups: 0, ..first };
    assert_eq!(device.last_submission(), replay);
    assert_eq!(run(&engine, &spec(&TOKENS)), want, "the first tokens again");
    assert_eq!(device.last_submission(), replay);

    run(&engine, &spec(&TOKENS[..4]));
    assert!(!device.last_submission().is_replay, "another length is another form");
}

#[test]
fn an_intervention_with_other_values_is_replayed() {
    let Some(device) = device() else { return };
    let engine = engine_on(device.clone(), GPT2);
    let scaled = |by: f32| {
        let json = format!(r#"[{{"at":"blocks.0.attn.hook_z","edit":{{"kind":"scale","by":{by}}}}}]"#);
        let capture = HookSet::of([HookPoint::Logits]);
        run(&engine, &RunSpec { interventions: edits(&json), capture, ..spec(&TOKENS) })
    };
    let doubled = scaled(2.0);
    assert!(!device.last_submission().is_replay);
    assert_ne!(scaled(3.0), doubled);
    assert!(device.last_submission().is_replay);
    assert_eq!(scaled(2.0), doubled);
}

#[test]
fn values_that_somebody_holds_survive_a_replay() {
    let Some(device) = device() else { return };
    let b = Checked(device);
    let made = |seed: u32| {
        let x = ops::up(&b, &[3, 5], seed);
        b.add(x.clone(), &x).expect("operands fit")
    };
    let read = |x: &_| pollster::block_on(b.read(x)).expect("is read");
    let first = made(1);
    let want = read(&first);
    let second = made(2);
    assert_ne!(read(&second), want);
    assert!(b.0.last_submission().is_replay);
    assert_eq!(read(&first), want);
}

#[test]
fn a_token_of_a_continuation_takes_few_dispatches_more() {
    let options = Options { scheme: Some(Scheme::Parallel), ..Options::default() };
    let Some(device) = super::device(options) else { return };
    let engine = engine_on(device.clone(), GPT2);
    let spec = GenerateSpec {
        prompt: Prompt::Tokens { tokens: TOKENS.to_vec() },
        max_new_tokens: 3,
        temperature: 0.0,
        top_k: None,
        top_p: None,
        seed: 0,
        interventions: vec![],
    };
    pollster::block_on(engine.generate(&spec, &mut NoPace, |_| {})).expect("continues");
    // Keys and values are appended; the likeliest token is read off where the logits are.
    let n_block = n_attention(Scheme::Parallel) + N_MLP + 2;
    let n_dispatches = engine.config().n_layers * n_block + N_AROUND + N_READ_OFF;
    assert_eq!(device.last_submission().n_dispatches, n_dispatches);
}

/// Continues by 20 tokens; says for each whether its plan was there before, and how likely it was.
fn continuation(device: &WebGpu) -> Vec<(bool, u32, u32)> {
    let engine = engine_on(device.clone(), GPT2);
    let spec = GenerateSpec::greedy(Prompt::Tokens { tokens: TOKENS.to_vec() }, 20);
    let mut tokens = vec![];
    let heard = |steps: &[vitrine::engine::GenerateStep]| {
        let newest = steps.last().expect("one more each time");
        tokens.push((device.last_submission().is_replay, newest.id, newest.logprob.to_bits()));
    };
    pollster::block_on(engine.generate(&spec, &mut NoPace, heard)).expect("continues");
    tokens
}

#[test]
fn tokens_of_a_continuation_share_plans() {
    let Some(fresh) = device() else { return };
    let tokens = continuation(&fresh);
    assert_eq!(tokens.len(), 20);
    // The prompt; up to 16 keys; up to 32.
    let n_made = tokens.iter().filter(|(is_replay, ..)| !is_replay).count();
    assert_eq!(n_made, 3, "{tokens:?}");
    // With room for other sizes in it, from the prompt on, a plan makes the same bits.
    let again = continuation(&fresh);
    assert!(again.iter().all(|(is_replay, ..)| *is_replay), "{again:?}");
    let what =
        |tokens: &[(bool, u32, u32)]| tokens.iter().map(|(_, id, bits)| (*id, *bits)).collect::<Vec<_>>();
    assert_eq!(what(&again), what(&tokens));
}
