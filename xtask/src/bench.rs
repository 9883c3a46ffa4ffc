//! Measurements; results that are worth keeping go to benches/results/ with machine, browser and commit.

use anyhow::{Result, bail};

use crate::{cmd, paths};

pub mod browser;
pub mod machine;

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
