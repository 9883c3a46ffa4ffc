//! Measurements; results that are worth keeping go to benches/results/ with machine, browser and commit.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;

use crate::paths;

pub mod browser;
pub mod build;
pub mod cases;
pub mod chart;
pub mod compare;
pub mod first_answer;
pub mod flops;
pub mod machine;
pub mod native;
pub mod page;
pub mod peer;
pub mod pointer;
pub mod program;
pub mod reference;
pub mod runner;
pub mod scaling;
pub mod table;
pub mod tensors;

/// Writes benches/results/NAME.json.
fn write(name: &str, results: &Value) -> Result<()> {
    let path = paths::root().join(format!("benches/results/{name}.json"));
    let dir = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    fs::write(&path, format!("{results:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    println!("  written to {}", paths::shown(&path));
    Ok(())
}
