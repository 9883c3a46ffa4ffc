//! Running other programs: shown before they run, and explained when they fail.

use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::paths;

/// The cargo that started us, or the one in `PATH`, to be run in the root of the checkout.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    command
}

/// Puts `dir` in front of the `PATH` that `command` will see.
///
/// Errors: a directory whose name cannot stand in `PATH`.
pub fn prepend_path(command: &mut Command, dir: &Path) -> Result<()> {
    // Start from what an earlier call already put there.
    let earlier = command.get_envs().find(|(key, _)| *key == OsStr::new("PATH")).and_then(|(_, value)| value);
    let old = earlier.map(OsStr::to_owned).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let joined = std::env::join_paths(std::iter::once(dir.to_path_buf()).chain(std::env::split_paths(&old)))
        .with_context(|| format!("{} cannot stand in PATH", dir.display()))?;
    command.env("PATH", joined);
    Ok(())
}

/// Runs `command` with its output on the terminal.
///
/// Errors: it cannot be started, or it ends with anything but success.
pub fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    println!("  $ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs `command` and returns what it prints on standard output; standard error stays on the terminal.
///
/// Errors: as [`run`]; or the output is not UTF-8.
pub fn read(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed something that is not UTF-8"))
}

/// What a program says to `--version`, or `None` when it cannot be run.
pub fn version_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| {
        let arg = arg.to_string_lossy();
        if arg.is_empty() || arg.contains(char::is_whitespace) {
            format!("'{arg}'")
        } else {
            arg.into_owned()
        }
    });
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}
