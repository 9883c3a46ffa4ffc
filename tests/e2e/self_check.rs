//! The self-check in the page, with a stand-in for the published numbers: all agree, a planted wrong one shows red, and
//! those of another model are refused.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

use xtask::paths;
use xtask::server::{self, Options};
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, SMALL};
use crate::world::World;

/// A random model and what TransformerLens makes of it.
fn stand_in() -> PathBuf {
    paths::root().join("tests/golden/stand-in")
}

fn published(dir: &Path, reference: &Value) -> Result<()> {
    Ok(fs::write(dir.join("gpt2-small.json"), reference.to_string())?)
}

/// Opens the stand-in's files from disk.
fn open_stand_in(page: &Page<'_>) -> Result<()> {
    let files = ["config.json", "model.safetensors", "tokenizer.json"].map(|name| stand_in().join(name));
    let paths: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    page.choose_files(&paths.join("\n"))?;
    wait_for(
        "the stand-in to be the current model",
        PATIENCE,
        || Ok((page.model()? == "own-1").then_some(())),
    )
}

/// Runs the open model's check and returns what the page says of it.
fn check(page: &Page<'_>) -> Result<String> {
    if page.control_if_any("Run the check")?.is_none() {
        page.control("Check it against published numbers")?.click()?;
    }
    page.control("Run the check")?.click()?;
    let panel = page.test_id("self-check")?;
    wait_for("the check to end", PATIENCE, || {
        let text = panel.text()?;
        Ok((text.contains(" not checked") && !text.contains(" not checked, of")).then_some(text))
    })
}

pub(crate) fn a_planted_number_shows_red(world: &World, session: &Session) -> Result<()> {
    let dir = world.scratch("published")?;
    let mut reference: Value = serde_json::from_slice(&fs::read(stand_in().join("reference.json"))?)?;
    published(&dir, &reference)?;
    let beside = vec![("/reference/".to_owned(), dir.clone())];
    let server = server::start(&Options { beside, ..Options::any_port(&paths::dist()) })?;
    let page = Page::open_ready(session, &format!("{}#v1&model={SMALL}", server.url()))?;
    open_stand_in(&page)?;
    let text = check(&page)?;
    ensure!(text.contains(" 0 differ,"), "{text}");
    ensure!(
        session.find(".self-check tr.agrees")?.is_some() && session.find(".self-check tr.differs")?.is_none()
    );

    let entries = reference["entries"].as_array_mut().context("entries")?;
    let metric = entries.iter_mut().find(|entry| entry["kind"] == "metric").context("no metric")?;
    let id = metric["id"].as_str().unwrap_or_default().to_owned();
    metric["published"][0] = (metric["published"][0].as_f64().context("a number")? + 1.0).into();
    published(&dir, &reference)?;
    let text = check(&page)?;
    ensure!(text.contains(" 1 differs,"), "{text}");
    let red = session.find(".self-check tr.differs")?.context("no row says that it differs")?;
    ensure!(red.attribute("data-id")? == Some(id), "another row differs");
    page.expect_no_console_error()
}

pub(crate) fn numbers_of_another_model_are_refused(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &format!("{}&prompt=The+king", world.url_with(SMALL)))?;
    open_stand_in(&page)?;
    page.control("Check it against published numbers")?.click()?;
    page.control("Run the check")?.click()?;
    let text = page.wait_for_alert()?;
    ensure!(text.contains("openai-community/gpt2") && text.contains("this model is another"), "{text}");
    Ok(())
}
