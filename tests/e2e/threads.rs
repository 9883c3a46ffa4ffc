//! Threads need a page that is isolated from other origins: by its host, or by its own service worker.

use anyhow::{Result, ensure};
use serde_json::json;
use std::fs;
use std::time::Duration;

use xtask::paths;
use xtask::server::{self, Isolation, Options};
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, SMALL, question};
use crate::world::World;

const PROMPT: &str = "Rapunzel let down her golden hair & sang.";
/// Longer than the page waits before it prepares its next visit.
const LONG_ENOUGH: Duration = Duration::from_secs(6);

pub(crate) fn a_button_isolates_the_page(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    ensure!(!is_isolated(session)?, "a plain host isolates its pages");
    page.type_prompt(PROMPT)?;
    page.open_engine()?;
    ensure!(page.test_id("threads")?.number("data-n")? == 1.0, "there is more than one thread");
    page.control("Use more threads (reloads the page)")?.click()?;
    wait_for("the page to be isolated", PATIENCE, || Ok(is_isolated(session)?.then_some(())))?;
    page.wait_ready()?;
    ensure!(page.prompt()? == PROMPT, "the prompt became {:?}", page.prompt()?);
    page.ask(&question(PROMPT))?;
    page.expect_no_console_error()
}

pub(crate) fn the_next_visit_is_isolated(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    wait_for("the service worker", PATIENCE, || Ok((n_helpers(session)? == 1).then_some(())))?;
    ensure!(!is_isolated(session)?, "the page changed under its reader");
    session.goto("about:blank")?;
    let again = Page::open_ready(session, &world.url_with(SMALL))?;
    ensure!(is_isolated(session)?, "the second visit is not isolated");
    again.ask(&question(PROMPT))?;
    page.expect_no_console_error()
}

pub(crate) fn a_host_that_isolates_is_left_alone(_world: &World, session: &Session) -> Result<()> {
    let isolation = Isolation::CrossOriginIsolated;
    let host = server::start(&Options { isolation, ..Options::any_port(&paths::dist()) })?;
    let page = Page::open_ready(session, &format!("{}#v1&model={SMALL}", host.url()))?;
    ensure!(is_isolated(session)?, "the host's headers do not isolate the page");
    std::thread::sleep(LONG_ENOUGH);
    ensure!(n_helpers(session)? == 0, "a service worker was put in all the same");
    page.expect_no_console_error()
}

pub(crate) fn an_embed_is_left_alone(world: &World, session: &Session) -> Result<()> {
    let dir = world.scratch("course")?;
    let html = format!(
        "<!doctype html><link rel=icon href=data:,><title>A course page</title><iframe title=Vitrine width=900 height=700 src=\"{}\"></iframe>",
        world.url_with(SMALL)
    );
    fs::write(dir.join("index.html"), html)?;
    let host = server::start(&Options::any_port(&dir))?;
    session.goto(host.url())?;
    session.enter_frame(Some(0))?;
    let page = Page::here(session);
    page.wait_ready()?;
    std::thread::sleep(LONG_ENOUGH);
    ensure!(!is_isolated(session)? && n_helpers(session)? == 0, "the embed isolated itself");
    page.open_engine()?;
    let threads = page.test_id("threads")?;
    ensure!(threads.number("data-n")? == 1.0, "there is more than one thread");
    let text = threads.text()?;
    ensure!(text.contains("Inside another page"), "the panel does not say why: {text}");
    session.enter_frame(None)
}

fn is_isolated(session: &Session) -> Result<bool> {
    Ok(session.script("return window.crossOriginIsolated === true", &[])? == json!(true))
}

/// How many service workers this origin has put in.
fn n_helpers(session: &Session) -> Result<u64> {
    let n = session.script_async("return (await navigator.serviceWorker.getRegistrations()).length", &[])?;
    Ok(n.as_u64().unwrap_or_default())
}
