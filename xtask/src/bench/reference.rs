//! What is right: the native engine on the same weights, itself held to PyTorch by the tests.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::cases::{COLUMNS, Case, D_MODEL, D_VOCAB, N_LAYERS, N_SWEEP, Work, tokens};
use super::compare::{self, Agreement};
use super::tensors::{self, Tensors};
use crate::paths;

/// The command line, and the weights that it reads.
pub struct Reference {
    program: PathBuf,
    weights: PathBuf,
    /// The last run: both halves mostly ask for the same.
    last: RefCell<Option<(Vec<u32>, Rc<Tensors>)>>,
    /// Patches made one by one take many runs: once is enough.
    sweep: OnceCell<BTreeMap<usize, f32>>,
    attribution: OnceCell<BTreeMap<usize, f32>>,
}

/// The stream after each block, all patterns, all logits: what one run keeps.
const CAPTURE: &str = "logits,blocks.*.hook_resid_post,blocks.*.attn.hook_pattern";

/// The patches of the sweep that are computed one by one, as (block, position).
pub const PATCHES: [(usize, usize); 4] = [(0, 0), (3, 14), (7, 5), (11, 14)];

impl Reference {
    /// `program` is the command line.
    pub fn new(program: PathBuf, weights: &Path) -> Self {
        Self {
            program,
            weights: weights.to_path_buf(),
            last: RefCell::default(),
            sweep: OnceCell::new(),
            attribution: OnceCell::new(),
        }
    }

    /// Verifies what a page or a program computed for a case, on the tokens that it says it read or else the job's.
    ///
    /// Errors: it is wrong, or too little of it can be compared.
    pub fn verify(&self, case: &Case, report: &Value, half: Half) -> Result<Agreement> {
        let checks = compare::checks_of(report)?;
        let wanted = wanted(case, half);
        match case.work {
            Work::Forward { .. } | Work::Prefill { .. } | Work::Decode { .. } => {
                let said = report.get("tokens").cloned().unwrap_or_else(|| case.job()["tokens"].clone());
                let tokens: Vec<u32> = said
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|id| id.as_u64())
                    .map(|id| id as u32)
                    .collect();
                let tensors = self.tensors(&tokens)?;
                compare::verify(&checks, &|name, at| tensors::value(&tensors, name, at), &wanted)
            }
            Work::Sae => {
                let top = tensors::floats(&read(&self.weights.join("sae.top.f32"))?);
                let expected = |name: &str, at: usize| top.get(at).copied().filter(|_| name == "sae.top");
                compare::verify(&checks, &expected, &wanted)
            }
            Work::Sweep => {
                let expected = once(&self.sweep, || self.sweep())?;
                compare::verify(&checks, &|name, at| patched_value(expected, name, at), &wanted)
            }
            Work::Attribution => {
                let expected = once(&self.attribution, || self.attribution())?;
                compare::verify(&checks, &|_, at| expected.get(&at).copied(), &wanted)
            }
        }
    }

    /// Verifies predictions for `tokens`, five a position.
    ///
    /// Errors: as [`Reference::verify`].
    pub fn verify_predictions(&self, tokens: &[u32], report: &Value) -> Result<Agreement> {
        let tensors = self.tensors(tokens)?;
        let wanted = [("logprobs".to_owned(), 5 * tokens.len())].into();
        compare::verify(&compare::checks_of(report)?, &|name, at| tensors::value(&tensors, name, at), &wanted)
    }

    /// Some values of the sweep, [block pos column]: logits at the last position.
    fn sweep(&self) -> Result<BTreeMap<usize, f32>> {
        let mut expected = BTreeMap::new();
        for (layer, pos) in PATCHES {
            let clean = json!({ "prompt": { "tokens": tokens(N_SWEEP, 2) } });
            let logits = self.patched(layer, pos, &json!({ "kind": "patch", "from": clean }))?;
            for (column, logit) in logits.into_iter().enumerate() {
                expected.insert((layer * N_SWEEP + pos) * COLUMNS.len() + column, logit);
            }
        }
        Ok(expected)
    }

    /// Some values of attribution patching, [block pos]: how fast the logit difference changes on the way to the clean
    /// stream, by a difference quotient of fourth order.
    fn attribution(&self) -> Result<BTreeMap<usize, f32>> {
        const STEP: f32 = 0.04;
        let streams = |salt| self.run(&tokens(N_SWEEP, salt), None, "blocks.*.hook_resid_pre");
        let (corrupted, clean) = (streams(1)?, streams(2)?);
        let mut expected = BTreeMap::new();
        for (layer, pos) in PATCHES {
            let at = format!("blocks.{layer}.hook_resid_pre");
            let row = |run: &Tensors| -> Option<Vec<f32>> {
                Some(run.get(&at)?.get(pos * D_MODEL..(pos + 1) * D_MODEL)?.to_vec())
            };
            let (from, to) = row(&corrupted).zip(row(&clean)).with_context(|| format!("no {at}"))?;
            let metric = |share: f32| -> Result<f64> {
                let values: Vec<f32> = from.iter().zip(&to).map(|(from, to)| share * (to - from)).collect();
                let [one, other] = self.patched(layer, pos, &json!({ "kind": "add", "values": values }))?;
                Ok(f64::from(one) - f64::from(other))
            };
            let near = metric(STEP)? - metric(-STEP)?;
            let far = metric(2.0 * STEP)? - metric(-2.0 * STEP)?;
            expected.insert(layer * N_SWEEP + pos, ((8.0 * near - far) / (12.0 * f64::from(STEP))) as f32);
        }
        Ok(expected)
    }

    /// The logits of the chosen columns at the last position of the corrupted run with one edit.
    fn patched(&self, layer: usize, pos: usize, edit: &Value) -> Result<[f32; 2]> {
        let at = format!("blocks.{layer}.hook_resid_pre");
        let edits = json!([{ "at": at, "select": { "pos": pos }, "edit": edit }]);
        let run = self.run(&tokens(N_SWEEP, 1), Some(&edits), "logits")?;
        let last = run
            .get("logits")
            .and_then(|logits| logits.get((N_SWEEP - 1) * D_VOCAB..))
            .context("no logits")?;
        Ok(COLUMNS.map(|id| last[id as usize]))
    }

    /// What a plain run on `tokens` gives.
    fn tensors(&self, tokens: &[u32]) -> Result<Rc<Tensors>> {
        if let Some((of, tensors)) = &*self.last.borrow()
            && of == tokens
        {
            return Ok(Rc::clone(tensors));
        }
        // Patterns of a long context would be large, and a continuation is judged by its logits.
        let capture = if tokens.len() > 256 { "logits" } else { CAPTURE };
        let tensors = Rc::new(self.run(tokens, None, capture)?);
        *self.last.borrow_mut() = Some((tokens.to_vec(), Rc::clone(&tensors)));
        Ok(tensors)
    }

    fn run(&self, tokens: &[u32], interventions: Option<&Value>, capture: &str) -> Result<Tensors> {
        let scratch = paths::target().join("bench");
        fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
        let (out, edits) = (scratch.join("reference.safetensors"), scratch.join("interventions.json"));
        let ids: Vec<String> = tokens.iter().map(u32::to_string).collect();
        let mut command = Command::new(&self.program);
        command.args(["run", "--tokens", &ids.join(","), "--capture", capture, "--json"]);
        command.arg("--model").arg(&self.weights).arg("--out").arg(&out);
        if let Some(interventions) = interventions {
            fs::write(&edits, interventions.to_string())
                .with_context(|| format!("cannot write {}", edits.display()))?;
            command.arg("--interventions").arg(&edits);
        }
        let output = command.output().with_context(|| format!("cannot start {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "the native run failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let tensors = tensors::of(&read(&out)?);
        fs::remove_file(&out).with_context(|| format!("cannot delete {}", out.display()))?;
        tensors
    }
}

/// Whose result it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Vitrine's: what the worker replies.
    Ours,
    /// onnxruntime-web's.
    Peer,
}

/// The least that must be compared, by name.
fn wanted(case: &Case, half: Half) -> BTreeMap<String, usize> {
    let per_layer =
        |hook: &str| -> Vec<String> { (0..N_LAYERS).map(|layer| format!("blocks.{layer}.{hook}")).collect() };
    let all = |names: Vec<String>, n: usize| names.into_iter().map(move |name| (name, n));
    let sweeps = |n| {
        let names = ["naive", "from_layer", "shared_prefix"].map(|name| format!("sweep.{name}"));
        all(names.to_vec(), n).collect()
    };
    let patterns = || all(per_layer("attn.hook_pattern"), 64);
    match (case.work, half) {
        (Work::Forward { n_tokens }, Half::Ours) => {
            patterns().chain([("logprobs".to_owned(), 5 * n_tokens)]).collect()
        }
        (Work::Forward { .. }, Half::Peer) => patterns()
            .chain(all(per_layer("hook_resid_post"), 64))
            .chain([("logits".to_owned(), 2000)])
            .collect(),
        (Work::Prefill { .. }, Half::Ours) => [("logprobs".to_owned(), 1)].into(),
        (Work::Prefill { .. }, Half::Peer) => [("logits".to_owned(), 2000)].into(),
        (Work::Decode { .. }, Half::Ours) => [("logprobs".to_owned(), case.n_samples)].into(),
        (Work::Decode { .. }, Half::Peer) => [("logits".to_owned(), 64 * case.n_samples)].into(),
        (Work::Sae, _) => [("sae.top".to_owned(), 2000)].into(),
        (Work::Sweep, Half::Peer) => sweeps(PATCHES.len() * COLUMNS.len()),
        (Work::Sweep, Half::Ours) => [("sweep.diff".to_owned(), PATCHES.len())].into(),
        (Work::Attribution, _) => [("attribution".to_owned(), PATCHES.len())].into(),
    }
}

/// A value of a sweep: a column's logit, or in `sweep.diff` [block pos] the difference of the two columns.
fn patched_value(logits: &BTreeMap<usize, f32>, name: &str, at: usize) -> Option<f32> {
    let logit = |at: usize| logits.get(&at).copied();
    if name == "sweep.diff" { Some(logit(2 * at)? - logit(2 * at + 1)?) } else { logit(at) }
}

/// What `cell` holds, filled at the first call.
fn once<T>(cell: &OnceCell<T>, fill: impl FnOnce() -> Result<T>) -> Result<&T> {
    if cell.get().is_none() {
        // Nobody else fills it: `fill` does not come here.
        let _ = cell.set(fill()?);
    }
    Ok(cell.get().expect("set above"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::{CASES, native};

    #[test]
    fn a_difference_is_that_of_the_columns() {
        let logits = BTreeMap::from([(6, 5.0), (7, 3.5)]);
        assert_eq!(patched_value(&logits, "sweep.diff", 3), Some(1.5));
        assert_eq!(patched_value(&logits, "sweep.naive", 6), Some(5.0));
        assert_eq!(patched_value(&logits, "sweep.diff", 6), None);
    }

    #[test]
    fn every_case_has_something_to_compare() {
        for case in CASES.iter().chain(native::CASES) {
            for half in [Half::Ours, Half::Peer] {
                assert!(wanted(case, half).values().all(|n| *n > 0) && !wanted(case, half).is_empty());
            }
        }
    }
}
