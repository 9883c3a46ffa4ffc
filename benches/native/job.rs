//! What is asked for, and what comes back; the same words as the pages of the browser bench use.

use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::Fallible;

/// After so long no further sample is taken.
const BUDGET: Duration = Duration::from_secs(20);

/// A job; `Case::job` of xtask has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    /// What is computed.
    pub(crate) work: String,
    /// The prompt; for a continuation, what may follow as well.
    pub(crate) tokens: Vec<u32>,
    /// Tokens of it before the continuation.
    pub(crate) n_context: usize,
    /// How often it is timed.
    pub(crate) n_samples: usize,
    /// Blocks of the model, to name their hook points.
    pub(crate) n_layers: usize,
    /// Tokens of the vocabulary.
    pub(crate) d_vocab: usize,
    /// The run that is patched.
    pub(crate) corrupted: Vec<u32>,
    /// The run that is patched from.
    pub(crate) clean: Vec<u32>,
    /// What is patched, as (block, position); everything by default.
    #[serde(default)]
    pub(crate) variants: Option<Vec<(usize, usize)>>,
    /// The tokens whose logits are compared.
    pub(crate) columns: [u32; 2],
}

impl Job {
    pub(crate) fn read(job: &Value) -> Fallible<Self> {
        Ok(Self::deserialize(job)?)
    }
}

/// Computed once, and ready to be timed.
pub(crate) struct Prepared {
    /// `{ checks, ..notes }`.
    pub(crate) report: Value,
    /// Milliseconds of each run.
    pub(crate) measure: Box<dyn FnMut() -> Fallible<Value>>,
}

/// A time span in milliseconds.
pub(crate) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Milliseconds of `n` runs of `work`, or of as many as take a while.
pub(crate) fn times(n: usize, mut work: impl FnMut() -> Fallible<()>) -> Fallible<Vec<f64>> {
    let (begin, mut samples) = (Instant::now(), vec![]);
    while samples.len() < n && (samples.is_empty() || begin.elapsed() < BUDGET) {
        let start = Instant::now();
        work()?;
        samples.push(millis(start.elapsed()));
    }
    Ok(samples)
}

/// Some values of an array, with their places in the whole of what `name` means.
pub(crate) fn check(name: impl Into<String>, at: Vec<usize>, values: Vec<f32>) -> Value {
    json!({ "name": name.into(), "at": at, "values": values })
}

/// Values spread evenly over an array that begins at `start` of the whole of that name. An odd step goes through all
/// columns of an even row.
pub(crate) fn sample(name: impl Into<String>, data: &[f32], n: usize, start: usize) -> Value {
    let step = (data.len() / n).max(1) | 1;
    let at: Vec<usize> = (step / 2..data.len()).step_by(step).collect();
    let values = at.iter().map(|at| data[*at]).collect();
    check(name, at.iter().map(|at| start + at).collect(), values)
}
