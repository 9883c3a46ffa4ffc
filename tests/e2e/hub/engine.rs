//! The worker of the site on an empty page of its origin, without the app.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

use xtask::paths;
use xtask::server::hub::{Asked, Hub};
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, REPETITION, SMALL, question};
use crate::world::World;

const SCRIPT: &str = include_str!("engine.js");

/// The repository that the tests load.
pub(crate) const REPO: &str = "acme/tales";
pub(super) const WEIGHTS: &str = "model.safetensors";

/// A worker and the hub that it is to ask.
pub(super) struct Engine<'a> {
    session: &'a Session,
    site: String,
    pub(super) hub: &'a Hub,
}

impl<'a> Engine<'a> {
    pub(super) fn start(world: &World, session: &'a Session, hub: &'a Hub) -> Result<Self> {
        Self::start_at(world.url(), session, hub)
    }

    /// The same with the worker of another copy of the site.
    pub(super) fn start_at(site: &str, session: &'a Session, hub: &'a Hub) -> Result<Self> {
        let engine = Self { session, site: site.to_owned(), hub };
        engine.open_tab()?;
        Ok(engine)
    }

    /// A tab with a fresh worker; what the tab before did ends.
    pub(super) fn open_tab(&self) -> Result<()> {
        self.session.goto("about:blank")?;
        self.session.goto(&format!("{}models/{SMALL}/config.json", self.site))?;
        self.session.script(SCRIPT, &[])?;
        self.session.script_async("await Engine.start(args[0])", &[json!(self.site)]).map(drop)
    }

    /// Sends a request, without waiting for its replies.
    pub(super) fn begin(&self, message: &Value) -> Result<u64> {
        let run = self.session.script("return engine.ask(arguments[0])", std::slice::from_ref(message))?;
        run.as_u64().context("a request has no number")
    }

    /// The last reply to a request.
    pub(super) fn last(&self, run: u64) -> Result<Value> {
        self.session.script_async("return await engine.last(args[0])", &[json!(run)])
    }

    /// Sends a message that nobody answers.
    pub(super) fn say(&self, message: &Value) -> Result<()> {
        self.session.script("engine.say(arguments[0])", std::slice::from_ref(message)).map(drop)
    }

    /// What was said last of a download's progress.
    pub(super) fn progress(&self, run: u64) -> Result<Value> {
        self.session.script("return engine.progress(arguments[0]).at(-1) ?? {}", &[json!(run)])
    }

    /// Waits until so many bytes of a download are here.
    pub(super) fn wait_for_bytes(&self, run: u64, n_bytes: u64) -> Result<()> {
        wait_for(&format!("{n_bytes} bytes"), PATIENCE, || {
            Ok(self.progress(run)?["done_bytes"].as_u64().filter(|done| n_bytes <= *done).map(drop))
        })
    }

    /// Begins to load the repository.
    pub(super) fn begin_load(&self, more: &Value) -> Result<u64> {
        let mut source = json!({ "from": "hub", "base": self.hub.base(), "repo": REPO });
        for (key, value) in more.as_object().into_iter().flatten() {
            source[key] = value.clone();
        }
        self.begin(&json!({ "type": "load", "model": "m", "source": source }))
    }

    /// Loads the repository, and says what the card says.
    pub(super) fn load(&self) -> Result<Value> {
        let reply = self.last(self.begin_load(&json!({}))?)?;
        ensure!(reply["type"] == "loaded", "instead of a model: {reply}");
        Ok(reply["card"].clone())
    }

    /// Loads the repository in vain, and gives the message and the hint.
    pub(super) fn fail(&self, more: &Value) -> Result<(String, String)> {
        let reply = self.last(self.begin_load(more)?)?;
        ensure!(reply["type"] == "failed", "instead of a failure: {}", reply["type"]);
        let text = |key: &str| reply["failure"][key].as_str().unwrap_or_default().to_owned();
        Ok((text("message"), text("hint")))
    }

    /// The model answers as the same one from the site does.
    pub(super) fn expect_answers(&self) -> Result<()> {
        let source = json!({ "from": "url", "base": format!("{}models/{SMALL}/", self.site) });
        let load = self.begin(&json!({ "type": "load", "model": "site", "source": source }))?;
        ensure!(self.last(load)?["type"] == "loaded", "the site's model does not load");
        let answer = |model: &str| -> Result<Value> {
            let run =
                self.begin(&json!({ "type": "ask", "model": model, "question": question(REPETITION) }))?;
            let reply = self.last(run)?;
            ensure!(reply["type"] == "answered", "{model}: {reply}");
            Ok(json!([reply["answer"], reply["arrays"]]))
        };
        ensure!(answer("m")? == answer("site")?, "the model from the hub answers otherwise");
        Ok(())
    }

    /// What is kept on this machine.
    pub(super) fn cached(&self) -> Result<Value> {
        let reply = self.last(self.begin(&json!({ "type": "cached" }))?)?;
        ensure!(reply["type"] == "cached", "instead of a list: {reply}");
        Ok(reply["models"].clone())
    }
}

/// Bytes of files that a hub has sent, and where the first of the weights began.
pub(super) fn sent(asked: &[Asked]) -> u64 {
    asked.iter().map(|asked| asked.n_bytes).sum()
}

/// Where the requests for weights began, bytes.
pub(super) fn starts(asked: &[Asked]) -> Vec<u64> {
    let start = |asked: &Asked| {
        let range = asked.range.as_deref()?.strip_prefix("bytes=")?;
        range.split('-').next()?.parse().ok()
    };
    asked.iter().filter(|asked| asked.is_large).map(|asked| start(asked).unwrap_or(0)).collect()
}

/// The small model's files by name.
pub(super) fn files() -> Result<BTreeMap<String, Vec<u8>>> {
    files_of(SMALL)
}

/// An embedded model's files by name.
pub(super) fn files_of(model: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let from = paths::root().join("assets/models").join(model);
    let read = |name: &str| Ok((name.to_owned(), fs::read(from.join(name))?));
    ["config.json", "tokenizer.json", "README.md", WEIGHTS].into_iter().map(read).collect()
}
