//! What must hold for any model and backend, whatever its numbers: checked before goldens.

use vitrine::{
    backend::Backend,
    engine::{Engine, NoPace, RunError},
    hook::{Axis, HookPoint, HookSet, Presence, Site},
    intervention::{Edit, Intervention, Select, Source, Values},
    prompt::Prompt,
    protocol::FinishReason,
    run::{GenerateSpec, Readout, RunSpec, WeightForm},
    tensor::HostTensor,
};

use crate::{
    compare::{GOLDEN_TOL, compare},
    support::{ATTN_ONLY, FAMILIES, GPT2, always, edits, engine, logits, run, spec, try_run},
};

/// f32 against the f64 oracle. make.py measured the same distance between the precisions of torch.
const ORACLE_TOL: f32 = 1e-5;
/// A row of probabilities in f32, of at most 41 entries: a rounding of 6e-8 each.
const ROW_SUM_TOL: f64 = 3e-6;
/// The same function summed in another order, in f32.
const REORDER_TOL: f32 = 1e-5;
/// Folding rounds every product of weights once to f32.
const FOLD_TOL: f32 = 1e-4;

const MODELS: [&str; 2] = [GPT2, ATTN_ONLY];
const TOKENS: [u32; 11] = [11, 4, 30, 23, 4, 27, 0, 28, 19, 22, 5];

/// Hands the names of all laws to another macro.
macro_rules! with_all_laws {
    ($make:ident) => {
        $make! {
            pattern_rows_sum_to_one_and_see_no_future,
            a_later_token_changes_no_earlier_position,
            folded_and_unfolded_weights_are_the_same_function,
            patching_a_run_with_itself_changes_nothing,
            an_edit_that_keeps_every_value_changes_nothing,
            the_cache_holds_the_value_that_the_model_went_on_to_use,
            what_is_downstream_follows_an_edit,
            capture_changes_nothing,
            f32_agrees_with_the_f64_oracle,
            nothing_left_is_still_a_finite_answer,
            values_that_overflow_are_refused_with_the_first_hook_point_named,
            a_value_that_overflows_while_generating_is_found_as_well,
            a_cached_continuation_is_the_one_of_running_everything_again,
            a_readout_of_nothing_reads_nothing,
        }
    };
}
#[cfg(feature = "webgpu")]
pub(crate) use with_all_laws;

mod on_the_cpu {
    macro_rules! tests {
        ($($law:ident),* $(,)?) => {
            $(
                #[test]
                fn $law() {
                    super::$law(crate::support::engine::<f32>);
                }
            )*
        };
    }
    with_all_laws!(tests);
}

mod on_the_oracle {
    #[test]
    fn pattern_rows_sum_to_one_and_see_no_future() {
        super::pattern_rows_sum_to_one_and_see_no_future(crate::support::engine::<f64>);
    }

    #[test]
    fn folded_and_unfolded_weights_are_the_same_function() {
        super::folded_and_unfolded_weights_are_the_same_function(crate::support::engine::<f64>);
    }
}

fn capture_all<B: Backend>(engine: &Engine<B>, tokens: &[u32]) -> RunSpec {
    RunSpec { capture: HookSet::of(engine.config().hook_points()), ..spec(tokens) }
}

fn edit(at: HookPoint, edit: Edit) -> Intervention {
    Intervention { at, select: Select::default(), edit }
}

fn same(at: &str, got: &HostTensor, want: &HostTensor, tol: f32) {
    compare(at, got, want, tol).unwrap_or_else(|divergence| panic!("{divergence}"));
}

pub(crate) fn pattern_rows_sum_to_one_and_see_no_future<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    fn check<B: Backend>(engine: &Engine<B>, model: &str) {
        let result = run(engine, &capture_all(engine, &TOKENS));
        for layer in 0..engine.config().n_layers {
            let pattern = &result.captures[&HookPoint::Block(layer, Site::Pattern)]; // [head q_pos k_pos]
            let scores = &result.captures[&HookPoint::Block(layer, Site::AttnScores)];
            let n_rows = engine.config().n_heads * TOKENS.len();
            for row in 0..n_rows {
                let q_pos = row % TOKENS.len();
                let (seen, future) = pattern.row(row).split_at(q_pos + 1);
                let sum: f64 = seen.iter().map(|p| f64::from(*p)).sum();
                assert!((sum - 1.0).abs() <= ROW_SUM_TOL, "{model} layer {layer} row {row}: {sum}");
                assert!(future.iter().all(|p| p.to_bits() == 0), "{model} layer {layer} row {row}");
                let masked = &scores.row(row)[q_pos + 1..];
                assert!(masked.iter().all(|score| *score == f32::NEG_INFINITY), "{model} layer {layer}");
            }
        }
    }
    for model in FAMILIES {
        check(&on(model), model);
    }
}

/// The entries of a value that belong to query positions before `n_pos`.
fn before(hook: HookPoint, value: &HostTensor, n_pos: usize) -> Vec<f32> {
    let shape = value.shape();
    match hook.axes() {
        [Axis::Pos, ..] => value.data()[..n_pos * value.data().len() / shape[0]].to_vec(),
        [Axis::Head, Axis::Pos, Axis::KeyPos] => {
            let rows = (0..shape[0]).flat_map(|head| (0..n_pos).map(move |q_pos| head * shape[1] + q_pos));
            rows.flat_map(|row| value.row(row)[..n_pos].to_vec()).collect()
        }
        other => panic!("{hook} has the axes {other:?}"),
    }
}

pub(crate) fn a_later_token_changes_no_earlier_position<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in FAMILIES {
        let engine = on(model);
        let whole = run(&engine, &capture_all(&engine, &TOKENS));
        for n_pos in [1, 6, 10] {
            let mut other = TOKENS;
            other[n_pos..].iter_mut().for_each(|id| *id = (*id + 13) % 31);
            let changed = run(&engine, &capture_all(&engine, &other));
            let shorter = run(&engine, &capture_all(&engine, &TOKENS[..n_pos]));
            for (hook, value) in &whole.captures {
                let want = before(*hook, value, n_pos);
                // The very same arithmetic, so the very same bits.
                assert_eq!(before(*hook, &changed.captures[hook], n_pos), want, "{model} {hook} {n_pos}");
                let as_row = |data: Vec<f32>| HostTensor::new(vec![data.len()], data).expect("a row");
                let got = as_row(before(*hook, &shorter.captures[hook], n_pos));
                same(&hook.to_string(), &got, &as_row(want), REORDER_TOL);
            }
        }
    }
}

/// log p(every token) after each position. [pos d_vocab]
fn logprobs(logits: &HostTensor) -> HostTensor {
    let mut all = logits.clone();
    for row in all.data_mut().chunks_exact_mut(logits.last_axis()) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|logit| f64::from(logit - max).exp()).sum();
        let log_z = f64::from(max) + sum.ln();
        row.iter_mut().for_each(|logit| *logit = (f64::from(*logit) - log_z) as f32);
    }
    all
}

pub(crate) fn folded_and_unfolded_weights_are_the_same_function<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    fn check<B: Backend>(engine: &Engine<B>, model: &str) {
        let raw = run(engine, &capture_all(engine, &TOKENS));
        let processed =
            run(engine, &RunSpec { weights: WeightForm::Processed, ..capture_all(engine, &TOKENS) });
        let logits = |result: &vitrine::run::RunResult| result.captures[&HookPoint::Logits].clone();
        same("log-probabilities", &logprobs(&logits(&processed)), &logprobs(&logits(&raw)), FOLD_TOL);
        // The weights did change: logits lost their mean over the vocabulary, unless they are capped.
        let is_other = compare("logits", &logits(&processed), &logits(&raw), FOLD_TOL).is_err();
        assert_eq!(is_other, engine.config().logit_soft_cap.is_none(), "{model}");
        for layer in 0..engine.config().n_layers {
            for site in [Site::Pattern, Site::AttnScores, Site::Q, Site::K, Site::Ln1Normalized] {
                let hook = HookPoint::Block(layer, site);
                same(&hook.to_string(), &processed.captures[&hook], &raw.captures[&hook], FOLD_TOL);
            }
        }
    }
    for model in FAMILIES {
        check(&on(model), model);
    }
}

pub(crate) fn patching_a_run_with_itself_changes_nothing<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in FAMILIES {
        let engine = on(model);
        let want = logits(&engine, &TOKENS, &[]);
        for hook in engine.config().hook_points() {
            let from = Source { prompt: Prompt::Tokens { tokens: TOKENS.to_vec() }, interventions: vec![] };
            let patch = edit(hook, Edit::Patch { from: Box::new(from), positions: None });
            let got = logits(&engine, &TOKENS, &[patch]);
            match hook.presence() {
                Presence::Always => assert_eq!(got, want, "{model} {hook}"),
                // Edited, these are summed head by head.
                Presence::OnRequest => same(&hook.to_string(), &got, &want, REORDER_TOL),
            }
        }
    }
}

pub(crate) fn an_edit_that_keeps_every_value_changes_nothing<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in FAMILIES {
        let engine = on(model);
        let want = logits(&engine, &TOKENS, &[]);
        for hook in always(&engine) {
            assert_eq!(logits(&engine, &TOKENS, &[edit(hook, Edit::Scale { by: 1.0 })]), want, "{hook}");
        }
    }
}

pub(crate) fn the_cache_holds_the_value_that_the_model_went_on_to_use<B: Backend>(
    on: impl Fn(&str) -> Engine<B>,
) {
    for model in FAMILIES {
        let engine = on(model);
        let whole = run(&engine, &capture_all(&engine, &TOKENS));
        for hook in engine.config().hook_points() {
            let add = edit(hook, Edit::Add { values: Values::Scalar(0.5) });
            let spec = RunSpec { interventions: vec![add], ..capture_all(&engine, &TOKENS) };
            let got = &run(&engine, &spec).captures[&hook];
            let mut want = whole.captures[&hook].clone();
            want.data_mut().iter_mut().for_each(|value| *value += 0.5);
            same(&hook.to_string(), got, &want, 0.0);
        }
    }
}

pub(crate) fn what_is_downstream_follows_an_edit<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in MODELS {
        let engine = on(model);
        let z = HookPoint::Block(1, Site::Z);
        let attn_out = HookPoint::Block(1, Site::AttnOut);
        let run_with = |interventions: Vec<Intervention>| {
            let capture = HookSet::of(always(&engine));
            run(&engine, &RunSpec { interventions, capture, ..spec(&TOKENS) }).captures
        };
        // No head says anything: what is left is b_O, the same at every position.
        let silent = run_with(vec![edit(z, Edit::Zero)]);
        assert!(silent[&z].data().iter().all(|value| value.to_bits() == 0));
        let b_o = silent[&attn_out].row(0);
        assert!((0..TOKENS.len()).all(|pos| silent[&attn_out].row(pos) == b_o), "{model}");
        assert!(b_o.iter().any(|value| value.abs() > 0.01), "{model}: b_O is off its default");

        // An edit of one head acts through attn_out alone: writing that into a clean run does the same.
        let head = r#"[{"at":"blocks.1.attn.hook_z","select":{"head":1},"edit":{"kind":"scale","by":-3}}]"#;
        let edited = run_with(edits(head));
        let from = Source { prompt: Prompt::Tokens { tokens: TOKENS.to_vec() }, interventions: edits(head) };
        let patched = run_with(vec![edit(attn_out, Edit::Patch { from: Box::new(from), positions: None })]);
        assert_eq!(patched[&attn_out], edited[&attn_out], "{model}");
        assert_eq!(patched[&HookPoint::Logits], edited[&HookPoint::Logits], "{model}");
        assert_ne!(patched[&z], edited[&z], "{model}");
        assert_ne!(edited[&HookPoint::Logits], logits(&engine, &TOKENS, &[]), "{model}");
    }
}

pub(crate) fn capture_changes_nothing<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in FAMILIES {
        let engine = on(model);
        let want = logits(&engine, &TOKENS, &[]);
        let all = RunSpec { capture: HookSet::of(always(&engine)), ..spec(&TOKENS) };
        assert_eq!(run(&engine, &all).captures[&HookPoint::Logits], want, "{model}");
        for hook in engine.config().hook_points() {
            let spec = RunSpec { capture: HookSet::of([hook, HookPoint::Logits]), ..spec(&TOKENS) };
            let got = &run(&engine, &spec).captures[&HookPoint::Logits];
            match hook {
                // Made head by head, these are summed in another order.
                HookPoint::Block(_, Site::Result) => same("logits", got, &want, REORDER_TOL),
                _ => assert_eq!(*got, want, "{model} {hook}"),
            }
        }
    }
}

pub(crate) fn f32_agrees_with_the_f64_oracle<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in FAMILIES {
        let (working, oracle) = (on(model), engine::<f64>(model));
        for weights in [WeightForm::Raw, WeightForm::Processed] {
            let spec = RunSpec { weights, ..capture_all(&working, &TOKENS) };
            let (got, want) = (run(&working, &spec), run(&oracle, &spec));
            for hook in working.config().hook_points() {
                same(&hook.to_string(), &got.captures[&hook], &want.captures[&hook], ORACLE_TOL);
            }
        }
    }
}

pub(crate) fn nothing_left_is_still_a_finite_answer<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in MODELS {
        let engine = on(model);
        for hook in engine.config().hook_points() {
            let zero = edit(hook, Edit::Zero);
            let result = try_run(&engine, &RunSpec { interventions: vec![zero], ..spec(&TOKENS) });
            match hook {
                // A norm that divides by 0 is no answer, and says where.
                HookPoint::Block(_, Site::Ln1Scale | Site::Ln2Scale) | HookPoint::FinalScale => {
                    let normalized = hook.to_string().replace("hook_scale", "hook_normalized");
                    assert_eq!(result.err(), Some(RunError::NonFinite { hook: normalized }), "{model}");
                }
                _ => assert!(result.is_ok(), "{model} {hook}: {result:?}"),
            }
        }
    }
}

const OVERFLOW: &str = r#"[{"at":"blocks.1.hook_resid_pre","edit":{"kind":"scale","by":1e30}},
                           {"at":"blocks.1.hook_resid_pre","edit":{"kind":"scale","by":1e30}}]"#;

pub(crate) fn values_that_overflow_are_refused_with_the_first_hook_point_named<B: Backend>(
    on: impl Fn(&str) -> Engine<B>,
) {
    let first = RunError::NonFinite { hook: "blocks.1.hook_resid_pre".to_owned() };
    for model in MODELS {
        let engine = on(model);
        let spec = RunSpec { interventions: edits(OVERFLOW), ..spec(&TOKENS) };
        assert_eq!(try_run(&engine, &spec).err(), Some(first.clone()), "{model}");
        let generate = GenerateSpec { interventions: edits(OVERFLOW), ..greedy(&TOKENS, 4) };
        let refused = pollster::block_on(engine.generate(&generate, &mut NoPace, |_| {}));
        assert_eq!(refused.err(), Some(first.clone()), "{model}");
    }
}

pub(crate) fn a_value_that_overflows_while_generating_is_found_as_well<B: Backend>(
    on: impl Fn(&str) -> Engine<B>,
) {
    let engine = on(GPT2);
    let late = OVERFLOW.replace(r#""edit""#, r#""select":{"pos":"12:"},"edit""#);
    let spec = GenerateSpec { interventions: edits(&late), ..greedy(&TOKENS, 8) };
    let mut n_steps = 0;
    let refused = pollster::block_on(engine.generate(&spec, &mut NoPace, |steps| n_steps = steps.len()));
    assert_eq!(refused.err(), Some(RunError::NonFinite { hook: "blocks.1.hook_resid_pre".to_owned() }));
    assert_eq!(n_steps, 2);
}

fn greedy(tokens: &[u32], max_new_tokens: usize) -> GenerateSpec {
    GenerateSpec::greedy(Prompt::Tokens { tokens: tokens.to_vec() }, max_new_tokens)
}

pub(crate) fn a_cached_continuation_is_the_one_of_running_everything_again<B: Backend>(
    on: impl Fn(&str) -> Engine<B>,
) {
    // Positions count from the front, so that they mean the same in a longer prompt.
    let cases = [
        "[]",
        r#"[{"at":"blocks.1.hook_resid_pre","select":{"pos":4},"edit":{"kind":"zero"}}]"#,
        r#"[{"at":"blocks.0.attn.hook_z","select":{"head":1},"edit":{"kind":"scale","by":-2}}]"#,
        r#"[{"at":"blocks.1.attn.hook_v","select":{"pos":"9:14","head":[0,-1]},"edit":{"kind":"set","values":1.5}}]"#,
        r#"[{"at":"blocks.0.attn.hook_k","select":{"pos":"2:5"},"edit":{"kind":"add","values":0.75}}]"#,
        r#"[{"at":"blocks.1.attn.hook_attn_scores","select":{"key_pos":[0,3]},"edit":{"kind":"add","values":2}}]"#,
        r#"[{"at":"blocks.1.attn.hook_pattern","select":{"pos":"8:13","key_pos":2},"edit":{"kind":"zero"}}]"#,
        r#"[{"at":"blocks.0.attn.hook_result","select":{"head":-1},"edit":{"kind":"scale","by":3}}]"#,
        r#"[{"at":"blocks.1.hook_q_input","select":{"head":0,"component":[1,5]},"edit":{"kind":"add","values":4}}]"#,
        r#"[{"at":"blocks.1.hook_attn_out","select":{"pos":[2,3]},
             "edit":{"kind":"patch","from":{"prompt":{"tokens":[4,19,10,26]}}}}]"#,
    ];
    // Windows of the smallest models are three keys: every step has left the first ones behind.
    for model in FAMILIES {
        let engine = on(model);
        for case in cases {
            let spec = GenerateSpec { interventions: edits(case), ..greedy(&TOKENS, 8) };
            let cached = pollster::block_on(engine.generate(&spec, &mut NoPace, |_| {}))
                .unwrap_or_else(|error| panic!("{model} {case}: {error}"));
            let has_ended = cached.reason == FinishReason::EndOfSequence && 1 < cached.steps.len();
            assert!(has_ended || cached.steps.len() == 8, "{model} {case}: {:?}", cached.reason);
            let mut tokens = TOKENS.to_vec();
            for step in cached.steps {
                let again = RunSpec { interventions: edits(case), ..self::spec(&tokens) };
                let predictions = run(&engine, &again).predictions;
                let (id, logprob) = predictions.last().expect("one a position").top[0];
                assert_eq!(step.id, id, "{model} {case} after {tokens:?}");
                let err = (step.logprob - logprob).abs();
                assert!(err <= GOLDEN_TOL, "{model} {case}: {} cached, {logprob} again", step.logprob);
                tokens.push(id);
            }
        }
    }
}

pub(crate) fn a_readout_of_nothing_reads_nothing<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    let engine = on(ATTN_ONLY);
    let result = run(&engine, &RunSpec { readout: Readout::Nothing, ..spec(&TOKENS) });
    assert_eq!((result.predictions.len(), result.captures.len()), (0, 0));
}
