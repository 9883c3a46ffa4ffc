//! Stages that need the release build or a browser.

use anyhow::Result;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Outcome, skip_unless_ci};
use crate::webdriver::chrome::{self, Window};
use crate::{cmd, paths, tools};

/// Whether this process has built the site: a run of all stages builds it once.
static IS_SITE_BUILT: AtomicBool = AtomicBool::new(false);

/// How long one test of the engine's browser suite may take; the default of 20 s is short for a forward pass in a
/// debug build.
const WASM_TEST_TIMEOUT_S: &str = "300";

/// The release build and its size.
///
/// Errors: it fails, or is over the budget.
pub fn site() -> Result<Outcome> {
    build_once()?;
    crate::site::size::check(&crate::site::size::measure(&paths::dist())?)?;
    Ok(Outcome::Passed)
}

fn build_once() -> Result<()> {
    if !IS_SITE_BUILT.load(Ordering::Relaxed) {
        crate::site::build(&paths::dist())?;
        IS_SITE_BUILT.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// The engine's own tests, compiled to wasm, in a headless browser, whose WebGPU is SwiftShader (`webdriver.json`).
///
/// In release mode, because wasm-pack knows no other that is fast; overflow checks are on in the native tests.
///
/// Errors: a test fails; with CI, also that there is no browser, or no adapter in it.
pub fn wasm_pack() -> Result<Outcome> {
    if !paths::root().join("tests/web").is_dir() {
        return Ok(Outcome::Skipped("there is no tests/web yet".into()));
    }
    let chrome = match chrome::ensure() {
        Ok(chrome) => chrome,
        Err(error) => return skip_unless_ci(&error),
    };
    tools::ensure_wasm_target()?;
    let wasm_pack = tools::ensure(&tools::wasm_pack())?;
    let mut command = Command::new(wasm_pack.join(paths::exe("wasm-pack")));
    command
        .args(["test", "--release", "--headless", "--chrome", "--mode", "no-install", "--chromedriver"])
        .arg(&chrome.driver);
    // No path: with one, wasm-pack drops these from the build that it makes first.
    command.args(["--", "--no-default-features", "--features", "engine,webgpu"]);
    // What passes may still say that nothing was tested.
    command.args(["--", "--nocapture"]);
    command.current_dir(paths::root()).env("WASM_BINDGEN_TEST_TIMEOUT", WASM_TEST_TIMEOUT_S);
    // The test runner comes with wasm-bindgen; wasm-pack looks for it in PATH.
    cmd::prepend_path(&mut command, &tools::ensure(&tools::wasm_bindgen()?)?)?;
    cmd::run(&mut command)?;
    Ok(Outcome::Passed)
}

/// The site in a real browser, under a sub-path.
///
/// Errors: a test fails; with CI, also that there is no browser.
pub fn e2e() -> Result<Outcome> {
    if let Err(error) = chrome::ensure() {
        return skip_unless_ci(&error);
    }
    build_once()?;
    run_e2e(&[], Window::Headless)?;
    Ok(Outcome::Passed)
}

/// Runs the end-to-end tests whose name contains one of `words`, on the site in `dist/`.
///
/// Errors: a test fails.
pub fn run_e2e(words: &[String], window: Window) -> Result<()> {
    let mut command = cmd::cargo();
    command
        .args([
            "test",
            "--quiet",
            "--profile",
            "xtask",
            "--package",
            "xtask",
            "--features",
            "e2e",
            "--test",
            "e2e",
            "--",
        ])
        .args(words);
    if window == Window::Shown {
        command.arg("--show");
    }
    cmd::run(&mut command)
}
