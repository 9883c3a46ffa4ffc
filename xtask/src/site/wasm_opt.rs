//! Binaryen's optimiser, when the machine has one. Never required: the site works without.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{cmd, paths};

/// What a module is optimised for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// The page: mostly views.
    Size,
    /// The worker: mostly arithmetic.
    Speed,
}

/// The module at `path`, through `wasm-opt` if there is one in `PATH`.
///
/// Errors: the module cannot be read. A `wasm-opt` that fails is reported and passed over.
pub fn optimised(path: &Path, what_for: For) -> Result<Vec<u8>> {
    let plain = || fs::read(path).with_context(|| format!("Trunk left no readable {}", path.display()));
    let Some(program) = paths::in_path("wasm-opt") else { return plain() };
    let out = path.with_extension("opt.wasm");
    let level = match what_for {
        For::Size => "-Oz",
        For::Speed => "-O3",
    };
    let mut command = Command::new(program);
    command.arg(level).args(FEATURES).arg(path).arg("-o").arg(&out);
    match cmd::run(&mut command) {
        Ok(()) => fs::read(&out).with_context(|| format!("wasm-opt left no readable {}", out.display())),
        Err(error) => {
            println!("  wasm-opt is passed over: {error:#}");
            plain()
        }
    }
}

/// What rustc's wasm32 target and .cargo/config.toml use; nothing that a module would not already need.
const FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
];
