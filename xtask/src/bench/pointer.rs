//! From the pointer to the highlight, in the views of a long prompt in a model with as many heads as GPT-2 small.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

use super::first_answer::percentile;
use super::machine;
use crate::server::{self, Options};
use crate::webdriver::chrome::{self, Driver, Window};
use crate::webdriver::{Session, wait_for};
use crate::{cmd, paths};

const N_LAYERS: usize = 12;
const N_HEADS: usize = 12;
const N_TOKENS: usize = 256;
const N_TIMES: usize = 50;

/// The promise, at the 95th percentile: one frame of a display at 60 Hz.
const BUDGET_MILLIS: f64 = 16.0;

const MODEL: &str = include_str!("../../../benches/browser/pointer_model.js");
const POINT: &str = include_str!("../../../benches/browser/pointer.js");

/// How long a view may take until it is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// A view, what is pointed at in it, and where it says what that is.
const VIEWS: [(&str, &str, &str); 8] = [
    ("attention", "[data-testid=attention-matrix]", "[data-testid=attention-cell]"),
    ("heads", ".view-row > [data-at]", "[data-slot]"),
    ("head", ".heat-row > [data-at]", "[data-slot]"),
    ("induction", ".view-row > [data-at]", "[data-slot]"),
    ("lens", ".view-row > [data-at]", "[data-slot]"),
    ("attribution", ".view-host [data-at]", "[data-slot]"),
    ("residual", ".view-row > [data-at]", "[data-slot]"),
    ("loss", ".view-host [data-at]", "[data-slot]"),
];

/// Measures, prints, and writes benches/results/pointer.json.
///
/// Errors: no browser; a view fails or says nothing; a view is over the promise.
pub fn run() -> Result<()> {
    let chrome = chrome::ensure()?;
    let driver = Driver::start(&chrome, Window::Headless)?;
    let site = server::start(&Options::any_port(&paths::dist()))?;
    let session = Session::open(&driver, 1440, 900)?;
    open(&session, site.url())?;
    println!("  {:<22} {:>8} {:>8} {:>8}", "pointer to highlight", "median", "p95", "max");
    let (mut views, mut late) = (vec![], vec![]);
    for (view, surface, said_in) in VIEWS {
        show(&session, view, surface)?;
        let times = point(&session, surface, said_in).with_context(|| format!("in the view {view}"))?;
        let of = |share: f64| percentile(&times, share).context("no times");
        let (median, p95, max) = (of(0.5)?, of(0.95)?, of(1.0)?);
        println!("  {view:<22} {median:>8.1} {p95:>8.1} {max:>8.1}");
        if !(p95 <= BUDGET_MILLIS) {
            late.push(view);
        }
        views.push(json!({ "view": view, "median": median, "p95": p95, "max": max, "runs": times }));
    }
    super::write(
        "pointer",
        &json!({
            "what": "milliseconds from a pointer's event to the page laid out again, without the wait for a frame",
            "shape": { "layers": N_LAYERS, "heads": N_HEADS, "tokens": N_TOKENS },
            "budget_p95_millis": BUDGET_MILLIS,
            "machine": machine::describe(),
            "browser": chrome.browser.as_deref().and_then(cmd::version_of),
            "commit": machine::commit(),
            "date": machine::date(),
            "views": views,
        }),
    )?;
    ensure!(late.is_empty(), "over {BUDGET_MILLIS} ms at the 95th percentile: {}", late.join(", "));
    Ok(())
}

/// Words that are a token each in the embedded models.
const WORDS: [&str; 5] = ["the", "king", "said", "to", "his"];

/// Opens the page with the model and a prompt of [`N_TOKENS`] tokens, one of which is the BOS.
fn open(session: &Session, url: &str) -> Result<()> {
    let prompt: Vec<&str> = WORDS.iter().copied().cycle().take(N_TOKENS - 1).collect();
    session.goto(&format!("{url}#v1&model=tales-attn-2l&prompt={}", prompt.join("+")))?;
    wait_for_state(session)?;
    session.script_async(MODEL, &[json!(N_LAYERS), json!(N_HEADS), json!(N_TOKENS)])?;
    let wanted = json!([N_LAYERS * N_HEADS, N_TOKENS]);
    wait_for("the model and its tokens", PATIENCE, || {
        let there = session.script(
            "return ['[data-testid=head-grid] [data-head]', '[data-testid=token-strip] [data-token-id]']\
             .map(marks => document.querySelectorAll(marks).length)",
            &[],
        )?;
        Ok((there == wanted).then_some(()))
    })?;
    wait_for_state(session)
}

fn wait_for_state(session: &Session) -> Result<()> {
    wait_for("the page to be ready", PATIENCE, || {
        let state = session.script("return document.documentElement.dataset.vitrine", &[])?;
        if state == "failed" {
            bail!("the page failed");
        }
        Ok((state == "ready").then_some(()))
    })
}

/// Opens a view and waits until there is something to point at.
fn show(session: &Session, view: &str, surface: &str) -> Result<()> {
    session.script("document.getElementById(`tab-${arguments[0]}`).click()", &[json!(view)])?;
    wait_for(&format!("the view {view}"), PATIENCE, || {
        // The page of a head offers some until one is chosen.
        session.script("document.querySelector('[data-testid=head-examples] button')?.click()", &[])?;
        let is_there = session.script(
            "return !document.querySelector('.view[aria-busy=true]') && document.querySelectorAll(arguments[0]).length > 0",
            &[json!(surface)],
        )?;
        Ok((view == "attention" || is_there == true).then_some(()))
    })
}

/// Milliseconds of each time; what was pointed at must have been said.
fn point(session: &Session, surface: &str, said_in: &str) -> Result<Vec<f64>> {
    let report = session.script_async(POINT, &[json!(surface), json!(said_in), json!(N_TIMES)])?;
    times_of(&report)
}

fn times_of(report: &Value) -> Result<Vec<f64>> {
    let said = report["said"].as_array().context("nothing was said")?;
    let texts: BTreeSet<&str> =
        said.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect();
    ensure!(texts.len() > N_TIMES / 2, "only {} different marks of {N_TIMES} were said", texts.len());
    let times = report["millis"].as_array().context("no times")?.iter();
    let times: Vec<f64> = times
        .map(|time| time.as_f64().filter(|time| time.is_finite()).context("no time"))
        .collect::<Result<_>>()?;
    ensure!(times.len() == N_TIMES, "{} times of {N_TIMES}", times.len());
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(said: impl Fn(usize) -> String, n_times: usize) -> Value {
        json!({ "said": (0..N_TIMES).map(said).collect::<Vec<_>>(), "millis": vec![1.0; n_times] })
    }

    #[test]
    fn pointing_at_nothing_is_no_measurement() {
        assert!(times_of(&report(|i| format!("cell {i}"), N_TIMES)).is_ok());
        assert!(times_of(&report(|_| String::new(), N_TIMES)).is_err());
        assert!(times_of(&report(|_| "the same".to_owned(), N_TIMES)).is_err());
        assert!(times_of(&report(|i| format!("cell {i}"), N_TIMES - 1)).is_err());
        let mut nan = report(|i| format!("cell {i}"), N_TIMES);
        nan["millis"][3] = Value::Null; // NaN, as JSON has it.
        assert!(times_of(&nan).is_err());
    }
}
