//! The site: everything in `dist/`, which any static file server can host under any path.
//!
//! Trunk builds the two wasm modules and copies the assets, cargo builds the kernels; then every script and module gets
//! a name with a hash of its content, the inline script moves to a file, and the page gets its Content-Security-Policy.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::{cmd, paths, tools};

pub mod bundle;
pub mod hashed;
pub mod kernels;
pub mod names;
pub mod page;
pub mod size;
pub mod stored;
pub mod wasm_opt;

/// Builds the whole site into `dist` and prints what came out.
///
/// `dist` is replaced only once the new site is complete.
///
/// Errors: a tool is missing and cannot be had; something does not compile; the result breaks a promise of the page
/// (inline script, absolute URL).
pub fn build(dist: &Path) -> Result<()> {
    let started_at = Instant::now();
    tools::ensure_wasm_target()?;
    let trunk = tools::ensure(&tools::trunk())?;
    let wasm_bindgen = tools::ensure(&tools::wasm_bindgen()?)?;

    let cli = native_cli()?;
    let kernels = kernels::build()?;
    let raw = paths::target().join("site/trunk");
    run_trunk(&raw, &trunk, &wasm_bindgen)?;

    let staged = paths::target().join("site/staged");
    fs::remove_dir_all(&staged).or_else(missing_is_fine)?;
    bundle::bundle(&raw, &kernels, &staged)?;
    stored::answer_all(&cli, &staged)?;
    replace(&staged, dist)?;

    size::print(&size::measure(dist)?);
    println!("The site is in {} ({:.0} s).", paths::shown(dist), started_at.elapsed().as_secs_f32());
    Ok(())
}

/// Builds the native command line in release mode and says where it is.
///
/// Errors: it does not compile.
pub fn native_cli() -> Result<PathBuf> {
    println!("Building the command line");
    cmd::run(cmd::cargo().args(["build", "--release", "--package", "vitrine", "--bin", "vitrine"]))?;
    Ok(paths::target().join("release").join(paths::exe("vitrine")))
}

fn run_trunk(out: &Path, trunk: &Path, wasm_bindgen: &Path) -> Result<()> {
    println!("Building the page and the worker (a first time takes some minutes)");
    let mut command = Command::new(trunk.join(paths::exe("trunk")));
    command.args(["build", "--release", "--dist"]).arg(out).current_dir(paths::root());
    // Trunk takes the first wasm-bindgen in PATH that has the version of Cargo.lock, and downloads nothing.
    cmd::prepend_path(&mut command, wasm_bindgen)?;
    // Trunk reads a `NO_COLOR=1` as a wrong boolean and stops.
    command.env_remove("NO_COLOR");
    // Its own backtrace says nothing about a compile error.
    command.env_remove("RUST_BACKTRACE");
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    cmd::run(&mut command)
}

fn replace(new: &Path, dist: &Path) -> Result<()> {
    fs::remove_dir_all(dist)
        .or_else(missing_is_fine)
        .with_context(|| format!("cannot delete the old {}", dist.display()))?;
    if fs::rename(new, dist).is_ok() {
        return Ok(());
    }
    // Another file system: copy instead.
    bundle::copy_dir(new, dist)?;
    fs::remove_dir_all(new).with_context(|| format!("cannot delete {}", new.display()))
}

/// For deleting what may not be there.
fn missing_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
