//! The site in a headless Chromium: its first answer, and its engine beside onnxruntime-web on the same weights.
//!
//! Both halves run in the same browser on the same machine, one after the other, case by case; a result is verified
//! before it is timed.

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::path::PathBuf;

use super::cases::{CASES, Case, Rival};
use super::page::Page;
use super::reference::{Half, Reference};
use super::table::{self, Measured, Row, Verdict};
use super::{first_answer, machine, peer};
use crate::server::{self, Isolation, Options, Running};
use crate::webdriver::chrome::{self, Driver, Window};
use crate::{cmd, paths};

/// The name under which the first answer is chosen.
pub const FIRST_ANSWER: &str = "first-answer";

/// Everything that can be measured alone.
pub fn names() -> Vec<&'static str> {
    std::iter::once(FIRST_ANSWER).chain(CASES.iter().map(|case| case.name)).collect()
}

/// Measures everything, or one case and the one that it is compared with.
///
/// Errors: no browser; a result is wrong; the first answer is over its promise. A short case is no error.
pub fn run(n_runs: usize, only: Option<&str>) -> Result<()> {
    let first = match only {
        None | Some(FIRST_ANSWER) => first_answer::run(n_runs),
        Some(_) => Ok(()),
    };
    if only != Some(FIRST_ANSWER) {
        beside_the_peer(only)?;
    }
    first
}

fn beside_the_peer(only: Option<&str>) -> Result<()> {
    let weights = match peer::weights() {
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
    let bench = Bench::start(weights, runtime.ok())?;
    let rows = bench.measure(only)?;
    let failures = bench.failures(&rows);
    if only.is_none() && failures.is_empty() {
        bench.write(&rows)?;
    }
    let n = |verdict| rows.iter().filter(|row| row.verdict() == verdict).count();
    let (n_ok, n_short, n_missing) = (n(Verdict::Ok), n(Verdict::Short), n(Verdict::Missing));
    println!("  {n_ok} ok, {n_short} short, {n_missing} missing");
    match failures.as_slice() {
        [] => Ok(()),
        failures => bail!("not measured, so nothing is written: {}", failures.join(", ")),
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
    fn start(weights: PathBuf, runtime: Option<PathBuf>) -> Result<Self> {
        let reference = Reference::build(&weights)?;
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

    /// The chosen cases, printed as they are done.
    fn measure(&self, only: Option<&str>) -> Result<Vec<Row>> {
        if let Some(load) = self.load_before.filter(|load| *load > 0.5) {
            println!("  Other programs are running (load {load:.1}): these times mean little.");
        }
        println!("{}", table::header());
        let mut rows: Vec<Row> = Vec::new();
        for case in chosen(only)? {
            let own_millis = match case.rival {
                Rival::Own(other) => rows
                    .iter()
                    .find(|row| row.case.name == other)
                    .and_then(|row| row.ours.as_ref().map(Measured::millis)),
                Rival::Peer | Rival::OwnForward => None,
            };
            let row = Row {
                case,
                ours: self.tried(case, Half::Ours, case.missing.is_none()),
                peer: self.tried(case, Half::Peer, case.has_peer && self.has_peer),
                own_millis,
            };
            println!("{}", row.line());
            for half in [&row.ours, &row.peer].into_iter().flatten() {
                for (name, samples) in &half.arrangements {
                    println!("    {name}: {:.1} ms", table::median(samples).unwrap_or(f64::NAN));
                }
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// One half, or `None` if it is not wanted or does not work; why is printed.
    fn tried(&self, case: &'static Case, half: Half, is_wanted: bool) -> Option<Measured> {
        if !is_wanted {
            return None;
        }
        match self.half(case, half) {
            Ok(measured) => Some(measured),
            Err(error) => {
                println!("  {}, {half:?}: FAILED: {error:#}", case.name);
                None
            }
        }
    }

    fn half(&self, case: &'static Case, half: Half) -> Result<Measured> {
        let name = match half {
            Half::Ours => "ours",
            Half::Peer => "peer",
        };
        // A browser for each: what one case leaves in memory is not the next one's burden.
        let page = Page::open(&self.driver, &format!("{}bench/{name}.html", self.site.url()))?;
        let prepared = page.prepare(&case.job())?;
        let agreement = self.reference.verify(case, &prepared, half)?;
        let timed = page.measure()?;
        Measured::of(&prepared, &timed, agreement).context("the page timed nothing")
    }

    /// What should have been measured and was not.
    fn failures(&self, rows: &[Row]) -> Vec<String> {
        let mut failures = Vec::new();
        for Row { case, ours, peer, .. } in rows {
            if case.missing.is_none() && ours.is_none() {
                failures.push(format!("{} (ours)", case.name));
            }
            if case.has_peer && self.has_peer && peer.is_none() {
                failures.push(format!("{} (peer)", case.name));
            }
        }
        failures
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        super::write(
            "browser",
            &json!({
                "what": "milliseconds, f32, random weights in the shape of GPT-2 small; figures are ratios of medians",
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

/// The cases to measure, in the order of the table; with one alone comes the one that it is compared with.
fn chosen(only: Option<&str>) -> Result<Vec<&'static Case>> {
    let Some(only) = only else { return Ok(CASES.iter().collect()) };
    let case = Case::named(only).with_context(|| format!("there is no case {only}"))?;
    let rival = match case.rival {
        Rival::Own(other) => Some(other),
        Rival::Peer | Rival::OwnForward => None,
    };
    Ok(CASES.iter().filter(|of| of.name == only || Some(of.name) == rival).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_comes_with_its_rival() {
        let names = |only| -> Vec<&str> {
            chosen(Some(only)).expect("in the table").iter().map(|case| case.name).collect()
        };
        assert_eq!(names("forward-64"), ["forward-64"]);
        assert_eq!(names("forward-64-threads-2"), ["forward-64", "forward-64-threads-2"]);
        assert!(chosen(Some("forward-63")).is_err());
    }
}
