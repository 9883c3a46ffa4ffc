//! The page as a guest: under its security policy, and inside somebody else's page.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::fs;

use xtask::server::{self, Options};
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, question};
use crate::world::World;

pub(crate) fn the_policy_holds(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, world.url())?;
    let policy = session.script(
        "return document.querySelector('meta[http-equiv=\"Content-Security-Policy\"]')?.content",
        &[],
    )?;
    let policy = policy.as_str().context("the page has no Content-Security-Policy")?;
    ensure!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
    // An inline script must not run, and neither must eval (chromedriver's own scripts are exempt, so ask the page).
    session.script(
        "const script = document.createElement('script'); script.textContent = 'window.inlineRan = true'; document.head.append(script);",
        &[],
    )?;
    let ran = session.script("return window.inlineRan === true", &[])?;
    ensure!(ran == false, "an inline script ran");
    // The worker that the page names exists and is classic or module, as it says.
    let worker = session.script(
        "const meta = document.querySelector('meta[name=vitrine-worker]'); return meta && [meta.content, meta.dataset.type]",
        &[],
    )?;
    ensure!(worker[1] == "classic" || worker[1] == "module", "the page names no worker: {worker}");
    page.ask(&question("The cat sat")).context("under the policy")?;
    Ok(())
}

pub(crate) fn works_in_an_iframe(world: &World, session: &Session) -> Result<()> {
    let dir = world.scratch("embedder")?;
    let html = format!(
        "<!doctype html><link rel=icon href=data:,><title>A course page</title><h1>Week 3</h1><iframe title=Vitrine width=900 height=700 src=\"{}\"></iframe>",
        world.url()
    );
    fs::write(dir.join("index.html"), html)?;
    // Another port is another origin.
    let host = server::start(&Options::any_port(&dir))?;
    session.goto(host.url())?;
    session.enter_frame(Some(0))?;
    let page = Page::here(session);
    wait_for("the embedded page to be ready", PATIENCE, || Ok((page.state()? == "ready").then_some(())))?;
    let answer = page.ask(&question("The cat sat on the cat"))?;
    ensure!(answer["kind"] == json!("attention"), "{answer}");
    session.enter_frame(None)?;
    page.expect_no_console_error()
}
