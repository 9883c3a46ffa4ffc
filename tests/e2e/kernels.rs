//! The kernel module: every build gives the same product, and losing a thread loses no answer.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

use xtask::server::{self, Isolation, Options, Running};
use xtask::webdriver::{Session, wait_for};
use xtask::{paths, site::bundle::copy_dir};

use crate::page::{PATIENCE, Page, REPETITION, SMALL, question};
use crate::world::World;

/// What the script below finds out about one build.
const CHECKS: &str = include_str!("kernels.js");

/// The site's files whose name begins and ends like this.
fn files(dist: &Path, start: &str, end: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dist)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(start) && name.ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A site whose page may share memory between threads.
fn isolated(dist: &Path) -> Result<Running> {
    server::start(&Options { isolation: Isolation::CrossOriginIsolated, ..Options::any_port(dist) })
}

/// The page of `site` with the small model.
fn open<'a>(session: &'a Session, site: &Running) -> Result<Page<'a>> {
    Page::open_ready(session, &format!("{}#v1&model={SMALL}", site.url()))
}

/// What the model card says it computes on.
fn adapter(session: &Session) -> Result<String> {
    let text =
        session.script("return document.querySelector('[data-testid=model-card]').textContent", &[])?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

/// A copy of the site with another helper script.
fn with_helper(world: &World, name: &str, script: &str) -> Result<PathBuf> {
    let dist = world.scratch(name)?;
    copy_dir(&paths::dist(), &dist)?;
    let helpers = files(&dist, "kernel-helper-", ".js")?;
    ensure!(helpers.len() == 1, "the site has {} helper scripts", helpers.len());
    fs::write(&helpers[0], script)?;
    Ok(dist)
}

pub(crate) fn every_build_multiplies_alike(_world: &World, session: &Session) -> Result<()> {
    let site = isolated(&paths::dist())?;
    session.goto(site.url())?;
    let builds = files(&paths::dist(), "kernel-", ".wasm")?;
    ensure!(builds.len() == 4, "the site has {} kernels", builds.len());
    let helper = files(&paths::dist(), "kernel-helper-", ".js")?;
    let name = |path: &PathBuf| json!(path.file_name().unwrap_or_default().to_string_lossy());
    for build in &builds {
        let found = session.script_async(CHECKS, &[name(build), name(&helper[0])])?;
        let error =
            |key: &str| found[key].as_f64().with_context(|| format!("{build:?}: no {key} in {found}"));
        for key in ["product", "transposed", "standings", "top_k", "activated"] {
            ensure!(error(key)? <= 1e-5, "{}: the {key} is wrong: {found}", build.display());
        }
        ensure!(!(error("planted")? <= 1e-5), "a planted error is not seen: {found}");
        ensure!(found["isSameInThreads"] == json!(true), "{}: threads change bits: {found}", build.display());
    }
    Ok(())
}

pub(crate) fn threads_change_no_answer(world: &World, session: &Session) -> Result<()> {
    let asked = question(REPETITION);
    let answer = |mut answer: Value| {
        answer.as_object_mut().map(|answer| answer.remove("elapsed_millis")).map(|_| answer)
    };
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    ensure!(adapter(session)?.contains("1 thread,"), "not isolated: {}", adapter(session)?);
    let alone = page.ask(&asked)?;
    let site = isolated(&paths::dist())?;
    let page = open(session, &site)?;
    let n_cores = session.script("return navigator.hardwareConcurrency", &[])?.as_u64().unwrap_or(1);
    let threads = if n_cores == 1 { "1 thread,".to_owned() } else { format!("{} threads,", n_cores.min(8)) };
    ensure!(adapter(session)?.contains(&threads), "{n_cores} cores: {}", adapter(session)?);
    ensure!(adapter(session)?.contains("SIMD (relaxed)"), "this Chromium has it: {}", adapter(session)?);
    ensure!(answer(page.ask(&asked)?) == answer(alone), "threads change an answer");
    page.expect_no_console_error()
}

pub(crate) fn helpers_that_do_not_start_are_done_without(world: &World, session: &Session) -> Result<()> {
    let site = isolated(&with_helper(world, "no-helper", "throw new Error('no');")?)?;
    let page = open(session, &site)?;
    ensure!(adapter(session)?.contains("1 thread,"), "{}", adapter(session)?);
    page.ask(&question(REPETITION)).context("without helpers")?;
    Ok(())
}

pub(crate) fn a_helper_that_dies_at_work_costs_no_answer(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let want = page.ask(&question(REPETITION))?;
    // Once told, it takes the first chunk of a job, as the kernel does, and is gone.
    let script = "onmessage = ({ data: { module, memory } }) => {
        const { exports } = new WebAssembly.Instance(module, { env: { memory } });
        const words = new Int32Array(memory.buffer), next = (exports.number_address() >> 2) - 2;
        new BroadcastChannel('die').onmessage = () => {
            while (Atomics.compareExchange(words, next, 0, 1) !== 0);
            close();
        };
        postMessage('ready');
    };";
    let dist = with_helper(world, "lost-helper", script)?;
    // The console of a worker is not to be had from here.
    let workers = files(&dist, "worker-", ".js")?;
    let worker = fs::read_to_string(&workers[0])?;
    let warn = "console.warn = (text) => new BroadcastChannel('warned').postMessage(text);";
    fs::write(&workers[0], format!("{warn}\n{worker}"))?;
    let site = isolated(&dist)?;
    let page = open(session, &site)?;
    session.script(
        "window.warnings = []; window.warned = new BroadcastChannel('warned');
         window.warned.onmessage = ({ data }) => window.warnings.push(data);
         new BroadcastChannel('die').postMessage('now');",
        &[],
    )?;
    wait_for("the engine to say that a thread is lost", PATIENCE, || {
        let got = page.ask(&question(REPETITION)).context("with a lost helper")?;
        ensure!(got["heads"] == want["heads"], "a lost helper changes an answer");
        let warnings = session.script("return window.warnings.join()", &[])?;
        Ok(warnings.as_str().unwrap_or_default().contains("did not answer").then_some(()))
    })?;
    page.ask(&question(REPETITION)).context("alone")?;
    page.open_engine()?;
    ensure!(page.test_id("threads")?.number("data-n")? == 1.0, "the engine panel counts a lost thread");
    Ok(())
}
