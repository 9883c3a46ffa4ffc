//! The pinned programs that building and testing need, fetched once a user rather than once a clone.
//!
//! A tool in `PATH` is used when its version fits; otherwise the cache is asked; otherwise cargo builds it into the
//! cache. Never: a global install, or a version that nobody chose.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::{cmd, paths};

/// A program from a package of the same registry as our dependencies.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The package that `cargo install` is asked for.
    pub package: &'static str,
    /// The executable that we call.
    pub program: &'static str,
    /// The exact version.
    pub version: String,
    /// Whether the package's own lock file is used.
    pub lock: Lock,
    /// How long a build takes on two cores, for the person who waits.
    pub about_minutes: u32,
}

/// Whether a package is built with the lock file that it was published with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// As published.
    Kept,
    /// Resolved anew: the published lock file names versions that can no longer be had.
    Ignored,
}

/// Builds the page from `index.html`.
pub fn trunk() -> Tool {
    Tool { package: "trunk", program: "trunk", version: "0.21.14".into(), lock: Lock::Kept, about_minutes: 6 }
}

/// Runs the engine's own tests in a browser.
pub fn wasm_pack() -> Tool {
    Tool {
        package: "wasm-pack",
        program: "wasm-pack",
        version: "0.15.1".into(),
        lock: Lock::Kept,
        about_minutes: 4,
    }
}

/// Writes the JavaScript around a wasm module; must be exactly the version that Cargo.lock has.
///
/// Errors: Cargo.lock cannot be read or has no wasm-bindgen.
pub fn wasm_bindgen() -> Result<Tool> {
    let lock = fs::read_to_string(paths::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let version = locked_version(&lock, "wasm-bindgen").context("Cargo.lock names no wasm-bindgen")?;
    Ok(Tool {
        package: "wasm-bindgen-cli",
        program: "wasm-bindgen",
        version: version.to_owned(),
        lock: Lock::Ignored,
        about_minutes: 4,
    })
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

/// The directory with `tool`'s executable, built into the cache if it is nowhere yet.
///
/// Errors: cargo cannot build it.
pub fn ensure(tool: &Tool) -> Result<PathBuf> {
    if let Some(path) = paths::in_path(tool.program).filter(|path| has_version(path, &tool.version)) {
        return Ok(path.parent().expect("an executable lies in a directory").to_path_buf());
    }
    let home = paths::cache().join("tools").join(format!("{}-{}", tool.package, tool.version));
    let bin = home.join("bin");
    let program = bin.join(paths::exe(tool.program));
    if has_version(&program, &tool.version) {
        return Ok(bin);
    }
    install(tool, &home)?;
    if !has_version(&program, &tool.version) {
        bail!("{} does not answer as version {}; delete it and try again", program.display(), tool.version);
    }
    Ok(bin)
}

fn has_version(program: &Path, version: &str) -> bool {
    cmd::version_of(program).is_some_and(|said| said.split_whitespace().any(|word| word == version))
}

fn install(tool: &Tool, home: &Path) -> Result<()> {
    println!(
        "Getting {} {}: built once for this user, about {} minutes on two cores (into {}).",
        tool.package,
        tool.version,
        tool.about_minutes,
        home.display()
    );
    let started_at = Instant::now();
    let mut command = cmd::cargo();
    command.args(["install", tool.package, "--version", &tool.version, "--root"]).arg(home);
    if tool.lock == Lock::Kept {
        command.arg("--locked");
    }
    // Outside the checkout, so that .cargo/config.toml does not apply.
    let build = home.join("build");
    fs::create_dir_all(&build).with_context(|| format!("cannot create {}", build.display()))?;
    command.current_dir(home).env("CARGO_TARGET_DIR", &build);
    for (key, value) in [("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_DEBUG", "0")] {
        command.env(key, value);
    }
    command.env_remove("RUSTFLAGS");
    cmd::run(&mut command).with_context(|| {
        format!(
            "cannot install {}; with a network that needs a proxy, install it by hand: cargo install {} --version {}",
            tool.package, tool.package, tool.version
        )
    })?;
    println!("{} is ready after {:.0} s.", tool.package, started_at.elapsed().as_secs_f32());
    // Intermediate files are of no further use and weigh hundreds of megabytes.
    fs::remove_dir_all(&build).with_context(|| format!("cannot delete {}", build.display()))
}

/// Adds the wasm32 target of the current toolchain if it is missing.
///
/// Errors: there is neither the target nor a rustup to add it.
pub fn ensure_wasm_target() -> Result<()> {
    let sysroot = cmd::read(Command::new("rustc").args(["--print", "sysroot"]).current_dir(paths::root()))
        .context("Vitrine needs Rust; get it from rustup.rs")?;
    if Path::new(sysroot.trim()).join("lib/rustlib/wasm32-unknown-unknown").is_dir() {
        return Ok(());
    }
    println!("Adding the wasm32-unknown-unknown target (about 20 MB).");
    cmd::run(
        Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"]).current_dir(paths::root()),
    )
    .context("the wasm32-unknown-unknown target is missing; add it the way your Rust was installed")
}

/// Adds components of the current toolchain, such as clippy, if they are missing.
///
/// Errors: there is neither the component nor a rustup to add it.
pub fn ensure_components(components: &[&str]) -> Result<()> {
    for component in components {
        let subcommand = if *component == "rustfmt" { "fmt" } else { component };
        if cmd::cargo().args([subcommand, "--version"]).output().is_ok_and(|output| output.status.success()) {
            continue;
        }
        cmd::run(Command::new("rustup").args(["component", "add", component]).current_dir(paths::root()))
            .with_context(|| format!("{component} is missing; add it the way your Rust was installed"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_says_which_wasm_bindgen() {
        let lock = "[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n\n[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.1\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
