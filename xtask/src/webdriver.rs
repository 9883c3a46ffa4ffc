//! A small WebDriver client: enough to drive Chromium from tests and benches, without an async runtime.
//!
//! The protocol is W3C WebDriver; `goog/` endpoints are chromedriver's.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::time::{Duration, Instant};

pub mod chrome;
pub mod element;
pub mod wire;

pub use element::Element;

/// The key under which the protocol wraps an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser window with its own fresh profile; closed when dropped.
pub struct Session {
    address: String,
    id: String,
    /// The console so far: chromedriver hands each line out once only.
    console: RefCell<Vec<ConsoleLine>>,
}

/// One line of the browser's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleLine {
    /// `SEVERE` for errors, as chromedriver says.
    pub level: String,
    /// Where and what.
    pub message: String,
}

impl Session {
    /// Opens a window of `width_px` x `height_px`.
    ///
    /// Errors: the browser does not start.
    pub fn open(driver: &chrome::Driver, width_px: u32, height_px: u32) -> Result<Self> {
        Self::open_as(driver, driver.capabilities(), width_px, height_px)
    }

    /// As [`Session::open`], in a browser without WebGPU.
    ///
    /// Errors: the browser does not start.
    pub fn open_without_gpu(driver: &chrome::Driver, width_px: u32, height_px: u32) -> Result<Self> {
        Self::open_as(driver, &chrome::without_gpu(driver.capabilities()), width_px, height_px)
    }

    /// As [`Session::open`], in a browser with one more flag.
    ///
    /// Errors: the browser does not start.
    pub fn open_with(driver: &chrome::Driver, flag: &str, width_px: u32, height_px: u32) -> Result<Self> {
        Self::open_as(driver, &chrome::with_flag(driver.capabilities(), flag), width_px, height_px)
    }

    fn open_as(driver: &chrome::Driver, capabilities: &Value, width_px: u32, height_px: u32) -> Result<Self> {
        let reply = wire::post(
            driver.address(),
            "/session",
            &json!({ "capabilities": { "alwaysMatch": capabilities } }),
        )
        .context("the browser does not start")?;
        let id = reply["sessionId"].as_str().context("the browser gave no session id")?.to_owned();
        let session = Self { address: driver.address().to_owned(), id, console: RefCell::default() };
        session.post("/timeouts", &json!({ "script": 120_000, "pageLoad": 120_000, "implicit": 0 }))?;
        session.resize(width_px, height_px)?;
        Ok(session)
    }

    fn path(&self, rest: &str) -> String {
        format!("/session/{}{rest}", self.id)
    }

    fn post(&self, rest: &str, body: &Value) -> Result<Value> {
        wire::post(&self.address, &self.path(rest), body)
    }

    fn get(&self, rest: &str) -> Result<Value> {
        wire::get(&self.address, &self.path(rest))
    }

    /// Gives the page a viewport of exactly this size.
    ///
    /// Errors: the browser refuses.
    pub fn resize(&self, width_px: u32, height_px: u32) -> Result<()> {
        let metrics =
            json!({ "width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics).map(drop)
    }

    /// Makes `prefers-color-scheme` answer `scheme` (`light` or `dark`).
    ///
    /// Errors: the browser refuses.
    pub fn prefer_color_scheme(&self, scheme: &str) -> Result<()> {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features).map(drop)
    }

    /// Calls a command of the DevTools protocol.
    ///
    /// Errors: the browser refuses.
    pub fn devtools(&self, command: &str, params: &Value) -> Result<Value> {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// Opens a URL and waits for its `load` event.
    ///
    /// Errors: nothing answers there.
    pub fn goto(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({ "url": url })).map(drop)
    }

    /// Runs the body of a function in the page; `arguments[i]` are `args`.
    ///
    /// Errors: it throws.
    pub fn script(&self, body: &str, args: &[Value]) -> Result<Value> {
        self.post("/execute/sync", &json!({ "script": body, "args": args }))
            .with_context(|| format!("the script `{}` failed", body.lines().next().unwrap_or_default()))
    }

    /// Runs the body of an async function in the page and waits for what it returns.
    ///
    /// Errors: it throws (the message is the page's), or takes longer than two minutes.
    pub fn script_async(&self, body: &str, args: &[Value]) -> Result<Value> {
        let wrapped = format!(
            "const args = [...arguments], done = args.pop();\
             (async (...args) => {{ {body} }})(...args)\
             .then(value => done({{ value }}), error => done({{ error: error && error.message ? `${{error.kind || error.name}}: ${{error.message}}` : JSON.stringify(error) }}));"
        );
        let reply = self.post("/execute/async", &json!({ "script": wrapped, "args": args }))?;
        match reply.get("error").and_then(Value::as_str) {
            Some(error) => bail!("{error}"),
            None => Ok(reply["value"].clone()),
        }
    }

    /// The first element that a CSS selector finds, or `None`.
    ///
    /// Errors: the browser refuses the selector.
    pub fn find(&self, css: &str) -> Result<Option<Element<'_>>> {
        Ok(self.find_all(css)?.into_iter().next())
    }

    /// Every element that a CSS selector finds, in document order.
    ///
    /// Errors: the browser refuses the selector.
    pub fn find_all(&self, css: &str) -> Result<Vec<Element<'_>>> {
        let found = self.post("/elements", &json!({ "using": "css selector", "value": css }))?;
        let ids = found.as_array().into_iter().flatten().filter_map(|element| element[ELEMENT].as_str());
        Ok(ids.map(|id| Element::new(self, id)).collect())
    }

    /// Presses and releases keys wherever the focus is (special keys as in [`element::key`]).
    ///
    /// Errors: the browser refuses.
    pub fn press(&self, keys: &str) -> Result<()> {
        let steps: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": steps }] }))
            .map(drop)
    }

    /// The element that has the focus.
    ///
    /// Errors: nothing has it.
    pub fn focused(&self) -> Result<Element<'_>> {
        let found = self.get("/element/active")?;
        let id = found[ELEMENT].as_str().context("nothing has the focus")?;
        Ok(Element::new(self, id))
    }

    /// Goes into an `iframe` (by its place among the page's frames), or back to the page with `None`.
    ///
    /// Errors: there is no such frame.
    pub fn enter_frame(&self, frame_idx: Option<usize>) -> Result<()> {
        self.post("/frame", &json!({ "id": frame_idx })).map(drop)
    }

    /// Everything on the console so far.
    ///
    /// Errors: chromedriver does not answer.
    pub fn console(&self) -> Result<Vec<ConsoleLine>> {
        let news = self.post("/se/log", &json!({ "type": "browser" }))?;
        let mut console = self.console.borrow_mut();
        console.extend(news.as_array().into_iter().flatten().map(|line| ConsoleLine {
            level: line["level"].as_str().unwrap_or_default().to_owned(),
            message: line["message"].as_str().unwrap_or_default().to_owned(),
        }));
        Ok(console.clone())
    }

    /// A picture of the viewport, as base64 of a PNG.
    ///
    /// Errors: the browser refuses.
    pub fn screenshot_base64(&self) -> Result<String> {
        Ok(self.get("/screenshot")?.as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Chromedriver itself is stopped soon after: a window that does not close is closed with it.
        let _ = wire::delete(&self.address, &self.path(""));
    }
}

/// Asks `probe` until it has something.
///
/// Errors: `timeout` passes (the message says `what` was waited for and what the last failure was).
pub fn wait_for<T>(what: &str, timeout: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started_at = Instant::now();
    loop {
        let last = probe();
        if let Ok(Some(value)) = last {
            return Ok(value);
        }
        if started_at.elapsed() > timeout {
            let waited = format!("waited {:.0} s for {what}, in vain", timeout.as_secs_f32());
            return match last {
                Err(error) => Err(error.context(waited)),
                Ok(_) => bail!(waited),
            };
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
