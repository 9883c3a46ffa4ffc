//! Chromium and its chromedriver: finding them, installing them where we may, starting the driver.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::{debian, paths};

/// The flags of the browser, the same that wasm-pack's tests use.
const CAPABILITIES: &str = include_str!("../../../webdriver.json");

/// What a person without the browser should do.
pub const HOW_TO_INSTALL: &str = "Chromium and a chromedriver of the same version are needed. Debian, Ubuntu: \
    `sudo apt-get install chromium chromium-driver`. macOS: `brew install --cask chromium chromedriver`. \
    Anywhere: put both in PATH, or set CHROME and CHROMEDRIVER to them";

/// The two programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chrome {
    /// The browser; `None` when only chromedriver knows where it is.
    pub browser: Option<PathBuf>,
    /// Its WebDriver server.
    pub driver: PathBuf,
}

/// Finds a browser and its driver; on Debian as root, installs them first if they are missing.
///
/// Errors: there is none and none may be installed; the message says what to do.
pub fn ensure() -> Result<Chrome> {
    if let Some(chrome) = find() {
        return Ok(chrome);
    }
    if !debian::may_install() {
        bail!(HOW_TO_INSTALL);
    }
    println!("Installing Chromium and its driver (once a machine, a minute or two).");
    debian::install(&["chromium", "chromium-driver"]).context(HOW_TO_INSTALL)?;
    find().context(HOW_TO_INSTALL)
}

fn find() -> Option<Chrome> {
    let from_env = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let driver = from_env("CHROMEDRIVER").or_else(|| paths::in_path("chromedriver"))?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let browser = from_env("CHROME").or_else(|| names.iter().find_map(|name| paths::in_path(name)));
    // Elsewhere than on Linux, browsers are not in PATH and chromedriver knows the usual places.
    (browser.is_some() || !cfg!(target_os = "linux")).then_some(Chrome { browser, driver })
}

/// Whether a window is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// For machines.
    Headless,
    /// For a person who wants to look on.
    Shown,
}

/// A running chromedriver; stopped when dropped.
pub struct Driver {
    child: Child,
    address: String,
    capabilities: Value,
}

impl Driver {
    /// Starts a chromedriver on a port of its own choice.
    ///
    /// Errors: it does not start.
    pub fn start(chrome: &Chrome, window: Window) -> Result<Self> {
        let mut child = Command::new(&chrome.driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", chrome.driver.display()))?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| port_in(&line));
        // Go on reading, or a full pipe would stop the driver.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(port) = port else {
            child.kill().ok();
            bail!("chromedriver ended before it had a port");
        };
        Ok(Self { child, address: format!("127.0.0.1:{port}"), capabilities: capabilities(chrome, window)? })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn capabilities(&self) -> &Value {
        &self.capabilities
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `ChromeDriver was started successfully on port 34567.`
fn port_in(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

fn capabilities(chrome: &Chrome, window: Window) -> Result<Value> {
    let mut all: Value = serde_json::from_str(CAPABILITIES).context("webdriver.json")?;
    let options = &mut all["goog:chromeOptions"];
    if let Some(browser) = &chrome.browser {
        options["binary"] = json!(browser);
    }
    if window == Window::Shown
        && let Some(args) = options["args"].as_array_mut()
    {
        args.retain(|arg| arg != "--headless=new");
    }
    all["browserName"] = json!("chrome");
    all["goog:loggingPrefs"] = json!({ "browser": "ALL" });
    Ok(all)
}

/// The same browser, which then finds no adapter.
pub(super) fn without_gpu(capabilities: &Value) -> Value {
    let mut all = capabilities.clone();
    if let Some(args) = all["goog:chromeOptions"]["args"].as_array_mut() {
        args.retain(|arg| arg.as_str().is_none_or(|arg| !arg.contains("webgpu")));
    }
    all
}

/// The same browser with one more flag.
pub(super) fn with_flag(capabilities: &Value, flag: &str) -> Value {
    let mut all = capabilities.clone();
    if let Some(args) = all["goog:chromeOptions"]["args"].as_array_mut() {
        args.push(json!(flag));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_says_its_port() {
        assert_eq!(port_in("ChromeDriver was started successfully on port 34567."), Some(34567));
        assert_eq!(port_in("Starting ChromeDriver 130"), None);
    }

    #[test]
    fn a_shown_browser_is_not_headless() {
        let chrome = Chrome { browser: None, driver: "chromedriver".into() };
        let shown = capabilities(&chrome, Window::Shown).expect("valid JSON").to_string();
        assert!(!shown.contains("headless"), "{shown}");
        let headless = capabilities(&chrome, Window::Headless).expect("valid JSON").to_string();
        assert!(headless.contains("~NOTFOUND"), "the browser stays off the network: {headless}");
    }

    #[test]
    fn a_browser_without_gpu_lacks_nothing_else() {
        let chrome = Chrome { browser: None, driver: "chromedriver".into() };
        let all = capabilities(&chrome, Window::Headless).expect("valid JSON");
        assert!(all.to_string().contains("webgpu"));
        let n_args = |all: &Value| all["goog:chromeOptions"]["args"].as_array().map(Vec::len);
        let without = without_gpu(&all);
        assert!(!without.to_string().contains("webgpu"), "{without}");
        assert_eq!(n_args(&without).map(|n| n + 2), n_args(&all));
    }

    #[test]
    fn a_flag_comes_to_the_others() {
        let chrome = Chrome { browser: None, driver: "chromedriver".into() };
        let all = capabilities(&chrome, Window::Headless).expect("valid JSON");
        let args = with_flag(&all, "--one-more")["goog:chromeOptions"]["args"].clone();
        assert_eq!(args.as_array().and_then(|args| args.last()), Some(&json!("--one-more")));
        assert_eq!(args.as_array().map(Vec::len), Some(CAPABILITIES.matches("\"--").count() + 1));
    }
}
