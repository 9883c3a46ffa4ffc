//! A page of the bench: prepared with a job, verified, then timed.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::runner::Subject;
use crate::webdriver::Session;
use crate::webdriver::chrome::Driver;

/// Loading and one computation, or timing it: one case that hangs must not take the whole run with it.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How often the page is asked whether it is done. Asking takes time from it: seldom while it is timed.
const PREPARE_INTERVAL: Duration = Duration::from_millis(200);
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// A window with one page, in a browser of its own.
pub struct Page(Session);

impl Page {
    /// Opens the page at `url`.
    ///
    /// Errors: the browser does not start; the page has no script.
    pub fn open(driver: &Driver, url: &str) -> Result<Self> {
        let session = Session::open(driver, 800, 600)?;
        session.goto(url)?;
        let page = Self(session);
        if page.0.script("return typeof window.bench", &[])? != "object" {
            bail!("{url} does not work: {:?}", page.0.console()?);
        }
        Ok(page)
    }

    fn call(&self, name: &str, argument: &Value, interval: Duration) -> Result<Value> {
        let start = "const [name, argument] = arguments; window.benchState = null;\
            window.bench[name](argument).then(value => { window.benchState = { value }; },\
            error => { window.benchState = { failure: String(error && error.message || error) }; })";
        self.0.script(start, &[json!(name), argument.clone()])?;
        let started_at = Instant::now();
        while started_at.elapsed() < TIMEOUT {
            std::thread::sleep(interval);
            let state = self.0.script("return window.benchState", &[])?;
            if let Some(failure) = state["failure"].as_str() {
                bail!("the page failed: {failure}");
            }
            if let Some(value) = state.get("value") {
                return Ok(value.clone());
            }
        }
        bail!("{name} took longer than {} s", TIMEOUT.as_secs())
    }

    /// What the page computes WebGPU on, or `none`.
    ///
    /// Errors: the browser does not answer.
    pub fn adapter(&self) -> Result<String> {
        let ask = "const adapter = await navigator.gpu?.requestAdapter(); \
            return adapter ? `${adapter.info.vendor} ${adapter.info.architecture}` : 'none'";
        let adapter = self.0.script_async(ask, &[])?;
        Ok(adapter.as_str().context("an adapter is named by a text")?.to_owned())
    }
}

impl Subject for Page {
    fn prepare(&mut self, job: &Value) -> Result<Value> {
        self.call("prepare", job, PREPARE_INTERVAL)
    }

    fn measure(&mut self) -> Result<Value> {
        self.call("measure", &json!(null), MEASURE_INTERVAL)
    }
}
