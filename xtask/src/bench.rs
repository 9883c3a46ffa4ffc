//! Measurements; results that are worth keeping go to benches/results/ with machine, browser and commit.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fs;

use crate::{cmd, paths};

pub mod browser;
pub mod cases;
pub mod compare;
pub mod first_answer;
pub mod machine;
pub mod page;
pub mod peer;
pub mod reference;
pub mod table;
pub mod tensors;

/// The native benches.
///
/// Errors: there is none yet, or one fails.
pub fn native() -> Result<()> {
    let manifest = std::fs::read_to_string(paths::root().join("Cargo.toml"))?;
    if !manifest.contains("[[bench]]") {
        bail!("Cargo.toml has no [[bench]] yet; `cargo xtask bench browser` measures the site");
    }
    cmd::run(cmd::cargo().args(["bench", "--package", "vitrine"]))
}

/// Writes benches/results/NAME.json.
fn write(name: &str, results: &Value) -> Result<()> {
    let path = paths::root().join(format!("benches/results/{name}.json"));
    let dir = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    fs::write(&path, format!("{results:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    println!("  written to {}", paths::shown(&path));
    Ok(())
}
