//! The page as an object: the only file that knows its selectors.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

use xtask::webdriver::element::key;
use xtask::webdriver::{Element, Session, wait_for};

/// Long enough for a loaded machine; a test that passes takes a fraction.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The first model to be live. Tests name it, because the default takes over as soon as it is there.
pub(crate) const SMALL: &str = "tales-attn-2l";

/// The model that takes over once it is there.
pub(crate) const DEFAULT: &str = "tales-4l";

/// A sentence with a repetition: something for an induction head to find.
pub(crate) const REPETITION: &str = "Rapunzel, Rapunzel, let down your golden hair to me. Rapunzel, Rapunzel, let down your golden hair to me.";

/// The page in a session.
pub(crate) struct Page<'a> {
    session: &'a Session,
}

impl<'a> Page<'a> {
    /// Opens the page and waits until a live model answers.
    pub(crate) fn open_ready(session: &'a Session, url: &str) -> Result<Self> {
        session.goto(url)?;
        let page = Self { session };
        page.wait_ready()?;
        Ok(page)
    }

    /// The page that the session shows already.
    pub(crate) fn here(session: &'a Session) -> Self {
        Self { session }
    }

    /// `stored`, `loading`, `ready` or `failed`.
    pub(crate) fn state(&self) -> Result<String> {
        let state = self.session.script("return document.documentElement.dataset.vitrine", &[])?;
        Ok(state.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a live model answers.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        wait_for("html[data-vitrine=ready]", PATIENCE, || match self.state()?.as_str() {
            "ready" => Ok(Some(Ok(()))),
            "failed" => Ok(Some(Err(anyhow::anyhow!("the page failed: {}", self.alert_text()?)))),
            _ => Ok(None),
        })?
    }

    /// The name of the model that answers.
    pub(crate) fn model(&self) -> Result<String> {
        let card = self.test_id("model-card")?;
        card.attribute("data-model")?.context("the model card does not say which model it is about")
    }

    /// The element with this `data-testid`.
    pub(crate) fn test_id(&self, id: &str) -> Result<Element<'a>> {
        self.session.find(&format!("[data-testid={id}]"))?.with_context(|| format!("the page has no {id}"))
    }

    /// The visible control with this accessible name.
    pub(crate) fn control(&self, name: &str) -> Result<Element<'a>> {
        self.control_if_any(name)?.with_context(|| format!("the page has no control named {name:?}"))
    }

    /// The visible control with this accessible name, if there is one.
    pub(crate) fn control_if_any(&self, name: &str) -> Result<Option<Element<'a>>> {
        for element in
            self.session.find_all("button, input, textarea, select, [role=button], [role=switch]")?
        {
            // An element may go while we look; then it is not the one.
            let is_it = element.accessible_name().is_ok_and(|found| found == name);
            if is_it && (element.is_visible()? || element.attribute("type")?.as_deref() == Some("file")) {
                return Ok(Some(element));
            }
        }
        Ok(None)
    }

    /// Types `text` into the prompt box as a person would and asks.
    pub(crate) fn type_prompt(&self, text: &str) -> Result<()> {
        let prompt = self.control("Prompt")?;
        prompt.click()?;
        // `clear` sends no input events; select all and type over it.
        prompt.keys(&format!("{}a{}", key::CONTROL, key::RELEASE))?;
        prompt.keys(text)?;
        prompt.keys(&format!("{}{}{}", key::CONTROL, key::ENTER, key::RELEASE))
    }

    /// Puts a long text into the prompt box at once, as a paste does, and asks.
    pub(crate) fn paste_prompt(&self, text: &str) -> Result<()> {
        let prompt = self.control("Prompt")?;
        self.session.script(
            "const [box, text] = arguments; box.focus(); box.select(); document.execCommand('insertText', false, text);",
            &[prompt.as_argument(), json!(text)],
        )?;
        prompt.keys(&format!("{}{}{}", key::CONTROL, key::ENTER, key::RELEASE))
    }

    /// Opens files from disk as a user does; `paths` has one a line.
    pub(crate) fn choose_files(&self, paths: &str) -> Result<()> {
        self.control("Load another…")?.click()?;
        self.control("Open a model from disk")?.keys(paths)
    }

    /// The ids of the chips in the token strip, in order.
    pub(crate) fn token_ids(&self) -> Result<Vec<u32>> {
        let ids = self.session.script(
            "return [...document.querySelectorAll('[data-testid=token-strip] [data-token-id]')].map(chip => Number(chip.dataset.tokenId))",
            &[],
        )?;
        serde_json::from_value(ids).context("a chip's data-token-id is not a number")
    }

    /// Waits until the strip shows these tokens and the picture is about them.
    pub(crate) fn wait_for_tokens(&self, ids: &[u32]) -> Result<()> {
        wait_for("the strip to show the tokens of the prompt", PATIENCE, || {
            let grid_is_busy = self.test_id("head-grid")?.attribute("aria-busy")?.as_deref() == Some("true");
            Ok((self.token_ids()? == ids && !grid_is_busy).then_some(()))
        })
        .with_context(|| format!("the strip shows {:?}", self.token_ids().unwrap_or_default()))
    }

    /// What the visible failures say.
    pub(crate) fn alert_text(&self) -> Result<String> {
        let mut texts = Vec::new();
        for alert in self.session.find_all("[role=alert]")? {
            if alert.is_visible()? {
                texts.push(alert.text()?);
            }
        }
        Ok(texts.join(" "))
    }

    /// Waits for a failure that is shown.
    pub(crate) fn wait_for_alert(&self) -> Result<String> {
        wait_for("a visible role=alert", PATIENCE, || {
            let text = self.alert_text()?;
            Ok((!text.trim().is_empty()).then_some(text))
        })
    }

    /// Asks through `window.vitrine`.
    pub(crate) fn ask(&self, question: &Value) -> Result<Value> {
        self.session.script_async("return await window.vitrine.ask(args[0])", std::slice::from_ref(question))
    }

    /// Opens the engine's panel and waits until it knows where the model is.
    pub(crate) fn open_engine(&self) -> Result<Element<'a>> {
        let button = self.session.find(".engine-button")?.context("the page has no Engine button")?;
        button.click()?;
        wait_for("the engine's panel", PATIENCE, || self.session.find("[data-testid=engine-place]"))
    }

    /// Chooses where models are computed, in the open panel.
    pub(crate) fn compute_on(&self, wish: &str) -> Result<()> {
        let choice = self.control("Compute on")?;
        self.session.script(
            "const [select, value] = arguments; select.value = value; select.dispatchEvent(new Event('change', { bubbles: true }));",
            &[choice.as_argument(), json!(wish)],
        )?;
        Ok(())
    }

    /// Waits until the panel says that the model is computed there: `CPU` or `WebGPU`.
    pub(crate) fn wait_for_place(&self, place: &str) -> Result<()> {
        wait_for("the model to be there", PATIENCE, || {
            self.session.find(&format!("[data-testid=engine-place][data-place={place}]"))
        })
        .with_context(|| format!("it is not on {place}; {}", self.alert_text().unwrap_or_default()))?;
        Ok(())
    }

    /// The text in the prompt box.
    pub(crate) fn prompt(&self) -> Result<String> {
        let text = self.session.script("return document.querySelector('textarea').value", &[])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Nothing on the console is an error.
    pub(crate) fn expect_no_console_error(&self) -> Result<()> {
        let errors: Vec<String> = self
            .session
            .console()?
            .into_iter()
            .filter(|line| line.level == "SEVERE" || line.message.contains("Content Security Policy"))
            .map(|line| line.message)
            .collect();
        if !errors.is_empty() {
            bail!("the console has errors: {}", errors.join(" | "));
        }
        Ok(())
    }
}

/// The first question: attention and the next token.
pub(crate) fn question(text: &str) -> Value {
    json!({ "kind": "attention", "prompt": { "text": text }, "patterns": "none" })
}

/// The token ids that an answer is about.
pub(crate) fn ids_of(answer: &Value) -> Result<Vec<u32>> {
    let tokens = answer["tokens"].as_array().context("the answer has no tokens")?;
    tokens
        .iter()
        .map(|token| Ok(u32::try_from(token["id"].as_u64().context("a token without an id")?)?))
        .collect()
}

/// Layer, head and score of the largest induction score in an answer.
pub(crate) fn best_induction(answer: &Value) -> Result<(u64, u64, f64)> {
    let heads = answer["heads"].as_array().context("the answer has no heads")?;
    let scores = heads.iter().filter_map(|head| {
        Some((head["layer"].as_u64()?, head["head"].as_u64()?, head["induction"].as_f64()?))
    });
    scores.max_by(|a, b| a.2.total_cmp(&b.2)).context("no head has an induction score")
}

/// Two numbers that were computed by different compilations of the same code.
pub(crate) fn expect_close(what: &str, got: f64, want: f64) -> Result<()> {
    // f32 sums in another order, and another libm; measured differences are below 1e-6.
    ensure!((got - want).abs() <= 1e-4, "{what}: {got} in the page, {want} on the command line");
    Ok(())
}
