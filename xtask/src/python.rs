//! Python for the tasks that need it: an environment for each list of pinned packages, made once a user.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cmd, paths, site::hashed};

/// The Python of an environment that has exactly these requirements; `why` is for the person who waits.
///
/// Errors: no Python, or a package cannot be had.
pub fn environment(name: &str, requirements: &Path, why: &str) -> Result<PathBuf> {
    let pins = fs::read(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    // Another list of packages is another environment.
    let home = paths::cache().join(hashed::name("python", name, &pins));
    let python = if cfg!(windows) { home.join("Scripts/python.exe") } else { home.join("bin/python") };
    let done = home.join("complete");
    if done.is_file() {
        return Ok(python);
    }
    let system = ["python3", "python"]
        .iter()
        .find_map(|name| paths::in_path(name))
        .context("Python 3.10 or later is not in PATH; python.org and every package manager have it")?;
    println!("Making a Python environment for {why} (once a user).");
    cmd::run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&home))?;
    cmd::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))?;
    Ok(python)
}
