//! Stages that need no browser.

use anyhow::Result;
use std::path::Path;

use super::Outcome;
use crate::{cmd, paths, tools, vulkan};

/// Runs cargo with these arguments.
fn cargo(args: &[&str]) -> Result<()> {
    cmd::run(cmd::cargo().args(args))
}

/// Formatting and the rules of the house.
///
/// Errors: something is not in order.
pub fn tidy() -> Result<Outcome> {
    tools::ensure_components(&["rustfmt", "clippy"])?;
    cargo(&["fmt", "--all", "--check"])?;
    crate::tidy::run()?;
    Ok(Outcome::Passed)
}

/// The wall: data, analyses and view models without engine, page and command line.
///
/// Errors: a lint or a test fails.
pub fn core() -> Result<Outcome> {
    let core = ["--package", "vitrine", "--package", "vitrine-kernel", "--no-default-features"];
    cargo(&[&["clippy"], &core[..], &["--all-targets", "--", "-D", "warnings"]].concat())?;
    cargo(&[&["test", "--quiet"], &core[..]].concat())?;
    Ok(Outcome::Passed)
}

/// Page and worker, each with the features that its build has, and the kernel module.
///
/// Errors: one does not compile, or a lint fires.
pub fn wasm() -> Result<Outcome> {
    tools::ensure_wasm_target()?;
    for (features, bin) in [("ui", "app"), ("webgpu", "worker")] {
        cargo(&[
            "clippy",
            "--package",
            "vitrine",
            "--target",
            "wasm32-unknown-unknown",
            "--no-default-features",
            "--features",
            features,
            "--lib",
            "--bin",
            bin,
            "--",
            "-D",
            "warnings",
        ])?;
    }
    let kernels = ["--package", "vitrine-kernel-wasm", "--target", "wasm32-unknown-unknown"];
    cargo(&[&["clippy"], &kernels[..], &["--", "-D", "warnings"]].concat())?;
    Ok(Outcome::Passed)
}

/// Every shader through naga.
///
/// Errors: one is not valid.
pub fn shaders() -> Result<Outcome> {
    if !has_shader(&paths::root().join("shaders")) {
        return Ok(Outcome::Skipped("there is no shader yet".into()));
    }
    cargo(&[
        "test",
        "--quiet",
        "--profile",
        "xtask",
        "--package",
        "xtask",
        "--features",
        "shaders",
        "--test",
        "shaders",
    ])?;
    Ok(Outcome::Passed)
}

fn has_shader(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().map(|entry| entry.path()).any(|path| {
            if path.is_dir() {
                has_shader(&path)
            } else {
                path.extension().is_some_and(|extension| extension == "wgsl")
            }
        })
    })
}

/// Lints and tests with the default features, documentation's examples included.
///
/// Errors: a lint or a test fails.
pub fn native() -> Result<Outcome> {
    vulkan::ensure()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--features", "xtask/e2e", "--", "-D", "warnings"])?;
    cargo(&["test", "--quiet", "--workspace", "--exclude", "xtask"])?;
    // Apart, so that what `cargo xtask` itself was built from is used again.
    cargo(&["test", "--quiet", "--profile", "xtask", "--package", "xtask"])?;
    Ok(Outcome::Passed)
}
