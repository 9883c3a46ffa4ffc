//! The site in a headless Chromium: its first answer, and its engine beside onnxruntime-web on the same weights.
//!
//! Both halves run on the same machine and take turns, case by case; a result is verified before it is timed.

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::build::{self, Program};
use super::cases::{CASES, Case};
use super::page::Page;
use super::reference::{Half, Reference};
use super::runner::{Side, Subject as _};
use super::table::Row;
use super::{first_answer, machine, peer, pointer, runner};
use crate::server::{self, Isolation, Options, Running};
use crate::webdriver::chrome::{self, Driver, Window};
use crate::{cmd, paths};

/// The name under which the first answer is chosen.
pub const FIRST_ANSWER: &str = "first-answer";
/// The name under which pointing at marks is chosen.
pub const POINTER: &str = "pointer";

/// Everything that can be measured alone.
pub fn names() -> Vec<&'static str> {
    [FIRST_ANSWER, POINTER].into_iter().chain(CASES.iter().map(|case| case.name)).collect()
}

/// Measures everything, or one case and the one that it is compared with; `programs` as in [`build::program`].
///
/// Errors: no browser; a result is wrong; the first answer or pointing is over its promise. A short case is no error.
pub fn run(n_runs: usize, only: Option<&str>, programs: Option<&Path>) -> Result<()> {
    let first = match only {
        None | Some(FIRST_ANSWER) => first_answer::run(n_runs),
        Some(_) => Ok(()),
    };
    let pointer = match only {
        None | Some(POINTER) => pointer::run(),
        Some(_) => Ok(()),
    };
    if !matches!(only, Some(FIRST_ANSWER | POINTER)) {
        beside_the_peer(only, programs)?;
    }
    first.and(pointer)
}

fn beside_the_peer(only: Option<&str>, programs: Option<&Path>) -> Result<()> {
    let started_at = Instant::now();
    let cases = Case::chosen(CASES, only).context("there is no such case")?;
    let weights = match peer::weights(None) {
        Ok(weights) => weights,
        Err(error) => {
            println!("\n  SKIPPED, the whole table: {error:#}.\n");
            return Ok(());
        }
    };
    let runtime = peer::runtime();
    if let Err(error) = &runtime {
        println!("\n  SKIPPED, the half of onnxruntime-web: {error:#}.\n");
    }
    let bench = Bench::start(weights, runtime.ok(), programs)?;
    let rows = runner::rows(&cases, bench.has_peer, &mut |case, half| bench.side(case, half));
    let failures = runner::failures(&rows, bench.has_peer);
    if only.is_none() {
        bench.write(&rows)?;
    }
    println!("{}", runner::summary(&rows, started_at));
    match failures.as_slice() {
        [] => Ok(()),
        failures => bail!("not measured: {}", failures.join(", ")),
    }
}

struct Bench {
    reference: Reference,
    driver: Driver,
    browser: String,
    adapter: String,
    site: Running,
    has_peer: bool,
    load_before: Option<f64>,
}

impl Bench {
    fn start(weights: PathBuf, runtime: Option<PathBuf>, programs: Option<&Path>) -> Result<Self> {
        let reference = Reference::new(build::program(Program::Vitrine, programs)?, &weights);
        let chrome = chrome::ensure()?;
        let browser = chrome.browser.as_deref().and_then(cmd::version_of).unwrap_or_else(|| "unknown".into());
        let driver = Driver::start(&chrome, Window::Headless)?;
        let has_peer = runtime.is_some();
        let pages = paths::root().join("benches/browser");
        let mut beside = vec![("/bench/".to_owned(), pages), ("/weights/".to_owned(), weights)];
        beside.extend(runtime.map(|runtime| ("/peer/".to_owned(), runtime)));
        let isolation = Isolation::CrossOriginIsolated;
        let site = server::start(&Options { isolation, beside, ..Options::any_port(&paths::dist()) })?;
        let adapter = Page::open(&driver, &format!("{}bench/peer.html", site.url()))?.adapter()?;
        let load_before = machine::load();
        Ok(Self { reference, driver, browser, adapter, site, has_peer, load_before })
    }

    fn side(&self, case: &'static Case, half: Half) -> Result<Side<'static>> {
        let name = match half {
            Half::Ours => "ours",
            Half::Peer => "peer",
        };
        // A browser for each: what one case leaves in memory is not the next one's burden.
        let mut page = Page::open(&self.driver, &format!("{}bench/{name}.html", self.site.url()))?;
        let measured = runner::verified(&mut page, &self.reference, case, half)?;
        Ok(Box::new(move || measured(&page.measure()?)))
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        super::write(
            "browser",
            &json!({
                "what": "milliseconds, f32, random weights in the shape of GPT-2 small; figures are ratios of lower quartiles",
                "machine": machine::describe(),
                "load_before": self.load_before,
                "browser": self.browser,
                "webgpu_adapter": self.adapter,
                "commit": machine::commit(),
                "date": machine::date(),
                "cases": rows,
            }),
        )
    }
}
