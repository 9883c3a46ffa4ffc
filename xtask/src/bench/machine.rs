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

/// The commit of the checkout, with `+` when files differ from it; `VITRINE_COMMIT` where there are only its files.
pub fn commit() -> String {
    if let Ok(commit) = std::env::var("VITRINE_COMMIT") {
        return commit;
    }
    let Some(commit) = said("git", &["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let is_changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    if is_changed { format!("{commit}+") } else { commit }
}

/// Whether an adapter for WebGPU computes on the processor.
pub fn is_software(adapter: &str) -> bool {
    let adapter = adapter.to_lowercase();
    ["llvmpipe", "swiftshader", "basic render driver"].iter().any(|name| adapter.contains(name))
}

/// How many programs wanted to run in the last minute, on average; `None` where the system does not say.
pub fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Now, as `2026-11-22T23:59:59Z`.
pub fn date() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    date_of(since.as_secs())
}

/// Seconds since 1970 as a date of the Gregorian calendar.
fn date_of(secs: u64) -> String {
    let (mut days, secs) = (secs / 86_400, secs % 86_400);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for len in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

/// What a program prints, or `None` if it fails or prints nothing.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(paths::root()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{date_of, is_software};

    #[test]
    fn a_processor_is_no_gpu() {
        assert!(is_software("webgpu: llvmpipe (LLVM 15.0.6, 256 bits), vulkan"));
        assert!(is_software("google swiftshader"));
        assert!(!is_software("NVIDIA H100 80GB HBM3, vulkan"));
    }

    #[test]
    fn dates_know_leap_years() {
        assert_eq!(date_of(0), "1970-01-01T00:00:00Z");
        assert_eq!(date_of(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(date_of(1_735_689_599), "2024-12-31T23:59:59Z");
    }
}
