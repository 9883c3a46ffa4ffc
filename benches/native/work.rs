//! Forward passes and continuations, through the engine's public functions.

use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Instant;

use vitrine::analysis::attention::{AllOrNone, Heads, Question as Attention};
use vitrine::analysis::{Answer, Question};
use vitrine::backend::{Backend, backward::Backward};
use vitrine::engine::{Engine, GenerateStep, NoPace};
use vitrine::hook::HookSet;
use vitrine::prompt::Prompt;
use vitrine::run::{GenerateSpec, Readout, RunSpec, WeightForm};

use crate::Fallible;
use crate::job::{Job, Prepared, check, millis, sample, times};

/// How many candidates come back at each position.
const TOP_K: usize = 5;

/// The question of the page but for the scores of heads: all patterns are kept, and the likeliest tokens at every position
/// come back.
pub(crate) fn forward<B: Backward + 'static>(engine: Rc<Engine<B>>, job: &Job) -> Fallible<Prepared> {
    let question = |heads| {
        Question::Attention(Attention {
            prompt: Prompt::Tokens { tokens: job.tokens.clone() },
            weights: WeightForm::Raw,
            interventions: vec![],
            top_k: TOP_K,
            heads: Heads::Word(heads),
            patterns: Heads::Word(heads),
            scores: Heads::Word(AllOrNone::None),
        })
    };
    let answer = pollster::block_on(engine.ask(&question(AllOrNone::All), &mut NoPace, |_| {}))?;
    let Answer::Attention(answer) = answer else { return Err("another question was answered".into()) };
    let candidates = answer.positions.iter().enumerate().flat_map(|(pos, position)| {
        position.top.iter().map(move |of| (pos * job.d_vocab + of.token.id as usize, of.logprob))
    });
    let (at, values) = candidates.unzip();
    let n = job.tokens.len();
    let patterns = answer.patterns.iter().map(|of| {
        let name = format!("blocks.{}.attn.hook_pattern", of.layer);
        sample(name, of.values.data(), 16, of.head * n * n)
    });
    let checks: Vec<Value> = std::iter::once(check("logprobs", at, values)).chain(patterns).collect();
    let (n_samples, quiet) = (job.n_samples, question(AllOrNone::None));
    let measure = move || {
        let samples = times(n_samples, || {
            pollster::block_on(engine.ask(&quiet, &mut NoPace, |_| {}))?;
            Ok(())
        })?;
        Ok(json!(samples))
    };
    Ok(Prepared { report: json!({ "checks": checks }), measure: Box::new(measure) })
}

/// A forward pass that nobody looks into, and the likeliest tokens at every position.
pub(crate) fn run<B: Backend + 'static>(engine: Rc<Engine<B>>, job: &Job) -> Fallible<Prepared> {
    let spec = RunSpec {
        tokens: job.tokens.clone(),
        weights: WeightForm::Raw,
        interventions: vec![],
        capture: HookSet::default(),
        readout: Readout::Predictions { top_k: TOP_K },
    };
    let result = pollster::block_on(engine.run(&spec, &mut NoPace))?;
    let candidates = result.predictions.iter().enumerate().flat_map(|(pos, prediction)| {
        prediction.top.iter().map(move |(id, logprob)| (pos * job.d_vocab + *id as usize, *logprob))
    });
    let (at, values) = candidates.unzip();
    let n_samples = job.n_samples;
    let measure = move || {
        let samples = times(n_samples, || {
            pollster::block_on(engine.run(&spec, &mut NoPace))?;
            Ok(())
        })?;
        Ok(json!(samples))
    };
    Ok(Prepared { report: json!({ "checks": [check("logprobs", at, values)] }), measure: Box::new(measure) })
}

/// From a prompt to the token after it.
pub(crate) fn prefill<B: Backend + 'static>(engine: Rc<Engine<B>>, job: &Job) -> Fallible<Prepared> {
    let spec = GenerateSpec::greedy(Prompt::Tokens { tokens: job.tokens.clone() }, 1);
    let generated = pollster::block_on(engine.generate(&spec, &mut NoPace, |_| {}))?;
    let checks = [logprobs(&generated.steps, job.tokens.len(), job.d_vocab)];
    let n_samples = job.n_samples;
    let measure = move || {
        let samples = times(n_samples, || {
            pollster::block_on(engine.generate(&spec, &mut NoPace, |_| {}))?;
            Ok(())
        })?;
        Ok(json!(samples))
    };
    Ok(Prepared { report: json!({ "checks": checks }), measure: Box::new(measure) })
}

/// The time between one token's arrival and the next. The first comes after the whole prompt and is not counted.
///
/// Verified and timed in one go, since every step is like the others and a long prompt takes its time.
pub(crate) fn decode<B: Backend + 'static>(engine: Rc<Engine<B>>, job: &Job) -> Fallible<Prepared> {
    let context = job.tokens.get(..job.n_context).ok_or("the context is longer than the prompt")?.to_vec();
    let spec = GenerateSpec::greedy(Prompt::Tokens { tokens: context.clone() }, job.n_samples + 1);
    let mut arrivals = vec![];
    let generated =
        pollster::block_on(engine.generate(&spec, &mut NoPace, |_| arrivals.push(Instant::now())))?;
    let samples: Vec<f64> = arrivals.windows(2).map(|pair| millis(pair[1] - pair[0])).collect();
    let read: Vec<u32> = context.into_iter().chain(generated.steps.iter().map(|step| step.id)).collect();
    let checks = [logprobs(&generated.steps, job.n_context, job.d_vocab)];
    let measure = move || Ok(json!(samples));
    Ok(Prepared { report: json!({ "checks": checks, "tokens": read }), measure: Box::new(measure) })
}

/// What the model said of each token that it chose after `n_context` tokens.
fn logprobs(steps: &[GenerateStep], n_context: usize, d_vocab: usize) -> Value {
    let at = steps.iter().enumerate().map(|(i, step)| (n_context - 1 + i) * d_vocab + step.id as usize);
    check("logprobs", at.collect(), steps.iter().map(|step| step.logprob).collect())
}
