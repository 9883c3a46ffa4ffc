//! `cargo xtask golden`: makes the golden files anew, in a Python environment of its own.
//!
//! Tests only read goldens; nothing but this verb writes them.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{cmd, paths, site::hashed};

/// Runs tests/golden/make.py with the pinned packages, installing them into the cache the first time.
///
/// Errors: no Python, or the script fails.
pub fn make(args: &[String]) -> Result<()> {
    let golden = paths::root().join("tests/golden");
    let requirements = golden.join("requirements.txt");
    let python = environment(&requirements)?;
    cmd::run(Command::new(python).arg(golden.join("make.py")).args(args).current_dir(paths::root()))
}

/// The Python of an environment that has exactly these requirements.
fn environment(requirements: &PathBuf) -> Result<PathBuf> {
    let pins = fs::read(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    // Another list of packages is another environment.
    let home = paths::cache().join(hashed::name("python", "golden", &pins));
    let python = if cfg!(windows) { home.join("Scripts/python.exe") } else { home.join("bin/python") };
    let done = home.join("complete");
    if done.is_file() {
        return Ok(python);
    }
    println!("Making a Python environment for the goldens (PyTorch and all: some minutes, once a user).");
    let system = ["python3", "python"].iter().find_map(|name| paths::in_path(name)).context(
        "goldens need Python 3.10 or later in PATH; tests run without it, on the goldens that are committed",
    )?;
    cmd::run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&home))?;
    cmd::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))?;
    Ok(python)
}
