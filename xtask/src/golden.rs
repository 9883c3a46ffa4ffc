//! `cargo xtask golden`: makes the golden files anew, in a Python environment of its own.
//!
//! Tests only read goldens; nothing but this verb writes them.

use anyhow::{Context as _, Result};
use std::process::Command;

use crate::{cmd, paths, python};

/// Runs tests/golden/make.py with the pinned packages, installing them into the cache the first time.
///
/// Errors: no Python, or the script fails.
pub fn make(args: &[String]) -> Result<()> {
    let golden = paths::root().join("tests/golden");
    let why = "the goldens (PyTorch and all: some minutes)";
    let python = python::environment("golden", &golden.join("requirements.txt"), why)
        .context("tests run without Python, on the goldens that are committed")?;
    cmd::run(Command::new(python).arg(golden.join("make.py")).args(args).current_dir(paths::root()))
}
