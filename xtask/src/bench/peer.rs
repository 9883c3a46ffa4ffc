//! What both halves stand on: the peer's package, the shared weights, the graphs.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cmd, paths, python, site::hashed};

/// The folder with the shared weights and the peer's graphs, made the first time, by `python` if one is given.
///
/// Errors: no Python, or the script fails.
pub fn weights(python: Option<&Path>) -> Result<PathBuf> {
    let source = paths::root().join("benches/peer");
    let scripts = ["make.py", "graphs.py", "weights.py", "requirements.txt"];
    let home = paths::cache().join(hashed::name("bench", "weights", &contents(&source, &scripts)?));
    once(&home, || {
        let python = match python {
            Some(python) => python.to_path_buf(),
            None => python::environment("bench", &source.join("requirements.txt"), "the bench")?,
        };
        println!("Writing random weights in the shape of GPT-2 small (0.6 GB, into {}).", home.display());
        cmd::run(script(&python, "make.py").arg(&home))
    })?;
    Ok(home)
}

/// The Python that has PyTorch, made the first time.
///
/// Errors: no Python, or PyTorch cannot be had.
pub fn torch() -> Result<PathBuf> {
    let requirements = paths::root().join("benches/peer/torch.txt");
    python::environment("torch", &requirements, "the native bench (PyTorch: some gigabytes)")
}

/// A script of benches/peer, to be run by `python`.
pub fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    // Python would leave compiled files in the checkout.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(paths::root().join("benches/peer").join(name));
    command
}

/// The folder with onnxruntime-web's own files, fetched the first time.
///
/// Errors: no Node, or the package cannot be had.
pub fn runtime() -> Result<PathBuf> {
    let source = paths::root().join("benches/peer");
    let pins = ["package.json", "package-lock.json"];
    let home = paths::cache().join(hashed::name("bench", "peer", &contents(&source, &pins)?));
    once(&home, || {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        for pin in pins {
            fs::copy(source.join(pin), home.join(pin)).with_context(|| format!("cannot copy {pin}"))?;
        }
        println!("Getting onnxruntime-web (about 250 MB unpacked, into {}).", home.display());
        let mut install = Command::new(npm);
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&home);
        cmd::run(&mut install)
            .context("Node 20 or later with npm is needed; nodejs.org and every package manager have it")
    })?;
    Ok(home.join("node_modules/onnxruntime-web/dist"))
}

/// Everything in some files, so that a cache follows them.
fn contents(folder: &Path, names: &[&str]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for name in names {
        let path = folder.join(name);
        all.extend(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(all)
}

/// Fills a folder, unless an earlier call did so to the end.
fn once(home: &Path, fill: impl FnOnce() -> Result<()>) -> Result<()> {
    let done = home.join("complete");
    if done.is_file() {
        return Ok(());
    }
    fill()?;
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))
}
