//! What CI runs: named stages, cheapest first, so that the first failure is the quickest to come.
//!
//! A stage that cannot run here says so loudly and is counted. With `CI=true` only stages that have nothing to check
//! may be skipped: a missing browser is a failure there.

use anyhow::{Result, bail};
use std::time::Instant;

pub mod browser;
pub mod native;

/// How a stage ended, if it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything in it held.
    Passed,
    /// It did not run, for this reason.
    Skipped(String),
}

/// One step of `cargo xtask test`.
#[derive(Clone, Copy)]
pub struct Stage {
    /// What one types to run only this.
    pub name: &'static str,
    /// What it checks.
    pub about: &'static str,
    run: fn() -> Result<Outcome>,
}

/// All stages, in order.
pub const STAGES: &[Stage] = &[
    Stage { name: "tidy", about: "formatting, import table, file sizes, documents", run: native::tidy },
    Stage {
        name: "core",
        about: "the part without engine, page and command line stands alone",
        run: native::core,
    },
    Stage { name: "wasm", about: "page and worker compile, each with its own features", run: native::wasm },
    Stage { name: "shaders", about: "every shader is valid WGSL", run: native::shaders },
    Stage { name: "native", about: "lints and all native tests", run: native::native },
    Stage { name: "site", about: "the release build, within its size budget", run: browser::site },
    Stage { name: "wasm-pack", about: "the engine's own suite in a browser", run: browser::wasm_pack },
    Stage { name: "e2e", about: "the site in a real browser", run: browser::e2e },
];

/// The names of all stages.
pub fn names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

/// Whether nobody is there to install something.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Runs the stages called `wanted`, or all; the last line counts them.
///
/// Errors: a stage failed; the ones after it did not run.
pub fn run(wanted: &[String]) -> Result<()> {
    let chosen: Vec<&Stage> = STAGES
        .iter()
        .filter(|stage| wanted.is_empty() || wanted.iter().any(|name| name == stage.name))
        .collect();
    let mut lines = Vec::new();
    let (mut n_passed, mut n_failed, mut n_skipped) = (0, 0, 0);
    for (idx, stage) in chosen.iter().enumerate() {
        println!("\n== {}/{} {}: {}", idx + 1, chosen.len(), stage.name, stage.about);
        let started_at = Instant::now();
        let result = (stage.run)();
        let elapsed_s = started_at.elapsed().as_secs_f32();
        let (word, note) = match &result {
            Ok(Outcome::Passed) => ("passed", String::new()),
            Ok(Outcome::Skipped(reason)) => ("SKIPPED", format!(": {reason}")),
            Err(error) => ("FAILED", format!(": {error:#}")),
        };
        println!("== {} {word} in {elapsed_s:.1} s{note}", stage.name);
        lines.push(format!("  {:<10} {word:<8} {elapsed_s:>7.1} s{note}", stage.name));
        match result {
            Ok(Outcome::Passed) => n_passed += 1,
            Ok(Outcome::Skipped(_)) => n_skipped += 1,
            Err(_) => {
                n_failed += 1;
                let rest: Vec<&str> = chosen[idx + 1..].iter().map(|stage| stage.name).collect();
                if !rest.is_empty() {
                    lines.push(format!("  not run after the failure: {}", rest.join(", ")));
                }
                break;
            }
        }
    }
    println!("\nSummary\n{}", lines.join("\n"));
    if n_failed > 0 {
        // The count is the last line of all output, so the message comes before it.
        eprintln!("error: a stage failed; `cargo xtask test NAME` runs it alone");
    }
    println!("{n_passed} passed, {n_failed} failed, {n_skipped} skipped");
    if n_failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// A skip where a person can do something about it; a failure where nobody is there to read it.
fn skip_unless_ci(error: &anyhow::Error) -> Result<Outcome> {
    if is_ci() {
        bail!("{error:#}");
    }
    Ok(Outcome::Skipped(format!("{error:#}")))
}
