//! The native engine beside PyTorch in f32 on the same weights: on the processor, and on a GPU.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::build::{self, Program as Built};
use super::cases::native::CASES;
use super::cases::{Case, Provider};
use super::program::Program;
use super::reference::{Half, Reference};
use super::runner::Subject as _;
use super::table::Row;
use super::{machine, peer, runner};

/// What is measured, and with what.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only this case.
    pub case: Option<String>,
    /// Only the processor or only the GPU.
    pub provider: Option<Provider>,
    /// A Python that has PyTorch, in place of an environment of our own.
    pub python: Option<PathBuf>,
    /// A folder with the programs, in place of building them.
    pub programs: Option<PathBuf>,
}

/// Everything that can be measured alone.
pub fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

/// Measures everything, or what was chosen.
///
/// Errors: a result is wrong or could not be had. A short case is no error.
pub fn run(choice: &Choice) -> Result<()> {
    let Some(weights) = weights(choice) else { return Ok(()) };
    let programs = choice.programs.as_deref();
    let reference = Reference::new(build::program(Built::Vitrine, programs)?, &weights);
    let ours = build::program(Built::Native, programs)?;
    let python = match &choice.python {
        Some(python) => Ok(python.clone()),
        None => peer::torch(),
    };
    if let Err(error) = &python {
        println!("\n  SKIPPED, PyTorch's half: {error:#}.\n");
    }
    let mut failures = Vec::new();
    for provider in [Provider::Cpu, Provider::Gpu] {
        let cases = Case::chosen(CASES, choice.case.as_deref()).context("there is no such case")?;
        let cases: Vec<_> = cases.into_iter().filter(|case| case.provider == provider).collect();
        if !cases.is_empty() && choice.provider.is_none_or(|chosen| chosen == provider) {
            let table = Table {
                provider,
                cases,
                is_whole: choice.case.is_none(),
                weights: &weights,
                ours: &ours,
                python: python.as_deref().ok(),
            };
            failures.extend(table.measure(&reference)?);
        }
    }
    match failures.as_slice() {
        [] => Ok(()),
        failures => bail!("not measured: {}", failures.join(", ")),
    }
}

/// The folder with the shared weights, or `None`, and said so.
pub fn weights(choice: &Choice) -> Option<PathBuf> {
    peer::weights(choice.python.as_deref())
        .map_err(|error| println!("\n  SKIPPED, all of it: {error:#}.\n"))
        .ok()
}

/// Vitrine's half, started on `provider`.
///
/// Errors: it does not start.
pub fn ours(program: &Path, weights: &Path, provider: Provider, n_threads: usize) -> Result<Program> {
    let mut command = Command::new(program);
    command.env("RAYON_NUM_THREADS", n_threads.to_string());
    Program::start(command.arg(weights).arg(provider.word()))
}

/// The cases of one provider.
struct Table<'a> {
    provider: Provider,
    cases: Vec<&'static Case>,
    is_whole: bool,
    weights: &'a Path,
    ours: &'a Path,
    python: Option<&'a Path>,
}

impl Table<'_> {
    /// Measures, prints and writes; returns what could not be measured.
    fn measure(&self, reference: &Reference) -> Result<Vec<String>> {
        let (started_at, load_before) = (Instant::now(), machine::load());
        let Some((adapter, ours)) = self.opened(Half::Ours) else { return Ok(vec![]) };
        let (peer_adapter, peer) = self.opened(Half::Peer).unzip();
        let is_claim = !(self.provider == Provider::Gpu && machine::is_software(&adapter));
        println!("\n  Vitrine: {adapter}");
        println!("  peer:    {}", peer_adapter.as_deref().unwrap_or("none"));
        if !is_claim {
            println!("  A GPU that is computed on the processor: its times say nothing of a GPU's.");
        }
        let has_peer = peer.is_some();
        // One program each for all cases of so many threads, and a new one after a failure: weights are read once.
        let opened = [(Half::Ours, Some(ours)), (Half::Peer, peer)].into_iter();
        let opened = opened.filter_map(|(half, program)| Some(((half == Half::Peer, 1), program?)));
        let programs = RefCell::new(opened.collect::<BTreeMap<_, _>>());
        let rows = runner::rows(&self.cases, has_peer, &mut |case, half| {
            let (slot, programs) = ((half == Half::Peer, case.n_threads), &programs);
            let kept = programs.borrow_mut().remove(&slot);
            let mut program = match kept {
                Some(program) => program,
                None => self.start(half, case.n_threads)?,
            };
            let measured = runner::verified(&mut program, reference, case, half)?;
            programs.borrow_mut().insert(slot, program);
            Ok(Box::new(move || {
                let kept = programs.borrow_mut().remove(&slot);
                let mut program = kept.context("the program failed before")?;
                let times = measured(&program.measure()?)?;
                programs.borrow_mut().insert(slot, program);
                Ok(times)
            }))
        });
        if self.is_whole && is_claim {
            self.write(&rows, &adapter, peer_adapter.as_deref(), load_before)?;
        }
        println!("{}", runner::summary(&rows, started_at));
        Ok(runner::failures(&rows, has_peer))
    }

    /// One half's program and what it computes on; `None`, and said so, where it does not start.
    fn opened(&self, half: Half) -> Option<(String, Program)> {
        if half == Half::Peer {
            self.python?;
        }
        let opened =
            self.start(half, 1).and_then(|mut program| Ok((program.ask(&json!("adapter"))?, program)));
        match opened {
            Ok((adapter, program)) => Some((adapter.as_str().unwrap_or("unknown").to_owned(), program)),
            Err(error) => {
                println!("\n  SKIPPED, {half:?} on the {}: {error:#}.\n", self.provider.word());
                None
            }
        }
    }

    fn start(&self, half: Half, n_threads: usize) -> Result<Program> {
        match half {
            Half::Ours => ours(self.ours, self.weights, self.provider, n_threads),
            Half::Peer => {
                let python = self.python.context("there is no Python")?;
                let mut command = peer::script(python, "native.py");
                Program::start(command.arg(self.weights).arg(self.provider.word()))
            }
        }
    }

    fn write(&self, rows: &[Row], adapter: &str, peer: Option<&str>, load_before: Option<f64>) -> Result<()> {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        super::write(
            &format!("native-{}", self.provider.word()),
            &json!({
                "what": "milliseconds, f32, random weights in the shape of GPT-2 small; figures are ratios of lower quartiles",
                "machine": machine::describe(),
                "load_before": load_before,
                "adapter": adapter,
                "peer": peer,
                "commit": machine::commit(),
                "date": machine::date(),
                "cases": rows,
            }),
        )
    }
}
