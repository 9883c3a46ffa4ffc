//! What a measurement was made on: a number without it says nothing.

use serde_json::{Value, json};
use std::process::Command;

use crate::paths;

/// Processor, number of cores, operating system.
pub fn describe() -> Value {
    let n_cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({ "cpu": cpu(), "n_cores": n_cores, "os": std::env::consts::OS, "arch": std::env::consts::ARCH })
}

fn cpu() -> String {
    let linux = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    linux.or_else(|| said("sysctl", &["-n", "machdep.cpu.brand_string"])).unwrap_or_else(|| "unknown".into())
}

/// The commit of the checkout, with `+` when files differ from it.
pub fn commit() -> String {
    let Some(commit) = said("git", &["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let is_changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    if is_changed { format!("{commit}+") } else { commit }
}

/// What a program prints, or `None` if it fails or prints nothing.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(paths::root()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
